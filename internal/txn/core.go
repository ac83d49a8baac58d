package txn

import (
	"maps"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// A half is a half message that is not ended.
type half struct {
	born    int64  // Unix milliseconds, by the producer's clock
	rest    int64  // milliseconds that its producer asks for before the first check; 0 if it does not
	key     uint64 // a hash of its message's unique key; not in its row
	checks  int32
	givenUp bool
	stored  bool // it has a row
}

// rules are the settings that decide; times are milliseconds.
type rules struct {
	timeout   int64 // before the first check
	interval  int64 // between rounds of checks
	maxChecks int32
	retention int64
}

// An op is what the core asks for.
type op uint8

const (
	opCheck  op = iota // ask a producer about the half message
	opGiveUp           // store its copy and say so in the op topic
)

// An action is one thing to be done about a half message.
type action struct {
	op     op
	offset mq.QueueOffset
	checks int32
}

// A verdict says whether a half message may be ended.
type verdict uint8

const (
	mayEnd   verdict = iota
	isEnding         // somebody else is at it
	isEnded          // or never was one
)

// maxNoted bounds the op messages of our own that are remembered.
const maxNoted = 1 << 16

// An opNote is what an op message of our own says, which need not be read then.
type opNote struct {
	halves  []mq.QueueOffset
	givenUp bool
}

// An early end is one whose half message was not read yet.
type early uint8

const (
	earlyEnd     early = iota
	earlyGivenUp       // the half message may still be ended
	earlyOwn           // ended by this process, so its half message need not be read
)

// A place is what this process did about a half message that was not read yet.
type place uint8

const (
	placeEnding place = 1 << iota // its end is on its way
	placeEnded                    // it is ended
)

// maxAhead bounds the places, which are a byte each. What is further ahead is in
// the maps.
const maxAhead = 1 << 24

// A core knows what is pending and decides what is due. Times are Unix
// milliseconds; it has no clock.
type core struct {
	next, op mq.QueueOffset // what was not read yet of the two queues
	halves   map[mq.QueueOffset]half
	early    map[mq.QueueOffset]early
	// ahead are the places from next on. Nearly all that is ended is ended before
	// it is read, and leaves no trace but there.
	ahead []place
	owned int // places with placeEnded
	// ending are half messages whose end is on its way and was not read yet.
	ending map[mq.QueueOffset]bool
	// notes are the op messages that were stored and not read yet, by their
	// offset, but for some that are missing.
	notes map[mq.QueueOffset]opNote
	// dirty are half messages whose row differs; true if there is one.
	dirty map[mq.QueueOffset]bool
	round int64            // when the last round of checks began
	due   []mq.QueueOffset // what is left of it
}

func newCore(now int64) *core {
	return &core{
		halves: map[mq.QueueOffset]half{}, early: map[mq.QueueOffset]early{}, ending: map[mq.QueueOffset]bool{},
		notes: map[mq.QueueOffset]opNote{}, dirty: map[mq.QueueOffset]bool{}, round: now,
	}
}

// place is that of a half message which lies in the half queue; nil if it was
// read, or is too far ahead.
func (c *core) place(at mq.QueueOffset) *place {
	i := at - c.next
	if i < 0 || i >= maxAhead {
		return nil
	}
	if n := int(i) + 1 - len(c.ahead); n > 0 {
		c.ahead = append(c.ahead, make([]place, n)...)
	}
	return &c.ahead[i]
}

// placed is what the place of any half message says.
func (c *core) placed(at mq.QueueOffset) place {
	if i := at - c.next; i >= 0 && i < mq.QueueOffset(len(c.ahead)) {
		return c.ahead[i]
	}
	return 0
}

// step goes on to a half message behind.
func (c *core) step(to mq.QueueOffset) {
	for ; c.next < to && len(c.ahead) > 0; c.next++ {
		if c.ahead[0]&placeEnding != 0 {
			c.ending[c.next] = true
		}
		if c.ahead[0]&placeEnded != 0 {
			c.owned--
		}
		c.ahead = c.ahead[1:]
	}
	c.next = max(c.next, to)
}

// skip goes on behind half messages that have been deleted.
func (c *core) skip(to mq.QueueOffset) {
	c.step(to)
	maps.DeleteFunc(c.early, func(at mq.QueueOffset, _ early) bool { return at < to })
}

// known reports whether every end that is known has its half message before it.
func (c *core) known() bool { return len(c.early) == 0 && c.owned == 0 }

// load takes a row over.
func (c *core) load(at mq.QueueOffset, h half) {
	h.stored = true
	c.halves[at] = h
}

// add takes over what was read of the half queue. RocketMQ stores a half
// message once more with every check and does not end the one before: one
// that has been checked takes the place of its predecessor.
func (c *core) add(at mq.QueueOffset, h half) {
	mine := c.placed(at)&placeEnded != 0
	c.step(at + 1)
	if h.checks > 0 {
		for old, o := range c.halves {
			if o.key == h.key && o.born == h.born {
				c.remove(old, o)
			}
		}
	}
	e, before := c.early[at]
	delete(c.early, at)
	if mine || before && e != earlyGivenUp {
		return
	}
	h.givenUp = before
	c.halves[at] = h
	c.dirty[at] = false
}

// pass goes on behind half messages that need not be read, at most so many, and
// returns how many must be then that follow each other, before end.
func (c *core) pass(end mq.QueueOffset, most int) (passed bool, read int) {
	for ; most > 0 && c.passes(c.next); most-- {
		delete(c.early, c.next)
		c.step(c.next + 1)
		passed = true
	}
	for at := c.next; at < end && read < most && !c.passes(at); at++ {
		read++
	}
	return passed, read
}

func (c *core) passes(at mq.QueueOffset) bool {
	return c.placed(at)&placeEnded != 0 || c.early[at] == earlyOwn
}

// note remembers what an op message of our own says. It is a hint: what is not
// remembered is read.
func (c *core) note(at mq.QueueOffset, n opNote) {
	if at >= c.op && len(c.notes) < maxNoted {
		c.notes[at] = n
	}
}

// recall takes over the next op message if it is remembered.
func (c *core) recall() (halves int, found bool) {
	n, found := c.notes[c.op]
	if !found {
		return 0, false
	}
	delete(c.notes, c.op)
	c.op++
	how := earlyOwn
	if n.givenUp {
		how = earlyGivenUp
	}
	for _, at := range n.halves {
		c.ended(at, how)
	}
	return len(n.halves), true
}

// read takes over the end of what was read of the op queue.
func (c *core) read(op mq.QueueOffset) {
	delete(c.notes, op)
	c.op = op + 1
}

// ended takes over what an op message says of a half message; how is what to keep
// in mind until that is read.
func (c *core) ended(at mq.QueueOffset, how early) {
	c.failed(at)
	if at >= c.next {
		if p := c.ownPlace(at, how); p == nil {
			c.early[at] = how
		} else if *p&placeEnded == 0 {
			*p |= placeEnded
			c.owned++
		}
		return
	}
	h, pending := c.halves[at]
	switch {
	case !pending:
	case how == earlyGivenUp:
		h.givenUp = true
		c.change(at, h)
	default:
		c.remove(at, h)
	}
}

func (c *core) change(at mq.QueueOffset, h half) {
	c.halves[at] = h
	c.dirty[at] = h.stored
}

func (c *core) remove(at mq.QueueOffset, h half) {
	delete(c.halves, at)
	delete(c.dirty, at)
	if h.stored {
		c.dirty[at] = true
	}
}

// ownPlace is the place of a half message that was ended by this process, and so
// lies in the half queue.
func (c *core) ownPlace(at mq.QueueOffset, how early) *place {
	if how != earlyOwn {
		return nil
	}
	return c.place(at)
}

// end asks whether a half message, which lies in the half queue, may be ended, and
// how often it was asked about. If it may, it is as good as done until failed is said.
func (c *core) end(at mq.QueueOffset) (checks int32, v verdict) {
	p := c.place(at)
	switch {
	case p != nil && *p != 0:
		if *p&placeEnding != 0 {
			return 0, isEnding
		}
		return 0, isEnded
	case c.ending[at]:
		return 0, isEnding
	}
	var h half
	var open bool
	if at >= c.next { // it was not read yet
		e, before := c.early[at]
		open = !before || e == earlyGivenUp
	} else {
		h, open = c.halves[at]
	}
	switch {
	case !open:
		return 0, isEnded
	case p != nil:
		*p = placeEnding
	default:
		c.ending[at] = true
	}
	return h.checks, mayEnd
}

// failed says that a half message could not be ended.
func (c *core) failed(at mq.QueueOffset) {
	if c.placed(at)&placeEnding != 0 {
		*c.place(at) &^= placeEnding
	}
	delete(c.ending, at)
}

// pending says what is known of a half message that is not ended.
func (c *core) pending(at mq.QueueOffset) (half, bool) {
	h, ok := c.halves[at]
	return h, ok && !c.ending[at]
}

// restart counts the checks of a half message anew.
func (c *core) restart(at mq.QueueOffset) {
	if h, ok := c.halves[at]; ok && h.checks != 0 {
		h.checks = 0
		c.change(at, h)
	}
}

// forget drops what lies before the start of the half queue: it has expired.
func (c *core) forget(start mq.QueueOffset) (dropped int) {
	for at, h := range c.halves {
		if at < start {
			c.remove(at, h)
			delete(c.ending, at)
			if !h.givenUp {
				dropped++
			}
		}
	}
	return dropped
}

// tick begins a round of checks if it is time for one and the last one is done.
func (c *core) tick(now int64, r rules) (began bool) {
	if now-c.round < r.interval && now >= c.round || len(c.due) > 0 {
		return false
	}
	c.round = now
	for at, h := range c.halves {
		if !h.givenUp && (c.spent(h, now, r) || ripe(h, now, r)) {
			c.due = append(c.due, at)
		}
	}
	slices.Sort(c.due)
	return true
}

// spent reports whether a half message is to be given up.
func (c *core) spent(h half, now int64, r rules) bool {
	return h.checks >= r.maxChecks || now-h.born > r.retention
}

// ripe reports whether a half message is old enough to be asked about. As in
// RocketMQ, one that seems to be born in the future is, unless it asks for a
// rest of its own.
func ripe(h half, now int64, r rules) bool {
	age := now - h.born
	if h.rest > 0 {
		return age >= max(h.rest, r.timeout)
	}
	return age < 0 || age >= r.timeout
}

// take is the next thing to do of the round; false if nothing is left.
func (c *core) take(now int64, r rules) (action, bool) {
	for len(c.due) > 0 {
		at := c.due[0]
		c.due = c.due[1:]
		h, pending := c.pending(at)
		if !pending || h.givenUp {
			continue
		}
		if c.spent(h, now, r) {
			return action{opGiveUp, at, h.checks}, true
		}
		h.checks++
		c.change(at, h)
		return action{opCheck, at, h.checks}, true
	}
	c.due = nil
	return action{}, false
}

// late reports whether a producer that was not asked speaks too late: a
// half message with a rest of its own is then left to its checks.
func late(h half, now int64, r rules) bool {
	return h.rest > 0 && now-h.born > max(h.rest, r.timeout)
}
