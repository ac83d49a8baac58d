package timer

import (
	"context"
	"errors"
	"strconv"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// index enters the next messages of the queue into the rows. It reports
// whether there may be more.
func (a *Agenda) index() (more bool, err error) {
	b, err := a.opts.Store.Read(wheel, a.indexed, store.ReadOptions{MaxMessages: 512, MaxBytes: readBytes})
	defer release(b)
	switch {
	case err != nil:
		return false, err
	case b.Status == mq.PullFound:
	case b.Status == mq.PullNoNew || b.Status == mq.PullNoQueue || b.Next == a.indexed:
		return false, nil
	default:
		// Messages were removed before they were indexed, or the queue lost
		// its end.
		a.opts.Log.Warn("the queue of delayed messages does not hold what is wanted next", "want", a.indexed, "next", b.Next)
		a.indexed = b.Next
		return true, nil
	}
	x := indexing{a: a, keys: a.opts.Store.Keys()}
	x.batch = x.keys.Batch()
	n := 0
	for r := range records(b) {
		n++
		if err := x.add(&r); err != nil {
			x.batch.Drop()
			return false, err
		}
		x.end = r.Pos + mq.LogPos(r.Size)
	}
	if n != b.Count {
		x.batch.Drop()
		return false, errors.New("delayed messages are damaged; run `goddard store verify`")
	}
	err = x.commit(b.Next)
	x.batch.Drop()
	return b.Next < b.Max, err
}

// indexing is one run of index.
type indexing struct {
	a       *Agenda
	keys    *store.Keys
	batch   *store.KeyBatch
	changed bool      // the batch is not empty
	end     mq.LogPos // of the last message that was added
	waits   []place
	recalls []recall
}

// commit makes the rows know the queue up to next.
func (x *indexing) commit(next mq.QueueOffset) error {
	b := x.batch
	x.batch, x.changed = x.keys.Batch(), false
	b.Set([]byte(rowIndexed), indexedValue(next, x.end))
	if err := x.keys.Apply(b, x.a.opts.Sync); err != nil {
		return err
	}
	x.a.indexed = next
	for _, p := range x.waits {
		x.a.waits(p)
	}
	for _, d := range x.recalls {
		x.a.answer(d.key, d.found)
	}
	x.waits, x.recalls = x.waits[:0], x.recalls[:0]
	return nil
}

// settle makes what was added before r visible, for r looks at it.
func (x *indexing) settle(r *mq.Record) error {
	if !x.changed {
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
	at, ok := number(r.Properties, mq.PropTimerOutMs)
	if !ok {
		x.a.opts.Log.Warn("a delayed message says not when it is due and is passed over", "pos", r.Pos)
		return nil
	}
	if v, ok := mq.Property(r.Properties, mq.PropTimerDeleteUniq); ok {
		return x.recall(r, at, string(v))
	}
	key, _ := mq.Property(r.Properties, mq.PropUniqueKey)
	here := place{at, r.Pos}
	if from, ok := number(r.Properties, mq.PropTimerMovedFrom); ok {
		stands, err := x.standsIn(r, place{at, mq.LogPos(from)})
		if err != nil || !stands {
			return err
		}
	}
	x.changed = true
	x.batch.Set(atKey(here), atValue(keyHash(key)))
	x.waits = append(x.waits, here)
	return nil
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

// recall removes the rows of a message that is called back.
func (x *indexing) recall(r *mq.Record, at int64, value string) error {
	if err := x.settle(r); err != nil {
		return err
	}
	found := false
	for _, key := range recalled(value) {
		hash := keyHash(key)
		err := scan(x.keys, place{due: at}, func(e entry) bool {
			if e.due != at {
				return false
			}
			if e.hash == hash && !x.a.leaving(e.pos) && x.means(e.pos, value) {
				x.batch.Delete(atKey(e.place))
				x.changed, found = true, true
			}
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
	v, ok := mq.Property(props, key)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(string(v), 10, 64)
	return n, err == nil && n >= 0
}
