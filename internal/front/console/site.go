package console

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
)

const (
	// sampleEvery is how often brokers are asked how they are.
	sampleEvery = fineStep * time.Second
	// watchedFor is how long a site counts as watched after a request, and
	// keptFor how long its list of topics stays in memory.
	watchedFor, keptFor = time.Minute, 10 * time.Minute
	// sleepAfter is how long after the last request groups are watched, so that
	// their lag over time is there for who looks again.
	sleepAfter = coarseSpan * time.Second
	// freshFor is how old lists of a watched site become, and idleFor those of
	// one that nobody looks at. Lists that cost much are made less often.
	freshFor, idleFor = 5 * time.Second, time.Minute
	// costShare is how many times what it costs to make them lists are used.
	costShare = 20
	// refreshTime bounds making the lists.
	refreshTime = time.Minute
)

// A site is a set of name servers with what is known of the clusters behind, as
// one user sees it: requests to brokers are signed with that user's name.
type site struct {
	*watched
	admin  *admin.Cluster
	remote *remote.Cluster
	user   string // empty if requests are not signed
	lent   bool   // its eyes are those of somebody who happened to log in
}

// What is watched of a site is the same for all users. One goroutine samples
// brokers, one makes the lists, some look at groups, all through eyes.
type watched struct {
	name     string
	namesrvs []string
	tls      *tls.Config
	keys     *remote.Keys
	log      *slog.Logger
	eyes     atomic.Pointer[site]

	used    atomic.Int64 // Unix nanoseconds of the last request
	brokers atomic.Pointer[brokerTable]
	lists   atomic.Pointer[lists]
	asks    chan chan struct{} // of who waits for fresh lists

	// patching guards patches and every change of lists.
	patching sync.Mutex
	patches  []patch // since the lists that are being made were begun

	states  states
	owners  owners
	history history
	rates   rates
	dead    deadCounts
}

// lists are what brokers have, as of a time. They are never changed.
type lists struct {
	at        time.Time
	cost      time.Duration // of making them
	masters   []admin.Broker
	topics    topicTable
	kinds     map[string]int // how many topics there are of each
	hasTopics bool           // else nobody looked at the site for long
	groups    groupTable
	producers []producerRow
	problems  []string
	versions  map[string]mq.DataVersion // of the topics, by broker's address
}

// A patch is a change of the console's own that lists which were begun earlier
// do not have.
type patch struct {
	topic *topicRow // as it is now
	name  string
}

// newSite prepares a site, and the eyes that watch it.
func (c *Console) newSite(o Site) (*watched, error) {
	w := &watched{
		name: o.Name, namesrvs: o.Namesrvs, tls: o.TLS, keys: remote.NewKeys(), log: c.o.Log,
		asks: make(chan chan struct{}), states: newStates(), owners: newOwners(), history: newHistory(), rates: newRates(),
	}
	s, err := w.as(o.Credentials)
	w.eyes.Store(s)
	return w, err
}

// as is the site as a user sees it.
func (w *watched) as(who rpc.Credentials) (*site, error) {
	cluster, err := admin.Dial(admin.Options{Namesrvs: w.namesrvs, TLS: w.tls, Credentials: who})
	if err != nil {
		return nil, err
	}
	far, err := remote.Dial(remote.Options{NameServers: w.namesrvs, TLS: w.tls, Credentials: who, Log: w.log})
	if err != nil {
		cluster.Close()
		return nil, err
	}
	return &site{watched: w, admin: cluster, remote: far, user: who.AccessKey}, nil
}

func (s *site) close() {
	s.admin.Close()
	s.remote.Close()
}

// lend has a site watched with the eyes of a user who has logged in, if nobody
// else's see it.
func (w *watched) lend(who rpc.Credentials) {
	old := w.eyes.Load()
	if l := w.lists.Load(); old.user != "" && (!old.lent || l == nil || len(l.problems) == 0) {
		return
	}
	next, err := w.as(who)
	if err != nil {
		return // what is wrong with the name servers was said at the start
	}
	next.lent = true
	w.eyes.Store(next)
	old.close()
}

// touch says that somebody looks at the site.
func (w *watched) touch() { w.used.Store(time.Now().UnixNano()) }

// unused is for how long nobody has.
func (w *watched) unused() time.Duration { return time.Since(time.Unix(0, w.used.Load())) }

// asleep reports whether nobody has looked at the site for so long that nothing
// but its brokers is watched.
func (w *watched) asleep() bool { return w.unused() > sleepAfter }

// run keeps the site up to date until ctx ends.
func (w *watched) run(ctx context.Context) {
	var wg sync.WaitGroup
	wg.Go(func() { w.sampleBrokers(ctx) })
	wg.Go(func() { w.keepLists(ctx) })
	wg.Go(func() { w.keepStates(ctx) })
	wg.Wait()
}

// fresh waits for lists that are made from now on, or the end of ctx.
func (w *watched) fresh(ctx context.Context) {
	done := make(chan struct{})
	select {
	case w.asks <- done:
	case <-ctx.Done():
		return
	}
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// keepLists makes the lists when they are old, and when somebody asks.
func (w *watched) keepLists(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		var waiting []chan struct{}
		if !w.due() {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
				continue
			case w := <-w.asks:
				waiting = append(waiting, w)
			}
		}
		for more := true; more; {
			select {
			case w := <-w.asks:
				waiting = append(waiting, w)
			default:
				more = false
			}
		}
		if ctx.Err() != nil {
			return
		}
		w.eyes.Load().refresh(ctx)
		for _, w := range waiting {
			close(w)
		}
	}
}

// due reports whether the lists have to be made anew.
func (w *watched) due() bool {
	if w.asleep() {
		return false
	}
	l := w.lists.Load()
	if l == nil {
		return true
	}
	watched := w.unused() < watchedFor
	wanted := idleFor
	if watched {
		wanted = freshFor
	}
	return watched && !l.hasTopics || time.Since(l.at) > max(wanted, costShare*l.cost)
}

// refresh makes the lists. What cannot be asked stays as it was.
func (s *site) refresh(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, refreshTime)
	defer cancel()
	s.patching.Lock()
	s.patches = nil
	s.patching.Unlock()
	start := time.Now()
	old := s.lists.Load()
	if old == nil {
		old = &lists{}
	}
	next := &lists{at: start}
	brokers, err := s.admin.Brokers(ctx)
	if err != nil {
		next = s.failed(old, start, err)
	} else {
		for _, b := range brokers {
			if b.ID == 0 {
				next.masters = append(next.masters, b)
			}
		}
		s.listTopics(ctx, old, next, brokers)
		s.listGroups(ctx, old, next)
		s.listProducers(ctx, next)
	}
	if ctx.Err() != nil && old.masters != nil {
		next = s.failed(old, start, ctx.Err())
	}
	next.cost = time.Since(start)
	s.patching.Lock()
	defer s.patching.Unlock()
	for _, p := range s.patches {
		next.topics = next.topics.with(p.name, p.topic)
	}
	next.kinds = next.topics.kinds()
	s.lists.Store(next)
	s.states.keep(next.groups)
}

// failed is what was known before, with the reason why nothing new is.
func (s *site) failed(old *lists, at time.Time, err error) *lists {
	next := *old
	next.at, next.problems, next.versions = at, []string{err.Error()}, nil
	return &next
}

func (l *lists) problem(b admin.Broker, what string, err error) {
	l.problems = append(l.problems, fmt.Sprintf("%s of broker %s cannot be listed: %v", what, b.Name, err))
}

// listTopics asks every master for its topics, unless none has changed them.
func (s *site) listTopics(ctx context.Context, old, next *lists, brokers []admin.Broker) {
	if s.unused() > keptFor {
		return
	}
	next.hasTopics, next.versions = true, map[string]mq.DataVersion{}
	got := make([][]mq.Topic, len(next.masters))
	same := old.hasTopics && len(next.masters) == len(old.versions)
	for i, b := range next.masters {
		topics, version, err := s.admin.TopicsOf(ctx, b.Addr, old.versions[b.Addr])
		if err != nil {
			next.problem(b, "topics", err)
			same = false
			continue
		}
		got[i], next.versions[b.Addr] = topics, version
		same = same && topics == nil
	}
	if same {
		next.topics = old.topics
		return
	}
	m := newTableMaker(brokers)
	for i, b := range next.masters {
		topics := got[i]
		if _, known := next.versions[b.Addr]; known && topics == nil {
			var err error
			if topics, next.versions[b.Addr], err = s.admin.TopicsOf(ctx, b.Addr, mq.DataVersion{}); err != nil {
				next.problem(b, "topics", err)
				delete(next.versions, b.Addr)
				continue
			}
		}
		for j := range topics {
			m.add(b, &topics[j])
		}
	}
	next.topics = m.table()
}

func (s *site) listGroups(ctx context.Context, old, next *lists) {
	got := make([]groupList, len(next.masters))
	failed := 0
	for i, b := range next.masters {
		var err error
		if got[i].groups, got[i].forbidden, err = s.admin.GroupsOf(ctx, b.Addr); err != nil {
			next.problem(b, "groups", err)
			failed++
		}
	}
	next.groups = newGroupTable(next.masters, got)
	if failed > 0 && failed == len(next.masters) {
		next.groups = old.groups
	}
}

// topicChanged brings a topic that was changed by a request up to date.
func (s *site) topicChanged(ctx context.Context, name string) {
	brokers, err := s.admin.Brokers(ctx)
	if err != nil {
		return // the next lists will tell
	}
	m := newTableMaker(brokers)
	for _, b := range brokers {
		if b.ID != 0 {
			continue
		}
		if t, err := s.admin.Topic(ctx, b.Addr, name); err == nil {
			m.add(b, &t)
		}
	}
	s.remote.Forget(name)
	s.patching.Lock()
	defer s.patching.Unlock()
	s.patches = append(s.patches, patch{m.rows[name], name})
	if old := s.lists.Load(); old != nil && old.hasTopics {
		next := *old
		next.topics = old.topics.with(name, m.rows[name])
		next.kinds = next.topics.kinds()
		s.lists.Store(&next)
	}
}

// changeTime bounds how long a request waits for lists with its own change.
const changeTime = 5 * time.Second

// groupsChanged brings the list of groups up to date after a change.
func (w *watched) groupsChanged(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, changeTime)
	defer cancel()
	w.fresh(ctx)
}
