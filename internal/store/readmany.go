package store

import (
	"github.com/goddardmq/goddard/internal/mq"
)

// A Place says where a record lies in the log. Size is that of the whole
// record, in bytes; 0 if it is not known.
type Place struct {
	Pos  mq.LogPos
	Size int32
}

// ReadEach reads records that lie anywhere in the log, those that lie near each
// other in one piece, and hands each, checked, to f with its index in places,
// which ascend. An error says why that one record cannot be read; it is the one
// that ReadAt gives. A record is f's until that returns; what it points to lies in
// buf or in what is returned in its place, which is as large as their sizes
// together and a bounded waste.
func (s *Store) ReadEach(places []Place, buf []byte, f func(i int, r *mq.Record, err error)) []byte {
	total := 0
	for i := 0; i < len(places); {
		to, size := s.piece(places, i)
		total += size
		i = to
	}
	if cap(buf) < total {
		buf = make([]byte, total+total/4) // the next one may be a little larger
	}
	rest := buf[:cap(buf)]
	lo, hi := s.LogBounds()
	var r mq.Record // one for all: f's is on the heap
	for i := 0; i < len(places); {
		to, size := s.piece(places, i)
		b, start := rest[:size], places[i].Pos
		rest = rest[size:]
		whole := size > 0 && start >= lo && start+mq.LogPos(size) <= hi
		if whole {
			n, _ := s.seg.ReadAt(b, int64(start))
			whole = n == size
		}
		for ; i < to; i++ {
			if whole {
				var ok bool
				if r, ok = recordIn(b[places[i].Pos-start:], places[i]); ok {
					f(i, &r, nil)
					continue
				}
			}
			s.readOne(i, places[i].Pos, f)
		}
	}
	return buf
}

// piece is how far the records from one on are read together, and how many
// bytes that is; none if its size is not known.
func (s *Store) piece(places []Place, i int) (to, size int) {
	start, useful := places[i].Pos, int(places[i].Size)
	limit := mq.LogPos(s.seg.SegmentOf(int64(start)) + s.seg.Size())
	if useful < mq.MinRecordSize || start+mq.LogPos(useful) > limit {
		return i + 1, 0
	}
	size = useful
	for to = i + 1; to < len(places); to++ {
		p := places[to]
		end := p.Pos + mq.LogPos(p.Size)
		useful += int(p.Size)
		if p.Size < mq.MinRecordSize || end > limit || int(end-start) > 2*useful+readSlack {
			break
		}
		size = max(size, int(end-start))
	}
	return to, size
}

// recordIn is the record that starts with b, if it is the one meant and intact.
func recordIn(b []byte, p Place) (mq.Record, bool) {
	r, _, err := mq.DecodeRecord(b[:p.Size])
	return r, err == nil && r.Pos == p.Pos && r.Size == p.Size && r.Intact()
}

// readOne reads a record by itself, or learns what is wrong with it.
func (s *Store) readOne(i int, pos mq.LogPos, f func(int, *mq.Record, error)) {
	data, err := s.ReadAt(pos)
	if err != nil {
		f(i, nil, err)
		return
	}
	r, _, err := mq.DecodeRecord(data)
	f(i, &r, err)
}
