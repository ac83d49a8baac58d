package broker

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
	"github.com/goddardmq/goddard/internal/store"
)

// Ack says that popped messages are done with; see mq.Broker. Those of one call
// that were not taken in order are one change of the key store.
func (b *Broker) Ack(_ context.Context, acks []mq.Ack) []error {
	var errs []error
	fail := func(i int, err error) {
		if err != nil && errs == nil {
			errs = make([]error, len(acks))
		}
		if err != nil {
			errs[i] = err
		}
	}
	places := make([]pop.Place, 0, len(acks))
	from := make([]int, 0, len(acks)) // places
	var lanes map[pop.Use][]int
	for i := range acks {
		if acks[i].Lite != "" {
			fail(i, b.ackLite(&acks[i]))
			continue
		}
		u, err := b.inHand(&acks[i])
		switch {
		case err != nil:
			fail(i, err)
		case acks[i].Receipt.Passing():
		case acks[i].Receipt.Revive == mq.OrderedRevive:
			fail(i, b.ackInOrder(u, &acks[i].Receipt))
		case acks[i].Receipt.Revive == mq.ByGroupRevive:
			if lanes == nil {
				lanes = map[pop.Use][]int{}
			}
			lanes[u] = append(lanes[u], i)
		default:
			places, from = append(places, placeOf(u, &acks[i].Receipt)), append(from, i)
		}
	}
	if len(places) > 0 {
		_, err := b.holds.Ack(places)
		for _, i := range from {
			fail(i, err)
		}
	}
	for u, list := range lanes {
		b.ackByGroup(u, acks, list, fail)
	}
	for i := range acks {
		if errs == nil || errs[i] == nil {
			b.countAck(&acks[i])
		}
	}
	return errs
}

func placeOf(u pop.Use, r *mq.Receipt) pop.Place {
	return pop.Place{Use: u, Due: r.Due(), Offset: r.Offset, First: r.Start}
}

// countAck counts a message that is done with. If that makes room for more, a
// pop that waits learns of it.
func (b *Broker) countAck(a *mq.Ack) {
	b.stats.ackTotal.add(1)
	if t := b.opts().Tracer; t != nil {
		t.Ack(a.Group, mq.Queue{Topic: lyingTopic(a), ID: a.Receipt.QueueID}, a.Receipt.Offset)
	}
	if p := b.offsets.find(use{a.Group, lyingTopic(a)}); p != nil {
		p.ackNums.add(1)
	}
	if b.opts().LimitPopped && a.Receipt.Revive < mq.ByGroupRevive {
		b.parking.wakePop(use{a.Group, a.Topic}, a.Receipt.QueueID)
	}
}

// lyingTopic is the topic that a popped message lies in.
func lyingTopic(a *mq.Ack) string {
	if a.Lite != "" {
		return mq.LiteQueue(a.Topic, a.Lite)
	}
	if strings.HasPrefix(a.Topic, mq.RetryPrefix) {
		return a.Topic
	}
	switch a.Receipt.Retry {
	case mq.RetryV1:
		return mq.RetryTopicPop(a.Group, a.Topic)
	case mq.RetryV2:
		return mq.RetryTopicPopV2(a.Group, a.Topic)
	}
	return a.Topic
}

// inHand says what is wrong with a receipt whatever is in hand, and otherwise
// which queue it is about. Nothing is wrong with one of a message that was
// delivered at most once, and nothing in hand.
func (b *Broker) inHand(a *mq.Ack) (u pop.Use, err error) {
	r, name := &a.Receipt, b.opts().Name
	switch {
	case b.closing.Load():
		return u, mq.ErrClosed
	case r.Broker != name:
		return u, fmt.Errorf("%w: the receipt is of broker %.100s, this is %s", mq.ErrInvalid, r.Broker, name)
	case r.Passing():
		return pop.Use{Group: a.Group, Topic: a.Topic, Queue: r.QueueID}, nil
	case r.Offset < 0:
		return u, fmt.Errorf("%w: the receipt names no message", mq.ErrInvalid)
	}
	u = pop.Use{Group: a.Group, Topic: lyingTopic(a), Queue: r.QueueID}
	t := b.findTopic(u.Topic)
	if t == nil {
		return u, missingTopic(u.Topic)
	}
	if u.Queue < 0 || u.Queue >= t.ReadQueues {
		// RocketMQ blames the message, not the queue.
		return u, fmt.Errorf("%w: queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d]", mq.ErrMessageIllegal, u.Queue, t.Name, t.ReadQueues)
	}
	lo, hi, err := b.store.Bounds(mq.Queue{Topic: u.Topic, ID: u.Queue})
	if err != nil {
		return u, err
	}
	if r.Offset < lo || r.Offset >= hi {
		return u, fmt.Errorf("%w: offset is illegal, key:%s@%d, commit:%d, store:%d~%d", mq.ErrOffsetOutOfRange, u.Topic, u.Queue, r.Offset, lo, hi)
	}
	return u, nil
}

// ackInOrder notes that a message is done with that was taken in order. The
// group's offset follows, and when nothing is in hand any more the next pop may
// go on.
func (b *Broker) ackInOrder(u pop.Use, r *mq.Receipt) error {
	p := b.offsets.find(use{u.Group, u.Topic})
	if p == nil || r.Offset < p.at(u.Queue).committed {
		return nil
	}
	lock := p.popLock(u.Queue)
	lock.Lock()
	defer lock.Unlock()
	if r.Offset < p.at(u.Queue).committed {
		return nil
	}
	return b.ackLocked(p, u, r)
}

// ackLocked is ackInOrder of a queue that is locked.
func (b *Broker) ackLocked(p *progress, u pop.Use, r *mq.Receipt) error {
	o, err := b.holds.Order(u)
	if err != nil {
		return err
	}
	switch o.Ack(r.Offset, r.PopTime) {
	case pop.AckStale:
		return nil
	case pop.AckUnknown:
		return fmt.Errorf("%w: offset is illegal, group %s took other messages than %d from queue %d of topic %s", mq.ErrMessageIllegal, u.Group, r.Offset, u.Queue, u.Topic)
	}
	next, _ := o.Next()
	if err := b.keepOrder(p, u, &o, next); err != nil {
		return err
	}
	if _, blocked := o.Blocked("", time.Now().UnixMilli()); !blocked {
		b.parking.wakePop(p.use, u.Queue)
	}
	return nil
}

// keepOrder stores what a group has in hand of a queue in order, together with
// its offset. The queue is locked.
func (b *Broker) keepOrder(p *progress, u pop.Use, o *pop.Order, committed mq.QueueOffset) error {
	return b.offsets.commitWith(p, u.Queue, committed, b.holds.Batch(), func(batch *store.KeyBatch) error {
		return b.holds.KeepOrder(batch, u, o)
	})
}

// notInHand says that a receipt is not good any more.
func notInHand(u pop.Use, r *mq.Receipt) error {
	return fmt.Errorf("%w: group %s does not have message %d of queue %d of topic %s in hand any more: it is acknowledged, was popped again, or its time is up",
		mq.ErrNotFound, u.Group, r.Offset, u.Queue, u.Topic)
}

// ChangeInvisible makes a popped message visible after d from now on; see
// mq.Broker.
func (b *Broker) ChangeInvisible(_ context.Context, a mq.Ack, d time.Duration, suspend bool) (mq.Receipt, error) {
	if a.Lite != "" {
		return b.changeLite(&a, d, suspend)
	}
	u, err := b.inHand(&a)
	if err != nil {
		return mq.Receipt{}, err
	}
	if d < 0 || d > maxInvisible {
		return mq.Receipt{}, fmt.Errorf("%w: invisibleTime is %v: want 0 to %v", mq.ErrInvalid, d, maxInvisible)
	}
	if a.Receipt.Revive == mq.OrderedRevive && !a.Receipt.Passing() {
		return b.changeInOrder(u, a.Receipt, d, suspend)
	}
	if a.Receipt.Revive == mq.ByGroupRevive {
		return b.changeByGroup(u, a.Receipt, d, suspend)
	}
	next := a.Receipt
	next.PopTime, next.Invisible, next.Start = time.Now().UnixMilli(), d.Milliseconds(), next.Offset
	if next.Passing() {
		return next, nil
	}
	err = b.holds.Change(placeOf(u, &a.Receipt), next.PopTime, next.Due(), suspend)
	if errors.Is(err, mq.ErrNotFound) {
		err = notInHand(u, &a.Receipt)
	}
	if err != nil {
		return mq.Receipt{}, err
	}
	return next, nil
}

// changeInOrder is ChangeInvisible of a message that was taken in order, whose
// receipt keeps the time of its pop.
func (b *Broker) changeInOrder(u pop.Use, r mq.Receipt, d time.Duration, suspend bool) (mq.Receipt, error) {
	p := b.offsets.find(use{u.Group, u.Topic})
	if p == nil {
		return r, notInHand(u, &r)
	}
	lock := p.popLock(u.Queue)
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
	if err := b.keepOrder(p, u, &o, next); err != nil {
		return r, err
	}
	// Those who wait for the queue may have to wait less.
	b.parking.wakePop(p.use, u.Queue)
	r.Invisible = visible - r.PopTime
	return r, nil
}

// Bury moves a popped message to the dead letters of its group; see mq.Broker.
func (b *Broker) Bury(_ context.Context, a mq.Ack) error {
	u, err := b.inHand(&a)
	if err != nil || a.Receipt.Passing() {
		return err
	}
	g, err := b.group(a.Group)
	if err != nil {
		return err
	}
	switch {
	case a.Lite != "":
		return b.buryLite(g, &a)
	case a.Receipt.Revive == mq.OrderedRevive:
		return b.buryInOrder(g, u, &a)
	}
	if a.Receipt.Revive == mq.ByGroupRevive {
		return b.buryByGroup(g, u, &a.Receipt)
	}
	hold, err := b.holds.Claim(placeOf(u, &a.Receipt))
	if errors.Is(err, mq.ErrNotFound) {
		return notInHand(u, &a.Receipt)
	}
	if err != nil {
		return err
	}
	at, err := b.buryAt(g, u, hold.Offset, hold.Pos, hold.PopTime)
	if err != nil {
		b.holds.Release(hold.Place)
		return err
	}
	return b.holds.Settle(hold, at)
}

// buryInOrder is Bury of a message that was taken in order.
func (b *Broker) buryInOrder(g *mq.Group, u pop.Use, a *mq.Ack) error {
	r := &a.Receipt
	p := b.offsets.find(use{u.Group, u.Topic})
	if p == nil {
		return notInHand(u, r)
	}
	lock := p.popLock(u.Queue)
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
	return b.ackLocked(p, u, r)
}

// buryMessage stores the message at an offset, which was popped at popTime, in
// the dead letters.
func (b *Broker) buryMessage(g *mq.Group, u pop.Use, at mq.QueueOffset, popTime int64) error {
	entries, err := b.store.Entries(mq.Queue{Topic: u.Topic, ID: u.Queue}, at, 1)
	if err == nil && (len(entries) == 0 || entries[0].Offset != at) {
		err = fmt.Errorf("%w: queue %d of topic %s does not hold message %d any more; see fileReservedTime (retention)", mq.ErrNotFound, u.Queue, u.Topic, at)
	}
	if err != nil {
		return err
	}
	_, err = b.buryAt(g, u, at, entries[0].Pos, popTime)
	return err
}

// buryAt stores the message of a queue at a log position in the dead letters,
// and returns where.
func (b *Broker) buryAt(g *mq.Group, u pop.Use, offset mq.QueueOffset, pos mq.LogPos, popTime int64) (mq.LogPos, error) {
	began := time.Now()
	data, err := b.store.ReadAt(pos)
	if err != nil {
		return 0, err
	}
	rec, _, err := mq.DecodeRecord(data)
	if err != nil {
		return 0, err
	}
	m, err := b.deadLetter(g, u, &rec, popTime)
	if err != nil {
		return 0, err
	}
	stored := make(chan *mq.Send, 1)
	b.deliver(&mq.SendBatch{
		Sends: []mq.Send{{Message: m}}, Done: func(batch *mq.SendBatch) { stored <- &batch.Sends[0] },
	})
	// Whoever waits for it may give up, but it is stored or not.
	one := <-stored
	b.noteBack(u, offset, one, began)
	if one.Err != nil {
		return 0, one.Err
	}
	b.countDead(g.Name, firstTopic(u))
	return one.Result.Pos, nil
}
