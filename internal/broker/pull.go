package broker

import (
	"context"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// maxWait bounds how long a pull may be parked.
const maxWait = 10 * time.Minute

// Pull answers at once if there is something to say, and otherwise when there
// is or the time the request may wait is up.
func (b *Broker) Pull(ctx context.Context, r mq.PullRequest, done func(mq.Batch, error)) {
	p, batch, err := b.pull(&r)
	if err != nil {
		done(mq.Batch{}, err)
		return
	}
	if !waits(&r, batch) || r.Wait <= 0 {
		b.answer(p, &r, batch, done)
		return
	}
	live := b.opts()
	wait := min(r.Wait, maxWait)
	if !*live.LongPolling {
		wait = live.ShortPolling
	}
	w := &waiting{
		ctx: ctx, request: r, progress: p, done: done, deadline: time.Now().Add(wait),
	}
	if f, ok := r.Filter.(mq.PropertyFilter); ok && f.Quick() {
		w.matcher = f
	}
	w.keep(batch)
	switch parked, news := b.park(w); {
	case news:
		b.resume(w)
	case !parked:
		b.answer(p, &w.request, w.empty, done)
	}
}

// park lets a request wait, unless too many do. news says that it is not parked
// because something arrived between reading and parking, when it woke nobody.
func (b *Broker) park(w *waiting) (parked, news bool) {
	live := b.opts()
	if b.closing.Load() || !b.parking.park(w, live.MaxWaitingPulls, live.MaxWaitingPullsPerQueue) {
		return false, false
	}
	_, hi, err := b.store.Bounds(w.request.Queue)
	if (err != nil || hi > w.request.From || b.closing.Load()) && b.parking.take(w) {
		return false, true
	}
	return true, false
}

// waits reports whether a pull found nothing up to the end of the queue.
func waits(r *mq.PullRequest, batch mq.Batch) bool {
	switch batch.Status {
	case mq.PullNoNew:
		return true
	case mq.PullNoMatch:
		return batch.Next >= batch.Max
	case mq.PullNoQueue:
		return r.From == 0
	}
	return false
}

// pull checks a request and reads.
func (b *Broker) pull(r *mq.PullRequest) (*progress, mq.Batch, error) {
	if err := b.mayPull(r); err != nil {
		return nil, mq.Batch{}, err
	}
	p := b.offsets.progress(use{r.Group, r.Queue.Topic})
	if r.Commit != nil && *r.Commit >= 0 {
		if err := b.offsets.commit(p, r.Queue.ID, *r.Commit); err != nil {
			return nil, mq.Batch{}, err
		}
	}
	batch, err := b.read(p, r)
	return p, batch, err
}

// mayPull says whether a group may pull from a queue.
func (b *Broker) mayPull(r *mq.PullRequest) error {
	live := b.opts()
	if b.closing.Load() {
		return mq.ErrClosed
	}
	if *live.Permission&mq.PermRead == 0 {
		return fmt.Errorf("%w: the broker[%s] pulling message is forbidden (broker-permission)", mq.ErrDenied, live.Name)
	}
	g, err := b.group(r.Group)
	if err != nil {
		return err
	}
	if !g.ConsumeEnable {
		return fmt.Errorf("%w: subscription group no permission, %s (consumeEnable)", mq.ErrDenied, r.Group)
	}
	t := b.topics.table.get(r.Queue.Topic)
	if t == nil {
		return missingTopic(r.Queue.Topic)
	}
	if t.Perm&mq.PermRead == 0 {
		return fmt.Errorf("%w: the topic[%s] pulling message is forbidden", mq.ErrDenied, t.Name)
	}
	if r.Queue.ID < 0 || r.Queue.ID >= t.ReadQueues {
		return fmt.Errorf("%w: queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d]", mq.ErrQueueOutOfRange, r.Queue.ID, t.Name, t.ReadQueues)
	}
	if !g.ConsumeBroadcast && b.clients.broadcasts(r.Group) {
		return fmt.Errorf("%w: the consumer group[%s] can not consume by broadcast way", mq.ErrDenied, r.Group)
	}
	return nil
}

// read reads what a request asks for, or sends it elsewhere if the group's
// offset was reset.
func (b *Broker) read(p *progress, r *mq.PullRequest) (mq.Batch, error) {
	if to, ok, err := b.offsets.takeReset(p, r.Queue.ID); err != nil {
		return mq.Batch{}, err
	} else if ok {
		lo, hi, err := b.store.Bounds(r.Queue)
		return mq.Batch{Status: mq.PullOffsetIllegal, Next: to, Min: lo, Max: hi, Release: func() {}}, err
	}
	limit := b.opts().MaxPullMessages
	if r.MaxMessages > 0 {
		limit = min(limit, r.MaxMessages)
	}
	return b.store.Read(r.Queue, r.From, store.ReadOptions{
		MaxMessages: limit, MaxBytes: max(0, r.MaxBytes), Filter: r.Filter,
	})
}

// answer counts what a pull found and hands it over.
func (b *Broker) answer(p *progress, r *mq.PullRequest, batch mq.Batch, done func(mq.Batch, error)) {
	p.pulled(r.Queue.ID, batch.Next)
	if batch.Release == nil {
		batch.Release = func() {}
	}
	if batch.Status == mq.PullFound {
		size := 0
		for _, data := range batch.Data {
			size += len(data)
		}
		p.getNums.add(int64(batch.Count))
		p.getSize.add(int64(size))
		b.stats.getTotal.add(int64(batch.Count))
		b.stats.getFound.add(1)
	} else {
		b.stats.getMissed.add(1)
	}
	done(batch, nil)
}

// resume answers a request that was parked, or parks it again.
func (b *Broker) resume(w *waiting) {
	if w.pop != nil {
		b.resumePop(w)
		return
	}
	if w.ctx.Err() != nil {
		return
	}
	for {
		batch, err := b.readAgain(w)
		if err != nil {
			w.done(mq.Batch{}, err)
			return
		}
		if !waits(&w.request, batch) {
			b.answer(w.progress, &w.request, batch, w.done)
			return
		}
		w.keep(batch)
		parked, news := false, false
		if time.Now().Before(w.deadline) {
			parked, news = b.park(w)
		}
		switch {
		case parked:
			return
		case !news:
			b.answer(w.progress, &w.request, w.empty, w.done)
			return
		}
	}
}

// readAgain reads for a request that was parked. While the broker stops it
// finds nothing.
func (b *Broker) readAgain(w *waiting) (mq.Batch, error) {
	if b.closing.Load() {
		return w.empty, nil
	}
	if err := b.mayPull(&w.request); err != nil {
		return mq.Batch{}, err
	}
	return b.read(w.progress, &w.request)
}

// expire answers a request whose time is up.
func (b *Broker) expire(w *waiting) {
	if w.pop != nil {
		b.expirePop(w)
		return
	}
	if w.ctx.Err() == nil {
		b.answer(w.progress, &w.request, w.empty, w.done)
	}
}

func release(batch mq.Batch) {
	if batch.Release != nil {
		batch.Release()
	}
}
