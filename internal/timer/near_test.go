package timer

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// killed is what a process leaves that is killed now: everything it wrote.
func killed(fs *vfs.MemFS) *vfs.MemFS {
	return fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
}

// stored counts the rows of messages that wait.
func (d *desk) stored() int {
	n := 0
	if err := scan(d.store.Keys(), place{}, func(entry) bool { n++; return true }); err != nil {
		d.t.Fatal(err)
	}
	return n
}

func TestOnlyWhatIsDueMuchLaterGetsARow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDesk(t, vfs.NewMem(), nil)
		defer stop()
		d.in(20*time.Second, "soon")
		d.in(time.Minute, "late")
		synctest.Wait()
		if n, all := d.stored(), d.rows(); n != 1 || all != 2 {
			t.Errorf("%d of %d messages have rows, want one of two", n, all)
		}
		pass(20 * time.Second)
		d.want("soon")
		pass(40 * time.Second)
		d.want("soon", "late")
		if n := d.rows(); n != 0 {
			t.Errorf("%d messages wait", n)
		}
	})
}

// Whenever the process is killed, and even if it is killed again while it reads
// the queue anew, each message comes once and in the order of due times.
func TestWhatWaitedInMemoryOutlivesKills(t *testing.T) {
	for _, flush := range []store.FlushMode{store.FlushAsync, store.FlushSync} {
		t.Run(flush.String(), func(t *testing.T) { synctest.Test(t, func(t *testing.T) { outliveKills(t, flush) }) })
	}
}

func outliveKills(t *testing.T, flush store.FlushMode) {
	change := func(o *store.Options) { o.Flush = flush }
	fs := vfs.NewCrashableMem()
	d, stop := newDesk(t, fs, change)
	random := rand.New(rand.NewPCG(3, 4))
	start := time.Now()
	var want []string
	for i := range 400 {
		due := time.Duration(1000+random.IntN(9000)) * time.Millisecond
		if i%10 == 0 {
			due += time.Minute
		}
		body := fmt.Sprintf("%06d %03d", due.Milliseconds(), i)
		d.put(timed(start.Add(due), body))
		want = append(want, body)
	}
	slices.Sort(want)
	for range 6 {
		pass(1500 * time.Millisecond)
		synctest.Wait()
		after := killed(fs)
		stop()
		fs = after
		_, stop = newDesk(t, fs, change) // killed while it reads the queue again
		after = killed(fs)
		stop()
		fs = after
		d, stop = newDesk(t, fs, change)
	}
	pass(2 * time.Minute)
	defer stop()
	if got := d.all(); !slices.Equal(got, want) {
		t.Fatalf("delivered %d, want %d in their order", len(got), len(want))
	}
}

// Should the message that called one back be unreadable after a restart, it is
// known all the same; and one that is read again means nothing behind it.
func TestARecallIsNotedAndMeansWhatIsBeforeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDesk(t, vfs.NewMem(), nil)
		defer stop()
		due := time.Now().Add(5 * time.Second)
		d.put(timed(due, "a"))
		if err := d.recall(due, "a"); err != nil {
			t.Fatal(err)
		}
		d.put(timed(due, "a"))
		synctest.Wait()
		a, err := NewAgenda(AgendaOptions{Store: d.store})
		if err != nil {
			t.Fatal(err)
		}
		if len(a.replay.done) != 1 || !a.replay.over(a.replay.done[0]) || a.replay.over(a.replay.done[0]+1) {
			t.Errorf("%v is known to be done with, want the message that was called back", a.replay.done)
		}
		keys := d.store.Keys()
		again := indexing{a: d.agenda, keys: keys, batch: keys.Batch()}
		defer func() { again.batch.Drop() }()
		if err := again.recall(&mq.Record{Pos: a.replay.done[0] + 1}, due.UnixMilli(), "T+key-a"); err != nil || again.changed {
			t.Errorf("a recall means a message that was stored after it, %v", err)
		}
	})
}

// While messages are put off by failures they get rows, and are forgotten by
// memory.
func TestWhatCannotBeDeliveredYetOutlivesKills(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		d, stop := newDesk(t, fs, nil)
		d.mu.Lock()
		d.mu.refuse = map[string]int{"b": 1000}
		d.mu.Unlock()
		for i, body := range []string{"a", "b", "c"} {
			d.in(time.Duration(i+1)*time.Second, body)
		}
		pass(5 * time.Second)
		d.want("a", "c")
		after := killed(fs)
		stop()
		d, stop = newDesk(t, after, nil)
		defer stop()
		pass(time.Second)
		d.want("a", "c", "b")
	})
}

func TestARecallOutlivesAKill(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		d, stop := newDesk(t, fs, nil)
		due := time.Now().Add(5 * time.Second)
		// Of one key and due time: one that is called back, and one that is
		// sent afterwards and is another message.
		d.put(timed(due.Add(-time.Second), "first"))
		d.put(timed(due, "a"))
		if err := d.recall(due, "a"); err != nil {
			t.Fatal(err)
		}
		d.put(timed(due, "a"))
		d.put(timed(due, "b"))
		far := due.Add(time.Hour)
		d.put(timed(far, "c"))
		if err := d.recall(far, "c"); err != nil {
			t.Fatal(err)
		}
		d.put(timed(far, "c"))
		synctest.Wait()
		after := killed(fs)
		stop()
		d, stop = newDesk(t, after, nil)
		defer stop()
		synctest.Wait()
		if n := d.rows(); n != 4 {
			t.Errorf("%d messages wait after the restart, want 4", n)
		}
		pass(2 * time.Hour)
		d.want("first", "a", "b", "c")
		if err := d.recall(due, "b"); !errors.Is(err, mq.ErrNotFound) {
			t.Errorf("recall of what was delivered: %v", err)
		}
	})
}

// What waits in memory for too long a piece of the queue gets rows.
func TestSpilledMessagesAreDeliveredOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		d, stop := newDesk(t, fs, nil)
		for i := range 100 {
			d.in(time.Duration(1000+i)*time.Millisecond, fmt.Sprintf("%03d", i))
		}
		pass(1050 * time.Millisecond)
		synctest.Wait()
		waiting := d.rows()
		if waiting == 0 || waiting == 100 {
			t.Fatalf("%d messages wait", waiting)
		}
		// Nothing runs now but this.
		if err := d.agenda.spill(d.agenda.near.oldest(1000, math.MaxInt64)); err != nil {
			t.Fatal(err)
		}
		if n := d.stored(); n != waiting || d.rows() != waiting {
			t.Errorf("%d messages have rows, want %d", n, waiting)
		}
		if offset, _ := d.agenda.front(); offset != 100 {
			t.Errorf("the queue is read again from %d on, want 100", offset)
		}
		after := killed(fs)
		stop()
		d, stop = newDesk(t, after, nil)
		defer stop()
		pass(time.Second)
		if got := d.all(); len(got) != 100 || !slices.IsSorted(got) {
			t.Errorf("delivered %d: %v", len(got), got)
		}
	})
}

// Rows of what is delivered go when nothing needs them any more.
func TestRowsOfWhatWasDeliveredAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDesk(t, vfs.NewMem(), nil)
		defer stop()
		d.in(25*time.Second, "last")
		for i := range 40 {
			d.in(time.Duration(i+1)*time.Second/2, fmt.Sprint(i))
			pass(time.Second / 4)
		}
		pass(time.Minute)
		for i := range 20 {
			d.in(time.Duration(i+1)*time.Second, fmt.Sprint(i))
		}
		pass(time.Minute)
		n := 0
		err := d.store.Keys().Scan([]byte(rowDone), func(_, _ []byte) error { n++; return nil })
		if err != nil || n > 10 {
			t.Errorf("%d rows are left of 61 deliveries, %v", n, err)
		}
	})
}

func TestRowsThatSayNoSizeAreDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		d, stop := newDesk(t, fs, nil)
		d.in(time.Hour, "a")
		d.in(time.Hour, "b")
		synctest.Wait()
		b := d.store.Keys().Batch()
		if err := scan(d.store.Keys(), place{}, func(e entry) bool {
			e.size = 0
			b.Set(atKey(e.place), atValue(e))
			return true
		}); err != nil {
			t.Fatal(err)
		}
		if err := d.store.Keys().Apply(b, false); err != nil {
			t.Fatal(err)
		}
		stop()
		d, stop = newDesk(t, fs, nil)
		defer stop()
		pass(2 * time.Hour)
		d.want("a", "b")
	})
}

// Whatever is entered, taken and removed, memory gives the messages in the
// order of their places.
func TestNearIsInTheOrderOfPlaces(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var n near
	var want []entry
	offset := mq.QueueOffset(0)
	for range 3000 {
		switch random.IntN(4) {
		case 0, 1:
			var batch []entry
			for range 1 + random.IntN(20) {
				batch = append(batch, entry{place: place{random.Int64N(50), mq.LogPos(offset) * 100}, hash: uint64(offset), size: 100})
				offset++
			}
			want = append(want, batch...)
			n.add(offset-mq.QueueOffset(len(batch)), batch[0].pos, batch)
		case 2:
			for range min(len(want), random.IntN(25)) {
				slices.SortFunc(want, func(a, b entry) int { return comparePlace(a, b.place) })
				n.Lock()
				got := n.takeLocked()
				n.Unlock()
				if got.entry != want[0] {
					t.Fatalf("took %v, want %v", got.entry, want[0])
				}
				got.page.left--
				want = want[1:]
			}
		case 3:
			if len(want) == 0 {
				continue
			}
			i := random.IntN(len(want))
			n.find(want[i].due, func(f taken) {
				if f.entry == want[i] {
					defer func() { f.page.left--; n.remove(f) }()
				}
			})
			want = slices.Delete(want, i, i+1)
		}
		n.trim()
		front := mq.QueueOffset(math.MaxInt64)
		for _, e := range want {
			front = min(front, mq.QueueOffset(e.hash))
		}
		if got, _, ok := n.front(); n.count != len(want) || ok != (len(want) > 0) || ok && got > front {
			t.Fatalf("%d messages from %d on, want %d from %d on", n.count, got, len(want), front)
		}
	}
	slices.SortFunc(want, func(a, b entry) int { return comparePlace(a, b.place) })
	if got := n.list(10, 40, 30); !slices.Equal(got, between(want, 10, 40, 30)) {
		t.Errorf("listed %v", got)
	}
}

func between(sorted []entry, from, until int64, limit int) (found []entry) {
	for _, e := range sorted {
		if e.due >= from && e.due < until && len(found) < limit {
			found = append(found, e)
		}
	}
	return found
}
