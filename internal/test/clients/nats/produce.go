package main

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// open connects and makes sure that the stream is there.
func (b *bench) open(ctx context.Context, options ...jetstream.JetStreamOpt) (*nats.Conn, jetstream.JetStream, jetstream.Stream, error) {
	nc, err := nats.Connect("nats://" + b.server)
	if err != nil {
		return nil, nil, nil, err
	}
	js, err := jetstream.New(nc, options...)
	if err != nil {
		nc.Close()
		return nil, nil, nil, err
	}
	s, err := js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: b.topic, Subjects: []string{b.topic}, Storage: jetstream.FileStorage})
	if err != nil {
		nc.Close()
		return nil, nil, nil, err
	}
	return nc, js, s, nil
}

func produce(b *bench) (*report, error) {
	ctx := context.Background()
	var all []jetstream.JetStream
	for range b.connections {
		nc, js, _, err := b.open(ctx, jetstream.WithPublishAsyncMaxPending(b.inFlight))
		if err != nil {
			return nil, err
		}
		defer nc.Close()
		all = append(all, js)
	}
	m := newMeter(b)
	var issued atomic.Int64
	var wg sync.WaitGroup
	for _, js := range all {
		for range b.inFlight {
			wg.Go(func() { b.send(js, m, &issued) })
		}
	}
	wg.Wait()
	return m.report("produce", b.topic, b.count > 0), nil
}

// send publishes one message after the other, each when the one before is stored.
func (b *bench) send(js jetstream.JetStream, m *meter, issued *atomic.Int64) {
	body := make([]byte, b.size)
	for !m.over() && (b.count == 0 || issued.Add(1) <= b.count) {
		from := time.Now()
		future, err := js.PublishAsync(b.topic, body)
		if err != nil {
			m.failed(err)
			continue
		}
		select {
		case <-future.Ok():
			m.took(time.Since(from), 1, int64(len(body)))
		case err := <-future.Err():
			m.failed(err)
		case <-time.After(30 * time.Second):
			m.failed(nats.ErrTimeout)
		}
	}
}
