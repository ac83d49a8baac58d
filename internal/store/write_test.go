package store

import (
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// A heldDisk holds an operation on the commit log up, once, and counts its writes.
type heldDisk struct {
	kind           errorfs.OpKind
	hold           atomic.Bool
	entered, leave chan struct{}
	writes         atomic.Int32
}

func newHeldDisk(kind errorfs.OpKind) *heldDisk {
	return &heldDisk{kind: kind, entered: make(chan struct{}), leave: make(chan struct{})}
}

func (d *heldDisk) String() string { return "held disk" }

func (d *heldDisk) MaybeError(op errorfs.Op) error {
	if !strings.Contains(op.Path, logDir) {
		return nil
	}
	if op.Kind == errorfs.OpFileWriteAt {
		d.writes.Add(1)
	}
	if op.Kind == d.kind && d.hold.CompareAndSwap(true, false) {
		close(d.entered)
		<-d.leave
	}
	return nil
}

// Batches that come while the disk is busy, with a write or with a sync, wait for
// nobody and are written together when it is free.
func TestBatchesThatComeWhileTheDiskIsBusyAreOneWrite(t *testing.T) {
	for name, tt := range map[string]struct {
		flush FlushMode
		busy  errorfs.OpKind
	}{
		"writing": {FlushAsync, errorfs.OpFileWriteAt},
		"syncing": {FlushSync, errorfs.OpFileSyncData},
	} {
		t.Run(name, func(t *testing.T) {
			disk := newHeldDisk(tt.busy)
			o := testOptions(errorfs.Wrap(vfs.NewMem(), disk))
			o.Flush, o.SegmentSize = tt.flush, 1<<20
			s := mustOpen(t, o)
			stop := runStore(t, s)
			disk.hold.Store(true)
			var first sync.WaitGroup
			first.Go(func() { mustSend(t, s, message("T", 0, "first")) })
			<-disk.entered
			before := disk.writes.Load()
			want := []string{"first"}
			var behind sync.WaitGroup
			for i := range 40 {
				body := fmt.Sprintf("behind %d", i)
				want = append(want, body)
				b := &mq.SendBatch{Sends: []mq.Send{{Message: message("T", 0, body)}}}
				behind.Add(1)
				b.Done = func(*mq.SendBatch) { behind.Done() }
				s.Append(b)
			}
			if n := disk.writes.Load() - before; n != 0 {
				t.Errorf("%d were written while the disk was busy", n)
			}
			close(disk.leave)
			behind.Wait()
			first.Wait()
			if n := disk.writes.Load() - before; n != 1 {
				t.Errorf("40 batches that came together took %d writes", n)
			}
			if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); strings.Join(got, ",") != strings.Join(want, ",") {
				t.Errorf("the queue holds %q", got)
			}
			stop()
			mustClose(t, s)
			checkVerified(t, o.FS, name)
		})
	}
}

// Where batches that came together reach the end of a segment, each lies where its
// sender was told.
func TestBatchesWrittenTogetherGoOverTheEndOfASegment(t *testing.T) {
	disk := newHeldDisk(errorfs.OpFileWriteAt)
	s := mustOpen(t, testOptions(errorfs.Wrap(vfs.NewMem(), disk)))
	defer mustClose(t, s)
	disk.hold.Store(true)
	var all sync.WaitGroup
	all.Go(func() { mustSend(t, s, message("T", 0, "first")) })
	<-disk.entered
	batches := make([]*mq.SendBatch, 60)
	for i := range batches {
		b := &mq.SendBatch{}
		for j := range 1 + i%3 {
			b.Sends = append(b.Sends, mq.Send{Message: message("T", 1, fmt.Sprintf("%d-%d %s", i, j, strings.Repeat("x", 100*i)))})
		}
		all.Add(1)
		b.Done = func(*mq.SendBatch) { all.Done() }
		s.Append(b)
		batches[i] = b
	}
	close(disk.leave)
	all.Wait()
	for _, b := range batches {
		for _, m := range b.Sends {
			if m.Err != nil {
				t.Fatal(m.Err)
			}
			record, err := s.ReadAt(m.Result.Pos)
			if err != nil {
				t.Fatal(err)
			}
			if r, _, err := mq.DecodeRecord(record); err != nil || string(r.Body) != string(m.Body) || r.QueueOffset != m.Result.Offset {
				t.Fatalf("at %d lies %+v, %v; want %.20q at offset %d", m.Result.Pos, r, err, m.Body, m.Result.Offset)
			}
		}
	}
	if n := s.Stats().LogFiles; n < 2 {
		t.Errorf("all lies in %d segment", n)
	}
}

func TestBatchesWrittenTogetherMakeNoGarbageEach(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	o := testOptions(nil)
	o.SegmentSize, o.FS, o.Dir = 64<<20, nil, t.TempDir()
	s := mustOpen(t, o)
	defer mustClose(t, s)
	if err := s.seg.Prepare(o.SegmentSize); err != nil {
		t.Fatal(err)
	}
	var all sync.WaitGroup
	behind := make([]*mq.SendBatch, 16)
	for i := range behind {
		behind[i] = &mq.SendBatch{Sends: []mq.Send{{Message: message("T", 0, "behind")}}, Done: func(*mq.SendBatch) { all.Done() }}
	}
	first := &mq.SendBatch{Sends: []mq.Send{{Message: message("T", 0, "first")}}, Done: func(*mq.SendBatch) {
		for _, b := range behind {
			s.Append(b) // the sender of the first still writes
		}
	}}
	allocs := testing.AllocsPerRun(200, func() {
		all.Add(len(behind))
		s.Append(first)
		all.Wait()
	})
	if allocs > 2 { // the goroutine, and growing slices of entries
		t.Errorf("%d batches, of which %d are written together, allocate %.1f times", len(behind)+1, len(behind), allocs)
	}
}
