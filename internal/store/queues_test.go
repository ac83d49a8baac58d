package store

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// Queues that nobody uses leave memory, and are found again with their end.
func TestIdleQueuesCostNoMemory(t *testing.T) {
	o := testOptions(nil)
	o.SegmentSize = 4 << 20
	s := mustOpen(t, o)
	defer mustClose(t, s)
	const queues = 40000
	most := 0
	for from := 0; from < queues; from += 500 {
		b := &mq.SendBatch{}
		for i := from; i < from+500; i++ {
			for range 2 {
				b.Sends = append(b.Sends, mq.Send{Message: message(fmt.Sprintf("topic-%d", i/4), int32(i%4), fmt.Sprint(i))})
			}
		}
		for _, m := range sendBatch(s, b) {
			if m.Err != nil {
				t.Fatal(m.Err)
			}
		}
		if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
			t.Fatal(err)
		}
		most = max(most, s.table.size())
	}
	for s.table.size() > 0 {
		before := s.table.size()
		for range 2 * sweepShare { // once to mark, once to remove
			if err := s.writeCheckpoint(); err != nil {
				t.Fatal(err)
			}
		}
		if s.table.size() >= before {
			t.Fatalf("%d queues stay in memory", before)
		}
	}
	if most > residentQueues+500 {
		t.Fatalf("%d queues were in memory at once", most)
	}
	for _, i := range []int{0, 1, 777, 4000, queues - 1} {
		q := mq.Queue{Topic: fmt.Sprintf("topic-%d", i/4), ID: int32(i % 4)}
		if got := mustRead(t, s, q, 0); strings.Join(got, " ") != fmt.Sprintf("%d %d", i, i) {
			t.Fatalf("queue %d holds %q", i, got)
		}
		if m := mustSend(t, s, message(q.Topic, q.ID, "third"))[0]; m.Result.Offset != 2 {
			t.Fatalf("queue %d goes on at %d", i, m.Result.Offset)
		}
	}
}

// Entries of a busy queue leave memory too, once they have a block.
func TestBusyQueueKeepsOnlyRecentEntries(t *testing.T) {
	o := testOptions(nil)
	o.SegmentSize = 8 << 20
	s := mustOpen(t, o)
	defer mustClose(t, s)
	b := &mq.SendBatch{Sends: make([]mq.Send, 1000)}
	for i := range b.Sends {
		b.Sends[i].Message = message("T", 0, "x")
	}
	for range 30 {
		sendBatch(s, b)
		if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
			t.Fatal(err)
		}
	}
	q := s.table.find(mq.Queue{Topic: "T"})
	if n, c := len(q.mu.entries), cap(q.mu.entries); n != recentEntriesQueue || c > 4*recentEntriesQueue {
		t.Fatalf("%d entries in memory, space for %d", n, c)
	}
	if got := mustRead(t, s, q.name, 0); len(got) != 30000 {
		t.Fatalf("queue holds %d messages", len(got))
	}
}

// A topic that was forgotten starts again at 0, also after a restart and, as
// long as the row that says so is there, after the index was rebuilt.
func TestForgottenTopicStartsAgain(t *testing.T) {
	o := testOptions(nil)
	s := mustOpen(t, o)
	for i := range 50 {
		mustSend(t, s, message("T", 0, fmt.Sprintf("old %d", i)), message("T", 7, "old"), message("T2", 0, "kept"))
		if i == 30 {
			if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
				t.Fatal(err)
			}
		}
	}
	if ids, err := s.Queues("T"); !slices.Equal(ids, []int32{0, 7}) || err != nil {
		t.Fatalf("queues are %v, %v", ids, err)
	}
	if err := s.Forget("T"); err != nil {
		t.Fatal(err)
	}
	if ids, err := s.Queues("T"); len(ids) != 0 || err != nil {
		t.Fatalf("queues are %v, %v", ids, err)
	}
	q := mq.Queue{Topic: "T"}
	if b := status(t, s, q, 3, ReadOptions{}); b.Status != mq.PullNoQueue {
		t.Fatalf("got %+v", b)
	}
	if m := mustSend(t, s, message("T", 0, "new"))[0]; m.Result.Offset != 0 {
		t.Fatalf("topic starts at %d", m.Result.Offset)
	}
	check := func(what string) {
		t.Helper()
		if got := mustRead(t, s, q, 0); strings.Join(got, " ") != "new" {
			t.Fatalf("%s: queue holds %q", what, got)
		}
		if got := mustRead(t, s, mq.Queue{Topic: "T2"}, 0); len(got) != 50 {
			t.Fatalf("%s: the other topic holds %d", what, len(got))
		}
	}
	check("at once")
	killed := crashOf(t, o.FS)
	mustClose(t, s)
	s = mustOpen(t, o)
	check("reopened")
	mustClose(t, s)
	checkVerified(t, o.FS, "reopened")
	o.FS = killed
	s = mustOpen(t, o)
	check("killed")
	if err := s.dropIndex(); err != nil {
		t.Fatal(err)
	}
	b := s.rows.db.NewBatch()
	_ = b.Delete([]byte{rowCheckpoint}, nil)
	if err := s.rows.apply(b, true); err != nil {
		t.Fatal(err)
	}
	s.checkpointed.Store(1 << 60) // no checkpoint on closing
	s.lastDurable = time.Now()
	mustClose(t, s)
	s = mustOpen(t, o)
	check("rebuilt")
	mustClose(t, s)
	rebuildIndex(t, o)
	s = mustOpen(t, o)
	check("rebuilt without the row")
	mustClose(t, s)
}

// Old segments go, queues start behind them, and a queue whose messages are all
// gone remembers its end.
func TestOldMessagesAreRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(nil)
		o.Retention = time.Hour
		s := mustOpen(t, o)
		stop := runStore(t, s)
		for range 10 {
			mustSend(t, s, message("0", 0, "early"))
		}
		fill(t, s, 60, 4000)
		time.Sleep(time.Second) // for a checkpoint between
		fill(t, s, 40, 4000)
		_, middle := s.LogBounds()
		time.Sleep(40 * time.Minute)
		fill(t, s, 100, 4000)
		time.Sleep(30 * time.Minute)
		lo, hi := s.LogBounds()
		if size := o.SegmentSize; int64(lo) != int64(middle)/size*size {
			t.Fatalf("log starts at %d; the first hour ends at %d", lo, middle)
		}
		check := func() {
			t.Helper()
			qlo, qhi, err := s.Bounds(mq.Queue{Topic: "0"})
			if qlo != 10 || qhi != 10 || err != nil {
				t.Fatalf("quiet queue: %d, %d, %v", qlo, qhi, err)
			}
			if b := status(t, s, mq.Queue{Topic: "0"}, 3, ReadOptions{}); b.Status != mq.PullOffsetIllegal || b.Next != 10 {
				t.Fatalf("quiet queue: %+v", b)
			}
			qlo, qhi, err = s.Bounds(mq.Queue{Topic: "A"})
			if qlo < 90 || qlo > 100 || qhi != 200 || err != nil {
				t.Fatalf("busy queue: %d, %d, %v", qlo, qhi, err)
			}
			if b := status(t, s, mq.Queue{Topic: "A"}, 0, ReadOptions{}); b.Status != mq.PullOffsetIllegal || b.Next != qlo {
				t.Fatalf("busy queue: %+v", b)
			}
			if got := mustRead(t, s, mq.Queue{Topic: "A"}, qlo); len(got) != int(qhi-qlo) || qlo >= 60 && qlo < 100 && got[0] != fmt.Sprint(qlo-60) {
				t.Fatalf("busy queue holds %d, starting with %q", len(got), got[0])
			}
			if _, err := s.ReadAt(0); !errors.Is(err, mq.ErrNotFound) {
				t.Fatalf("first message: %v", err)
			}
		}
		check()
		gone := 0
		if err := s.rows.scan([]byte{rowIndex}, []byte{rowIndex + 1}, func(_, value []byte) error {
			if h, _, err := decodeHead(value); err != nil || h.lastPos < lo {
				gone++
			}
			return nil
		}); err != nil || gone != 1 {
			t.Fatalf("%d blocks of removed messages are left, want that of the quiet queue; %v", gone, err)
		}
		stop()
		mustClose(t, s)
		checkVerified(t, o.FS, "after removal")
		s = mustOpen(t, o)
		check()
		if m := mustSend(t, s, message("0", 0, "late"))[0]; m.Result.Offset != 10 {
			t.Fatalf("quiet queue goes on at %d", m.Result.Offset)
		}
		if got := mustRead(t, s, mq.Queue{Topic: "0"}, 10); len(got) != 1 {
			t.Fatalf("quiet queue holds %q", got)
		}
		mustClose(t, s)
		// From the log alone the busy queues come back as they were.
		rebuildIndex(t, o)
		s = mustOpen(t, o)
		if qlo, qhi, _ := s.Bounds(mq.Queue{Topic: "A"}); qlo < 90 || qhi != 200 {
			t.Fatalf("rebuilt queue: %d, %d", qlo, qhi)
		}
		if _, got := s.LogBounds(); got < hi {
			t.Fatalf("rebuilt log ends at %d", got)
		}
		mustClose(t, s)
	})
}

// DeleteHour keeps old segments until its hour, unless the disk fills up; a
// disk that is nearly full loses its oldest segments whatever their age.
func TestDiskShareOverrulesTime(t *testing.T) {
	for _, c := range []struct {
		name    string
		used    int
		age     time.Duration
		removed bool
	}{
		{"old, wrong hour", 10, 2 * time.Hour, false},
		{"old, wrong hour, disk fills up", 76, 2 * time.Hour, true},
		{"young, disk fills up", 76, time.Minute, false},
		{"young, disk nearly full", 86, time.Minute, true},
		{"old, right hour", 10, 5 * time.Hour, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fs := vfs.NewMem()
				fs.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: 100 << 40, AvailBytes: uint64(100-c.used) << 40, UsedBytes: uint64(c.used) << 40})
				o := testOptions(fs)
				o.Retention = time.Hour
				o.DeleteHour = fmt.Sprintf("%02d", time.Now().Add(5*time.Hour).Hour())
				s := mustOpen(t, o)
				fill(t, s, 100, 4000)
				stop := runStore(t, s)
				time.Sleep(c.age + 20*time.Second)
				if lo, _ := s.LogBounds(); (lo > 0) != c.removed {
					t.Fatalf("log starts at %d", lo)
				}
				if files := s.seg.Files(); c.removed && len(files) > 2 {
					t.Fatalf("%d files are left", len(files))
				}
				mustSend(t, s, message("A", 0, "next"))
				stop()
				mustClose(t, s)
			})
		})
	}
}

// A queue that is being written to, or was looked up to be, is not lost by the
// sweep.
func TestSweepSparesQueuesInUse(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	sweep := func() {
		for range 3 * sweepShare {
			s.sweepLocked()
		}
	}
	b := &mq.SendBatch{Sends: []mq.Send{{Message: message("T", 0, "a")}}, Done: func(*mq.SendBatch) {}}
	f := s.flights.get(b)
	s.encode(f)
	sweep() // nothing is reserved, the queue goes
	if q := f.recs[0].q; !q.gone || s.table.size() != 0 {
		t.Fatal("the queue is still in memory")
	}
	if _, err := s.reserve(f); err != nil {
		t.Fatal(err)
	}
	sweep() // something is reserved, it stays
	if q := f.recs[0].q; q.gone || s.table.find(q.name) != q {
		t.Fatal("the queue was removed")
	}
	s.writeLine()
	if m := mustSend(t, s, message("T", 0, "b"))[0]; m.Result.Offset != 1 {
		t.Fatalf("queue goes on at %d", m.Result.Offset)
	}
	if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); len(got) != 2 {
		t.Fatalf("queue holds %q", got)
	}
}

// Entries of what is not synced get no block.
func TestIndexIsNeverAheadOfWhatIsSynced(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	mustSend(t, s, message("T", 0, "synced"))
	if err := s.syncLog(); err != nil {
		t.Fatal(err)
	}
	last := mustSend(t, s, message("T", 0, "not synced"))[0].Result
	if err := s.writeCheckpoint(); err != nil {
		t.Fatal(err)
	}
	if hi, err := s.table.sealedEnd(mq.Queue{Topic: "T"}); hi != 1 || err != nil {
		t.Fatalf("%d entries have a block, %v", hi, err)
	}
	if ck := mq.LogPos(s.checkpointed.Load()); ck != last.Pos {
		t.Fatalf("checkpoint is at %d, want %d", ck, last.Pos)
	}
}

// A search for the start of a queue that was overtaken by a checkpoint is
// repeated.
func TestStartOfQueueIsNotGuessed(t *testing.T) {
	q := newQueue(mq.Queue{Topic: "T"}, 0)
	for i := range mq.QueueOffset(3) {
		q.pushLocked(i, entry{pos: mq.LogPos(100 * i), size: 100})
	}
	q.trim(2, 0)
	if _, ok := q.settleLow(0, 0, 0, false); ok {
		t.Fatal("entries that got a block meanwhile were passed over")
	}
	if low, ok := q.settleLow(0, 2, 0, false); !ok || low != 2 {
		t.Fatalf("got %d, %v", low, ok)
	}
}

// Store times never fall, even if the clock is set back.
func TestStoreTimesDoNotFall(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	ahead := time.Now().Add(time.Hour).UnixMilli()
	s.mu.storeTime = ahead
	if at := mustSend(t, s, message("T", 0, "a"))[0].Result.StoreTime; at != ahead {
		t.Fatalf("stored at %d, want %d", at, ahead)
	}
	o := s.o
	mustClose(t, s)
	s = mustOpen(t, o)
	defer mustClose(t, s)
	if at := mustSend(t, s, message("T", 0, "b"))[0].Result.StoreTime; at != ahead {
		t.Fatalf("stored at %d after reopening, want %d", at, ahead)
	}
}

// What is old goes at once when somebody wants that, whatever the hour; what is
// young stays.
func TestCleaningByHandDoesNotWaitForItsHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(nil)
		o.Retention = time.Hour
		o.DeleteHour = fmt.Sprintf("%02d", time.Now().Add(12*time.Hour).Hour())
		s := mustOpen(t, o)
		defer mustClose(t, s)
		fill(t, s, 200, 4000)
		stop := runStore(t, s)
		defer stop()
		time.Sleep(20 * time.Second) // checkpoints
		if removed, err := s.Clean(time.Now()); removed != 0 || err != nil {
			t.Fatalf("removed %d young segments, %v", removed, err)
		}
		before := len(s.seg.Files())
		time.Sleep(2 * time.Hour)
		if len(s.seg.Files()) != before {
			t.Fatal("old segments went before their hour")
		}
		removed, err := s.Clean(time.Now())
		if err != nil || removed <= removePerTurn {
			t.Fatalf("removed %d of %d segments, %v", removed, before, err)
		}
		if lo, _ := s.LogBounds(); lo == 0 {
			t.Fatal("the log begins where it did")
		}
		if err := s.Trim(); err != nil {
			t.Fatal(err)
		}
	})
}
