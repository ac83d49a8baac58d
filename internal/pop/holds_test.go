package pop

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

var (
	first = Use{Group: "G", Topic: "T"}
	again = mq.Queue{Topic: "again"}
)

// A hand is a store with what was popped of it.
type hand struct {
	t     *testing.T
	fs    vfs.FS
	store *store.Store
	holds *Holds
	stop  func()

	mu struct {
		sync.Mutex       // guards the rest
		fail       error // what storing again fails with
		refuse     error // what Revive says
		stored     int   // batches that were stored again
		meanwhile  func()
	}
}

func newHand(t *testing.T, fs vfs.FS, change func(*store.Options)) *hand {
	t.Helper()
	d := &hand{t: t, fs: fs}
	o := store.Options{Dir: "data", FS: fs, SegmentSize: 1 << 20, Reserve: 1}
	if change != nil {
		change(&o)
	}
	var err error
	if d.store, err = store.Open(o); err != nil {
		t.Fatal(err)
	}
	if d.holds, err = New(Options{Store: d.store, Append: d.append, Revive: d.revive}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg, last sync.WaitGroup
	storeCtx, stopStore := context.WithCancel(t.Context())
	last.Go(func() { d.store.Run(storeCtx) })
	wg.Go(func() { d.holds.Run(ctx) })
	d.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		stopStore()
		last.Wait()
		if err := d.store.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *hand) append(b *mq.SendBatch) {
	d.mu.Lock()
	fail, meanwhile := d.mu.fail, d.mu.meanwhile
	d.mu.stored++
	d.mu.Unlock()
	if meanwhile != nil {
		meanwhile()
	}
	if fail == nil {
		d.store.Append(b)
		return
	}
	for i := range b.Sends {
		b.Sends[i].Err = fail
	}
	b.Done(b)
}

func (d *hand) revive(h *Hold, r *mq.Record) (mq.Send, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	m := r.Message()
	m.Topic, m.QueueID = again.Topic, 0
	if !h.Suspended {
		m.ReconsumeTimes++
	}
	return mq.Send{Message: m}, d.mu.refuse
}

// put stores n messages of T and returns them as taken.
func (d *hand) put(n int) []Taken {
	d.t.Helper()
	_, hi, _ := d.store.Bounds(mq.Queue{Topic: "T"})
	done := make(chan *mq.SendBatch, 1)
	b := &mq.SendBatch{Done: func(b *mq.SendBatch) { done <- b }}
	for i := range n {
		b.Sends = append(b.Sends, mq.Send{Message: mq.Message{Topic: "T", Body: []byte(strconv.Itoa(int(hi) + i))}})
	}
	d.store.Append(b)
	var all []Taken
	for _, s := range (<-done).Sends {
		if s.Err != nil {
			d.t.Fatal(s.Err)
		}
		all = append(all, Taken{s.Result.Offset, s.Result.Pos})
	}
	return all
}

// take pops messages for as long as d and returns their places.
func (d *hand) take(rest time.Duration, messages ...Taken) (places []Place) {
	d.t.Helper()
	now := time.Now().UnixMilli()
	due := now + rest.Milliseconds()
	if err := d.holds.Take(d.holds.Batch(), first, now, due, slices.Clone(messages)); err != nil {
		d.t.Fatal(err)
	}
	for _, m := range messages {
		places = append(places, Place{first, due, m.Offset, messages[0].Offset})
	}
	return places
}

// back are the bodies of what was stored again, in order.
func (d *hand) back() (bodies []string) {
	d.t.Helper()
	synctest.Wait()
	for at := mq.QueueOffset(0); ; {
		b, err := d.store.Read(again, at, store.ReadOptions{MaxMessages: 1000})
		if err != nil {
			d.t.Fatal(err)
		}
		if b.Status != mq.PullFound {
			b.Release()
			return bodies
		}
		for _, data := range b.Data {
			for len(data) > 0 {
				r, rest, err := mq.DecodeRecord(data)
				if err != nil {
					d.t.Fatal(err)
				}
				bodies, data = append(bodies, string(r.Body)), rest
			}
		}
		at = b.Next
		b.Release()
	}
}

func (d *hand) want(inHand int64, bodies ...string) {
	d.t.Helper()
	if got := d.back(); !slices.Equal(got, bodies) {
		d.t.Errorf("given back %q, want %q", got, bodies)
	}
	if n := d.holds.Total(); n != inHand || d.holds.Count(first) != inHand {
		d.t.Errorf("%d are in hand, %d of the queue, want %d", n, d.holds.Count(first), inHand)
	}
	rows := int64(0)
	err := d.store.Keys().Scan([]byte(rowHold), func(key, value []byte) error {
		r, err := decodeRow(key, value)
		if err == nil && len(r.left) == 0 {
			err = errors.New("a row of no message")
		}
		rows += int64(len(r.left))
		return err
	})
	if err != nil || rows != inHand {
		d.t.Errorf("there are rows of %d messages, want %d, %v", rows, inHand, err)
	}
}

func (d *hand) ack(n int, places ...Place) {
	d.t.Helper()
	if got, err := d.holds.Ack(places); got != n || err != nil {
		d.t.Errorf("%d were in hand, want %d, %v", got, n, err)
	}
}

func pass(d time.Duration) { <-time.After(d) }

func inTime(t *testing.T, test func(t *testing.T, d *hand)) {
	synctest.Test(t, func(t *testing.T) {
		d := newHand(t, vfs.NewMem(), nil)
		defer func() { d.stop() }()
		test(t, d)
	})
}

func TestWhatIsNotAcknowledgedComesBackAtItsMillisecond(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		m := d.put(4)
		late := d.take(time.Hour, m[0])
		d.take(7*time.Millisecond, m[1])
		gone := d.take(5*time.Millisecond, m[2])
		d.take(3*time.Millisecond, m[3])
		d.ack(1, gone...)
		pass(2 * time.Millisecond)
		d.want(3)
		pass(time.Millisecond)
		d.want(2, "3")
		pass(3 * time.Millisecond)
		d.want(2, "3")
		pass(time.Millisecond)
		d.want(1, "3", "1")
		pass(time.Hour - 8*time.Millisecond)
		d.want(1, "3", "1")
		pass(time.Millisecond)
		d.want(0, "3", "1", "0")
		d.ack(0, late...)
		d.want(0, "3", "1", "0")
	})
}

func TestAnAcknowledgementCountsOnce(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		p := d.take(time.Minute, d.put(3)...)
		other := p[2]
		other.Due++
		d.ack(2, p[0], p[1], p[0], other, p[1])
		d.ack(0, p[0])
		d.want(1)
	})
}

func TestAChangedTimeIsKept(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		p := d.take(time.Second, d.put(3)...)
		now := time.Now().UnixMilli()
		for i, due := range []int64{now + 5000, now + 10} {
			if err := d.holds.Change(p[i], now, due, i == 0); err != nil {
				t.Fatal(err)
			}
		}
		if err := d.holds.Change(p[0], now, now+9000, false); !errors.Is(err, mq.ErrNotFound) {
			t.Errorf("the old receipt: %v", err)
		}
		pass(10 * time.Millisecond)
		d.want(2, "1")
		pass(time.Second)
		d.want(1, "1", "2")
		p[0].Due = now + 5000
		if err := d.holds.Change(p[0], now, p[0].Due, false); err != nil { // to what it is
			t.Fatal(err)
		}
		pass(4 * time.Second)
		d.want(0, "1", "2", "0")
		if err := d.holds.Change(p[0], now, now+9000, false); !errors.Is(err, mq.ErrNotFound) {
			t.Errorf("after its time: %v", err)
		}
	})
}

func TestWhatIsOnItsWayBackIsNotChanged(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		p := d.take(time.Second, d.put(2)...)
		d.mu.Lock()
		d.mu.meanwhile = func() {
			now := time.Now().UnixMilli()
			if err := d.holds.Change(p[0], now, now+9000, false); !errors.Is(err, mq.ErrNotFound) {
				t.Errorf("changed on its way back: %v", err)
			}
			if _, err := d.holds.Claim(p[0]); !errors.Is(err, mq.ErrNotFound) {
				t.Errorf("claimed on its way back: %v", err)
			}
			d.ack(1, p[1])
		}
		d.mu.Unlock()
		pass(time.Second)
		d.want(0, "0", "1")
	})
}

func TestClaimedHoldsWaitForTheirClaim(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		p := d.take(time.Second, d.put(2)...)
		var holds []Hold
		for _, place := range p {
			hold, err := d.holds.Claim(place)
			if err != nil {
				t.Fatal(err)
			}
			holds = append(holds, hold)
		}
		pass(2 * time.Second)
		d.want(2)
		d.holds.Release(p[0])
		if err := d.holds.Settle(holds[1], holds[1].Pos); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		d.want(0, "0")
	})
}

func TestFailuresAreTriedAgainMoreSlowly(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		d.mu.Lock()
		d.mu.fail = mq.ErrDiskFull
		d.mu.Unlock()
		d.take(time.Second, d.put(2000)...)
		pass(time.Minute)
		d.mu.Lock()
		if d.mu.stored > 15 {
			t.Errorf("%d tries in a minute", d.mu.stored)
		}
		d.mu.fail = nil
		d.mu.Unlock()
		d.want(2000)
		pass(maxBackoff * time.Millisecond)
		pass(time.Second)
		if got := d.back(); len(got) != 2000 || d.holds.Total() != 0 {
			t.Errorf("%d came back, %d are in hand", len(got), d.holds.Total())
		}
	})
}

func TestWhatCannotComeBackIsLetGo(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		m := d.put(2)
		d.mu.Lock()
		d.mu.refuse = fmt.Errorf("%w: no such group", ErrGone)
		d.mu.Unlock()
		d.take(time.Second, m[0])
		pass(time.Second)
		d.want(0)
		d.mu.Lock()
		d.mu.refuse, d.mu.fail = nil, mq.ErrMessageTooLarge
		d.mu.Unlock()
		d.take(time.Second, m[1])
		pass(time.Second)
		d.want(0)
		if n := d.holds.Dropped(); n != 2 {
			t.Errorf("%d were let go, want 2", n)
		}
	})
}

func TestADamagedMessageHoldsUpNobodyAndIsLetGoInTheEnd(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		m := d.put(3)
		d.take(time.Second, m[0])
		d.take(time.Second, Taken{m[1].Offset, m[1].Pos + 1}, m[2]) // in the middle of a record
		pass(2 * time.Second)
		d.want(1, "0", "2")
		pass(3 * time.Hour)
		d.want(1, "0", "2")
		pass(time.Hour)
		d.want(0, "0", "2")
	})
}

func TestForgettingLetsGoOfWhatMatches(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		m := d.put(3)
		d.take(time.Second, m...)
		other := Use{Group: "other", Topic: "T"}
		if err := d.holds.Take(d.holds.Batch(), other, 0, time.Now().UnixMilli()+1000, slices.Clone(m[:1])); err != nil {
			t.Fatal(err)
		}
		var o Order
		o.Take("", 1, 1000, []mq.QueueOffset{0})
		if err := d.holds.KeepOrder(d.holds.Batch(), first, &o); err != nil {
			t.Fatal(err)
		}
		if err := d.holds.Forget(func(u Use) bool { return u.Group == "G" }); err != nil {
			t.Fatal(err)
		}
		if n := d.holds.Total(); n != 1 || d.holds.Count(other) != 1 || d.holds.Count(first) != 0 {
			t.Errorf("%d are in hand", n)
		}
		if o, err := d.holds.Order(first); err != nil || !o.Empty() {
			t.Errorf("the order is %v, %v", o, err)
		}
		pass(time.Second)
		d.want(0, "0")
	})
}

func TestHoldsSurviveARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		d := newHand(t, fs, nil)
		m := d.put(3)
		d.take(time.Second, m[0])
		d.take(10*time.Second, m[1])
		d.take(time.Hour, m[2])
		pass(2 * time.Second)
		d.want(2, "0")
		d.stop()
		pass(10 * time.Second)
		d = newHand(t, fs, nil)
		defer d.stop()
		d.want(1, "0", "1")
		pass(time.Hour)
		d.want(0, "0", "1", "2")
	})
}

// A power cut may leave rows of what the log lost, and may have lost copies of
// what the rows say was given back.
func TestRowsDoNotOutliveTheLog(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		m := d.put(2)
		_, hi := d.store.LogBounds()
		keys := d.store.Keys()
		hold := func(at mq.QueueOffset, pos mq.LogPos) *Hold {
			return &Hold{Place: Place{first, time.Now().UnixMilli() + 1000, at, at}, Pos: pos}
		}
		gone := hold(9, hi+100)
		b := keys.Batch()
		b.Set(gone.key(), gone.appendValue(nil))
		back := appendSent(nil, hold(0, m[0].Pos), hi+50)
		b.Set(sentKey(hi+60), appendSent(back, hold(1, m[1].Pos), hi-1))
		var o Order
		o.Take("", 1, 1000, []mq.QueueOffset{1, 2})
		b.Set(orderKey(first), o.encode())
		if err := keys.Apply(b, false); err != nil {
			t.Fatal(err)
		}
		d.stop()
		*d = *newHand(t, d.fs, nil)
		d.want(1)
		if o, err := d.holds.Order(first); err != nil || !o.Empty() {
			t.Errorf("the order is %v, %v", o, err)
		}
		pass(time.Second)
		d.want(0, "0")
	})
}

// Every power cut, wherever it falls, leaves a state in which each message that
// was popped and not acknowledged comes back or has come back.
func TestPowerCutsLoseNothingInHand(t *testing.T) {
	for _, flush := range []store.FlushMode{store.FlushAsync, store.FlushSync} {
		for seed := range uint64(2) {
			synctest.Test(t, func(t *testing.T) { cutPower(t, flush, seed) })
		}
	}
}

func cutPower(t *testing.T, flush store.FlushMode, seed uint64) {
	fs := vfs.NewCrashableMem()
	o := func(o *store.Options) { o.Flush = flush }
	d := newHand(t, fs, o)
	defer func() { d.stop() }()
	rng := rand.New(rand.NewPCG(seed, 1))
	messages := d.put(60)
	pass(5 * time.Second) // the messages are on the disk
	acked := map[string]bool{}
	for i, m := range messages {
		p := d.take(time.Duration(50+rng.IntN(900))*time.Millisecond, m)
		if i%3 == 0 {
			d.ack(1, p...)
			acked[strconv.Itoa(i)] = true
		}
	}
	// What follows is never told to have reached the disk. The rows are there
	// by a sync, as somebody's topic brings one about.
	if err := d.store.Keys().Set([]byte("x"), nil, true); err != nil {
		t.Fatal(err)
	}
	for cut := range 6 {
		pass(170 * time.Millisecond)
		if cut%2 == 1 { // rows reach the disk and copies do not
			if err := d.store.Keys().Set([]byte("x"), nil, true); err != nil {
				t.Fatal(err)
			}
		}
		percent := []int{0, 50, 100}[cut%3]
		after := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: percent, RNG: rng})
		d2 := newHand(t, after, o)
		pass(3 * time.Second)
		got := map[string]int{}
		for _, body := range d2.back() {
			got[body]++
		}
		for i := range messages {
			if body := strconv.Itoa(i); !acked[body] && got[body] == 0 {
				t.Errorf("seed %d, cut %d: message %s was in hand and did not come back", seed, cut, body)
			} else if acked[body] && got[body] > 0 {
				t.Errorf("seed %d, cut %d: message %s was acknowledged, on the disk, and came back", seed, cut, body)
			}
		}
		if n := d2.holds.Total(); n != 0 {
			t.Errorf("seed %d, cut %d: %d are in hand for ever", seed, cut, n)
		}
		d2.stop()
	}
}

// A kill between storing again and the rows repeats that, and nothing else.
func TestAKillRepeatsWhatWasOnItsWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		d := newHand(t, fs, nil)
		d.take(time.Second, d.put(1)...)
		d.take(3*time.Second, d.put(1)...)
		pass(2 * time.Second)
		d.want(1, "0")
		killed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
		d.stop()
		d = newHand(t, killed, nil)
		defer d.stop()
		pass(2 * time.Second)
		d.want(0, "0", "1")
	})
}

// Acknowledgements leave marks in the key store; giving back does not go
// through them again and again.
func TestGivingBackIsNotSlowedByWhatWasAcknowledged(t *testing.T) {
	inTime(t, func(t *testing.T, d *hand) {
		m := d.put(1000)
		p := d.take(time.Minute, m...)
		d.ack(1000, p...)
		d.take(2*time.Second, m[0])
		d.take(3*time.Minute, m[1])
		pass(2 * time.Second)
		d.want(1, "0")
		d.take(time.Second, m[2])
		pass(time.Second)
		d.want(1, "0", "2")
		pass(3 * time.Minute)
		d.want(0, "0", "2", "1")
	})
}

func TestAClockThatIsSetDoesNotStopGivingBack(t *testing.T) {
	d := newHand(t, vfs.NewMem(), nil)
	defer d.stop()
	h, err := New(Options{Store: d.store}) // does not run
	if err != nil {
		t.Fatal(err)
	}
	const now = 1_000_000_000
	rest := h.pause(now)
	if got := h.step(now); got != rest {
		t.Errorf("rests %v after a failure, want %v", got, rest)
	}
	if got := h.step(now - 3_600_000); got > 10*time.Second {
		t.Errorf("rests %v when the clock was set back by an hour", got)
	}
	if err := h.Take(h.Batch(), first, now, now+3_600_000, d.put(1)); err != nil {
		t.Fatal(err)
	}
	if got := h.step(now + rest.Milliseconds()); got > 10*time.Second {
		t.Errorf("rests %v without a look at the clock, which may be set forward", got)
	}
}
