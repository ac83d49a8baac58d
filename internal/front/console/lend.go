package console

import (
	"context"
	"time"
)

// sweepEvery is how often sessions are looked at whose time may be over.
const sweepEvery = time.Minute

// lend has a site watched with the eyes of a user who has logged in, if nobody
// else's see it.
func (w *watched) lend(s *session) {
	w.lending.Lock()
	defer w.lending.Unlock()
	old := w.eyes.Load()
	fixed := old.lender == nil && old.who.AccessKey != ""
	if l := w.lists.Load(); fixed || old.lender != nil && old.lender.ctx.Err() == nil && (l == nil || len(l.problems) == 0) {
		return
	}
	w.see(s)
}

// takeBack ends eyes that a session lent which has ended: those of another
// session take their place, or nobody's.
func (w *watched) takeBack(other func() *session) {
	w.lending.Lock()
	defer w.lending.Unlock()
	if by := w.eyes.Load().lender; by != nil && by.ctx.Err() != nil {
		w.see(other())
	}
}

// see changes the eyes to a session's, or to the site's own for nil. w.lending is
// held.
func (w *watched) see(s *session) {
	who := w.own
	if s != nil {
		who = s.who
	}
	next, err := w.as(who)
	if err != nil {
		return // what is wrong with the name servers was said at the start
	}
	next.lender = s
	old := w.eyes.Swap(next)
	old.close()
}

// keepSessions ends sessions when their time is over or their user may not come
// in any more, and takes back what they lent, until ctx ends.
func (c *Console) keepSessions(ctx context.Context) {
	if c.o.Access == nil {
		return
	}
	tick := time.NewTicker(sweepEvery)
	defer tick.Stop()
	for {
		changed := c.o.Access.Changed()
		for _, user := range c.sessions.sweep(c.o.Access.Is) {
			c.o.Log.Info("a session of the console ended: its user's password is another, or the user may not come in", "user", user)
		}
		for _, w := range c.sites {
			w.takeBack(c.sessions.last)
		}
		select {
		case <-changed:
		case <-c.sessions.ended:
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}
