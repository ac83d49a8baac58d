package timer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// A rig is a timer over a store in memory.
type rig struct {
	t     *testing.T
	fs    vfs.FS
	store *store.Store
	timer *Timer

	mu struct {
		sync.Mutex
		failures int            // how many appends of the timer still fail
		refuse   map[string]int // how often a message with this body still does
		batches  [][]string
		pause    chan struct{} // appends wait until it is closed
	}
}

// newRig opens store and timer, and runs them until the test ends or stop is
// called.
func newRig(t *testing.T, fs vfs.FS) (r *rig, stop func()) {
	r = &rig{t: t, fs: fs}
	var err error
	r.store, err = store.Open(store.Options{Dir: "data", FS: fs, SegmentSize: 1 << 20, Reserve: 1, Appended: func(all []store.Appended) {
		for _, m := range all {
			if m.Queue.Topic == mq.TopicSchedule {
				r.timer.Appended(m.Queue.ID)
			}
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	levels, err := ParseLevels("1s 5s 10s")
	if err != nil {
		t.Fatal(err)
	}
	r.timer, err = New(Options{Store: r.store, Append: r.append, Levels: levels})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { r.store.Run(ctx) })
	wg.Go(func() { r.timer.Run(ctx) })
	return r, sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := r.store.Close(); err != nil {
			t.Error(err)
		}
	})
}

func (r *rig) append(b *mq.SendBatch) {
	r.mu.Lock()
	pause := r.mu.pause
	r.mu.Unlock()
	if pause != nil {
		<-pause
	}
	r.mu.Lock()
	fail := r.mu.failures > 0
	if fail {
		r.mu.failures--
	}
	var bodies []string
	for i := range b.Sends {
		if bodies = append(bodies, string(b.Sends[i].Body)); fail {
			b.Sends[i].Err = mq.ErrBusy
		}
	}
	r.mu.batches = append(r.mu.batches, bodies)
	var some mq.SendBatch
	for i := range b.Sends {
		if r.mu.refuse[bodies[i]] > 0 {
			r.mu.refuse[bodies[i]]--
			b.Sends[i].Err = mq.ErrBusy
		}
		if b.Sends[i].Err == nil {
			some.Sends = append(some.Sends, b.Sends[i])
		}
	}
	r.mu.Unlock()
	if len(some.Sends) < len(b.Sends) && !fail {
		some.Done = func(*mq.SendBatch) { b.Done(b) }
		r.store.Append(&some)
		return
	}
	if fail {
		b.Done(b)
		return
	}
	r.store.Append(b)
}

// delay stores a message for T in a delay level, counted from 1.
func (r *rig) delay(level int32, body string) {
	r.t.Helper()
	props := mq.AppendProperty(nil, mq.PropRealTopic, "T")
	props = mq.AppendProperty(props, mq.PropRealQueueID, "3")
	r.put(mq.Message{Topic: mq.TopicSchedule, QueueID: level - 1, Body: []byte(body), Properties: props})
}

func (r *rig) put(m mq.Message) {
	r.t.Helper()
	done := make(chan error, 1)
	r.store.Append(&mq.SendBatch{Sends: []mq.Send{{Message: m}}, Done: func(b *mq.SendBatch) { done <- b.Sends[0].Err }})
	if err := <-done; err != nil {
		r.t.Fatal(err)
	}
}

// delivered are the bodies in queue 3 of T.
func (r *rig) delivered() []string {
	r.t.Helper()
	b, err := r.store.Read(mq.Queue{Topic: "T", ID: 3}, 0, store.ReadOptions{MaxMessages: 1000})
	if err != nil {
		r.t.Fatal(err)
	}
	defer b.Release()
	var bodies []string
	for rec := range records(b) {
		bodies = append(bodies, string(rec.Body))
	}
	return bodies
}

func (r *rig) want(bodies ...string) {
	r.t.Helper()
	synctest.Wait()
	if got := r.delivered(); !slices.Equal(got, bodies) {
		r.t.Fatalf("delivered %q, want %q", got, bodies)
	}
}

// pass lets time go by.
func pass(d time.Duration) { <-time.After(d) }

func TestMessagesAreDeliveredWhenTheirLevelIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, vfs.NewMem())
		defer stop()
		r.delay(2, "five")
		r.delay(1, "one")
		pass(999 * time.Millisecond)
		r.want()
		pass(11 * time.Millisecond)
		r.want("one")
		pass(3980 * time.Millisecond)
		r.want("one")
		pass(20 * time.Millisecond)
		r.want("one", "five")
		r.delay(1, "again")
		pass(1010 * time.Millisecond)
		r.want("one", "five", "again")
	})
}

func TestDeliveryKeepsPropertiesAsTheyLie(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, vfs.NewMem())
		defer stop()
		props := []byte("REAL_QID\x013\x02DELAY\x011\x02REAL_TOPIC\x01T\x02k\x01v\x02")
		r.put(mq.Message{Topic: mq.TopicSchedule, Flag: 7, BornTime: 5, ReconsumeTimes: 2, Properties: props, Body: []byte("b")})
		pass(2 * time.Second)
		b, err := r.store.Read(mq.Queue{Topic: "T", ID: 3}, 0, store.ReadOptions{MaxMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		defer b.Release()
		for rec := range records(b) {
			if string(rec.Properties) != string(props) || rec.Flag != 7 || rec.BornTime != 5 || rec.ReconsumeTimes != 2 {
				t.Errorf("delivered %+v", rec)
			}
		}
		if b.Count != 1 {
			t.Errorf("delivered %d messages", b.Count)
		}
	})
}

func TestMessagesOfALevelKeepTheirOrderThroughFailures(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, vfs.NewMem())
		defer stop()
		r.mu.failures = 4
		var want []string
		for i := range 1000 {
			want = append(want, fmt.Sprint(i))
			r.delay(1, want[i])
		}
		pass(time.Minute)
		r.want(want...)
	})
}

func TestWhileManyAreDeliveredTheNextAreRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, vfs.NewMem())
		defer stop()
		var want []string
		for i := range 2*readMessages + 100 {
			want = append(want, fmt.Sprint(i))
			r.delay(1, want[i])
		}
		r.mu.Lock()
		r.mu.pause = make(chan struct{})
		r.mu.Unlock()
		pass(2 * time.Second)
		synctest.Wait()
		if got := r.timer.held[0].ahead.first(); got != readMessages {
			t.Errorf("what was read ahead begins at %d, want %d", got, readMessages)
		}
		r.mu.failures = 1
		close(r.mu.pause)
		pass(time.Minute)
		synctest.Wait()
		var got []string
		for _, batch := range r.mu.batches[1:] { // the first fails
			got = append(got, batch...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d messages were delivered, want %d in their order", len(got), len(want))
		}
	})
}

func TestMessagesThatSayNotWhereToGoArePassedOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, vfs.NewMem())
		defer stop()
		r.put(mq.Message{Topic: mq.TopicSchedule, Body: []byte("lost")})
		r.delay(1, "found")
		r.put(mq.Message{Topic: mq.TopicSchedule, Body: []byte("lost"), Properties: []byte("REAL_TOPIC\x01T\x02REAL_QID\x01x\x02")})
		pass(5 * time.Second)
		r.want("found")
		if at := r.timer.Progress(0); at != 3 {
			t.Errorf("progress is %d, want 3", at)
		}
	})
}

// What was delivered before a restart is not delivered again, what became due
// meanwhile is delivered at once.
func TestProgressSurvivesARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		r, stop := newRig(t, fs)
		r.delay(1, "a")
		pass(2 * time.Second)
		r.want("a")
		r.delay(1, "b")
		r.delay(3, "c")
		stop()
		pass(4 * time.Second)
		r, stop = newRig(t, fs)
		defer stop()
		r.want("a", "b")
		pass(7 * time.Second)
		r.want("a", "b", "c")
	})
}

func TestNewRefusesADamagedRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, vfs.NewMem())
		defer stop()
		if err := r.store.Keys().Set(row(1), []byte("short"), false); err != nil {
			t.Fatal(err)
		}
		if _, err := New(Options{Store: r.store, Levels: []time.Duration{time.Second, time.Second}}); err == nil {
			t.Error("New took a row of five bytes")
		}
	})
}

func TestParseLevels(t *testing.T) {
	for _, test := range []struct {
		text string
		want []time.Duration
	}{
		{"1s", []time.Duration{time.Second}},
		{" 2m  3h 4d ", []time.Duration{2 * time.Minute, 3 * time.Hour, 96 * time.Hour}},
		{"0s", []time.Duration{0}},
		{"", nil}, {"1", nil}, {"s", nil}, {"1x", nil}, {"-1s", nil}, {"1.5s", nil}, {"9999999999d", nil}, {"366d", nil},
	} {
		got, err := ParseLevels(test.text)
		if (err == nil) != (test.want != nil) || !slices.Equal(got, test.want) {
			t.Errorf("ParseLevels(%q) = %v, %v; want %v", test.text, got, err, test.want)
		}
	}
	if all, err := ParseLevels(DefaultLevels); err != nil || len(all) != 18 {
		t.Errorf("the default has %d levels, error %v", len(all), err)
	}
}

func TestResultStopsAtWhatIsWorthAnotherTry(t *testing.T) {
	d := &delivery{level: 1, count: 4, index: []int{0, 2, 3}, at: []mq.QueueOffset{10, 12, 13}}
	b := &mq.SendBatch{Sends: make([]mq.Send, 3)}
	b.Sends[0].Err = fmt.Errorf("%w: it is", mq.ErrMessageTooLarge)
	if r := d.result(b); r.err != nil || r.count != 4 {
		t.Errorf("result is %+v, want all four", r)
	} else if len(r.lost) != 1 || r.lost[0].at != 10 {
		t.Errorf("lost %+v, want offset 10", r.lost)
	}
	b.Sends[1].Err = mq.ErrDiskFull
	if r := d.result(b); !errors.Is(r.err, mq.ErrDiskFull) || r.count != 2 || !slices.Equal(r.behind, []mq.QueueOffset{13}) {
		t.Errorf("result is %+v, want two and disk full", r)
	}
}

func TestWhatWasDeliveredBehindAFailureIsNotDeliveredAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, vfs.NewMem())
		defer stop()
		r.mu.refuse = map[string]int{"b": 2, "d": 3}
		for _, body := range []string{"a", "b", "c", "d", "e"} {
			r.delay(1, body)
		}
		pass(time.Minute)
		r.want("a", "c", "e", "b", "d")
		if len(r.timer.behind[0]) != 0 || r.timer.Progress(0) != 5 {
			t.Errorf("progress is %d, noted behind it are %v", r.timer.Progress(0), r.timer.behind[0])
		}
	})
}

func TestAMessageThatCanNeverBeStoredIsLogged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, stop := newRig(t, vfs.NewMem())
		stop()
		var log bytes.Buffer
		r.timer.opts.Log = slog.New(slog.NewTextHandler(&log, nil))
		r.timer.core.levels[0].first = 7
		r.timer.settle(result{level: 0, count: 1, lost: []lost{{7, "T", mq.ErrMessageTooLarge}}})
		if !strings.Contains(log.String(), "level=1 offset=7 topic=T") {
			t.Errorf("logged %q", log.String())
		}
	})
}

func TestAClockSetForwardIsNoticedSoon(t *testing.T) {
	for at, want := range map[int64]time.Duration{3_600_000: 10 * time.Second, 1_500: 500 * time.Millisecond, 900: 0} {
		if got := pause(at, 1000); got != want {
			t.Errorf("due at %d: sleeps %v, want %v", at, got, want)
		}
	}
}
