package store

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// A part of what a reader wants comes from one place: the entries from one on
// and before another.
type part struct {
	from, to int
	pos      mq.LogPos
	size     int    // bytes from pos on; for one that is copied out of the tail, of its records
	lent     *chunk // the tail's, if the records stay there
	copied   bool   // out of the tail
	mapped   []byte // of the page cache, if the records stay there
}

// lendGap is how much of the log that is not wanted a loan of the page cache goes over:
// it has to be cached too, but is not looked at.
const lendGap = 64 << 10

// load finds the wanted records of a queue and sets r.data: they are read into
// r.buf, or lie in the tail.
func (s *Store) load(r *reader, q *queue) error {
	name, total := q.name, s.plan(r)
	if total > 0 {
		s.readAhead(r, q, total)
	}
	if cap(r.buf) < total {
		r.buf = make([]byte, total)
	}
	buf := r.buf[:0:total]
	for i := range r.parts {
		p := &r.parts[i]
		var err error
		switch {
		case p.lent != nil:
			at := int(p.pos % tailChunk)
			err = s.cutOut(r, p, p.lent.buf[at:at+p.size:at+p.size], name)
		case p.mapped != nil:
			err = s.cutOutMapped(r, p, name)
		case p.copied:
			buf, err = s.copyTail(r, p, buf, name)
		default:
			n := len(buf)
			buf = buf[:n+p.size]
			if err = s.readPart(r, buf[n:], p.pos); err == nil {
				err = s.cutOut(r, p, buf[n:], name)
			}
		}
		if err != nil {
			return err
		}
	}
	for i := range r.data { // nobody may write behind a piece
		r.data[i] = slices.Clip(r.data[i])
	}
	return nil
}

// readPart reads bytes of the log for a reader, which may not be one that waits
// for the disk.
func (s *Store) readPart(r *reader, b []byte, pos mq.LogPos) error {
	ok, coming := s.old.read(b, pos, !r.noDisk)
	switch {
	case ok:
		return nil
	case !r.noDisk:
		return s.readFull(b, pos)
	// Asking whether it is cached has the kernel read what is not.
	case !coming && s.seg.ReadCached(b, int64(pos)):
		return nil
	}
	return mq.ErrNeedsDisk
}

// plan divides what is wanted into parts and returns how many bytes of them have
// to go into r.buf.
func (s *Store) plan(r *reader) (total int) {
	r.parts = r.parts[:0]
	lend := r.lend
	for i := 0; i < len(r.wanted); {
		var p part
		if s.tail.has(r.wanted[i]) {
			p = s.tailPart(r, i)
		} else {
			if lend {
				p, lend = s.mappedPart(r, i)
			}
			if !lend {
				p = s.spanFrom(r.wanted, i)
			}
		}
		if p.lent == nil && p.mapped == nil {
			total += p.size
		}
		r.parts = append(r.parts, p)
		i = p.to
	}
	if last := len(r.wanted) - 1; last >= 0 && int64(r.wanted[last].pos) > s.committed.Load()-tailChunk*tailChunks {
		s.warmTail()
	}
	return total
}

// tailPart is the part from an entry on whose records lie in the tail: as many
// as follow each other in one chunk, which is lent, or some to be copied.
func (s *Store) tailPart(r *reader, i int) part {
	first := r.wanted[i]
	run := part{pos: first.pos, size: int(first.size), from: i, to: i + 1}
	limit := first.pos/tailChunk*tailChunk + tailChunk
	for ; run.to < len(r.wanted); run.to++ {
		e := r.wanted[run.to]
		if e.pos != run.pos+mq.LogPos(run.size) || e.end() > limit {
			break
		}
		run.size += int(e.size)
	}
	if run.size >= lendFrom {
		if run.lent = s.tail.lend(run.pos, run.pos+mq.LogPos(run.size)); run.lent != nil {
			r.lent = append(r.lent, run.lent)
			return run
		}
	}
	run.copied = true
	return run
}

// mappedPart is the part from an entry on whose records are lent out of the page cache,
// or the one record that lies across the end of what can be lent together; false if
// nothing is lent.
func (s *Store) mappedPart(r *reader, i int) (part, bool) {
	first := r.wanted[i]
	p := part{pos: first.pos, size: int(first.size), from: i, to: i + 1}
	limit := mq.LogPos(s.seg.LoanEnd(int64(p.pos)))
	if first.end() > limit {
		return p, true
	}
	for ; p.to < len(r.wanted); p.to++ {
		e, end := r.wanted[p.to], p.pos+mq.LogPos(p.size)
		if e.pos < end || e.pos > end+lendGap || e.end() > limit {
			break
		}
		p.size = int(e.end() - p.pos)
	}
	w, b := s.seg.Lend(int64(p.pos), p.size)
	if w == nil {
		return p, false
	}
	p.mapped = b
	r.windows = append(r.windows, w)
	return p, true
}

// cutOutMapped is cutOut of what is mapped. A disk that cannot give back what left the
// page cache just now is a fault.
func (s *Store) cutOutMapped(r *reader, p *part, name mq.Queue) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		switch fault := recover().(type) {
		case nil:
		case interface { // of memory, not of ours
			runtime.Error
			Addr() uintptr
		}:
			err = fmt.Errorf("%w: reading the commit log: %w", mq.ErrUnavailable, fault)
		default:
			panic(fault)
		}
	}()
	return s.cutOut(r, p, p.mapped, name)
}

// copyTail copies the records of a part out of the tail, behind those in buf,
// and reads those that have left it.
func (s *Store) copyTail(r *reader, p *part, buf []byte, name mq.Queue) ([]byte, error) {
	start := len(buf)
	for i := p.from; i < p.to; i++ {
		e, n := r.wanted[i], len(buf)
		buf = buf[:n+int(e.size)]
		if !s.tail.read(buf[n:], e) {
			if err := s.readPart(r, buf[n:], e.pos); err != nil {
				return buf, err
			}
		}
		if err := s.checkRecord(buf[n:], e, name, r.offsets[i]); err != nil {
			return buf, err
		}
	}
	r.add(buf[start:])
	return buf, nil
}

// add adds whole records to r.data, to the last piece if they lie behind it.
func (r *reader) add(b []byte) {
	if n := len(r.data) - 1; n >= 0 {
		last := r.data[n]
		if cap(last) > len(last) && &last[:len(last)+1][len(last)] == &b[0] {
			r.data[n] = last[:len(last)+len(b)]
			return
		}
	}
	r.data = append(r.data, b)
}

// spanFrom is the longest part from an entry on that lies in one segment and is
// not mostly waste.
func (s *Store) spanFrom(wanted []entry, i int) part {
	p := part{pos: wanted[i].pos, size: int(wanted[i].size), from: i, to: i + 1}
	limit := mq.LogPos(s.seg.SegmentOf(int64(p.pos)) + s.seg.Size())
	useful := p.size
	for ; p.to < len(wanted); p.to++ {
		e := wanted[p.to]
		size := int(e.end() - p.pos)
		useful += int(e.size)
		if e.end() > limit || size > 2*useful+readSlack {
			break
		}
		p.size = size
	}
	return p
}

// cutOut adds the records of a part, which lie in b, to r.data, neighbours as
// one piece.
func (s *Store) cutOut(r *reader, p *part, b []byte, name mq.Queue) error {
	start, end := 0, 0
	for i := p.from; i < p.to; i++ {
		e := r.wanted[i]
		at := int(e.pos - p.pos)
		if err := s.checkRecord(b[at:at+int(e.size)], e, name, r.offsets[i]); err != nil {
			return err
		}
		if at != end {
			r.add(b[start:end])
			start = at
		}
		end = at + int(e.size)
	}
	r.add(b[start:end])
	return nil
}
