package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// After a power cut, whatever the disk kept, every message of a lite topic that
// was not acknowledged is delivered, and what is sent afterwards too, each lite
// topic in order. With asynchronous flush what the disk still holds counts.
func TestNoLiteMessageIsPassedOverAfterACrash(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 7))
			fs := vfs.NewCrashableMem()
			o := Options{}
			if seed%2 == 0 {
				o.Store.Flush = store.FlushSync
			}
			r := start(t, o, fs)
			defer func() { r.stop() }()
			r.liteTopic("-1")
			names := []string{"x", "y", "z"}
			r.wants("a", nil, mq.LiteSet, names...)
			done := map[string]bool{}
			for i := range 60 {
				name := names[rng.IntN(len(names))]
				r.lite(name, fmt.Sprintf("%s-%03d", name, i))
				if rng.IntN(3) == 0 {
					p := <-r.startLite(context.Background(), mq.LitePopRequest{ClientID: "a", Invisible: time.Second})
					for j, a := range p.acks[:rng.IntN(len(p.acks)+1)] {
						r.acks(a)
						done[p.bodies[j]] = true
					}
				}
				pass(time.Duration(rng.IntN(700)) * time.Millisecond)
			}
			r.afterCrash(start(t, o, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})), seed, names, done)
		})
	}
}

// afterCrash consumes everything of a broker that has crashed, and one message
// more of each lite topic.
func (r *rig) afterCrash(after *rig, seed uint64, names []string, done map[string]bool) {
	r.Helper()
	defer after.stop()
	want := map[string]bool{}
	for _, name := range names {
		for _, body := range after.bodies(mq.LiteQueue("P", name), 0) {
			want[body] = true
		}
		after.lite(name, name+"-999")
		want[name+"-999"] = true
	}
	after.wants("a", nil, mq.LiteSet, names...)
	last := map[byte]string{}
	for {
		p := <-after.startLite(context.Background(), mq.LitePopRequest{ClientID: "a", Wait: 2 * time.Second, Invisible: time.Minute})
		if len(p.bodies) == 0 {
			break
		}
		for _, body := range p.bodies {
			if body <= last[body[0]] {
				r.Errorf("seed %d: %s came behind %s", seed, body, last[body[0]])
			}
			last[body[0]] = body
			delete(want, body)
		}
		after.acks(p.acks...)
	}
	for body := range want {
		if !done[body] {
			r.Errorf("seed %d: %s was neither acknowledged nor delivered again", seed, body)
		}
	}
}

// A power cut that takes messages but not the note that they are done with must
// not hide those that lie in their places afterwards.
func TestAPlaceBehindWhatTheLogLostGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		r := start(t, Options{}, fs)
		defer r.stop()
		r.liteTopic("-1")
		r.lite("x", "kept")
		r.wants("a", nil, mq.LiteSet, "x")
		r.acks(r.takes("a", "kept").acks...)
		pass(5 * time.Second)
		for i := range 3 {
			r.lite("x", fmt.Sprint("lost ", i))
		}
		r.acks(r.takes("a", "lost 0", "lost 1", "lost 2").acks...)
		r.liteGroup("H") // which syncs the rows, and not the log
		after := start(t, Options{}, fs.CrashClone(vfs.CrashCloneCfg{}))
		defer after.stop()
		wantStrings(t, "after the power cut", after.bodies(mq.LiteQueue("P", "x"), 0), "kept")
		after.lite("x", "new")
		after.wants("a", nil, mq.LiteSet, "x")
		for range 4 {
			after.lite("x", "more")
		}
		after.acks(after.takes("a", "new", "more", "more", "more", "more").acks...)
	})
}
