package timer

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// A desk is an agenda over a store in memory.
type desk struct {
	*rig
	agenda *Agenda
}

// newDesk opens store and agenda, and runs them until the test ends or stop is
// called. change, if not nil, adjusts the store's options.
func newDesk(t *testing.T, fs vfs.FS, change func(*store.Options)) (d *desk, stop func()) {
	d = &desk{rig: &rig{t: t, fs: fs}}
	o := store.Options{Dir: "data", FS: fs, SegmentSize: 1 << 20, Reserve: 1, Appended: func(all []store.Appended) {
		for i := range all {
			if all[i].Queue == wheel && d.agenda != nil {
				d.agenda.Appended(&all[i])
			}
		}
	}}
	if change != nil {
		change(&o)
	}
	var err error
	if d.store, err = store.Open(o); err != nil {
		t.Fatal(err)
	}
	if d.agenda, err = NewAgenda(AgendaOptions{Store: d.store, Append: d.append}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg, last sync.WaitGroup
	storeCtx, stopStore := context.WithCancel(t.Context())
	last.Go(func() { d.store.Run(storeCtx) })
	wg.Go(func() { d.agenda.Run(ctx) })
	return d, sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		stopStore()
		last.Wait()
		if err := d.store.Close(); err != nil {
			t.Error(err)
		}
	})
}

// in stores a message for T that is due after d.
func (d *desk) in(rest time.Duration, body string) {
	d.t.Helper()
	d.put(timed(time.Now().Add(rest), body))
}

func timed(due time.Time, body string) mq.Message {
	props := mq.AppendProperty(nil, mq.PropTimerOutMs, strconv.FormatInt(due.UnixMilli(), 10))
	props = mq.AppendProperty(props, mq.PropRealTopic, "T")
	props = mq.AppendProperty(props, mq.PropRealQueueID, "3")
	props = mq.AppendProperty(props, mq.PropUniqueKey, "key-"+body)
	return mq.Message{Topic: mq.TopicTimer, Body: []byte(body), Properties: props}
}

// recall calls a message back that was due at due.
func (d *desk) recall(due time.Time, body string) error {
	key := "T+key-" + body
	props := mq.AppendProperty(nil, mq.PropTimerOutMs, strconv.FormatInt(due.UnixMilli(), 10))
	props = mq.AppendProperty(props, mq.PropTimerDeleteUniq, key)
	return d.agenda.Recall(d.t.Context(), key, mq.Message{Properties: props})
}

// rows counts the messages that wait.
func (d *desk) rows() int {
	n := 0
	if err := d.agenda.each(0, 0, func(entry) bool { n++; return true }); err != nil {
		d.t.Fatal(err)
	}
	return n
}

func TestMessagesAreDeliveredAtTheirOwnMillisecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDesk(t, vfs.NewMem(), nil)
		defer stop()
		d.in(5*365*24*time.Hour, "years")
		d.in(20*time.Millisecond, "c")
		d.in(7*time.Millisecond, "b")
		d.in(3*time.Millisecond, "a")
		pass(2 * time.Millisecond)
		d.want()
		pass(time.Millisecond)
		d.want("a")
		pass(3 * time.Millisecond)
		d.want("a")
		pass(time.Millisecond)
		d.want("a", "b")
		pass(13 * time.Millisecond)
		d.want("a", "b", "c")
		if n := d.rows(); n != 1 {
			t.Errorf("%d messages wait, want the one of years", n)
		}
	})
}

func TestDeliveryIsInTheOrderOfDueTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDesk(t, vfs.NewMem(), nil)
		defer stop()
		d.mu.failures = 3
		start := time.Now()
		var want []string
		for i := range 3000 {
			due := (i * 7919) % 3000 / 2 // two in every millisecond
			d.put(timed(start.Add(time.Second+time.Duration(due)*time.Millisecond), fmt.Sprintf("%04d %04d", due, i)))
			want = append(want, fmt.Sprintf("%04d %04d", due, i))
		}
		slices.Sort(want)
		pass(20 * time.Second)
		got := d.all()
		if !slices.Equal(got, want) {
			t.Fatalf("delivered %d messages in another order than that of %d", len(got), len(want))
		}
	})
}

// all are the bodies in queue 3 of T, however many.
func (d *desk) all() (bodies []string) {
	d.t.Helper()
	synctest.Wait()
	for at := mq.QueueOffset(0); ; {
		b, err := d.store.Read(mq.Queue{Topic: "T", ID: 3}, at, store.ReadOptions{MaxMessages: 1000})
		if err != nil {
			d.t.Fatal(err)
		}
		if b.Status == mq.PullOffsetIllegal {
			at = b.Next
			continue
		}
		if b.Status != mq.PullFound {
			return bodies
		}
		for r := range records(b) {
			bodies = append(bodies, string(r.Body))
		}
		at = b.Next
		b.Release()
	}
}

func TestDeliveryChangesPropertiesAsRocketMQDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDesk(t, vfs.NewMem(), nil)
		defer stop()
		stored := time.Now().UnixMilli()
		m := timed(time.Now().Add(time.Second), "b")
		m.Properties = mq.AppendProperty(m.Properties, mq.PropTimerDelayMs, "1000")
		d.put(m)
		pass(2 * time.Second)
		b, err := d.store.Read(mq.Queue{Topic: "T", ID: 3}, 0, store.ReadOptions{})
		if err != nil || b.Count != 1 {
			t.Fatalf("%d messages, %v", b.Count, err)
		}
		defer b.Release()
		want := fmt.Sprintf("TIMER_OUT_MS\x01%d\x02REAL_TOPIC\x01T\x02REAL_QID\x013\x02UNIQ_KEY\x01key-b\x02TIMER_DELAY_MS\x011000\x02TIMER_ENQUEUE_MS\x01%d\x02TIMER_DEQUEUE_MS\x01%d\x02",
			stored+1000, stored, stored+1000)
		for r := range records(b) {
			if string(r.Properties) != want {
				t.Errorf("properties are %q, want %q", r.Properties, want)
			}
		}
	})
}

func TestRecalledMessagesAreNotDelivered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDesk(t, vfs.NewMem(), nil)
		defer stop()
		due := time.Now().Add(time.Second)
		for _, body := range []string{"a", "b", "c"} {
			d.put(timed(due, body))
		}
		if err := d.recall(due, "b"); err != nil {
			t.Fatal(err)
		}
		if err := d.recall(due, "b"); !errors.Is(err, mq.ErrNotFound) {
			t.Errorf("the second recall returned %v", err)
		}
		if err := d.recall(due.Add(time.Microsecond), "a"); err != nil {
			t.Errorf("the same millisecond: %v", err)
		}
		if err := d.recall(due.Add(time.Millisecond), "c"); !errors.Is(err, mq.ErrNotFound) {
			t.Errorf("another due time: %v", err)
		}
		pass(time.Second)
		d.want("c")
		if err := d.recall(due, "c"); !errors.Is(err, mq.ErrNotFound) {
			t.Errorf("after delivery: %v", err)
		}
	})
}

func TestRecallInFlightIsTooLate(t *testing.T) {
	a := &Agenda{flight: &flight{entries: []taken{{entry: entry{place: place{1, 7}}}}}}
	if !a.leaving(7) || a.leaving(8) {
		t.Error("position 7 is in flight, 8 is not")
	}
}

func TestAgendaSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		d, stop := newDesk(t, fs, nil)
		d.in(time.Second, "a")
		d.in(4*time.Second, "b")
		d.in(10*time.Second, "c")
		pass(2 * time.Second)
		d.want("a")
		stop()
		pass(5 * time.Second)
		d, stop = newDesk(t, fs, nil)
		defer stop()
		d.want("a", "b")
		pass(5 * time.Second)
		d.want("a", "b", "c")
	})
}

// The process ends between the storing of copies and the rows.
func TestWhatWasInFlightIsAllThatIsRepeated(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		d, stop := newDesk(t, fs, nil)
		for i := range 3 {
			d.in(time.Duration(i+1)*time.Second, strconv.Itoa(i))
		}
		pass(2500 * time.Millisecond)
		d.want("0", "1")
		// A killed process leaves everything that it wrote.
		killed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
		stop()
		d, stop = newDesk(t, killed, nil)
		defer stop()
		pass(2 * time.Second)
		d.want("0", "1", "2")
	})
}

// A power cut may leave rows of what the log lost, and may have lost copies of
// what the rows say is delivered.
func TestRowsDoNotOutliveTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDesk(t, vfs.NewMem(), nil)
		defer stop()
		d.put(mq.Message{Topic: "other", Body: []byte("x"), Properties: mq.AppendProperty(nil, mq.PropUniqueKey, "key")})
		lo, hi := d.store.LogBounds()
		gone := entry{place{time.Now().Add(time.Hour).UnixMilli(), hi + 100}, 1, 300}
		back := doneEntry{place{time.Now().Add(time.Hour).UnixMilli(), lo}, hi + 200}
		kept := doneEntry{place{time.Now().Add(time.Hour).UnixMilli(), lo + 6}, hi - 1}
		old := doneEntry{place{time.Now().Add(2 * time.Hour).UnixMilli(), lo}, hi + 200}
		keys := d.store.Keys()
		b := keys.Batch()
		b.Set(atKey(gone.place), atValue(gone))
		b.Set(doneKey(hi+200), appendDone(nil, []doneEntry{back, kept}))
		b.Set(append([]byte(rowSent), "12345678"...), oldDone(old, kept))
		b.Set([]byte(rowIndexed), indexedValue(9, hi+300))
		if err := keys.Apply(b, false); err != nil {
			t.Fatal(err)
		}
		a, err := NewAgenda(AgendaOptions{Store: d.store})
		if err != nil {
			t.Fatal(err)
		}
		var got []entry
		if err := scan(keys, place{}, func(e entry) bool { got = append(got, e); return true }); err != nil {
			t.Fatal(err)
		}
		hash, size := keyHash("key"), int32(hi-lo)
		if want := []entry{{back.place, hash, size}, {old.place, hash, size}}; !slices.Equal(got, want) {
			t.Errorf("rows are %v, want %v", got, want)
		}
		var done []doneEntry
		err = keys.Scan([]byte("timer/"), func(key, value []byte) error {
			if strings.HasPrefix(string(key), rowSent) {
				t.Errorf("row %q of earlier versions is still there", key)
			}
			if !strings.HasPrefix(string(key), rowDone) {
				return nil
			}
			some, err := decodeDone(value)
			done = append(done, some...)
			return err
		})
		if err != nil || len(done) != 1 || done[0] != kept {
			t.Errorf("of what is done with %v is known, %v", done, err)
		}
		if a.indexed != 0 {
			t.Errorf("the queue is indexed up to %d, and has nothing", a.indexed)
		}
	})
}

// oldDone is a row as earlier versions wrote it.
func oldDone(all ...doneEntry) (b []byte) {
	for _, e := range all {
		for _, n := range []uint64{uint64(e.due), uint64(e.pos), 1, uint64(e.copy)} {
			b = binary.BigEndian.AppendUint64(b, n)
		}
	}
	return b
}

// Every power cut, wherever it falls, leaves a state from which each message
// that is on the disk is delivered.
func TestPowerCutsLoseNothingThatWasSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		sync := func(o *store.Options) { o.Flush = store.FlushSync }
		d, stop := newDesk(t, fs, sync)
		for i := range 50 {
			d.in(time.Duration(20+10*i)*time.Millisecond, strconv.Itoa(i))
		}
		for cut := range 5 {
			pass(100 * time.Millisecond)
			after := fs.CrashClone(vfs.CrashCloneCfg{})
			t.Logf("cut %d", cut)
			d2, stop2 := newDesk(t, after, sync)
			pass(time.Second)
			got := d2.all()
			slices.Sort(got)
			if got = slices.Compact(got); len(got) != 50 {
				t.Errorf("cut %d: %d messages of 50", cut, len(got))
			}
			stop2()
		}
		stop()
	})
}

// Messages that wait longer than the log keeps messages are not lost with it.
func TestMessagesThatWaitLeaveOldSegments(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		var d *desk
		d, stop := newDesk(t, fs, func(o *store.Options) {
			o.SegmentSize, o.Retention, o.FlushInterval = 16<<10, time.Hour, time.Minute
			o.MayRemove = func(below mq.LogPos) bool { return d != nil && d.agenda.Clear(below) }
		})
		due := time.Now().Add(40 * time.Hour)
		for i := range 100 {
			d.put(timed(due.Add(time.Duration(i)*time.Millisecond), fmt.Sprintf("%03d", i)))
		}
		d.in(time.Second, "soon")
		for range 10 {
			pass(3 * time.Hour)
			for range 20 {
				d.put(mq.Message{Topic: "other", Body: make([]byte, 1000)})
			}
		}
		pass(time.Minute)
		synctest.Wait()
		if lo, _ := d.store.LogBounds(); lo == 0 {
			t.Fatal("no segment was removed")
		}
		if err := d.recall(due.Add(50*time.Millisecond), "050"); err != nil {
			t.Errorf("recall of a message that was moved: %v", err)
		}
		if n := d.rows(); n != 99 {
			t.Errorf("%d messages wait, want 99", n)
		}
		stop()
		d, stop = newDesk(t, fs, func(o *store.Options) {
			o.SegmentSize, o.Retention, o.FlushInterval = 16<<10, 1000*time.Hour, time.Hour
		})
		defer stop()
		pass(20 * time.Hour)
		if got := d.all(); len(got) < 99 || !slices.Contains(got, "099") || slices.Contains(got, "050") {
			t.Errorf("delivered %d: %v", len(got), got)
		}
	})
}

// Rows that are lost are made again from the queue.
func TestRowsAreRebuiltFromTheQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		d, stop := newDesk(t, fs, nil)
		due := time.Now().Add(time.Hour)
		d.put(timed(due, "a"))
		d.put(timed(due, "b"))
		if err := d.recall(due, "a"); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		b := d.store.Keys().Batch()
		b.DeletePrefix([]byte("timer/"))
		if err := d.store.Keys().Apply(b, true); err != nil {
			t.Fatal(err)
		}
		stop()
		d, stop = newDesk(t, fs, nil)
		defer stop()
		pass(2 * time.Hour)
		d.want("b")
	})
}

func TestWaitingListsWhatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, stop := newDesk(t, vfs.NewMem(), nil)
		defer stop()
		now := time.Now()
		d.in(2*time.Hour, "b")
		d.in(time.Hour, "a")
		synctest.Wait()
		list := func(q mq.DelayedQuery) (keys []string) {
			found, err := d.agenda.Waiting("broker-a", q)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range found {
				if h, err := mq.ParseRecallHandle(m.Handle); err != nil || h.Key != m.Key || h.Due != m.Due || h.Topic != "T" {
					t.Errorf("handle %+v, %v", h, err)
				}
				keys = append(keys, m.Key)
			}
			return keys
		}
		if got := list(mq.DelayedQuery{}); !slices.Equal(got, []string{"key-a", "key-b"}) {
			t.Errorf("all: %v", got)
		}
		if got := list(mq.DelayedQuery{Topic: "U"}); got != nil {
			t.Errorf("another topic: %v", got)
		}
		if got := list(mq.DelayedQuery{From: now.Add(90 * time.Minute).UnixMilli()}); !slices.Equal(got, []string{"key-b"}) {
			t.Errorf("later: %v", got)
		}
		if got := list(mq.DelayedQuery{Until: now.Add(90 * time.Minute).UnixMilli()}); !slices.Equal(got, []string{"key-a"}) {
			t.Errorf("earlier: %v", got)
		}
		if got := list(mq.DelayedQuery{Limit: 1}); !slices.Equal(got, []string{"key-a"}) {
			t.Errorf("one: %v", got)
		}
	})
}

func FuzzRows(f *testing.F) {
	f.Add(atKey(place{1, 2}), atValue(entry{hash: 3}))
	f.Add(atKey(place{1, 2}), atValue(entry{hash: 3, size: 4}))
	f.Add([]byte("timer/at"), appendDone(nil, []doneEntry{{place{1, 2}, 4}, {place{0, 5}, math.MaxInt64}}))
	f.Add([]byte("timer/at"), oldDone(doneEntry{place{1, 2}, 4}))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if e, err := decodeAt(key, value); err == nil && len(key) == len(rowAt)+placeSize {
			if got := atKey(e.place); string(got[len(rowAt):]) != string(key[len(rowAt):]) {
				t.Errorf("%x became %x", key, got)
			}
		}
		if done, err := decodeDone(value); err == nil {
			if again, err := decodeDone(appendDone(nil, done)); err != nil || !slices.Equal(again, done) {
				t.Errorf("%v became %v, %v", done, again, err)
			}
		}
		if done, err := decodeSent(value); err == nil && len(done) != len(value)/sentSize {
			t.Errorf("%x became %v", value, done)
		}
	})
}
