package segment

import (
	"bytes"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// A design is a way for several producers to append to one log: each call
// writes p behind all that was reserved before and returns when p can be read,
// which is when all before it can.
type design interface {
	append(p []byte) error
}

// oneLock holds a lock while it writes.
type oneLock struct {
	log *Log
	mu  sync.Locker
	end int64
	// committed is what readers would load.
	committed atomic.Int64
}

func (d *oneLock) append(p []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := d.log.WriteAt(p, d.end); err != nil {
		return err
	}
	d.end += int64(len(p))
	d.committed.Store(d.end)
	return nil
}

// A spinLock tries for a while, then lets others run, for longer each time: the
// adaptive lock of RocketMQ's brokers in the words of Go.
type spinLock struct{ held atomic.Bool }

func (l *spinLock) Lock() {
	for spins := 16; !l.held.CompareAndSwap(false, true); spins = min(2*spins, 4096) {
		for range spins {
			if !l.held.Load() {
				break
			}
		}
		runtime.Gosched()
	}
}

func (l *spinLock) Unlock() { l.held.Store(false) }

// lockedReservation is what Store.Append does: a lock to reserve, writes beside
// each other, and a line of what is under way; who finishes the oldest commits
// for all behind it that are written too. Nobody waits for anybody: a producer
// whose predecessors still write leaves its commit to them.
type lockedReservation struct {
	log       *Log
	committed atomic.Int64
	pool      sync.Pool

	mu         sync.Mutex
	end        int64
	head, tail *reserved
}

type reserved struct {
	next *reserved
	end  int64
	done bool
}

func (d *lockedReservation) append(p []byte) error {
	r, _ := d.pool.Get().(*reserved)
	if r == nil {
		r = &reserved{}
	}
	d.mu.Lock()
	at := d.end
	d.end += int64(len(p))
	*r = reserved{end: d.end}
	if d.tail == nil {
		d.head = r
	} else {
		d.tail.next = r
	}
	d.tail = r
	d.mu.Unlock()
	if err := d.log.WriteAt(p, at); err != nil {
		return err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for r.done = true; d.head != nil && d.head.done; {
		done := d.head
		d.committed.Store(done.end)
		if d.head = done.next; d.head == nil {
			d.tail = nil
		}
		d.pool.Put(done)
	}
	return nil
}

// fetchAdd reserves with one atomic addition and commits in turn: each waits
// for the one before it.
type fetchAdd struct {
	log            *Log
	end, committed atomic.Int64
}

func (d *fetchAdd) append(p []byte) error {
	end := d.end.Add(int64(len(p)))
	start := end - int64(len(p))
	if err := d.log.WriteAt(p, start); err != nil {
		return err
	}
	for d.committed.Load() != start {
		runtime.Gosched()
	}
	d.committed.Store(end)
	return nil
}

// designs are those that are compared.
var designs = []struct {
	name string
	make func(l *Log) design
}{
	{"one-lock", func(l *Log) design { return &oneLock{log: l, mu: &sync.Mutex{}} }},
	{"spinning-lock", func(l *Log) design { return &oneLock{log: l, mu: &spinLock{}} }},
	{"locked-reservation", func(l *Log) design { return &lockedReservation{log: l} }},
	{"fetch-add", func(l *Log) design { return &fetchAdd{log: l} }},
}

// produce appends n pieces from some producers at once, to a file that has all
// its space.
func produce(tb testing.TB, with func(*Log) design, fs vfs.FS, dir string, producers, n, size int) *Log {
	tb.Helper()
	l, err := Open(Options{Dir: dir, Size: int64(n)*int64(size) + 1, Ahead: int64(n)*int64(size) + 1, FS: fs})
	if err != nil {
		tb.Fatal(err)
	}
	if err := l.Prepare(int64(n) * int64(size)); err != nil {
		tb.Fatal(err)
	}
	if b, ok := tb.(*testing.B); ok {
		b.ResetTimer()
	}
	d := with(l)
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for id := range producers {
		wg.Go(func() {
			p := make([]byte, size)
			for i := range p {
				p[i] = byte(id + 1)
			}
			for left.Add(-1) >= 0 {
				if err := d.append(p); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	return l
}

// BenchmarkAppendDesigns compares ways to append beside each other. One
// operation is one message.
func BenchmarkAppendDesigns(b *testing.B) {
	for _, size := range []int{1024, 128} {
		for _, producers := range []int{1, 4, 16, 64} {
			for _, d := range designs {
				b.Run(fmt.Sprintf("size=%d/producers=%d/%s", size, producers, d.name), func(b *testing.B) {
					b.ReportAllocs()
					l := produce(b, d.make, nil, b.TempDir(), producers, b.N, size)
					b.StopTimer()
					if err := l.Close(); err != nil {
						b.Fatal(err)
					}
				})
			}
		}
	}
}

// What is compared has to be right first: nothing is lost and no piece is torn.
func TestEveryAppendDesignKeepsAllPieces(t *testing.T) {
	const producers, n, size = 8, 800, 64
	for _, d := range designs {
		fs := vfs.NewMem()
		if err := fs.MkdirAll("log", 0o755); err != nil {
			t.Fatal(err)
		}
		l := produce(t, d.make, fs, "log", producers, n, size)
		got := read(t, l, n*size, 0)
		if len(got) != n*size {
			t.Fatalf("%s: %d bytes, want %d", d.name, len(got), n*size)
		}
		for i := 0; i < len(got); i += size {
			piece := got[i : i+size]
			if piece[0] == 0 || bytes.Count(piece, piece[:1]) != size {
				t.Fatalf("%s: the piece at %d is torn or missing", d.name, i)
			}
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
}
