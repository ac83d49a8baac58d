package load

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// Consume says how to read: every queue from its beginning, over and over
// until the time is over, without a group that shares.
type Consume struct {
	Common
	// Max is how many messages one pull asks for. Default 32.
	Max int
	// Connections share the queues. Default 1.
	Connections int
}

// Run reads until the time is over.
func (c Consume) Run(ctx context.Context, o remote.Options) (*Report, error) {
	c.setDefaults()
	if c.Max == 0 {
		c.Max = 32
	}
	if c.Connections == 0 {
		c.Connections = 1
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	running, stop := context.WithCancel(ctx)
	var (
		wg sync.WaitGroup
		ms meters
	)
	finish := func() { stop(); wg.Wait() }
	for i := range c.Connections {
		cluster, err := remote.Dial(o)
		if err != nil {
			finish()
			return nil, err
		}
		defer cluster.Close()
		queues, err := cluster.ReadQueues(ctx, c.Topic)
		if err != nil {
			finish()
			return nil, err
		}
		for j, q := range queues {
			if j%c.Connections != i {
				continue
			}
			conn, err := cluster.Conn(ctx, q.Addr)
			if err != nil {
				finish()
				return nil, err
			}
			lo, hi, err := cluster.Bounds(ctx, q)
			if err != nil {
				finish()
				return nil, err
			}
			if lo == hi {
				continue
			}
			r := &reader{conn: conn, pull: remote.Pull{Queue: q, Group: "goddard-bench", From: lo, Max: c.Max}, lo: lo, meter: newMeter(), running: running, fail: fail}
			ms = append(ms, r.meter)
			wg.Go(r.run)
		}
	}
	if len(ms) == 0 {
		finish()
		return nil, errors.New("topic " + c.Topic + " is empty; fill it with `goddard bench produce --topic " + c.Topic + "`")
	}
	return measure(ctx, &c.Common, "consume", ms, stop, wg.Wait)
}

// A reader reads one queue round and round with one pull in flight.
type reader struct {
	conn    *rpc.Conn
	pull    remote.Pull
	lo      mq.QueueOffset
	meter   *meter
	running context.Context
	fail    context.CancelCauseFunc // ends the whole run
}

func (r *reader) run() {
	idle := make(chan struct{})
	var next func()
	next = func() {
		if r.running.Err() != nil || r.conn.Context().Err() != nil {
			close(idle)
			return
		}
		start := time.Now()
		r.conn.Go(r.pull.Request(), 30*time.Second, func(resp *wire.Command, err error) {
			r.answered(start, resp, err)
			next()
		})
	}
	next()
	<-idle
}

func (r *reader) answered(start time.Time, resp *wire.Command, err error) {
	if err != nil {
		r.meter.failed(err, 1)
		return
	}
	got, err := remote.DecodePulled(r.pull.Queue.Addr, resp)
	if err != nil {
		r.meter.failed(err, 1)
		if remote.Permanent(err) {
			r.fail(err)
		}
		return
	}
	r.pull.From = got.Next
	if len(got.Records) == 0 {
		r.pull.From = r.lo
		return
	}
	var bytes int64
	for i := range got.Records {
		bytes += int64(len(got.Records[i].Body))
	}
	n := int64(len(got.Records))
	r.meter.took(time.Since(start), n, bytes)
}
