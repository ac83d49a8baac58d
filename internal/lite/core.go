package lite

import (
	"container/heap"
	"fmt"
	"maps"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// A Member is a client in a group.
type Member struct{ Group, Client string }

// A Registry is who wants which light queues, by their topics' names. W is what
// waits for a client's messages. It is not safe for concurrent use.
type Registry[W comparable] struct {
	clients map[Member]*client[W]
	queues  map[string]*queue[W]
	crowds  map[string]map[string]*crowd[W] // by parent and group
	subs    int                             // subscriptions of all clients
	alarms  alarms[W]
	held    int // messages in hand, of those with an alarm
}

// A queue is a light queue that somebody wants.
type queue[W comparable] struct {
	name  string
	lines []*line[W] // one for each group
}

// A line is the clients of a group that want a queue. One without any is of a
// crowd, which has something of the queue in hand.
type line[W comparable] struct {
	queue *queue[W]
	group string
	subs  []*sub[W]
	turn  uint32
	due   int64 // when what the group has in hand is visible, Unix milliseconds
	held  int   // how many messages that are
	place int   // in the alarms, or noPlace
}

const noPlace = -1

// A sub is that a client wants a queue.
type sub[W comparable] struct {
	line       *line[W]
	client     *client[W]
	ready      bool // there may be something: it is in the client's list
	prev, next *sub[W]
}

// A client is one that wants queues, or waits.
type client[W comparable] struct {
	Member
	peer    mq.Peer
	version int64
	seen    int64              // Unix milliseconds
	subs    map[string]*sub[W] // by name
	waits   []W                // the first has waited longest
	// first and last are the ends of the list of what is ready.
	first, last *sub[W]
	crowd       *crowd[W] // it wants everything, and has no subs
}

// An Ended is a subscription that ended because of another client's.
type Ended struct {
	Member
	Name string
	Peer mq.Peer
}

// Limits are those of subscriptions; 0 is none.
type Limits struct {
	Client int // of one client
	All    int // of all clients, each counted as one more
}

// NewRegistry is a registry in which nobody wants anything.
func NewRegistry[W comparable]() *Registry[W] {
	return &Registry[W]{clients: map[Member]*client[W]{}, queues: map[string]*queue[W]{}, crowds: map[string]map[string]*crowd[W]{}}
}

// Subscriptions is how many there are.
func (r *Registry[W]) Subscriptions() int { return r.subs }

// InHand is how many messages groups have in hand of what is wanted.
func (r *Registry[W]) InHand() int { return r.held }

// Seen notes that a client is alive at a time, in Unix milliseconds.
func (r *Registry[W]) Seen(m Member, now int64, limits Limits) error {
	_, err := r.client(m, now, limits)
	return err
}

// client is a client that is alive; it is made if there is room.
func (r *Registry[W]) client(m Member, now int64, limits Limits) (*client[W], error) {
	c := r.clients[m]
	if c == nil {
		if limits.All > 0 && r.subs+len(r.clients) >= limits.All {
			return nil, errAll(limits)
		}
		c = &client[W]{Member: m, subs: map[string]*sub[W]{}}
		r.clients[m] = c
	}
	c.seen = now
	return c, nil
}

func errAll(l Limits) error {
	return fmt.Errorf("%w: clients want %d lite topics together; want fewer, or raise max-lite-subscriptions (maxLiteSubscriptionCount)", mq.ErrLiteQuota, l.All)
}

// Add lets a client want more queues: all of names, or none if that is too
// many. If it is exclusive, the subscriptions of others in its group end. added
// are those it did not want before.
func (r *Registry[W]) Add(m Member, peer mq.Peer, names []string, exclusive bool, now int64, limits Limits) (added []string, ended []Ended, err error) {
	c, err := r.client(m, now, limits)
	if err != nil {
		return nil, nil, err
	}
	c.peer = peer
	for _, name := range names {
		if c.subs[name] == nil && !slices.Contains(added, name) {
			added = append(added, name)
		}
	}
	if err := r.room(len(c.subs)+len(added), len(added), limits); err != nil {
		return nil, nil, err
	}
	for _, name := range added {
		if exclusive {
			ended = append(ended, r.evict(m, name)...)
		}
		r.subscribe(c, name)
	}
	return added, ended, nil
}

// room says whether a client may want n queues, more of them than before.
func (r *Registry[W]) room(n, more int, limits Limits) error {
	switch {
	case more <= 0:
		return nil
	case limits.Client > 0 && n > limits.Client:
		return fmt.Errorf("%w: the client wants %d lite topics, at most %d are allowed; want fewer, or raise the group's attribute lite.sub.client.quota", mq.ErrLiteQuota, n, limits.Client)
	case limits.All > 0 && r.subs+len(r.clients)+more > limits.All:
		return errAll(limits)
	}
	return nil
}

// evict ends the subscriptions of others in a group to a queue.
func (r *Registry[W]) evict(m Member, name string) (ended []Ended) {
	l := r.line(name, m.Group)
	if l == nil {
		return nil
	}
	for _, s := range slices.Clone(l.subs) {
		if s.client.Member != m {
			ended = append(ended, Ended{s.client.Member, name, s.client.peer})
			r.unsubscribe(s)
		}
	}
	return ended
}

// line is a group's part in a queue, or nil.
func (r *Registry[W]) line(name, group string) *line[W] {
	q := r.queues[name]
	if q == nil {
		return nil
	}
	if i := slices.IndexFunc(q.lines, func(l *line[W]) bool { return l.group == group }); i >= 0 {
		return q.lines[i]
	}
	return nil
}

// obtain is a group's part in a queue; it is made if need be.
func (r *Registry[W]) obtain(name, group string) *line[W] {
	if l := r.line(name, group); l != nil {
		return l
	}
	q := r.queues[name]
	if q == nil {
		q = &queue[W]{name: name}
		r.queues[name] = q
	}
	l := &line[W]{queue: q, group: group, place: noPlace}
	q.lines = append(q.lines, l)
	return l
}

func (r *Registry[W]) subscribe(c *client[W], name string) {
	r.leaveCrowd(c)
	l := r.obtain(name, c.Group)
	s := &sub[W]{line: l, client: c}
	l.subs = append(l.subs, s)
	c.subs[name] = s
	r.subs++
	// What is there already, and what is in hand, shows when it is looked at.
	c.push(s)
}

func (r *Registry[W]) unsubscribe(s *sub[W]) {
	l, c := s.line, s.client
	c.drop(s)
	delete(c.subs, l.queue.name)
	r.subs--
	l.subs = slices.DeleteFunc(l.subs, func(o *sub[W]) bool { return o == s })
	if len(l.subs) == 0 {
		r.drop(l)
	}
}

// drop forgets a group's part in a queue.
func (r *Registry[W]) drop(l *line[W]) {
	r.calm(l)
	q := l.queue
	if q.lines = slices.DeleteFunc(q.lines, func(o *line[W]) bool { return o == l }); len(q.lines) == 0 {
		delete(r.queues, q.name)
	}
}

// push puts what is ready at the end of the client's list.
func (c *client[W]) push(s *sub[W]) {
	if s.ready {
		return
	}
	s.ready, s.prev = true, c.last
	if c.last != nil {
		c.last.next = s
	} else {
		c.first = s
	}
	c.last = s
}

// drop takes it out of the list again.
func (c *client[W]) drop(s *sub[W]) {
	if !s.ready {
		return
	}
	if s.prev != nil {
		s.prev.next = s.next
	} else {
		c.first = s.next
	}
	if s.next != nil {
		s.next.prev = s.prev
	} else {
		c.last = s.prev
	}
	s.ready, s.prev, s.next = false, nil, nil
}

// Remove ends subscriptions of a client and returns those that it had.
func (r *Registry[W]) Remove(m Member, names []string) (removed []string) {
	c := r.clients[m]
	if c == nil {
		return nil
	}
	for _, name := range names {
		if s := c.subs[name]; s != nil {
			r.unsubscribe(s)
			removed = append(removed, name)
		}
	}
	return removed
}

// Set makes names all that a client wants. A version that is older than the
// last changes nothing. If the client's group is exclusive, what another of it
// wants stays the other's: ended are then those that the client does not get.
func (r *Registry[W]) Set(m Member, peer mq.Peer, names []string, version int64, exclusive bool, now int64, limits Limits) (ended []Ended, err error) {
	c, err := r.client(m, now, limits)
	if err != nil {
		return nil, err
	}
	c.peer = peer
	if version != 0 && version < c.version {
		return nil, nil
	}
	wanted := make(map[string]bool, len(names))
	for _, name := range names {
		if l := r.line(name, m.Group); exclusive && c.subs[name] == nil && l != nil {
			ended = append(ended, Ended{m, name, peer})
			continue
		}
		wanted[name] = true
	}
	if err := r.room(len(wanted), len(wanted)-len(c.subs), limits); err != nil {
		return nil, err
	}
	c.version = version
	r.leaveCrowd(c)
	for name, s := range c.subs {
		if !wanted[name] {
			r.unsubscribe(s)
		}
	}
	for _, name := range names {
		if wanted[name] && c.subs[name] == nil {
			r.subscribe(c, name)
		}
	}
	return ended, nil
}

// Clear forgets a client and returns what it wanted and who waited for it.
func (r *Registry[W]) Clear(m Member) (names []string, waits []W) {
	c := r.clients[m]
	if c == nil {
		return nil, nil
	}
	names = slices.Sorted(maps.Keys(c.subs))
	for _, s := range c.subs {
		r.unsubscribe(s)
	}
	r.leaveCrowd(c)
	delete(r.clients, m)
	return names, c.waits
}

// Expire forgets the clients that were not seen since a time and do not wait.
func (r *Registry[W]) Expire(since int64) (gone []Member) {
	for m, c := range r.clients {
		if c.seen < since && len(c.waits) == 0 {
			gone = append(gone, m)
		}
	}
	for _, m := range gone {
		r.Clear(m)
	}
	return gone
}

// Appended notes that a queue has one more message, and returns who is to look:
// for each group that wants it one that waits, if any does.
func (r *Registry[W]) Appended(name string) (woken []W) {
	if len(r.crowds) > 0 {
		parent, _, _ := mq.SplitLite(name)
		for _, w := range r.crowds[parent] {
			w.push(name)
			woken = w.wake(woken)
		}
	}
	q := r.queues[name]
	if q == nil {
		return woken
	}
	for _, l := range q.lines {
		if len(l.subs) > 0 {
			woken = l.mark(woken)
		}
	}
	return woken
}

// Free notes that a group has nothing of a queue in hand any more, and with
// more set that there may be something to take.
func (r *Registry[W]) Free(name, group string, more bool) (woken []W) {
	l := r.line(name, group)
	if l != nil {
		r.calm(l)
	}
	if more {
		return r.ready(name, group, l, nil)
	}
	r.settle(l)
	return nil
}

// ready notes that there may be something to take of a queue for a group, whose
// part in it is l or nil, and adds one who waits for it to woken.
func (r *Registry[W]) ready(name, group string, l *line[W], woken []W) []W {
	r.settle(l)
	if w := r.crowdOf(name, group); w != nil {
		w.push(name)
		return w.wake(woken)
	}
	if l != nil {
		return l.mark(woken)
	}
	return woken
}

// calm ends a line's alarm.
func (r *Registry[W]) calm(l *line[W]) {
	if l.place != noPlace {
		heap.Remove(&r.alarms, l.place)
	}
	r.held, l.held = r.held-l.held, 0
}

// settle forgets a crowd's part in a queue of which it has nothing in hand.
func (r *Registry[W]) settle(l *line[W]) {
	if l != nil && len(l.subs) == 0 {
		r.drop(l)
	}
}

// mark makes a queue ready for all clients of a group that want it, and adds
// one who waits for one of them to woken.
func (l *line[W]) mark(woken []W) []W {
	for _, s := range l.subs {
		s.client.push(s)
	}
	l.turn++
	for i := range l.subs {
		c := l.subs[(int(l.turn)+i)%len(l.subs)].client
		if len(c.waits) > 0 {
			return append(woken, c.wake())
		}
	}
	return woken
}

// wake takes out who has waited longest.
func (c *client[W]) wake() W {
	w := c.waits[0]
	c.waits = slices.Delete(c.waits, 0, 1)
	return w
}

// Hold notes that a group has so many messages of a queue in hand, and that they
// are visible at due. It reports whether that is before everything else.
func (r *Registry[W]) Hold(name, group string, due int64, messages int) (sooner bool) {
	l := r.line(name, group)
	if l == nil {
		if r.crowdOf(name, group) == nil {
			return false
		}
		l = r.obtain(name, group)
	}
	r.held, l.held = r.held+messages-l.held, messages
	l.due = due
	if l.place == noPlace {
		heap.Push(&r.alarms, l)
	} else {
		heap.Fix(&r.alarms, l.place)
	}
	return l.place == 0
}

// Due makes ready what is visible again by now, and returns who is to look and
// when the next is due; 0 if nothing is.
func (r *Registry[W]) Due(now int64) (woken []W, next int64) {
	for len(r.alarms) > 0 {
		l := r.alarms[0]
		if l.due > now {
			return woken, l.due
		}
		r.calm(l)
		woken = r.ready(l.queue.name, l.group, l, woken)
	}
	return woken, 0
}

// Next takes a queue out of those that are ready for a client.
func (r *Registry[W]) Next(m Member) (name string, ok bool) {
	c := r.clients[m]
	switch {
	case c == nil || !c.hasReady():
		return "", false
	case c.crowd != nil:
		return c.crowd.take(), true
	}
	s := c.first
	c.drop(s)
	return s.line.queue.name, true
}

// hasReady reports whether there may be something for a client.
func (c *client[W]) hasReady() bool {
	return c.first != nil || c.crowd != nil && c.crowd.waiting() > 0
}

// Wait lets w wait for a client's messages. It does not if there may be some,
// or if the client is gone, and it is full if limit wait already.
func (r *Registry[W]) Wait(m Member, w W, limit int) (waits, full bool) {
	c := r.clients[m]
	switch {
	case c == nil || c.hasReady():
		return false, false
	case len(c.waits) >= limit:
		return false, true
	}
	c.waits = append(c.waits, w)
	return true, false
}

// Leave ends the waiting of w.
func (r *Registry[W]) Leave(m Member, w W) {
	if c := r.clients[m]; c != nil {
		c.waits = slices.DeleteFunc(c.waits, func(o W) bool { return o == w })
	}
}

// Pass returns who is to look in place of one that was woken and is gone: of
// the same client if another waits, otherwise of others who want what is ready.
func (r *Registry[W]) Pass(m Member) (woken []W) {
	c := r.clients[m]
	switch {
	case c == nil || !c.hasReady():
		return nil
	case len(c.waits) > 0:
		return []W{c.wake()}
	case c.crowd != nil:
		return c.crowd.wake(nil)
	}
	for s := c.first; s != nil; s = s.next {
		woken = s.line.mark(woken)
	}
	return woken
}

// More returns another that waits for a client if there is more for it.
func (r *Registry[W]) More(m Member) (woken []W) {
	switch c := r.clients[m]; {
	case c == nil || !c.hasReady():
		return nil
	case len(c.waits) > 0:
		return []W{c.wake()}
	case c.crowd != nil:
		return c.crowd.wake(nil)
	}
	return nil
}

// alarms is a heap of lines, the first due first.
type alarms[W comparable] []*line[W]

func (a alarms[W]) Len() int           { return len(a) }
func (a alarms[W]) Less(i, j int) bool { return a[i].due < a[j].due }
func (a alarms[W]) Swap(i, j int) {
	a[i], a[j] = a[j], a[i]
	a[i].place, a[j].place = i, j
}

func (a *alarms[W]) Push(x any) {
	l := x.(*line[W])
	l.place = len(*a)
	*a = append(*a, l)
}

func (a *alarms[W]) Pop() any {
	last := len(*a) - 1
	l := (*a)[last]
	(*a)[last] = nil
	*a = (*a)[:last]
	l.place = noPlace
	return l
}

// minTTL is the shortest time that a lite topic lives without traffic, whatever
// its parent says, and idleCheck how often one that lives for ever is looked at.
const (
	minTTL    = 15 * 60 * 1000 // milliseconds
	idleCheck = 24 * 3600 * 1000
)

// Expiry says whether a lite topic is over whose last message was stored at
// last, and otherwise when to look again. Times are in Unix milliseconds, ttl in
// milliseconds; below 0 it lives for ever.
func Expiry(last, ttl, now int64) (over bool, next int64) {
	if ttl < 0 {
		return false, now + idleCheck
	}
	next = last + max(ttl, minTTL)
	return next <= now, next
}
