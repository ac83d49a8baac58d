package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/segment"
)

const (
	scanWindow = 1 << 20
	// replayBlock is how much of the log is replayed between two checkpoints.
	replayBlock   = 64 << 20
	progressEvery = 2 * time.Second
	// maxQueueOffset is beyond what any queue reaches.
	maxQueueOffset = 1 << 62
)

// A scanner goes through the records of a log.
type scanner struct {
	log    *segment.Log
	extent int64 // nothing was written behind
	pos    int64 // of the next record
	buf    []byte
	at     int64 // position of win
	win    []byte
	// trusting leaves checksums alone: all that is read was checked before.
	trusting bool
}

func newScanner(l *segment.Log, from mq.LogPos) *scanner {
	return &scanner{log: l, extent: l.Extent(), pos: int64(from), buf: make([]byte, scanWindow)}
}

// next returns the record at pos and moves behind it. At the end of the log,
// where there are zeros or nothing, it returns io.EOF; where there is something
// that is not a whole record, a *CorruptError. The record is valid until the
// next call.
func (sc *scanner) next() (r mq.Record, err error) {
	for {
		b, err := sc.window(mq.BlankSize)
		if err != nil {
			return r, err
		}
		if len(b) < mq.BlankSize || binary.BigEndian.Uint64(b) == 0 {
			return r, io.EOF
		}
		room := sc.log.SegmentOf(sc.pos) + sc.log.Size() - sc.pos
		r, _, err = mq.DecodeRecord(b)
		if errors.Is(err, mq.ErrRecordTorn) && int64(r.Size) <= min(room, sc.extent-sc.pos) {
			if b, err = sc.window(int(r.Size)); err != nil {
				return r, err
			}
			r, _, err = mq.DecodeRecord(b)
		}
		switch {
		case errors.Is(err, mq.ErrRecordBlank) && int64(r.Size) == room:
			sc.pos += room
			continue
		case err != nil:
			return r, corruptLog(sc.log, mq.LogPos(sc.pos), err.Error())
		case int64(r.Size)+mq.BlankSize > room:
			return r, corruptLog(sc.log, mq.LogPos(sc.pos), fmt.Sprintf("record of %d bytes leaves no room for the segment's end", r.Size))
		case int64(r.Pos) != sc.pos:
			return r, corruptLog(sc.log, mq.LogPos(sc.pos), fmt.Sprintf("record says it lies at %d", r.Pos))
		case !sc.trusting && !r.Intact():
			return r, corruptLog(sc.log, mq.LogPos(sc.pos), fmt.Sprintf("checksum %08x, want %08x", mq.BodyCRC(r.Body), r.BodyCRC))
		}
		sc.pos += int64(r.Size)
		return r, nil
	}
}

// window returns the bytes from pos on: at least n, unless segment or log end
// before.
func (sc *scanner) window(n int) ([]byte, error) {
	if skip := sc.pos - sc.at; skip >= 0 && skip+int64(n) <= int64(len(sc.win)) {
		return sc.win[skip:], nil
	}
	room := sc.log.SegmentOf(sc.pos) + sc.log.Size() - sc.pos
	if n > len(sc.buf) {
		sc.buf = make([]byte, n)
	}
	win := sc.buf[:min(int64(len(sc.buf)), room)]
	got, err := sc.log.ReadAt(win, sc.pos)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, segment.ErrOutside) {
		return nil, fmt.Errorf("reading the commit log: %w", err)
	}
	sc.at, sc.win = sc.pos, win[:got]
	return sc.win, nil
}

// A replay brings the index up to the end of the log.
type replay struct {
	s         *Store
	forgotten map[string]mq.LogPos
	skipped   int
	last      *queue
}

// replay adds the entries of all records from a position on and returns where
// the log ends: at the first byte that is not part of a whole record. Nothing
// behind was ever acknowledged as safe, unless the index is rebuilt, when
// nobody knows: then records behind such a byte are an error.
func (s *Store) replay(from mq.LogPos, rebuild bool) (end mq.LogPos, err error) {
	re := &replay{s: s}
	if re.forgotten, err = s.forgotten(from); err != nil {
		return 0, err
	}
	sc := newScanner(s.seg, from)
	extent, sealed, said := s.seg.Extent(), int64(from), time.Now()
	for {
		r, err := sc.next()
		if err != nil {
			corrupt, ok := errors.AsType[*CorruptError](err)
			if ok || errors.Is(err, io.EOF) {
				return mq.LogPos(sc.pos), s.mayEnd(sc.pos, rebuild, corrupt)
			}
			return 0, err
		}
		if err := re.add(&r); err != nil {
			return 0, err
		}
		if sc.pos-sealed > replayBlock {
			sealed = sc.pos
			if err := s.sealReplayed(mq.LogPos(sc.pos)); err != nil {
				return 0, err
			}
		}
		if time.Since(said) > progressEvery {
			said = time.Now()
			s.log.Info("reading the commit log", "pos", sc.pos, "end", extent)
		}
	}
}

// mayEnd decides whether the log can end at a position where no record is.
func (s *Store) mayEnd(end int64, rebuild bool, corrupt *CorruptError) error {
	if corrupt != nil {
		s.log.Warn("the commit log has a torn end, which is cut", "pos", end, "reason", corrupt.Reason)
	}
	if !rebuild {
		return nil
	}
	if goesOn(s.seg, end) {
		reason := "the bytes here are no record"
		if corrupt != nil {
			reason = corrupt.Reason
		}
		return fmt.Errorf("%w; the log goes on in later segments: restore this one from a copy, or move it and all later ones away to give up what is in them",
			corruptLog(s.seg, mq.LogPos(end), reason))
	}
	return nil
}

// sealReplayed syncs the log and writes blocks of what was replayed so far.
func (s *Store) sealReplayed(pos mq.LogPos) error {
	s.setEnd(pos)
	if err := s.syncLog(); err != nil {
		return err
	}
	s.synced.Store(int64(pos))
	return s.writeCheckpoint()
}

// add adds the entries of one record.
func (re *replay) add(r *mq.Record) error {
	s := re.s
	s.mu.storeTime = max(s.mu.storeTime, r.StoreTime)
	known := ""
	if re.last != nil {
		known = re.last.name.Topic
	}
	for name, offset := range entriesOf(r, known) {
		if err := re.addTo(name, offset, r); err != nil {
			return err
		}
	}
	return nil
}

// addTo adds a record's entry in one queue.
func (re *replay) addTo(name mq.Queue, offset mq.QueueOffset, r *mq.Record) error {
	s := re.s
	if below, ok := re.forgotten[name.Topic]; ok && r.Pos < below {
		return nil
	}
	q := re.last
	if q == nil || q.gone || q.name != name {
		var err error
		if q, err = s.table.get(name, true); err != nil {
			return err
		}
		re.last = q
	}
	if offset != q.next {
		var err error
		if q, err = re.bridge(q, offset, r); q == nil || err != nil {
			return err
		}
	}
	q.used.Store(true)
	q.mu.Lock()
	s.soilLocked(q)
	q.pushLocked(offset, entryOf(r))
	q.mu.Unlock()
	q.next++
	return nil
}

// entriesOf goes through the queues that a record lies in: its own, then the
// light ones. known is likely to be its topic.
func entriesOf(r *mq.Record, known string) iter.Seq2[mq.Queue, mq.QueueOffset] {
	return func(yield func(mq.Queue, mq.QueueOffset) bool) {
		if !queued(r.SysFlag) {
			return
		}
		topic := known
		if string(r.Topic) != known {
			topic = string(r.Topic)
		}
		if r.QueueOffset >= 0 && r.QueueOffset <= maxQueueOffset && !yield(mq.Queue{Topic: topic, ID: r.QueueID}, r.QueueOffset) {
			return
		}
		if !mq.HasLightQueues(topic) {
			return
		}
		for name, offset := range mq.LightQueues(r.Properties) {
			if offset <= maxQueueOffset && !yield(mq.Queue{Topic: string(name)}, offset) {
				return
			}
		}
	}
}

// entryOf is the queue entry of a record.
func entryOf(r *mq.Record) entry {
	e := entry{pos: r.Pos, size: r.Size, time: r.StoreTime}
	if tag, ok := mq.Property(r.Properties, mq.PropTags); ok {
		e.tag = mq.TagCode(tag)
	}
	return e
}

// bridge decides what to do with a record whose offset is not the next of its
// queue. It returns the queue, ready to take the record, or nil if the record
// shall be left out.
func (re *replay) bridge(q *queue, offset mq.QueueOffset, r *mq.Record) (*queue, error) {
	s := re.s
	var err error
	switch {
	case offset == 0:
		// The topic was deleted and made again, and the row that said so is
		// lost.
		s.log.Warn("a queue starts again at offset 0; what it held before is dropped", "topic", q.name.Topic, "queue", q.name.ID, "pos", r.Pos)
		err = s.dropBlocks(queuePrefix(q.name))
	case offset < q.next:
		if re.skipped++; re.skipped <= 10 {
			s.log.Warn("a record repeats a queue offset and is left out", "topic", q.name.Topic, "queue", q.name.ID, "offset", offset, "pos", r.Pos)
		}
		return nil, nil
	case q.next > 0:
		// Segments in between are missing. What is known of them gets its
		// blocks before the queue goes on behind the gap.
		s.log.Warn("messages of a queue are missing from the log", "topic", q.name.Topic, "queue", q.name.ID, "from", q.next, "to", offset-1)
		if err = s.sealReplayed(r.Pos); err == nil {
			q, err = s.table.get(q.name, true)
		}
	}
	if err != nil {
		return nil, err
	}
	q.restart(offset)
	re.last = q
	return q, nil
}

// dropBlocks deletes all blocks whose keys start with prefix.
func (s *Store) dropBlocks(prefix []byte) error {
	b := s.rows.db.NewBatch()
	if err := b.DeleteRange(prefix, prefixEnd(prefix), nil); err != nil {
		return errors.Join(err, b.Close())
	}
	return s.rows.apply(b, false)
}
