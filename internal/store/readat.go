package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
)

// ErrNotRecent says that a record is not in memory: ReadAt finds it.
var ErrNotRecent = errors.New("store: the record is not in memory")

// guessed is how much of the log ReadAt reads at first. Most messages are
// shorter, and finding out their size alone cost as much as reading them.
const guessed = 4 << 10

// guesses are buffers for that.
var guesses = sync.Pool{New: func() any { return new([guessed]byte) }}

// ReadAt returns the whole record that starts at a log position, checked; an
// error wraps mq.ErrNotFound if none does.
func (s *Store) ReadAt(pos mq.LogPos) ([]byte, error) {
	b, _, err := s.readTail(nil, pos)
	if errors.Is(err, ErrNotRecent) {
		return s.readLog(pos)
	}
	return b, err
}

// ReadRecent is ReadAt of a record that is in memory, and ErrNotRecent if it is
// not: it never reads the disk. The record aliases the bytes that it
// is appended to dst as; dst is returned, longer or not. Who calls it counts as a
// reader near the end of the log, for which what is appended is kept in memory.
func (s *Store) ReadRecent(dst []byte, pos mq.LogPos) ([]byte, mq.Record, error) {
	if int64(pos) > s.committed.Load()-tailChunk*tailChunks {
		s.warmTail()
	}
	return s.readTail(dst, pos)
}

// readTail appends a record to dst if it lies in the tail.
func (s *Store) readTail(dst []byte, pos mq.LogPos) ([]byte, mq.Record, error) {
	var head [mq.BlankSize]byte
	lo, hi := s.LogBounds()
	if pos < lo || pos+mq.MinRecordSize > hi {
		return dst, mq.Record{}, fmt.Errorf("%w: the log holds positions from %d to %d, not %d", mq.ErrNotFound, lo, hi, pos)
	}
	if !s.tail.read(head[:], entry{pos: pos}) {
		return dst, mq.Record{}, ErrNotRecent
	}
	size, err := s.sizeAt(pos, head[:])
	switch {
	case err != nil:
		return dst, mq.Record{}, err
	case size > tailFlight: // of such there is none
		return dst, mq.Record{}, ErrNotRecent
	}
	n := len(dst)
	b := slices.Grow(dst, size)[:n+size]
	if !s.tail.read(b[n:], entry{pos: pos}) {
		return dst, mq.Record{}, ErrNotRecent
	}
	r, err := s.soundRecord(b[n:], pos)
	if err != nil {
		return dst, mq.Record{}, err
	}
	return b, r, nil
}

// readLog reads a record out of the log's files.
func (s *Store) readLog(pos mq.LogPos) ([]byte, error) {
	guess := guesses.Get().(*[guessed]byte)
	defer guesses.Put(guess)
	n, err := s.seg.ReadAt(guess[:], int64(pos))
	if n < mq.BlankSize {
		return nil, noRecord(pos, err)
	}
	size, err := s.sizeAt(pos, guess[:])
	if err != nil {
		return nil, err
	}
	b := make([]byte, size)
	if n = copy(b, guess[:n]); n < size {
		if more, err := s.seg.ReadAt(b[n:], int64(pos)+int64(n)); n+more < size {
			return nil, noRecord(pos, err)
		}
	}
	_, err = s.soundRecord(b, pos)
	if err != nil {
		return nil, err
	}
	return b, nil
}

// sizeAt is the size of the record at a log position that begins with head, if
// there is room for it.
func (s *Store) sizeAt(pos mq.LogPos, head []byte) (int, error) {
	size, magic := int64(int32(binary.BigEndian.Uint32(head))), binary.BigEndian.Uint32(head[mq.RecordMagicAt:])
	if magic != mq.MagicV1 && magic != mq.MagicV2 || size < mq.MinRecordSize || int64(pos)+size > s.seg.SegmentOf(int64(pos))+s.seg.Size() || int64(pos)+size > s.committed.Load() {
		return 0, noRecord(pos, mq.ErrRecordCorrupt)
	}
	return int(size), nil
}

// soundRecord decodes and checks what lies at a log position.
func (s *Store) soundRecord(b []byte, pos mq.LogPos) (mq.Record, error) {
	r, _, err := mq.DecodeRecord(b)
	if err == nil && r.Pos != pos {
		err = mq.ErrRecordCorrupt
	}
	if err != nil {
		return r, noRecord(pos, err)
	}
	if !r.Intact() {
		return r, s.corrupt(pos, fmt.Sprintf("checksum %08x, want %08x", mq.BodyCRC(r.Body), r.BodyCRC))
	}
	return r, nil
}

func noRecord(pos mq.LogPos, why error) error {
	return fmt.Errorf("%w: no message starts at log position %d: %w", mq.ErrNotFound, pos, why)
}
