//go:build metrics

package metrics

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/node"
	"github.com/goddardmq/goddard/internal/remote"
)

// A server is a Goddard in this process, with some traffic behind it.
type server struct {
	*node.Node
	url string
}

// serve starts a server, which ends with the test.
func serve(t *testing.T) server {
	t.Helper()
	n, err := node.New(node.Config{Data: t.TempDir(), Listen: "127.0.0.1", ListenPort: -1, NamesrvPort: -1})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := n.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); wg.Wait() })
	return server{n, fmt.Sprintf("http://%v", n.HTTPAddr())}
}

// traffic goes on until the test ends: messages come in, a group pulls some of
// them and is stuck then, another pops some and does not acknowledge them, and
// some messages wait for a time of their own.
func (s server) traffic(t *testing.T) {
	t.Helper()
	c, err := remote.Dial(remote.Options{NameServers: []string{s.NamesrvAddr().String()}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	t.Cleanup(func() { cancel(); wg.Wait(); c.Close() })
	queues, err := c.WriteQueues(ctx, mq.TopicDefault)
	if err != nil {
		t.Fatal(err)
	}
	send := func(kv ...string) {
		q := queues[0]
		q.Topic = "orders"
		m := &mq.Message{Topic: q.Topic, Body: []byte("hello")}
		for i := 0; i < len(kv); i += 2 {
			m.Properties = mq.AppendProperty(m.Properties, kv[i], kv[i+1])
		}
		if _, err := c.Send(ctx, q, "shop", m); err != nil && ctx.Err() == nil {
			t.Error(err)
		}
	}
	send()
	wg.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for i := 0; ctx.Err() == nil; i++ {
			send()
			if i%10 == 0 {
				send(mq.PropTimerDelaySec, "1")
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
			}
		}
	})
	wg.Go(func() {
		handled := 0
		err := c.Consume(ctx, remote.Member{Group: "billing", Topic: "orders", Handle: func(remote.Queue, *mq.Record) error {
			if handled++; handled > 10 {
				<-ctx.Done()
			}
			return nil
		}})
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	wg.Go(func() {
		for ctx.Err() == nil {
			q := queues[0]
			q.Topic, q.ID = "orders", -1
			if _, err := c.Pop(ctx, remote.Pop{Queue: q, Group: "packing", Max: 1, Invisible: time.Second, Wait: time.Second}); err != nil && ctx.Err() == nil {
				t.Error(err)
			}
			select {
			case <-time.After(200 * time.Millisecond):
			case <-ctx.Done():
			}
		}
	})
}
