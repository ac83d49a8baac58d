package load

import (
	"context"
	"encoding/binary"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

// delayGrace is how long nothing may have come, beyond what the messages wait,
// before those that are missing count as lost.
const delayGrace = 30 * time.Second

// Delay says how to send messages that are to be delivered later: they go out as
// Produce's do, and one long poll per queue takes what is delivered.
type Delay struct {
	Produce
	// After is how long a message is to wait. Default 5 s.
	After time.Duration
	// Level, if not 0, names the level that has this delay on the broker; otherwise
	// each message has a time of its own.
	Level int
}

// Run sends until the time is over and waits for what was sent. There is no
// warm-up: all messages count.
func (d Delay) Run(ctx context.Context, o remote.Options) (*Report, error) {
	d.setDefaults()
	if d.After == 0 {
		d.After = 5 * time.Second
	}
	d.Batch, d.Warmup = 1, 0
	if d.Size < 8 || d.After < 0 || d.Level < 0 || d.Light > 0 {
		return nil, errors.New("size must be at least 8, after and level 0 or more, and light queues are not delayed")
	}
	cluster, err := remote.Dial(o)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	if err := touch(ctx, cluster, d.Topic); err != nil {
		return nil, err
	}
	queues, err := cluster.ReadQueues(ctx, d.Topic)
	if err != nil {
		return nil, err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	taking, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer stop()
	a := &arrivals{meter: newMeter(), origin: time.Now()}
	a.news.Store(int64(time.Since(a.origin)))
	for _, q := range queues {
		_, hi, err := cluster.Bounds(ctx, q)
		if err != nil {
			return nil, err
		}
		wg.Go(func() { takeFrom(taking, cluster, q, hi, a.take, a.meter, fail) })
	}
	d.fresh = d.drafts(a.origin)
	r, accepted, err := d.run(ctx, o)
	if err != nil {
		return nil, err
	}
	if err := a.wait(ctx, accepted, d.After+delayGrace); err != nil {
		return nil, err
	}
	stop()
	wg.Wait()
	r.Kind, r.Delivered = "delay", a.report(d.Topic, accepted)
	return r, nil
}

// drafts writes messages whose body says when they are due, on a clock that
// starts at origin.
func (d *Delay) drafts(origin time.Time) func(m *draft, number int64) {
	keys, level := remote.NewKeys(), []byte(strconv.Itoa(d.Level))
	return func(m *draft, _ int64) {
		now := time.Now()
		due := now.Add(d.After)
		m.begin(keys, now, d.Size)
		if d.Level > 0 {
			m.property(mq.PropDelay, level)
		} else {
			m.property(mq.PropTimerDeliverMs, strconv.AppendInt(m.text[:0], due.UnixMilli(), 10))
		}
		binary.BigEndian.PutUint64(m.body, uint64(due.Sub(origin)))
	}
}

// arrivals counts what is delivered. Times are since origin.
type arrivals struct {
	meter       *meter
	origin      time.Time
	first, last atomic.Int64 // of arrivals, 0 before the first
	news        atomic.Int64 // when something came last
}

func (a *arrivals) take(records []byte) error {
	if len(records) == 0 {
		return nil
	}
	now := time.Since(a.origin)
	a.first.CompareAndSwap(0, int64(now))
	a.last.Store(int64(now))
	a.news.Store(int64(now))
	return arrived(a.meter, now, records)
}

// wait returns when so many have come, or none for as long as patience.
func (a *arrivals) wait(ctx context.Context, n int64, patience time.Duration) error {
	a.news.Store(int64(time.Since(a.origin)))
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for a.meter.messages.Load() < n && time.Since(a.origin)-time.Duration(a.news.Load()) < patience {
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
	return nil
}

// report counts what did not come as errors.
func (a *arrivals) report(topic string, accepted int64) *Report {
	r := meters{a.meter}.report("delivered", topic, time.Duration(max(a.last.Load()-a.first.Load(), 1)))
	if missing := accepted - r.Messages; missing > 0 {
		r.Errors += missing
		r.LastError = strconv.FormatInt(missing, 10) + " messages did not come"
	}
	return r
}
