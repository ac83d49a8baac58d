package pop

import (
	"bytes"
	"errors"
	"hash/maphash"
	"log/slog"
	"math/bits"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// Options says where Holds finds messages and who gives them back.
type Options struct {
	// Store holds the messages and the rows.
	Store *store.Store

	// Revive makes the message that is stored when a hold's time is up. r is
	// what was popped. ErrGone lets the hold go; any other error is tried again
	// later.
	Revive func(h *Hold, r *mq.Record) (mq.Send, error)

	// Revived, if not nil, is told what came of storing what Revive made: s has
	// its error or result. began is when that began.
	Revived func(h *Hold, s *mq.Send, began time.Time)

	// Append stores messages; Store.Append is the default.
	Append func(*mq.SendBatch)

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// ErrGone says that nobody wants a message back: its group or topic is gone.
var ErrGone = errors.New("pop: nobody wants the message back")

// stripes divides the rows among locks; their set fits a word.
const stripes = 64

// Holds is what all groups have in hand. All methods are safe for concurrent
// use.
type Holds struct {
	opts  Options
	seed  maphash.Seed
	total atomic.Int64
	wake  chan struct{} // capacity 1: something may be due earlier
	// dropped counts holds whose message could not be given back.
	dropped atomic.Int64

	// A stripe's lock guards its counts and recent rows, and with them which rows of
	// its uses exist: it is held while they are looked up and changed. Of several the
	// first is locked first, and before mu.
	stripes [stripes]struct {
		sync.Mutex
		counts map[Use]count // without zeros
		recent recent
	}

	// settling lets one settle run at a time; it is locked before stripes.
	settling sync.Mutex

	// mu guards what is due first and what is on its way back. Nothing else is
	// locked while it is held.
	mu struct {
		sync.Mutex
		low    []byte // no row lies before this key; nil: there may be none at all
		next   int64  // when something may be due
		flying map[string]struct{}
		unsafe []mq.LogPos // rows rowSent, by their ends
	}

	// lanes are some of what is taken in order by message group, as its rows say
	// or ahead of them while who asked for it has not kept it. Its lock guards the
	// map and is held for nothing else.
	lanes struct {
		sync.Mutex
		of map[Use]*Lanes
	}

	back back // belongs to Run
}

// A count is what a group has in hand of a queue.
type count struct {
	messages int64          // not 0
	furthest mq.QueueOffset // that a pop began with
}

// New opens the rows and brings them in line with a log that may have lost its
// end. Nothing is given back before Run.
func New(o Options) (*Holds, error) {
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Append == nil {
		o.Append = o.Store.Append
	}
	h := &Holds{opts: o, seed: maphash.MakeSeed(), wake: make(chan struct{}, 1)}
	for i := range h.stripes {
		h.stripes[i].counts = map[Use]count{}
	}
	h.mu.flying = map[string]struct{}{}
	h.mu.next = never
	return h, h.recover()
}

// Count is how many messages of a queue a group has in hand, Total is all.
func (h *Holds) Count(u Use) int64 {
	s := &h.stripes[h.stripe(u)]
	s.Lock()
	defer s.Unlock()
	return s.counts[u].messages
}

// Total is how many messages are in hand.
func (h *Holds) Total() int64 { return h.total.Load() }

// Dropped is how many messages could not be given back since the start.
func (h *Holds) Dropped() int64 { return h.dropped.Load() }

func (h *Holds) stripe(u Use) int {
	var m maphash.Hash
	m.SetSeed(h.seed)
	m.WriteString(u.Group)
	m.WriteByte(0)
	m.WriteString(u.Topic)
	m.WriteByte(byte(u.Queue))
	m.WriteByte(byte(u.Queue >> 8))
	return int(m.Sum64() % stripes)
}

// lock locks a set of stripes.
func (h *Holds) lock(set uint64) {
	for ; set != 0; set &= set - 1 {
		h.stripes[bits.TrailingZeros64(set)].Lock()
	}
}

func (h *Holds) unlock(set uint64) {
	for ; set != 0; set &= set - 1 {
		h.stripes[bits.TrailingZeros64(set)].Unlock()
	}
}

// add counts n messages more in a stripe, which is locked, of a pop that began with
// first.
func (h *Holds) add(stripe int, u Use, n int64, first mq.QueueOffset) {
	counts := h.stripes[stripe].counts
	c := counts[u]
	c.messages, c.furthest = c.messages+n, max(c.furthest, first)
	if c.messages == 0 {
		delete(counts, u)
	} else {
		counts[u] = c
	}
	h.total.Add(n)
}

// A Taken is a message that is popped.
type Taken struct {
	Offset mq.QueueOffset
	Pos    mq.LogPos
}

// Take puts messages, in the order of the queue, into a group's hand until due,
// with a batch that the caller may have begun to fill: together with what it
// holds or not at all. The batch is used up, and messages are the caller's no more.
func (h *Holds) Take(b *store.KeyBatch, u Use, popTime, due int64, messages []Taken) error {
	if len(messages) == 0 {
		return h.opts.Store.Keys().Apply(b, false)
	}
	stripe := h.stripe(u)
	s := &h.stripes[stripe]
	s.Lock()
	defer s.Unlock()
	e := h.edit()
	defer e.end()
	r := row{rowID: rowID{Use: u, due: due, first: messages[0].Offset, many: len(messages) > 1}}
	if c, some := s.counts[u]; some && r.first <= c.furthest {
		// The group went back. If that is in the same millisecond, what an earlier
		// pop took from here on is in hand still.
		was, err := e.load(r.rowID)
		if err != nil {
			b.Drop()
			return err
		}
		r = was.row
	}
	r.popTime = popTime
	n := r.add(messages)
	key := r.appendKey(make([]byte, 0, 128))
	e.value = r.appendValue(e.value[:0])
	b.Set(key, e.value)
	defer h.waits(key) // once it is there
	if err := h.opts.Store.Keys().Apply(b, false); err != nil {
		return err
	}
	s.recent.put(r)
	h.add(stripe, u, int64(n), r.first)
	return nil
}

// Ack lets messages go and returns how many of them were in hand.
func (h *Holds) Ack(places []Place) (n int, err error) {
	set := h.stripesOf(places)
	h.lock(set)
	defer h.unlock(set)
	e := h.edit()
	defer e.end()
	for i := range places {
		_, there, err := e.take(&places[i])
		if err != nil {
			return 0, err
		}
		if there {
			n++
		}
	}
	if n == 0 {
		e.done()
		return 0, nil
	}
	b := h.Batch()
	e.write(b)
	if err := h.opts.Store.Keys().Apply(b, false); err != nil {
		return 0, err
	}
	e.done()
	for i := range e.rows {
		if r := &e.rows[i]; r.taken > 0 {
			h.add(r.stripe, r.Use, -int64(r.taken), 0)
		}
	}
	return n, nil
}

// stripesOf are the stripes that places lie in.
func (h *Holds) stripesOf(places []Place) (set uint64) {
	for i := range places {
		if i == 0 || places[i].Use != places[i-1].Use {
			set |= 1 << h.stripe(places[i].Use)
		}
	}
	return set
}

// Change makes a message visible at due instead, as if it had been popped at
// popTime. mq.ErrNotFound if it is not in hand any more, or on its way back.
func (h *Holds) Change(p Place, popTime, due int64, suspend bool) error {
	set := uint64(1) << h.stripe(p.Use)
	h.lock(set)
	defer h.unlock(set)
	if h.flying(p) {
		return mq.ErrNotFound
	}
	e := h.edit()
	defer e.end()
	hold, there, err := e.take(&p)
	switch {
	case err != nil:
		return err
	case !there:
		return mq.ErrNotFound
	}
	b := h.Batch()
	e.write(b)
	hold.Due, hold.PopTime, hold.Suspended, hold.tries = due, popTime, suspend, 0
	e.give(b, &hold)
	if err := h.opts.Store.Keys().Apply(b, false); err != nil {
		return err
	}
	e.done()
	h.waits(hold.key())
	return nil
}

// flying reports whether a message is on its way back.
func (h *Holds) flying(p Place) bool {
	key := p.key()
	h.mu.Lock()
	defer h.mu.Unlock()
	_, flying := h.mu.flying[string(key)]
	return flying
}

// Claim makes sure that nobody else gives a message back or changes its time;
// mq.ErrNotFound if it is not in hand any more, or claimed already. It ends by
// Settle or Release.
func (h *Holds) Claim(p Place) (Hold, error) {
	set := uint64(1) << h.stripe(p.Use)
	h.lock(set)
	defer h.unlock(set)
	if h.flying(p) {
		return Hold{}, mq.ErrNotFound
	}
	e := h.edit()
	defer e.end()
	r, i, err := e.find(&p)
	switch {
	case err != nil:
		return Hold{}, err
	case r == nil:
		return Hold{}, mq.ErrNotFound
	}
	hold := r.hold(i)
	e.done()
	h.mu.Lock()
	defer h.mu.Unlock()
	h.mu.flying[string(p.key())] = struct{}{}
	return hold, nil
}

// Release ends a claim; the message stays in hand.
func (h *Holds) Release(p Place) {
	key := p.key()
	h.mu.Lock()
	delete(h.mu.flying, string(key))
	h.mu.Unlock()
	h.waits(dueKey(p.Due)) // in whichever row it is
}

// Settle ends a claim whose message was stored again at a log position.
func (h *Holds) Settle(hold Hold, copied mq.LogPos) error {
	err := h.settle([]landing{{Hold: hold, copied: copied, stored: true}})
	h.mu.Lock()
	delete(h.mu.flying, string(hold.key()))
	h.mu.Unlock()
	return err
}

// waits notes that there is a row, and wakes Run if it is due before all others.
func (h *Holds) waits(key []byte) {
	if h.note(key) {
		h.signal()
	}
}

// note notes that there may be rows from a key on, and reports whether these are
// due before all others.
func (h *Holds) note(key []byte) (sooner bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.low == nil || bytes.Compare(key, h.mu.low) < 0 {
		h.mu.low = key
	}
	due := dueOf(key)
	sooner = due < h.mu.next
	h.mu.next = min(h.mu.next, due)
	return sooner
}

func (h *Holds) signal() {
	select {
	case h.wake <- struct{}{}:
	default:
	}
}

// A landing is what became of a hold that was claimed.
type landing struct {
	Hold
	copied mq.LogPos
	stored bool  // again, at copied; otherwise it is let go, or
	later  int64 // tried again at this time, if that is not 0
}

// settle deletes the rows of holds that were given back. A hold that was
// acknowledged meanwhile stays so.
func (h *Holds) settle(all []landing) error {
	h.settling.Lock()
	defer h.settling.Unlock()
	set := uint64(0)
	for i := range all {
		set |= 1 << h.stripe(all[i].Use)
	}
	h.lock(set)
	defer h.unlock(set)
	e, s := h.edit(), settlement{}
	defer e.end()
	for i := range all {
		_, there, err := e.take(&all[i].Place)
		if err != nil {
			return err
		}
		if there {
			s.add(all[i])
		}
	}
	b := h.Batch()
	e.write(b)
	left := h.noteSent(&s, b)
	for i := range s.moved {
		e.give(b, &s.moved[i])
	}
	if err := h.opts.Store.Keys().Apply(b, false); err != nil {
		return err
	}
	e.done()
	h.mu.Lock()
	h.mu.unsafe = left
	h.mu.Unlock()
	for _, u := range s.gone {
		h.add(h.stripe(u), u, -1, 0)
	}
	for i := range s.moved {
		h.waits(s.moved[i].key())
	}
	return nil
}

// A settlement is what one settle changes.
type settlement struct {
	sent  []byte    // value of a row rowSent
	end   mq.LogPos // of the last copy
	gone  []Use
	moved []Hold // to another time
}

// add lets a hold go, or moves it.
func (s *settlement) add(l landing) {
	if !l.stored && l.later > 0 {
		l.Due = l.later
		s.moved = append(s.moved, l.Hold)
		return
	}
	if l.stored {
		s.sent, s.end = appendSent(s.sent, &l.Hold, l.copied), max(s.end, l.copied)
	}
	s.gone = append(s.gone, l.Use)
}

// noteSent keeps what a power loss would need that takes the copies and leaves
// the rows as they are to be, and drops what it no longer would. It returns
// what is kept.
func (h *Holds) noteSent(s *settlement, b *store.KeyBatch) (left []mq.LogPos) {
	synced := h.opts.Store.Synced()
	h.mu.Lock()
	defer h.mu.Unlock()
	for _, at := range h.mu.unsafe {
		if at < synced {
			b.Delete(sentKey(at))
		} else {
			left = append(left, at)
		}
	}
	if len(s.sent) > 0 && s.end >= synced {
		b.Set(sentKey(s.end), s.sent)
		left = append(left, s.end)
	}
	return left
}
