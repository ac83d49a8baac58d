package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/segment"
)

const (
	defaultReadMessages = 32
	// readSlack is how many unwanted bytes between wanted ones are read along
	// to save a system call, beside as many as are wanted.
	readSlack = 4 << 10
	// maxKeptRead is the largest buffer that a reader keeps for its successor.
	maxKeptRead = 1 << 20
)

// ReadOptions says how much Read returns.
type ReadOptions struct {
	MaxMessages int       // default 32, at most 1024
	MaxBytes    int       // default and limit Options.MaxReadBytes; one message is always returned
	Filter      mq.Filter // nil takes all; one that is an mq.PropertyFilter sees the records
	// NoDisk makes Read fail with mq.ErrNeedsDisk rather than wait for one, or
	// look at many records.
	NoDisk bool
	// Lend lets records be lent out of the page cache, for whoever hands them to the
	// kernel and does not look at them: see segment.Log.Lend.
	Lend bool
	// Inner is for readers within the broker, which hand nothing out: MaxBytes may be
	// as much as is kept of a reader's memory.
	Inner bool
}

// A reader is the memory of one Read, in use until the batch is released.
type reader struct {
	owner   *readers
	scratch []entry // of a block, or copied from a queue
	wanted  []entry
	offsets []mq.QueueOffset // of wanted
	buf     []byte
	matched []byte // records that passed a property filter
	data    [][]byte
	parts   []part
	lent    []*chunk          // of the tail, in use until release
	windows []*segment.Window // of the log, in use until release
	noDisk  bool              // ReadOptions.NoDisk
	lend    bool              // ReadOptions.Lend
	release func()
}

// readers is a pool of readers.
type readers struct {
	pool sync.Pool
	tail *tail
}

func (p *readers) get() *reader {
	r, _ := p.pool.Get().(*reader)
	if r == nil {
		r = &reader{owner: p, scratch: make([]entry, 0, blockEntries)}
		r.release = func() { p.put(r) }
	}
	r.wanted, r.offsets, r.noDisk = r.wanted[:0], r.offsets[:0], false
	r.lend = false
	return r
}

func (p *readers) put(r *reader) {
	if cap(r.buf) > maxKeptRead {
		r.buf = nil
	}
	if cap(r.matched) > maxKeptRead {
		r.matched = nil
	}
	for _, c := range r.lent {
		p.tail.release(c)
	}
	clear(r.parts[:cap(r.parts)])
	clear(r.lent)
	r.lent = r.lent[:0]
	for _, w := range r.windows {
		w.Release()
	}
	clear(r.windows)
	r.windows = r.windows[:0]
	clear(r.data)
	r.data = r.data[:0]
	p.pool.Put(r)
}

func nothing() {}

// Read returns messages of a queue from an offset on, in the stored layout.
// It waits for nothing; Batch.Status says what was found.
func (s *Store) Read(name mq.Queue, from mq.QueueOffset, o ReadOptions) (mq.Batch, error) {
	if o.MaxMessages <= 0 {
		o.MaxMessages = defaultReadMessages
	}
	o.MaxMessages = min(o.MaxMessages, maxReadMessages)
	limit := s.o.MaxReadBytes
	if o.Inner {
		limit = max(limit, maxKeptRead)
	}
	if o.MaxBytes <= 0 || o.MaxBytes > limit {
		o.MaxBytes = limit
	}
	q, err := s.queueToRead(name, &o)
	if err != nil {
		return mq.Batch{Release: nothing}, err
	}
	for {
		b, err := s.readQueue(q, from, o)
		// The messages may be removed between finding and reading them; the
		// queue starts behind them then.
		if !errors.Is(err, segment.ErrOutside) || from >= b.Max {
			return b, err
		}
		if lo, lerr := s.low(q); lerr != nil || lo <= from {
			return b, errors.Join(err, lerr)
		}
	}
}

// queueToRead is the queue, nil if there is none.
func (s *Store) queueToRead(name mq.Queue, o *ReadOptions) (*queue, error) {
	if !o.NoDisk {
		return s.table.get(name, false)
	}
	_, slow := o.Filter.(mq.PropertyFilter)
	if q := s.table.find(name); q != nil && !slow {
		return q, nil
	}
	return nil, mq.ErrNeedsDisk
}

func (s *Store) readQueue(q *queue, from mq.QueueOffset, o ReadOptions) (mq.Batch, error) {
	b := mq.Batch{Status: mq.PullNoQueue, Release: nothing}
	if q == nil {
		return b, nil
	}
	q.used.Store(true)
	if b.Max = q.hi(); b.Max == 0 {
		return b, nil
	}
	lo, err := s.low(q)
	if err != nil {
		return b, err
	}
	b.Min, b.Next = lo, from
	switch {
	case from < b.Min:
		b.Status, b.Next = mq.PullOffsetIllegal, b.Min
		return b, nil
	case from > b.Max:
		b.Status, b.Next = mq.PullOffsetIllegal, b.Max
		return b, nil
	case from == b.Max:
		b.Status = mq.PullNoNew
		return b, nil
	}
	r := s.readers.get()
	r.noDisk, r.lend = o.NoDisk, o.Lend
	if f, ok := o.Filter.(mq.PropertyFilter); ok {
		return s.readMatching(r, q, b, f, o)
	}
	b.Next, err = s.choose(r, q, from, b.Max, o)
	if err == nil && len(r.wanted) > 0 {
		err = s.load(r, q)
	}
	if err != nil || len(r.wanted) == 0 {
		b.Status = mq.PullNoMatch
		r.release()
		return b, err
	}
	b.Status, b.Count, b.Data, b.Release = mq.PullFound, len(r.wanted), r.data, r.release
	return b, nil
}

// choose picks the entries that are wanted and returns the offset behind the
// last one it looked at.
func (s *Store) choose(r *reader, q *queue, from, hi mq.QueueOffset, o ReadOptions) (mq.QueueOffset, error) {
	limit := min(hi, from+scanLimit)
	want := o.MaxMessages
	if o.Filter != nil {
		want *= 8
	}
	bytes := 0
	for from < limit {
		first, entries, err := s.entriesAt(r, q, from, want)
		if err != nil {
			return from, err
		}
		from = first
		for _, e := range entries {
			if from >= limit {
				break
			}
			if o.Filter == nil || o.Filter.Match(e.tag) {
				if len(r.wanted) > 0 && bytes+int(e.size) > o.MaxBytes {
					return from, nil
				}
				bytes += int(e.size)
				r.wanted = append(r.wanted, e)
				r.offsets = append(r.offsets, from)
				if len(r.wanted) == o.MaxMessages {
					return from + 1, nil
				}
			}
			from++
		}
	}
	return from, nil
}

// entriesAt returns the entry of an offset and some that follow, and the offset
// of the first, which is a later one if some are missing. About want are
// needed. They lie in r.scratch.
func (s *Store) entriesAt(r *reader, q *queue, offset mq.QueueOffset, want int) (mq.QueueOffset, []entry, error) {
	memory := r.scratch[:min(want, blockEntries)]
	if n := q.copyFrom(memory, offset); n > 0 {
		return offset, memory[:n], nil
	}
	if n := s.decoded.copyFrom(memory, q, offset); n > 0 {
		return offset, memory[:n], nil
	}
	if r.noDisk {
		return 0, nil, mq.ErrNeedsDisk
	}
	it, err := s.rows.blocks(q.name)
	if err != nil {
		return 0, nil, err
	}
	if it.seek(offset) {
		first, entries, err := it.entries(r.scratch[:0])
		r.scratch = entries[:0]
		if err == nil && len(entries) > want {
			s.decoded.keep(q, offset, first, entries)
		}
		if err == nil && first < offset {
			first, entries = offset, entries[offset-first:]
		}
		return first, entries, errors.Join(err, it.close())
	}
	if err := errors.Join(it.it.Error(), it.close()); err != nil {
		return 0, nil, err
	}
	// Segments that were missing when the queue was rebuilt left a gap behind
	// its last block.
	first := q.firstInMemory()
	if n := q.copyFrom(memory, first); n > 0 && first > offset {
		return first, memory[:n], nil
	}
	return 0, nil, indexError(fmt.Sprintf("queue %d of topic %s has no entry for offset %d", q.name.ID, q.name.Topic, offset))
}

// checkRecord makes sure that bytes are the record that an entry speaks of.
func (s *Store) checkRecord(b []byte, e entry, name mq.Queue, offset mq.QueueOffset) error {
	be := binary.BigEndian
	magic := be.Uint32(b[mq.RecordMagicAt:])
	if be.Uint32(b) == uint32(e.size) && (magic == mq.MagicV1 || magic == mq.MagicV2) &&
		mq.LogPos(be.Uint64(b[mq.RecordPosAt:])) == e.pos {
		own := mq.QueueOffset(be.Uint64(b[mq.RecordQueueOffsetAt:])) == offset && int32(be.Uint32(b[mq.RecordQueueIDAt:])) == name.ID
		// In a light queue most records have another queue's number and offset.
		if own || mq.IsLight(name.Topic) && mq.InLightQueue(mq.RecordProperties(b), name.Topic, offset) {
			return nil
		}
	}
	return s.corrupt(e.pos, fmt.Sprintf("no record of %d bytes with offset %d of queue %d of topic %s", e.size, offset, name.ID, name.Topic))
}

func (s *Store) corrupt(pos mq.LogPos, reason string) error {
	return corruptLog(s.seg, pos, reason)
}

func corruptLog(l *segment.Log, pos mq.LogPos, reason string) error {
	return &CorruptError{
		File:   logDir + "/" + segment.Name(l.SegmentOf(int64(pos))),
		Offset: int64(pos), Reason: reason,
	}
}

// readFull reads len(b) bytes that must be there.
func (s *Store) readFull(b []byte, pos mq.LogPos) error {
	n, err := s.seg.ReadAt(b, int64(pos))
	switch {
	case n == len(b):
		return nil
	case err == nil || errors.Is(err, io.EOF):
		return s.corrupt(pos, fmt.Sprintf("%d bytes are missing", len(b)-n))
	case errors.Is(err, segment.ErrOutside):
		return err
	}
	return fmt.Errorf("%w: reading the commit log: %w", mq.ErrUnavailable, err)
}

// Entries are up to count entries of a queue's index from an offset on, as far
// as their messages are in the log.
func (s *Store) Entries(name mq.Queue, from mq.QueueOffset, count int) ([]mq.QueueEntry, error) {
	q, err := s.table.get(name, false)
	if q == nil || err != nil {
		return nil, err
	}
	lo, err := s.low(q)
	if err != nil {
		return nil, err
	}
	from = max(from, lo)
	limit := min(q.hi(), from+mq.QueueOffset(min(count, maxReadMessages)))
	r := s.readers.get()
	defer r.release()
	var all []mq.QueueEntry
	for from < limit {
		first, entries, err := s.entriesAt(r, q, from, int(limit-from))
		if err != nil {
			return all, err
		}
		for _, e := range entries[from-first:] {
			if from >= limit {
				break
			}
			all = append(all, mq.QueueEntry{Offset: from, Pos: e.pos, Size: e.size, TagCode: e.tag, StoreTime: e.time})
			from++
		}
	}
	return all, nil
}
