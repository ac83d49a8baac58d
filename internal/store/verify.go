package store

import (
	"errors"
	"fmt"
	"io"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/segment"
)

// maxFindings is how many findings a Report lists.
const maxFindings = 100

// A Report is what Dump or Verify found.
type Report struct {
	SegmentSize int64
	Segments    int
	Start, End  mq.LogPos // of the log, as far as it could be read
	Records     int64
	Bytes       int64 // of records
	// Checkpoint is how far the index has followed the log, and Entries how
	// many entries it has. Verify fills them in.
	Checkpoint mq.LogPos
	Entries    int64
	// Findings are the first hundred things that are not as they should be,
	// Problems is their number.
	Findings []string
	Problems int64
}

func (r *Report) find(format string, args ...any) {
	if r.Problems++; len(r.Findings) < maxFindings {
		r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
	}
}

// Dump reads the log in a data directory from a position on, or from the first
// segment that is there, and calls each with every whole record. It changes
// nothing and may be used while a broker runs. What cannot be read as a record
// is reported and passed over: up to where records go on, or else to the next
// segment. The record is valid during the call only. fs nil means the
// operating system's.
func Dump(fs vfs.FS, dir string, from mq.LogPos, each func(*mq.Record) error) (Report, error) {
	var rep Report
	if fs == nil {
		fs = vfs.Default
	}
	l, err := openLog(fs, dir)
	if err != nil {
		return rep, err
	}
	err = dumpLog(l, &rep, from, each)
	return rep, errors.Join(err, l.Close())
}

// openLog opens the log of a data directory for reading.
func openLog(fs vfs.FS, dir string) (*segment.Log, error) {
	s := &Store{o: Options{Dir: dir, FS: fs}}
	if _, err := fs.Stat(fs.PathJoin(dir, logDir)); err != nil {
		return nil, fmt.Errorf("%s holds no commit log: %w", dir, err)
	}
	if err := s.readMark(); err != nil && !errors.Is(err, errNotExist) {
		return nil, err
	}
	if s.o.SegmentSize == 0 {
		s.o.SegmentSize = s.guessSegmentSize()
	}
	l, err := segment.Open(segment.Options{Dir: fs.PathJoin(dir, logDir), Size: s.o.SegmentSize, FS: fs, ReadOnly: true})
	if err != nil {
		return nil, fmt.Errorf("opening the commit log in %s: %w", dir, err)
	}
	return l, nil
}

func dumpLog(l *segment.Log, rep *Report, from mq.LogPos, each func(*mq.Record) error) error {
	rep.SegmentSize, rep.Segments = l.Size(), len(l.Files())
	rep.Start = max(from, mq.LogPos(l.Start()))
	sc := newScanner(l, rep.Start)
	for {
		r, err := sc.next()
		var corrupt *CorruptError
		switch {
		case err == nil:
			rep.Records++
			rep.Bytes += int64(r.Size)
			rep.End = mq.LogPos(sc.pos)
			if err := each(&r); err != nil {
				return err
			}
			continue
		case errors.As(err, &corrupt):
			rep.find("%s, position %d: %s", corrupt.File, corrupt.Offset, corrupt.Reason)
		case errors.Is(err, io.EOF):
			if !goesOn(l, sc.pos) {
				rep.End = max(rep.End, rep.Start)
				return nil
			}
			rep.find("%s/%s, position %d: no record, but the log goes on in a later segment", logDir, segment.Name(l.SegmentOf(sc.pos)), sc.pos)
		default:
			return err
		}
		if !sc.skip() {
			return nil
		}
	}
}

// goesOn reports whether a later segment than that of pos starts with
// something.
func goesOn(l *segment.Log, pos int64) bool {
	for next := l.SegmentOf(pos) + l.Size(); next < l.Extent(); next += l.Size() {
		var head [mq.BlankSize]byte
		if n, _ := l.ReadAt(head[:], next); n == len(head) && head != [mq.BlankSize]byte{} {
			return true
		}
	}
	return false
}

// skip moves from something that is not a whole record to what looks like the
// next one, or to the next segment. It returns false if there is none.
func (sc *scanner) skip() bool {
	end := sc.log.SegmentOf(sc.pos) + sc.log.Size()
	if b, err := sc.window(mq.BlankSize); err == nil && len(b) >= mq.BlankSize {
		// Only the contents may be wrong: then its size leads to a record.
		r, _, _ := mq.DecodeRecord(b)
		if next := sc.pos + int64(r.Size); r.Size >= mq.MinRecordSize && next < end && sc.recordAt(next) {
			sc.pos = next
			return true
		}
	}
	sc.pos = end
	return end < sc.extent
}

// recordAt reports whether something that says it is a record or a filler
// starts at pos.
func (sc *scanner) recordAt(pos int64) bool {
	var head [mq.RecordPosAt + 8]byte
	if n, _ := sc.log.ReadAt(head[:], pos); n < len(head) {
		return false
	}
	_, _, err := mq.DecodeRecord(head[:])
	return errors.Is(err, mq.ErrRecordTorn) || errors.Is(err, mq.ErrRecordBlank)
}

// Verify reads the whole log and compares the index with it. It changes
// nothing; the broker must be stopped. An error means that it could not look,
// not that something was wrong: that is in the report. progress, if not nil,
// is told now and then how far it is.
func Verify(fs vfs.FS, dir string, progress func(pos, end mq.LogPos)) (rep Report, err error) {
	if fs == nil {
		fs = vfs.Default
	}
	l, err := openLog(fs, dir)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	unlock, err := lockForVerify(fs, dir)
	if err != nil {
		return rep, err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	v := &verifier{rep: &rep, start: mq.LogPos(l.Start()), cursors: map[mq.Queue]*cursor{}}
	if _, serr := fs.Stat(fs.PathJoin(dir, StateDir)); serr != nil {
		rep.find("%s is missing; the index is rebuilt when the broker starts", StateDir)
	} else if v.rows, err = openRows(fs, fs.PathJoin(dir, StateDir), slog.New(slog.DiscardHandler), true); err != nil {
		return rep, err
	} else {
		defer func() { err = errors.Join(err, v.rows.db.Close()) }()
		if err := v.begin(); err != nil {
			return rep, err
		}
	}
	said, extent := mq.LogPos(0), mq.LogPos(l.Extent())
	err = dumpLog(l, &rep, 0, func(r *mq.Record) error {
		if progress != nil && r.Pos-said > progressBytes {
			said = r.Pos
			progress(r.Pos, extent)
		}
		return v.compare(r)
	})
	if err == nil && v.rows != nil {
		err = v.count()
	}
	return rep, err
}

// lockForVerify keeps brokers away from a directory until unlock is called. A
// directory without a lock file has never had one and gets none.
func lockForVerify(fs vfs.FS, dir string) (unlock func() error, err error) {
	path := fs.PathJoin(dir, lockFile)
	if _, err := fs.Stat(path); isNotExist(err) {
		return func() error { return nil }, nil
	}
	lock, err := fs.Lock(path)
	if err == nil {
		return lock.Close, nil
	}
	why := barred(err)
	if why == "" {
		why = "a broker is using this directory; stop it first"
	}
	return nil, fmt.Errorf("%s cannot be verified: %s: %w", dir, why, err)
}

const (
	progressBytes = 256 << 20
	maxCursors    = 4096
)

// A verifier compares the index with the log.
type verifier struct {
	rep       *Report
	rows      *rows // nil: there is no index
	start     mq.LogPos
	forgotten map[string]mq.LogPos
	matched   int64
	cursors   map[mq.Queue]*cursor
}

// A cursor is the block of a queue that was last looked at.
type cursor struct {
	first   mq.QueueOffset
	entries []entry
}

// begin reads checkpoint and forgotten topics.
func (v *verifier) begin() error {
	row, err := v.rows.get([]byte{rowCheckpoint})
	if err == nil {
		var ck checkpoint
		if ck, err = decodeCheckpoint(row); err == nil {
			v.rep.Checkpoint = ck.pos
		}
	}
	if err != nil {
		v.rep.find("there is no usable checkpoint, the index is rebuilt when the broker starts: %v", err)
	}
	s := &Store{rows: v.rows}
	v.forgotten, err = s.forgotten(0)
	return err
}

// compare looks up the entries of a record.
func (v *verifier) compare(r *mq.Record) error {
	if v.rows == nil || r.Pos >= v.rep.Checkpoint {
		return nil
	}
	for q, offset := range entriesOf(r, "") {
		if r.Pos < v.forgotten[q.Topic] {
			continue
		}
		if err := v.compareIn(q, offset, r); err != nil {
			return err
		}
	}
	return nil
}

// compareIn looks up a record's entry in one queue.
func (v *verifier) compareIn(q mq.Queue, offset mq.QueueOffset, r *mq.Record) error {
	c := v.cursors[q]
	if c == nil {
		if len(v.cursors) >= maxCursors {
			clear(v.cursors)
		}
		c = &cursor{}
		v.cursors[q] = c
	}
	if i := offset - c.first; i < 0 || i >= mq.QueueOffset(len(c.entries)) {
		if err := v.move(c, q, offset); err != nil {
			return err
		}
	}
	i := offset - c.first
	if i < 0 || i >= mq.QueueOffset(len(c.entries)) {
		v.rep.find("%s/%d offset %d at position %d is not in the index", q.Topic, q.ID, offset, r.Pos)
		return nil
	}
	want := entryOf(r)
	if got := c.entries[i]; got != want {
		v.rep.find("%s/%d offset %d: the index says position %d, size %d, tag code %d, stored at %d; the log says %d, %d, %d, %d",
			q.Topic, q.ID, offset, got.pos, got.size, got.tag, got.time, want.pos, want.size, want.tag, want.time)
		return nil
	}
	v.matched++
	return nil
}

// move puts a cursor on the block that holds offset, if there is one.
func (v *verifier) move(c *cursor, q mq.Queue, offset mq.QueueOffset) error {
	c.entries = c.entries[:0]
	it, err := v.rows.blocks(q)
	if err != nil {
		return err
	}
	if it.seek(offset) {
		var corrupt *CorruptError
		if c.first, c.entries, err = it.entries(c.entries); errors.As(err, &corrupt) {
			v.rep.find("%s", corrupt.Reason)
			c.entries, err = c.entries[:0], nil
		}
	}
	return errors.Join(err, it.it.Error(), it.close())
}

// count makes sure that the index has no entries beyond those that matched.
func (v *verifier) count() error {
	present := int64(0)
	var scratch []entry
	lights, last := int64(0), mq.Queue{}
	err := v.rows.scan([]byte{rowIndex}, []byte{rowIndex + 1}, func(key, value []byte) error {
		q, end, err := parseBlockKey(key)
		if err == nil {
			scratch, err = decodeBlock(scratch[:0], value)
		}
		if err != nil {
			v.rep.find("block %s/%d up to %d: %v", q.Topic, q.ID, end, err)
			return nil
		}
		if q != last && mq.IsLight(q.Topic) {
			lights++
		}
		last = q
		for _, e := range scratch {
			if v.rep.Entries++; e.pos >= v.start {
				present++
			}
		}
		return nil
	})
	if err == nil {
		var row lightRow
		if row, err = v.rows.lightRow(); err == nil && row.queues != lights {
			v.rep.find("the index has %d light queues, their row says %d", lights, row.queues)
		}
	}
	if err == nil && present != v.matched {
		v.rep.find("the index has %d entries for what the log holds, %d of them match a record", present, v.matched)
	}
	return err
}
