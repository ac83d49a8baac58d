package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxInvisible bounds the time that a message is in somebody's hand.
const maxInvisible = 365 * 24 * time.Hour

// Pop answers at once if there is something to say, and otherwise when there
// is or the time the request may wait is up.
func (b *Broker) Pop(ctx context.Context, r mq.PopRequest, done func(mq.PopBatch, error)) {
	w := &waiting{ctx: ctx, pop: &popWaiting{request: r, answer: done}}
	b.beginPop(w)
}

// Notify is Pop that takes nothing.
func (b *Broker) Notify(ctx context.Context, r mq.PopRequest, done func(mq.PopStatus, error)) {
	answer := func(batch mq.PopBatch, err error) { done(batch.Status, err) }
	b.beginPop(&waiting{ctx: ctx, pop: &popWaiting{request: r, look: true, answer: answer}})
}

func (b *Broker) beginPop(w *waiting) {
	r := &w.pop.request
	w.pop.until = time.Now().Add(min(r.Wait, maxWait))
	if f, ok := r.Filter.(mq.PropertyFilter); ok && f.Quick() {
		w.pop.matcher = f
	}
	b.servePop(w)
}

// resumePop answers a pop that was parked, or parks it again. The wake of one
// whose client is gone is another's.
func (b *Broker) resumePop(w *waiting) {
	if w.ctx.Err() != nil {
		b.giveBackShare(w)
		b.parking.wakePop(w.use(), w.pop.request.QueueID)
		return
	}
	if b.closing.Load() {
		b.giveBackShare(w)
		b.missPop(w, mq.PopNothing)
		return
	}
	b.servePop(w)
}

// servePop pops until there is an answer or the request is parked.
func (b *Broker) servePop(w *waiting) {
	for {
		x, err := b.pop(w)
		if errors.Is(err, errSlow) {
			b.slowPop(w)
			return
		}
		if err != nil {
			w.pop.answer(mq.PopBatch{Release: func() {}}, err)
			return
		}
		if x.found {
			b.answerPop(w, x)
			return
		}
		if w.pop.request.Wait <= 0 || !time.Now().Before(w.pop.until) {
			b.missPop(w, mq.PopNothing)
			return
		}
		switch parked, news := b.parkPop(w, x); {
		case parked:
			return
		case !news:
			b.missPop(w, mq.PopFull)
			return
		}
	}
}

// parkPop lets a pop wait, unless too many do. news says that it is not parked
// because there is something since it looked, which woke nobody.
func (b *Broker) parkPop(w *waiting, x *popping) (parked, news bool) {
	w.pop.slow, w.deadline = false, w.pop.until
	if x.until > 0 {
		// The clock may be set while it waits.
		if free := time.Now().Add(time.Duration(x.until-x.batch.PopTime) * time.Millisecond); free.Before(w.deadline) {
			w.deadline = free
		}
	}
	w.pop.retries = x.p.retryTopics()
	live := b.opts()
	if b.closing.Load() || !b.parking.parkPop(w, live.MaxWaitingPops, live.MaxWaitingPopsPerQueue) {
		return false, false
	}
	if (b.anything(&w.pop.request) || b.closing.Load()) && b.parking.take(w) {
		return false, true
	}
	return true, false
}

// anything reports whether there is something to pop. If that is not known, the
// pop will tell why.
func (b *Broker) anything(r *mq.PopRequest) bool {
	x, err := b.newPopping(r, true)
	if err != nil {
		return true
	}
	x.run()
	return x.found || x.err != nil
}

// expirePop answers a pop whose time is up. One for which a queue is free again
// looks once more.
func (b *Broker) expirePop(w *waiting) {
	if w.pop.slow {
		b.parking.wakePop(w.use(), w.pop.request.QueueID) // what is there is another's
	}
	switch {
	case w.ctx.Err() != nil:
	case !b.closing.Load() && time.Now().Before(w.pop.until):
		b.parking.again(w)
	default:
		b.missPop(w, mq.PopNothing)
	}
}

// missPop answers that there is nothing.
func (b *Broker) missPop(w *waiting, s mq.PopStatus) {
	b.stats.getMissed.add(1)
	w.pop.answer(mq.PopBatch{
		Status: s, PopTime: time.Now().UnixMilli(), Invisible: w.pop.request.Invisible.Milliseconds(), Release: func() {},
	}, nil)
}

// answerPop hands over what a pop found. What it left is another's.
func (b *Broker) answerPop(w *waiting, x *popping) {
	if x.look {
		b.parking.wakePop(w.use(), w.pop.request.QueueID)
		w.pop.answer(mq.PopBatch{Status: mq.PopFound, Release: func() {}}, nil)
		return
	}
	if x.batch.Rest > 0 {
		b.parking.wakePop(w.use(), w.pop.request.QueueID)
	}
	releases := x.releases
	x.batch.Release = func() {
		for _, release := range releases {
			release()
		}
	}
	b.handOver(w, x.batch)
}

// handOver counts and answers with the messages of a pop.
func (b *Broker) handOver(w *waiting, batch mq.PopBatch) {
	b.stats.getTotal.add(int64(len(batch.Messages)))
	b.stats.getFound.add(1)
	if t := b.opts().Tracer; t != nil && !w.pop.request.Peek {
		records := make([][]byte, len(batch.Messages))
		for i := range records {
			records[i] = batch.Messages[i].Record
		}
		t.Deliver(w.pop.request.Group, w.pop.request.Topic, records)
	}
	w.pop.answer(batch, nil)
}

// pop looks for messages for a request that waits, or begins to.
func (b *Broker) pop(w *waiting) (*popping, error) {
	x, err := b.newPopping(&w.pop.request, w.pop.look)
	if err != nil {
		b.giveBackShare(w)
		return nil, err
	}
	if !w.pop.request.Peek && (w.share != nil || b.rates.limited(x.p.use, w.visit())) {
		err = b.popLimited(w, x)
	} else {
		x.run()
	}
	if err != nil {
		return nil, err
	}
	if !x.found && x.err != nil {
		return nil, x.err
	}
	return x, nil
}

// mayPop says whether a group may pop as it asks.
func (b *Broker) mayPop(r *mq.PopRequest) (*topic, error) {
	live := b.opts()
	switch {
	case b.closing.Load():
		return nil, mq.ErrClosed
	case *live.Permission&mq.PermRead == 0:
		return nil, fmt.Errorf("%w: the broker[%s] pop message is forbidden (broker-permission)", mq.ErrDenied, live.Name)
	case r.MaxMessages < 1 || r.MaxMessages > mq.MaxPop:
		return nil, fmt.Errorf("%w: the broker[%s] pop message's num is %d: want 1 to %d", mq.ErrInvalid, live.Name, r.MaxMessages, mq.MaxPop)
	case r.Invisible < 0 || r.Invisible > maxInvisible:
		return nil, fmt.Errorf("%w: invisibleTime is %v: want 0 to %v", mq.ErrInvalid, r.Invisible, maxInvisible)
	case r.ByGroup && (!r.Ordered || r.Peek):
		return nil, fmt.Errorf("%w: a pop by message group must be in order and cannot peek", mq.ErrInvalid)
	case len(r.AttemptID) > maxAttemptID:
		return nil, fmt.Errorf("%w: attemptId has %d bytes, at most %d are allowed", mq.ErrInvalid, len(r.AttemptID), maxAttemptID)
	}
	t := b.findTopic(r.Topic)
	if t == nil {
		return nil, missingTopic(r.Topic)
	}
	if mq.IsLight(t.Name) {
		// What is not acknowledged must have somewhere to come back.
		if err := mq.CheckTopic(mq.RetryTopicPopV2(r.Group, r.Topic)); err != nil {
			return nil, err
		}
	}
	if t.Perm&mq.PermRead == 0 {
		return nil, fmt.Errorf("%w: the topic[%s] pop message is forbidden", mq.ErrDenied, t.Name)
	}
	if r.QueueID >= t.ReadQueues || r.QueueID < -1 {
		return nil, fmt.Errorf("%w: queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d]", mq.ErrQueueOutOfRange, r.QueueID, t.Name, t.ReadQueues)
	}
	g, err := b.group(r.Group)
	if err != nil {
		return nil, err
	}
	if !g.ConsumeEnable {
		return nil, fmt.Errorf("%w: subscription group no permission, %s (consumeEnable)", mq.ErrDenied, r.Group)
	}
	return t, nil
}

// maxAttemptID bounds the name of an attempt, in bytes.
const maxAttemptID = 1024
