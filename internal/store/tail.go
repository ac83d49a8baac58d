package store

import (
	"math"
	"sync"
	"sync/atomic"

	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// tailChunk is the size of a piece of the tail, and tailChunks how many
	// there are: together what the tail keeps of the log. As many again may be
	// lent to answers that wait to be written, and no more: see tail.lend.
	tailChunk  = 256 << 10
	tailChunks = 64
	// tailFlight is the largest flight that the tail keeps: a larger one would
	// push out most of what the readers want.
	tailFlight = tailChunk * tailChunks / 4
	// lendFrom is from what size on records are lent to a reader. Shorter
	// pieces are copied: that costs less than an element of the vector that is
	// written to the socket.
	lendFrom = 4 << 10
	// tailIdle is after how many seconds without a reader the tail is given up.
	tailIdle = 10
)

// A tail is the newest part of the log, in memory. Consumers that keep up with
// producers are answered from it without a system call, and mostly without a
// copy. It exists while somebody reads near the end of the log: a copy of every
// record would be a waste where nobody does.
//
// What it holds is [from, reserved end of the log) as far as the ring reaches
// back, without a hole: reserve decides about each flight in the order of the
// log. The bytes of a flight are put in before it is committed, so what
// may be read is complete. Behind the committed end anything may stand.
type tail struct {
	from   atomic.Int64 // tailOff if there is none; changes under Store.mu
	newest atomic.Int64 // number of the newest chunk; changes under Store.mu
	idle   atomic.Int32 // seconds since somebody read near the end
	ring   [tailChunks]atomic.Pointer[chunk]
	lent   atomic.Int32 // chunks that left the ring and are still read

	free struct {
		sync.Mutex // guards the list; taken last
		bufs       [][]byte
	}
}

const tailOff = math.MaxInt64

// A chunk is one piece of the log, from number × tailChunk on.
type chunk struct {
	number int64
	buf    []byte
	users  atomic.Int32 // the ring and whoever reads or writes; 0: buf is another's
}

// reserveLocked makes room for a flight and reports whether it is to be put in.
// It is called under Store.mu, for each flight in the order of the log.
func (t *tail) reserveLocked(start, end mq.LogPos) (kept bool) {
	if t.from.Load() == tailOff {
		return false
	}
	if end-start > tailFlight {
		t.from.Store(int64(end))
		return false
	}
	first, last := int64(start)/tailChunk, (int64(end)-1)/tailChunk
	for n := max(first, last-tailChunks+1); n <= last; n++ {
		t.openLocked(n)
	}
	return true
}

// openLocked sees to it that a chunk is in the ring.
func (t *tail) openLocked(n int64) {
	slot := &t.ring[n%tailChunks]
	old := slot.Load()
	if old != nil && old.number == n {
		return
	}
	c := &chunk{number: n, buf: t.takeBuf()}
	c.users.Store(1)
	slot.Store(c)
	t.newest.Store(n)
	if old != nil {
		t.leave(old)
	}
}

// leave gives up the ring's share of a chunk.
func (t *tail) leave(c *chunk) {
	t.lent.Add(1)
	t.release(c)
}

// release ends one use of a chunk.
func (t *tail) release(c *chunk) {
	if c.users.Add(-1) > 0 {
		return
	}
	t.lent.Add(-1)
	t.free.Lock()
	defer t.free.Unlock()
	if t.from.Load() != tailOff && len(t.free.bufs) < tailChunks {
		t.free.bufs = append(t.free.bufs, c.buf)
	}
}

func (t *tail) takeBuf() []byte {
	t.free.Lock()
	defer t.free.Unlock()
	n := len(t.free.bufs) - 1
	if n < 0 {
		return make([]byte, tailChunk)
	}
	b := t.free.bufs[n]
	t.free.bufs[n] = nil
	t.free.bufs = t.free.bufs[:n]
	return b
}

// acquire is a chunk if it is in the ring. It must be released.
func (t *tail) acquire(n int64) *chunk {
	c := t.ring[n%tailChunks].Load()
	if c == nil || c.number != n {
		return nil
	}
	for {
		users := c.users.Load()
		if users == 0 {
			return nil
		}
		if c.users.CompareAndSwap(users, users+1) {
			return c
		}
	}
}

// put copies records to their place. A place that has left the ring meanwhile
// is left out.
func (t *tail) put(b []byte, pos mq.LogPos) {
	for len(b) > 0 {
		at := int(pos % tailChunk)
		n := min(len(b), tailChunk-at)
		if c := t.acquire(int64(pos) / tailChunk); c != nil {
			copy(c.buf[at:], b[:n])
			t.release(c)
		}
		b, pos = b[n:], pos+mq.LogPos(n)
	}
}

// has reports whether an entry's record is in the tail, or was a moment ago.
func (t *tail) has(e entry) bool {
	return int64(e.pos) >= t.from.Load() && int64(e.pos)/tailChunk > t.newest.Load()-tailChunks
}

// read copies a record; false if it is not, or no longer, there. The record
// must be committed.
func (t *tail) read(b []byte, e entry) bool {
	if !t.has(e) {
		return false
	}
	pos := int64(e.pos)
	for len(b) > 0 {
		c := t.acquire(pos / tailChunk)
		if c == nil {
			return false
		}
		n := copy(b, c.buf[pos%tailChunk:])
		t.release(c)
		b, pos = b[n:], pos+int64(n)
	}
	return true
}

// lend returns the chunk that some records lie in, as a use of it that must be
// released; nil if they do not lie in one, or if so much is lent
// already that the memory would be without a limit.
func (t *tail) lend(pos, end mq.LogPos) *chunk {
	n := int64(pos) / tailChunk
	if (int64(end)-1)/tailChunk != n || t.lent.Load() >= tailChunks {
		return nil
	}
	return t.acquire(n)
}

// warmTail notes that somebody reads near the end of the log. From here on what
// is appended is kept.
func (s *Store) warmTail() {
	t := &s.tail
	if t.idle.Load() != 0 {
		t.idle.Store(0)
	}
	if t.from.Load() != tailOff {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if t.from.Load() == tailOff {
		t.newest.Store(int64(s.mu.end)/tailChunk - 1)
		t.from.Store(int64(s.mu.end))
	}
}

// coolTail is called once a second and gives the tail up when nobody has read
// near the end of the log for a while.
func (s *Store) coolTail() {
	t := &s.tail
	if t.from.Load() == tailOff || t.idle.Add(1) < tailIdle {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	t.from.Store(tailOff)
	for i := range t.ring {
		if c := t.ring[i].Swap(nil); c != nil {
			t.leave(c)
		}
	}
	t.free.Lock()
	t.free.bufs = nil
	t.free.Unlock()
}
