package console

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/wire"
)

const (
	// lookers is how many groups are looked at at the same time.
	lookers = 4
	// lookPause and idleLookPause lie between looks at two groups, while the
	// site is watched and while it is not.
	lookPause, idleLookPause = 10 * time.Millisecond, 50 * time.Millisecond
	// stateFor is how old what is known of a group becomes before it is looked
	// at again, idleStateFor if the site is not watched, shownFor if it is on
	// somebody's page.
	stateFor, idleStateFor, shownFor = 30 * time.Second, time.Minute, 4 * time.Second
	// lookTime bounds the look at a group.
	lookTime = 10 * time.Second
	// maxWished bounds the groups that are to be looked at first.
	maxWished = 2 * maxPage
	// maxPeeks is in how many queues of a group the oldest waiting message is
	// looked at.
	maxPeeks = 8
)

// A groupState is how a group does. It is never changed.
type groupState struct {
	at            time.Time
	clients       []admin.Client
	members       []consumerRow // the clients as lists have them
	typ, model    string
	subscriptions []admin.Subscription
	lag           int64
	lagSeconds    float64 // age of its oldest message not consumed; -1 if that is not known
	tps           float64
	topics        map[string]int64 // its lag in each
	peeked        map[queueKey]peeked
	problem       string
}

// states are what is known of groups, and whom to look at next.
type states struct {
	mu     sync.Mutex // guards what follows
	all    map[string]*groupState
	wished []string      // to look at first
	news   chan struct{} // closed with the next set
	wish   chan struct{}
}

func newStates() states {
	return states{all: map[string]*groupState{}, news: make(chan struct{}), wish: make(chan struct{}, 1)}
}

// get is what is known of a group; nil if nothing is.
func (s *states) get(group string) *groupState {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.all[group]
}

func (s *states) set(group string, g *groupState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[group] = g
	close(s.news)
	s.news = make(chan struct{})
}

// missing reports whether nothing is known of one of some groups, and when to
// ask again.
func (s *states) missing(groups []string) (bool, <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.ContainsFunc(groups, func(name string) bool { return s.all[name] == nil }), s.news
}

// keep forgets groups that are no more.
func (s *states) keep(t groupTable) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.all {
		if t.find(name) == nil {
			delete(s.all, name)
		}
	}
}

// show wants groups that somebody looks at to be looked at first.
func (s *states) show(groups []string) {
	s.mu.Lock()
	for _, name := range groups {
		g := s.all[name]
		if (g == nil || time.Since(g.at) > shownFor) && len(s.wished) < maxWished && !slices.Contains(s.wished, name) {
			s.wished = append(s.wished, name)
		}
	}
	s.mu.Unlock()
	select {
	case s.wish <- struct{}{}:
	default:
	}
}

// next is whom to look at: one that is on a page, or the next of the table
// from a place on of which nothing is known that is younger than old. Empty
// means nobody.
func (s *states) next(t groupTable, from int, old time.Duration) (group string, then int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.wished) > 0 {
		group, s.wished = s.wished[0], s.wished[1:]
		return group, from
	}
	for i := range t {
		at := (from + i) % len(t)
		if g := s.all[t[at].name]; g == nil || time.Since(g.at) > old {
			return t[at].name, at + 1
		}
	}
	return "", from
}

// each goes through what is known, as of now.
func (s *states) each(do func(group string, g *groupState)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, g := range s.all {
		do(name, g)
	}
}

// keepStates looks at one group after the other until ctx ends.
func (w *watched) keepStates(ctx context.Context) {
	var wg sync.WaitGroup
	defer wg.Wait()
	room := make(chan struct{}, lookers)
	from := 0
	for ctx.Err() == nil {
		group, pause, old := "", time.Second, stateFor
		if w.unused() > watchedFor {
			old = idleStateFor
		}
		if l := w.lists.Load(); l != nil && !w.asleep() {
			group, from = w.states.next(l.groups, from, old)
		}
		if group != "" {
			select {
			case room <- struct{}{}:
			case <-ctx.Done():
				return
			}
			wg.Go(func() {
				defer func() { <-room }()
				w.eyes.Load().look(ctx, group)
			})
			pause = idleLookPause
			if w.unused() < watchedFor {
				pause = lookPause
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		case <-w.states.wish:
		}
	}
}

// await has groups looked at that are on somebody's page, and waits a moment for
// those of which nothing is known.
func (w *watched) await(ctx context.Context, groups []string) {
	ctx, cancel := context.WithTimeout(ctx, firstTime)
	defer cancel()
	w.states.show(groups)
	for {
		missing, news := w.states.missing(groups)
		if !missing {
			return
		}
		select {
		case <-news:
		case <-ctx.Done():
			return
		}
	}
}

// look finds out how a group does.
func (s *site) look(ctx context.Context, group string) *groupState {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	g := &groupState{at: time.Now(), lagSeconds: -1, topics: map[string]int64{}, peeked: map[queueKey]peeked{}}
	before := s.states.get(group)
	if before == nil {
		before = &groupState{}
	}
	if l := s.lists.Load(); l != nil {
		waiting := s.lookAround(ctx, l.masters, group, g)
		if g.lag == 0 && g.problem == "" {
			g.lagSeconds = 0
		} else {
			g.lagSeconds = s.oldest(ctx, waiting, before.peeked, g.peeked)
		}
	}
	g.members = g.consumers(group)
	if ctx.Err() == nil {
		s.states.set(group, g)
	}
	return g
}

// lookAround asks the masters about a group, some at the same time, and adds up
// what they say. A broker that did not say a moment ago how it is is not asked.
func (s *site) lookAround(ctx context.Context, masters []admin.Broker, group string, g *groupState) (waiting []waitingQueue) {
	parts := make([]groupPart, len(masters))
	errs := make([]error, len(masters))
	_ = each(ctx, len(masters), func(ctx context.Context, i int) error { // each error is looked at
		if why := s.silent(masters[i].Addr); why != "" {
			errs[i] = errors.New(why)
			return nil
		}
		parts[i], errs[i] = s.lookAt(ctx, masters[i], group)
		return nil
	})
	for i, b := range masters {
		if errs[i] != nil && ctx.Err() == nil {
			g.problem = fmt.Sprintf("broker %s: %v", b.Name, errs[i])
		}
		waiting = append(waiting, g.add(&parts[i], b)...)
	}
	return waiting
}

// A groupPart is what one broker knows of a group.
type groupPart struct {
	members  *admin.Consumers // nil if nobody is there
	progress []admin.Progress
	tps      float64
}

// lookAt asks one broker about a group.
func (s *site) lookAt(ctx context.Context, b admin.Broker, group string) (part groupPart, err error) {
	at := admin.Target{Addr: b.Addr}
	part.members, err = s.admin.Consumers(ctx, at, group)
	if err != nil && !errors.Is(err, mq.ErrNotOnline) {
		return part, err
	}
	part.progress, part.tps, err = s.admin.GroupProgress(ctx, at, group, "")
	if code, refused := refusalOf(err); refused && code == wire.CodeSubscriptionGroupNotExist {
		err = nil
	}
	return part, err
}

// add puts in what one broker knows, and returns the queues that wait there.
func (g *groupState) add(part *groupPart, b admin.Broker) (waiting []waitingQueue) {
	if m := part.members; m != nil {
		g.typ, g.model, g.subscriptions = m.Type, m.Model, m.Subscriptions
		for _, c := range m.Clients {
			if !slices.ContainsFunc(g.clients, func(x admin.Client) bool { return x.ID == c.ID }) {
				g.clients = append(g.clients, c)
			}
		}
	}
	g.tps += part.tps
	for _, p := range part.progress {
		lag := max(0, p.Lag)
		g.lag += lag
		g.topics[p.Topic] += lag
		if lag > 0 {
			waiting = append(waiting, waitingQueue{remote.Queue{Queue: mq.Queue{Topic: p.Topic, ID: p.Queue}, Broker: b.Name, Addr: b.Addr}, p.Committed, p.Last})
		}
	}
	return waiting
}

// A waitingQueue has messages that a group did not consume yet.
type waitingQueue struct {
	queue     remote.Queue
	committed int64
	last      time.Time // store time of the last message consumed; zero if not known
}

// oldest is the age in seconds of the oldest message that waits, -1 if it
// cannot be told. A message that waits is not older than the last consumed one
// of its queue, so those whose last one is oldest are looked at first. What was
// read before of a queue holds as long as the group has not moved there.
func (s *site) oldest(ctx context.Context, waiting []waitingQueue, before, seen map[queueKey]peeked) float64 {
	slices.SortFunc(waiting, func(a, b waitingQueue) int { return a.last.Compare(b.last) })
	found := -1.0
	for i, w := range waiting {
		if i == maxPeeks || !w.last.IsZero() && found >= time.Since(w.last).Seconds() {
			break
		}
		key := queueKey{w.queue.Topic, w.queue.Broker, w.queue.ID}
		p, known := before[key]
		if !known || p.committed != w.committed {
			stored, ok := s.peek(ctx, w.queue, w.committed)
			if !ok {
				continue
			}
			p = peeked{w.committed, stored}
		}
		seen[key] = p
		found = max(found, age(p.stored))
	}
	return found
}

// peeked is when the message was stored that a group is to consume next.
type peeked struct {
	committed int64
	stored    time.Time
}

// age is for how many seconds something has been stored.
func age(stored time.Time) float64 { return max(0, time.Since(stored).Seconds()) }

// peek is when the first message from an offset on was stored.
func (s *site) peek(ctx context.Context, q remote.Queue, from int64) (stored time.Time, ok bool) {
	for range 2 {
		got, err := s.remote.Pull(ctx, remote.Pull{Queue: q, Group: mq.GroupTools, From: mq.QueueOffset(from), Max: 1})
		if err != nil {
			return time.Time{}, false
		}
		if len(got.Records) > 0 {
			return time.UnixMilli(got.Records[0].StoreTime), true
		}
		if int64(got.Next) == from {
			break
		}
		from = int64(got.Next) // retention has removed what was there
	}
	return time.Time{}, false
}
