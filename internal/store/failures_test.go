package store

import (
	"errors"
	"fmt"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// Checkpoints that fail, and queues that grow between them, lose no entry: what
// was acknowledged is found after the next start.
func TestEntriesSurviveFailingCheckpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		o := testOptions(fs)
		s := mustOpen(t, o)
		for round := range 6 {
			for q := range int32(5) {
				if int(q) >= round%5 {
					mustSend(t, s, message("T", q, fmt.Sprint(round)))
				}
			}
			if err := s.syncLog(); err != nil {
				t.Fatal(err)
			}
			if round < 4 {
				s.rows.full.Store(&refusal{mq.ErrDiskFull})
			} else {
				s.rows.full.Store(nil)
			}
			if err := s.writeCheckpoint(); (err != nil) != (round < 4) {
				t.Fatalf("round %d: %v", round, err)
			}
			seen := map[*queue]bool{}
			for _, q := range s.dirty.queues {
				if q == nil || seen[q] {
					t.Fatalf("round %d: the list of unsealed queues holds %v twice, or nothing", round, q)
				}
				seen[q] = true
			}
		}
		// The list handed to a checkpoint and the one that goes on beside it
		// must not share memory.
		mustSend(t, s, message("T", 0, "a"), message("T", 1, "b"))
		s.rows.full.Store(&refusal{mq.ErrDiskFull})
		if err := s.syncLog(); err != nil {
			t.Fatal(err)
		}
		if err := s.writeCheckpoint(); err == nil {
			t.Fatal("a checkpoint without space succeeded")
		}
		listed := s.dirty.queues
		if len(s.dirty.spare) == 0 && cap(s.dirty.spare) > 0 && cap(listed) > 0 && &s.dirty.spare[:1][0] == &listed[:1][0] {
			t.Fatal("the list and its spare memory are the same")
		}
		s.rows.full.Store(nil)
		mustClose(t, s)
		s = mustOpen(t, o)
		for q, want := range map[int32]int{0: 3, 1: 4, 2: 4, 3: 5, 4: 6} {
			if _, hi, err := s.Bounds(mq.Queue{Topic: "T", ID: q}); err != nil || int(hi) != want {
				t.Errorf("queue %d ends at %d, %v, want %d", q, hi, err, want)
			}
		}
		mustClose(t, s)
	})
}

func TestABatchThatMustBeWholeIsStoredWholeOrNotAtAll(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	bad := mq.Send{Message: message("T", -1, "no queue")}
	for _, sends := range [][]mq.Send{
		{bad, {Message: message("T", 0, "a")}},
		{{Message: message("T", 0, "a")}, bad},
		{{Message: message("T", 0, "a"), Err: mq.ErrDenied}, {Message: message("T", 0, "b")}},
	} {
		for i, one := range sendBatch(s, &mq.SendBatch{Sends: sends, Whole: true}) {
			if one.Err == nil {
				t.Errorf("message %d was stored although another of its batch was not", i)
			}
		}
	}
	for _, one := range sendBatch(s, &mq.SendBatch{Sends: []mq.Send{{Message: message("T", 0, "a")}, {Message: message("T", 0, "b")}}, Whole: true}) {
		if one.Err != nil {
			t.Error(one.Err)
		}
	}
	if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); len(got) != 2 {
		t.Errorf("stored are %q", got)
	}
}

// A batch that is being written while a sync fails is answered, and the store
// can be closed.
func TestWritesUnderWayWhenASyncFailsAreAnswered(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault, fs := faulty(errorfs.OpFileSyncData, syscall.EIO)
		o := testOptions(fs)
		o.Flush = FlushSync
		s := mustOpen(t, o)
		stop := runStore(t, s)
		mustSend(t, s, message("T", 0, "a"))

		b := &mq.SendBatch{Sends: []mq.Send{{Message: message("T", 0, "under way")}}}
		answered := make(chan struct{})
		b.Done = func(*mq.SendBatch) { close(answered) }
		f := s.flights.get(b)
		s.encode(f)
		s.mu.Lock()
		s.mu.writing = true
		s.mu.Unlock()
		if _, err := s.reserve(f); err != nil {
			t.Fatal(err)
		}
		fault.on.Store(true)
		s.seg.Touch(0)
		s.mu.Lock()
		s.mu.written++ // something to sync
		s.mu.Unlock()
		if err := s.syncLog(); err == nil {
			t.Fatal("the sync succeeded")
		}
		s.mu.Lock()
		s.mu.written--
		s.mu.Unlock()
		s.writeLine()
		select {
		case <-answered:
		case <-time.After(time.Minute):
			t.Fatal("nobody answered")
		}
		if !errors.Is(b.Sends[0].Err, mq.ErrUnavailable) {
			t.Errorf("answered with %v", b.Sends[0].Err)
		}
		stop()
		s.Close()
	})
}
