package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

// Consume says how to read: every queue from its beginning, over and over
// until the time is over, or once, without a group that shares.
type Consume struct {
	Common
	// Max is how many messages one pull asks for. Default 32.
	Max int
	// Connections share the queues. Default 1.
	Connections int
	// Last, if not 0, leaves all but the newest messages of the topic alone; each
	// queue has an even share in this number.
	Last int64
	// Once ends the run when what was there at the beginning is read, or the
	// time is over before that. There is no warm-up then.
	Once bool
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
	if c.Max < 0 || c.Connections < 0 || c.Last < 0 {
		return nil, errors.New("max and connections must be 1 or more, last 0 or more")
	}
	if c.Once {
		c.Warmup, c.over = 0, make(chan struct{})
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	running, stop := context.WithCancel(ctx)
	defer stop()
	var (
		wg      sync.WaitGroup
		ms      meters
		readers []*reader
	)
	for i := range c.Connections {
		cluster, err := remote.Dial(o)
		if err != nil {
			return nil, err
		}
		defer cluster.Close()
		queues, err := cluster.ReadQueues(ctx, c.Topic)
		if err != nil {
			return nil, err
		}
		for j, q := range queues {
			if j%c.Connections != i {
				continue
			}
			conn, err := cluster.Conn(ctx, q.Addr)
			if err != nil {
				return nil, err
			}
			lo, hi, err := cluster.Bounds(ctx, q)
			if err != nil {
				return nil, err
			}
			if share := c.Last / int64(len(queues)); c.Last > 0 {
				lo = max(lo, hi-mq.QueueOffset(max(share, 1)))
			}
			if lo == hi {
				continue
			}
			r := &reader{lo: lo, puller: puller{
				conn: conn, pull: remote.Pull{Queue: q, Group: "goddard-bench", From: lo, Max: c.Max}, meter: newMeter(), running: running, fail: fail,
			}}
			r.puller.over, r.puller.took = r.over, r.took
			if c.Once {
				r.end = hi
			}
			ms, readers = append(ms, r.meter), append(readers, r)
		}
	}
	if len(ms) == 0 {
		return nil, errors.New("topic " + c.Topic + " is empty; fill it with `goddard bench produce --topic " + c.Topic + "`")
	}
	for _, r := range readers {
		wg.Go(func() { r.begin(); <-r.idle })
	}
	if !c.Once {
		return measure(ctx, &c.Common, "consume", ms, stop, wg.Wait)
	}
	var all sync.WaitGroup
	all.Go(func() { wg.Wait(); close(c.over) })
	return measure(ctx, &c.Common, "consume", ms, stop, all.Wait)
}

// A reader reads one queue round and round.
type reader struct {
	puller
	lo  mq.QueueOffset
	end mq.QueueOffset // where to stop, 0 for nowhere
}

func (r *reader) over() bool { return r.end > 0 && r.pull.From >= r.end }

func (r *reader) took(got *remote.Pulled, body []byte) error {
	if got.Status != mq.PullFound || len(body) == 0 {
		r.lo = max(r.lo, got.Min) // which moves when the broker removes old messages
		r.pull.From = r.lo
		return nil
	}
	n, bytes, err := r.count(got, body)
	if err != nil {
		return err
	}
	r.pull.From = got.Next
	r.meter.took(time.Since(r.start), n, bytes)
	return nil
}

// count counts the messages of an answer and the bytes of their bodies. It is an
// error if they are not those that were asked for: one after the other from where
// the pull began, or the queue does by now, to where the next is to begin.
func (r *reader) count(got *remote.Pulled, body []byte) (n, bytes int64, err error) {
	want, batch := r.pull.From, false
	for ; len(body) > 0; n++ {
		o, rest, err := mq.CutRecord(body)
		if err != nil {
			return 0, 0, err
		}
		at := o.QueueOffset + got.Delta
		// A batch that is stored as one message stands for several offsets.
		if at < want || at > max(want, got.Min) && !batch {
			return 0, 0, fmt.Errorf("one is at offset %d, %d was to come", at, want)
		}
		batch = batch || o.SysFlag&mq.FlagInnerBatch != 0
		bytes += int64(len(o.Body))
		want, body = at+1, rest
	}
	if got.Next < want || got.Next > max(want, got.Min) && !batch {
		return 0, 0, fmt.Errorf("the last is at offset %d, and the next pull is to be at %d", want-1, got.Next)
	}
	return n, bytes, nil
}
