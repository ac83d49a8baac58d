package segment

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
)

const testSize = 8 << 10

func mustOpen(t *testing.T, fs vfs.FS) *Log {
	t.Helper()
	if err := fs.MkdirAll("log", 0o755); err != nil {
		t.Fatal(err)
	}
	l, err := Open(Options{Dir: "log", Size: testSize, Ahead: 3000, FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// write prepares and writes b at pos, in pieces that end with segments.
func write(t *testing.T, l *Log, b []byte, pos int64) {
	t.Helper()
	if err := l.Prepare(pos + int64(len(b))); err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		n := min(int64(len(b)), l.SegmentOf(pos)+l.Size()-pos)
		if err := l.WriteAt(b[:n], pos); err != nil {
			t.Fatal(err)
		}
		b, pos = b[n:], pos+n
	}
}

func read(t *testing.T, l *Log, n int, pos int64) []byte {
	t.Helper()
	var b []byte
	for n > 0 {
		piece := make([]byte, min(int64(n), l.SegmentOf(pos)+l.Size()-pos))
		got, err := l.ReadAt(piece, pos)
		b = append(b, piece[:got]...)
		if err == io.EOF || errors.Is(err, ErrOutside) {
			return b
		}
		if err != nil {
			t.Fatal(err)
		}
		n, pos = n-got, pos+int64(got)
	}
	return b
}

func noise(n int) []byte {
	b := make([]byte, n)
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range b {
		b[i] = byte(1 + rng.IntN(255))
	}
	return b
}

func TestWrittenBytesAreReadBackAcrossSegments(t *testing.T) {
	fs := vfs.NewMem()
	want := noise(5 * testSize / 2)
	write(t, mustOpen(t, fs), want, 0)
	l := mustOpen(t, fs)
	if got := read(t, l, len(want)+100, 0); !bytes.Equal(got, want) {
		t.Fatalf("got %d bytes", len(got))
	}
	if l.Start() != 0 || l.Extent() != int64(len(want)) {
		t.Fatalf("log is %d to %d", l.Start(), l.Extent())
	}
	names, _ := fs.List("log")
	if len(names) != 3 || Name(2*testSize) != "00000000000000016384" {
		t.Fatalf("files are %q", names)
	}
}

func TestWritersOfDifferentRangesDoNotDisturbEachOther(t *testing.T) {
	l := mustOpen(t, vfs.NewMem())
	want := noise(4 * testSize)
	if err := l.Prepare(int64(len(want))); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	const piece = testSize / 32
	for id := range 4 {
		wg.Go(func() {
			for at := id * piece; at < len(want); at += 4 * piece {
				if err := l.WriteAt(want[at:at+piece], int64(at)); err != nil {
					t.Error(err)
				}
				if id == 0 {
					if err := l.Sync(); err != nil {
						t.Error(err)
					}
				}
			}
		})
	}
	wg.Wait()
	if got := read(t, l, len(want), 0); !bytes.Equal(got, want) {
		t.Fatal("bytes differ")
	}
}

func TestCutLeavesZeros(t *testing.T) {
	for _, end := range []int64{0, 1, testSize - 1, testSize, testSize + 1, 2*testSize + 100, 3*testSize - 1} {
		fs := vfs.NewMem()
		l := mustOpen(t, fs)
		want := noise(3 * testSize)
		write(t, l, want, 0)
		if err := l.Cut(end); err != nil {
			t.Fatal(err)
		}
		l = mustOpen(t, fs)
		got := read(t, l, 4*testSize, 0)
		tail := got[end:]
		if !bytes.Equal(got[:end], want[:end]) || !bytes.Equal(tail, make([]byte, len(tail))) {
			t.Fatalf("cut at %d: wrong bytes", end)
		}
		if l.Extent() > end+testSize {
			t.Fatalf("cut at %d: log extends to %d", end, l.Extent())
		}
		write(t, l, want[end:], end)
		if got := read(t, l, len(want), 0); !bytes.Equal(got, want) {
			t.Fatalf("cut at %d: wrong bytes after writing again", end)
		}
	}
}

// What was synced, and then what was cut, is so after a crash too.
func TestSyncAndCutSurviveACrash(t *testing.T) {
	fs := vfs.NewCrashableMem()
	l := mustOpen(t, fs)
	for _, dir := range []string{"", "log"} {
		d, err := fs.OpenDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(d.Sync(), d.Close()); err != nil {
			t.Fatal(err)
		}
	}
	want := noise(2*testSize + 50)
	write(t, l, want, 0)
	if err := l.Sync(); err != nil {
		t.Fatal(err)
	}
	if got := read(t, mustOpen(t, fs.CrashClone(vfs.CrashCloneCfg{})), len(want), 0); !bytes.Equal(got, want) {
		t.Fatalf("%d bytes are left", len(got))
	}
	if err := l.Cut(testSize + 10); err != nil {
		t.Fatal(err)
	}
	got := read(t, mustOpen(t, fs.CrashClone(vfs.CrashCloneCfg{})), len(want), 0)
	if !bytes.Equal(got[:testSize+10], want[:testSize+10]) || bytes.ContainsFunc(got[testSize+10:], func(r rune) bool { return r != 0 }) {
		t.Fatal("what was cut is there again")
	}
}

func TestOldestFileIsRemovedAndTheLastStays(t *testing.T) {
	fs := vfs.NewMem()
	l := mustOpen(t, fs)
	want := noise(3 * testSize)
	write(t, l, want, 0)
	for i := range int64(2) {
		if start, err := l.RemoveFirst(); start != (i+1)*testSize || err != nil {
			t.Fatalf("log starts at %d, %v", start, err)
		}
		if _, err := l.ReadAt(make([]byte, 1), i*testSize); !errors.Is(err, ErrOutside) {
			t.Fatalf("removed byte: %v", err)
		}
	}
	if start, err := l.RemoveFirst(); start != 2*testSize || err != nil {
		t.Fatalf("log starts at %d, %v", start, err)
	}
	write(t, l, want[:100], 3*testSize)
	l = mustOpen(t, fs)
	if got := read(t, l, testSize, 2*testSize); !bytes.Equal(got, want[2*testSize:]) || l.Start() != 2*testSize {
		t.Fatal("bytes differ")
	}
}

func TestReadersSurviveRemoval(t *testing.T) {
	l := mustOpen(t, vfs.NewMem())
	write(t, l, noise(4*testSize), 0)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			b := make([]byte, 100)
			for {
				if _, err := l.ReadAt(b, testSize); err != nil {
					if !errors.Is(err, ErrOutside) {
						t.Error(err)
					}
					return
				}
			}
		})
	}
	for range 2 {
		if _, err := l.RemoveFirst(); err != nil {
			t.Error(err)
		}
	}
	wg.Wait()
}

func TestPositionsOutsideAreRefused(t *testing.T) {
	l := mustOpen(t, vfs.NewMem())
	write(t, l, noise(10), 0)
	for _, c := range []struct {
		pos int64
		n   int
	}{{-1, 1}, {testSize, 1}, {testSize - 1, 2}, {1 << 60, 1}} {
		if err := l.WriteAt(make([]byte, c.n), c.pos); !errors.Is(err, ErrOutside) {
			t.Errorf("writing %d bytes at %d: %v", c.n, c.pos, err)
		}
	}
}

func TestPrepareTellsOfErrorsAndToleratesOldFileSystems(t *testing.T) {
	for _, c := range []struct {
		inject error
		fails  bool
	}{{syscall.ENOSPC, true}, {syscall.EOPNOTSUPP, false}} {
		on := true
		fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
			if on && op.Kind == errorfs.OpFilePreallocate {
				return c.inject
			}
			return nil
		}))
		l := mustOpen(t, fs)
		if err := l.Prepare(10); (err != nil) != c.fails || c.fails && !vfs.IsNoSpaceError(err) {
			t.Fatalf("%v: got %v", c.inject, err)
		}
		if c.fails && l.Prepared() != 0 {
			t.Fatalf("prepared up to %d", l.Prepared())
		}
		on = false
		if err := l.Prepare(testSize + 1); err != nil || l.Prepared() < testSize+1 {
			t.Fatalf("prepared up to %d, %v", l.Prepared(), err)
		}
	}
}

func TestOpenRefusesFilesThatDoNotFit(t *testing.T) {
	for name, spoil := range map[string]func(fs vfs.FS) error{
		"missing":   func(fs vfs.FS) error { return fs.Remove("log/" + Name(testSize)) },
		"unaligned": func(fs vfs.FS) error { return fs.Rename("log/"+Name(2*testSize), "log/"+Name(2*testSize+1)) },
	} {
		fs := vfs.NewMem()
		write(t, mustOpen(t, fs), noise(3*testSize), 0)
		if err := spoil(fs); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Options{Dir: "log", Size: testSize, FS: fs}); err == nil || !strings.Contains(err.Error(), "log") {
			t.Errorf("%s: got %v", name, err)
		}
	}
	fs := vfs.NewMem()
	write(t, mustOpen(t, fs), noise(testSize), 0)
	if _, err := Open(Options{Dir: "log", Size: testSize / 2, FS: fs}); err == nil {
		t.Error("a file longer than the segment size was accepted")
	}
}

// Only files that were written since are synced.
func TestSyncTouchesOnlyWhatChanged(t *testing.T) {
	syncs := 0
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpFileSyncData {
			syncs++
		}
		return nil
	}))
	l := mustOpen(t, fs)
	write(t, l, noise(3*testSize), 0)
	for _, want := range []int{3, 3} {
		if err := l.Sync(); err != nil || syncs != want {
			t.Fatalf("%d syncs, want %d: %v", syncs, want, err)
		}
	}
	write(t, l, noise(1), 2*testSize)
	if err := l.Sync(); err != nil || syncs != 4 {
		t.Fatalf("%d syncs: %v", syncs, err)
	}
}

// A log opened for reading changes nothing.
func TestReadOnlyLogRefusesWriting(t *testing.T) {
	fs := vfs.NewMem()
	write(t, mustOpen(t, fs), noise(100), 0)
	l, err := Open(Options{Dir: "log", Size: testSize, FS: fs, ReadOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := read(t, l, 100, 0); !bytes.Equal(got, noise(100)) {
		t.Fatal("bytes differ")
	}
	if err := l.WriteAt([]byte{1}, 0); err == nil {
		t.Fatal("byte was written")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}
