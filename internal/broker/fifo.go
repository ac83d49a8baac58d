package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// Bounds of what operators do with message groups.
const (
	maxGroupKey   = 1024 // bytes of its name
	maxStuck      = 100  // that are listed of a queue
	buriedAtATime = 32   // messages, while pops of the queue wait
)

// MessageGroups lists message groups that are parked or do not get on; see
// mq.Admin.
func (b *Broker) MessageGroups(ctx context.Context, group, topic string) ([]mq.MessageGroup, error) {
	t, err := b.inLanes(group, topic)
	if err != nil {
		return nil, err
	}
	var all []mq.MessageGroup
	for id := range t.ReadQueues {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		list, err := b.messageGroupsOf(pop.Use{Group: group, Topic: topic, Queue: id})
		if err != nil {
			return nil, err
		}
		all = append(all, list...)
	}
	return all, nil
}

// inLanes finds a topic of which a group may take messages by their groups.
func (b *Broker) inLanes(group, topic string) (*topic, error) {
	t := b.findTopic(topic)
	switch {
	case b.closing.Load():
		return nil, mq.ErrClosed
	case t == nil:
		return nil, missingTopic(topic)
	case b.findGroup(group) == nil:
		return nil, missingGroup(group)
	}
	return t, nil
}

func (b *Broker) messageGroupsOf(u pop.Use) (all []mq.MessageGroup, err error) {
	p := b.offsets.find(use{u.Group, u.Topic})
	if has, err := b.holds.HasLanes(u); p == nil || !has || err != nil {
		return nil, err
	}
	var stuck []pop.Stuck
	err = b.onLanes(p, u, func(l *pop.Lanes) error {
		for _, k := range l.Parked() {
			m := mq.MessageGroup{Key: k.Name, Queue: u.Queue, State: mq.GroupParked, Since: time.UnixMilli(k.Since), Waiting: int64(k.Aside)}
			if k.Releasing {
				m.State = mq.GroupReleasing
			}
			all = append(all, m)
		}
		stuck = l.Stuck(time.Now().UnixMilli(), maxStuck)
		return nil
	})
	for _, s := range stuck {
		all = append(all, mq.MessageGroup{
			Key: b.groupKeyAt(u, s.Offset), Queue: u.Queue, State: mq.GroupBlocked, Since: time.UnixMilli(s.Since),
			Tries: s.Tries, Offset: s.Offset, InHand: s.InHand, Waiting: int64(s.Behind),
		})
	}
	return all, err
}

// groupKeyAt is the message group of the message at an offset; empty if it has
// none or cannot be read.
func (b *Broker) groupKeyAt(u pop.Use, at mq.QueueOffset) string {
	entries, err := b.store.Entries(mq.Queue{Topic: u.Topic, ID: u.Queue}, at, 1)
	if err != nil || len(entries) == 0 || entries[0].Offset != at {
		return ""
	}
	data, err := b.store.ReadAt(entries[0].Pos)
	if err != nil {
		return ""
	}
	key, _ := mq.Property(mq.RecordProperties(data), mq.PropShardingKey)
	return string(key)
}

// ParkMessageGroup has the messages of a message group put aside; see mq.Admin.
func (b *Broker) ParkMessageGroup(_ context.Context, group, topic, key string) error {
	t, err := b.inLanes(group, topic)
	switch {
	case err != nil:
		return err
	case key == "" || len(key) > maxGroupKey:
		return fmt.Errorf("%w: the message group has %d bytes, want 1 to %d", mq.ErrInvalid, len(key), maxGroupKey)
	}
	p := b.offsets.progress(use{group, topic})
	for id := range t.ReadQueues {
		err := b.onLanes(p, pop.Use{Group: group, Topic: topic, Queue: id}, func(l *pop.Lanes) error {
			if !l.Park(key, time.Now().UnixMilli()) {
				return fmt.Errorf("%w: %d message groups are parked in queue %d already; release one or move its messages to the dead letters", mq.ErrBusy, pop.MaxParked, id)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// ReleaseMessageGroup gives a message group that is parked back to its group;
// see mq.Admin.
func (b *Broker) ReleaseMessageGroup(_ context.Context, group, topic, key string) error {
	return b.onParked(group, topic, key, func(u pop.Use, l *pop.Lanes) error {
		l.Unpark(key)
		return b.holds.Refill(u, l)
	})
}

// onParked does something with a message group in each queue where it is parked.
func (b *Broker) onParked(group, topic, key string, do func(u pop.Use, l *pop.Lanes) error) error {
	t, err := b.inLanes(group, topic)
	if err != nil {
		return err
	}
	found := false
	if p := b.offsets.find(use{group, topic}); p != nil {
		for id := range t.ReadQueues {
			u := pop.Use{Group: group, Topic: topic, Queue: id}
			err := b.onLanes(p, u, func(l *pop.Lanes) error {
				if _, parked := l.ParkedKey(key); !parked {
					return nil
				}
				found = true
				return do(u, l)
			})
			if err != nil {
				return err
			}
		}
	}
	if !found {
		return fmt.Errorf("%w: message group %.200s of topic %s is not parked for consumer group %s; `goddard admin fifo list` shows those that are",
			mq.ErrNotFound, key, topic, group)
	}
	return nil
}

// BuryMessageGroup moves what is aside of a parked message group to the dead
// letters and releases it; see mq.Admin.
func (b *Broker) BuryMessageGroup(ctx context.Context, group, topic, key string) (buried int64, err error) {
	g, err := b.group(group)
	if err != nil {
		return 0, err
	}
	err = b.onParked(group, topic, key, func(_ pop.Use, l *pop.Lanes) error {
		l.Park(key, time.Now().UnixMilli()) // also one that is being released
		return nil
	})
	for more := true; more && err == nil; {
		more = false
		if err = ctx.Err(); err != nil {
			break
		}
		err = b.onParked(group, topic, key, func(u pop.Use, l *pop.Lanes) error {
			moved, rest, err := b.buryAside(g, u, l, key)
			buried, more = buried+moved, more || rest
			return err
		})
	}
	if err != nil {
		return buried, err
	}
	return buried, b.ReleaseMessageGroup(ctx, group, topic, key)
}

// buryAside moves the first messages of a key that are aside to the dead
// letters, and reports whether there may be more. Those that the log no longer
// holds are let go.
func (b *Broker) buryAside(g *mq.Group, u pop.Use, l *pop.Lanes, key string) (moved int64, more bool, err error) {
	first, err := b.holds.Aside(u, key, buriedAtATime)
	if err != nil {
		return 0, false, err
	}
	done := 0
	for _, at := range first {
		err = b.buryMessage(g, u, at, time.Now().UnixMilli())
		if err == nil {
			moved++
		} else if !errors.Is(err, mq.ErrNotFound) {
			break
		}
		err = nil
		done++
	}
	l.Discard(key, first[:done])
	return moved, len(first) == buriedAtATime, err
}
