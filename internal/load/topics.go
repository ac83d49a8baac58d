package load

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// Topics says how to create topics, named after Topic with a number behind it.
type Topics struct {
	Common
	Count    int64 // topics on each broker
	InFlight int   // requests under way to each broker
	Queues   int   // of each topic
	// Keep leaves the topics there; otherwise they are deleted in the end.
	Keep bool
}

// Run creates topics until all are there or the time is over. There is no warm-up.
func (t Topics) Run(ctx context.Context, o remote.Options) (*Report, error) {
	t.setDefaults()
	if t.Count < 1 || t.InFlight < 1 || t.Queues < 1 {
		return nil, errors.New("count, in-flight and queues must be 1 or more")
	}
	if err := mq.CheckTopic(t.name(t.Count)); err != nil {
		return nil, err
	}
	t.Warmup, t.over = 0, make(chan struct{})
	cluster, err := remote.Dial(o)
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	// A topic that is not there has the route of those that may be created.
	queues, err := cluster.WriteQueues(ctx, t.Topic)
	if err != nil {
		return nil, err
	}
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	running, stop := context.WithCancel(ctx)
	var wg, all sync.WaitGroup
	var ms meters
	conns := map[string]*rpc.Conn{}
	for addr := range byBroker(queues) {
		conn, err := cluster.Conn(ctx, addr)
		if err != nil {
			stop()
			wg.Wait()
			return nil, err
		}
		conns[addr] = conn
		m, turn := newMeter(), new(atomic.Int64)
		ms = append(ms, m)
		for range t.InFlight {
			wg.Go(func() {
				for n := turn.Add(1); n <= t.Count && running.Err() == nil; n = turn.Add(1) {
					t.create(running, conn, addr, n, m, fail)
				}
			})
		}
	}
	all.Go(func() { wg.Wait(); close(t.over) })
	r, err := measure(ctx, &t.Common, "topics", ms, stop, all.Wait)
	if t.Keep {
		return r, err
	}
	return r, errors.Join(err, t.remove(context.WithoutCancel(ctx), cluster, conns, o.NameServers))
}

func (t *Topics) name(n int64) string { return fmt.Sprintf("%s-%d", t.Topic, n) }

func (t *Topics) create(ctx context.Context, conn *rpc.Conn, addr string, n int64, m *meter, fail context.CancelCauseFunc) {
	start := time.Now()
	err := ask(ctx, conn, addr, wire.UpdateAndCreateTopic, &wire.UpdateAndCreateTopicRequest{
		Topic: t.name(n), DefaultTopic: mq.TopicDefault, ReadQueueNums: int32(t.Queues), WriteQueueNums: int32(t.Queues),
		Perm: mq.PermRead | mq.PermWrite, TopicFilterType: "SINGLE_TAG",
	})
	switch {
	case err == nil:
		m.took(time.Since(start), 1, 0)
	case ctx.Err() != nil:
	default:
		m.failed(err, 1)
		if remote.Permanent(err) {
			fail(err)
		}
	}
}

// remove deletes the topics from their brokers, and from the name servers.
func (t *Topics) remove(ctx context.Context, c *remote.Cluster, conns map[string]*rpc.Conn, nameServers []string) error {
	for n := int64(1); n <= t.Count; n++ {
		for addr, conn := range conns {
			if err := ask(ctx, conn, addr, wire.DeleteTopicInBroker, &wire.DeleteTopicInBrokerRequest{Topic: t.name(n)}); err != nil {
				return fmt.Errorf("topics from %s on remain: %w", t.name(n), err)
			}
		}
		for _, addr := range nameServers {
			conn, err := c.Conn(ctx, addr)
			if err == nil {
				err = ask(ctx, conn, addr, wire.DeleteTopicInNamesrv, &wire.DeleteTopicInNamesrvRequest{Topic: t.name(n)})
			}
			if err != nil {
				return fmt.Errorf("name servers know topics from %s on: %w", t.name(n), err)
			}
		}
	}
	return nil
}

// ask makes a call whose answer has nothing but a code.
func ask(ctx context.Context, conn *rpc.Conn, addr string, code wire.Code, h wire.Header) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	resp, err := conn.Call(ctx, wire.NewRequest(code, h))
	if err == nil && resp.Code != wire.CodeSuccess {
		err = &remote.ResponseError{Addr: addr, Request: code, Code: resp.Code, Remark: resp.Remark}
	}
	return err
}
