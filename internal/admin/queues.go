package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// A PlacedQueue is a queue on one broker.
type PlacedQueue struct {
	Broker Broker
	mq.Queue
}

// String is the queue as RocketMQ's tools write it.
func (q PlacedQueue) String() string {
	return fmt.Sprintf("MessageQueue [topic=%s, brokerName=%s, queueId=%d]", q.Topic, q.Broker.Name, q.ID)
}

// ReadQueues are the queues of a topic that can be read, by broker and number.
// route, if not empty, is the topic by which the brokers are found: light queues
// have no routes of their own, and are queue 0 of each.
func (c *Cluster) ReadQueues(ctx context.Context, topic, route string) ([]PlacedQueue, error) {
	data, err := c.Route(ctx, cmp.Or(route, topic))
	if err != nil {
		return nil, err
	}
	var all []PlacedQueue
	for _, q := range data.Queues {
		i := slices.IndexFunc(data.Brokers, func(b wire.BrokerData) bool { return b.BrokerName == q.BrokerName && b.Addrs[0] != "" })
		if i < 0 || q.Perm&mq.PermRead == 0 {
			continue
		}
		n := q.ReadQueueNums
		if mq.IsLight(topic) {
			n = 1
		}
		b := data.Brokers[i]
		for id := range n {
			all = append(all, PlacedQueue{Broker{Cluster: b.Cluster, Name: b.BrokerName, Addr: b.Addrs[0]}, mq.Queue{Topic: topic, ID: id}})
		}
	}
	slices.SortFunc(all, func(a, b PlacedQueue) int {
		return cmp.Or(cmp.Compare(a.Broker.Name, b.Broker.Name), cmp.Compare(a.ID, b.ID))
	})
	return all, nil
}

// QueueOf is one queue of a topic on a broker of this name.
func (c *Cluster) QueueOf(ctx context.Context, topic, route, broker string, id int32) (PlacedQueue, error) {
	masters, err := c.routeMasters(ctx, cmp.Or(route, topic))
	if err != nil {
		return PlacedQueue{}, err
	}
	i := slices.IndexFunc(masters, func(b Broker) bool { return b.Name == broker })
	if i < 0 {
		return PlacedQueue{}, fmt.Errorf("topic %s is not on a broker %s; `goddard admin topicRoute -t %s` shows where it is", topic, broker, topic)
	}
	return PlacedQueue{masters[i], mq.Queue{Topic: topic, ID: id}}, nil
}

// Bounds are the first offset of a queue and the one behind its last.
func (c *Cluster) Bounds(ctx context.Context, q PlacedQueue) (lo, hi int64, err error) {
	return c.bounds(ctx, q.Broker, q.Queue)
}

// Locate is the offset of a queue's first message of a time or later.
func (c *Cluster) Locate(ctx context.Context, q PlacedQueue, at time.Time) (int64, error) {
	h := &wire.SearchOffsetByTimestampRequest{Topic: q.Topic, QueueID: q.ID, Timestamp: at.UnixMilli()}
	resp, err := c.call(ctx, q.Broker.Addr, wire.NewRequest(wire.SearchOffsetByTimestamp, h))
	if err != nil {
		return 0, err
	}
	var found wire.SearchOffsetByTimestampResponse
	err = found.DecodeFields(resp.Fields)
	return found.Offset, err
}

// Scan hands each message of a queue from an offset up to another to do, until
// that wants no more.
func (c *Cluster) Scan(ctx context.Context, q PlacedQueue, from, until int64, do func(FoundMessage) (bool, error)) error {
	return c.scan(ctx, q.Broker, q.Queue, from, until, func(r *mq.Record) (bool, error) {
		return do(FoundMessage{Broker: q.Broker.Name, Addr: q.Broker.Addr, Record: *r})
	})
}
