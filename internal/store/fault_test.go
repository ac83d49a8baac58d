package store

import (
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// logFault makes operations on the commit log fail while it is on.
type logFault struct {
	on    atomic.Bool
	kind  errorfs.OpKind
	err   error
	after atomic.Int32 // let so many through first
	calls atomic.Int32
}

func (f *logFault) String() string { return "commit log fault" }

func (f *logFault) MaybeError(op errorfs.Op) error {
	if op.Kind != f.kind || !strings.Contains(op.Path, logDir) {
		return nil
	}
	f.calls.Add(1)
	if !f.on.Load() || f.after.Add(-1) >= 0 {
		return nil
	}
	return f.err
}

func faulty(kind errorfs.OpKind, err error) (*logFault, vfs.FS) {
	f := &logFault{kind: kind, err: err}
	return f, errorfs.Wrap(vfs.NewMem(), f)
}

// A write that fails takes those behind it along, is not seen by readers, and
// leaves a log that goes on without a hole once the disk works again.
func TestFailedWriteLeavesNoHole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault, fs := faulty(errorfs.OpFileWriteAt, syscall.EIO)
		o := testOptions(fs)
		s := mustOpen(t, o)
		stop := runStore(t, s)
		for _, body := range bodies("before", 10) {
			mustSend(t, s, message("T", 0, body))
		}
		fault.on.Store(true)
		for range 3 {
			err := send(s, message("T", 0, "lost"), message("T", 1, "lost"))[0].Err
			if !errors.Is(err, mq.ErrUnavailable) {
				t.Fatalf("got %v", err)
			}
		}
		if err := s.Writable(); err == nil {
			t.Fatal("store says that it can be written")
		}
		time.Sleep(3 * time.Second) // repair fails too
		if err := s.Writable(); err == nil {
			t.Fatal("store says that it can be written")
		}
		fault.on.Store(false)
		time.Sleep(2 * time.Second)
		after := mustSend(t, s, message("T", 0, "after"))[0]
		if after.Result.Offset != 10 {
			t.Fatalf("queue goes on at %d", after.Result.Offset)
		}
		stop()
		mustClose(t, s)
		checkVerified(t, fs, "after repair")
		s = mustOpen(t, o)
		defer mustClose(t, s)
		if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); len(got) != 11 || got[10] != "after" {
			t.Fatalf("queue holds %q", got)
		}
		if _, hi, _ := s.Bounds(mq.Queue{Topic: "T", ID: 1}); hi != 0 {
			t.Fatalf("queue 1 ends at %d", hi)
		}
	})
}

// Among several at once, the n-th write fails: what was acknowledged can be
// read, what was not cannot, and offsets have no hole.
func TestNthFailingWriteUnderLoad(t *testing.T) {
	for n := range int32(12) {
		fault, fs := faulty(errorfs.OpFileWriteAt, syscall.EIO)
		s := mustOpen(t, testOptions(fs))
		a := newAcks()
		fault.after.Store(n)
		fault.on.Store(true)
		var wg sync.WaitGroup
		for id := 1; id <= 4; id++ {
			wg.Go(func() {
				for i := 0; ; i++ {
					sent := send(s, message("T", 0, fmt.Sprintf("%d-%d", id, i)), message("T", int32(id), fmt.Sprintf("own %d-%d", id, i)))
					for _, m := range sent {
						if m.Err != nil {
							return
						}
						a.add(mq.Queue{Topic: "T", ID: m.QueueID}, m.Result.Offset, string(m.Body))
					}
				}
			})
		}
		wg.Wait()
		acked := a.count()
		a.check(t, s, "before repair")
		fault.on.Store(false)
		s.repair()
		for id := range int32(5) {
			m := mustSend(t, s, message("T", id, "after"))[0]
			a.add(mq.Queue{Topic: "T", ID: id}, m.Result.Offset, "after")
		}
		a.check(t, s, "after repair")
		if got := a.count(); got != acked+5 {
			t.Fatalf("write %d: %d acknowledged, %d are there", n, acked+5, got)
		}
		mustClose(t, s)
		checkVerified(t, fs, "after close")
		s = mustOpen(t, testOptions(fs))
		a.check(t, s, "reopened")
		mustClose(t, s)
	}
}

// No space for a segment refuses messages with the reason, before anything is
// reserved, and they are accepted as soon as there is space.
func TestNoSpaceIsSaidAndRecovers(t *testing.T) {
	fault, fs := faulty(errorfs.OpFilePreallocate, syscall.ENOSPC)
	s := mustOpen(t, testOptions(fs))
	defer mustClose(t, s)
	fault.on.Store(true)
	err := send(s, message("T", 0, "refused"))[0].Err
	if !errors.Is(err, mq.ErrDiskFull) || !strings.Contains(err.Error(), "store") {
		t.Fatalf("got %v", err)
	}
	fault.on.Store(false)
	if m := mustSend(t, s, message("T", 0, "accepted"))[0]; m.Result.Offset != 0 || m.Result.Pos != 0 {
		t.Fatalf("got %+v", m.Result)
	}
}

// After a sync that failed nothing is acknowledged until a restart: the kernel
// may have dropped what it could not write.
func TestFailedSyncEndsWriting(t *testing.T) {
	for _, flush := range []FlushMode{FlushAsync, FlushSync} {
		synctest.Test(t, func(t *testing.T) {
			fault, fs := faulty(errorfs.OpFileSyncData, syscall.EIO)
			o := testOptions(fs)
			o.Flush = flush
			s := mustOpen(t, o)
			stop := runStore(t, s)
			mustSend(t, s, message("T", 0, "safe"))
			time.Sleep(time.Second)
			fault.on.Store(true)
			err := send(s, message("T", 0, "in doubt"))[0].Err
			if flush == FlushSync && !errors.Is(err, mq.ErrUnavailable) {
				t.Fatalf("%v: got %v", flush, err)
			}
			time.Sleep(time.Second)
			fault.on.Store(false)
			time.Sleep(5 * time.Second)
			if err := send(s, message("T", 0, "refused"))[0].Err; !errors.Is(err, mq.ErrUnavailable) {
				t.Fatalf("%v: got %v", flush, err)
			}
			if flush == FlushSync {
				if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); len(got) != 1 {
					t.Fatalf("readers see %q", got)
				}
			}
			stop()
			if err := s.Close(); !errors.Is(err, mq.ErrUnavailable) {
				t.Fatalf("close says %v", err)
			}
			s = mustOpen(t, o)
			if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); got[0] != "safe" {
				t.Fatalf("reopened store holds %q", got)
			}
			mustClose(t, s)
		})
	}
}

// Under FlushSync those who arrive while the disk syncs share the next sync.
func TestSyncIsShared(t *testing.T) {
	fault, fs := faulty(errorfs.OpFileSyncData, nil)
	o := testOptions(fs)
	o.Flush, o.SegmentSize = FlushSync, 1<<20
	s := mustOpen(t, o)
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() { mustSend(t, s, message("T", 0, "m")) })
	}
	for s.pending() < 50 {
		runtime.Gosched()
	}
	before := fault.calls.Load()
	if err := s.syncLog(); err != nil {
		t.Fatal(err)
	}
	wg.Wait()
	if n := fault.calls.Load() - before; n != 1 {
		t.Fatalf("50 messages took %d syncs", n)
	}
	mustClose(t, s)
}

// pending is how many batches wait for a sync.
func (s *Store) pending() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, l := range []line{s.mu.line, s.mu.unsynced} {
		for f := l.head; f != nil; f = f.next {
			n++
		}
	}
	return n
}

// What is in flight is limited, and who is turned away is told where it hangs.
func TestTooMuchInFlightIsRefusedEarly(t *testing.T) {
	o := testOptions(nil)
	o.Flush, o.MaxInFlight = FlushSync, 10<<10
	s := mustOpen(t, o)
	b := &mq.SendBatch{Sends: []mq.Send{{Message: message("T", 0, strings.Repeat("x", 9<<10))}}, Done: func(*mq.SendBatch) {}}
	s.Append(b)
	err := send(s, message("T", 0, strings.Repeat("x", 9<<10)))[0].Err
	if !errors.Is(err, mq.ErrBusy) || !strings.Contains(err.Error(), "syncing") {
		t.Fatalf("got %v", err)
	}
	if err := s.syncLog(); err != nil {
		t.Fatal(err)
	}
	if b.Sends[0].Err != nil {
		t.Fatal(b.Sends[0].Err)
	}
	s.Append(b)
	mustClose(t, s) // finishes what waits
	if b.Sends[0].Err != nil || b.Sends[0].Result.Offset != 1 {
		t.Fatalf("got %+v", b.Sends[0])
	}
}

// A disk with too little left refuses messages, serves reads, and takes
// messages again by itself.
func TestFullDiskRefusesMessagesAndRecovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewMem()
		usage := func(free uint64) {
			const total = 1 << 40
			fs.TestingSetDiskUsage(vfs.DiskUsage{TotalBytes: total, AvailBytes: free, UsedBytes: total - free})
		}
		usage(1 << 39)
		o := testOptions(fs)
		o.Reserve, o.DiskForceClean = 1<<30, 100
		s := mustOpen(t, o)
		stop := runStore(t, s)
		mustSend(t, s, message("T", 0, "a"))
		usage(1<<30 - 1)
		time.Sleep(2 * time.Second)
		err := send(s, message("T", 0, "b"))[0].Err
		if !errors.Is(err, mq.ErrDiskFull) || !strings.Contains(err.Error(), "disk-reserve") {
			t.Fatalf("got %v", err)
		}
		if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); len(got) != 1 {
			t.Fatalf("readers see %q", got)
		}
		spare := &mq.SendBatch{Sends: []mq.Send{{Message: message("U", 0, "makes room")}}, Spare: true}
		s.Append(spare)
		if err := spare.Sends[0].Err; err != nil {
			t.Fatalf("what makes room is refused: %v", err)
		}
		if err := s.Keys().Set([]byte("k"), nil, false); err != nil {
			t.Fatalf("rows are refused while there is space for them: %v", err)
		}
		usage(1 << 20)
		time.Sleep(2 * time.Second)
		if err := s.Keys().Set([]byte("k"), nil, false); !errors.Is(err, mq.ErrDiskFull) {
			t.Fatalf("got %v", err)
		}
		usage(1 << 39)
		time.Sleep(2 * time.Second)
		mustSend(t, s, message("T", 0, "c"))
		if d := s.DiskUsage(); d.Used != 50 || d.Free != 1<<39 {
			t.Fatalf("disk usage is %+v", d)
		}
		stop()
		mustClose(t, s)
	})
}

// What is reserved behind a write that then fails is not stored, although its
// own write succeeded, and its bytes do not turn up later.
func TestWritesBehindAFailedOneAreTakenBack(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	var hold atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWriteAt && hold.CompareAndSwap(true, false) {
			close(entered)
			<-leave
			return syscall.EIO
		}
		return nil
	}))
	s := mustOpen(t, testOptions(fs))
	mustSend(t, s, message("T", 0, "kept"))
	end := s.committed.Load()
	hold.Store(true)
	first := make(chan []mq.Send)
	go func() { first <- send(s, message("T", 0, "fails")) }()
	<-entered
	behind := &mq.SendBatch{Sends: []mq.Send{{Message: message("T", 0, "behind")}, {Message: message("T", 1, "behind")}}}
	done := make(chan struct{})
	behind.Done = func(*mq.SendBatch) { close(done) }
	s.Append(behind)
	if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); len(got) != 1 {
		t.Fatalf("readers see %q", got)
	}
	close(leave)
	<-done
	for _, m := range append(<-first, behind.Sends...) {
		if !errors.Is(m.Err, mq.ErrUnavailable) {
			t.Fatalf("%s: got %v", m.Body, m.Err)
		}
	}
	if got := s.committed.Load(); got != end {
		t.Fatalf("log ends at %d, want %d", got, end)
	}
	s.repair()
	if m := mustSend(t, s, message("T", 0, "next"))[0]; m.Result.Offset != 1 || int64(m.Result.Pos) != end {
		t.Fatalf("got %+v", m.Result)
	}
	mustClose(t, s)
	s = mustOpen(t, testOptions(fs))
	defer mustClose(t, s)
	if got := mustRead(t, s, mq.Queue{Topic: "T"}, 0); strings.Join(got, " ") != "kept next" {
		t.Fatalf("queue holds %q", got)
	}
	if _, hi, _ := s.Bounds(mq.Queue{Topic: "T", ID: 1}); hi != 0 {
		t.Fatalf("queue 1 ends at %d", hi)
	}
}

// Bytes that a killed process wrote are synced before the index speaks of them.
func TestOpenSyncsWhatItIndexes(t *testing.T) {
	o := testOptions(nil)
	s := mustOpen(t, o)
	fill(t, s, 100, 4000)
	killed := crashOf(t, o.FS)
	mustClose(t, s)
	synced := map[string]bool{}
	o.FS = errorfs.Wrap(killed, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData {
			synced[op.Path] = true
		}
		return nil
	}))
	s = mustOpen(t, o)
	defer mustClose(t, s)
	for _, file := range s.seg.Files() {
		if path := logPath(o, file.Start); !synced[path] {
			t.Errorf("%s was not synced", path)
		}
	}
}

// A write-ahead log of the key store is on the disk when it is closed.
func TestClosedWriteAheadLogIsSynced(t *testing.T) {
	disk := vfs.NewCrashableMem()
	fs := &walFS{FS: disk}
	f, err := fs.Create("000001.log", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	if err := syncDir(disk, ""); err != nil {
		t.Fatal(err)
	}
	if _, err = f.Write([]byte("row")); err != nil {
		t.Fatal(err)
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	left := func() string {
		text, err := readFile(disk.CrashClone(vfs.CrashCloneCfg{}), "000001.log")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := left(); got != "" {
		t.Fatalf("a sync that nobody needs left %q on the disk", got)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := left(); got != "row" {
		t.Fatalf("closing left %q on the disk", got)
	}
}

// What is synced to a write-ahead log does not make it longer each time, and the
// zeros behind it are its end for whoever reads it after a power cut.
func TestWriteAheadLogIsWrittenAheadOfItself(t *testing.T) {
	disk := vfs.NewCrashableMem()
	o := testOptions(disk)
	want := 0
	for range 3 {
		s := mustOpen(t, o)
		sizes := map[int64]bool{}
		for range 50 {
			if err := s.Keys().Set(fmt.Appendf(nil, "row %d", want), []byte("x"), true); err != nil {
				t.Fatal(err)
			}
			want++
			sizes[newestLogSize(t, disk, o)] = true
		}
		if len(sizes) > 1 {
			t.Errorf("50 rows gave the log the sizes %v", sizes)
		}
		cut := disk.CrashClone(vfs.CrashCloneCfg{})
		mustClose(t, s)
		disk = cut
		o.FS = cut
		s = mustOpen(t, o)
		got := 0
		err := s.Keys().Scan([]byte("row "), func(_, _ []byte) error { got++; return nil })
		if err != nil || got != want {
			t.Fatalf("after a power cut there are %d of %d rows, %v", got, want, err)
		}
		mustClose(t, s)
	}
}

// newestLogSize is the size of the newest write-ahead log of the key store.
func newestLogSize(t *testing.T, fs vfs.FS, o Options) (size int64) {
	t.Helper()
	dir := fs.PathJoin(o.Dir, "state")
	names, err := fs.List(dir)
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(names)
	for _, name := range names {
		if strings.HasSuffix(name, ".log") {
			info, err := fs.Stat(fs.PathJoin(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			size = info.Size()
		}
	}
	return size
}

// A disk without room for zeros has room for the row.
func TestWriteAheadLogGoesOnWithoutZeros(t *testing.T) {
	disk := vfs.NewMem()
	fs := &walFS{FS: errorfs.Wrap(disk, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileWriteAt {
			return syscall.ENOSPC
		}
		return nil
	}))}
	fs.durable.Add(1)
	f, err := fs.Create("000001.log", vfs.WriteCategoryUnspecified)
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err = f.Write([]byte("row")); err != nil {
			t.Fatal(err)
		}
		if err := f.Sync(); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got, err := readFile(disk, "000001.log"); err != nil || string(got) != "rowrow" {
		t.Errorf("the log is %q, %v", got, err)
	}
}
