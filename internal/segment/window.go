package segment

import "sync"

const (
	// windowSize is the part of a file that is mapped at a time, and maxWindows how
	// many such parts are mapped at most: what of them is in use counts as the
	// process's memory.
	windowSize = 4 << 20
	maxWindows = 16
	// keptUses is after how many uses of others a window may make room. More readers
	// in different places than there are windows would else unmap each other's
	// all the time, which costs more than a copy of what they read.
	keptUses = 4 * maxWindows
	// MaxLoan is how much Lend lends at most.
	MaxLoan = 1 << 20
)

// windows are the parts of the log that are mapped.
type windows struct {
	// Mutex guards the list and what of a Window changes. A window is mapped under
	// it, but nothing waits for the disk meanwhile.
	sync.Mutex
	list  []*Window
	clock int64 // counts uses
	off   bool  // the file system cannot map, or the log is closed
}

// A Window is a mapped part of the log. What Lend returned of it may be read until
// Release, and at no time be written.
type Window struct {
	owner *windows
	file  *file
	at    int64 // its position in the log, a multiple of windowSize from its file's start on
	buf   []byte
	users int   // who must call Release
	used  int64 // owner's clock at the last use
	gone  bool  // from the list: the last user unmaps it
}

// Lend is n bytes of the log from pos on without a copy, and what they lie in: the
// page cache itself. There is none if not all of them are cached, if the system cannot
// say or map that, if they do not lie in one window, or if all windows are in use or
// were a moment ago.
//
// The kernel may take cached pages back at any time, and who looks at one then waits
// for the disk. If that fails there is no error but a fault: a system call that is
// handed the bytes fails with EFAULT, code of ours that reads them panics if it asked
// for that (debug.SetPanicOnFault) and ends the process otherwise.
func (l *Log) Lend(pos int64, n int) (*Window, []byte) {
	f := l.find(pos)
	if f == nil || n <= 0 || n > MaxLoan {
		return nil, nil
	}
	offset := (pos - f.start) % windowSize
	if offset+int64(n) > windowSize {
		return nil, nil
	}
	w := l.windows.take(f, pos, n)
	if w == nil {
		return nil, nil
	}
	b := w.buf[offset : offset+int64(n) : offset+int64(n)]
	if !resident(w.buf, int(offset), n) {
		w.Release()
		return nil, nil
	}
	return w, b
}

// take is a use of the window of a file in which n bytes from a position on lie; nil
// if there can be none.
func (ws *windows) take(f *file, pos int64, n int) *Window {
	w, old := ws.find(f, pos, n)
	if old != nil {
		unmap(old.buf)
	}
	return w
}

// find is take, and a window that had to make room and is to be unmapped.
func (ws *windows) find(f *file, pos int64, n int) (w, old *Window) {
	at := pos - (pos-f.start)%windowSize
	ws.Lock()
	defer ws.Unlock()
	if ws.off {
		return nil, nil
	}
	ws.clock++
	idle := -1
	for i, w := range ws.list {
		if w.at == at && w.file == f {
			w.users++
			w.used = ws.clock
			return w, nil
		}
		if w.users == 0 && (idle < 0 || w.used < ws.list[idle].used) {
			idle = i
		}
	}
	if len(ws.list) >= maxWindows && (idle < 0 || ws.clock-ws.list[idle].used < keptUses) {
		return nil, nil
	}
	buf, err := f.mapFor(at, pos, n)
	if buf == nil {
		ws.off = err != nil
		return nil, nil
	}
	w = &Window{owner: ws, file: f, at: at, buf: buf, users: 1, used: ws.clock}
	if len(ws.list) < maxWindows {
		ws.list = append(ws.list, w)
		return w, nil
	}
	old, ws.list[idle] = ws.list[idle], w
	return w, old
}

// mapFor maps the part of a file that begins at a position of the log, at, for the sake
// of n bytes from pos on. There is none if these are not cached, as far as is known
// without it, or if the file was closed; an error says that it cannot be mapped.
func (f *file) mapFor(at, pos int64, n int) ([]byte, error) {
	f.mu.RLock()
	defer f.mu.RUnlock()
	if f.mu.f == nil || !mayBeCached(f.mu.f, pos-f.start, n) {
		return nil, nil
	}
	return mapFile(f.mu.f, at-f.start, windowSize)
}

// LoanEnd is how far a loan from pos on may reach.
func (l *Log) LoanEnd(pos int64) int64 {
	start := l.SegmentOf(pos)
	return min(pos+MaxLoan, start+(pos-start)/windowSize*windowSize+windowSize, start+l.o.Size)
}

// Release ends one use of a window.
func (w *Window) Release() {
	ws := w.owner
	ws.Lock()
	w.users--
	last := w.gone && w.users == 0
	ws.Unlock()
	if last {
		unmap(w.buf)
	}
}

// drop gives up the windows of a file that is closed, or of all if it is nil, for good.
func (ws *windows) drop(f *file) {
	ws.Lock()
	defer ws.Unlock()
	ws.off = ws.off || f == nil
	kept := ws.list[:0]
	for _, w := range ws.list {
		switch {
		case f != nil && w.file != f:
			kept = append(kept, w)
		case w.users > 0:
			w.gone = true
		default:
			unmap(w.buf)
		}
	}
	clear(ws.list[len(kept):])
	ws.list = kept
}
