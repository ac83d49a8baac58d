package timer

import (
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// skew is how far ahead of the clock a store time may lie. One further ahead
// says that the clock was set back: how long its message has rested cannot be
// told, and it is delivered rather than kept for as long again.
const skew = 1000

// grain is how finely due times are told apart, in milliseconds: messages due
// within the same grain are delivered together.
const grain = 10

// Backoff between attempts to read or deliver after a failure, in milliseconds.
const (
	firstBackoff = 100
	maxBackoff   = 5000
)

// maxSleep is how late what is due may be noticed after the clock was set
// forward, in milliseconds.
const maxSleep = 10_000

// pause is how long to sleep when something is due at a time.
func pause(at, now int64) time.Duration {
	return time.Duration(max(0, min(at-now, maxSleep))) * time.Millisecond
}

// An op is what the core asks for.
type op uint8

const (
	opRead    op = iota // read messages of the level from offset at, then call read
	opDeliver           // send the first count messages last read, then call delivered
	opSave              // store at as the level's progress
)

// An action is one thing to be done for a level.
type action struct {
	op    op
	level int
	at    mq.QueueOffset
	count int
}

// state is what a level waits for.
type state uint8

const (
	stateEmpty      state = iota // an append
	stateResting                 // the time wake
	stateReading                 // read
	stateDelivering              // delivered
)

// A level is one queue of the schedule topic.
type level struct {
	delay   int64 // milliseconds
	next    mq.QueueOffset
	state   state
	wake    int64 // when resting: Unix milliseconds
	first   mq.QueueOffset
	backoff int64 // of the last failure; 0 after a success
}

// A core decides what is read and delivered when. Times are Unix milliseconds;
// it has no clock. Levels count from 0, as their queues do.
type core struct {
	levels  []level
	actions []action
}

// newCore starts with every level's progress; start asks for the first reads.
func newCore(delays []int64, progress []mq.QueueOffset) *core {
	c := &core{levels: make([]level, len(delays))}
	for i := range c.levels {
		c.levels[i] = level{delay: delays[i], next: progress[i]}
	}
	return c
}

// take returns the actions that have been decided on and forgets them.
func (c *core) take() []action {
	a := c.actions
	c.actions = nil
	return a
}

// start reads every level.
func (c *core) start() {
	for i := range c.levels {
		c.fetch(i)
	}
}

// appended says that a level may have a new message. It must be said after
// opRead found nothing and may be said at any time.
func (c *core) appended(i int) {
	if c.levels[i].state == stateEmpty {
		c.fetch(i)
	}
}

// empty is the set of levels that wait for appended, level i as bit i.
func (c *core) empty() uint64 {
	var set uint64
	for i := range c.levels {
		if c.levels[i].state == stateEmpty {
			set |= 1 << i
		}
	}
	return set
}

// tick reads the levels whose rest is over.
func (c *core) tick(now int64) {
	for i := range c.levels {
		if l := &c.levels[i]; l.state == stateResting && l.wake <= now {
			c.fetch(i)
		}
	}
}

// sleep is the time at which tick has something to do, or 0 if never.
func (c *core) sleep() int64 {
	var first int64
	for i := range c.levels {
		if l := &c.levels[i]; l.state == stateResting && (first == 0 || l.wake < first) {
			first = l.wake
		}
	}
	return first
}

// read answers opRead: the messages' store times, the first of which lies at
// from. If there are none, from is where to go on: another offset than was
// asked for if messages there have been deleted.
func (c *core) read(i int, now int64, from mq.QueueOffset, stored []int64) {
	l := &c.levels[i]
	l.first = from
	due := 0
	for due < len(stored) && (stored[due]+l.delay <= now || stored[due] > now+skew) {
		due++
	}
	if due > 0 {
		l.state = stateDelivering
		c.actions = append(c.actions, action{op: opDeliver, level: i, at: from, count: due})
		return
	}
	moved := from != l.next
	l.backoff, l.next = 0, from
	switch {
	case len(stored) > 0:
		l.state, l.wake = stateResting, roundUp(stored[0]+l.delay)
	case moved:
		c.fetch(i)
	default:
		l.state = stateEmpty
	}
}

// delivered answers opDeliver: the first count messages are done with. failed
// says that the one behind them could not be sent and is to be tried again.
func (c *core) delivered(i int, now int64, count int, failed bool) {
	l := &c.levels[i]
	if count > 0 {
		l.next = l.first + mq.QueueOffset(count)
		c.actions = append(c.actions, action{op: opSave, level: i, at: l.next})
	}
	if failed {
		c.rest(l, now)
		return
	}
	l.backoff = 0
	c.fetch(i)
}

// unread says that opRead failed.
func (c *core) unread(i int, now int64) { c.rest(&c.levels[i], now) }

// rest waits a little longer after every failure.
func (c *core) rest(l *level, now int64) {
	l.backoff = min(max(2*l.backoff, firstBackoff), maxBackoff)
	l.state, l.wake = stateResting, now+l.backoff
}

func (c *core) fetch(i int) {
	l := &c.levels[i]
	l.state = stateReading
	c.actions = append(c.actions, action{op: opRead, level: i, at: l.next})
}

func roundUp(at int64) int64 { return (at + grain - 1) / grain * grain }
