package broker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// Strategies of sharing queues out, by RocketMQ's names.
const (
	strategyAverage = "AVG"
	strategyCircle  = "AVG_BY_CIRCLE"
)

// How long a route is used before the name server is asked again, and how many
// are remembered.
const (
	routeAge  = 5 * time.Second
	maxRoutes = 10_000
)

// routes remembers how many queues of a topic each broker has, so that a name
// server that does not answer takes nobody's queues away.
type routes struct {
	// mu guards the table; nobody is asked while it is held.
	mu struct {
		sync.Mutex
		table map[string]route
	}
}

type route struct {
	queues map[string]int32 // that can be read, by broker; not changed
	at     time.Time
}

// Assign says which queues a member of a group shall consume and how. ErrInvalid
// if the strategy is unknown, ErrNotOnline if the group has no members.
func (b *Broker) Assign(ctx context.Context, r mq.AssignmentRequest) ([]mq.Assignment, error) {
	if b.closing.Load() {
		return nil, mq.ErrClosed
	}
	mode := b.requestMode(use{r.Group, r.Topic})
	all, err := b.queuesOf(ctx, r.Topic)
	if err != nil {
		return nil, err
	}
	if !r.Broadcasting {
		members, err := b.Members(ctx, r.Group)
		if err != nil {
			return nil, err
		}
		if all, err = shareOut(r, mode, all, members); err != nil {
			return nil, err
		}
	}
	out := make([]mq.Assignment, len(all))
	for i, q := range all {
		out[i] = mq.Assignment{Broker: q.broker, Queue: mq.Queue{Topic: r.Topic, ID: q.id}, Mode: mode.Mode}
	}
	return out, nil
}

// A farQueue is a queue of a topic on some broker; its id is -1 for any.
type farQueue struct {
	broker string
	id     int32
}

// queuesOf are the queues of a topic that can be read, sorted.
func (b *Broker) queuesOf(ctx context.Context, name string) ([]farQueue, error) {
	counts := b.route(ctx, name)
	if counts == nil {
		t := b.topics.table.get(name)
		if t == nil {
			return nil, missingTopic(name)
		}
		if t.Perm&mq.PermRead != 0 {
			counts = map[string]int32{b.opts().Name: t.ReadQueues}
		}
	}
	var all []farQueue
	for broker, n := range counts {
		for id := range min(n, maxQueues) {
			all = append(all, farQueue{broker, id})
		}
	}
	slices.SortFunc(all, func(x, y farQueue) int {
		return cmp.Or(cmp.Compare(x.broker, y.broker), cmp.Compare(x.id, y.id))
	})
	return all, nil
}

// route is what the name servers say about a topic, or said last; nil if they
// say nothing.
func (b *Broker) route(ctx context.Context, name string) map[string]int32 {
	ask := b.opts().TopicRoute
	if ask == nil {
		return nil
	}
	b.routes.mu.Lock()
	known := b.routes.mu.table[name]
	b.routes.mu.Unlock()
	if known.queues != nil && time.Since(known.at) < routeAge {
		return known.queues
	}
	queues, err := ask(ctx, name)
	switch {
	case errors.Is(err, mq.ErrTopicNotFound):
		queues = nil
	case err != nil:
		b.opts().Log.Warn("name servers cannot be asked about a topic", "topic", name, "error", err)
		return known.queues
	}
	b.routes.mu.Lock()
	defer b.routes.mu.Unlock()
	if b.routes.mu.table == nil || len(b.routes.mu.table) >= maxRoutes {
		b.routes.mu.table = map[string]route{}
	}
	b.routes.mu.table[name] = route{queues, time.Now()}
	return queues
}

// shareOut is a member's part of all queues.
func shareOut(r mq.AssignmentRequest, mode mq.RequestMode, all []farQueue, members []string) ([]farQueue, error) {
	strategy := cmp.Or(r.Strategy, strategyAverage)
	if strategy != strategyAverage && strategy != strategyCircle {
		return nil, fmt.Errorf("%w: strategy is %.60q: want %s or %s", mq.ErrInvalid, r.Strategy, strategyAverage, strategyCircle)
	}
	me := slices.Index(members, r.ClientID)
	n := int(mode.ShareQueues)
	switch {
	case mode.Mode == mq.ModePop && (n <= 0 || n >= len(members)-1):
		return anyOf(all), nil
	case me < 0 || len(all) == 0:
		return []farQueue{}, nil
	case mode.Mode != mq.ModePop:
		return part(strategy, all, me, len(members)), nil
	case len(members) > len(all):
		return []farQueue{all[me%len(all)]}, nil
	}
	var mine []farQueue
	for i := range n + 1 {
		mine = append(mine, part(strategy, all, (me+i)%len(members), len(members))...)
	}
	return mine, nil
}

// anyOf is one assignment for each broker: whatever queue.
func anyOf(all []farQueue) []farQueue {
	some := []farQueue{}
	for _, q := range all {
		if len(some) == 0 || some[len(some)-1].broker != q.broker {
			some = append(some, farQueue{q.broker, -1})
		}
	}
	return some
}

// part is what the member at place me of so many gets of all.
func part(strategy string, all []farQueue, me, members int) []farQueue {
	if strategy == strategyCircle {
		mine := []farQueue{}
		for i := me; i < len(all); i += members {
			mine = append(mine, all[i])
		}
		return mine
	}
	size, rest := len(all)/members, len(all)%members
	first := me*size + min(me, rest)
	if me < rest {
		size++
	}
	return all[first : first+size]
}
