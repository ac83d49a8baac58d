package store

import (
	"cmp"
	"errors"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/segment"
)

// reads records what is read of the log's files, and asked for.
type reads struct {
	vfs.FS

	mu     sync.Mutex // guards what follows
	ranges [][2]int64 // offset and length
	asked  int64      // bytes
	fail   bool       // every read of more than a record
}

func (r *reads) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := r.FS.OpenReadWrite(name, c, o...)
	return recordedFile{f, r}, err
}

type recordedFile struct {
	vfs.File
	of *reads
}

func (f recordedFile) ReadAt(b []byte, at int64) (int, error) {
	f.of.mu.Lock()
	f.of.ranges = append(f.of.ranges, [2]int64{at, int64(len(b))})
	fail := f.of.fail && len(b) == aheadPiece
	f.of.mu.Unlock()
	if fail {
		return 0, errors.New("input/output error")
	}
	return f.File.ReadAt(b, at)
}

func (f recordedFile) Prefetch(_, length int64) error {
	f.of.mu.Lock()
	defer f.of.mu.Unlock()
	f.of.asked += length
	return nil
}

// take returns what was read since the last time.
func (r *reads) take() [][2]int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	ranges := r.ranges
	r.ranges = nil
	return ranges
}

// oldLog is a store whose queues 0 to 7 of topic T share 16 MiB of old log in
// turn, with as much of another topic between, and how many messages each has
// there.
func oldLog(t *testing.T) (s *Store, fs *reads, each mq.QueueOffset) {
	t.Helper()
	fs = &reads{FS: vfs.NewMem()}
	o := testOptions(fs)
	o.SegmentSize = 128 << 20
	s = mustOpen(t, o)
	s.old.near = 1 << 20
	body := strings.Repeat("x", 32<<10)
	for i := range 17 << 20 / 2 / len(body) {
		mustSend(t, s, message("T", int32(i%8), body), message("Alone", 0, ""), message("Alone", 0, body))
		if i%32 == 0 {
			mustSend(t, s, message("Far", 0, "body"))
		}
	}
	fs.take()
	return s, fs, 16 << 20 / 2 / (32 << 10) / 8
}

func pullFour(t *testing.T, s *Store, name mq.Queue, from mq.QueueOffset) {
	t.Helper()
	b, err := s.Read(name, from, ReadOptions{MaxMessages: 4})
	if err != nil || b.Count != 4 {
		t.Fatal(b.Count, err)
	}
	b.Release()
}

func TestReadersOfQueuesThatShareAnOldLogReadItOnceInLargePieces(t *testing.T) {
	s, fs, each := oldLog(t)
	defer mustClose(t, s)
	for id := range int32(8) {
		pullFour(t, s, mq.Queue{Topic: "T", ID: id}, 0)
	}
	fs.take()
	for from := mq.QueueOffset(4); from < each; from += 4 {
		for id := range int32(8) {
			pullFour(t, s, mq.Queue{Topic: "T", ID: id}, from)
		}
	}
	s.old.fetching.Wait()
	next := int64(2 << 20)
	got := fs.take() // of several that read at a time
	slices.SortFunc(got, func(a, b [2]int64) int { return cmp.Compare(a[0], b[0]) })
	for _, r := range got {
		if r[0] != next || r[1] != aheadPiece {
			t.Fatalf("%d bytes at %d are read, not what follows %d", r[1], r[0], next)
		}
		next += aheadPiece
	}
	if next < 15<<20 || next > 16<<20+aheadWindow+aheadPiece {
		t.Errorf("the log is read up to %d", next)
	}
}

func TestAReadThatGoesBackOrIsNearTheEndReadsNothingAhead(t *testing.T) {
	s, fs, _ := oldLog(t)
	defer mustClose(t, s)
	name := mq.Queue{Topic: "T"}
	pullFour(t, s, name, 4)
	fs.take()
	fs.asked = 0
	pullFour(t, s, name, 2)
	if got := fs.take(); len(got) != 4 || fs.asked < 4*32<<10 {
		t.Errorf("going back reads %v and asks for %d bytes of four records", got, fs.asked)
	}
	pullFour(t, s, name, s.table.find(name).next-4)
	if got := fs.take(); len(got) != 4 {
		t.Errorf("near the end %v are read", got)
	}
	if s.old.mu.pieces != nil {
		t.Error("something is read ahead")
	}
}

func TestWhatCannotBeReadAheadIsReadWhenItIsWanted(t *testing.T) {
	s, fs, _ := oldLog(t)
	defer mustClose(t, s)
	fs.fail = true
	pullFour(t, s, mq.Queue{Topic: "T"}, 0)
	pullFour(t, s, mq.Queue{Topic: "T"}, 4)
	s.old.fetching.Wait()
	if got := fs.take(); !slices.ContainsFunc(got, func(r [2]int64) bool { return r[1] == aheadPiece }) {
		t.Errorf("nothing was to be read ahead: %v", got)
	}
}

func TestReadersFarApartDoNotTakeEachOthersPiecesAway(t *testing.T) {
	s, fs, _ := oldLog(t)
	defer mustClose(t, s)
	for number := range int64(aheadPieces + 8) {
		s.old.want(number)
	}
	s.old.fetching.Wait()
	if n := len(fs.take()); n != aheadPieces {
		t.Fatalf("%d pieces are read ahead, nobody took from any", n)
	}
	if ok, _ := s.old.read(make([]byte, 8), 5*aheadPiece-4, false); !ok {
		t.Fatal("a piece is not there")
	}
	for number := range int64(3) {
		s.old.want(aheadPieces + 10 + number)
	}
	s.old.fetching.Wait()
	if got := fs.take(); len(got) != 2 {
		t.Errorf("%d pieces are read in the place of two that were taken from", len(got))
	}
}

func TestMessagesFarApartAreNotWorthReadingTheLogBetweenThem(t *testing.T) {
	s, fs, _ := oldLog(t)
	defer mustClose(t, s)
	for from := range mq.QueueOffset(4) {
		b, err := s.Read(mq.Queue{Topic: "Far"}, from, ReadOptions{MaxMessages: 1})
		if err != nil || b.Count != 1 {
			t.Fatal(b.Count, err)
		}
		b.Release()
	}
	s.old.fetching.Wait()
	if got := fs.take(); len(got) != 4 {
		t.Errorf("for four messages of a few bytes %v are read", got)
	}
}

func TestPiecesReadAheadAreGivenUpWhenNobodyReads(t *testing.T) {
	s, _, _ := oldLog(t)
	defer mustClose(t, s)
	pullFour(t, s, mq.Queue{Topic: "T"}, 0)
	pullFour(t, s, mq.Queue{Topic: "T"}, 4)
	s.old.fetching.Wait()
	for range aheadIdle - 1 {
		s.old.cool()
	}
	if len(s.old.mu.pieces) == 0 {
		t.Error("given up too soon")
	}
	if s.old.cool(); len(s.old.mu.pieces) != 0 {
		t.Errorf("%d pieces stay in memory", len(s.old.mu.pieces))
	}
}

func TestAPullThatMayNotWaitLeavesWhatIsBeingReadAheadAlone(t *testing.T) {
	o := testOptions(vfs.Default)
	o.Dir = t.TempDir()
	s := mustOpen(t, o)
	defer mustClose(t, s)
	mustSend(t, s, message("T", 0, "body"))
	pull := func() error {
		b, err := s.Read(mq.Queue{Topic: "T"}, 0, ReadOptions{NoDisk: true})
		b.Release()
		return err
	}
	if err := pull(); errors.Is(err, mq.ErrNeedsDisk) {
		t.Skip("this system does not say what is in the page cache")
	} else if err != nil {
		t.Fatal(err)
	}
	p := &piece{holds: -1}
	p.Lock()
	s.old.mu.pieces = []*piece{p}
	if err := pull(); !errors.Is(err, mq.ErrNeedsDisk) {
		t.Errorf("got %v", err)
	}
	p.Unlock()
}

func TestWhatIsBeingReadFromMakesNoRoomForOtherPieces(t *testing.T) {
	a := ahead{room: aheadPieces}
	for number := range int64(aheadPieces) {
		a.mu.pieces = append(a.mu.pieces, &piece{number: number, taken: true})
	}
	a.mu.pieces[0].RLock()
	if p := a.spareLocked(); p != a.mu.pieces[1] {
		t.Errorf("room is made in %+v, not in the oldest that nobody reads", p)
	}
	if p := a.spareLocked(); p != a.mu.pieces[2] {
		t.Errorf("room is made in %+v, which is still to be read", p)
	}
}

func TestReadingAheadGivesWayToThoseWhoStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const pieces = 16
		var stored atomic.Int64
		fs := storing{vfs.NewMem(), &stored}
		l, err := segment.Open(segment.Options{Size: pieces * aheadPiece, FS: fs})
		if err == nil {
			err = l.Prepare(pieces * aheadPiece)
		}
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		a := ahead{log: l, room: aheadPieces, stored: new(atomic.Int64)}
		took := func() time.Duration {
			began := time.Now()
			for number := range int64(pieces) {
				a.want(number)
			}
			a.fetching.Wait()
			a.mu.pieces = nil
			return time.Since(began)
		}
		if d := took(); d != 0 {
			t.Errorf("reading waits for %v while nothing is stored", d)
		}
		a.stored = &stored
		if d, want := took(), pieces*(aheadTurn/time.Duration(runtime.GOMAXPROCS(0))); d != want {
			t.Errorf("reading takes %v, want %v", d, want)
		}
	})
}

// storing is a file system beside each read of which something is stored.
type storing struct {
	vfs.FS
	count *atomic.Int64
}

func (s storing) OpenReadWrite(name string, c vfs.DiskWriteCategory, o ...vfs.OpenOption) (vfs.File, error) {
	f, err := s.FS.OpenReadWrite(name, c, o...)
	return storingFile{f, s.count}, err
}

type storingFile struct {
	vfs.File
	count *atomic.Int64
}

func (f storingFile) ReadAt(b []byte, at int64) (int, error) {
	f.count.Add(1)
	return f.File.ReadAt(b, at)
}

func TestAProcessWithLittleMemoryReadsLessAhead(t *testing.T) {
	for memory, want := range map[int64]int64{math.MaxInt64: 8, 2 << 30: 8, 1 << 30: 4, 64 << 20: 1} {
		if a := (ahead{room: aheadRoom(memory)}); a.window()/aheadPiece != want {
			t.Errorf("with %d MiB it is %d pieces of %d in memory", memory>>20, a.window()/aheadPiece, a.room)
		}
	}
}
