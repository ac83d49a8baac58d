package broker

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/limit"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// A waiting is a pull or a pop that found nothing and waits. It belongs to the
// parking while it is parked and otherwise to the goroutine that took it out.
type waiting struct {
	ctx      context.Context
	lite     *liteWaiting   // nil unless it is a pop of lite topics
	pop      *popWaiting    // nil if it is a pull, of which the next fields are
	request  mq.PullRequest // From is the end of the queue when it was read
	progress *progress
	done     func(mq.Batch, error)
	deadline time.Time
	empty    mq.Batch // the answer if nothing comes
	// matcher is request.Filter if that looks at properties and is quick about
	// it. One that is not quick wakes the request, and reading decides.
	matcher mq.PropertyFilter
	share   *ration // of limited rates, set aside for the next read; nil if none

	// Under the mu of the parking, or of the throttle.
	parked bool
	place  int // in the heap of deadlines

	// Under the mu of the throttle.
	lane *lane // where it waits
	// short says that it is its client's limits that have no share for it, and
	// not its group's or topic's.
	short bool
}

// use is what the request is about.
func (w *waiting) use() use {
	if w.pop != nil {
		return use{w.pop.request.Group, w.pop.request.Topic}
	}
	if w.lite != nil {
		return use{w.lite.request.Group, w.lite.request.Topic}
	}
	return use{w.request.Group, w.request.Queue.Topic}
}

// isQuick reports whether the answer takes microseconds if it is in memory.
func (w *waiting) isQuick() bool {
	if w.pop != nil || w.lite != nil {
		return false
	}
	_, looks := w.request.Filter.(mq.PropertyFilter)
	return !looks
}

// visit is the connection that the request came over; nil if the process itself
// asks, or its limits do not matter.
func (w *waiting) visit() *limit.Visit {
	if w.pop != nil {
		return visitOf(w.pop.request.Via)
	}
	return visitOf(w.request.Via)
}

// keep makes batch the answer if nothing comes, and goes on behind it.
func (w *waiting) keep(batch mq.Batch) {
	if w.empty.Status == mq.PullNoMatch && batch.Status == mq.PullNoNew {
		batch.Status = mq.PullNoMatch
	}
	release(batch)
	batch.Release, batch.Data = nil, nil
	w.empty = batch
	w.request.From = batch.Next
}

// wants reports whether a message is a reason to read again.
func (w *waiting) wants(m *store.Appended) bool {
	return m.Offset >= w.request.From && (w.request.Filter == nil || w.request.Filter.Match(m.TagCode)) &&
		(w.matcher == nil || w.matcher.MatchProperties(mq.RecordProperties(m.Record)))
}

// A parking holds the pulls and pops that wait.
type parking struct {
	// count is how many pulls are parked, and pops how many pops; an append
	// without any costs two loads.
	count, pops atomic.Int64
	asides      atomic.Int64  // pops of lite topics, which others find
	nears       atomic.Int64  // length of mu.near
	turn        atomic.Uint32 // which queue's requests waitFor names first

	// mu guards what is parked and what is ready to be answered. Nothing else
	// is locked or called while it is held, but for filters.
	mu struct {
		sync.Mutex
		queues    map[mq.Queue][]*waiting
		pops      popQueues
		deadlines deadlines
		ready     []*waiting // taken out, to be read for
		near      []*waiting // likewise, for nextNear or passOn
	}
	work   chan struct{} // capacity: number of workers; ready is not empty
	sooner chan struct{} // capacity 1: the first deadline came nearer
}

func newParking(workers int) *parking {
	p := &parking{work: make(chan struct{}, workers), sooner: make(chan struct{}, 1)}
	p.mu.queues = map[mq.Queue][]*waiting{}
	p.mu.pops = newPopQueues()
	return p
}

// park lets a request wait, unless there are too many.
func (p *parking) park(w *waiting, limit, queueLimit int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := p.mu.queues[w.request.Queue]
	if len(all) >= queueLimit || p.count.Load() >= int64(limit) {
		p.dropDeadLocked()
		if all = p.mu.queues[w.request.Queue]; len(all) >= queueLimit || p.count.Load() >= int64(limit) {
			return false
		}
	}
	p.mu.queues[w.request.Queue] = append(all, w)
	p.count.Add(1)
	p.addLocked(w)
	return true
}

func (p *parking) addLocked(w *waiting) {
	w.parked = true
	heap.Push(&p.mu.deadlines, w)
	if w.place == 0 {
		notify(p.sooner)
	}
}

// take takes a request out; false if somebody else did.
func (p *parking) take(w *waiting) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !w.parked {
		return false
	}
	p.removeLocked(w)
	return true
}

func (p *parking) removeLocked(w *waiting) {
	w.parked = false
	heap.Remove(&p.mu.deadlines, w.place)
	if w.lite != nil {
		p.asides.Add(-1)
		return
	}
	if w.pop != nil {
		p.pops.Add(-1)
		p.mu.pops.remove(w)
		return
	}
	p.count.Add(-1)
	all := p.mu.queues[w.request.Queue]
	for i := range all {
		if all[i] == w {
			last := len(all) - 1
			all[i], all[last] = all[last], nil
			all = all[:last]
			break
		}
	}
	if len(all) == 0 {
		delete(p.mu.queues, w.request.Queue)
	} else {
		p.mu.queues[w.request.Queue] = all
	}
}

// dropDeadLocked forgets the requests whose client is gone.
func (p *parking) dropDeadLocked() {
	var dead []*waiting
	for _, w := range p.mu.deadlines {
		if w.ctx.Err() != nil {
			dead = append(dead, w)
		}
	}
	for _, w := range dead {
		p.removeLocked(w)
	}
}

// appended wakes the requests that want one of the messages. It runs on an
// appender's goroutine, and Broker.published follows.
func (p *parking) appended(messages []store.Appended) {
	if p.count.Load()+p.pops.Load() == 0 {
		return
	}
	p.mu.Lock()
	before := len(p.mu.ready)
	for i := range messages {
		m := &messages[i]
		p.wakePopsLocked(m)
		if all := p.mu.queues[m.Queue]; len(all) > 0 {
			p.wakeLocked(all, func(w *waiting) bool { return w.wants(m) })
		}
	}
	woken := len(p.mu.ready) - before
	p.nears.Store(int64(len(p.mu.near)))
	p.mu.Unlock()
	p.call(woken)
}

// wakeLocked makes those of all ready that match; all is a slice of queues.
func (p *parking) wakeLocked(all []*waiting, match func(*waiting) bool) {
	for i := len(all) - 1; i >= 0; i-- {
		w := all[i]
		if !match(w) {
			continue
		}
		p.removeLocked(w)
		if w.isQuick() {
			p.mu.near = append(p.mu.near, w)
		} else {
			p.mu.ready = append(p.mu.ready, w)
		}
	}
}

// nextNear takes out a request that can be answered from memory.
func (p *parking) nextNear() *waiting {
	if p.nears.Load() == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.mu.near) - 1
	if n < 0 {
		return nil
	}
	w := p.mu.near[n]
	p.mu.near[n] = nil
	p.mu.near = p.mu.near[:n]
	p.nears.Store(int64(n))
	return w
}

// passOn leaves the requests that nextNear has not taken to the workers.
func (p *parking) passOn() {
	if p.nears.Load() == 0 {
		return
	}
	p.mu.Lock()
	n := len(p.mu.near)
	p.mu.ready = append(p.mu.ready, p.mu.near...)
	clear(p.mu.near)
	p.mu.near = p.mu.near[:0]
	p.nears.Store(0)
	p.mu.Unlock()
	p.call(n)
}

// waitFor is the requests that wait on any queue of a topic, those that wait
// longest in each queue first.
func (p *parking) waitFor(topic string, queues int32) (found []*waiting) {
	if p.count.Load() == 0 {
		return nil
	}
	turn := p.turn.Add(1)
	p.mu.Lock()
	defer p.mu.Unlock()
	for i := range queues {
		id := int32((turn + uint32(i)) % uint32(queues))
		found = append(found, p.mu.queues[mq.Queue{Topic: topic, ID: id}]...)
	}
	return found
}

// wakeGroup makes the requests of a group in a topic ready.
func (p *parking) wakeGroup(group, topic string) {
	p.mu.Lock()
	var found []*waiting
	for _, w := range p.mu.deadlines {
		if w.use() == (use{group, topic}) {
			found = append(found, w)
		}
	}
	for _, w := range found {
		p.removeLocked(w)
		p.mu.ready = append(p.mu.ready, w)
	}
	p.mu.Unlock()
	p.call(len(found))
}

// call calls as many workers as there are requests for.
func (p *parking) call(n int) {
	for range min(n, cap(p.work)) {
		notify(p.work)
	}
}

// serve answers requests that are ready, until ctx ends.
func (p *parking) serve(ctx context.Context, resume func(*waiting)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.work:
		}
		for w := p.next(); w != nil; w = p.next() {
			resume(w)
		}
	}
}

// hand makes requests ready that were not parked here.
func (p *parking) hand(all []*waiting) {
	if len(all) == 0 {
		return
	}
	p.mu.Lock()
	p.mu.ready = append(p.mu.ready, all...)
	p.mu.Unlock()
	p.call(len(all))
}

func (p *parking) next() *waiting {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.mu.ready) == 0 {
		return nil
	}
	w := p.mu.ready[0]
	p.mu.ready[0] = nil
	p.mu.ready = p.mu.ready[1:]
	return w
}

// watch hands over the requests whose time is up, until ctx ends.
func (p *parking) watch(ctx context.Context, expire func(*waiting)) {
	alarm := time.NewTimer(maxWait)
	defer alarm.Stop()
	for {
		over, next := p.over(time.Now())
		for _, w := range over {
			expire(w)
		}
		alarm.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-p.sooner:
		case <-alarm.C:
		}
	}
}

// over takes out the requests whose time is up and says how long it is until
// the next one's is.
func (p *parking) over(now time.Time) (over []*waiting, next time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.mu.deadlines) > 0 {
		w := p.mu.deadlines[0]
		if left := w.deadline.Sub(now); left > 0 {
			return over, left
		}
		p.removeLocked(w)
		over = append(over, w)
	}
	return over, maxWait
}

// empty takes out everything.
func (p *parking) empty() []*waiting {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := slices.Concat(p.mu.ready, p.mu.near)
	p.mu.ready, p.mu.near = nil, nil
	p.nears.Store(0)
	for len(p.mu.deadlines) > 0 {
		w := p.mu.deadlines[0]
		p.removeLocked(w)
		all = append(all, w)
	}
	return all
}

// notify wakes a goroutine that waits on c, unless its capacity says that
// enough have been.
func notify(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// deadlines is a heap, the next deadline first.
type deadlines []*waiting

func (d deadlines) Len() int           { return len(d) }
func (d deadlines) Less(i, j int) bool { return d[i].deadline.Before(d[j].deadline) }
func (d deadlines) Swap(i, j int) {
	d[i], d[j] = d[j], d[i]
	d[i].place, d[j].place = i, j
}

func (d *deadlines) Push(x any) {
	w := x.(*waiting)
	w.place = len(*d)
	*d = append(*d, w)
}

func (d *deadlines) Pop() any {
	last := len(*d) - 1
	w := (*d)[last]
	(*d)[last] = nil
	*d = (*d)[:last]
	return w
}
