package store

import (
	"fmt"
	"runtime"
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxJoined is how many bytes of flights are written together at most. Whatever is
// longer alone is not copied.
const maxJoined = 128 << 10

// crowded is for how many rounds others are let come after one that wrote several
// flights, if these were small.
const crowded = 16

// A writer is what the goroutine needs that writes the log. There is one at a time, the
// one that set Store.mu.writing.
type writer struct {
	joined []byte         // flights that are written together, one behind the other
	crowd  int            // for how many more rounds others are let come
	rest   func()         // writeRest on a goroutine of its own, made once
	others sync.WaitGroup // such goroutines
}

// claimWritingLocked says whether a goroutine that has just put a flight into the
// line is to call writeLine. Under FlushSync that is for the syncer, which writes all
// that came while the disk was busy at once, unless it is much.
func (s *Store) claimWritingLocked() bool {
	if s.o.Flush == FlushSync && s.mu.lined < maxJoined {
		signal(s.wantSync)
		return false
	}
	if s.mu.writing {
		return false
	}
	s.mu.writing = true
	return true
}

// writeLine writes what is in the line and publishes it. It is called by whoever
// set Store.mu.writing, which is over when it returns: others that come meanwhile
// leave their flights in the line and go on, so that many small flights are one
// write. What they leave behind the caller's own is written by another goroutine.
func (s *Store) writeLine() {
	published := s.writeRound()
	if !s.stopWriting() {
		s.writer.others.Go(s.writer.rest)
	}
	if published {
		s.tellPublished(false)
	}
}

// writeRest is writeLine until the line is empty.
func (s *Store) writeRest() {
	for stopped := false; !stopped; {
		published := s.writeRound()
		if stopped = s.stopWriting(); published {
			s.tellPublished(!stopped)
		}
	}
}

// stopWriting ends being the writer if the line is empty.
func (s *Store) stopWriting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.line.head != nil {
		return false
	}
	s.mu.writing = false
	s.mu.idle.Broadcast()
	return true
}

// writeBeforeSync writes what is in the line, unless somebody does. What comes
// meanwhile waits for the next sync.
func (s *Store) writeBeforeSync() {
	s.mu.Lock()
	write := s.mu.line.head != nil && !s.mu.writing
	s.mu.writing = s.mu.writing || write
	s.mu.Unlock()
	if !write {
		return
	}
	s.writeRound()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.writing = false
	s.mu.idle.Broadcast()
	if s.mu.line.head != nil {
		signal(s.wantSync)
	}
}

// writeOut returns when nothing is in the line and nobody writes any more. Nothing
// may be put there.
func (s *Store) writeOut() {
	s.mu.Lock()
	for s.mu.writing {
		s.mu.idle.Wait()
	}
	s.mu.writing = s.mu.line.head != nil
	left := s.mu.writing
	s.mu.Unlock()
	if left {
		s.writeRest()
	}
	s.writer.others.Wait()
}

// writeRound writes the flights that are in the line, and publishes those that are
// ready. If there were several at once a moment ago it lets those run first that are
// ready to: they put theirs into the line. Who is alone does not wait.
func (s *Store) writeRound() (published bool) {
	if s.writer.crowd > 0 {
		runtime.Gosched()
	}
	s.mu.Lock()
	first, last, at := s.mu.line.head, s.mu.line.tail, s.mu.written
	s.mu.Unlock()
	s.writeFlights(first, last, at)
	s.mu.Lock()
	ready, failed := s.takeWrittenLocked(last)
	s.mu.Unlock()
	published = ready.head != nil
	s.publish(ready)
	s.reject(failed)
	return published
}

// writeFlights writes flights that lie one behind the other, up to the first that
// fails. Without those before them, which end at the position at, none is written.
func (s *Store) writeFlights(f, last *flight, at mq.LogPos) {
	w, n, size := &s.writer, 0, int64(0)
	for f.start == at {
		to, many := s.join(f, last)
		n, size = n+many, size+int64(to.end-f.start)
		if many > 1 {
			f.err = s.seg.WriteAt(w.joined, int64(f.start))
		} else {
			f.err = s.write(f)
		}
		if f.err != nil || to == last {
			break
		}
		f, at = to.next, to.end
	}
	switch {
	case size > maxJoined:
		w.crowd = 0
	case n > 1:
		w.crowd = crowded
	case w.crowd > 0:
		w.crowd--
	}
}

// join patches f and copies it, with those behind it that fit into one write, into
// Store.writer.joined. It returns the last of them and how many they are. One that
// would be alone is not copied.
func (s *Store) join(f, last *flight) (to *flight, n int) {
	to, n = f, 1
	s.patch(f)
	size, alone := f.bytes, f.parted()
	for ; !alone && to != last && !to.next.parted() && size+to.next.bytes <= maxJoined; n++ {
		if n == 1 {
			s.writer.joined = append(s.writer.joined[:0], f.buf...)
		}
		to = to.next
		s.patch(to)
		s.writer.joined = append(s.writer.joined, to.buf...)
		size += to.bytes
	}
	return to, n
}

// parted reports whether there is a filler before a flight or in it.
func (f *flight) parted() bool { return f.bytes != int64(len(f.buf)) }

// patch writes into records what was reserved for them, and puts them into the tail.
func (s *Store) patch(f *flight) {
	for i := range f.recs {
		r := &f.recs[i]
		mq.PatchRecord(f.buf[r.at:], r.offset, r.pos, f.storeTime)
	}
	f.patchLights()
	if f.kept {
		s.keepInTail(f)
	}
}

// keepInTail puts the records of a flight into the tail.
func (s *Store) keepInTail(f *flight) {
	if !f.parted() {
		s.tail.put(f.buf, f.start)
		return
	}
	for i := range f.recs {
		r := &f.recs[i]
		s.tail.put(f.buf[r.at:r.at+int(r.size)], r.pos)
	}
}

// write writes the records of a flight to their places: in one piece, or in
// several with fillers between if they lie in several segments.
func (s *Store) write(f *flight) error {
	end := f.start
	from := 0 // in buf: what is not written yet
	for i := range f.recs {
		r := &f.recs[i]
		if r.pos == end {
			end += mq.LogPos(r.size)
			continue
		}
		if err := s.writeRun(f.buf[from:r.at], end); err != nil {
			return err
		}
		filler := mq.AppendBlank(nil, int(r.pos-end))
		if err := s.seg.WriteAt(filler, int64(end)); err != nil {
			return err
		}
		from, end = r.at, r.pos+mq.LogPos(r.size)
	}
	return s.writeRun(f.buf[from:], end)
}

// writeRun writes records that end at end.
func (s *Store) writeRun(b []byte, end mq.LogPos) error {
	if len(b) == 0 {
		return nil
	}
	return s.seg.WriteAt(b, int64(end)-int64(len(b)))
}

// takeWrittenLocked takes the flights up to last off the line. Those behind one
// that failed fail too. Under FlushSync the others are not ready: they wait for the
// syncer.
func (s *Store) takeWrittenLocked(last *flight) (ready, failed line) {
	for taken := (*flight)(nil); taken != last; {
		f := s.mu.line.pop()
		taken = f
		s.mu.lined -= f.bytes
		s.noteFailureLocked(f)
		if f.err != nil {
			s.giveBackLocked(f)
			failed.push(f)
			continue
		}
		s.mu.written = f.end
		if s.o.Flush == FlushSync {
			s.mu.unsynced.push(f)
			continue
		}
		s.mu.inFlight -= f.bytes
		ready.push(f)
	}
	if s.mu.unsynced.head != nil {
		signal(s.wantSync)
	}
	if s.mu.line.head == nil {
		s.mu.end = s.mu.written
	}
	return ready, failed
}

// noteFailureLocked gives a flight its error, if it has one, and refuses what comes
// behind one whose write failed.
func (s *Store) noteFailureLocked(f *flight) {
	switch {
	case f.err != nil:
		f.err = fmt.Errorf("%w; messages are refused until the log is repaired", writeError(s.o.Dir, f.err))
		if s.mu.failure == nil {
			s.mu.failure = f.err
			s.log.Error("writing the commit log failed; messages are refused until it is repaired", "pos", f.start, "error", f.err)
		}
	case f.start != s.mu.written:
		// A failed write leaves a hole, and what was reserved behind it can
		// never be reached.
		f.err = fmt.Errorf("%w: %w", s.mu.failure, errAbandoned)
	case s.mu.fatal != nil:
		// After a failed sync nobody syncs any more, so nobody would answer.
		f.err = s.mu.fatal
	}
}
