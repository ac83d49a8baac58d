package load

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A lane is one connection with its requests in flight.
type lane struct {
	p        *Produce
	conn     *rpc.Conn
	addr     string // of the broker
	queues   []remote.Queue
	requests []*wire.Prepared
	meter    *meter
	running  context.Context
	fail     context.CancelCauseFunc // ends the whole run
	origin   time.Time               // what the senders' times count from
	turn     atomic.Int64
	inFlight atomic.Int64
	idle     chan struct{} // gets a token when inFlight falls to 0
}

// A sender has one of a lane's requests in flight at a time. It is made once, and
// with it the function that takes the answers: a closure for each request, and
// what it held on to, took more time than sending did.
type sender struct {
	*lane
	start    time.Duration // when the request was sent, or due
	end      time.Duration // when its answer came
	number   int64
	draft    draft // if Produce.fresh is set
	lost     bool  // the connection has ended
	done     func(*wire.Command, error)
	answered func(*sender) // what comes next, after an answer or a failure
}

func (l *lane) newSender(answered func(*sender)) *sender {
	s := &sender{lane: l, answered: answered}
	s.done = s.took
	return s
}

// send sends the next request, which counts from start; false says that all have
// been given out.
func (s *sender) send(start time.Duration) bool {
	turn := int(s.turn.Add(1))
	s.number = 0
	if s.p.Count > 0 || s.p.fresh != nil {
		var ok bool
		if s.number, ok = s.p.again.take(); !ok {
			s.number = s.p.issued.Add(1) - 1
		}
		if s.p.Count > 0 && s.number*int64(s.p.Batch) >= s.p.Count {
			return false
		}
	}
	s.start = start
	if s.p.fresh == nil {
		s.conn.GoPrepared(s.requests[turn%len(s.requests)], s.p.Timeout, s.done)
		return true
	}
	s.p.fresh(&s.draft, s.number)
	cmd, err := s.draft.sendTo(s.queues[turn%len(s.queues)])
	if err != nil {
		s.fail(err)
		return false
	}
	s.conn.GoBrief(cmd, s.p.Timeout, s.done)
	return true
}

// took counts what became of the request.
func (s *sender) took(resp *wire.Command, err error) {
	n := int64(s.p.Batch)
	s.end = time.Since(s.origin)
	if err == nil && resp.Code != wire.CodeSuccess {
		err = &remote.ResponseError{Addr: s.addr, Request: wire.SendMessageV2, Code: resp.Code, Remark: resp.Remark}
	}
	if err == nil {
		s.meter.took(s.end-s.start, n, n*int64(s.p.Size))
		s.answered(s)
		return
	}
	s.lost = errors.Is(err, rpc.ErrClosed)
	s.meter.failed(err, n)
	if s.p.Count > 0 {
		s.p.again.add(s.number)
	}
	if hopeless(err) {
		s.fail(err)
	}
	s.answered(s)
}

// hopeless reports whether sending the same again would meet the same error:
// the broker refuses it for good, or there is more than the client may buffer.
func hopeless(err error) bool {
	return remote.Permanent(err) || errors.Is(err, rpc.ErrTooLarge) || errors.Is(err, rpc.ErrFull)
}

// flatOut keeps InFlight requests going: an answer sends the next request from
// the connection's own goroutine, so the load costs no wake-ups of its own. The
// one clock reading is the end of the one and the start of the other.
func (l *lane) flatOut() {
	next := func(s *sender) {
		if l.running.Err() != nil || s.lost || !s.send(s.end) {
			l.done()
		}
	}
	l.inFlight.Store(int64(l.p.InFlight))
	for range l.p.InFlight {
		s := l.newSender(next)
		s.end = time.Since(l.origin)
		next(s)
	}
	<-l.idle
}

func (l *lane) done() {
	if l.inFlight.Add(-1) == 0 {
		l.idle <- struct{}{}
	}
}

// paced sends a request at each of its due times, whatever became of the
// earlier ones; what cannot be sent because InFlight are waiting is sent as soon
// as possible and charged from its due time.
func (l *lane) paced(every time.Duration) {
	free := make(chan *sender, l.p.InFlight)
	for range cap(free) {
		free <- l.newSender(func(s *sender) { free <- s })
	}
	// Taking all of them waits for every answer, or its timeout.
	defer func() {
		for range cap(free) {
			<-free
		}
	}()
	clock, err := NewAlarm()
	if err != nil {
		l.meter.failed(err, 0)
		return
	}
	defer clock.Close()
	stop := context.AfterFunc(l.running, clock.Close)
	defer stop()
	for due := time.Since(l.origin); l.conn.Context().Err() == nil; due += every {
		if wait := due - time.Since(l.origin); wait > 0 {
			clock.Wait(wait)
		}
		var s *sender
		select {
		case <-l.running.Done():
			return
		case s = <-free:
		}
		if !s.send(due) {
			free <- s
			return
		}
	}
}
