package store

import (
	"encoding/binary"

	"github.com/goddardmq/goddard/internal/mq"
)

// readMatching fills b, which starts at b.Next, with the records that a
// property filter wants. It reads the log in pieces and keeps what matches; a
// filter that wants nothing ends after scanLimit entries or matchBytes.
func (s *Store) readMatching(r *reader, q *queue, b mq.Batch, f mq.PropertyFilter, o ReadOptions) (mq.Batch, error) {
	r.matched = r.matched[:0]
	from, stop := b.Next, min(b.Max, b.Next+scanLimit)
	passed := 0
	full := false
	for chunk := min(o.MaxMessages, matchChunkRecords); !full && from < stop && passed < matchBytes; chunk = min(2*chunk, matchChunkRecords) {
		r.wanted, r.offsets, r.data = r.wanted[:0], r.offsets[:0], r.data[:0]
		next, err := s.choose(r, q, from, stop, ReadOptions{MaxMessages: chunk, MaxBytes: matchChunkBytes, Filter: f})
		if err == nil {
			err = s.load(r, q)
		}
		if err != nil {
			r.data = r.data[:0]
			r.release()
			b.Status = mq.PullNoMatch
			return b, err
		}
		for _, piece := range r.data {
			passed += len(piece)
		}
		if from = r.keep(&b, f, o); from < 0 {
			from = next
		} else {
			full = true
		}
	}
	b.Next = from
	r.data = r.data[:0]
	if b.Count == 0 {
		b.Status = mq.PullNoMatch
		r.release()
		return b, nil
	}
	r.data = append(r.data, r.matched)
	b.Status, b.Data, b.Release = mq.PullFound, r.data, r.release
	return b, nil
}

// keep copies those of the loaded records that f wants to r.matched and counts
// them in b. When b is full it returns the offset to go on at, otherwise -1.
func (r *reader) keep(b *mq.Batch, f mq.PropertyFilter, o ReadOptions) mq.QueueOffset {
	i := 0
	for _, piece := range r.data {
		for len(piece) > 0 {
			size := binary.BigEndian.Uint32(piece)
			record := piece[:size]
			piece = piece[size:]
			offset := r.offsets[i]
			i++
			if !f.MatchProperties(mq.RecordProperties(record)) {
				continue
			}
			if b.Count > 0 && len(r.matched)+len(record) > o.MaxBytes {
				return offset
			}
			r.matched = append(r.matched, record...)
			if b.Count++; b.Count >= o.MaxMessages {
				return offset + 1
			}
		}
	}
	return -1
}
