package load

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

const (
	// popHidden is how long popped messages are hidden; they are acknowledged
	// well before.
	popHidden = time.Minute
	// popWait is how long a pop may be held: a broker may find a queue in use.
	popWait = 50 * time.Millisecond
)

// Pop says how to pop: every message is taken and acknowledged by itself, as
// Java's consumers do it. When a group has had the whole topic the next one
// begins, so the topic is read over and over.
type Pop struct {
	Common
	// Max is how many messages one pop asks for. Default 32.
	Max int
	// Connections to each broker. Default 2.
	Connections int
	// InFlight is how many pops are under way on each connection. The next
	// begins when all messages of the last are acknowledged. Default 4.
	InFlight int
}

// Run pops until the time is over.
func (p Pop) Run(ctx context.Context, o remote.Options) (*Report, error) {
	p.setDefaults()
	if p.Max < 0 || p.Max > mq.MaxPop || p.Connections < 0 || p.InFlight < 0 {
		return nil, fmt.Errorf("a pop takes 1 to %d messages, on a connection at least", mq.MaxPop)
	}
	p.Max, p.Connections, p.InFlight = orDefault(p.Max, mq.MaxPop), orDefault(p.Connections, 2), orDefault(p.InFlight, 4)
	ctx, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	running, stop := context.WithCancel(ctx)
	var wg sync.WaitGroup
	finish := func() { stop(); wg.Wait() }
	g := &popGroup{prefix: fmt.Sprintf("goddard-bench-pop-%d", time.Now().UnixMilli())}
	var ms meters
	conns := map[string]*rpc.Conn{} // one to each broker
	for range p.Connections {
		cluster, err := remote.Dial(o)
		if err != nil {
			finish()
			return nil, err
		}
		defer cluster.Close()
		brokers, err := filledBrokers(ctx, cluster, p.Topic)
		if err != nil {
			finish()
			return nil, err
		}
		for _, q := range brokers {
			conn, err := cluster.Conn(ctx, q.Addr)
			if err != nil {
				finish()
				return nil, err
			}
			conns[q.Addr] = conn
			m := newMeter()
			ms = append(ms, m)
			for range p.InFlight {
				one := newPopper(conn, q, p.Max)
				one.group, one.meter, one.running, one.fail, one.ended = g, m, running, fail, wg.Done
				wg.Add(1)
				one.begin()
			}
		}
	}
	report, err := measure(ctx, &p.Common, "pop", ms, stop, wg.Wait)
	return report, errors.Join(err, g.forget(context.WithoutCancel(ctx), conns))
}

// forgetTime bounds how long the deletion of the groups may take.
const forgetTime = 30 * time.Second

// forget deletes all groups that popped, when none does any more.
func (g *popGroup) forget(ctx context.Context, conns map[string]*rpc.Conn) error {
	ctx, cancel := context.WithTimeout(ctx, forgetTime)
	defer cancel()
	for addr, conn := range conns {
		for n := range g.number.Load() + 1 {
			h := &wire.DeleteSubscriptionGroupRequest{GroupName: g.nameOf(n), CleanOffset: true}
			resp, err := conn.Call(ctx, wire.NewRequest(wire.DeleteSubscriptionGroup, h))
			if err == nil && resp.Code != wire.CodeSuccess {
				err = &remote.ResponseError{Addr: addr, Request: wire.DeleteSubscriptionGroup, Code: resp.Code, Remark: resp.Remark}
			}
			if err != nil {
				return fmt.Errorf("groups %s-%d to %d remain on %s; `goddard admin group delete` deletes them: %w", g.prefix, n, g.number.Load(), addr, err)
			}
		}
	}
	return nil
}

func orDefault(n, or int) int {
	if n == 0 {
		return or
	}
	return n
}

// filledBrokers are the brokers that hold messages of a topic, each as the
// queue that means any.
func filledBrokers(ctx context.Context, c *remote.Cluster, topic string) ([]remote.Queue, error) {
	queues, err := c.ReadQueues(ctx, topic)
	if err != nil {
		return nil, err
	}
	var brokers []remote.Queue
	for _, q := range queues {
		lo, hi, err := c.Bounds(ctx, q)
		if err != nil {
			return nil, err
		}
		if q.ID = -1; lo < hi && !slices.Contains(brokers, q) {
			brokers = append(brokers, q)
		}
	}
	if len(brokers) == 0 {
		return nil, errors.New("topic " + topic + " is empty; fill it with `goddard bench produce --topic " + topic + "`")
	}
	return brokers, nil
}

// A popGroup is the consumer group that pops, which changes when it has had
// everything.
type popGroup struct {
	prefix string
	number atomic.Int64
}

func (g *popGroup) nameOf(n int64) string { return fmt.Sprintf("%s-%d", g.prefix, n) }
