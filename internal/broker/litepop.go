package broker

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/lite"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
	"github.com/goddardmq/goddard/internal/store"
)

// liteRest is how long a lite topic that cannot be read is left alone.
const liteRest = time.Second

// A liteWaiting is the part of a waiting that only a pop of lite topics has.
type liteWaiting struct {
	request mq.LitePopRequest
	until   time.Time
	answer  func(mq.PopBatch, error)
}

func (w *liteWaiting) member() lite.Member {
	return lite.Member{Group: w.request.Group, Client: w.request.ClientID}
}

// PopLite answers at once if there is something to say, and otherwise when
// there is or the time the request may wait is up.
func (b *Broker) PopLite(ctx context.Context, r mq.LitePopRequest, done func(mq.PopBatch, error)) {
	w := &waiting{ctx: ctx, lite: &liteWaiting{request: r, until: time.Now().Add(min(r.Wait, maxWait)), answer: done}}
	w.deadline = w.lite.until
	b.serveLite(w)
}

// resumeLite goes on with a pop of lite topics that was parked. The wake of one
// whose client is gone is another's.
func (b *Broker) resumeLite(w *waiting) {
	if w.ctx.Err() != nil {
		b.changeLites(func(r *lite.Registry[*waiting]) []*waiting { return r.Pass(w.lite.member()) })
		return
	}
	b.serveLite(w)
}

// serveLite pops until there is an answer or the request is parked.
func (b *Broker) serveLite(w *waiting) {
	for {
		x, err := b.popLite(w.lite)
		switch {
		case err != nil:
			w.lite.answer(mq.PopBatch{Release: func() {}}, err)
			return
		case len(x.batch.Messages) > 0:
			b.answerLite(w, x)
			return
		case w.lite.request.Wait <= 0 || !time.Now().Before(w.lite.until):
			b.missLite(w, mq.PopNothing)
			return
		}
		switch waits, full := b.parkLite(w); {
		case full:
			b.missLite(w, mq.PopFull)
			return
		case waits:
			return
		}
	}
}

// parkLite lets a pop wait, unless there may be something for it by then, or
// too many wait.
func (b *Broker) parkLite(w *waiting) (waits, full bool) {
	live, m := b.opts(), w.lite.member()
	if b.closing.Load() || !b.parking.parkAside(w, live.MaxWaitingPops) {
		return false, true
	}
	b.lites.mu.Lock()
	waits, full = b.lites.mu.registry.Wait(m, w, live.MaxWaitingPopsPerQueue)
	b.lites.mu.Unlock()
	if !waits && !b.parking.take(w) {
		return true, false // its time was up meanwhile, and it is answered
	}
	return waits, full
}

// expireLite answers a pop whose time is up.
func (b *Broker) expireLite(w *waiting) {
	b.lites.mu.Lock()
	b.lites.mu.registry.Leave(w.lite.member(), w)
	b.lites.mu.Unlock()
	if w.ctx.Err() == nil {
		b.missLite(w, mq.PopNothing)
	}
}

func (b *Broker) missLite(w *waiting, s mq.PopStatus) {
	b.stats.getMissed.add(1)
	w.lite.answer(mq.PopBatch{
		Status: s, PopTime: time.Now().UnixMilli(), Invisible: w.lite.request.Invisible.Milliseconds(), Release: func() {},
	}, nil)
}

// answerLite hands over what a pop found. What it left is for another of the
// same client.
func (b *Broker) answerLite(w *waiting, x *litePopping) {
	b.stats.getTotal.add(int64(len(x.batch.Messages)))
	b.stats.getFound.add(1)
	p := b.offsets.progress(use{x.r.Group, x.r.Topic})
	p.getNums.add(int64(len(x.batch.Messages)))
	p.getSize.add(int64(x.bytes))
	releases := x.releases
	x.batch.Release = func() {
		for _, release := range releases {
			release()
		}
	}
	b.changeLites(func(r *lite.Registry[*waiting]) []*waiting { return r.More(w.lite.member()) })
	w.lite.answer(x.batch, nil)
}

// A litePopping is one pop on its way through what is ready for a client.
type litePopping struct {
	b        *Broker
	r        *mq.LitePopRequest
	batch    mq.PopBatch
	bytes    int
	releases []func()
	err      error // of a lite topic; the others may do
}

func (b *Broker) popLite(w *liteWaiting) (*litePopping, error) {
	r, live := &w.request, b.opts()
	switch {
	case *live.Permission&mq.PermRead == 0:
		return nil, fmt.Errorf("%w: the broker[%s] pop message is forbidden (broker-permission)", mq.ErrDenied, live.Name)
	case r.MaxMessages < 1 || r.MaxMessages > mq.MaxPop:
		return nil, fmt.Errorf("%w: the broker[%s] pop message's num is %d: want 1 to %d", mq.ErrInvalid, live.Name, r.MaxMessages, mq.MaxPop)
	case r.Invisible < 0 || r.Invisible > maxInvisible:
		return nil, fmt.Errorf("%w: invisibleTime is %v: want 0 to %v", mq.ErrInvalid, r.Invisible, maxInvisible)
	case len(r.AttemptID) > maxAttemptID:
		return nil, fmt.Errorf("%w: attemptId has %d bytes, at most %d are allowed", mq.ErrInvalid, len(r.AttemptID), maxAttemptID)
	}
	rules, err := b.liteGroup(r.ClientID, r.Group, r.Topic)
	if err != nil {
		return nil, err
	}
	m, now := w.member(), time.Now().UnixMilli()
	b.lites.mu.Lock()
	err = b.lites.mu.registry.Seen(m, now, rules.limits)
	b.lites.mu.Unlock()
	if err != nil {
		return nil, err
	}
	x := &litePopping{b: b, r: r}
	x.batch.PopTime, x.batch.Invisible = now, r.Invisible.Milliseconds()
	if limit := live.MaxPopped; b.poppedInHand() >= int64(limit) {
		return nil, errPopped(limit)
	}
	x.run(m, live.Store.MaxReadBytes)
	b.lites.mu.Lock()
	looks := b.lites.mu.registry.Looks(m)
	b.lites.mu.Unlock()
	if looks {
		notify(b.lites.sooner)
	}
	if len(x.batch.Messages) == 0 && x.err != nil {
		return nil, x.err
	}
	return x, nil
}

// run takes from one lite topic after the other of those that are ready. Each
// is looked at once.
func (x *litePopping) run(m lite.Member, maxBytes int) {
	for len(x.batch.Messages) < x.r.MaxMessages && x.bytes < maxBytes && x.err == nil {
		x.b.lites.mu.Lock()
		name, ok := x.b.lites.mu.registry.Next(m)
		x.b.lites.mu.Unlock()
		if !ok {
			return
		}
		u := pop.Use{Group: x.r.Group, Topic: name}
		if err := x.take(u); err != nil {
			x.err = err
			x.b.holdLite(u, time.Now().Add(liteRest).UnixMilli(), 0)
		}
	}
}

// take takes what it can of a lite topic, if the group has nothing of it in
// hand.
func (x *litePopping) take(u pop.Use) error {
	lock := x.b.lites.stripe(u)
	lock.Lock()
	defer lock.Unlock()
	o, err := x.b.holds.Order(u)
	if err != nil {
		return err
	}
	if until, blocked := o.Blocked(x.r.AttemptID, x.batch.PopTime); blocked {
		x.b.holdLite(u, until, o.CountInHand(x.batch.PopTime))
		return nil
	}
	at, err := x.b.liteAt(u)
	if err != nil {
		return err
	}
	got, err := x.read(u.Topic, max(at, 0))
	if err != nil || got.Status != mq.PullFound {
		release(got)
		return err
	}
	first := len(x.batch.Messages)
	offsets := x.gather(u, got)
	for i, n := range o.Take(x.r.AttemptID, x.batch.PopTime, x.batch.Invisible, offsets) {
		x.batch.Messages[first+i].Tries = n
	}
	if err := x.b.keepLite(u, offsets[0], &o); err != nil {
		x.batch.Messages = x.batch.Messages[:first]
		release(got)
		return err
	}
	for _, m := range x.batch.Messages[first:] {
		x.bytes += len(m.Record)
	}
	x.releases = append(x.releases, got.Release)
	x.b.holdLite(u, x.batch.PopTime+x.batch.Invisible, len(offsets))
	return nil
}

// read reads from an offset on, or from where the queue goes on if that is not
// in it.
func (x *litePopping) read(topic string, from mq.QueueOffset) (mq.Batch, error) {
	o := store.ReadOptions{MaxMessages: x.r.MaxMessages - len(x.batch.Messages)}
	got, err := x.b.store.Read(mq.Queue{Topic: topic}, from, o)
	if err == nil && got.Status == mq.PullOffsetIllegal {
		from = got.Next
		release(got)
		got, err = x.b.store.Read(mq.Queue{Topic: topic}, from, o)
	}
	return got, err
}

// gather adds the records of a batch to the answer and returns their offsets.
func (x *litePopping) gather(u pop.Use, got mq.Batch) []mq.QueueOffset {
	_, name, _ := mq.SplitLite(u.Topic)
	receipt := mq.Receipt{
		PopTime: x.batch.PopTime, Invisible: x.batch.Invisible, Revive: mq.OrderedRevive, Broker: x.b.opts().Name,
	}
	offsets := make([]mq.QueueOffset, 0, got.Count)
	for _, data := range got.Data {
		for len(data) > 0 {
			rec := data[:binary.BigEndian.Uint32(data)]
			data = data[len(rec):]
			offsets = append(offsets, mq.OffsetIn(rec, u.Topic))
			receipt.Start, receipt.Offset = offsets[0], offsets[len(offsets)-1]
			x.batch.Messages = append(x.batch.Messages, mq.Popped{Record: rec, Receipt: receipt, Lite: name})
		}
	}
	return offsets
}
