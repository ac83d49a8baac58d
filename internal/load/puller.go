package load

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A puller has one pull of a queue in flight: an answer sends the next, from the
// connection's own goroutine. What it needs for that is made once.
type puller struct {
	conn    *rpc.Conn
	pull    remote.Pull
	meter   *meter
	running context.Context
	fail    context.CancelCauseFunc // ends the whole run
	over    func() bool             // reports whether there is nothing to do any more; may be nil
	// took takes an answer over and sets where the next pull begins.
	took func(got *remote.Pulled, body []byte) error

	request wire.Command
	pulled  func(*wire.Command, error)
	start   time.Time     // of the pull
	idle    chan struct{} // closed when nothing is pulled any more
}

func (p *puller) begin() {
	p.idle = make(chan struct{})
	p.request = *wire.NewRequest(wire.PullMessage, nil)
	p.pulled = func(resp *wire.Command, err error) {
		p.answered(resp, err)
		p.next()
	}
	p.next()
}

// next sends a pull, unless there is nothing to do any more.
func (p *puller) next() {
	if p.running.Err() != nil || p.conn.Context().Err() != nil || p.over != nil && p.over() {
		close(p.idle)
		return
	}
	p.start = time.Now()
	h := p.pull.Header()
	p.request.Fields = h.AppendFields(p.request.Fields[:0])
	p.conn.Go(&p.request, p.pull.Wait+30*time.Second, p.pulled)
}

func (p *puller) answered(resp *wire.Command, err error) {
	var got remote.Pulled
	if err == nil {
		got, err = remote.DecodePulledHead(p.pull.Queue.Addr, resp)
	}
	if err != nil {
		if p.running.Err() == nil {
			p.meter.failed(err, 1)
		}
		if remote.Permanent(err) {
			p.fail(err)
		}
		return
	}
	if err := p.took(&got, resp.Body); err != nil {
		p.meter.failed(fmt.Errorf("messages of queue %d from %s: %w", p.pull.Queue.ID, p.pull.Queue.Addr, err), 1)
	}
}

// arrived measures how late messages are whose body says when they were due, as
// nanoseconds from an origin on.
func arrived(m *meter, now time.Duration, body []byte) error {
	for len(body) > 0 {
		o, rest, err := mq.CutRecord(body)
		if err != nil {
			return err
		}
		if len(o.Body) >= 8 {
			m.took(now-time.Duration(binary.BigEndian.Uint64(o.Body)), 1, int64(len(o.Body)))
		}
		body = rest
	}
	return nil
}

// takeFrom reads a queue from an offset with one long poll after the other and
// hands over the records that come, until ctx ends.
func takeFrom(ctx context.Context, c *remote.Cluster, q remote.Queue, from mq.QueueOffset, got func(records []byte) error, m *meter, fail context.CancelCauseFunc) {
	conn, err := c.Conn(ctx, q.Addr)
	if err != nil {
		if ctx.Err() == nil {
			fail(err)
		}
		return
	}
	p := &puller{
		conn: conn, pull: remote.Pull{Queue: q, Group: "goddard-bench", From: from, Wait: 5 * time.Second}, meter: m, running: ctx, fail: fail,
	}
	p.took = func(answer *remote.Pulled, body []byte) error {
		p.pull.From = answer.Next
		return got(body)
	}
	p.begin()
	select {
	case <-p.idle:
	case <-ctx.Done(): // the long poll goes on, and ends with the connection
	}
}
