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

// soon is how long before it is expected a share is looked for, because others
// give back what they do not use.
const soon = 50 * time.Millisecond

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
		lanes     map[laneKey]*lane
		order     []*lane // the same
		turn      int     // the lane of them that is asked first
		deadlines deadlines
		// How many lanes wait for the share of a group, a topic, a client.
		groups, topics map[string]int
		clients        map[*limit.Visit]int
	}
}

// A laneKey names a lane: a group, a topic, and the connection whose requests it
// has, or nil for all that have no limits of their own.
type laneKey struct {
	use
	client *limit.Visit
}

// A lane is requests that are served one after the other.
type lane struct {
	laneKey
	line []*waiting // never empty
	// until is when the first one's client may have a share for it. It is zero
	// if it waits for its group's or topic's.
	until time.Time
}

func newThrottle() *throttle {
	t := &throttle{sooner: make(chan struct{}, 1)}
	t.mu.lanes, t.mu.groups, t.mu.topics, t.mu.clients = map[laneKey]*lane{}, map[string]int{}, map[string]int{}, map[*limit.Visit]int{}
	return t
}

// busy reports whether requests that share a limit with this one wait for it
// already. limited says whether there is one on the group or the topic.
func (t *throttle) busy(u use, by *limit.Visit, limited bool) bool {
	if t.count.Load() == 0 {
		return false
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	return by != nil && t.mu.clients[by] > 0 || limited && (t.mu.groups[u.group] > 0 || t.mu.topics[u.topic] > 0)
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
	key := laneKey{w.use(), w.visit()}
	if !key.client.Slowed() {
		key.client = nil
	}
	l := t.mu.lanes[key]
	if l == nil {
		l = &lane{laneKey: key}
		t.mu.lanes[key] = l
		t.mu.order = append(t.mu.order, l)
		t.countLaneLocked(l, 1)
	}
	w.lane, l.line = l, append(l.line, w)
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
		t.holdLocked(l, time.Time{})
	} else {
		l.line = slices.Delete(l.line, k, k+1)
	}
	if len(l.line) == 0 {
		t.countLaneLocked(l, -1)
		delete(t.mu.lanes, l.laneKey)
		i := slices.Index(t.mu.order, l)
		t.mu.order = slices.Delete(t.mu.order, i, i+1)
	}
}

// holdLocked sets what the first of a lane waits for; see lane.until.
func (t *throttle) holdLocked(l *lane, until time.Time) {
	t.countLaneLocked(l, -1)
	l.until = until
	t.countLaneLocked(l, 1)
}

// countLaneLocked counts a lane under what its first request waits for, or one
// less.
func (t *throttle) countLaneLocked(l *lane, n int) {
	if !l.until.IsZero() {
		count(t.mu.clients, l.client, n)
		return
	}
	count(t.mu.groups, l.group, n)
	count(t.mu.topics, l.topic, n)
}

// count adds to one of some counters, of which none is 0.
func count[K comparable](all map[K]int, key K, n int) {
	if all[key] += n; all[key] == 0 {
		delete(all, key)
	}
}

// limitsChanged looks again at all that waits for a share of its client's.
func (t *throttle) limitsChanged() {
	t.mu.Lock()
	for _, l := range t.mu.order {
		t.holdLocked(l, time.Time{})
	}
	t.mu.Unlock()
	notify(t.sooner)
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
	lanes := slices.Clone(t.mu.order)
	for i := range lanes {
		l := lanes[(t.mu.turn+i)%len(lanes)]
		if wait := l.until.Sub(now); wait > soon {
			next = min(next, wait)
			continue
		}
		for len(l.line) > 0 {
			w := l.line[0]
			if wait := share(w); wait > 0 {
				next = min(next, wait)
				if w.short && l.client == nil {
					// Its client got limits of its own while it waited.
					t.removeLocked(w)
					t.addLocked(w)
					continue
				}
				t.holdLocked(l, w.until(now, wait))
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

// until is lane.until of a request that has to wait.
func (w *waiting) until(now time.Time, wait time.Duration) (until time.Time) {
	if w.short {
		until = now.Add(wait)
	}
	return until
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
