package grpc

import (
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// When the server renews what a client has in hand, as RocketMQ's proxy does.
const (
	renewBefore  = 10 * time.Second // of the invisible time
	longestRenew = 3 * time.Hour    // since the message was received
	renewTries   = 3                // that may fail in a row
)

// extension is for how long a message is hidden by its nth renewal, from 0.
func extension(n int) time.Duration {
	steps := [...]time.Duration{time.Minute, 3 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}
	return steps[min(n, len(steps)-1)]
}

// A renewalKey is a handle as its client knows it.
type renewalKey struct{ client, group, handle string }

// A renewal is a message in hand that the server keeps hidden.
type renewal struct {
	ack      mq.Ack // with the latest receipt
	received int64  // Unix milliseconds
	times    int    // it was renewed
	failed   int    // tries since then
	busy     bool   // an order is being carried out
}

// renewals decides which messages in hand are renewed, when and for how long.
type renewals struct {
	all   map[renewalKey]*renewal
	limit int
}

// An order is what is to be done about a message.
type order struct {
	key    renewalKey
	ack    mq.Ack
	extend time.Duration
	giveUp bool // make it visible instead; it is not renewed any more
}

func newRenewals(limit int) *renewals {
	return &renewals{all: map[renewalKey]*renewal{}, limit: limit}
}

// full reports whether there is no room for more.
func (r *renewals) full() bool { return len(r.all) >= r.limit }

// add begins with a message; false if there is no room.
func (r *renewals) add(key renewalKey, a mq.Ack) bool {
	if r.full() {
		return false
	}
	r.all[key] = &renewal{ack: a, received: a.Receipt.PopTime}
	return true
}

// putBack goes on with one that was taken. Its room may be taken: then there is
// one more.
func (r *renewals) putBack(key renewalKey, was renewal) { r.all[key] = &was }

// due returns what is to be done at a time, in Unix milliseconds. Of every renewal
// begin is asked whether it is still wanted.
func (r *renewals) due(now int64) []order {
	var orders []order
	for key, one := range r.all {
		if one.busy || one.ack.Receipt.Due()-now >= renewBefore.Milliseconds() {
			continue
		}
		if one.failed >= renewTries || now-one.received >= longestRenew.Milliseconds() {
			delete(r.all, key)
			orders = append(orders, order{key: key, ack: one.ack, giveUp: true})
			continue
		}
		orders = append(orders, order{key: key, ack: one.ack, extend: extension(one.times)})
	}
	return orders
}

// begin says that an order is being carried out; it must be reported by renewed
// or notRenewed. False if it is not wanted any more.
func (r *renewals) begin(key renewalKey) bool {
	one := r.all[key]
	if one == nil || one.busy {
		return false
	}
	one.busy = true
	return true
}

// renewed says that an order was carried out, and the receipt that replaces the
// old one.
func (r *renewals) renewed(key renewalKey, latest mq.Receipt) {
	if one := r.all[key]; one != nil {
		one.ack.Receipt, one.busy, one.failed = latest, false, 0
		one.times++
	}
}

// notRenewed says that an order failed; gone, that there is nothing to renew.
func (r *renewals) notRenewed(key renewalKey, gone bool) {
	one := r.all[key]
	switch {
	case one == nil:
	case gone:
		delete(r.all, key)
	default:
		one.busy = false
		one.failed++
	}
}

// take ends a renewal and returns it, with the message's latest receipt. One that
// is busy cannot be taken.
func (r *renewals) take(key renewalKey) (was renewal, ok, busy bool) {
	one := r.all[key]
	switch {
	case one == nil:
		return was, false, false
	case one.busy:
		return was, false, true
	}
	delete(r.all, key)
	return *one, true, false
}

// takeClient ends the renewals of a client, but for those that are busy, and
// returns their messages.
func (r *renewals) takeClient(client string) []mq.Ack {
	var acks []mq.Ack
	for key, one := range r.all {
		if key.client == client && !one.busy {
			delete(r.all, key)
			acks = append(acks, one.ack)
		}
	}
	return acks
}

// takeRenewed ends those renewals whose message was renewed, but for those that
// are busy, and returns their messages: the others' handles are good without.
func (r *renewals) takeRenewed() []mq.Ack {
	var acks []mq.Ack
	for key, one := range r.all {
		if one.times > 0 && !one.busy {
			delete(r.all, key)
			acks = append(acks, one.ack)
		}
	}
	return acks
}
