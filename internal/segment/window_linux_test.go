package segment

import (
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

func TestWhatIsLentIsTheLogWhileItIsWritten(t *testing.T) {
	want := noise(3<<20 + 500)
	l, _ := diskLog(t, want[:1<<20])
	for _, end := range []int{1 << 20, 2 << 20, len(want)} {
		if from := end - 1<<20; from > 0 {
			write(t, l, want[from:end], int64(from))
		}
		for _, c := range []struct{ pos, n int }{{0, 1}, {100, 5000}, {end - 1000, 1000}, {end - MaxLoan, MaxLoan}} {
			w, b := l.Lend(int64(c.pos), c.n)
			if w == nil || !bytes.Equal(b, want[c.pos:c.pos+c.n]) || cap(b) > len(b) {
				t.Fatalf("%d bytes at %d are not lent, or are others", c.n, c.pos)
			}
			defer w.Release()
		}
	}
	if n := len(l.windows.list); n != 1 {
		t.Errorf("%d parts are mapped", n)
	}
}

func TestWhatIsNotThereIsNotLent(t *testing.T) {
	l, cached := diskLog(t, noise(2<<20))
	for _, c := range []struct{ pos, n int64 }{{2<<20 - 100, 8192}, {3 << 20, 100}, {4 << 20, 100}, {-100, 50}, {0, 0}, {0, MaxLoan + 1}} {
		if w, _ := l.Lend(c.pos, int(c.n)); w != nil {
			t.Errorf("%d bytes at %d are lent", c.n, c.pos)
		}
	}
	if forget(t, l); cached().Cache > 0 {
		t.Skip("this file system is the page cache")
	}
	if w, _ := l.Lend(0, 100); w != nil || len(l.windows.list) > 0 {
		t.Error("what has to be read from the disk is lent, or mapped")
	}
}

func TestALogInMemoryLendsNothing(t *testing.T) {
	l, err := Open(Options{Size: 1 << 20, FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	write(t, l, noise(1000), 0)
	if w, _ := l.Lend(0, 1000); w != nil {
		t.Error("it is lent")
	}
}

func TestALoanEndsWithItsWindowAndItsSegment(t *testing.T) {
	l := sparseLog(t, windowSize+windowSize/2, 2)
	for _, c := range []struct{ pos, end int64 }{
		{0, MaxLoan}, {windowSize - 10, windowSize}, {windowSize, windowSize + MaxLoan},
		{l.Size() - 10, l.Size()}, {l.Size() + windowSize - 10, l.Size() + windowSize},
	} {
		if end := l.LoanEnd(c.pos); end != c.end {
			t.Errorf("a loan from %d on ends at %d, not %d", c.pos, end, c.end)
		}
	}
	if w, _ := l.Lend(windowSize-10, 20); w != nil {
		t.Error("a loan reaches from one window into the next")
	}
}

// sparseLog is a log on a disk of some segments, with a page of text where a window begins.
func sparseLog(t *testing.T, size int64, segments int) *Log {
	t.Helper()
	l, err := Open(Options{Dir: t.TempDir(), Size: size, Ahead: 4096, FS: vfs.Default})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	for i := range segments {
		for at := int64(0); at < size; at += windowSize {
			write(t, l, bytes.Repeat([]byte{byte(i + 1)}, 4096), int64(i)*size+at)
		}
	}
	return l
}

func TestNoMoreIsMappedThanAgreed(t *testing.T) {
	l := sparseLog(t, (maxWindows+2)*windowSize, 1)
	lend := func(i int) *Window {
		w, _ := l.Lend(int64(i)*windowSize, 4096)
		return w
	}
	var lent []*Window
	for i := range maxWindows {
		lent = append(lent, lend(i))
	}
	if w := lend(maxWindows); w != nil {
		t.Fatal("one more is mapped while all are in use")
	}
	for _, i := range []int{5, 2} {
		lent[i].Release()
	}
	lend(5).Release()
	if w := lend(maxWindows); w != nil {
		t.Fatal("one that was used a moment ago makes room")
	}
	for range keptUses {
		lend(7).Release()
	}
	for i := range 2 {
		w := lend(maxWindows + i)
		if w == nil || mapped(t, l) != maxWindows {
			t.Fatalf("none makes room, or there are %d", mapped(t, l))
		}
		w.Release()
		if has := l.windows.has(5); has != (i == 0) {
			t.Errorf("after %d more the one that was used last is there: %v", i+1, has)
		}
		lent = append(lent, lend(maxWindows+i))
	}
	if l.windows.has(2) {
		t.Error("the one that was not used for longest is there")
	}
}

// mapped is how many parts of a log's files the process has mapped.
func mapped(t *testing.T, l *Log) int {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		t.Skip("this system does not say what is mapped:", err)
	}
	return strings.Count(string(maps), l.o.Dir)
}

// has reports whether a window of the first file is mapped.
func (ws *windows) has(number int64) bool {
	for _, w := range ws.list {
		if w.at == number*windowSize {
			return true
		}
	}
	return false
}

func TestALoanOutlivesItsSegment(t *testing.T) {
	l := sparseLog(t, windowSize, 3)
	w, b := l.Lend(0, 100)
	for pos := range int64(2) { // mapped and not in use
		unused, _ := l.Lend(pos*windowSize, 100)
		unused.Release()
	}
	if _, err := l.RemoveFirst(); err != nil {
		t.Fatal(err)
	}
	if again, _ := l.Lend(0, 100); again != nil || len(l.windows.list) != 1 {
		t.Errorf("a removed segment is lent, or mapped: %d windows", len(l.windows.list))
	}
	if n := mapped(t, l); n != 2 {
		t.Errorf("%d parts are mapped, not the one that is lent and that of the next segment", n)
	}
	kept, kb := l.Lend(windowSize, 100)
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if b[99] != 1 || kb[99] != 2 {
		t.Errorf("what is lent has changed to %d and %d", b[99], kb[99])
	}
	w.Release()
	kept.Release()
	if more, _ := l.Lend(windowSize, 100); more != nil || mapped(t, l) > 0 {
		t.Error("a closed log lends, or parts of it are mapped")
	}
}
