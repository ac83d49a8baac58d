package broker

import (
	"context"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// A remembered backlog is good while nothing that it follows from has changed.
type remembered struct {
	meter.Backlog
	known          bool
	puts, acks     int64 // of the topic and of the group, when it was made
	start          mq.LogPos
	oldest, unread map[int32]stamp // by queue, of those that lag
}

// A stamp is when the message at an offset was stored.
type stamp struct {
	offset mq.QueueOffset
	at     time.Time
}

// EachBacklog calls f for every group and topic that the group has been in, but
// for light ones; the Backlog is valid until f returns. One goroutine at a time
// may be in it. What has not changed since the last time is not looked at: only
// then does it cost more than some hundred nanoseconds.
func (b *Broker) EachBacklog(ctx context.Context, f func(*meter.Backlog)) error {
	start, _ := b.store.LogBounds()
	for _, p := range b.offsets.all(func(u use) bool { return !u.light() }) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		t := b.topics.table.get(p.topic)
		if t == nil || strings.HasPrefix(p.topic, mq.DLQPrefix) {
			continue
		}
		if err := b.measure(p, t, start); err != nil {
			return err
		}
		f(&p.backlog.Backlog)
	}
	return nil
}

// measure brings p.backlog up to date.
func (b *Broker) measure(p *progress, t *topic, start mq.LogPos) error {
	r := &p.backlog
	moved := p.moved.Swap(false)
	puts, acks := t.putNums.calls.Load(), p.ackNums.calls.Load()
	if r.known && !moved && r.puts == puts && r.acks == acks && r.InFlight == 0 && (r.Lag == 0 || r.start == start) {
		return nil
	}
	if !r.known {
		r.Group = p.group
		r.Topic, r.Retry = shownTopic(p.use)
		r.System = b.systemTopic(p.topic) || systemGroup(p.group)
	}
	r.known, r.puts, r.acks, r.start = true, puts, acks, start
	r.Lag, r.InFlight, r.Ready, r.End, r.Committed = 0, 0, 0, 0, 0
	r.Oldest, r.Unread = time.Time{}, time.Time{}
	for id, at := range p.positions() {
		if id >= t.ReadQueues {
			continue
		}
		if err := b.measureQueue(p, mq.Queue{Topic: p.topic, ID: id}, at); err != nil {
			p.moved.Store(true)
			return err
		}
	}
	return nil
}

// measureQueue adds what is left in one queue.
func (b *Broker) measureQueue(p *progress, q mq.Queue, at position) error {
	r := &p.backlog
	lo, hi, err := b.store.Bounds(q)
	if err != nil {
		return err
	}
	u := pop.Use{Group: p.group, Topic: q.Topic, Queue: q.ID}
	hand := b.holds.Count(u)
	committed := at.committed
	if committed == noOffset {
		committed = max(0, at.pulled) // as RocketMQ counts it
	}
	pulled := max(committed, at.pulled)
	committed, pulled = min(committed, hi), min(pulled, hi)
	ordered, err := b.inOrder(p, u, int64(hi-committed))
	if err != nil {
		return err
	}
	pulled = max(pulled, committed+mq.QueueOffset(ordered))
	r.End, r.Committed = r.End+int64(hi), r.Committed+int64(committed)
	lag := int64(hi-committed) + hand
	r.Lag += lag
	r.InFlight += int64(pulled-committed) + hand
	r.Ready += int64(hi - pulled)
	if lag == 0 {
		delete(r.oldest, q.ID)
		delete(r.unread, q.ID)
		return nil
	}
	if err := b.earlier(&r.Oldest, &r.oldest, q, max(lo, committed-mq.QueueOffset(hand)), hi); err != nil {
		return err
	}
	return b.earlier(&r.Unread, &r.unread, q, max(lo, pulled), hi)
}

// earlier makes when what it was or, if that is before, when the message at an
// offset was stored.
func (b *Broker) earlier(when *time.Time, known *map[int32]stamp, q mq.Queue, offset, hi mq.QueueOffset) error {
	if offset >= hi {
		return nil
	}
	s, ok := (*known)[q.ID]
	if !ok || s.offset != offset {
		at, err := b.timeAt(q, offset)
		if err != nil {
			return err
		}
		if *known == nil {
			*known = map[int32]stamp{}
		}
		s = stamp{offset, at}
		(*known)[q.ID] = s
	}
	if when.IsZero() || !s.at.IsZero() && s.at.Before(*when) {
		*when = s.at
	}
	return nil
}

// positions are the group's by queue.
func (p *progress) positions() map[int32]position {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make(map[int32]position, len(p.mu.queues))
	for id, at := range p.mu.queues {
		all[id] = at
	}
	return all
}
