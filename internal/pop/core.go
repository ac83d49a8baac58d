package pop

import (
	"cmp"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// An Order is what a group has in hand of one queue that it takes in order:
// what was taken last. The zero value is nothing.
type Order struct {
	attempt   string
	popTime   int64 // Unix milliseconds
	invisible int64 // milliseconds
	items     []item
}

// An item is one message in hand.
type item struct {
	offset    mq.QueueOffset
	visible   int64 // when it is, in Unix milliseconds
	tries     int32 // deliveries before this one
	done      bool  // acknowledged
	suspended bool  // this delivery counts as no try
}

// An AckResult says what became of an acknowledgement.
type AckResult uint8

// What can become of an acknowledgement.
const (
	AckTaken   AckResult = iota
	AckStale             // it is of an earlier pop, and changes nothing
	AckUnknown           // the message was not taken
)

// Blocked reports whether a pop must wait, and until when at the latest: as
// long as a message is neither acknowledged nor visible again. A pop of the
// same attempt need not.
func (o *Order) Blocked(attempt string, now int64) (until int64, blocked bool) {
	if attempt != "" && attempt == o.attempt {
		return 0, false
	}
	for i := range o.items {
		if m := &o.items[i]; !m.done && m.visible > now {
			until, blocked = max(until, m.visible), true
		}
	}
	return until, blocked
}

// CountInHand is how many messages are neither acknowledged nor visible again.
func (o *Order) CountInHand(now int64) (n int) {
	for i := range o.items {
		if m := &o.items[i]; !m.done && m.visible > now {
			n++
		}
	}
	return n
}

// Take puts messages into the group's hand, in the place of what was there, and
// returns how often each was delivered before. The same attempt again is no
// further delivery.
func (o *Order) Take(attempt string, popTime, invisible int64, offsets []mq.QueueOffset) (tries []int32) {
	again := attempt != "" && attempt == o.attempt
	items := make([]item, len(offsets))
	tries = make([]int32, len(offsets))
	for i, at := range offsets {
		items[i] = item{offset: at, visible: popTime + invisible}
		if old := o.find(at); old != nil {
			items[i].tries = old.tries
			if !again && !old.suspended {
				items[i].tries++
			}
		}
		tries[i] = items[i].tries
	}
	*o = Order{attempt: attempt, popTime: popTime, invisible: invisible, items: items}
	return tries
}

func (o *Order) find(at mq.QueueOffset) *item {
	for i := range o.items {
		if o.items[i].offset == at {
			return &o.items[i]
		}
	}
	return nil
}

// Ack notes that a message is done with, which the pop at popTime took.
func (o *Order) Ack(at mq.QueueOffset, popTime int64) AckResult {
	if o.Empty() || popTime != o.popTime {
		return AckStale
	}
	m := o.find(at)
	if m == nil {
		return AckUnknown
	}
	m.done = true
	return AckTaken
}

// Has reports whether a message is in hand since the pop at popTime.
func (o *Order) Has(at mq.QueueOffset, popTime int64) bool {
	m := o.find(at)
	return popTime == o.popTime && m != nil && !m.done
}

// Change makes a message visible at another time. It reports whether the
// message is in hand.
func (o *Order) Change(at mq.QueueOffset, popTime, visible int64, suspend bool) bool {
	if !o.Has(at, popTime) {
		return false
	}
	m := o.find(at)
	m.visible, m.suspended = visible, suspend
	return true
}

// Empty reports whether nothing is in hand.
func (o *Order) Empty() bool {
	for i := range o.items {
		if !o.items[i].done {
			return false
		}
	}
	return true
}

// Next is the offset that the group is done with everything before; false if
// that is not known, for nothing was taken.
func (o *Order) Next() (mq.QueueOffset, bool) {
	for i := range o.items {
		if !o.items[i].done {
			return o.items[i].offset, true
		}
	}
	if len(o.items) == 0 {
		return 0, false
	}
	return o.items[len(o.items)-1].offset + 1, true
}

// maxLane bounds the messages of one queue that a group is not done with, as far
// as their keys are known; maxReturn how many of a key come back from aside at a
// time.
const (
	maxLane   = 1024
	maxReturn = 256
)

// Lanes is what a group has in hand of a queue that it takes in order by message
// group. Each key has a lane of its own: its next message is free when none of
// the key is in hand. The zero value is nothing, at the start of the queue.
type Lanes struct {
	floor  mq.QueueOffset // all before are done with, but for items that came back from aside
	known  mq.QueueOffset // all before are done with or in items
	items  []laned        // by offset
	parked []Parked

	// Not in the row: what the next row changes beside it.
	changed   bool
	out       []laned // to be put aside
	back      []laned // no longer aside
	fromOrder bool    // the group took the queue in order as a whole before
}

// A laned is a message that the group is not done with.
type laned struct {
	offset    mq.QueueOffset
	key       uint64
	visible   int64 // when it is, in Unix milliseconds
	popTime   int64 // of the last pop that took it; 0 if none did
	first     int64 // of the first one
	attempt   uint64
	tries     int32 // deliveries before the last one, with one more if that failed and the message was put aside
	suspended bool  // the last delivery counts as no try
	returned  bool  // from aside
}

// A Parked is a key whose messages are put aside.
type Parked struct {
	Name      string
	Since     int64 // Unix milliseconds
	Aside     int32 // messages
	Releasing bool  // they come back, in order, before later ones

	key uint64
}

// Floor is where the group is done with everything before.
func (l *Lanes) Floor() mq.QueueOffset { return l.floor }

// Known is the first offset whose key must still be learned.
func (l *Lanes) Known() mq.QueueOffset { return l.known }

// Room is how many messages more may be learned.
func (l *Lanes) Room() int { return max(0, maxLane-len(l.items)) }

// Changed reports whether the row is older than the state.
func (l *Lanes) Changed() bool { return l.changed || l.fromOrder }

// Restart lets go of everything in hand and goes on at an offset. What is aside
// stays there.
func (l *Lanes) Restart(at mq.QueueOffset) {
	l.items, l.floor, l.known, l.changed = nil, at, at, true
}

// Move follows a committed offset that somebody else set.
func (l *Lanes) Move(to mq.QueueOffset) {
	switch {
	case to == l.floor:
	case to < l.floor:
		l.Restart(to)
	default:
		l.items = slices.DeleteFunc(l.items, func(m laned) bool { return m.offset >= l.floor && m.offset < to })
		l.known = max(l.known, to)
		l.settle()
	}
}

// settle moves the floor as far as it goes.
func (l *Lanes) settle() {
	floor := l.known
	for i := range l.items {
		if l.items[i].offset >= l.floor {
			floor = l.items[i].offset
			break
		}
	}
	l.floor, l.changed = floor, true
}

// Learn notes that there is a message with a key at an offset behind all others.
func (l *Lanes) Learn(at mq.QueueOffset, key uint64) {
	l.items = append(l.items, laned{offset: at, key: key})
	l.known, l.changed = at+1, true
}

// Pass notes that nothing before an offset is wanted that was not learned.
func (l *Lanes) Pass(to mq.QueueOffset) {
	if to > l.known {
		l.known = to
		l.settle()
	}
}

// Choose returns messages that are free, in order and at most so many: of each
// key of which none is in hand, the first ones. The same attempt again gets what
// it has in hand, and nothing else.
func (l *Lanes) Choose(attempt string, now int64, most int) (free []mq.QueueOffset, again bool) {
	if free = l.inHandOf(attempt); len(free) > 0 {
		return free, true
	}
	held := l.held(now)
	for i := range l.items {
		m := &l.items[i]
		if len(free) == most {
			break
		}
		if !held[m.key] && !l.kept(m) {
			free = append(free, m.offset)
		}
	}
	return free, false
}

// inHandOf are the messages that an attempt took, if it has a name.
func (l *Lanes) inHandOf(attempt string) (all []mq.QueueOffset) {
	if attempt == "" {
		return nil
	}
	h := HashKey(attempt)
	for i := range l.items {
		if m := &l.items[i]; m.popTime > 0 && m.attempt == h {
			all = append(all, m.offset)
		}
	}
	return all
}

// held are the keys of which a message is in hand.
func (l *Lanes) held(now int64) map[uint64]bool {
	held := map[uint64]bool{}
	for i := range l.items {
		if l.items[i].visible > now {
			held[l.items[i].key] = true
		}
	}
	return held
}

// Free is how many messages a pop could take that are known.
func (l *Lanes) Free(now int64) int {
	free, _ := l.Choose("", now, len(l.items))
	return len(free)
}

// Until is when the next message in hand is visible again; 0 if there is none.
func (l *Lanes) Until(now int64) (until int64) {
	for i := range l.items {
		if at := l.items[i].visible; at > now && (until == 0 || at < until) {
			until = at
		}
	}
	return until
}

// Take puts messages into the group's hand and returns how often each was
// delivered before. The same attempt again is no further delivery.
func (l *Lanes) Take(attempt string, popTime, invisible int64, offsets []mq.QueueOffset) (tries []int32) {
	h := HashKey(attempt)
	tries = make([]int32, len(offsets))
	for i, at := range offsets {
		m := l.find(at)
		again := attempt != "" && m.attempt == h
		if m.popTime > 0 && !again && !m.suspended {
			m.tries++
		}
		if m.first == 0 {
			m.first = popTime
		}
		m.popTime, m.visible, m.attempt, m.suspended = popTime, popTime+invisible, h, false
		tries[i] = m.tries
	}
	l.changed = true
	return tries
}

func (l *Lanes) find(at mq.QueueOffset) *laned {
	i, ok := l.search(at)
	if !ok {
		return nil
	}
	return &l.items[i]
}

func (l *Lanes) search(at mq.QueueOffset) (int, bool) {
	return slices.BinarySearchFunc(l.items, at, func(m laned, at mq.QueueOffset) int { return cmp.Compare(m.offset, at) })
}

// Drop lets go of a message, whoever has it.
func (l *Lanes) Drop(at mq.QueueOffset) {
	if i, ok := l.search(at); ok {
		l.items = slices.Delete(l.items, i, i+1)
		l.settle()
	}
}

// Ack notes that a message is done with, which the pop at popTime took. An
// acknowledgement of one that was taken again since is stale.
func (l *Lanes) Ack(at mq.QueueOffset, popTime int64) AckResult {
	if at >= l.known {
		return AckUnknown
	}
	if !l.Has(at, popTime) {
		return AckStale
	}
	l.Drop(at)
	return AckTaken
}

// Has reports whether a message is in hand since the pop at popTime.
func (l *Lanes) Has(at mq.QueueOffset, popTime int64) bool {
	m := l.find(at)
	return m != nil && popTime > 0 && m.popTime == popTime
}

// Change makes a message visible at another time. It reports whether the
// message is in hand.
func (l *Lanes) Change(at mq.QueueOffset, popTime, visible int64, suspend bool) bool {
	if !l.Has(at, popTime) {
		return false
	}
	m := l.find(at)
	m.visible, m.suspended, l.changed = visible, suspend, true
	return true
}

// trim forgets everything from an offset on, where the queue ends after all.
func (l *Lanes) trim(end mq.QueueOffset) {
	l.items = slices.DeleteFunc(l.items, func(m laned) bool { return m.offset >= end })
	l.floor, l.known, l.changed = min(l.floor, end), min(l.known, end), true
}

// Bounds of what operators park, of one group and queue.
const (
	MaxParked = 64      // keys
	MaxAside  = 100_000 // messages of a key
)

func (l *Lanes) parking(key uint64) *Parked {
	for i := range l.parked {
		if l.parked[i].key == key {
			return &l.parked[i]
		}
	}
	return nil
}

// Park has the messages of a key put aside from now on. False if as many keys
// are parked as may be.
func (l *Lanes) Park(name string, now int64) bool {
	key := HashKey(name)
	if p := l.parking(key); p != nil {
		p.Releasing, l.changed = false, true
	} else if len(l.parked) == MaxParked {
		return false
	} else {
		l.parked = append(l.parked, Parked{Name: name, Since: now, key: key})
		l.changed = true
	}
	l.Sweep(now)
	return true
}

// Sweep puts aside what is of parked keys and not in hand. Beyond MaxAside
// messages stay, and take the room of others. Of a key that is being released
// those wait aside that nobody took, as long as earlier ones do.
func (l *Lanes) Sweep(now int64) {
	if len(l.parked) == 0 {
		return
	}
	before := len(l.items)
	l.items = slices.DeleteFunc(l.items, func(m laned) bool {
		p := l.parking(m.key)
		if m.visible > now || !l.kept(&m) || p.Aside >= MaxAside {
			return false
		}
		if m.popTime > 0 && !m.suspended {
			m.tries++
		}
		p.Aside++
		l.out = append(l.out, m)
		return true
	})
	if len(l.items) < before {
		l.settle()
	}
}

// kept reports whether a message is kept from the group as one of a parked key.
func (l *Lanes) kept(m *laned) bool {
	p := l.parking(m.key)
	return p != nil && (!p.Releasing || m.popTime == 0 && !m.returned)
}

// Unpark begins to give a key back its messages. False if it is not parked.
func (l *Lanes) Unpark(name string) bool {
	p := l.parking(HashKey(name))
	if p == nil {
		return false
	}
	p.Releasing, l.changed = true, true
	return true
}

// ParkedKey is how a key is parked; false if it is not.
func (l *Lanes) ParkedKey(name string) (Parked, bool) {
	p := l.parking(HashKey(name))
	if p == nil {
		return Parked{}, false
	}
	return *p, true
}

// returns are keys that are being released and have none of the messages left
// that came back last.
func (l *Lanes) returns() (keys []uint64) {
	for i := range l.parked {
		p := &l.parked[i]
		if p.Releasing && !slices.ContainsFunc(l.items, func(m laned) bool { return m.returned && m.key == p.key }) {
			keys = append(keys, p.key)
		}
	}
	return keys
}

// Return takes messages of a key back from aside, the first ones in order, but
// for those that are ahead again since a reset. When there are none left, the
// key is a key as others.
func (l *Lanes) Return(key uint64, first []laned) {
	for _, m := range first {
		l.back = append(l.back, m)
		m.returned = true
		if i, there := l.search(m.offset); !there && m.offset < l.known {
			l.items = slices.Insert(l.items, i, m)
		}
	}
	l.gone(key, len(first))
}

// gone counts messages of a key that are no longer aside.
func (l *Lanes) gone(key uint64, n int) {
	i := slices.IndexFunc(l.parked, func(p Parked) bool { return p.key == key })
	if i < 0 {
		return
	}
	p := &l.parked[i]
	if p.Aside = max(0, p.Aside-int32(n)); n == 0 {
		p.Aside = 0
	}
	if p.Releasing && p.Aside == 0 {
		l.parked = slices.Delete(l.parked, i, i+1)
	}
	l.changed = true
}

// A Stuck is a key whose first message was delivered and not acknowledged.
type Stuck struct {
	Offset mq.QueueOffset
	Since  int64 // first delivery, in Unix milliseconds
	Tries  int32
	InHand bool
	Behind int // messages of the key that wait, as far as is known
}

// Stuck are the keys whose first message was delivered more than once, and at
// most so many.
func (l *Lanes) Stuck(now int64, most int) (all []Stuck) {
	places := map[uint64]int{}
	for i := range l.items {
		m := &l.items[i]
		if at, seen := places[m.key]; seen {
			if at >= 0 {
				all[at].Behind++
			}
			continue
		}
		places[m.key] = -1
		over := m.popTime > 0 && m.visible <= now
		if m.tries > 0 || over {
			if len(all) == most {
				break
			}
			tries := m.tries
			if over && !m.suspended {
				tries++
			}
			places[m.key] = len(all)
			all = append(all, Stuck{Offset: m.offset, Since: m.first, Tries: tries, InHand: m.visible > now})
		}
	}
	return all
}

// empty reports whether the offset says all there is to say.
func (l *Lanes) empty() bool { return len(l.items) == 0 && len(l.parked) == 0 }

// HashKey is the number of a key, or of an attempt. Two keys of one number share
// a lane, which keeps their order too.
func HashKey[T ~string | ~[]byte](key T) uint64 {
	h := uint64(14695981039346656037) // FNV-1a
	for i := range len(key) {
		h = (h ^ uint64(key[i])) * 1099511628211
	}
	return h
}
