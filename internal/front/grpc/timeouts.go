package grpc

import (
	"sync"
	"time"
)

// Timeouts bound how long something may take, which is equally long for all. One
// timer serves all of it: starting and stopping a timer for each call was a
// tenth of what a call took.
type timeouts struct {
	after time.Duration
	late  func(*call) // is told of one that took longer; it must not block
	// mu guards what follows and the fields of each timeout. Nothing is called
	// while it is held.
	mu struct {
		sync.Mutex
		first, last *timeout // in the order in which they are due
		ticking     bool     // the timer is set, for when the first is due or earlier
	}
}

// A timeout is one thing that may take so long.
type timeout struct {
	call       *call
	due        time.Time
	prev, next *timeout
	running    bool
}

func newTimeouts(after time.Duration, late func(*call)) *timeouts {
	return &timeouts{after: after, late: late}
}

// start begins a timeout; one that is running begins anew.
func (all *timeouts) start(t *timeout) {
	now := time.Now()
	all.mu.Lock()
	defer all.mu.Unlock()
	all.remove(t)
	t.due, t.running, t.prev = now.Add(all.after), true, all.mu.last
	if t.prev != nil {
		t.prev.next = t
	} else {
		all.mu.first = t
	}
	all.mu.last = t
	if !all.mu.ticking {
		all.mu.ticking = true
		time.AfterFunc(all.after, all.tick)
	}
}

// stop ends a timeout, whether it runs or not.
func (all *timeouts) stop(t *timeout) {
	all.mu.Lock()
	defer all.mu.Unlock()
	all.remove(t)
}

// remove takes a timeout out; the lock is held.
func (all *timeouts) remove(t *timeout) {
	if !t.running {
		return
	}
	if t.prev != nil {
		t.prev.next = t.next
	} else {
		all.mu.first = t.next
	}
	if t.next != nil {
		t.next.prev = t.prev
	} else {
		all.mu.last = t.prev
	}
	t.prev, t.next, t.running = nil, nil, false
}

// tick ends what is late, and sets the timer for what is due next.
func (all *timeouts) tick() {
	for {
		t, wait := all.nextLate(time.Now())
		if t == nil {
			if wait > 0 {
				time.AfterFunc(wait, all.tick)
			}
			return
		}
		all.late(t.call)
	}
}

// nextLate takes one that is late; if there is none, it says for how long, and
// with 0 that none runs.
func (all *timeouts) nextLate(now time.Time) (*timeout, time.Duration) {
	all.mu.Lock()
	defer all.mu.Unlock()
	t := all.mu.first
	if t == nil {
		all.mu.ticking = false
		return nil, 0
	}
	if wait := t.due.Sub(now); wait > 0 {
		return nil, wait
	}
	all.remove(t)
	return t, 0
}
