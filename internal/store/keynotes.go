package store

import (
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// maxNotes is how many key entries are noted, and four times how many flights,
	// before the index has to read the log instead: a second and a half of the
	// most messages that were ever stored in one, since the index follows a sync
	// of the log that may take its time. It is 8 MiB, and 6 for the flights; what
	// is being entered has as much once more. An idle broker keeps none of it.
	maxNotes = 1 << 20
	// maxNotesLog is how much of the log notes cover at most: positions in it
	// have 32 bits.
	maxNotesLog = 1 << 30
)

// notes are the key entries of flights that lie one behind the other. Reading the
// log again for them was an eighth of what a send of 1 KiB costs the broker.
type notes struct {
	start, end mq.LogPos  // of the log that they cover
	entries    []keyEntry // positions count from start
	flights    []noted
	taken      int // of flights, already in the index
}

// noted is what a key index wants to know of a flight.
type noted struct {
	end       mq.LogPos
	storeTime int64
	entries   int // how many notes.entries there are with its own
}

// A notebook collects notes of what is committed until the key index asks for
// them. What is stored while it is full is not noted; the index reads that from
// the log.
type notebook struct {
	max int // how many; maxNotes, less in tests

	sync.Mutex // guards notes; taken last
	notes      notes
}

// note notes the keys of a flight that is committed.
func (n *notebook) note(f *flight) {
	n.Lock()
	defer n.Unlock()
	k := &n.notes
	if len(k.flights) == 0 {
		k.start, k.end = f.start, f.start
	}
	if k.end != f.start || f.end-k.start > maxNotesLog || len(k.flights) >= n.max/4 || len(k.entries)+len(f.keys) > n.max {
		return // with a flight missing, those behind it do not follow on
	}
	k.end = f.end
	for _, e := range f.keys {
		at := f.recs[uint32(e)].pos - k.start
		k.entries = append(k.entries, newKeyEntry(uint32(e>>32), uint32(at)))
	}
	k.flights = append(k.flights, noted{f.end, f.storeTime, len(k.entries)})
}

// swap gives the notes away for others that are used up.
func (n *notebook) swap(used notes) notes {
	used = notes{entries: used.entries[:0], flights: used.flights[:0]}
	n.Lock()
	defer n.Unlock()
	full := n.notes
	n.notes = used
	return full
}

// dropNotesLocked gives back the memory of notes while there are none.
func (s *Store) dropNotesLocked() {
	if k := &s.keys; k.mu.notes.taken == len(k.mu.notes.flights) {
		k.mu.notes = s.notebook.swap(notes{})
	}
}

// takeNotesLocked enters noted flights up to target, or until the block is
// full. It stops where something must be read from the log first, and returns
// where that is to end.
func (s *Store) takeNotesLocked(target mq.LogPos) (read mq.LogPos) {
	k := &s.keys
	for {
		n := &k.mu.notes
		if n.taken == len(n.flights) {
			if *n = s.notebook.swap(*n); len(n.flights) == 0 {
				return target
			}
		}
		start, first := n.start, 0
		if n.taken > 0 {
			before := &n.flights[n.taken-1]
			start, first = before.end, before.entries
		}
		next := &n.flights[n.taken]
		switch {
		case k.full() || k.mu.head.end >= target:
			return k.mu.head.end
		case k.mu.head.end < start:
			return min(start, target)
		case k.mu.head.end >= next.end:
			n.taken++ // was read from the log
		case k.mu.head.end > start:
			return min(next.end, target)
		case next.end > target:
			return k.mu.head.end
		default:
			k.take(n.start, next, n.entries[first:next.entries])
			n.taken++
		}
	}
}

// take enters a flight that was noted, with positions that count from base.
func (k *keyIndex) take(base mq.LogPos, f *noted, entries []keyEntry) {
	head := &k.mu.head
	if head.firstTime == 0 {
		head.firstTime = f.storeTime
	}
	head.lastTime, head.end = f.storeTime, f.end
	shift := uint32(base - head.start)
	for _, e := range entries {
		k.mu.entries = append(k.mu.entries, newKeyEntry(uint32(e>>32), uint32(e)+shift))
	}
}
