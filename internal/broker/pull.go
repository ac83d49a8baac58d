package broker

import (
	"context"
	"errors"
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
	r.NoDisk = false // whoever reads again later may wait
	slow := errors.Is(err, errSlow)
	if err != nil && !slow {
		done(mq.Batch{}, err)
		return
	}
	if !slow && !waits(&r, batch) || r.Wait <= 0 {
		b.answer(p, &r, batch, done)
		return
	}
	live := b.opts()
	wait := min(r.Wait, maxWait)
	if !*live.LongPolling {
		wait = live.ShortPolling
	}
	if !p.caughtUp(r.Queue.ID, committedBy(&r), r.From, r.Commit == nil) {
		wait = min(wait, catchUpWait)
	}
	w := &waiting{
		ctx: ctx, request: r, progress: p, done: done, deadline: time.Now().Add(wait),
	}
	if f, ok := r.Filter.(mq.PropertyFilter); ok && f.Quick() {
		w.matcher = f
	}
	w.keep(batch)
	if slow {
		b.slow(w)
		return
	}
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
	u := use{r.Group, r.Queue.Topic}
	if r.Commit == nil || *r.Commit < 0 {
		p := b.offsets.look(u)
		batch, err := b.read(p, r, nil)
		return p, batch, err
	}
	p, err := b.offsets.claim(u, b.opts().MaxLightOffsets)
	if err == nil {
		err = b.commit(p, r.Queue.ID, *r.Commit)
	}
	if err != nil {
		return nil, mq.Batch{}, err
	}
	batch, err := b.read(p, r, nil)
	return p, batch, err
}

// mayPull says whether a group may pull from a queue.
func (b *Broker) mayPull(r *mq.PullRequest) error {
	live := b.opts()
	if b.closing.Load() {
		return mq.ErrClosed
	}
	if *live.Permission&mq.PermRead == 0 {
		return denied(mq.DeniedByBroker, "the broker[%s] pulling message is forbidden (broker-permission)", live.Name)
	}
	g, err := b.group(r.Group)
	if err != nil {
		return err
	}
	if !g.ConsumeEnable {
		return denied(mq.DeniedByGroup, "subscription group no permission, %s (consumeEnable)", r.Group)
	}
	t := b.findTopic(r.Queue.Topic)
	if t == nil {
		return missingTopic(r.Queue.Topic)
	}
	if t.Perm&mq.PermRead == 0 {
		return denied(mq.DeniedByTopic, "the topic[%s] pulling message is forbidden", t.Name)
	}
	if r.Queue.ID < 0 || r.Queue.ID >= t.ReadQueues {
		return fmt.Errorf("%w: queueId[%d] is illegal, topic:[%s] topicConfig.readQueueNums:[%d]", mq.ErrQueueOutOfRange, r.Queue.ID, t.Name, t.ReadQueues)
	}
	if !g.ConsumeBroadcast && b.clients.broadcasts(r.Group) {
		return denied(mq.DeniedToBroadcasting, "the consumer group[%s] can not consume by broadcast way", r.Group)
	}
	if !b.mayRead(r.Group, t.Name) {
		return denied(mq.DeniedBySubscription, "the consumer group[%s] is forbidden for topic[%s]", r.Group, t.Name)
	}
	return nil
}

// denied refuses a pull.
func denied(by mq.DenyingParty, format string, args ...any) error {
	return &mq.PullDeniedError{By: by, Remark: fmt.Sprintf(format, args...)}
}

// read reads what a request asks for, or sends it elsewhere if the group's
// offset was reset. With errSlow it says that the request has to wait for its
// share of a limited rate; the batch is the answer if it does not get it.
func (b *Broker) read(p *progress, r *mq.PullRequest, s *ration) (batch mq.Batch, err error) {
	limited := s != nil
	if s == nil && b.rates.limited(p.use, visitOf(r.Via)) {
		if r.NoDisk { // its share would be taken twice
			return batch, mq.ErrNeedsDisk
		}
		if s, batch, err = b.askShare(p.use, r); err != nil {
			return batch, err
		}
		limited = true
	}
	if limited {
		defer func() { b.settleShare(p.use, r, s, &batch) }()
	}
	if to, ok, err := b.offsets.takeReset(p, r.Queue.ID); err != nil {
		return mq.Batch{}, err
	} else if ok {
		lo, hi, err := b.store.Bounds(r.Queue)
		return mq.Batch{Status: mq.PullOffsetIllegal, Next: to, Min: lo, Max: hi, Release: func() {}}, err
	}
	o := store.ReadOptions{MaxMessages: b.wanted(r), MaxBytes: max(0, r.MaxBytes), Filter: r.Filter, NoDisk: r.NoDisk, Lend: r.Raw && b.opts().Tracer == nil}
	if s != nil {
		o.MaxMessages, o.MaxBytes = s.most(o.MaxMessages, o.MaxBytes)
	}
	return b.store.Read(r.Queue, r.From, o)
}

// wanted is how many messages a request asks for.
func (b *Broker) wanted(r *mq.PullRequest) int {
	limit := b.opts().MaxPullMessages
	if r.MaxMessages > 0 {
		limit = min(limit, r.MaxMessages)
	}
	return limit
}

// askShare gets a request its share, behind those that wait for theirs. One
// that finds nothing to read needs none.
func (b *Broker) askShare(u use, r *mq.PullRequest) (*ration, mq.Batch, error) {
	by := visitOf(r.Via)
	if !b.throttle.busy(u, by, b.rates.limits(u)) {
		s, wait, _ := b.rates.take(u, by, b.wanted(r), true)
		if wait == 0 {
			return &s, mq.Batch{}, nil
		}
	}
	lo, hi, err := b.store.Bounds(r.Queue)
	if err != nil || r.From < lo || r.From >= hi {
		return nil, mq.Batch{}, err
	}
	return nil, mq.Batch{Status: mq.PullNoNew, Next: r.From, Min: lo, Max: hi}, errSlow
}

// settleShare charges what was read.
func (b *Broker) settleShare(u use, r *mq.PullRequest, s *ration, batch *mq.Batch) {
	size := 0
	for _, data := range batch.Data {
		size += len(data)
	}
	if s == nil {
		b.rates.owe(u, visitOf(r.Via), batch.Count, size)
		return
	}
	b.settle(s, batch.Count, size)
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
		if t := b.opts().Tracer; t != nil {
			t.Deliver(r.Group, r.Queue.Topic, batch.Data)
		}
	} else {
		b.stats.getMissed.add(1)
	}
	done(batch, nil)
}

// resume answers a request that was parked, or parks it again.
func (b *Broker) resume(w *waiting) {
	if w.lite != nil {
		b.resumeLite(w)
		return
	}
	if w.pop != nil {
		b.resumePop(w)
		return
	}
	if w.ctx.Err() != nil {
		return
	}
	for {
		batch, err := b.readAgain(w)
		if errors.Is(err, mq.ErrNeedsDisk) {
			w.request.NoDisk = false
			b.parking.hand([]*waiting{w})
			return
		}
		if errors.Is(err, errSlow) {
			w.keep(batch)
			b.slow(w)
			return
		}
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
	s := w.share
	w.share = nil
	if b.closing.Load() {
		return w.empty, nil
	}
	if err := b.mayPull(&w.request); err != nil {
		if s != nil {
			b.settle(s, 0, 0)
		}
		return mq.Batch{}, err
	}
	return b.read(w.progress, &w.request, s)
}

// expire answers a request whose time is up.
func (b *Broker) expire(w *waiting) {
	if w.lite != nil {
		b.expireLite(w)
		return
	}
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
