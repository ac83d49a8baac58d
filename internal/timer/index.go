package timer

import (
	"context"
	"errors"
	"math"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// index enters the next messages of the queue into memory or the rows. It reports
// whether there may be more.
func (a *Agenda) index() (more bool, err error) {
	if a.scratch, more = a.arrivals.take(a.indexed, a.scratch[:0]); len(a.scratch) == 0 {
		more, err = a.indexLog()
	} else {
		err = a.indexArrivals(a.scratch)
	}
	if err != nil {
		return false, err
	}
	if front, _ := a.front(); a.indexed-front > nearSpan {
		err = a.spill(a.near.oldest(spillPages, math.MaxInt64))
	}
	return more, err
}

// indexArrivals enters messages that follow what is indexed.
func (a *Agenda) indexArrivals(all []entry) error {
	x := a.newIndexing()
	defer func() { x.batch.Drop() }()
	next := a.indexed
	for _, e := range all {
		x.enter(e, next, true)
		next++
		x.end = e.pos + mq.LogPos(e.size)
	}
	return x.commit(next)
}

// indexLog enters the next messages that it reads from the log.
func (a *Agenda) indexLog() (more bool, err error) {
	b, err := a.opts.Store.Read(wheel, a.indexed, store.ReadOptions{MaxMessages: 512, MaxBytes: readBytes, Inner: true})
	defer release(b)
	switch {
	case err != nil:
		return false, err
	case b.Status == mq.PullFound:
	case b.Status == mq.PullNoNew || b.Status == mq.PullNoQueue || b.Next == a.indexed:
		a.replay.holds = false
		return false, nil
	default:
		// Messages were removed before they were indexed, or the queue lost
		// its end.
		a.opts.Log.Warn("the queue of delayed messages does not hold what is wanted next", "want", a.indexed, "next", b.Next)
		a.indexed = b.Next
		a.replay.passed(b.Next)
		return true, nil
	}
	x := a.newIndexing()
	defer func() { x.batch.Drop() }()
	n := 0
	for r := range records(b) {
		n++
		if err := x.add(&r); err != nil {
			return false, err
		}
		x.end = r.Pos + mq.LogPos(r.Size)
	}
	if n != b.Count {
		return false, errors.New("delayed messages are damaged; run `goddard store verify`")
	}
	return b.Next < b.Max, x.commit(b.Next)
}

// indexing is one run of index.
type indexing struct {
	a       *Agenda
	keys    *store.Keys
	now     int64
	batch   *store.KeyBatch
	changed bool      // the batch is not empty
	end     mq.LogPos // of the last message that was added
	waits   []place   // new rows
	recalls []recall

	near   []entry // due soon
	first  mq.QueueOffset
	pos    mq.LogPos // of the first of near, as first
	called []taken   // back, out of memory
	done   []doneEntry
}

func (a *Agenda) newIndexing() *indexing {
	x := &indexing{a: a, keys: a.opts.Store.Keys(), now: time.Now().UnixMilli(), near: a.soon[:0]}
	x.batch = x.keys.Batch()
	return x
}

// commit makes the agenda know the queue up to next.
func (x *indexing) commit(next mq.QueueOffset) error {
	a := x.a
	indexed, end := a.indexed, a.end
	if x.changed {
		b := x.batch
		x.batch, x.changed = x.keys.Batch(), false
		// What goes into memory below has to be read again after a restart.
		a.indexed, a.end = next, x.end
		if len(x.near) > 0 {
			a.indexed = x.first
		}
		leave(x.called, 1)
		if err := a.keep(b, x.done); err != nil {
			leave(x.called, -1)
			a.indexed, a.end = indexed, end
			return err
		}
	}
	a.indexed, a.end = next, x.end
	a.replay.passed(next)
	for _, t := range x.called {
		a.near.remove(t)
	}
	if len(x.near) > 0 {
		a.near.add(x.first, x.pos, x.near)
	}
	a.near.trim()
	for _, p := range x.waits {
		a.waits(p)
	}
	for _, d := range x.recalls {
		a.answer(d.key, d.found)
	}
	a.soon = x.near[:0]
	x.waits, x.recalls, x.near, x.called, x.done = x.waits[:0], x.recalls[:0], x.near[:0], x.called[:0], x.done[:0]
	return nil
}

// settle makes what was added before r visible, for r looks at it.
func (x *indexing) settle(r *mq.Record) error {
	if !x.changed && len(x.near) == 0 {
		return nil
	}
	return x.commit(r.QueueOffset)
}

// A recall is the end of one.
type recall struct {
	key   string
	found bool
}

// add enters one message.
func (x *indexing) add(r *mq.Record) error {
	said := timingOf(r.Properties)
	at, ok := parseNumber(said.due)
	if !ok {
		x.a.opts.Log.Warn("a delayed message says not when it is due and is passed over", "pos", r.Pos)
		return nil
	}
	if said.recalls != nil {
		return x.recall(r, at, string(said.recalls))
	}
	e := entry{place: place{at, r.Pos}, hash: keyHash(said.key), size: r.Size}
	again := r.QueueOffset < x.a.replay.to
	if again && x.a.replay.over(r.Pos) {
		return nil
	}
	from, moved := parseNumber(said.movedFrom)
	if moved {
		stands, err := x.standsIn(r, place{at, mq.LogPos(from)})
		if err != nil || !stands {
			return err
		}
	}
	x.enter(e, r.QueueOffset, !again && !moved)
	return nil
}

// enter enters a message that waits: into memory, if it may wait there and there is
// room, otherwise into a row.
func (x *indexing) enter(e entry, offset mq.QueueOffset, inMemory bool) {
	if inMemory && e.due-x.now < nearHorizon && x.a.near.count+len(x.near) < nearMessages {
		if len(x.near) == 0 {
			x.first, x.pos = offset, e.pos
		}
		x.near = append(x.near, e)
		return
	}
	x.changed = true
	x.batch.Set(atKey(e.place), atValue(e))
	x.waits = append(x.waits, e.place)
}

// standsIn reports whether a copy takes the place of the message it was made
// of: not if that was delivered or called back meanwhile. While everything is
// indexed anew that message may be gone from the log.
func (x *indexing) standsIn(r *mq.Record, old place) (bool, error) {
	if lo, _ := x.a.opts.Store.LogBounds(); old.pos < lo {
		return true, nil
	}
	if err := x.settle(r); err != nil {
		return false, err
	}
	waiting, err := x.a.isWaiting(old)
	if err != nil || !waiting {
		return false, err
	}
	x.changed = true
	x.batch.Delete(atKey(old))
	return true, nil
}

// recall takes out the messages that are called back.
func (x *indexing) recall(r *mq.Record, at int64, value string) error {
	if err := x.settle(r); err != nil {
		return err
	}
	_, front := x.a.front()
	found := false
	for _, key := range recalled(value) {
		hash := keyHash(key)
		look := func(t taken) {
			// While the queue is read again there are messages behind r.
			if t.hash != hash || t.pos > r.Pos || x.a.leaving(t.pos) || !x.means(t.pos, value) {
				return
			}
			x.changed, found = true, true
			if t.page == nil {
				x.batch.Delete(atKey(t.place))
			} else {
				x.called = append(x.called, t)
			}
			if t.page != nil || t.pos >= front {
				x.done = append(x.done, doneEntry{t.place, r.Pos})
			}
		}
		x.a.near.find(at, look)
		err := scan(x.keys, place{due: at}, func(e entry) bool {
			if e.due != at {
				return false
			}
			look(taken{entry: e})
			return true
		})
		if err != nil {
			return err
		}
	}
	x.recalls = append(x.recalls, recall{value, found})
	return nil
}

// means reports whether the message at pos is the one to be called back.
func (x *indexing) means(pos mq.LogPos, value string) bool {
	data, err := x.a.opts.Store.ReadAt(pos)
	if err != nil {
		return false
	}
	r, _, err := mq.DecodeRecord(data)
	if err != nil {
		return false
	}
	topic, _ := mq.Property(r.Properties, mq.PropRealTopic)
	key, _ := mq.Property(r.Properties, mq.PropUniqueKey)
	return value == string(key) || value == string(topic)+"+"+string(key)
}

// Recall stores that a message is called back, and waits until that has taken
// effect. ErrNotFound says that the message did not wait any more. m is what
// to store: a message for the agenda's topic with TIMER_DEL_UNIQKEY key.
func (a *Agenda) Recall(ctx context.Context, key string, m mq.Message) error {
	found := make(chan bool, 1)
	stored := make(chan error, 1)
	a.expect(key, found)
	m.Topic, m.QueueID = wheel.Topic, wheel.ID
	a.opts.Store.Append(&mq.SendBatch{
		Sends: []mq.Send{{Message: m}},
		Done:  func(b *mq.SendBatch) { stored <- b.Sends[0].Err },
	})
	for {
		select {
		case err := <-stored:
			if err != nil {
				a.unexpect(key, found)
				return err
			}
			stored = nil
		case ok := <-found:
			if !ok {
				return mq.ErrNotFound
			}
			return nil
		case <-ctx.Done():
			a.unexpect(key, found)
			return ctx.Err()
		}
	}
}

func (a *Agenda) expect(key string, found chan bool) {
	a.recalls.Lock()
	defer a.recalls.Unlock()
	a.recalls.waiting[key] = append(a.recalls.waiting[key], found)
}

func (a *Agenda) unexpect(key string, found chan bool) {
	a.recalls.Lock()
	defer a.recalls.Unlock()
	left := a.recalls.waiting[key][:0]
	for _, c := range a.recalls.waiting[key] {
		if c != found {
			left = append(left, c)
		}
	}
	if a.recalls.waiting[key] = left; len(left) == 0 {
		delete(a.recalls.waiting, key)
	}
}

// answer tells everybody who waits for this recall: if two call back the same
// message, both have.
func (a *Agenda) answer(key string, found bool) {
	a.recalls.Lock()
	defer a.recalls.Unlock()
	for _, c := range a.recalls.waiting[key] {
		c <- found
	}
	delete(a.recalls.waiting, key)
}

// number is a property that is a number from 0 on.
func number(props []byte, key string) (int64, bool) {
	v, _ := mq.Property(props, key)
	return parseNumber(v)
}

func parseNumber(text []byte) (int64, bool) {
	n, err := strconv.ParseInt(string(text), 10, 64)
	return n, err == nil && n >= 0
}
