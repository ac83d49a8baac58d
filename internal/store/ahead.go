package store

import (
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/segment"
)

const (
	// aheadPiece is how much of the log is read ahead at a time, and aheadWindow
	// how far ahead of a reader.
	aheadPiece  = 1 << 20
	aheadWindow = 8 << 20
	// aheadDepth is how many pieces are read at a time, so that the disk has the
	// next to do while who read one waits for a processor.
	aheadDepth = 6
	// aheadTurn, divided by the number of processors, is how long no other piece is read
	// after one while messages are stored: some 170 MiB/s for each processor. Answering
	// pulls with so much in messages of 1 KiB takes a sixth of one, and as
	// much again where the consumers are on the same machine. Without a limit
	// readers take all that is left, and who sends waits for a processor. Where
	// messages are stored now and then only, few pieces are late.
	aheadTurn = 6 * time.Millisecond
	// aheadPieces is how many pieces are in memory at most, and aheadShare the part
	// of the memory that the process may have which they take at most. From three times
	// the window of four readers on it is rare that one has to have a piece read again.
	aheadPieces = 96
	aheadShare  = 32
	// aheadIdle is after how many seconds without a reader a piece is given up;
	// aheadStale after how many one may be that nobody came for.
	aheadIdle  = 10
	aheadStale = 2
	// aheadSparse is up to how many times what a reader takes the log is worth
	// reading as a whole. It is much, because whoever reads one queue of many
	// mostly reads the others at the same time.
	aheadSparse = 32
	// aheadParts is from how many places on those of one answer are asked for
	// together: each asking is a system call, a wait for the disk costs a hundred.
	aheadParts = 4
	// aheadNear: what was written so recently is in the page cache, unless the
	// machine has hardly any.
	aheadNear = 64 << 20
)

// An ahead holds pieces of the old log that were read ahead of readers, so that
// those of eight queues, each of which takes every eighth message, read the log
// from the disk once and in large pieces. Telling the kernel what will be needed
// (readahead) reaches half as much as reading it does: it gets memory page by
// page then.
type ahead struct {
	log      *segment.Log
	room     int            // pieces; see aheadRoom
	near     int64          // aheadNear, less in tests
	stored   *atomic.Int64  // the committed end of the log
	fetching sync.WaitGroup // the goroutines that read, while there is something to

	mu struct {
		// Mutex guards what follows and says which piece is for what. It is
		// held for a look through the pieces, never while waiting for anything.
		sync.Mutex
		pieces  []*piece
		wanted  []*piece  // to be read, in the order in which they were asked for
		running int       // goroutines that read
		turn    time.Time // until when the last piece took its turn
		closed  bool
		second  int // counts seconds
	}
}

// A piece is the part of the log from number × aheadPiece on.
type piece struct {
	// Under ahead.mu.
	number int64
	taken  bool      // somebody read from it
	used   int       // the second of the last use
	at     time.Time // of the last reading from it

	// RWMutex guards the content. It is held for writing from when the piece is
	// wanted until it is read, so that readers wait for it.
	sync.RWMutex
	holds int64 // number that buf is of; -1 if none
	buf   []byte
}

// aheadRoom is how many pieces there may be in a process that may have so much memory,
// in bytes: as many as are read at a time and as many again at least.
func aheadRoom(memory int64) int {
	return int(max(2*aheadDepth, min(aheadPieces, memory/aheadShare/aheadPiece)))
}

// window is how far ahead of a reader is read: less where there is little room.
func (a *ahead) window() int64 { return min(aheadWindow, int64(a.room)/8*aheadPiece) }

// want has a piece read soon, unless it is there or the memory is full of pieces
// that others wait for.
func (a *ahead) want(number int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.closed || a.findLocked(number) != nil {
		return
	}
	p := a.spareLocked()
	if p == nil {
		return
	}
	p.number, p.taken, p.used = number, false, a.mu.second
	a.mu.wanted = append(a.mu.wanted, p)
	if a.mu.running < aheadDepth {
		a.mu.running++
		a.fetching.Go(a.fetch)
	}
}

func (a *ahead) findLocked(number int64) *piece {
	for _, p := range a.mu.pieces {
		if p.number == number {
			return p
		}
	}
	return nil
}

// spareLocked is a piece for another part of the log, locked for writing: a new
// one, or of those that nobody is reading from the one that was not used for longest.
func (a *ahead) spareLocked() *piece {
	if len(a.mu.pieces) < a.room {
		p := &piece{holds: -1}
		p.Lock()
		a.mu.pieces = append(a.mu.pieces, p)
		return p
	}
	var oldest *piece
	for _, p := range a.mu.pieces {
		if (p.taken || a.mu.second-p.used > aheadStale) && (oldest == nil || p.before(oldest)) && p.TryLock() {
			if oldest != nil {
				oldest.Unlock()
			}
			oldest = p
		}
	}
	return oldest
}

// before reports whether a piece is given up sooner than another.
func (p *piece) before(q *piece) bool {
	return p.used < q.used || p.used == q.used && p.number < q.number
}

// fetch reads what is wanted until nothing is, and gives way to those who store
// messages meanwhile.
func (a *ahead) fetch() {
	var waited time.Duration
	for {
		a.mu.Lock()
		if len(a.mu.wanted) == 0 {
			a.mu.running--
			a.mu.Unlock()
			return
		}
		i := a.next(a.mu.wanted)
		p := a.mu.wanted[i]
		if waited < abreastPatience && a.leadsLocked(p.number) {
			a.mu.Unlock()
			time.Sleep(abreastLook)
			waited += abreastLook
			continue
		}
		waited = 0
		a.mu.wanted = slices.Delete(a.mu.wanted, i, i+1)
		number := p.number
		a.mu.Unlock()
		if p.buf == nil {
			p.buf = make([]byte, aheadPiece) // so much begins on a page, as reading past the page cache needs
		}
		began, stored := time.Now(), a.stored.Load()
		// From the page cache readers read for themselves: one copy less.
		n, cached := 0, a.log.Cached(number*aheadPiece, aheadPiece)
		if !cached {
			// A reader that finds less than it needs reads for itself too, and learns why.
			n, _ = a.readPiece(p.buf[:aheadPiece], number*aheadPiece)
		}
		p.buf, p.holds = p.buf[:n], number
		p.Unlock()
		if !cached && a.stored.Load() != stored {
			time.Sleep(time.Until(a.takeTurn(began)))
		}
	}
}

// takeTurn is until when a piece takes its turn whose reading began then. Turns follow
// one another, so that what is read ahead comes evenly: what comes at once is answered
// at once, and senders wait meanwhile.
func (a *ahead) takeTurn(began time.Time) time.Time {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.mu.turn.Before(began) {
		a.mu.turn = began
	}
	a.mu.turn = a.mu.turn.Add(aheadTurn / time.Duration(runtime.GOMAXPROCS(0)))
	return a.mu.turn
}

// readPiece reads past the page cache, but not in the segment that is being written:
// there it would hold the file's lock, which each write needs, while it waits for
// the disk.
func (a *ahead) readPiece(b []byte, pos int64) (int, error) {
	if a.log.SegmentOf(pos) == a.log.SegmentOf(a.stored.Load()) {
		return a.log.ReadAt(b, pos)
	}
	return a.log.ReadOnce(b, pos)
}

// read copies a part of the log; false if it is not all there. For what is about
// to be read it waits, if it may; otherwise coming says that it is.
func (a *ahead) read(b []byte, pos mq.LogPos, wait bool) (ok, coming bool) {
	for len(b) > 0 {
		n, coming := a.copy(b, int64(pos)/aheadPiece, int(pos%aheadPiece), wait)
		if n == 0 {
			return false, coming
		}
		b, pos = b[n:], pos+mq.LogPos(n)
	}
	return true, false
}

// copy copies from a piece and returns how much, or that the piece is about to be
// read.
func (a *ahead) copy(b []byte, number int64, at int, wait bool) (n int, coming bool) {
	a.mu.Lock()
	p := a.findLocked(number)
	if p != nil {
		p.taken, p.used, p.at = true, a.mu.second, time.Now()
	}
	a.mu.Unlock()
	if p == nil {
		return 0, false
	}
	if wait {
		p.RLock()
	} else if !p.TryRLock() {
		return 0, true
	}
	defer p.RUnlock()
	if p.holds != number || at >= len(p.buf) {
		return 0, false
	}
	return copy(b, p.buf[at:]), false
}

// cool is called once a second and gives up what nobody reads any more.
func (a *ahead) cool() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.second++
	a.mu.pieces = slices.DeleteFunc(a.mu.pieces, func(p *piece) bool {
		if a.mu.second-p.used < aheadIdle || !p.TryLock() {
			return false
		}
		p.holds, p.buf = -1, nil
		p.Unlock()
		return true
	})
}

// close ends the reading.
func (a *ahead) close() {
	a.mu.Lock()
	a.mu.closed = true
	a.mu.Unlock()
	a.fetching.Wait()
}

// readAhead has the part of the log read that a reader of old messages needs
// now, total bytes of it, and next, if it goes on where it was before.
func (s *Store) readAhead(r *reader, q *queue, total int) {
	n := len(r.wanted) - 1
	pos, through := int64(r.wanted[0].pos), int64(r.wanted[n].end())
	readTo := q.readTo.Load()
	gap := int64(r.offsets[0]) - readTo
	// 0 for the first read of a queue, which may be one of a million that hold a
	// message each.
	end := q.readEnd.Load()
	near := s.committed.Load() - s.old.near
	if pos > near || int64(r.offsets[n])+1 == readTo { // the same again, by one that may wait
		return
	}
	inOrder := end > 0 && gap >= 0 && gap <= scanLimit && through-end <= aheadSparse*int64(total)
	if !inOrder && r.noDisk {
		return
	}
	q.readTo.Store(int64(r.offsets[n]) + 1)
	q.readEnd.Store(through)
	if !inOrder {
		s.askParts(r)
		return
	}
	for number := pos / aheadPiece; number <= (min(through+s.old.window(), near)-1)/aheadPiece; number++ {
		s.old.want(number)
	}
}

// askParts asks for all that an answer consists of, if that lies in many places.
func (s *Store) askParts(r *reader) {
	if len(r.parts) < aheadParts {
		return
	}
	for i := range r.parts {
		if p := &r.parts[i]; p.lent == nil && p.mapped == nil && !p.copied {
			s.seg.Prefetch(int64(p.pos), int64(p.size))
		}
	}
}
