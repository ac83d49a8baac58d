package store

import (
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// sealedStore holds n messages of a queue whose index lies in blocks, as after a
// restart.
func sealedStore(t *testing.T, fs vfs.FS, q mq.Queue, n int) *Store {
	t.Helper()
	s := mustOpen(t, testOptions(fs))
	for range n {
		mustSend(t, s, message(q.Topic, q.ID, "body"))
	}
	mustClose(t, s)
	return mustOpen(t, testOptions(fs))
}

func TestReadThatMustNotWaitTakesWhatIsInMemory(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	q := mq.Queue{Topic: "T"}
	mustSend(t, s, message("T", 0, "first"))
	status(t, s, q, 0, ReadOptions{}) // somebody reads near the end: the tail begins
	mustSend(t, s, message("T", 0, "second"))
	b := status(t, s, q, 1, ReadOptions{NoDisk: true})
	if b.Status != mq.PullFound || b.Count != 1 || b.Next != 2 {
		t.Errorf("got %+v", b)
	}
	if b := status(t, s, q, 2, ReadOptions{NoDisk: true}); b.Status != mq.PullNoNew {
		t.Errorf("at the end: got %+v", b)
	}
}

func TestReadThatMustNotWaitSaysThatItNeedsTheDisk(t *testing.T) {
	fs := vfs.NewMem() // whose files nobody knows to be cached
	q := mq.Queue{Topic: "T"}
	s := sealedStore(t, fs, q, 10)
	defer mustClose(t, s)
	for range 2 { // the second time the queue is known, its index is not
		if b, err := s.Read(q, 0, ReadOptions{NoDisk: true}); !errors.Is(err, mq.ErrNeedsDisk) {
			t.Fatalf("got %+v, %v", b, err)
		}
		if _, _, err := s.Bounds(q); err != nil {
			t.Fatal(err)
		}
	}
	if b := status(t, s, q, 0, ReadOptions{}); b.Count != 10 {
		t.Errorf("got %+v", b)
	}
}

func TestReadThatMustNotWaitTakesWhatIsInThePageCache(t *testing.T) {
	o := testOptions(vfs.Default)
	o.Dir = t.TempDir()
	q := mq.Queue{Topic: "T"}
	s := mustOpen(t, o)
	for range 10 {
		mustSend(t, s, message("T", 0, "body"))
	}
	mustClose(t, s)
	s = mustOpen(t, o)
	defer mustClose(t, s)
	status(t, s, q, 0, ReadOptions{MaxMessages: 2})
	b, err := s.Read(q, 2, ReadOptions{NoDisk: true, MaxMessages: 3})
	if errors.Is(err, mq.ErrNeedsDisk) {
		t.Skip("this system does not say what is in the page cache")
	}
	if err != nil || b.Count != 3 || b.Next != 5 {
		t.Fatalf("got %+v, %v", b, err)
	}
	if got := records(t, b); got[0].QueueOffset != 2 || string(got[2].Body) != "body" {
		t.Errorf("got %v", got)
	}
	b.Release()
}

func TestBlockIsDecodedOnceForManyReads(t *testing.T) {
	fs := vfs.NewMem()
	q := mq.Queue{Topic: "T"}
	s := sealedStore(t, fs, q, 100)
	defer mustClose(t, s)
	status(t, s, q, 0, ReadOptions{MaxMessages: 10})
	known := s.table.find(q)
	var got [100]entry
	if n := s.decoded.copyFrom(got[:], known, 10); n != 90 {
		t.Fatalf("%d entries of the block are kept behind the first ten, want 90", n)
	}
	for from := mq.QueueOffset(0); from < 100; from += 10 {
		b, err := s.Read(q, from, ReadOptions{MaxMessages: 10})
		if err != nil {
			t.Fatal(err)
		}
		for i, r := range records(t, b) {
			if r.QueueOffset != from+mq.QueueOffset(i) {
				t.Fatalf("read offset %d instead of %d", r.QueueOffset, from+mq.QueueOffset(i))
			}
		}
		b.Release()
	}
}

func TestDecodedBlocksOfOneQueueAreNotAnothers(t *testing.T) {
	var d decodedBlocks
	a, b := newQueue(mq.Queue{Topic: "A"}, 0), newQueue(mq.Queue{Topic: "B"}, 0)
	b.number = a.number + decodedSets // the same set
	d.keep(a, 5, 0, make([]entry, 10))
	var dst [4]entry
	if n := d.copyFrom(dst[:], a, 5); n != 4 {
		t.Errorf("%d entries, want 4", n)
	}
	if n := d.copyFrom(dst[:], b, 5); n != 0 {
		t.Errorf("%d entries of another queue", n)
	}
	d.keep(b, 5, 5, make([]entry, 2))
	if n := d.copyFrom(dst[:], b, 4) + d.copyFrom(dst[:], b, 7); n != 0 {
		t.Errorf("%d entries before and behind a block", n)
	}
}

// Readers that meet in a set do not take each other's blocks away; the one that
// was read longest ago makes room.
func TestDecodedBlocksThatAreReadStay(t *testing.T) {
	var d decodedBlocks
	var queues []*queue
	var dst [1]entry
	read := func(i int) bool { return d.copyFrom(dst[:], queues[i], 0) == 1 }
	for i := range decodedWays + 1 {
		q := newQueue(mq.Queue{Topic: "A", ID: int32(i)}, 0)
		q.number = uint32(i * decodedSets)
		queues = append(queues, q)
	}
	for i := range decodedWays {
		d.keep(queues[i], 0, 0, make([]entry, 1))
	}
	d.keep(queues[0], 0, 0, make([]entry, 1)) // again: two pulls looked for it
	for i := range decodedWays {
		if !read(i) {
			t.Errorf("the block of reader %d is gone", i)
		}
	}
	if !read(0) {
		t.Error("it is gone when it is read again")
	}
	d.keep(queues[decodedWays], 0, 0, make([]entry, 1))
	if read(1) || !read(0) || !read(decodedWays) {
		t.Error("another than the one that was read longest ago has made room")
	}
}
