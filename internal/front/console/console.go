package console

import (
	"context"
	"crypto/rand"
	"net/http"
	"sync"

	"github.com/goddardmq/goddard/internal/front/console/web"
)

// A Console answers HTTP requests about clusters.
type Console struct {
	o        Options
	sites    []*watched
	pages    http.Handler
	sessions *sessions
	csrf     string        // of everybody who has not logged in
	tails    chan struct{} // room for live tails
	jobs     jobs
	h        http.Handler

	// ctx ends with Run, and with it tails and jobs.
	ctx context.Context
	end context.CancelFunc
	// starting guards the beginning of work, which ends with ctx.
	starting sync.Mutex
	work     sync.WaitGroup // of jobs and what requests leave behind
}

// start has something done beside requests; false if the console is ending.
func (c *Console) start(do func(context.Context)) bool {
	c.starting.Lock()
	defer c.starting.Unlock()
	if c.ctx.Err() != nil {
		return false
	}
	c.work.Go(func() { do(c.ctx) })
	return true
}

// stop ends what start began, and waits for it.
func (c *Console) stop() {
	c.starting.Lock()
	c.end()
	c.starting.Unlock()
	c.work.Wait()
}

// New checks the options and prepares everything; nothing is asked of a cluster
// before Run.
func New(o Options) (*Console, error) {
	o = o.WithDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	c := &Console{
		o: o, sessions: newSessions(), csrf: rand.Text(), tails: make(chan struct{}, o.MaxTails), jobs: newJobs(),
	}
	var err error
	if c.pages, err = web.Handler(); err != nil {
		return nil, err
	}
	sites, err := o.sites()
	if err != nil {
		return nil, err
	}
	for _, s := range sites {
		at, err := c.newSite(s)
		if err != nil {
			c.close()
			return nil, err
		}
		c.sites = append(c.sites, at)
	}
	c.ctx, c.end = context.WithCancel(context.Background())
	c.h = c.handler()
	return c, nil
}

// ServeHTTP answers a request: below /api/ the API, else a page.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.h.ServeHTTP(w, r) }

// Run keeps what is known of the sites up to date until ctx ends. Then tails
// and jobs are stopped, and it returns when all its goroutines have ended.
func (c *Console) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	for _, s := range c.sites {
		wg.Go(func() { s.run(ctx) })
	}
	wg.Go(func() { c.keepSessions(ctx) })
	<-ctx.Done()
	c.stop()
	wg.Wait()
	c.close()
	return nil
}

// Close gives up a console that will not Run.
func (c *Console) Close() error {
	c.stop()
	c.close()
	return nil
}

func (c *Console) close() {
	for _, w := range c.sites {
		w.eyes.Load().close()
	}
	c.sessions.endAll()
}
