package store

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

type tagFilter string

func (f tagFilter) Match(code int64) bool { return code == mq.TagCode(string(f)) }

// status reads once and gives the memory back.
func status(t *testing.T, s *Store, q mq.Queue, from mq.QueueOffset, o ReadOptions) mq.Batch {
	t.Helper()
	b, err := s.Read(q, from, o)
	if err != nil {
		t.Fatal(err)
	}
	records(t, b)
	b.Release()
	return b
}

func TestReadSaysWhereToGoOn(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	q := mq.Queue{Topic: "T"}
	for i := range 10 {
		mustSend(t, s, tagged("T", 0, []string{"even", "odd"}[i%2], "body"))
	}
	size := len(mustReadAt(t, s, 0))
	for _, c := range []struct {
		name   string
		from   mq.QueueOffset
		o      ReadOptions
		status mq.PullStatus
		count  int
		next   mq.QueueOffset
	}{
		{"all", 0, ReadOptions{}, mq.PullFound, 10, 10},
		{"some", 3, ReadOptions{MaxMessages: 4}, mq.PullFound, 4, 7},
		{"the end", 10, ReadOptions{}, mq.PullNoNew, 0, 10},
		{"behind the end", 11, ReadOptions{}, mq.PullOffsetIllegal, 0, 10},
		{"before the start", -1, ReadOptions{}, mq.PullOffsetIllegal, 0, 0},
		{"fewer bytes than a message", 2, ReadOptions{MaxBytes: 1}, mq.PullFound, 1, 3},
		{"two messages of bytes", 0, ReadOptions{MaxBytes: 2*size + 2}, mq.PullFound, 2, 2},
		{"odd", 0, ReadOptions{Filter: tagFilter("odd")}, mq.PullFound, 5, 10},
		{"two odd", 0, ReadOptions{Filter: tagFilter("odd"), MaxMessages: 2}, mq.PullFound, 2, 4},
		{"none", 2, ReadOptions{Filter: tagFilter("none")}, mq.PullNoMatch, 0, 10},
	} {
		b := status(t, s, q, c.from, c.o)
		if b.Status != c.status || b.Count != c.count || b.Next != c.next || b.Min != 0 || b.Max != 10 {
			t.Errorf("%s: got %+v", c.name, b)
		}
	}
}

func mustReadAt(t *testing.T, s *Store, pos mq.LogPos) []byte {
	t.Helper()
	b, err := s.ReadAt(pos)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// A filter that rejects everything does not make one read walk a whole queue.
func TestFilteringStopsAfterAWhile(t *testing.T) {
	o := testOptions(nil)
	o.SegmentSize = 16 << 20
	s := mustOpen(t, o)
	defer mustClose(t, s)
	b := &mq.SendBatch{Sends: make([]mq.Send, 1000)}
	for i := range b.Sends {
		b.Sends[i].Message = message("T", 0, "x")
	}
	for range 20 {
		sendBatch(s, b)
	}
	got := status(t, s, mq.Queue{Topic: "T"}, 5, ReadOptions{Filter: tagFilter("none")})
	if got.Status != mq.PullNoMatch || got.Next != 5+scanLimit {
		t.Fatalf("got %+v", got)
	}
}

// Reading gives the same whether entries are in memory, in blocks, or some
// here and some there.
func TestReadCrossesFromBlocksToMemory(t *testing.T) {
	o := testOptions(nil)
	s := mustOpen(t, o)
	rng := rand.New(rand.NewPCG(7, 7))
	var want []string
	for round := range 8 {
		for i := range 400 {
			want = append(want, fmt.Sprintf("%d-%d %s", round, i, strings.Repeat("y", rng.IntN(200))))
			mustSend(t, s, tagged("T", 3, "t", want[len(want)-1]), message("T", 1, strings.Repeat("z", rng.IntN(6000))))
		}
		if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
			t.Fatal(err)
		}
		if round == 3 {
			mustClose(t, s)
			s = mustOpen(t, o)
		}
	}
	defer mustClose(t, s)
	q := mq.Queue{Topic: "T", ID: 3}
	for _, from := range []int{0, 1, 399, 400, 1023, 1024, 1599, 1600, 2400, 3199} {
		got := mustRead(t, s, q, mq.QueueOffset(from))
		if strings.Join(got, "|") != strings.Join(want[from:], "|") {
			t.Fatalf("from %d: got %d messages, want %d", from, len(got), len(want)-from)
		}
	}
	b := status(t, s, q, 100, ReadOptions{Filter: tagFilter("t"), MaxMessages: 1000, MaxBytes: 1 << 30})
	if b.Count != 1000 || b.Next != 1100 {
		t.Fatalf("got %+v", b)
	}
}

func TestLocateFindsByTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(nil)
		s := mustOpen(t, o)
		q := mq.Queue{Topic: "T"}
		start := time.Now()
		at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
		// Two messages at each of the seconds 0, 10, 20 … 90.
		for range 10 {
			mustSend(t, s, message("T", 0, "a"), message("T", 0, "b"))
			time.Sleep(10 * time.Second)
		}
		check := func() {
			t.Helper()
			for _, c := range []struct {
				second int
				lower  mq.QueueOffset
				upper  mq.QueueOffset
			}{
				{-5, 0, 0}, {0, 0, 1}, {1, 2, 1}, {10, 2, 3}, {55, 12, 11}, {90, 18, 19}, {91, 20, 19}, {1000, 20, 19},
			} {
				lower, err1 := s.Locate(q, at(c.second), false)
				upper, err2 := s.Locate(q, at(c.second), true)
				if lower != c.lower || upper != c.upper || err1 != nil || err2 != nil {
					t.Errorf("second %d: got %d and %d, want %d and %d (%v, %v)", c.second, lower, upper, c.lower, c.upper, err1, err2)
				}
			}
			for offset := range mq.QueueOffset(20) {
				if got, err := s.TimeAt(q, offset); !got.Equal(at(int(offset) / 2 * 10)) {
					t.Errorf("offset %d was stored at %s, %v", offset, got, err)
				}
			}
		}
		check()
		mustClose(t, s)
		s = mustOpen(t, o)
		check()
		for _, offset := range []mq.QueueOffset{-1, 20} {
			if _, err := s.TimeAt(q, offset); !errors.Is(err, mq.ErrOffsetOutOfRange) {
				t.Errorf("time of %d: %v", offset, err)
			}
		}
		if at, err := s.Locate(mq.Queue{Topic: "none"}, start, false); at != 0 || err != nil {
			t.Errorf("unknown queue: %d, %v", at, err)
		}
		mustClose(t, s)
	})
}

// The order of one caller's messages is kept per queue, however many callers
// there are, while others read.
func TestParallelAppendsKeepTheirOrder(t *testing.T) {
	var told struct {
		sync.Mutex
		next map[mq.Queue]mq.QueueOffset
		pos  int
	}
	told.next = map[mq.Queue]mq.QueueOffset{}
	o := testOptions(nil)
	o.FlushInterval = time.Millisecond
	o.Appended = func(list []Appended) {
		told.Lock()
		defer told.Unlock()
		for _, a := range list {
			if a.Offset != told.next[a.Queue] {
				t.Errorf("told of %v at %d, want %d", a.Queue, a.Offset, told.next[a.Queue])
			}
			told.next[a.Queue]++
		}
	}
	s := mustOpen(t, o)
	stop := runStore(t, s)
	const callers, rounds = 8, 200
	var senders, readers sync.WaitGroup
	ended := make(chan struct{})
	for id := range callers {
		senders.Go(func() {
			for i := range rounds {
				sent := mustSend(t, s, message("T", int32(i%3), fmt.Sprintf("%d %d a", id, i)), message("T", int32(i%3), fmt.Sprintf("%d %d b", id, i)))
				if sent[1].Result.Offset <= sent[0].Result.Offset || sent[1].Result.Pos <= sent[0].Result.Pos {
					t.Errorf("got %+v before %+v", sent[0].Result, sent[1].Result)
				}
			}
		})
	}
	for id := range int32(3) {
		readers.Go(func() {
			for from := mq.QueueOffset(0); ; {
				from += mq.QueueOffset(len(mustRead(t, s, mq.Queue{Topic: "T", ID: id}, from)))
				select {
				case <-ended:
					return
				default:
				}
			}
		})
	}
	senders.Wait()
	close(ended)
	readers.Wait()
	total := 0
	for id := range int32(3) {
		last := map[string]int{}
		for _, body := range mustRead(t, s, mq.Queue{Topic: "T", ID: id}, 0) {
			var caller, round int
			var which string
			fmt.Sscanf(body, "%d %d %s", &caller, &round, &which)
			key := fmt.Sprint(caller)
			order := 2*round + int(which[0]-'a') + 1
			if order <= last[key] {
				t.Fatalf("queue %d: %q follows %d", id, body, last[key])
			}
			last[key] = order
			total++
		}
	}
	if total != 2*callers*rounds {
		t.Fatalf("%d messages are there", total)
	}
	stop()
	mustClose(t, s)
}

// Messages that are half a transaction, or end one, are stored but in no queue.
func TestPreparedMessagesGetNoQueueEntry(t *testing.T) {
	o := testOptions(nil)
	s := mustOpen(t, o)
	ms := []mq.Message{message("T", 0, "plain"), message("T", 0, "half"), message("T", 0, "rollback"), message("T", 0, "commit")}
	ms[1].SysFlag, ms[2].SysFlag, ms[3].SysFlag = mq.FlagPrepared, mq.FlagRollback, mq.FlagCommitted
	sent := mustSend(t, s, ms...)
	for range 2 {
		if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); strings.Join(got, " ") != "plain commit" {
			t.Fatalf("got %q", got)
		}
		r, _, err := mq.DecodeRecord(mustReadAt(t, s, sent[1].Result.Pos))
		if err != nil || string(r.Body) != "half" || r.QueueOffset != 0 {
			t.Fatalf("half message is %+v, %v", r, err)
		}
		mustClose(t, s)
		rebuildIndex(t, o)
		s = mustOpen(t, o)
	}
	mustClose(t, s)
}

// A batch for one queue lies in one segment, its messages behind each other,
// and is refused as a whole.
func TestBatchesStayTogether(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	for i := range 100 {
		send := mq.Send{Message: message("T", 0, strings.Repeat("x", 1000+i))}
		for range 9 {
			send.More = append(send.More, mq.Message{Body: []byte(strings.Repeat("y", 1000+i)), Flag: 7})
		}
		res := sendBatch(s, &mq.SendBatch{Sends: []mq.Send{send}})[0].Result
		if res.Offset != mq.QueueOffset(10*i) || len(res.MorePos) != 9 {
			t.Fatalf("got %+v", res)
		}
		for n, pos := range append([]mq.LogPos{res.Pos}, res.MorePos...) {
			r, _, _ := mq.DecodeRecord(mustReadAt(t, s, pos))
			if r.QueueOffset != res.Offset+mq.QueueOffset(n) || n > 0 && r.Flag != 7 {
				t.Fatalf("message %d of batch %d is %+v", n, i, r)
			}
			if s.seg.SegmentOf(int64(pos)) != s.seg.SegmentOf(int64(res.Pos)) {
				t.Fatalf("batch %d lies in two segments", i)
			}
		}
	}
	send := mq.Send{Message: message("T", 0, "fits"), More: []mq.Message{{Body: make([]byte, 64<<10)}}}
	after := mq.Send{Message: message("T", 0, "after")}
	sent := sendBatch(s, &mq.SendBatch{Sends: []mq.Send{send, after}})
	if !errors.Is(sent[0].Err, mq.ErrMessageTooLarge) || sent[1].Err != nil || sent[1].Result.Offset != 1000 {
		t.Fatalf("got %v, %+v", sent[0].Err, sent[1])
	}
}

// A record whose bytes changed on disk is an error, not a message.
func TestDamagedRecordIsNotDelivered(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	pos := mustSend(t, s, message("T", 0, "good"), message("T", 0, "bad"))[1].Result.Pos
	if err := s.seg.WriteAt([]byte("xxxx"), int64(pos)+mq.RecordMagicAt); err != nil {
		t.Fatal(err)
	}
	var corrupt *CorruptError
	if _, err := s.Read(mq.Queue{Topic: "T"}, 1, ReadOptions{}); !errors.As(err, &corrupt) || corrupt.Offset != int64(pos) {
		t.Fatalf("got %v", err)
	}
	if _, err := s.ReadAt(pos); err == nil {
		t.Fatal("record was returned")
	}
}

// A message costs no allocation on its way in, and a read a small number.
func TestAppendAndReadDoNotAllocatePerMessage(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	o := testOptions(nil)
	o.SegmentSize, o.FS = 64<<20, nil
	o.Dir = t.TempDir()
	s := mustOpen(t, o)
	defer mustClose(t, s)
	b := &mq.SendBatch{Sends: make([]mq.Send, 32), Done: func(*mq.SendBatch) {}}
	for i := range b.Sends {
		b.Sends[i].Message = tagged("T", int32(i%4), "tag", "a body")
	}
	if err := s.seg.Prepare(o.SegmentSize); err != nil {
		t.Fatal(err)
	}
	append1 := testing.AllocsPerRun(200, func() { s.Append(b) })
	reading := func(o ReadOptions) float64 {
		return testing.AllocsPerRun(200, func() {
			r, err := s.Read(mq.Queue{Topic: "T"}, 10, o)
			if err != nil || r.Count != 32 {
				t.Fatal(r.Count, err)
			}
			r.Release()
		})
	}
	lent, read := reading(ReadOptions{Lend: true}), reading(ReadOptions{})
	if append1 > 3 || read > 1 || lent > 1 { // 32 messages; growing slices of entries count too
		t.Fatalf("append of 32 messages allocates %.1f times, read %.1f, of lent ones %.1f", append1, read, lent)
	}
}

// Keys are indexed by reading every message once more, which makes no garbage.
func TestIndexingKeysDoesNotAllocatePerMessage(t *testing.T) {
	if raced {
		t.Skip("the race detector allocates")
	}
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	for i := range 300 {
		mustSend(t, s, tagged("T", 0, "tag", fmt.Sprint(i)))
	}
	if err := s.syncLog(); err != nil {
		t.Fatal(err)
	}
	follow := func() {
		s.keys.mu.head, s.keys.mu.entries = keyHead{}, s.keys.mu.entries[:0]
		if _, err := s.followKeys(s.Synced(), keyStep); err != nil || len(s.keys.mu.entries) != 300 {
			t.Fatal(len(s.keys.mu.entries), err)
		}
	}
	if n := testing.AllocsPerRun(20, follow); n > 10 {
		t.Errorf("indexing 300 messages allocates %.0f times", n)
	}
}

// max-read-bytes is a limit of what is handed out; the broker reads more at a time for
// itself.
func TestReadersWithinTheBrokerMayReadMore(t *testing.T) {
	o := testOptions(nil)
	o.MaxReadBytes = 1000
	s := mustOpen(t, o)
	defer mustClose(t, s)
	for range 20 {
		mustSend(t, s, message("T", 0, strings.Repeat("x", 200)))
	}
	for _, inner := range []bool{false, true} {
		b, err := s.Read(mq.Queue{Topic: "T"}, 0, ReadOptions{MaxMessages: 100, MaxBytes: 1 << 30, Inner: inner})
		if err != nil || (b.Count == 20) != inner {
			t.Errorf("inner %v: read %d messages, %v", inner, b.Count, err)
		}
		b.Release()
	}
}
