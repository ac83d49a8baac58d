package console

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
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
	who    rpc.Credentials // of nobody if requests are not signed
	lender *session        // whose eyes these are, if of somebody who happened to log in
}

// What is watched of a site is the same for all users. One goroutine samples
// brokers, one makes the lists, some look at groups, all through eyes.
type watched struct {
	name     string
	namesrvs []string
	tls      *tls.Config
	keys     *remote.Keys
	log      *slog.Logger
	behalf   func(user string, from netip.Addr) (text, proof string) // see Site

	lending sync.Mutex      // held while eyes are changed
	own     rpc.Credentials // whose eyes they are while nobody's are lent
	eyes    atomic.Pointer[site]

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
	todays  todays
}

// newSite prepares a site, and the eyes that watch it.
func (c *Console) newSite(o Site) (*watched, error) {
	w := &watched{
		name: o.Name, namesrvs: o.Namesrvs, tls: o.TLS, keys: remote.NewKeys(), log: c.o.Log, behalf: o.Behalf, own: o.Credentials,
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
	return &site{watched: w, admin: cluster, remote: far, who: who}, nil
}

func (s *site) close() {
	s.admin.Close()
	s.remote.Close()
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
