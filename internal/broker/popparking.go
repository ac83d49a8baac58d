package broker

import (
	"cmp"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// A popWaiting is the part of a waiting that only a pop has.
type popWaiting struct {
	request mq.PopRequest
	// until is how long it may wait. The deadline may be earlier: then a queue
	// in order is free again.
	until   time.Time
	matcher mq.PropertyFilter // as in a waiting
	retries [2]string
	answer  func(mq.PopBatch, error)
	// look says that nothing is taken: the answer is only that there is something.
	look bool
	slow bool // it waited for its share of a limited rate last

	since uint64 // its number among those that were parked; under parking.mu
}

// wants reports whether a message of the topic itself is a reason to look.
func (w *popWaiting) wants(m *store.Appended) bool {
	f := w.request.Filter
	return f == nil || f.Match(m.TagCode) &&
		(w.matcher == nil || w.matcher.MatchProperties(mq.RecordProperties(m.Record)))
}

// maxRefusals bounds the filters of a group that a message is shown to while its
// sender waits.
const maxRefusals = 32

// refusals are the filters of a group's pops that do not want a message.
type refusals struct {
	all [maxRefusals]mq.Filter
	n   int
}

// wants is that of w, asked once for each filter. Where too many others do not
// want the message, w has to look for itself.
func (r *refusals) wants(w *popWaiting, m *store.Appended) bool {
	f := w.request.Filter
	switch {
	case f != nil && slices.Contains(r.all[:r.n], f):
		return false
	case r.n == maxRefusals || w.wants(m):
		return true
	}
	r.all[r.n] = f
	r.n++
	return false
}

// popQueues are the pops that wait, the first to wait first: by topic and
// group, and by the topics of what comes back to a group.
type popQueues struct {
	topics  map[string]map[string]*popGroup
	retries map[string][]*popGroup // one name may be of several groups
	parked  uint64                 // so far
}

// A popGroup is the pops of a group that wait for a topic, by the queue that
// they are for, -1 for any. It is in the table while there is one.
type popGroup struct {
	lists map[int32][]*waiting
}

func newPopQueues() popQueues {
	return popQueues{topics: map[string]map[string]*popGroup{}, retries: map[string][]*popGroup{}}
}

func (q *popQueues) group(u use) *popGroup { return q.topics[u.topic][u.group] }

func (q *popQueues) add(w *waiting) {
	u := w.use()
	g := q.group(u)
	if g == nil {
		g = &popGroup{lists: map[int32][]*waiting{}}
		if q.topics[u.topic] == nil {
			q.topics[u.topic] = map[string]*popGroup{}
		}
		q.topics[u.topic][u.group] = g
		for _, name := range w.pop.retries {
			q.retries[name] = append(q.retries[name], g)
		}
	}
	q.parked++
	w.pop.since = q.parked
	g.lists[w.pop.request.QueueID] = append(g.lists[w.pop.request.QueueID], w)
}

func (q *popQueues) remove(w *waiting) {
	u, id := w.use(), w.pop.request.QueueID
	g := q.group(u)
	list := g.lists[id]
	i, _ := slices.BinarySearchFunc(list, w.pop.since, func(o *waiting, since uint64) int {
		return int(int64(o.pop.since) - int64(since))
	})
	if list = slices.Delete(list, i, i+1); len(list) > 0 {
		g.lists[id] = list
		return
	}
	if delete(g.lists, id); len(g.lists) > 0 {
		return
	}
	for _, name := range w.pop.retries {
		all := q.retries[name]
		i := slices.Index(all, g)
		if q.retries[name] = slices.Delete(all, i, i+1); len(all) == 1 {
			delete(q.retries, name)
		}
	}
	if delete(q.topics[u.topic], u.group); len(q.topics[u.topic]) == 0 {
		delete(q.topics, u.topic)
	}
}

// first is the pop that has waited longest of those in a group for a queue, or
// if queue is -1 for whatever, that match.
func (g *popGroup) first(queue int32, match func(*waiting) bool) (first *waiting) {
	look := func(list []*waiting) {
		if i := slices.IndexFunc(list, match); i >= 0 && (first == nil || list[i].pop.since < first.pop.since) {
			first = list[i]
		}
	}
	if queue >= 0 {
		look(g.lists[-1])
		look(g.lists[queue])
		return first
	}
	for _, list := range g.lists {
		look(list)
	}
	return first
}

// anybody matches every pop.
func anybody(*waiting) bool { return true }

// unordered matches those that what comes back is for.
func unordered(w *waiting) bool { return !w.pop.request.Ordered }

// parkPop lets a pop wait, unless there are too many.
func (p *parking) parkPop(w *waiting, limit, queueLimit int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.roomLocked(w, limit, queueLimit) {
		p.dropDeadLocked()
		if !p.roomLocked(w, limit, queueLimit) {
			return false
		}
	}
	p.mu.pops.add(w)
	p.pops.Add(1)
	p.addLocked(w)
	return true
}

// parkAside lets a request wait that others find and take out, unless there are
// too many.
func (p *parking) parkAside(w *waiting, limit int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.asides.Load() >= int64(limit) {
		p.dropDeadLocked()
		if p.asides.Load() >= int64(limit) {
			return false
		}
	}
	p.asides.Add(1)
	p.addLocked(w)
	return true
}

func (p *parking) roomLocked(w *waiting, limit, queueLimit int) bool {
	g := p.mu.pops.group(w.use())
	return p.pops.Load() < int64(limit) && (g == nil || len(g.lists[w.pop.request.QueueID]) < queueLimit)
}

// wakePopsLocked makes one pop of each group ready that a message is for.
func (p *parking) wakePopsLocked(m *store.Appended) {
	if p.pops.Load() == 0 {
		return
	}
	// Making one ready may take its group out.
	for _, g := range slices.Clone(p.mu.pops.retries[m.Queue.Topic]) {
		p.readyLocked(g.first(-1, unordered))
	}
	for _, g := range p.mu.pops.topics[m.Queue.Topic] {
		var asked refusals
		p.readyLocked(g.first(m.Queue.ID, func(w *waiting) bool { return asked.wants(w.pop, m) }))
	}
}

// readyLocked takes a request out, to be read for. nil is none.
func (p *parking) readyLocked(w *waiting) {
	if w != nil {
		p.removeLocked(w)
		p.mu.ready = append(p.mu.ready, w)
	}
}

// popsFor is the pops that wait for messages of a topic, those that wait longest
// first.
func (p *parking) popsFor(topic string) (found []*waiting) {
	if p.pops.Load() == 0 {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, g := range p.mu.pops.topics[topic] {
		for _, list := range g.lists {
			for _, w := range list {
				if !w.pop.look {
					found = append(found, w)
				}
			}
		}
	}
	slices.SortFunc(found, func(a, b *waiting) int { return cmp.Compare(a.pop.since, b.pop.since) })
	return found
}

// wakePop makes a pop of a group ready that waits for a queue. If queue is -1,
// so that it may be any, it is one of those that take any and one of each queue.
func (p *parking) wakePop(u use, queue int32) {
	if p.pops.Load() == 0 {
		return
	}
	p.mu.Lock()
	before := len(p.mu.ready)
	if g := p.mu.pops.group(u); g != nil && queue >= 0 {
		p.readyLocked(g.first(queue, anybody))
	} else if g != nil {
		for _, list := range g.lists {
			p.readyLocked(list[0])
		}
	}
	woken := len(p.mu.ready) - before
	p.mu.Unlock()
	p.call(woken)
}

// again makes a request ready that was taken out already.
func (p *parking) again(w *waiting) {
	p.mu.Lock()
	p.mu.ready = append(p.mu.ready, w)
	p.mu.Unlock()
	p.call(1)
}

// waitingPops is how many pops wait for a queue, -1 for those that take any.
func (p *parking) waitingPops(u use, queue int32) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if g := p.mu.pops.group(u); g != nil {
		return len(g.lists[queue])
	}
	return 0
}
