package lite

import (
	"cmp"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxUnread bounds the lite topics that are ready for a group that wants all.
const maxUnread = 1 << 16

// A crowd is the clients of a group that wants all lite topics of a parent. What
// is ready is the group's, and not one client's.
type crowd[W comparable] struct {
	group, parent string
	clients       []*client[W]
	turn          uint32
	unread        []string // from next on, names of light queues in which there may be something
	next          int
	listed        map[string]bool // the same
	// A look at all lite topics is on its way when looking is set, from a place
	// on; missed says that it has to begin anew, since unread was full.
	looking, missed bool
	from            []byte
}

func (w *crowd[W]) waiting() int { return len(w.unread) - w.next }

// push lists what is ready, if there is room.
func (w *crowd[W]) push(name string) {
	switch {
	case w.listed[name]:
	case w.waiting() >= maxUnread:
		w.missed = true
	default:
		w.unread, w.listed[name] = append(w.unread, name), true
	}
}

// take takes out what has been ready longest.
func (w *crowd[W]) take() (name string) {
	name = w.unread[w.next]
	w.unread[w.next] = ""
	w.next++
	delete(w.listed, name)
	switch {
	case w.next == len(w.unread):
		w.unread, w.next = w.unread[:0], 0
	case w.next > 1024 && w.next > len(w.unread)/2:
		w.unread, w.next = append(w.unread[:0], w.unread[w.next:]...), 0
	}
	return name
}

// wake adds one who waits to woken, if any does.
func (w *crowd[W]) wake(woken []W) []W {
	w.turn++
	for i := range w.clients {
		c := w.clients[(int(w.turn)+i)%len(w.clients)]
		if len(c.waits) > 0 {
			return append(woken, c.wake())
		}
	}
	return woken
}

// crowdOf is the group's clients that want all lite topics beside a light
// queue's; nil if there are none.
func (r *Registry[W]) crowdOf(name, group string) *crowd[W] {
	if len(r.crowds) == 0 {
		return nil
	}
	parent, _, _ := mq.SplitLite(name)
	return r.crowds[parent][group]
}

// All makes a client want every lite topic of a parent, also those to come. What
// is there already shows when it is looked through; see Look.
func (r *Registry[W]) All(m Member, peer mq.Peer, parent string, now int64, limits Limits) error {
	c, err := r.client(m, now, limits)
	if err != nil {
		return err
	}
	c.peer = peer
	if c.crowd != nil && c.crowd.parent == parent {
		return nil
	}
	if err := r.room(1, 1, Limits{All: limits.All}); err != nil {
		return err
	}
	r.leaveCrowd(c)
	for _, s := range c.subs {
		r.unsubscribe(s)
	}
	groups := r.crowds[parent]
	if groups == nil {
		groups = map[string]*crowd[W]{}
		r.crowds[parent] = groups
	}
	w := groups[m.Group]
	if w == nil {
		w = &crowd[W]{group: m.Group, parent: parent, listed: map[string]bool{}, missed: true}
		groups[m.Group] = w
	}
	w.clients = append(w.clients, c)
	c.crowd = w
	r.subs++
	return nil
}

// leaveCrowd ends that a client wants every lite topic.
func (r *Registry[W]) leaveCrowd(c *client[W]) {
	w := c.crowd
	if w == nil {
		return
	}
	c.crowd = nil
	r.subs--
	for i := range w.clients {
		if w.clients[i] == c {
			w.clients = append(w.clients[:i], w.clients[i+1:]...)
			break
		}
	}
	if len(w.clients) > 0 {
		return
	}
	delete(r.crowds[w.parent], w.group)
	if len(r.crowds[w.parent]) == 0 {
		delete(r.crowds, w.parent)
	}
}

// A Look is a part of the lite topics of a parent to look through for a group.
type Look struct {
	Group, Parent string
	From          []byte // where the last look ended; nil at the beginning
}

// Look says what to look through next; nothing if ok is false.
func (r *Registry[W]) Look() (l Look, ok bool) {
	for _, groups := range r.crowds {
		for _, w := range groups {
			if w.wantsLook() {
				return Look{w.group, w.parent, w.from}, true
			}
		}
	}
	return Look{}, false
}

// Looks reports whether Look would say something for a client's group.
func (r *Registry[W]) Looks(m Member) bool {
	c := r.clients[m]
	return c != nil && c.crowd != nil && c.crowd.wantsLook()
}

func (w *crowd[W]) wantsLook() bool {
	if w.waiting() > maxUnread/2 {
		return false
	}
	if !w.looking && w.missed {
		w.looking, w.missed, w.from = true, false, nil
	}
	return w.looking
}

// Looked ends a look: names are light queues in which the group may find
// something, next is where the look ended, nil at the end of all.
func (r *Registry[W]) Looked(l Look, names []string, next []byte) (woken []W) {
	w := r.crowds[l.Parent][l.Group]
	if w == nil {
		return nil
	}
	for _, name := range names {
		w.push(name)
		woken = w.wake(woken)
	}
	w.from, w.looking = next, next != nil
	return woken
}

// LookAgain has everything looked through once more that a group, or (client not
// empty) a client of it, wants.
func (r *Registry[W]) LookAgain(group, client string) (woken []W) {
	for m, c := range r.clients {
		if m.Group != group || client != "" && m.Client != client {
			continue
		}
		if c.crowd != nil {
			c.crowd.missed = true
		}
		for _, s := range c.subs {
			c.push(s)
		}
		if c.first != nil && len(c.waits) > 0 {
			woken = append(woken, c.wake())
		}
	}
	return woken
}

// Stats are figures of a registry.
type Stats struct {
	Subscriptions int
	Held          int // queues of which a group has something in hand
	Ready         int // clients for which there may be something
}

// Stats looks at every client.
func (r *Registry[W]) Stats() Stats {
	s := Stats{Subscriptions: r.subs, Held: len(r.alarms)}
	for _, c := range r.clients {
		if c.hasReady() {
			s.Ready++
		}
	}
	return s
}

// Subscribers are who wants a light queue, which is one of the parent's. A group
// that wants all is one member, of the client "*".
func (r *Registry[W]) Subscribers(name, parent string) (all []Member) {
	if q := r.queues[name]; q != nil {
		for _, l := range q.lines {
			for _, s := range l.subs {
				all = append(all, s.client.Member)
			}
		}
	}
	for group := range r.crowds[parent] {
		all = append(all, Member{group, "*"})
	}
	slices.SortFunc(all, func(a, b Member) int { return cmp.Or(cmp.Compare(a.Group, b.Group), cmp.Compare(a.Client, b.Client)) })
	return all
}

// Wants is what a client wants, at most limit of it, how much that is, and when
// the client was seen. Of one that wants all it is the parent and group, with @.
func (r *Registry[W]) Wants(m Member, limit int) (names []string, count int, seen int64, ok bool) {
	c := r.clients[m]
	if c == nil {
		return nil, 0, 0, false
	}
	if c.crowd != nil {
		return []string{c.crowd.parent + "@" + m.Group}, 1, c.seen, true
	}
	for name := range c.subs {
		if len(names) >= limit {
			break
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names, len(c.subs), c.seen, true
}
