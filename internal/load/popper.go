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

// popTimeout is how long an answer may take. Those of pops are waited for also
// when the run is over: a pop that the broker sees later would make its group again.
const popTimeout = 30 * time.Second

// A popper has one pop in flight at a time, or the acknowledgements of what it
// brought: an answer sends what comes next, from the connection's own goroutine.
// What it needs for that is made once.
type popper struct {
	conn    *rpc.Conn
	pop     remote.Pop // its group is that with the number
	group   *popGroup
	number  int64
	meter   *meter
	running context.Context
	fail    context.CancelCauseFunc // ends the whole run
	ended   func()                  // called once, when nothing is popped any more

	start   time.Time // of the pop
	request wire.Command
	popped  func(*wire.Command, error)
	got     remote.Popped
	acks    []*popAck // of as many messages as there may be

	// What became of the acknowledgements: their timeouts come on a goroutine of their own.
	left, done, bytes atomic.Int64
	lost              atomic.Bool // the connection has ended
}

// A popAck takes the answer to one acknowledgement.
type popAck struct {
	*popper
	size int64 // of the message's body
	took func(*wire.Command, error)
}

func newPopper(conn *rpc.Conn, q remote.Queue, most int) *popper {
	p := &popper{conn: conn, number: -1, pop: remote.Pop{Queue: q, Max: most, Invisible: popHidden, Wait: popWait}}
	p.request = *wire.NewRequest(wire.PopMessage, nil)
	p.popped = p.answered
	return p
}

// begin sends a pop, unless the time is over.
func (p *popper) begin() {
	if p.running.Err() != nil || p.lost.Load() {
		p.ended()
		return
	}
	p.start = time.Now()
	if n := p.group.number.Load(); n != p.number {
		p.number, p.pop.Group = n, p.group.nameOf(n)
	}
	h := p.pop.Header()
	p.request.Code, p.request.Fields = wire.PopMessage, h.AppendFields(p.request.Fields[:0])
	p.conn.Go(&p.request, popTimeout, p.popped)
}

func (p *popper) answered(resp *wire.Command, err error) {
	if err == nil {
		err = p.got.Decode(p.pop.Queue, resp)
	}
	switch {
	case remote.Permanent(err):
		p.meter.failed(err, 1)
		p.fail(err)
		p.ended()
	case err != nil:
		p.meter.failed(err, 1)
		p.lost.Store(errors.Is(err, rpc.ErrClosed))
		p.begin()
	case len(p.got.Records) > 0:
		p.acknowledge()
	default:
		if p.got.Rest == 0 {
			p.group.number.CompareAndSwap(p.number, p.number+1)
		}
		p.begin()
	}
}

// acknowledge says of each message that it is done with, without waiting in
// between.
func (p *popper) acknowledge() {
	n := len(p.got.Receipts)
	for len(p.acks) < n {
		a := &popAck{popper: p}
		a.took = a.acknowledged
		p.acks = append(p.acks, a)
	}
	p.left.Store(int64(n))
	p.done.Store(0)
	p.bytes.Store(0)
	p.request.Code = wire.AckMessage
	for i, a := range p.acks[:n] {
		a.size = int64(len(p.got.Records[i].Body))
		h := remote.AckHeader(p.pop.Group, p.pop.Queue.Topic, p.got.Receipts[i])
		p.request.Fields = h.AppendFields(p.request.Fields[:0])
		p.conn.GoBrief(&p.request, popTimeout, a.took)
	}
}

// acknowledged counts a message if the broker agrees; the last of a pop begins
// the next.
func (a *popAck) acknowledged(resp *wire.Command, err error) {
	if err == nil && resp.Code != wire.CodeSuccess {
		err = &remote.ResponseError{Addr: a.pop.Queue.Addr, Request: wire.AckMessage, Code: resp.Code, Remark: resp.Remark}
	}
	if err != nil {
		a.meter.failed(err, 1)
		if errors.Is(err, rpc.ErrClosed) {
			a.lost.Store(true)
		}
	} else {
		a.done.Add(1)
		a.bytes.Add(a.size)
	}
	if a.left.Add(-1) > 0 {
		return
	}
	if n := a.done.Load(); n > 0 {
		a.meter.took(time.Since(a.start), n, a.bytes.Load())
	}
	a.begin()
}
