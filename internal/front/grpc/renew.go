package grpc

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// renewing carries out what renewals decides. Nothing of it survives a restart:
// what was renewed is given back at the end, or after a kill comes back when its
// invisible time is over.
type renewing struct {
	// mu guards both; nothing else is locked and nothing blocks while it is
	// held. idle is signalled when a renewal was carried out.
	mu   sync.Mutex
	idle *sync.Cond
	core *renewals
}

func newRenewing(limit int) *renewing {
	r := &renewing{core: newRenewals(limit)}
	r.idle = sync.NewCond(&r.mu)
	return r
}

// full reports whether there is no room for more.
func (r *renewing) full() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.core.full()
}

// add begins with a message; false if there is no room.
func (r *renewing) add(key renewalKey, a mq.Ack) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.core.add(key, a)
}

// putBack goes on with one that was taken.
func (r *renewing) putBack(key renewalKey, was renewal) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.core.putBack(key, was)
}

// take ends a renewal, having waited for the broker if it is just being carried
// out, and returns it with the latest receipt; false if there is none.
func (r *renewing) take(key renewalKey) (renewal, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		was, ok, busy := r.core.take(key)
		if !busy {
			return was, ok
		}
		r.idle.Wait()
	}
}

// renew does what is due.
func (s *Server) renew(ctx context.Context, now time.Time) {
	r := s.renewing
	r.mu.Lock()
	orders := r.core.due(now.UnixMilli())
	r.mu.Unlock()
	for _, o := range orders {
		if o.giveUp {
			s.log.Info("a message is not renewed any longer; it is delivered again", "group", o.ack.Group, "topic", o.ack.Topic, "client", o.key.client)
			s.makeVisible(o.ack)
			continue
		}
		r.mu.Lock()
		wanted := r.core.begin(o.key)
		r.mu.Unlock()
		if !wanted {
			continue
		}
		latest, err := s.broker.ChangeInvisible(context.WithoutCancel(ctx), o.ack, o.extend, true)
		r.mu.Lock()
		if err == nil {
			r.core.renewed(o.key, latest)
		} else {
			r.core.notRenewed(o.key, errors.Is(err, mq.ErrNotFound))
		}
		r.idle.Broadcast()
		r.mu.Unlock()
		if s.clients.find(o.key.client) == nil { // it left meanwhile
			s.giveUpRenewals(o.key.client)
		}
	}
}

// giveUpRenewals makes visible what is renewed for a client.
func (s *Server) giveUpRenewals(client string) {
	s.renewing.mu.Lock()
	acks := s.renewing.core.takeClient(client)
	s.renewing.mu.Unlock()
	for _, a := range acks {
		s.makeVisible(a)
	}
}

// giveUpRenewed makes visible what was renewed, for nobody knows the handles of
// it after a restart. What it has no time for comes back by itself.
func (s *Server) giveUpRenewed() {
	s.renewing.mu.Lock()
	acks := s.renewing.core.takeRenewed()
	s.renewing.mu.Unlock()
	for begun := time.Now(); len(acks) > 0 && time.Since(begun) < s.o.Drain; acks = acks[1:] {
		s.makeVisible(acks[0])
	}
}
