package rate

import (
	"math/rand/v2"
	"testing"
	"time"
)

var start = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// limit is a limit of so many messages and bytes per second; 0 is none.
func limit(messages, bytes int64) *Limit {
	l := &Limit{}
	l.Messages.Set(messages, start)
	l.Bytes.Set(bytes, start)
	return l
}

// consume takes and uses all it can get for a time and returns how many
// messages of a size that were.
func consume(limits [2]*Limit, want, size int, span time.Duration) (messages int) {
	for now := start; now.Before(start.Add(span)); {
		g, wait := Take(limits, want, now)
		if wait > 0 {
			now = now.Add(wait)
			continue
		}
		n := g.Messages
		if g.Bytes > 0 {
			n = min(n, max(1, g.Bytes/size))
		}
		g.Settle(n, n*size)
		messages += n
	}
	return messages
}

func TestOverTimeExactlyTheRateIsConsumed(t *testing.T) {
	for _, c := range []struct {
		messages, bytes int64
		want, size      int
		most            int // in ten seconds, with the burst at the start
	}{
		{10, 0, 32, 100, 110},
		{1, 0, 32, 100, 11},
		{1000, 0, 32, 100, 11000},
		{100_000, 0, 32, 100, 1_100_000},
		{0, 1000, 32, 100, 110},
		{0, 1000, 32, 5000, 3}, // one message is five seconds' worth
		{50, 1000, 32, 100, 110},
		{5, 1000, 32, 100, 55},
	} {
		got := consume([2]*Limit{limit(c.messages, c.bytes)}, c.want, c.size, 10*time.Second)
		if got > c.most || float64(got) < float64(c.most)*0.95-1 {
			t.Errorf("%d messages/s and %d bytes/s of %d bytes each: %d in ten seconds, want up to %d", c.messages, c.bytes, c.size, got, c.most)
		}
	}
}

func TestTheLowerOfTwoLimitsCounts(t *testing.T) {
	got := consume([2]*Limit{limit(100, 0), limit(20, 0)}, 32, 1, 10*time.Second)
	if got < 215 || got > 220 {
		t.Errorf("%d messages in ten seconds, want 220", got)
	}
}

func TestWithoutLimitsNothingWaits(t *testing.T) {
	for _, limits := range [][2]*Limit{{}, {limit(0, 0), limit(0, 0)}} {
		if g, wait := Take(limits, 32, start); wait != 0 || g.Messages != 32 || g.Bytes != 0 {
			t.Errorf("got %+v after %v", g, wait)
		}
	}
}

func TestWhatIsNotUsedIsGivenBack(t *testing.T) {
	l := [2]*Limit{limit(10, 1000)}
	for range 100 {
		g, wait := Take(l, 32, start)
		if wait > 0 || g.Messages != 10 || g.Bytes != 1000 {
			t.Fatalf("got %+v after %v", g, wait)
		}
		g.Settle(0, 0)
	}
}

func TestALimitChangesWhileItIsUsed(t *testing.T) {
	l := limit(10, 0)
	Owe([2]*Limit{l}, 30, 0) // two seconds behind
	_, before := Take([2]*Limit{l}, 1, start)
	l.Messages.Set(1000, start)
	_, after := Take([2]*Limit{l}, 1, start)
	if before < 2*time.Second || after > 25*time.Millisecond {
		t.Errorf("waits %v before the change and %v after", before, after)
	}
	l.Messages.Set(0, start)
	if _, wait := Take([2]*Limit{l}, 1, start); wait != 0 {
		t.Errorf("waits %v without a limit", wait)
	}
	l.Messages.Set(5, start)
	if g, _ := Take([2]*Limit{l}, 32, start); g.Messages != 5 {
		t.Errorf("a new limit grants %d, want 5", g.Messages)
	}
}

// Whatever is taken and used, no span sees more than its share, one burst and
// one answer.
func TestNoSpanExceedsItsShare(t *testing.T) {
	for seed := range uint64(50) {
		rng := rand.New(rand.NewPCG(seed, 1))
		messages := 1 + rng.Int64N(500)
		l := [2]*Limit{limit(messages, 0), limit(0, 1+rng.Int64N(100_000))}
		now, used := start, 0
		for range 2000 {
			g, wait := Take(l, 1+rng.IntN(64), now)
			if wait > 0 {
				now = now.Add(wait)
				continue
			}
			n := rng.IntN(g.Messages + 1)
			g.Settle(n, n*rng.IntN(1000))
			used += n
			now = now.Add(time.Duration(rng.IntN(20)) * time.Millisecond)
			if most := float64(messages)*(now.Sub(start).Seconds()+1) + 1; float64(used) > most {
				t.Fatalf("seed %d: %d messages after %v, want at most %.0f", seed, used, now.Sub(start), most)
			}
		}
	}
}
