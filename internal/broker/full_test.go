package broker

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// A fullDisk is a broker on a disk that can be filled.
type fullDisk struct {
	*rig
	disk *vfs.MemFS
}

// onFullDisk fills the disk after before has run, so that not even rows are
// written any more.
func onFullDisk(t *testing.T, before, test func(r *fullDisk)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		disk := vfs.NewMem()
		r := &fullDisk{disk: disk}
		r.free(1 << 39)
		r.rig = start(t, fullOptions(), disk)
		defer func() { r.stop() }()
		before(r)
		r.free(1 << 20)
		pass(2 * time.Second)
		test(r)
	})
}

func fullOptions() Options {
	var o Options
	o.Store.Reserve, o.Store.DiskForceClean = 1<<30, 100
	return o
}

func (r *fullDisk) free(n uint64) {
	const total = 1 << 40
	r.disk.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: total, AvailBytes: n, UsedBytes: total - n})
}

func (r *fullDisk) restart() {
	r.Helper()
	r.rig.restart(fullOptions())
}

func TestAnUnknownGroupReadsOnAFullDisk(t *testing.T) {
	onFullDisk(t, func(r *fullDisk) { r.sent(message("T", "x")) }, func(r *fullDisk) {
		q := mq.Queue{Topic: "T", ID: r.queueOf("T")}
		if _, err := r.Join(context.Background(), consumer("c", &peer{}, "G", "T")); err != nil {
			t.Fatal(err)
		}
		if p := <-r.pull(mq.PullRequest{Group: "G", Queue: q}); p.err != nil || len(p.records) != 1 {
			t.Fatalf("pulled %d records, %v", len(p.records), p.err)
		}
		r.must(r.SetOffset(t.Context(), "G", q, 1))
		check := func() {
			t.Helper()
			if at, err := r.Offset(t.Context(), "G", q); at != 1 || err != nil {
				t.Errorf("the offset is %d, %v", at, err)
			}
			for _, topic := range []string{mq.RetryTopic("G"), "T"} {
				if _, err := r.Topic(t.Context(), topic); err != nil {
					t.Error(err)
				}
			}
			if _, err := r.Group(t.Context(), "G"); err != nil {
				t.Error(err)
			}
		}
		check()
		pass(time.Minute)
		check()
		r.free(1 << 39)
		pass(2 * sweepInterval)
		if r.unkept.Load() {
			t.Error("rows still wait")
		}
		r.restart()
		check()
	})
}

func TestACommitOnAFullDiskIsKeptOnceThereIsSpace(t *testing.T) {
	q := mq.Queue{Topic: "T"}
	onFullDisk(t, func(r *fullDisk) {
		r.topic("T", 1)
		r.must(r.SetOffset(t.Context(), "G", q, 3))
	}, func(r *fullDisk) {
		r.must(r.SetOffset(t.Context(), "G", q, 7))
		r.must(r.SetOffset(t.Context(), "G", q, 8))
		if at, err := r.Offset(t.Context(), "G", q); at != 8 || err != nil {
			t.Errorf("the offset is %d, %v", at, err)
		}
		r.free(1 << 39)
		pass(2 * time.Second)
		r.restart() // writes what waits at its end, too
		if at, err := r.Offset(t.Context(), "G", q); at != 8 || err != nil {
			t.Errorf("after a restart the offset is %d, %v", at, err)
		}
	})
}

func TestAFullDiskIsSaidInTheUsersWords(t *testing.T) {
	onFullDisk(t, func(*fullDisk) {}, func(r *fullDisk) {
		err := r.PutTopic(t.Context(), mq.Topic{Name: "hello", ReadQueues: 1, WriteQueues: 1, Perm: 6})
		r.wantErr(err, mq.ErrDiskFull)
		if text := err.Error(); !strings.HasPrefix(text, "topic hello cannot be created: disk is full") {
			t.Errorf("it says %q", text)
		}
		err = r.PutGroup(t.Context(), newGroup("hello"))
		r.wantErr(err, mq.ErrDiskFull)
		if text := err.Error(); !strings.HasPrefix(text, "consumer group hello cannot be created: disk is full") {
			t.Errorf("it says %q", text)
		}
	})
}

// queueOf is the first queue of a topic that holds something.
func (r *rig) queueOf(topic string) int32 {
	r.Helper()
	for id := range int32(16) {
		if _, hi, err := r.Bounds(context.Background(), mq.Queue{Topic: topic, ID: id}); err == nil && hi > 0 {
			return id
		}
	}
	r.Fatalf("topic %s is empty", topic)
	return 0
}

func TestStoreSettingsAreEffectiveAndChange(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		check := func(want map[string]string) {
			t.Helper()
			all := r.Settings(t.Context())
			for key, value := range want {
				if all[key] != value {
					t.Errorf("%s = %q, want %q", key, all[key], value)
				}
			}
		}
		check(map[string]string{
			"fileReservedTime": "72", "mappedFileSizeCommitLog": "1048576", "diskMaxUsedSpaceRatio": "75",
			"diskSpaceCleanForciblyRatio": "85", "diskSpaceWarningLevelRatio": "100", "flushIntervalCommitLog": "500",
		})
		r.must(r.SetSettings(t.Context(), map[string]string{"fileReservedTime": "48", "deleteWhen": "04", "diskMaxUsedSpaceRatio": "60"}))
		check(map[string]string{"fileReservedTime": "48", "deleteWhen": "04", "diskMaxUsedSpaceRatio": "60"})
		if o := r.store.Options(); o.Retention != 48*time.Hour || o.DeleteHour != "04" || o.DiskMaxUsed != 60 {
			t.Errorf("the store has %+v", o)
		}
		for _, bad := range []map[string]string{
			{"fileReservedTime": "0"}, {"fileReservedTime": "-1"}, {"fileReservedTime": "9000000000"}, {"deleteWhen": "noon"},
			{"diskMaxUsedSpaceRatio": "101"}, {"mappedFileSizeCommitLog": "4096"},
		} {
			r.wantErr(r.SetSettings(t.Context(), bad), mq.ErrInvalid)
		}
		check(map[string]string{"fileReservedTime": "48"})
	})
}

func TestDiskRatioIsTheOneThatRetentionUses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		// A quarter of the disk is reserved for the system: neither used nor free.
		fs.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 4 << 30, AvailBytes: 2 << 30, UsedBytes: 1 << 30})
		r := start(t, Options{}, fs)
		defer r.stop()
		if got := r.RuntimeInfo(t.Context())["commitLogDiskRatio"]; got != "0.33" {
			t.Errorf("the ratio is %s", got)
		}
	})
}

// Shortening retention is what helps against a full disk, so it must not need
// one that is not full.
func TestSettingsAreChangedOnAFullDiskAndKeptOnceThereIsSpace(t *testing.T) {
	onFullDisk(t, func(*fullDisk) {}, func(r *fullDisk) {
		r.must(r.SetSettings(t.Context(), map[string]string{"fileReservedTime": "1"}))
		if !r.unkept.Load() {
			t.Fatal("the row is written on a full disk")
		}
		r.free(1 << 39)
		pass(2 * sweepInterval)
		r.restart()
		if got := r.Settings(t.Context())["fileReservedTime"]; got != "1" {
			t.Errorf("retention is %s hours after a restart", got)
		}
	})
}
