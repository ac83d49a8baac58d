package broker

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/limit"
)

// maxShares bounds the requests that get their share in one pass, so that a
// lifted limit does not hold up the rest.
const maxShares = 1024

// A throttle holds the pulls and pops that wait for their share of a limited
// rate: those of a group and topic in the order in which they came, which makes
// it fair between the members of the group. Those of a client that has limits of
// its own wait apart, so that they hold up no others.
type throttle struct {
	count  atomic.Int64
	pops   atomic.Int64  // of them
	sooner chan struct{} // capacity 1: there may be a share before it was expected

	// mu guards what waits. The rates are asked while it is held.
	mu struct {
		sync.Mutex
		lanes     []*lane
		deadlines deadlines
		turn      int // lane that is asked first
	}
}

// A lane is the requests of a group for a topic.
type lane struct {
	use
	client *limit.Visit // whose; nil: of all that have no limits of their own
	line   []*waiting   // never empty
}

func newThrottle() *throttle {
	return &throttle{sooner: make(chan struct{}, 1)}
}

// busy reports whether requests that share a limit with this one wait for it
// already.
func (t *throttle) busy(u use, by *limit.Visit) bool {
	if t.count.Load() == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.ContainsFunc(t.mu.lanes, func(l *lane) bool {
		if l.line[0].short {
			return by != nil && l.client == by
		}
		return l.group == u.group || l.topic == u.topic
	})
}

// park lets a request wait for its share.
func (t *throttle) park(w *waiting) {
	t.mu.Lock()
	w.short = false
	t.addLocked(w)
	t.mu.Unlock()
	notify(t.sooner)
}

// addLocked puts a request at the end of its lane.
func (t *throttle) addLocked(w *waiting) {
	u, client := w.use(), w.visit()
	if !client.Slowed() {
		client = nil
	}
	i := slices.IndexFunc(t.mu.lanes, func(l *lane) bool { return l.use == u && l.client == client })
	if i < 0 {
		i = len(t.mu.lanes)
		t.mu.lanes = append(t.mu.lanes, &lane{use: u, client: client})
	}
	w.lane = t.mu.lanes[i]
	w.lane.line = append(w.lane.line, w)
	w.parked = true
	heap.Push(&t.mu.deadlines, w)
	t.countLocked(w, 1)
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
	l := w.lane
	w.parked, w.lane = false, nil
	heap.Remove(&t.mu.deadlines, w.place)
	t.countLocked(w, -1)
	if k := slices.Index(l.line, w); k == 0 {
		l.line[0] = nil
		l.line = l.line[1:]
	} else {
		l.line = slices.Delete(l.line, k, k+1)
	}
	if len(l.line) == 0 {
		i := slices.Index(t.mu.lanes, l)
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
				if w.short && l.client == nil && w.visit().Slowed() {
					// It got limits of its own while it waited.
					t.removeLocked(w)
					t.addLocked(w)
					continue
				}
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

// share sets aside what a request may take that waits for it. It is called with
// the throttle's mu held.
func (b *Broker) share(w *waiting) time.Duration {
	if w.ctx.Err() != nil || b.closing.Load() {
		return 0
	}
	s, wait, short := b.rates.take(w.use(), w.visit(), b.wantedBy(w), w.short)
	w.short = short
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
