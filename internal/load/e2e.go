package load

import (
	"context"
	"encoding/binary"
	"errors"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/wire"
)

// E2E says how to measure the way from producer to consumer: messages go out
// at a fixed rate, one long poll per queue takes them back.
type E2E struct {
	Common
	Size int     // bytes of a body, at least 8: it carries the due time
	Rate float64 // messages a second in all
}

// Run measures until the time is over.
func (e E2E) Run(ctx context.Context, o remote.Options) (*Report, error) {
	e.setDefaults()
	if e.Size < 8 || e.Rate <= 0 {
		return nil, errors.New("size must be at least 8 and rate above 0")
	}
	producer, err := remote.Dial(o)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	consumer, err := remote.Dial(o)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	if err := touch(ctx, producer, e.Topic); err != nil {
		return nil, err
	}
	queues, err := producer.ReadQueues(ctx, e.Topic)
	if err != nil {
		return nil, err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	running, stop := context.WithCancel(ctx)
	m := newMeter()
	var wg sync.WaitGroup
	// The origin of all times in the bodies; one process reads and writes
	// them, so the monotonic clock can be used.
	origin := time.Now()
	for _, q := range queues {
		_, hi, err := consumer.Bounds(ctx, q)
		if err != nil {
			stop()
			wg.Wait()
			return nil, err
		}
		took := func(records []byte) error { return arrived(m, time.Since(origin), records) }
		wg.Go(func() { takeFrom(running, consumer, q, hi, took, m, fail) })
	}
	wg.Go(func() { e.send(running, producer, queues, origin, m, fail) })
	r, err := measure(ctx, &e.Common, "e2e", meters{m}, stop, wg.Wait)
	if r != nil {
		r.WantedRate = e.Rate
	}
	return r, err
}

// touch creates the topic by a first message where that is allowed.
func touch(ctx context.Context, c *remote.Cluster, topic string) error {
	if _, err := c.ReadQueues(ctx, topic); !errors.Is(err, mq.ErrTopicNotFound) {
		return err
	}
	queues, err := c.WriteQueues(ctx, topic)
	if err != nil {
		return err
	}
	m := &mq.Message{Topic: topic, BornTime: time.Now().UnixMilli(), Body: make([]byte, 8)}
	if _, err := c.Send(ctx, queues[0], "goddard-bench", m); err != nil {
		return err
	}
	// The broker registers a topic it has created with its name servers
	// before long, but not at once.
	for range 100 {
		c.Forget(topic)
		if _, err = c.ReadQueues(ctx, topic); !errors.Is(err, mq.ErrTopicNotFound) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(100 * time.Millisecond):
		}
	}
	return err
}

func (e *E2E) send(ctx context.Context, c *remote.Cluster, queues []remote.Queue, origin time.Time, m *meter, fail context.CancelCauseFunc) {
	every := time.Duration(float64(time.Second) / e.Rate)
	clock, err := NewAlarm()
	if err != nil {
		m.failed(err, 0)
		return
	}
	defer clock.Close()
	stop := context.AfterFunc(ctx, clock.Close)
	defer stop()
	due := time.Now()
	for i := 0; ctx.Err() == nil; i++ {
		due = due.Add(every)
		if wait := time.Until(due); wait > 0 {
			clock.Wait(wait)
		}
		q := queues[i%len(queues)]
		body := make([]byte, e.Size)
		binary.BigEndian.PutUint64(body, uint64(due.Sub(origin)))
		cmd, err := remote.SendRequest(q, "goddard-bench", &mq.Message{Topic: q.Topic, QueueID: q.ID, BornTime: time.Now().UnixMilli(), Body: body})
		if err != nil {
			m.failed(err, 1)
			return
		}
		conn, err := c.Conn(ctx, q.Addr)
		if err != nil {
			m.failed(err, 1)
			continue
		}
		conn.Go(cmd, 5*time.Second, func(resp *wire.Command, err error) {
			if err == nil && resp.Code != wire.CodeSuccess {
				err = &remote.ResponseError{Addr: q.Addr, Request: wire.SendMessageV2, Code: resp.Code, Remark: resp.Remark}
			}
			if err != nil {
				m.failed(err, 1)
			}
			if remote.Permanent(err) {
				fail(err)
			}
		})
	}
}
