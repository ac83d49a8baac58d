package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// testOptions are options of a small store in memory.
func testOptions(fs vfs.FS) Options {
	if fs == nil {
		fs = vfs.NewMem()
	}
	return Options{Dir: "store", FS: fs, SegmentSize: 64 << 10}
}

func mustOpen(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mustClose(t testing.TB, s *Store) {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// runStore starts Run; the returned function ends it.
func runStore(t testing.TB, s *Store) (stop func()) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- s.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func message(topic string, queue int32, body string) mq.Message {
	return mq.Message{Topic: topic, QueueID: queue, Body: []byte(body), BornTime: 1}
}

func tagged(topic string, queue int32, tag, body string) mq.Message {
	m := message(topic, queue, body)
	m.Properties = mq.AppendProperty(nil, mq.PropTags, tag)
	return m
}

// send appends messages as one batch and waits until they are final.
func send(s *Store, ms ...mq.Message) []mq.Send {
	b := &mq.SendBatch{}
	for _, m := range ms {
		b.Sends = append(b.Sends, mq.Send{Message: m})
	}
	return sendBatch(s, b)
}

func sendBatch(s *Store, b *mq.SendBatch) []mq.Send {
	done := make(chan struct{})
	b.Done = func(*mq.SendBatch) { close(done) }
	s.Append(b)
	<-done
	return b.Sends
}

func mustSend(t testing.TB, s *Store, ms ...mq.Message) []mq.Send {
	t.Helper()
	sends := send(s, ms...)
	for _, send := range sends {
		if send.Err != nil {
			t.Fatal(send.Err)
		}
	}
	return sends
}

// mustRead returns the bodies of everything in a queue from an offset on, and
// fails unless offsets and positions are what they must be.
func mustRead(t testing.TB, s *Store, q mq.Queue, from mq.QueueOffset) []string {
	t.Helper()
	var bodies []string
	for {
		b, err := s.Read(q, from, ReadOptions{})
		if err != nil {
			t.Fatalf("read %v at %d: %v", q, from, err)
		}
		if b.Status != mq.PullFound {
			b.Release()
			return bodies
		}
		for _, r := range records(t, b) {
			there := r.QueueOffset == from && string(r.Topic) == q.Topic && r.QueueID == q.ID
			if mq.IsLight(q.Topic) && string(r.Topic) != q.Topic {
				there = mq.InLightQueue(r.Properties, q.Topic, from)
			}
			if !there || !r.Intact() {
				t.Fatalf("read %v at %d: got record of %s/%d at %d", q, from, r.Topic, r.QueueID, r.QueueOffset)
			}
			bodies = append(bodies, string(r.Body))
			from++
		}
		if b.Next != from {
			t.Fatalf("read %v: next is %d, want %d", q, b.Next, from)
		}
		b.Release()
	}
}

func records(t testing.TB, b mq.Batch) []mq.Record {
	t.Helper()
	var rs []mq.Record
	for _, data := range b.Data {
		for len(data) > 0 {
			r, rest, err := mq.DecodeRecord(data)
			if err != nil {
				t.Fatal(err)
			}
			rs = append(rs, r)
			data = rest
		}
	}
	if len(rs) != b.Count {
		t.Fatalf("batch holds %d records, says %d", len(rs), b.Count)
	}
	return rs
}

// bodies makes n bodies that tell where they belong.
func bodies(q string, n int) []string {
	var bs []string
	for i := range n {
		bs = append(bs, fmt.Sprintf("%s-%d", q, i))
	}
	return bs
}

func TestAppendedMessagesCanBeRead(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	q := mq.Queue{Topic: "T", ID: 1}
	want := bodies("a", 100)
	for i, body := range want {
		send := mustSend(t, s, message("T", 1, body), message("T", 2, "other"))[0]
		if send.Result.Offset != mq.QueueOffset(i) || send.Result.QueueID != 1 {
			t.Fatalf("message %d got offset %d in queue %d", i, send.Result.Offset, send.Result.QueueID)
		}
		b, err := s.ReadAt(send.Result.Pos)
		if err != nil {
			t.Fatal(err)
		}
		if r, _, err := mq.DecodeRecord(b); err != nil || string(r.Body) != body || r.StoreTime != send.Result.StoreTime {
			t.Fatalf("record at %d is %q, %v", send.Result.Pos, r.Body, err)
		}
	}
	if got := mustRead(t, s, q, 0); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Fatalf("got %q", got)
	}
	if lo, hi, err := s.Bounds(q); lo != 0 || hi != 100 || err != nil {
		t.Fatalf("bounds are %d, %d, %v", lo, hi, err)
	}
}

func TestReopenedStoreHoldsEverything(t *testing.T) {
	o := testOptions(nil)
	want := bodies("m", 300)
	for i := range 3 {
		s := mustOpen(t, o)
		for _, body := range want[i*100 : i*100+100] {
			mustSend(t, s, message("T", 0, body+strings.Repeat("x", 1000)))
		}
		mustClose(t, s)
	}
	s := mustOpen(t, o)
	defer mustClose(t, s)
	got := mustRead(t, s, mq.Queue{Topic: "T"}, 0)
	if len(got) != 300 {
		t.Fatalf("got %d messages", len(got))
	}
	for i := range got {
		if strings.TrimRight(got[i], "x") != want[i] {
			t.Fatalf("message %d is %.10q", i, got[i])
		}
	}
	if lo, hi := s.LogBounds(); lo != 0 || hi < 300*1000 {
		t.Fatalf("log is %d to %d", lo, hi)
	}
}

func TestUnknownQueueHasNothing(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	b, err := s.Read(mq.Queue{Topic: "none"}, 7, ReadOptions{})
	if err != nil || b.Status != mq.PullNoQueue || b.Next != 0 {
		t.Fatalf("got %+v, %v", b, err)
	}
	b.Release()
	if _, err := s.ReadAt(0); !errors.Is(err, mq.ErrNotFound) {
		t.Fatal(err)
	}
	if s.table.size() != 0 {
		t.Fatal("reading made a queue")
	}
}
