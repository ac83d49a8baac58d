package store

import "time"

// Readers of several queues that share an old log go through it side by side, and
// each piece is read once for all. But they drift apart, and as soon as one is
// behind by more than all pieces in memory it has to have the log read once more.
// Then it has half the disk, and never comes nearer: of five runs with four queues two read the
// log two and three times, at 300 to 470 MiB/s instead of 740. So the disk goes to
// who is behind first, and who is ahead waits a little.
const (
	// abreastActive is how recently one that is waited for has read. Readers that are
	// together leave a piece behind that is so recent, but not so many.
	abreastActive = 5 * time.Millisecond
	// abreastPatience is how long one that is ahead waits for the others before each
	// piece. One of them may be slow by itself; then they are apart within a
	// second or two.
	abreastPatience = 5 * time.Millisecond
	// abreastLook is how often it is seen whether the others have come.
	abreastLook = 500 * time.Microsecond
)

// apart is how many pieces lie between readers of the same part of the log at most:
// others read something else.
func (a *ahead) apart() int64 { return 4 * int64(a.room) }

// lead is how many pieces a reader may be ahead of another.
func (a *ahead) lead() int64 { return int64(a.room) / 2 }

// next says which of the wanted pieces, which are in the order in which they were asked for,
// is read first: the first of them, or the lowest of those not too far before it.
func (a *ahead) next(wanted []*piece) int {
	first := 0
	for i, p := range wanted {
		if p.number < wanted[first].number && p.number >= wanted[0].number-a.apart() {
			first = i
		}
	}
	return first
}

// leadsLocked reports whether who wants a piece is too far ahead of another that
// reads now.
func (a *ahead) leadsLocked(number int64) bool {
	for _, p := range a.mu.pieces {
		if p.number < number-a.lead() && p.number >= number-a.apart() && time.Since(p.at) < abreastActive {
			return true
		}
	}
	return false
}
