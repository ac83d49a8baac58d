package broker

import (
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// popLimited pops what the limits of the client, the group and the topic allow,
// what comes back to the group included. errSlow if there is something and its share is not
// there yet, or belongs to those who wait already.
func (b *Broker) popLimited(w *waiting, x *popping) error {
	u, by, s := x.p.use, w.visit(), w.share
	w.share = nil
	if s == nil && !b.throttle.busy(u, by, b.rates.limits(u)) {
		if got, wait, _ := b.rates.take(u, by, b.wantedBy(w), true); wait == 0 {
			s = &got
		}
	}
	if s == nil && b.anything(&w.pop.request) {
		return errSlow
	}
	if s == nil {
		x.run() // to learn until when it has to wait
		b.rates.owe(u, by, len(x.batch.Messages), x.bytes)
		return nil
	}
	x.most.messages, x.most.bytes = s.most(x.most.messages, x.most.bytes)
	x.run()
	b.settle(s, len(x.batch.Messages), x.bytes)
	return nil
}

// wantedBy is how many messages a request asks for. A pop that only looks needs
// the share of one, and gives it back.
func (b *Broker) wantedBy(w *waiting) int {
	switch {
	case w.pop == nil:
		return b.wanted(&w.request)
	case w.pop.look:
		return 1
	}
	return w.pop.request.MaxMessages
}

// settle says how much of a share was used, and lets others have the rest.
func (b *Broker) settle(s *ration, messages, bytes int) {
	s.settle(messages, bytes)
	if b.throttle.count.Load() > 0 {
		notify(b.throttle.sooner)
	}
}

// giveBackShare gives back what was set aside for a request that does not read.
func (b *Broker) giveBackShare(w *waiting) {
	if w.share != nil {
		b.settle(w.share, 0, 0)
		w.share = nil
	}
}

// slowPop lets a pop wait for its share, as long as it would wait for messages.
func (b *Broker) slowPop(w *waiting) {
	w.pop.slow, w.deadline = true, w.pop.until
	switch {
	case w.pop.request.Wait <= 0 || b.closing.Load() || !time.Now().Before(w.deadline):
		b.missPop(w, mq.PopNothing)
		return
	case b.throttle.pops.Load()+b.parking.pops.Load() >= int64(b.opts().MaxWaitingPops):
		b.missPop(w, mq.PopFull)
		return
	}
	b.throttle.park(w)
	// Run may have emptied the throttle before.
	if b.closing.Load() && b.throttle.take(w) {
		b.missPop(w, mq.PopNothing)
	}
}
