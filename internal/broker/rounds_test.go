package broker

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// A slowDisk counts the syncs of the key store's log and, while it is slow,
// keeps them until it is open.
type slowDisk struct {
	slow  atomic.Bool
	open  chan struct{}
	syncs atomic.Int32
}

func (d *slowDisk) String() string { return "slow disk" }

func (d *slowDisk) MaybeError(op errorfs.Op) error {
	if op.Kind != errorfs.OpFileSyncData || !strings.HasSuffix(op.Path, ".log") {
		return nil
	}
	d.syncs.Add(1)
	if d.slow.Load() {
		<-d.open
	}
	return nil
}

// onSlowDisk makes a hundred calls while no sync of the disk ends, runs
// meanwhile, and wants all to have ended after the syncs of the first call and of
// those that came while it was stored.
func onSlowDisk(t *testing.T, call func(r *rig, i int) error, meanwhile, after func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		disk := &slowDisk{open: make(chan struct{})}
		r := start(t, Options{}, errorfs.Wrap(vfs.NewMem(), disk))
		defer func() { r.stop() }()
		before := disk.syncs.Load()
		disk.slow.Store(true)
		var wg sync.WaitGroup
		for i := range 100 {
			wg.Go(func() {
				if err := call(r, i); err != nil {
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		meanwhile(r)
		close(disk.open)
		wg.Wait()
		if n := disk.syncs.Load() - before; n > 2 {
			t.Errorf("it took %d syncs of the disk, want 2", n)
		}
		r.restart(Options{})
		after(r)
	})
}

func TestTopicsThatAreCreatedAtTheSameTimeShareASync(t *testing.T) {
	there := func(r *rig) (n int) {
		for i := range 100 {
			if _, err := r.Topic(r.Context(), fmt.Sprint("T", i)); err == nil {
				n++
			}
		}
		return n
	}
	onSlowDisk(t, func(r *rig, i int) error {
		topic := mq.Topic{Name: fmt.Sprint("T", i), ReadQueues: 1, WriteQueues: 1, Perm: 6, FilterType: singleTag}
		if i%2 == 0 {
			return r.PutTopic(context.Background(), topic)
		}
		_, err := r.createTopic(topic)
		return err
	}, func(r *rig) {
		if n := there(r); n > 0 {
			r.Errorf("%d topics are there before they are stored", n)
		}
	}, func(r *rig) {
		if n := there(r); n != 100 {
			r.Errorf("%d topics are there after a restart", n)
		}
	})
}

func TestGroupsThatAreCreatedAtTheSameTimeShareASync(t *testing.T) {
	onSlowDisk(t, func(r *rig, i int) error {
		_, err := r.group(fmt.Sprint("G", i))
		return err
	}, func(*rig) {}, func(r *rig) {
		for i := range 100 {
			if _, err := r.Group(r.Context(), fmt.Sprint("G", i)); err != nil {
				r.Error(err)
			}
		}
	})
}

func TestChangesOfOneTopicAtTheSameTimeAllHold(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		var wg sync.WaitGroup
		for _, change := range []string{"reserve.time=-1", "message.type=NORMAL", "dedup.window.seconds=60", "lite.topic.expiration=-1"} {
			key, value, _ := strings.Cut(change, "=")
			wg.Go(func() {
				err := r.PutTopic(context.Background(), mq.Topic{
					Name: "T", ReadQueues: 1, WriteQueues: 1, Perm: 6, Attributes: map[string]string{"+" + key: value},
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		for range 2 {
			got, err := r.Topic(t.Context(), "T")
			if err != nil || len(got.Attributes) != 4 {
				t.Errorf("the topic has %v, %v", got.Attributes, err)
			}
			r.restart(Options{})
		}
	})
}

// Whatever creates, changes and deletes the same topics at the same time: what
// is known is what is stored, and the version only ever grows.
func TestTopicsAreKnownAsTheyAreStored(t *testing.T) {
	for seed := range uint64(10) {
		bubble(t, Options{}, func(t *testing.T, r *rig) {
			var wg sync.WaitGroup
			for worker := range uint64(8) {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(seed, worker))
					var last int64
					for range 30 {
						r.churn(rng)
						_, v := r.Topics(context.Background())
						if v.Counter < last {
							t.Errorf("the version went from %d to %d", last, v.Counter)
						}
						last = v.Counter
					}
				})
			}
			wg.Wait()
			known, version := r.Topics(t.Context())
			r.restart(Options{})
			stored, again := r.Topics(t.Context())
			same := slices.EqualFunc(known, stored, func(a, b mq.Topic) bool {
				return a.Name == b.Name && a.ReadQueues == b.ReadQueues && maps.Equal(a.Attributes, b.Attributes)
			})
			if !same || version.Counter != again.Counter {
				t.Errorf("known were %v, version %d; stored are %v, version %d", known, version.Counter, stored, again.Counter)
			}
		})
	}
}

// churn creates, changes or deletes one of four topics.
func (r *rig) churn(rng *rand.Rand) {
	name := fmt.Sprint("T", rng.IntN(4))
	t := mq.Topic{Name: name, ReadQueues: 1 + rng.Int32N(9), WriteQueues: 9, Perm: 6, FilterType: singleTag}
	var err error
	switch rng.IntN(3) {
	case 0:
		_, err = r.createTopic(t)
	case 1:
		t.Attributes = map[string]string{"+lite.topic.expiration": fmt.Sprint(1 + rng.IntN(9))}
		err = r.PutTopic(context.Background(), t)
	default:
		err = r.DeleteTopic(context.Background(), name)
	}
	if err != nil {
		r.Error(err)
	}
}

// After a power cut in the middle of it, whatever the disk kept, every topic
// that was acknowledged is there, whole, and the version is no older.
func TestTopicsSurviveACrashOnceTheyAreAcknowledged(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 3))
			fs := vfs.NewCrashableMem()
			r := start(t, Options{}, fs)
			defer func() { r.stop() }()
			var mu sync.Mutex
			acknowledged := map[string]bool{}
			enough := make(chan struct{})
			stopAt := 1 + rng.IntN(100)
			var wg sync.WaitGroup
			for i := range 120 {
				name := fmt.Sprint("T", i)
				wg.Go(func() {
					err := r.PutTopic(context.Background(), mq.Topic{
						Name: name, ReadQueues: 7, WriteQueues: 7, Perm: 6, Attributes: map[string]string{"+message.type": "FIFO"},
					})
					if err != nil {
						t.Error(err)
					}
					mu.Lock()
					defer mu.Unlock()
					if acknowledged[name] = true; len(acknowledged) == stopAt {
						close(enough)
					}
				})
			}
			<-enough
			mu.Lock()
			want := maps.Clone(acknowledged)
			mu.Unlock()
			_, version := r.Topics(t.Context())
			crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			wg.Wait()
			after := start(t, Options{}, crashed)
			defer after.stop()
			for name := range want {
				got, err := after.Topic(t.Context(), name)
				if err != nil || got.ReadQueues != 7 || got.Attributes["message.type"] != "FIFO" {
					t.Errorf("seed %d: after the crash topic %s is %v, %v", seed, name, got, err)
				}
			}
			if _, v := after.Topics(t.Context()); v.Counter < version.Counter {
				t.Errorf("seed %d: the version went back from %d to %d", seed, version.Counter, v.Counter)
			}
		})
	}
}
