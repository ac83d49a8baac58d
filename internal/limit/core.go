package limit

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rate"
)

// each is the name of a rule that is on each of many by itself.
const each = "*"

// maxUser bounds a user's name, in bytes.
const maxUser = 255

// A key names a rule.
type key struct{ scope, name string }

// A kind is something that can be limited.
type kind uint8

const (
	sendMessages kind = iota
	sendBytes
	requests
	consumeMessages
	consumeBytes
	connections
	kinds
)

const (
	refusable = consumeMessages // the kinds of which too much is refused and not slowed
	rates     = connections     // the kinds that are counted per second
)

// amounts are figures by kind.
type amounts [kinds]int64

// amountsOf are what a rule allows.
func amountsOf(r *mq.LimitRule) amounts {
	return amounts{
		sendMessages: r.SendMessages, sendBytes: r.SendBytes, requests: r.Requests,
		consumeMessages: r.ConsumeMessages, consumeBytes: r.ConsumeBytes, connections: r.Connections,
	}
}

func (a amounts) public() mq.LimitAmounts {
	return mq.LimitAmounts{
		SendMessages: a[sendMessages], SendBytes: a[sendBytes], Requests: a[requests],
		ConsumeMessages: a[consumeMessages], ConsumeBytes: a[consumeBytes], Connections: a[connections],
	}
}

// normal is a rule as it is kept, or what is wrong with it.
func normal(r mq.LimitRule) (mq.LimitRule, error) {
	name, _, err := normalName(r.Scope, r.Name)
	if err != nil {
		return r, err
	}
	r.Name = name
	all := amountsOf(&r)
	if all == (amounts{}) {
		return r, fmt.Errorf("%w: the limit limits nothing; give one of sendMessages, sendBytes, consumeMessages, consumeBytes, requests and connections, or delete it", mq.ErrInvalid)
	}
	for _, n := range all {
		if n < 0 || n > rate.Max {
			return r, fmt.Errorf("%w: a limit of %d: want 1 to %d, or 0 for none", mq.ErrInvalid, n, int64(rate.Max))
		}
	}
	if r.Connections > 0 && (r.Scope == mq.LimitUser || r.Scope == mq.LimitConnection) {
		return r, fmt.Errorf("%w: connections can be limited for the broker and for addresses; who the user is shows with the first request only", mq.ErrInvalid)
	}
	return r, nil
}

// normalName is the name of a rule in the one form that it is known by; of a
// rule on addresses that is not "*" it is the network.
func normalName(scope, name string) (string, netip.Prefix, error) {
	var none netip.Prefix
	switch scope {
	case mq.LimitBroker, mq.LimitConnection:
		if name != "" {
			return "", none, fmt.Errorf("%w: a limit on %s has no name, not %.40q", mq.ErrInvalid, scope, name)
		}
		return "", none, nil
	case mq.LimitUser:
		if name == "" || len(name) > maxUser || strings.ContainsRune(name, 0) {
			return "", none, fmt.Errorf("%w: a limit on %.40q: want a user's name, or * for each user", mq.ErrInvalid, name)
		}
		return name, none, nil
	case mq.LimitAddress:
		if name == each {
			return each, none, nil
		}
		p, err := parseNetwork(name)
		if err != nil {
			return "", none, fmt.Errorf("%w: a limit on %.40q: want an address, a network such as 10.1.0.0/16, or * for each address", mq.ErrInvalid, name)
		}
		if p.IsSingleIP() {
			return p.Addr().String(), p, nil
		}
		return p.String(), p, nil
	}
	return "", none, fmt.Errorf("%w: a limit on %.40q: want %s, %s, %s or %s", mq.ErrInvalid, scope, mq.LimitBroker, mq.LimitUser, mq.LimitAddress, mq.LimitConnection)
}

// parseNetwork reads an address or a network.
func parseNetwork(text string) (netip.Prefix, error) {
	if a, err := netip.ParseAddr(text); err == nil {
		a = a.Unmap().WithZone("")
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	return p.Masked(), err
}

// own is what an address counts as where each counts by itself: of IPv6, the
// network of 64 bits, which is one customer's.
func own(a netip.Addr) netip.Addr {
	a = a.Unmap().WithZone("")
	if a.Is4() || !a.IsValid() {
		return a
	}
	p, err := a.Prefix(64)
	if err != nil {
		return a
	}
	return p.Addr()
}

// An account is what somebody has left of a rule, and what he used.
type account struct {
	buckets [refusable]rate.Bucket
	consume rate.Limit
	second  int64 // Unix time that now is of
	now     [rates]int64
	last    [rates]int64 // in the second before
}

// set changes what is allowed.
func (a *account) set(allowed amounts, at time.Time) {
	for k := range a.buckets {
		a.buckets[k].Set(allowed[k], at)
	}
	a.consume.Messages.Set(allowed[consumeMessages], at)
	a.consume.Bytes.Set(allowed[consumeBytes], at)
}

// take takes n of a kind that is refusable, or says how long it is until somebody may.
func (a *account) take(k kind, n int64, at time.Time) (wait time.Duration) {
	if wait = a.buckets[k].Claim(n, at); wait == 0 {
		a.roll(at.Unix())
		a.now[k] += n
	}
	return wait
}

// force takes n of a kind, owing what is not there.
func (a *account) force(k kind, n int64, at time.Time) {
	a.buckets[k].Owe(n, at)
	a.roll(at.Unix())
	a.now[k] += n
}

// giveBack undoes a take.
func (a *account) giveBack(k kind, n int64, at time.Time) { a.force(k, -n, at) }

// used is what was taken in the last whole second.
func (a *account) used(at time.Time) (u amounts) {
	a.roll(at.Unix())
	copy(u[:], a.last[:])
	return u
}

// roll begins a second.
func (a *account) roll(second int64) {
	switch {
	case second <= a.second:
		return
	case second == a.second+1:
		a.last = a.now
	default:
		a.last = [rates]int64{}
	}
	a.second, a.now = second, [rates]int64{}
}
