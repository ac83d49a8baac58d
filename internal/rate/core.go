package rate

import (
	"math"
	"time"
)

const (
	// burst is for how long an idle bucket fills.
	burst = time.Second
	// step is for how long a bucket fills before something is taken out of it,
	// if less is wanted than that: fewer, larger answers.
	step = 50 * time.Millisecond
)

// Max bounds the rate of a bucket, per second.
const Max = 1 << 40

// A Bucket fills at a rate. Its level is negative while more was taken than was
// in it.
type Bucket struct {
	rate  float64 // per second; 0: no limit
	level float64
	at    time.Time // when it had that level
}

// Set changes the rate; 0 ends the limit. A bucket that had none begins full.
func (b *Bucket) Set(perSecond int64, now time.Time) {
	b.fill(now)
	fresh := b.rate == 0
	b.rate, b.at = float64(perSecond), now
	if fresh || b.level > b.full() {
		b.level = b.full()
	}
}

// full is the level above which a bucket does not fill.
func (b *Bucket) full() float64 { return max(1, b.rate*burst.Seconds()) }

func (b *Bucket) fill(now time.Time) {
	if d := now.Sub(b.at); d > 0 {
		b.level = min(b.full(), b.level+b.rate*d.Seconds())
		b.at = now
	}
}

// has is how much may be taken by somebody who wants that much, and otherwise
// how long it is until then.
func (b *Bucket) has(want int64, now time.Time) (n int64, wait time.Duration) {
	if b.rate == 0 {
		return want, 0
	}
	b.fill(now)
	least := max(1, min(float64(want), b.rate*step.Seconds()))
	if b.level+1e-9 >= least {
		return min(want, int64(b.level+1e-9)), 0
	}
	seconds := (least - b.level) / b.rate
	return 0, max(time.Duration(math.Ceil(seconds*float64(time.Second))), time.Nanosecond)
}

// Wait is how long it is until somebody gets something who wants that much.
func (b *Bucket) Wait(want int64, now time.Time) time.Duration {
	_, wait := b.has(want, now)
	return wait
}

func (b *Bucket) take(n int64) {
	if b.rate != 0 {
		b.level -= float64(n)
	}
}

// A Limit is on messages and on bytes.
type Limit struct{ Messages, Bytes Bucket }

// A Grant is what was set aside of limits for one answer.
type Grant struct {
	Messages int
	Bytes    int // 0: no limit
	limits   [2]*Limit
	taken    int64 // bytes
}

// Take sets aside what all limits have for somebody who wants so many messages;
// nil is no limit. If that is nothing it says how long it is at least until
// there is something.
func Take(limits [2]*Limit, want int, now time.Time) (g Grant, wait time.Duration) {
	messages, bytes, limited := int64(want), int64(math.MaxInt32), false
	for _, l := range limits {
		if l == nil {
			continue
		}
		n, w := l.Messages.has(messages, now)
		messages, wait = min(messages, n), max(wait, w)
		if l.Bytes.rate != 0 {
			n, w = l.Bytes.has(math.MaxInt32, now)
			bytes, wait, limited = min(bytes, n), max(wait, w), true
		}
	}
	if wait > 0 {
		return Grant{}, wait
	}
	g = Grant{Messages: int(messages), limits: limits}
	if limited {
		g.Bytes, g.taken = int(bytes), bytes
	}
	g.charge(messages, g.taken)
	return g, 0
}

// Settle gives back what was not used of a grant, and owes what was used beyond
// it.
func (g *Grant) Settle(messages, bytes int) {
	taken := int64(bytes) - g.taken
	g.charge(int64(messages-g.Messages), taken)
}

func (g *Grant) charge(messages, bytes int64) {
	for _, l := range g.limits {
		if l != nil {
			l.Messages.take(messages)
			l.Bytes.take(bytes)
		}
	}
}

// Owe charges limits for what was taken without a grant.
func Owe(limits [2]*Limit, messages, bytes int) {
	g := Grant{limits: limits}
	g.Settle(messages, bytes)
}

// Claim takes n out of the bucket if there is anything in it, owing what is not
// there; otherwise it says how long it is until there is. For what cannot be
// split.
func (b *Bucket) Claim(n int64, now time.Time) (wait time.Duration) {
	if _, wait = b.has(1, now); wait == 0 {
		b.take(n)
	}
	return wait
}

// Owe takes n out of the bucket whatever is in it; below 0 it gives back.
func (b *Bucket) Owe(n int64, now time.Time) {
	if b.rate != 0 {
		b.fill(now)
		b.take(n)
	}
}
