package store

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// acks is what producers were told is stored.
type acks struct {
	mu struct {
		sync.Mutex // guards what follows
		bodies     map[mq.Queue]map[mq.QueueOffset]string
		added      sync.Cond
	}
}

func newAcks() *acks {
	a := &acks{}
	a.mu.bodies = map[mq.Queue]map[mq.QueueOffset]string{}
	a.mu.added.L = &a.mu
	return a
}

func (a *acks) add(q mq.Queue, at mq.QueueOffset, body string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.bodies[q] == nil {
		a.mu.bodies[q] = map[mq.QueueOffset]string{}
	}
	if old, ok := a.mu.bodies[q][at]; ok {
		panic(fmt.Sprintf("offset %d of %v was given to %q and to %q", at, q, old, body))
	}
	a.mu.bodies[q][at] = body
	a.mu.added.Broadcast()
}

// addLights adds the message at a log position to the light queues that it
// lies in.
func (a *acks) addLights(s *Store, at mq.LogPos) {
	b, err := s.ReadAt(at)
	if err != nil {
		panic(err)
	}
	r, _, _ := mq.DecodeRecord(b)
	for name, offset := range mq.LightQueues(r.Properties) {
		a.add(mq.Queue{Topic: string(name)}, offset, string(r.Body))
	}
}

// await returns when n more messages are acknowledged.
func (a *acks) await(n int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for n += a.countLocked(); a.countLocked() < n; {
		a.mu.added.Wait()
	}
}

func (a *acks) clone() *acks {
	a.mu.Lock()
	defer a.mu.Unlock()
	c := newAcks()
	for q, bodies := range a.mu.bodies {
		c.mu.bodies[q] = map[mq.QueueOffset]string{}
		for at, body := range bodies {
			c.mu.bodies[q][at] = body
		}
	}
	return c
}

func (a *acks) count() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.countLocked()
}

func (a *acks) countLocked() int {
	n := 0
	for _, bodies := range a.mu.bodies {
		n += len(bodies)
	}
	return n
}

// check fails unless the store holds everything acknowledged at its offset,
// and no queue has a hole.
func (a *acks) check(t *testing.T, s *Store, what string) {
	t.Helper()
	for q, want := range a.mu.bodies {
		got := mustRead(t, s, q, 0)
		for at, body := range want {
			if int(at) >= len(got) || got[at] != body {
				t.Fatalf("%s: %v at offset %d was acknowledged as %.30q; the queue holds %d messages", what, q, at, body, len(got))
			}
		}
		// What was stored and not acknowledged is known from here on.
		for at, body := range got {
			want[mq.QueueOffset(at)] = body
		}
	}
}

// produce sends until it is refused: single messages and batches, to a queue
// of its own and to one that all share, some of them to light queues as well.
func produce(s *Store, a *acks, id int, rng *rand.Rand) {
	for n := 0; ; n++ {
		b := &mq.SendBatch{}
		for i := range 1 + rng.IntN(4) {
			q := int32(0)
			if rng.IntN(2) == 0 {
				q = int32(id)
			}
			body := func() []byte {
				return fmt.Appendf(nil, "%d-%d-%d-%d %s", id, n, i, rng.Uint32(), strings.Repeat("x", rng.IntN(3000)))
			}
			send := mq.Send{Message: mq.Message{Topic: "T", QueueID: q, Body: body()}}
			if first := rng.IntN(6); first < 3 {
				send.Message = inLight(send.Message, lightNames(first, 1+rng.IntN(3))...)
			}
			for range rng.IntN(3) {
				send.More = append(send.More, mq.Message{Body: body()})
			}
			b.Sends = append(b.Sends, send)
		}
		for _, send := range sendBatch(s, b) {
			if send.Err != nil {
				return
			}
			q := mq.Queue{Topic: "T", ID: send.QueueID}
			a.add(q, send.Result.Offset, string(send.Body))
			a.addLights(s, send.Result.Pos)
			for i, m := range send.More {
				a.add(q, send.Result.Offset+1+mq.QueueOffset(i), string(m.Body))
			}
		}
	}
}

// crashUnderLoad opens a store, lets producers work until more is acknowledged,
// and returns what a crash leaves and what was acknowledged before it.
func crashUnderLoad(t *testing.T, o Options, a *acks, seed uint64, kept int) (*vfs.MemFS, *acks) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	s := mustOpen(t, o)
	stop := runStore(t, s)
	var wg sync.WaitGroup
	for id := 1; id <= 4; id++ {
		wg.Go(func() { produce(s, a, id, rand.New(rand.NewPCG(seed, uint64(id)))) })
	}
	a.await(20 + rng.IntN(150))
	before := a.clone()
	crashed := o.FS.(*vfs.MemFS).CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: kept, RNG: rng})
	s.mu.Lock()
	s.mu.failure = errClosed
	s.mu.Unlock()
	wg.Wait()
	stop()
	mustClose(t, s)
	return crashed, before
}

// Every message that Append acknowledged under FlushSync is still there after
// a crash, whatever share of the unsynced bytes the disk happened to keep, and
// what the crash left never turns up again behind later messages.
func TestAppendAckedMessagesSurvivePowerLoss(t *testing.T) {
	for seed := range uint64(12) {
		var fs = vfs.NewCrashableMem()
		a := newAcks()
		for round := range 4 {
			o := testOptions(fs)
			o.Flush, o.FlushInterval = FlushSync, 2*time.Millisecond
			kept := []int{0, 50, 90, 30}[(int(seed)+round)%4]
			fs, a = crashUnderLoad(t, o, a, seed*10+uint64(round), kept)
			what := fmt.Sprintf("seed %d round %d, %d%% kept", seed, round, kept)
			checkRecovered(t, fs, a, what)
		}
	}
}

// Every message that Append acknowledged is still there after kill -9, when
// nothing of what the operating system was given is lost.
func TestAppendAckedMessagesSurviveKill(t *testing.T) {
	for seed := range uint64(6) {
		fs, a := vfs.NewCrashableMem(), newAcks()
		for round := range 3 {
			o := testOptions(fs)
			o.FlushInterval = 2 * time.Millisecond
			fs, a = crashUnderLoad(t, o, a, seed*10+uint64(round), 100)
			checkRecovered(t, fs, a, fmt.Sprintf("seed %d round %d", seed, round))
		}
	}
}

// checkRecovered opens what a crash left and compares: with what was
// acknowledged, the index with the log, and both with a rebuilt index. Messages
// that were not acknowledged but are there count as acknowledged afterwards.
func checkRecovered(t *testing.T, fs *vfs.MemFS, a *acks, what string) {
	t.Helper()
	o := testOptions(fs)
	s := mustOpen(t, o)
	a.check(t, s, what)
	mustClose(t, s)
	checkVerified(t, fs, what)
	if err := fs.RemoveAll("store/" + StateDir); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, o)
	n := a.count()
	a.check(t, s, what+", rebuilt")
	if a.count() != n {
		t.Fatalf("%s: the rebuilt index knows %d messages, the other %d", what, a.count(), n)
	}
	mustClose(t, s)
}

// checkVerified fails if Verify finds anything.
func checkVerified(t *testing.T, fs vfs.FS, what string) {
	t.Helper()
	rep, err := Verify(fs, "store", nil)
	if err != nil {
		t.Fatalf("%s: %v", what, err)
	}
	if rep.Problems > 0 {
		t.Fatalf("%s: verify found %q", what, rep.Findings)
	}
}

// Rows survive kill -9 when Set returns, and power loss if it was asked to
// sync.
func TestKeysSurviveWhatWasAskedFor(t *testing.T) {
	fs := vfs.NewCrashableMem()
	s := mustOpen(t, testOptions(fs))
	defer mustClose(t, s)
	k := s.Keys()
	for i := range 50 {
		sync := i%2 == 0
		if err := k.Set(fmt.Appendf(nil, "key-%d", i), fmt.Appendf(nil, "%d", i), sync); err != nil {
			t.Fatal(err)
		}
		killed := mustOpen(t, testOptions(fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 1))})))
		if _, err := killed.Keys().Get(fmt.Appendf(nil, "key-%d", i)); err != nil {
			t.Fatalf("killed after key %d: %v", i, err)
		}
		mustClose(t, killed)
		if !sync {
			continue
		}
		crashed := mustOpen(t, testOptions(fs.CrashClone(vfs.CrashCloneCfg{})))
		if _, err := crashed.Keys().Get(fmt.Appendf(nil, "key-%d", i)); err != nil {
			t.Fatalf("power lost after key %d: %v", i, err)
		}
		mustClose(t, crashed)
	}
}
