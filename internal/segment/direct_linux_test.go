package segment

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// diskLog is a log on a disk, of which want was written, and how much of it is in
// the page cache.
func diskLog(t *testing.T, want []byte) (l *Log, cached func() unix.Cachestat_t) {
	t.Helper()
	l, err := Open(Options{Dir: t.TempDir(), Size: 4 << 20, FS: vfs.Default})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	l.ExpectJumps()
	write(t, l, want, 0)
	cached = func() (s unix.Cachestat_t) {
		t.Helper()
		if err := unix.Cachestat(uint(l.find(0).mu.f.Fd()), &unix.CachestatRange{}, &s, 0); err != nil {
			t.Skip("this system does not say what is in the page cache:", err)
		}
		return s
	}
	return l, cached
}

// forget takes a log out of the page cache.
func forget(t *testing.T, l *Log) {
	t.Helper()
	if err := errors.Join(l.Sync(), unix.Fadvise(int(l.find(0).mu.f.Fd()), 0, 0, unix.FADV_DONTNEED)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsReadOnceIsRightWhereverItLies(t *testing.T) {
	want := noise(3<<20 + 500)
	l, _ := diskLog(t, want)
	for _, cold := range []bool{false, true} {
		for _, c := range []struct{ pos, n int64 }{{0, 1 << 20}, {1 << 20, 2 << 20}, {3 << 20, 4096}, {100, 1 << 20}, {0, 1000}, {2 << 20, 1<<20 + 501}} {
			if cold {
				forget(t, l)
			}
			p := make([]byte, c.n)
			n, err := l.ReadOnce(p, c.pos)
			rest := want[c.pos:]
			if short := int64(len(rest)) < c.n; n != min(len(rest), len(p)) || !bytes.HasPrefix(rest, p[:n]) || short != errors.Is(err, io.EOF) {
				t.Errorf("cold %v: %d bytes at %d: got %d, %v", cold, c.n, c.pos, n, err)
			}
		}
	}
}

func TestWhatIsReadOnceTakesNoRoomInThePageCache(t *testing.T) {
	l, cached := diskLog(t, noise(4<<20))
	if forget(t, l); cached().Cache > 0 {
		t.Skip("this file system is the page cache")
	}
	p := make([]byte, 1<<20)
	if _, err := l.ReadOnce(p, 1<<20); err != nil {
		t.Fatal(err)
	}
	if n := cached().Cache; n > 0 {
		t.Skipf("this file system does not read past the page cache: %d pages", n)
	}
	// Nor is more read than somebody asks for.
	if _, err := l.ReadAt(p[:4096], 2<<20); err != nil {
		t.Fatal(err)
	}
	if n := cached().Cache; n > 16 {
		t.Errorf("for one record %d pages are read", n)
	}
}

func TestALogSaysWhatOfItIsInThePageCache(t *testing.T) {
	l, cached := diskLog(t, noise(2<<20+500))
	if !l.Cached(0, 1<<20) || !l.Cached(1<<20, 1<<20) {
		t.Error("what was just written is not there")
	}
	if l.Cached(2<<20, 1<<20) || l.Cached(8<<20, 1<<20) {
		t.Error("what was not written is there")
	}
	if forget(t, l); cached().Cache > 0 {
		t.Skip("this file system is the page cache")
	}
	if l.Cached(0, 1<<20) {
		t.Error("what was taken out is still there")
	}
}
