package store

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// tailStore is a store whose tail is in use, with one message in queue 0 of T.
func tailStore(t *testing.T) *Store {
	o := testOptions(vfs.NewMem())
	o.SegmentSize = 128 << 20
	s := mustOpen(t, o)
	t.Cleanup(func() { mustClose(t, s) })
	mustSend(t, s, message("T", 0, "first"))
	mustRead(t, s, mq.Queue{Topic: "T"}, 0)
	return s
}

// blot overwrites everything in the log's files, so that what is read well
// afterwards was not read from there.
func blot(t *testing.T, s *Store) {
	t.Helper()
	if err := s.seg.WriteAt(bytes.Repeat([]byte{'?'}, int(s.committed.Load())), 0); err != nil {
		t.Fatal(err)
	}
}

func TestConsumerThatKeepsUpIsAnsweredFromMemory(t *testing.T) {
	s := tailStore(t)
	long := strings.Repeat("x", lendFrom)
	var want [2][]string
	for i := range 200 {
		// Some lie alone, some in a row, and some across the end of a chunk.
		a, b := fmt.Sprint("a", i, long[:i]), fmt.Sprint("b", i, strings.Repeat(long, i%5))
		mustSend(t, s, message("A", 0, a), message("B", 0, b), message("B", 0, a))
		want[0], want[1] = append(want[0], a), append(want[1], b, a)
	}
	if s.committed.Load() < 4*tailChunk/3 {
		t.Fatal("this test does not leave the first chunk")
	}
	blot(t, s)
	for i, topic := range []string{"A", "B"} {
		if got := mustRead(t, s, mq.Queue{Topic: topic}, 0); strings.Join(got, ",") != strings.Join(want[i], ",") {
			t.Errorf("topic %s: got %d bodies that differ from the %d that were sent", topic, len(got), len(want[i]))
		}
	}
	if _, err := s.Read(mq.Queue{Topic: "T"}, 0, ReadOptions{}); err == nil {
		t.Error("what was stored before anybody read was not read from the file")
	}
}

// Records that an answer holds stay as they are while the log goes on, until
// the answer is released.
func TestAnswerStaysWholeWhileTheTailMovesOn(t *testing.T) {
	s := tailStore(t)
	body := strings.Repeat("x", 64<<10)
	var held []mq.Batch
	for i := range 3 * tailChunks * tailChunk / len(body) {
		mustSend(t, s, message("T", 0, body))
		b, err := s.Read(mq.Queue{Topic: "T"}, mq.QueueOffset(i+1), ReadOptions{})
		if err != nil || b.Count != 1 {
			t.Fatal(b.Count, err)
		}
		held = append(held, b)
	}
	if lent := s.tail.lent.Load(); lent < tailChunks/2 || lent > 2*tailChunks {
		t.Errorf("%d chunks are lent, at most %d may be", lent, 2*tailChunks)
	}
	for i, b := range held {
		if r := records(t, b)[0]; r.QueueOffset != mq.QueueOffset(i+1) || !r.Intact() || string(r.Body) != body {
			t.Fatalf("answer %d has changed", i)
		}
		b.Release()
	}
	if lent := s.tail.lent.Load(); lent != 0 {
		t.Errorf("%d chunks are lent after all answers were released", lent)
	}
}

func TestTailIsGivenUpWhenNobodyReads(t *testing.T) {
	s := tailStore(t)
	mustSend(t, s, message("T", 0, "a"))
	for range tailIdle {
		s.coolTail()
	}
	mustSend(t, s, message("T", 0, "b"))
	if s.tail.ring[0].Load() != nil || s.tail.lent.Load() != 0 || s.tail.free.bufs != nil {
		t.Fatal("the tail still takes memory")
	}
	if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); strings.Join(got, " ") != "first a b" {
		t.Fatalf("got %q", got)
	}
	mustSend(t, s, message("T", 0, "c"))
	blot(t, s)
	if got := mustRead(t, s, mq.Queue{Topic: "T"}, 3); strings.Join(got, " ") != "c" {
		t.Fatalf("after a reader came back: got %q", got)
	}
}

// A batch that is too large for the tail leaves no hole in it.
func TestTailBeginsAnewBehindAVeryLargeBatch(t *testing.T) {
	s := tailStore(t)
	mustSend(t, s, message("T", 0, "before"))
	large := make([]mq.Message, 5)
	for i := range large {
		large[i] = message("T", 0, strings.Repeat("x", tailFlight/4))
	}
	mustSend(t, s, large...)
	mustSend(t, s, message("T", 0, "behind"))
	if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); len(got) != 8 || got[1] != "before" || got[7] != "behind" {
		t.Fatalf("got %d messages", len(got))
	}
	blot(t, s)
	if got := mustRead(t, s, mq.Queue{Topic: "T"}, 7); strings.Join(got, " ") != "behind" {
		t.Fatalf("got %q", got)
	}
}

func TestReadersFollowWritersThroughTheTail(t *testing.T) {
	s := tailStore(t)
	const queues, each = 4, 100
	var wg sync.WaitGroup
	for id := range int32(queues) {
		wg.Go(func() {
			for i := range each {
				body := fmt.Sprint(i, " ", strings.Repeat("x", (i*7919+int(id))%(40<<10)))
				if sent := send(s, message("F", id, body)); sent[0].Err != nil {
					t.Error(sent[0].Err)
					return
				}
			}
		})
		wg.Go(func() {
			var held mq.Batch
			for from := mq.QueueOffset(0); from < each; {
				b, err := s.Read(mq.Queue{Topic: "F", ID: id}, from, ReadOptions{MaxMessages: 8})
				if err != nil {
					t.Error(err)
					return
				}
				for _, r := range records(t, b) {
					var i mq.QueueOffset
					if _, err := fmt.Sscan(string(r.Body[:min(len(r.Body), 10)]), &i); err != nil || i != from || !r.Intact() {
						t.Errorf("queue %d: message %d is %.20q", id, from, r.Body)
						return
					}
					from++
				}
				if held.Release != nil {
					held.Release()
				}
				held = b
			}
			held.Release()
		})
	}
	wg.Wait()
}
