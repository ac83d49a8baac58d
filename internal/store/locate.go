package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"github.com/goddardmq/goddard/internal/mq"
)

// Bounds are a queue's first offset and the one behind its last. Both are 0 if
// it never held a message.
func (s *Store) Bounds(name mq.Queue) (lo, hi mq.QueueOffset, err error) {
	q, err := s.table.get(name, false)
	if q == nil || err != nil {
		return 0, 0, err
	}
	hi = q.hi()
	lo, err = s.low(q)
	return min(lo, hi), hi, err
}

// low is the first offset whose message is still in the log; the queue's end
// if there is none.
func (s *Store) low(q *queue) (mq.QueueOffset, error) {
	start := mq.LogPos(s.seg.Start())
	for {
		q.mu.Lock()
		low, known, sealed := q.mu.low, q.mu.lowFor == start, q.mu.sealed
		q.mu.Unlock()
		if known {
			return low, nil
		}
		low, found, err := s.lowInBlocks(q.name, start)
		if err != nil {
			return 0, err
		}
		if low, ok := q.settleLow(start, sealed, low, found); ok {
			return low, nil
		}
	}
}

// settleLow notes what a search of the blocks for the first offset at or
// behind start found. If it found nothing the entries without a block are
// looked at; ok is false if some of them got one since the search began.
func (q *queue) settleLow(start mq.LogPos, sealed, low mq.QueueOffset, found bool) (_ mq.QueueOffset, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if !found {
		if q.mu.sealed != sealed {
			return 0, false
		}
		low = sealed
		for _, e := range q.mu.entries[sealed-q.mu.first:] {
			if e.pos >= start {
				break
			}
			low++
		}
	}
	if found || low < q.hiLocked() {
		q.mu.low, q.mu.lowFor = low, start
	}
	return low, true
}

// lowInBlocks finds the first entry at or behind a log position among those
// that have a block.
func (s *Store) lowInBlocks(name mq.Queue, start mq.LogPos) (low mq.QueueOffset, found bool, err error) {
	it, err := s.rows.blocks(name)
	if err != nil {
		return 0, false, err
	}
	defer func() { err = errors.Join(err, it.close()) }()
	for ok := it.it.First(); ok; ok = it.it.Next() {
		h, err := it.head()
		if err != nil {
			return 0, false, err
		}
		if h.lastPos < start {
			continue
		}
		if h.firstPos >= start {
			low, err = it.first()
			return low, true, err
		}
		first, entries, err := it.entries(nil)
		if err != nil {
			return 0, false, err
		}
		i, _ := slices.BinarySearchFunc(entries, start, func(e entry, start mq.LogPos) int { return int(e.pos - start) })
		return first + mq.QueueOffset(i), true, nil
	}
	return 0, false, it.it.Error()
}

// TimeAt is when the message at an offset was stored; an error wraps
// mq.ErrOffsetOutOfRange if the queue has no such offset.
func (s *Store) TimeAt(name mq.Queue, offset mq.QueueOffset) (time.Time, error) {
	q, err := s.table.get(name, false)
	if err != nil {
		return time.Time{}, err
	}
	var lo, hi mq.QueueOffset
	if q != nil {
		hi = q.hi()
		if lo, err = s.low(q); err != nil {
			return time.Time{}, err
		}
	}
	if offset < lo || offset >= hi {
		return time.Time{}, fmt.Errorf("%w: queue %d of topic %s holds offsets from %d to %d, not %d",
			mq.ErrOffsetOutOfRange, name.ID, name.Topic, lo, hi, offset)
	}
	r := s.readers.get()
	defer r.release()
	at, err := s.timeAt(r, q, offset)
	return time.UnixMilli(at), err
}

func (s *Store) timeAt(r *reader, q *queue, offset mq.QueueOffset) (int64, error) {
	_, entries, err := s.entriesAt(r, q, offset, 1)
	if err != nil {
		return 0, err
	}
	return entries[0].time, nil
}

// Locate finds the offset of the first message stored at or after at, or the
// queue's end if there is none; with upper set, of the last message stored at
// or before it, or the queue's first offset if there is none.
func (s *Store) Locate(name mq.Queue, at time.Time, upper bool) (mq.QueueOffset, error) {
	q, err := s.table.get(name, false)
	if q == nil || err != nil {
		return 0, err
	}
	hi := q.hi()
	lo, err := s.low(q)
	if err != nil {
		return 0, err
	}
	r := s.readers.get()
	defer r.release()
	ms := at.UnixMilli()
	first := lo
	// The smallest offset in [lo, hi) that lies behind what is sought.
	for end := hi; first < end; {
		mid := first + (end-first)/2
		stored, err := s.timeAt(r, q, mid)
		if err != nil {
			return 0, err
		}
		if stored < ms || upper && stored == ms {
			first = mid + 1
		} else {
			end = mid
		}
	}
	if upper && first > lo {
		first--
	}
	return first, nil
}

// Queues lists the ids of the queues of a topic that hold or have held
// messages, in order.
func (s *Store) Queues(topic string) ([]int32, error) {
	var ids []int32
	for _, q := range s.table.ofTopic(topic) {
		if q.hi() > 0 {
			ids = append(ids, q.name.ID)
		}
	}
	lower := topicPrefix(topic)
	it, err := s.rows.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: prefixEnd(lower)})
	if err != nil {
		return nil, fmt.Errorf("reading the queue index: %w", err)
	}
	for ok := it.First(); ok; {
		id := binary.BigEndian.Uint32(it.Key()[len(lower):])
		ids = append(ids, int32(id))
		next := prefixEnd(binary.BigEndian.AppendUint32(slices.Clone(lower), id))
		ok = next != nil && it.SeekGE(next)
	}
	slices.Sort(ids)
	return slices.Compact(ids), errors.Join(it.Error(), it.Close())
}
