package timer

import (
	"net/netip"
	"slices"
	"strconv"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// appendedAt is what the store tells of a message at an offset, whose place is 1000
// times that. known says that the sender has looked when it is due.
func appendedAt(offset mq.QueueOffset, known bool, props ...string) *store.Appended {
	var p []byte
	for i := 0; i < len(props); i += 2 {
		p = mq.AppendProperty(p, props[i], props[i+1])
	}
	m := mq.Message{Topic: wheel.Topic, Properties: p, BornHost: netip.AddrPortFrom(netip.IPv4Unspecified(), 1)}
	record := mq.AppendRecord(nil, &m, m.BornHost)
	mq.PatchRecord(record, offset, mq.LogPos(1000*offset), 0)
	if known {
		names := mq.NamesOf(p)
		m.Names, m.Due = &names, int64(offset)
	}
	return &store.Appended{Queue: wheel, Offset: offset, Record: record, Send: &mq.Send{Message: m}}
}

// plainAt is a message that is due at its offset and has it as its key.
func plainAt(offset mq.QueueOffset, known bool) *store.Appended {
	n := strconv.FormatInt(int64(offset), 10)
	return appendedAt(offset, known, mq.PropTimerOutMs, n, mq.PropUniqueKey, n)
}

func wantTaken(t *testing.T, n *arrivals, from, to mq.QueueOffset, wantMore bool) {
	t.Helper()
	got, more := n.take(from, nil)
	var want []entry
	for at := from; at < to; at++ {
		size := int32(len(plainAt(at, false).Record))
		want = append(want, entry{place{int64(at), mq.LogPos(1000 * at)}, keyHash(strconv.FormatInt(int64(at), 10)), size})
	}
	if !slices.Equal(got, want) || more != wantMore {
		t.Errorf("from %d on: got %v, more %v; want %v, %v", from, got, more, want, wantMore)
	}
}

func TestArrivalsAreTakenInTheOrderOfTheQueue(t *testing.T) {
	var n arrivals
	wantTaken(t, &n, 5, 5, true) // nothing is known: the log may have something
	for at := mq.QueueOffset(5); at < 9; at++ {
		n.add(plainAt(at, at%2 == 0))
	}
	wantTaken(t, &n, 4, 4, true) // the log has the one before
	wantTaken(t, &n, 6, 9, false)
	n.add(plainAt(9, true))
	n.add(plainAt(12, true)) // after a gap
	wantTaken(t, &n, 9, 9, true)
	wantTaken(t, &n, 12, 13, false)
}

func TestWhatIsUnusualIsLeftToTheLog(t *testing.T) {
	for name, props := range map[string][]string{
		"calls one back":      {mq.PropTimerOutMs, "6", mq.PropTimerDeleteUniq, "k"},
		"stands in for one":   {mq.PropTimerOutMs, "6", mq.PropTimerMovedFrom, "1"},
		"says not when":       {mq.PropUniqueKey, "6"},
		"is due at no number": {mq.PropTimerOutMs, "soon"},
	} {
		t.Run(name, func(t *testing.T) {
			var n arrivals
			n.add(plainAt(5, true))
			n.add(appendedAt(6, false, props...))
			n.add(plainAt(7, true))
			wantTaken(t, &n, 5, 6, true)
			wantTaken(t, &n, 6, 6, true)
			wantTaken(t, &n, 7, 8, false)
		})
	}
}

// What finds no room is read from the log, and what comes later is noted again.
func TestArrivalsHaveALimit(t *testing.T) {
	var n arrivals
	const more = 100
	for at := range mq.QueueOffset(maxArrivals + more) {
		n.add(plainAt(at, true))
	}
	from := mq.QueueOffset(0)
	for from < maxArrivals {
		wantTaken(t, &n, from, from+takeAtOnce, true)
		from += takeAtOnce
	}
	wantTaken(t, &n, from, from, true)
	n.add(plainAt(maxArrivals+more, true))
	wantTaken(t, &n, maxArrivals+more, maxArrivals+more+1, false)
}

func TestNotingAnArrivalMakesNoGarbage(t *testing.T) {
	var n arrivals
	m := plainAt(0, true)
	var taken []entry
	if allocs := testing.AllocsPerRun(100, func() {
		n.add(m)
		taken, _ = n.take(0, taken[:0])
		m.Offset = n.first
	}); allocs > 0 {
		t.Errorf("%v allocations", allocs)
	}
}
