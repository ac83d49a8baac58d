package broker

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// maxShares bounds the requests that get their share in one pass, so that a
// lifted limit does not hold up the rest.
const maxShares = 1024

// A throttle holds the pulls and pops that wait for their share of a limited
// rate: those of a group and topic in the order in which they came, which makes
// it fair between the members of the group.
type throttle struct {
	count  atomic.Int64
	pops   atomic.Int64  // of them
	sooner chan struct{} // capacity 1: there may be a share before it was expected

	// mu guards what waits. The rates are asked while it is held.
	mu struct {
		sync.Mutex
		lanes          []*lane
		groups, topics map[string]int // how many wait
		deadlines      deadlines
		turn           int // lane that is asked first
	}
}

// A lane is the requests of a group for a topic.
type lane struct {
	use
	line []*waiting
}

func newThrottle() *throttle {
	t := &throttle{sooner: make(chan struct{}, 1)}
	t.mu.groups, t.mu.topics = map[string]int{}, map[string]int{}
	return t
}

// busy reports whether requests that share a limit with this one wait already.
func (t *throttle) busy(u use) bool {
	if t.count.Load() == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.groups[u.group] > 0 || t.mu.topics[u.topic] > 0
}

// park lets a request wait for its share.
func (t *throttle) park(w *waiting) {
	u := w.use()
	t.mu.Lock()
	i := slices.IndexFunc(t.mu.lanes, func(l *lane) bool { return l.use == u })
	if i < 0 {
		i = len(t.mu.lanes)
		t.mu.lanes = append(t.mu.lanes, &lane{use: u})
	}
	l := t.mu.lanes[i]
	l.line = append(l.line, w)
	t.mu.groups[u.group]++
	t.mu.topics[u.topic]++
	w.parked = true
	heap.Push(&t.mu.deadlines, w)
	t.countLocked(w, 1)
	t.mu.Unlock()
	notify(t.sooner)
}

func (t *throttle) countLocked(w *waiting, n int64) {
	t.count.Add(n)
	if w.pop != nil {
		t.pops.Add(n)
	}
}

// take takes a request out; false if somebody else did.
func (t *throttle) take(w *waiting) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !w.parked {
		return false
	}
	t.removeLocked(w)
	return true
}

// removeLocked takes a request out.
func (t *throttle) removeLocked(w *waiting) {
	u := w.use()
	w.parked = false
	heap.Remove(&t.mu.deadlines, w.place)
	t.countLocked(w, -1)
	if t.mu.groups[u.group]--; t.mu.groups[u.group] == 0 {
		delete(t.mu.groups, u.group)
	}
	if t.mu.topics[u.topic]--; t.mu.topics[u.topic] == 0 {
		delete(t.mu.topics, u.topic)
	}
	i := slices.IndexFunc(t.mu.lanes, func(l *lane) bool { return l.use == u })
	l := t.mu.lanes[i]
	if k := slices.Index(l.line, w); k == 0 {
		l.line[0] = nil
		l.line = l.line[1:]
	} else {
		l.line = slices.Delete(l.line, k, k+1)
	}
	if len(l.line) == 0 {
		t.mu.lanes = slices.Delete(t.mu.lanes, i, i+1)
	}
}

// serve gives shares to those who wait, and lets those go whose time is up,
// until ctx ends.
func (t *throttle) serve(ctx context.Context, share func(*waiting) time.Duration, resume func([]*waiting), expire func(*waiting)) {
	alarm := time.NewTimer(maxWait)
	defer alarm.Stop()
	for {
		ready, over, next := t.pass(time.Now(), share)
		resume(ready)
		for _, w := range over {
			expire(w)
		}
		alarm.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-t.sooner:
		case <-alarm.C:
		}
	}
}

// pass takes out the requests that have their share and those whose time is up,
// and says how long it is until there may be others.
func (t *throttle) pass(now time.Time, share func(*waiting) time.Duration) (ready, over []*waiting, next time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.mu.deadlines) > 0 && !t.mu.deadlines[0].deadline.After(now) {
		over = append(over, t.mu.deadlines[0])
		t.removeLocked(t.mu.deadlines[0])
	}
	next = maxWait
	if len(t.mu.deadlines) > 0 {
		next = t.mu.deadlines[0].deadline.Sub(now)
	}
	t.mu.turn++
	lanes := slices.Clone(t.mu.lanes)
	for i := range lanes {
		l := lanes[(t.mu.turn+i)%len(lanes)]
		for len(l.line) > 0 {
			w := l.line[0]
			if wait := share(w); wait > 0 {
				next = min(next, wait)
				break
			}
			t.removeLocked(w)
			if ready = append(ready, w); len(ready) >= maxShares {
				return ready, over, 0
			}
		}
	}
	return ready, over, next
}

// empty takes out everything.
func (t *throttle) empty() (all []*waiting) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for len(t.mu.deadlines) > 0 {
		w := t.mu.deadlines[0]
		t.removeLocked(w)
		all = append(all, w)
	}
	return all
}

// share sets aside what a request may take that waits for it.
func (b *Broker) share(w *waiting) time.Duration {
	if w.ctx.Err() != nil || b.closing.Load() {
		return 0
	}
	s, wait := b.rates.take(w.use(), b.wantedBy(w))
	if wait == 0 {
		w.share = &s
	}
	return wait
}

// slow lets a pull wait for its share, as long as it would wait for messages.
func (b *Broker) slow(w *waiting) {
	live := b.opts()
	waiting := b.throttle.count.Load() + b.parking.count.Load()
	if b.closing.Load() || waiting >= int64(live.MaxWaitingPulls) || !time.Now().Before(w.deadline) {
		b.expire(w)
		return
	}
	b.throttle.park(w)
	// Run may have emptied the throttle before.
	if b.closing.Load() && b.throttle.take(w) {
		b.expire(w)
	}
}
