package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// inLight is m as it goes into light queues too.
func inLight(m mq.Message, queues ...string) mq.Message {
	m.Properties = mq.AppendProperty(m.Properties[:len(m.Properties):len(m.Properties)], mq.PropMultiDispatch, strings.Join(queues, ","))
	return m
}

// lightNames are n names of light queues, from a number on.
func lightNames(from, n int) []string {
	var names []string
	for i := range n {
		names = append(names, fmt.Sprintf("%s%d", mq.LitePrefix, from+i))
	}
	return names
}

func wantQueue(t *testing.T, s *Store, topic, want string) {
	t.Helper()
	if got := strings.Join(mustRead(t, s, mq.Queue{Topic: topic}, 0), " "); got != want {
		t.Fatalf("%s holds %q, want %q", topic, got, want)
	}
}

// A message is written once and found in its own queue and in the light ones,
// also after a restart and with an index made of the log alone.
func TestOneMessageLiesInManyLightQueues(t *testing.T) {
	o := testOptions(nil)
	var woken []string
	o.Appended = func(all []Appended) {
		for _, a := range all {
			woken = append(woken, fmt.Sprintf("%s/%d:%d:%d", a.Queue.Topic, a.Queue.ID, a.Offset, a.TagCode))
		}
	}
	s := mustOpen(t, o)
	sends := mustSend(t, s,
		inLight(tagged("T", 3, "x", "one"), "%LMQ%a", "%LMQ%b"), message("T", 3, "two"),
		message("%LMQ%a", 0, "direct"), inLight(message("U", 0, "three"), "%LMQ%b", "%LMQ%a"))
	if r := sends[0].Result; r.QueueID != 3 || r.Offset != 0 || len(sends[0].Properties) > 60 {
		t.Errorf("the sender is told %+v of %q", r, sends[0].Properties)
	}
	x := mq.TagCode("x")
	if want := []string{
		fmt.Sprintf("T/3:0:%d", x), fmt.Sprintf("%%LMQ%%a/0:0:%d", x), fmt.Sprintf("%%LMQ%%b/0:0:%d", x), "T/3:1:0",
		"%LMQ%a/0:1:0", "U/0:0:0", "%LMQ%b/0:1:0", "%LMQ%a/0:2:0",
	}; !slices.Equal(woken, want) {
		t.Errorf("told %q, want %q", woken, want)
	}
	if hi := s.committed.Load(); hi > 4*300 {
		t.Errorf("the log has %d bytes", hi)
	}
	check := func(s *Store) {
		t.Helper()
		wantQueue(t, s, "%LMQ%a", "one direct three")
		wantQueue(t, s, "%LMQ%b", "one three")
		wantQueue(t, s, "U", "three")
		if got := mustRead(t, s, mq.Queue{Topic: "T", ID: 3}, 0); len(got) != 2 {
			t.Fatalf("its own queue holds %q", got)
		}
	}
	check(s)
	mustClose(t, s)
	s = mustOpen(t, o)
	check(s)
	mustClose(t, s)
	checkVerified(t, o.FS, "reopened")
	if err := o.FS.RemoveAll("store/" + StateDir); err != nil {
		t.Fatal(err)
	}
	s = mustOpen(t, o)
	check(s)
	if n := s.table.lights.number.Load(); n != 2 {
		t.Errorf("there are %d light queues", n)
	}
	mustClose(t, s)
	checkVerified(t, o.FS, "rebuilt")
}

// What is not delivered yet, or once more, is in no light queue.
func TestOnlyDeliveriesGoIntoLightQueues(t *testing.T) {
	s := mustOpen(t, testOptions(nil))
	defer mustClose(t, s)
	for _, topic := range []string{mq.TopicSchedule, mq.TopicTimer, mq.TopicTransHalf, "%RETRY%g", "%DLQ%g"} {
		mustSend(t, s, inLight(message(topic, 0, topic), "%LMQ%a"))
	}
	half := inLight(message("T", 0, "half"), "%LMQ%a")
	half.SysFlag = mq.FlagPrepared
	mustSend(t, s, half)
	half.SysFlag = mq.FlagCommitted
	half.Body = []byte("whole")
	// A sender's own idea of the offsets is not believed.
	half.Properties = append(mq.AppendProperty(nil, mq.PropMultiQueueOffset, "77"), half.Properties...)
	mustSend(t, s, half)
	wantQueue(t, s, "%LMQ%a", "whole")
}

func TestBadLightQueuesAreRefusedAndReserveNothing(t *testing.T) {
	o := testOptions(nil)
	o.MaxLightQueues = 2
	s := mustOpen(t, o)
	defer mustClose(t, s)
	sends := send(s,
		inLight(message("T", 0, "twice"), "%LMQ%a", "%LMQ%a"), inLight(message("T", 0, "other"), "T"),
		inLight(message("T", 0, "good"), "%LMQ%a", "%LMQ%b"), inLight(message("T", 0, "more"), "%LMQ%a", "%LMQ%c"),
		inLight(message("T", 0, "known"), "%LMQ%b"))
	for i, want := range []error{mq.ErrMessageIllegal, mq.ErrMessageIllegal, nil, mq.ErrLightQuota, nil} {
		if !errors.Is(sends[i].Err, want) {
			t.Errorf("%d: %v, want %v", i, sends[i].Err, want)
		}
	}
	wantText(t, sends[3].Err, "max-light-queues", "maxLmqConsumeQueueNum", "%LMQ%c")
	big := message("T", 0, "big")
	big.Properties = mq.AppendProperty(nil, "k", strings.Repeat("v", mq.MaxPropertiesSize-60))
	if err := send(s, inLight(big, "%LMQ%a", "%LMQ%b"))[0].Err; !errors.Is(err, mq.ErrMessageIllegal) {
		t.Error(err)
	}
	wantQueue(t, s, "%LMQ%a", "good")
	wantQueue(t, s, "%LMQ%b", "good known")
	wantQueue(t, s, "T", "good known")
}

// The offsets that a failed write reserved in light queues are given out again.
func TestFailedWriteLeavesNoHoleInLightQueues(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault, fs := faulty(errorfs.OpFileWriteAt, syscall.EIO)
		s := mustOpen(t, testOptions(fs))
		stop := runStore(t, s)
		mustSend(t, s, inLight(message("T", 0, "before"), "%LMQ%a", "%LMQ%b"))
		fault.on.Store(true)
		if err := send(s, inLight(message("T", 0, "lost"), "%LMQ%b", "%LMQ%c"))[0].Err; err == nil {
			t.Fatal("a failed write was acknowledged")
		}
		fault.on.Store(false)
		time.Sleep(2 * time.Second)
		mustSend(t, s, inLight(message("T", 0, "after"), "%LMQ%a", "%LMQ%b", "%LMQ%c"))
		stop()
		wantQueue(t, s, "%LMQ%a", "before after")
		wantQueue(t, s, "%LMQ%b", "before after")
		wantQueue(t, s, "%LMQ%c", "after")
		mustClose(t, s)
		checkVerified(t, fs, "after the fault")
	})
}

// Nothing is left of a light queue whose messages are gone, and one that comes
// back goes on behind what a consumer may have seen of it.
func TestEmptyLightQueuesLeaveNothingBehind(t *testing.T) {
	fs := vfs.NewCrashableMem()
	o := testOptions(fs)
	var gone []string
	o.LightsGone = func(topics []string) { gone = append(gone, topics...) }
	s := mustOpen(t, o)
	seal := func() {
		t.Helper()
		if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 40 {
		mustSend(t, s, inLight(message("T", 0, fmt.Sprint(i)+strings.Repeat("x", 2000)), "%LMQ%old", fmt.Sprintf("%%LMQ%%old%d", i)))
	}
	for range 40 {
		mustSend(t, s, inLight(message("T", 0, strings.Repeat("y", 2000)), "%LMQ%young"))
	}
	for s.table.size() > 0 {
		seal()
	}
	if n, row := s.table.lights.number.Load(), must(s.rows.lightRow()); n != 42 || row.queues != 42 || row.floor != 0 {
		t.Fatalf("there are %d light queues, %+v", n, row)
	}
	start := mq.LogPos(must(s.seg.RemoveFirst()))
	if err := errors.Join(s.trimIndex(start), s.dropLights(start)); err != nil {
		t.Fatal(err)
	}
	if n, row := s.table.lights.number.Load(), must(s.rows.lightRow()); n > 20 || row.queues != n || len(gone) != 42-int(n) || !slices.Contains(gone, "%LMQ%old3") {
		t.Fatalf("there are %d light queues, %+v, gone are %q", n, row, gone)
	}
	for {
		if files := s.seg.Files(); len(files) < 2 {
			break
		}
		start = mq.LogPos(must(s.seg.RemoveFirst()))
	}
	if err := errors.Join(s.trimIndex(start), s.dropLights(start)); err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(gone, "%LMQ%old") || slices.Contains(gone, "%LMQ%young") {
		t.Fatalf("gone are %q", gone)
	}
	rows := 0
	_ = s.rows.scan([]byte{rowIndex}, []byte{rowIndex + 1}, func(key, _ []byte) error {
		if strings.Contains(string(key), "old") {
			rows++
		}
		return nil
	})
	if rows != 0 {
		t.Errorf("%d rows are left", rows)
	}
	back := func(s *Store) {
		t.Helper()
		q := mq.Queue{Topic: "%LMQ%old"}
		if lo, hi, err := s.Bounds(q); lo != 40 || hi != 41 || err != nil {
			t.Errorf("it came back with offsets %d to %d, %v", lo, hi, err)
		}
		if got := mustRead(t, s, q, 40); strings.Join(got, " ") != "back" {
			t.Errorf("it holds %q", got)
		}
	}
	mustSend(t, s, inLight(message("T", 0, "back"), "%LMQ%old"))
	back(s)
	// The entry had no block yet: replaying the log puts it where it was.
	s.mu.Lock()
	end := s.mu.written
	s.mu.Unlock()
	killed := crashOf(t, fs)
	mustClose(t, s)
	o.FS = killed
	s = mustOpen(t, o)
	if _, hi := s.LogBounds(); hi != end {
		t.Fatalf("the log ends at %d, not %d", hi, end)
	}
	back(s)
	if n := s.table.lights.number.Load(); n != 2 {
		t.Errorf("there are %d light queues", n)
	}
	mustClose(t, s)
	checkVerified(t, killed, "killed")
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// A light queue can be deleted like a topic.
func TestForgottenLightQueueIsCountedNoMore(t *testing.T) {
	o := testOptions(nil)
	s := mustOpen(t, o)
	mustSend(t, s, inLight(message("T", 0, "1"), "%LMQ%a", "%LMQ%b"))
	if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
		t.Fatal(err)
	}
	mustSend(t, s, inLight(message("T", 0, "2"), "%LMQ%c"))
	for i, topic := range []string{"%LMQ%a", "%LMQ%c", "%LMQ%none"} {
		if err := s.Forget(topic); err != nil {
			t.Fatal(err)
		}
		if n, want := s.table.lights.number.Load(), []int64{2, 1, 1}[i]; n != want {
			t.Errorf("without %s there are %d light queues, want %d", topic, n, want)
		}
	}
	mustClose(t, s)
	checkVerified(t, o.FS, "forgotten")
	s = mustOpen(t, o)
	defer mustClose(t, s)
	wantQueue(t, s, "%LMQ%a", "")
	wantQueue(t, s, "%LMQ%b", "1")
	wantQueue(t, s, "T", "1 2")
}

// Light queues that are idle go together, but for those that got a message since
// somebody looked; each that is new is told once.
func TestIdleLightQueuesAreForgottenUnlessTheyGrew(t *testing.T) {
	o := testOptions(nil)
	var made []string
	o.LightMade = func(topic string) { made = append(made, topic) }
	s := mustOpen(t, o)
	mustSend(t, s, inLight(message("T", 0, "1"), "%LMQ%a", "%LMQ%b", "%LMQ%c"))
	if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
		t.Fatal(err)
	}
	mustSend(t, s, inLight(message("T", 0, "2"), "%LMQ%b", "%LMQ%d"))
	left, err := s.ForgetIdle(map[string]mq.QueueOffset{"%LMQ%a": 1, "%LMQ%b": 1, "%LMQ%c": 1, "%LMQ%d": 1, "%LMQ%none": 0})
	if err != nil || !slices.Equal(left, []string{"%LMQ%b"}) {
		t.Errorf("left are %q, %v", left, err)
	}
	if n := s.table.lights.number.Load(); n != 1 {
		t.Errorf("there are %d light queues, want 1", n)
	}
	mustSend(t, s, inLight(message("T", 0, "3"), "%LMQ%a"))
	if want := []string{"%LMQ%a", "%LMQ%b", "%LMQ%c", "%LMQ%d", "%LMQ%a"}; !slices.Equal(made, want) {
		t.Errorf("made are %q, want %q", made, want)
	}
	mustClose(t, s)
	checkVerified(t, o.FS, "idle")
	s = mustOpen(t, o)
	defer mustClose(t, s)
	wantQueue(t, s, "%LMQ%a", "3")
	wantQueue(t, s, "%LMQ%b", "1 2")
	wantQueue(t, s, "%LMQ%d", "")
}

// BenchmarkAppendLight stores messages of 1 KiB, each in its own queue and in
// some light ones, of which there are 1000. One operation is one message.
func BenchmarkAppendLight(b *testing.B) {
	for _, targets := range []int{0, 1, 5} {
		b.Run(fmt.Sprintf("targets=%d", targets), func(b *testing.B) {
			s := mustOpen(b, Options{Dir: b.TempDir()})
			stop := runStore(b, s)
			sends := make([]mq.Send, 32)
			variants := make([][]byte, 1000)
			props := mq.AppendProperty(mq.AppendProperty(nil, mq.PropUniqueKey, "0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A"), mq.PropTags, "TagA")
			for i := range variants {
				variants[i] = props
				if targets > 0 {
					variants[i] = inLight(mq.Message{Properties: props}, lightNames(i, targets)...).Properties
				}
			}
			for i := range sends {
				sends[i].Message = mq.Message{Topic: "BenchmarkTest", Body: make([]byte, 1024)}
			}
			sb := &mq.SendBatch{Sends: sends}
			b.ReportAllocs()
			b.ResetTimer()
			for n := 0; n < b.N; n += len(sends) {
				for i := range sends {
					sends[i].Properties = variants[(n+i)%len(variants)]
				}
				s.Append(sb)
				if sends[0].Err != nil {
					b.Fatal(sends[0].Err)
				}
			}
			b.StopTimer()
			stop()
			mustClose(b, s)
		})
	}
}

// BenchmarkLightMillion stores two messages of 100 bytes in each of a million
// light queues, ten queues per message, and says what is left in memory and on
// disk when all is sealed.
func BenchmarkLightMillion(b *testing.B) {
	const queues, perMessage, rounds = 1_000_000, 10, 2
	for range b.N {
		dir := b.TempDir()
		s := mustOpen(b, Options{Dir: dir})
		stop := runStore(b, s)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		began := time.Now()
		for range rounds {
			for from := 0; from < queues; from += 32 * perMessage {
				sb := &mq.SendBatch{}
				for i := from; i < min(queues, from+32*perMessage); i += perMessage {
					sb.Sends = append(sb.Sends, mq.Send{Message: inLight(message("T", int32(i/perMessage%8), strings.Repeat("x", 100)), lightNames(i, perMessage)...)})
				}
				if done := sendBatch(s, sb); done[0].Err != nil {
					b.Fatal(done[0].Err)
				}
			}
		}
		b.ReportMetric(float64(time.Since(began).Nanoseconds())/(queues*rounds), "ns/entry")
		stop()
		for s.table.size() > residentQueues {
			if err := errors.Join(s.syncLog(), s.writeCheckpoint()); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(int64(after.HeapAlloc)-int64(before.HeapAlloc))/queues, "heapB/queue")
		if err := s.rows.db.Compact(b.Context(), []byte{0}, []byte{0xff}, false); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(s.committed.Load())/(queues*rounds), "logB/entry")
		mustClose(b, s)
		b.ReportMetric(float64(dirSize(b, filepath.Join(dir, StateDir)))/queues, "rowB/queue")
	}
}

// dirSize is how many bytes the files of a directory have.
func dirSize(b *testing.B, dir string) (size int64) {
	err := filepath.Walk(dir, func(_ string, info os.FileInfo, err error) error {
		if err == nil && !info.IsDir() {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}
