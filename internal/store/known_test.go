package store

import (
	"fmt"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestAKnownNeverCallsAQueueAbsentThatWasAdded(t *testing.T) {
	s := mustOpen(t, testOptions(vfs.NewMem()))
	defer mustClose(t, s)
	if s.table.known.absent(mq.Queue{Topic: "T"}) {
		t.Error("a queue is called absent before the index was read")
	}
	if err := s.table.learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	const queues = 5 * knownFirst
	name := func(i int) mq.Queue { return mq.Queue{Topic: fmt.Sprint("topic-", i/4), ID: int32(i % 4)} }
	for i := range queues {
		s.table.known.add(name(i))
	}
	wrong := 0
	for i := range queues {
		if s.table.known.absent(name(i)) {
			t.Fatalf("%v is called absent", name(i))
		}
		if !s.table.known.absent(name(queues + i)) {
			wrong++
		}
	}
	if wrong > queues/20 {
		t.Errorf("of %d queues that are absent %d have to be looked up", queues, wrong)
	}
	memory := 0
	for _, l := range s.table.known.layers {
		memory += 8 * len(l.bits)
	}
	if memory > 3*queues {
		t.Errorf("%d queues take %d bytes", queues, memory)
	}
}

func TestQueuesGoOnWhereTheyEndedOnceTheIndexWasReadForThem(t *testing.T) {
	o := testOptions(vfs.NewMem())
	s := mustOpen(t, o)
	const queues = 20
	send := func() {
		for i := range int32(queues) {
			mustSend(t, s, message(fmt.Sprint("T", i%3), i, "body"), message("%LMQ%a-light-one", 0, "body"))
			for range 3 * (i % 2) { // several blocks
				mustSend(t, s, message(fmt.Sprint("T", i%3), i, "more"))
				if err := s.writeCheckpoint(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	send()
	mustClose(t, s)
	s = mustOpen(t, o)
	defer func() { mustClose(t, s) }()
	if err := s.table.learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !s.table.known.absent(mq.Queue{Topic: "T0", ID: queues}) {
		t.Error("a queue that never was is not known to be absent")
	}
	send()
	mustSend(t, s, message("T0", queues, "new"))
	for i := range int32(queues) {
		want := mq.QueueOffset(2 + 6*(i%2))
		if q := s.table.find(mq.Queue{Topic: fmt.Sprint("T", i%3), ID: i}); q == nil || q.hi() != want {
			t.Errorf("queue %d does not end at %d: %+v", i, want, q)
		}
	}
}

func TestAQueueThatIsNewAndLeavesMemoryIsLookedUpAgain(t *testing.T) {
	s := mustOpen(t, testOptions(vfs.NewMem()))
	defer mustClose(t, s)
	if err := s.table.learn(t.Context()); err != nil {
		t.Fatal(err)
	}
	name := mq.Queue{Topic: "T"}
	mustSend(t, s, message("T", 0, "one"))
	if err := s.syncLog(); err != nil {
		t.Fatal(err)
	}
	for range 3 * sweepShare {
		if err := s.writeCheckpoint(); err != nil {
			t.Fatal(err)
		}
	}
	if s.table.find(name) != nil {
		t.Fatal("the queue is still in memory")
	}
	mustSend(t, s, message("T", 0, "two"))
	if q := s.table.find(name); q.hi() != 2 {
		t.Errorf("the queue ends at %d", q.hi())
	}
}
