package broker

import (
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// liteInHand is inHand of a message of a lite topic.
func (b *Broker) liteInHand(a *mq.Ack) (pop.Use, error) {
	if err := mq.CheckLite(a.Lite); err != nil {
		return pop.Use{}, err
	}
	if a.Receipt.Revive != mq.OrderedRevive || a.Receipt.QueueID != 0 {
		return pop.Use{}, fmt.Errorf("%w: the receipt is not of a message of a lite topic", mq.ErrInvalid)
	}
	return b.inHand(a)
}

// ackLite notes that a message of a lite topic is done with. When nothing of it
// is in hand any more the group may go on there.
func (b *Broker) ackLite(a *mq.Ack) error {
	u, err := b.liteInHand(a)
	if err != nil {
		return err
	}
	lock := b.lites.stripe(u)
	lock.Lock()
	defer lock.Unlock()
	return b.ackLiteLocked(u, &a.Receipt)
}

func (b *Broker) ackLiteLocked(u pop.Use, r *mq.Receipt) error {
	o, err := b.holds.Order(u)
	if err != nil {
		return err
	}
	switch o.Ack(r.Offset, r.PopTime) {
	case pop.AckStale:
		return nil
	case pop.AckUnknown:
		return fmt.Errorf("%w: offset is illegal, group %s took other messages than %d from %s", mq.ErrMessageIllegal, u.Group, r.Offset, u.Topic)
	}
	next, _ := o.Next()
	if err := b.keepLite(u, next, &o); err != nil {
		return err
	}
	return b.goOnLite(u, &o, next)
}

// goOnLite lets others look at a lite topic whose messages in hand changed. Its
// stripe is locked.
func (b *Broker) goOnLite(u pop.Use, o *pop.Order, next mq.QueueOffset) error {
	now := time.Now().UnixMilli()
	if until, blocked := o.Blocked("", now); blocked {
		b.holdLite(u, until, o.CountInHand(now))
		return nil
	}
	_, hi, err := b.store.Bounds(mq.Queue{Topic: u.Topic})
	b.freeLite(u, err != nil || next < hi)
	return err
}

// changeLite is ChangeInvisible of a message of a lite topic, whose receipt
// keeps the time of its pop.
func (b *Broker) changeLite(a *mq.Ack, d time.Duration, suspend bool) (mq.Receipt, error) {
	r := a.Receipt
	u, err := b.liteInHand(a)
	if err != nil {
		return r, err
	}
	if d < 0 || d > maxInvisible {
		return r, fmt.Errorf("%w: invisibleTime is %v: want 0 to %v", mq.ErrInvalid, d, maxInvisible)
	}
	lock := b.lites.stripe(u)
	lock.Lock()
	defer lock.Unlock()
	o, err := b.holds.Order(u)
	if err != nil {
		return r, err
	}
	visible := time.Now().Add(d).UnixMilli()
	if !o.Change(r.Offset, r.PopTime, visible, suspend) {
		return r, notInHand(u, &r)
	}
	next, _ := o.Next()
	if err := b.keepLite(u, next, &o); err != nil {
		return r, err
	}
	r.Invisible = visible - r.PopTime
	return r, b.goOnLite(u, &o, next)
}

// buryLite is Bury of a message of a lite topic.
func (b *Broker) buryLite(g *mq.Group, a *mq.Ack) error {
	r := &a.Receipt
	u, err := b.liteInHand(a)
	if err != nil {
		return err
	}
	lock := b.lites.stripe(u)
	lock.Lock()
	defer lock.Unlock()
	o, err := b.holds.Order(u)
	if err != nil {
		return err
	}
	if !o.Has(r.Offset, r.PopTime) {
		return notInHand(u, r)
	}
	if err := b.buryMessage(g, u, r.Offset, r.PopTime); err != nil {
		return err
	}
	return b.ackLiteLocked(u, r)
}
