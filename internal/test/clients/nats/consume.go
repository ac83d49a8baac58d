package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// consume reads the stream over and over, on each connection by a consumer of its
// own that the client keeps in order.
func consume(b *bench) (*report, error) {
	ctx, cancel := context.WithTimeout(context.Background(), b.warmup+b.span+time.Minute)
	defer cancel()
	var streams []jetstream.Stream
	for range b.connections {
		nc, _, s, err := b.open(ctx)
		if err != nil {
			return nil, err
		}
		defer nc.Close()
		streams = append(streams, s)
	}
	info, err := streams[0].Info(ctx)
	if err != nil {
		return nil, err
	}
	if info.State.Msgs == 0 {
		return nil, errors.New("the stream is empty")
	}
	m := newMeter(b)
	failures := make([]error, len(streams))
	var wg sync.WaitGroup
	for i, s := range streams {
		wg.Go(func() {
			for !m.over() && failures[i] == nil {
				failures[i] = once(ctx, s, m, info.State.LastSeq)
			}
		})
	}
	wg.Wait()
	return m.report("consume", b.topic, false), errors.Join(failures...)
}

// once reads from the beginning to a number, or until the time is over.
func once(ctx context.Context, s jetstream.Stream, m *meter, last uint64) error {
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return err
	}
	it, err := c.Messages(jetstream.PullMaxMessages(2000))
	if err != nil {
		return err
	}
	defer it.Stop()
	for !m.over() {
		from := time.Now()
		msg, err := it.Next()
		if err != nil {
			return err
		}
		m.took(time.Since(from), 1, int64(len(msg.Data())))
		meta, err := msg.Metadata()
		if err != nil {
			return err
		}
		if meta.Sequence.Stream >= last {
			return nil
		}
	}
	return nil
}

// endToEnd sends at a fixed rate, each message with the time at which it was due,
// to a consumer that waits.
func endToEnd(b *bench) (*report, error) {
	if b.size < 8 || b.rate <= 0 {
		return nil, errors.New("size must be at least 8 and rate above 0")
	}
	ctx := context.Background()
	producer, js, _, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	defer producer.Close()
	consumer, _, s, err := b.open(ctx)
	if err != nil {
		return nil, err
	}
	defer consumer.Close()
	c, err := s.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverNewPolicy})
	if err != nil {
		return nil, err
	}
	m := newMeter(b)
	origin := time.Now()
	take, err := c.Consume(func(msg jetstream.Msg) {
		if body := msg.Data(); len(body) >= 8 {
			m.took(time.Since(origin)-time.Duration(binary.BigEndian.Uint64(body)), 1, int64(len(body)))
		}
	})
	if err != nil {
		return nil, err
	}
	defer take.Stop()
	if err := b.pace(m, origin, func(body []byte) error { _, err := js.PublishAsync(b.topic, body); return err }); err != nil {
		return nil, err
	}
	return m.report("e2e", b.topic, false), nil
}

// pace publishes when messages are due until the time is over.
func (b *bench) pace(m *meter, origin time.Time, publish func([]byte) error) error {
	clock, err := newAlarm()
	if err != nil {
		return fmt.Errorf("no timer: %w", err)
	}
	defer clock.close()
	every := time.Duration(float64(time.Second) / b.rate)
	for due := time.Now(); !m.over(); due = due.Add(every) {
		if early := time.Until(due); early > 0 {
			clock.wait(early)
		}
		body := make([]byte, b.size)
		binary.BigEndian.PutUint64(body, uint64(due.Sub(origin)))
		if err := publish(body); err != nil {
			m.failed(err)
		}
	}
	return nil
}
