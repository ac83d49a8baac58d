package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// InHand says who has a message in hand; see mq.Admin.
func (b *Broker) InHand(ctx context.Context, group string, q mq.Queue, at mq.QueueOffset) (mq.InHand, error) {
	if b.closing.Load() {
		return mq.InHand{}, mq.ErrClosed
	}
	u := pop.Use{Group: group, Topic: q.Topic, Queue: q.ID}
	hold, found, err := b.holds.Find(ctx, u, at)
	switch {
	case err != nil:
		return mq.InHand{}, err
	case found:
		return mq.InHand{Since: time.UnixMilli(hold.PopTime), Until: time.UnixMilli(hold.Due), Tries: hold.Tries()}, nil
	}
	order, err := b.holds.Order(u)
	if err != nil {
		return mq.InHand{}, err
	}
	since, until, tries, found := order.InHand(at)
	p := b.offsets.find(use{group, q.Topic})
	if has, err := b.holds.HasLanes(u); err != nil {
		return mq.InHand{}, err
	} else if has && p != nil && !found {
		err := b.onLanes(p, u, func(l *pop.Lanes) error {
			since, until, tries, found = l.InHand(at)
			return nil
		})
		if err != nil {
			return mq.InHand{}, err
		}
	}
	if !found {
		return mq.InHand{}, fmt.Errorf("group %s has not popped offset %d of queue %d: %w", group, at, q.ID, mq.ErrNotFound)
	}
	return mq.InHand{Since: time.UnixMilli(since), Until: time.UnixMilli(until), Tries: tries}, nil
}

// inOrder is how many messages of a queue a group took in order and has in hand,
// at most as many as it is behind.
func (b *Broker) inOrder(p *progress, u pop.Use, behind int64) (int64, error) {
	if behind <= 0 {
		return 0, nil
	}
	order, err := b.holds.Order(u)
	if err != nil {
		return 0, err
	}
	now := time.Now().UnixMilli()
	n := order.CountInHand(now)
	has, err := b.holds.HasLanes(u)
	if has && err == nil {
		err = b.onLanes(p, u, func(l *pop.Lanes) error {
			n += l.CountInHand(now)
			return nil
		})
	}
	return min(int64(n), behind), err
}
