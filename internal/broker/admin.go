package broker

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// TopicStats is the state of each queue of a topic.
func (b *Broker) TopicStats(_ context.Context, name string) ([]mq.QueueStats, error) {
	t := b.findTopic(name)
	if t == nil {
		return nil, missingTopic(name)
	}
	var all []mq.QueueStats
	for id := range max(t.ReadQueues, t.WriteQueues) {
		q := mq.Queue{Topic: name, ID: id}
		lo, hi, err := b.store.Bounds(q)
		if err != nil {
			return nil, err
		}
		s := mq.QueueStats{Queue: q, Min: lo, Max: hi}
		if hi > lo {
			if s.LastUpdate, err = b.timeAt(q, hi-1); err != nil {
				return nil, err
			}
		}
		all = append(all, s)
	}
	return all, nil
}

// QueueEntries are up to count entries of a queue's index from an offset on.
func (b *Broker) QueueEntries(_ context.Context, q mq.Queue, from mq.QueueOffset, count int) ([]mq.QueueEntry, error) {
	t := b.findTopic(q.Topic)
	if t == nil {
		return nil, missingTopic(q.Topic)
	}
	if err := checkQueue(t, q.ID); err != nil {
		return nil, err
	}
	return b.store.Entries(q, from, count)
}

// timeAt is when a message was stored; zero if it is gone.
func (b *Broker) timeAt(q mq.Queue, at mq.QueueOffset) (time.Time, error) {
	stored, err := b.store.TimeAt(q, at)
	if errors.Is(err, mq.ErrNotFound) || errors.Is(err, mq.ErrOffsetOutOfRange) {
		return time.Time{}, nil
	}
	return stored, err
}

// ConsumeStats covers every topic the group has offsets of, or those named.
func (b *Broker) ConsumeStats(ctx context.Context, group string, topics []string) (mq.ConsumeStats, error) {
	if len(topics) == 0 {
		topics = b.TopicsOfGroup(ctx, group)
	}
	var all mq.ConsumeStats
	for _, name := range topics {
		t := b.findTopic(name)
		if t == nil {
			continue
		}
		p := b.offsets.find(use{group, name})
		for id := range t.ReadQueues {
			s, err := b.queueProgress(p, mq.Queue{Topic: name, ID: id})
			if err != nil {
				return all, err
			}
			all.Queues = append(all.Queues, s)
		}
		if p != nil {
			all.Rate += b.stats.rate(p.getNums, 6)
		}
	}
	return all, nil
}

// queueProgress is a group's progress in one queue; p may be nil.
func (b *Broker) queueProgress(p *progress, q mq.Queue) (mq.ConsumeQueueStats, error) {
	_, hi, err := b.store.Bounds(q)
	s := mq.ConsumeQueueStats{Queue: q, End: hi}
	if err != nil || p == nil {
		return s, err
	}
	at := p.at(q.ID)
	u := pop.Use{Group: p.group, Topic: q.Topic, Queue: q.ID}
	s.InHand = b.holds.Count(u)
	if s.InOrder, err = b.inOrder(p, u, int64(hi-max(0, at.committed))); err != nil {
		return s, err
	}
	if last := p.lastPopped(q.ID); last.at > 0 {
		s.LastPop, s.LastPopBy = time.UnixMilli(last.at), last.client
	}
	s.Committed, s.Pulled = max(0, at.committed), max(0, at.committed, at.pulled)
	if at.committed > 0 {
		s.LastConsumed, err = b.timeAt(q, at.committed-1)
	}
	return s, err
}

// ResetOffsets moves a group in one queue or (id -1) all queues of a topic and
// returns the new offsets. With ServerSideReset the next pull of each queue is
// sent there; otherwise connected consumers are told, and force decides whether
// a queue also moves forward.
func (b *Broker) ResetOffsets(ctx context.Context, group, topic string, queue int32, at time.Time, offset *mq.QueueOffset, force bool) (map[mq.Queue]mq.QueueOffset, error) {
	t := b.findTopic(topic)
	if t == nil {
		return nil, missingTopic(topic)
	}
	if b.findGroup(group) == nil {
		return nil, missingGroup(group)
	}
	to, err := b.resetTargets(t, queue, at, offset)
	if err != nil {
		return nil, err
	}
	if !*b.opts().ServerSideReset {
		return b.tellReset(group, topic, at, force, to)
	}
	p, err := b.offsets.claim(use{group, topic}, b.opts().MaxLightOffsets)
	if err != nil {
		return nil, err
	}
	if err := b.resetQueues(p, to); err != nil {
		return nil, err
	}
	b.parking.wakeGroup(group, topic)
	b.opts().Log.Info("reset offsets", "group", group, "topic", topic, "queues", len(to))
	return to, nil
}

// resetQueues moves a group in queues of a topic. It pops nothing there until
// what it had in hand is forgotten, so that what it pops then is not.
func (b *Broker) resetQueues(p *progress, to map[mq.Queue]mq.QueueOffset) error {
	for id := range int32(maxQueues) { // everybody else holds one of the locks at a time
		if _, ok := to[mq.Queue{Topic: p.topic, ID: id}]; ok {
			lock := p.popLock(id)
			lock.Lock()
			defer lock.Unlock()
		}
	}
	for q, offset := range to {
		if err := b.offsets.reset(p, q.ID, offset); err != nil {
			return err
		}
	}
	return b.holds.Forget(func(u pop.Use) bool {
		_, ok := to[mq.Queue{Topic: u.Topic, ID: u.Queue}]
		return ok && u.Group == p.group
	})
}

// resetTargets is where a reset leads in each queue.
func (b *Broker) resetTargets(t *topic, queue int32, at time.Time, offset *mq.QueueOffset) (map[mq.Queue]mq.QueueOffset, error) {
	first, last := queue, queue
	if queue < 0 {
		first, last = 0, t.ReadQueues-1
	} else if err := checkQueue(t, queue); err != nil {
		return nil, err
	}
	to := map[mq.Queue]mq.QueueOffset{}
	for id := first; id <= last; id++ {
		q := mq.Queue{Topic: t.Name, ID: id}
		target, err := b.resetTarget(q, at, offset)
		if err != nil {
			return nil, err
		}
		to[q] = target
	}
	if len(to) == 0 {
		return nil, fmt.Errorf("%w: topic %s has no queues to reset", mq.ErrInvalid, t.Name)
	}
	return to, nil
}

func (b *Broker) resetTarget(q mq.Queue, at time.Time, offset *mq.QueueOffset) (mq.QueueOffset, error) {
	lo, hi, err := b.store.Bounds(q)
	if err != nil {
		return 0, err
	}
	if offset != nil && *offset != noOffset {
		if *offset < lo || *offset > hi {
			return 0, fmt.Errorf("%w: target offset %d not in consume queue range [%d-%d]", mq.ErrOffsetOutOfRange, *offset, lo, hi)
		}
		return *offset, nil
	}
	if at.UnixMilli() < 0 {
		return hi, nil
	}
	target, err := b.store.Locate(q, at, false)
	return max(lo, min(target, hi)), err
}

// tellReset tells connected consumers where to go on.
func (b *Broker) tellReset(group, topic string, at time.Time, force bool, to map[mq.Queue]mq.QueueOffset) (map[mq.Queue]mq.QueueOffset, error) {
	p := b.offsets.look(use{group, topic})
	for q, target := range to {
		if now := p.at(q.ID).committed; now != noOffset && target > now && !force {
			to[q] = now
		}
	}
	members, _, err := b.Consumers(context.Background(), group)
	if err != nil {
		return nil, err
	}
	for _, m := range members {
		m.Peer.ResetOffsets(group, topic, at, force, maps.Clone(to))
	}
	return to, nil
}

// Stats is one of the counters behind `mqadmin brokerStats`.
func (b *Broker) Stats(_ context.Context, name, key string) ([3]mq.RateStat, error) {
	switch o := b.opts(); {
	case name == statBrokerPutNums && key == o.Cluster:
		return b.stats.spans(&b.stats.putTotal), nil
	case name == statBrokerGetNums && key == o.Cluster:
		return b.stats.spans(&b.stats.getTotal), nil
	case name == statBrokerAckNums && key == o.Cluster:
		return b.stats.spans(&b.stats.ackTotal), nil
	}
	r, err := b.stats.get(name, key)
	if err != nil {
		return r, fmt.Errorf("%w: the stats <%s> <%s> do not exist", err, name, key)
	}
	return r, nil
}
