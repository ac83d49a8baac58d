package store

import (
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"log/slog"
	"math"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/segment"
)

// Names in Options.Dir. docs/FORMAT.md describes what is behind them.
const (
	logDir = "commitlog"
	// StateDir is the directory of the key store in that of the data.
	StateDir   = "state"
	lockFile   = "lock" // RocketMQ's brokers lock a file of this name too
	markerFile = "goddard.store"

	markerFormat = "goddard store 1\nsegment-size %d\n"

	// prepareAhead is how much space is set aside ahead of the log's end.
	prepareAhead = 32 << 20
)

// Open opens the store in o.Dir, or makes one if the directory is empty or
// missing, and recovers what a crash left. It starts nothing.
func Open(o Options) (*Store, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("store: %w", err)
	}
	o = o.WithDefaults()
	s := &Store{o: o, log: o.Log, wantSpace: make(chan struct{}, 1), wantSync: make(chan struct{}, 1), syncs: meter.NewHistogram(meter.SyncBounds), puts: meter.NewHistogram(meter.PutBounds)}
	s.mu.idle = sync.NewCond(&s.mu.Mutex)
	s.writer.rest = s.writeRest
	s.tail.from.Store(tailOff)
	s.readers.tail = &s.tail
	if err := s.open(); err != nil {
		return nil, errors.Join(err, s.shut())
	}
	return s, nil
}

func (s *Store) open() error {
	fs, dir := s.o.FS, s.o.Dir
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("the data directory cannot be made: %w", err)
	}
	if err := ours(fs, dir); err != nil {
		return err
	}
	lock, err := fs.Lock(fs.PathJoin(dir, lockFile))
	if why := barred(err); why != "" && !errors.Is(err, syscall.EAGAIN) {
		return fmt.Errorf("%s cannot be opened: %s: %w", dir, why, err)
	} else if errors.Is(err, syscall.EAGAIN) {
		return fmt.Errorf("%s is in use by another process; stop that process or choose another directory", dir)
	} else if err != nil {
		return fmt.Errorf("%s is in use by another process; stop that process or choose another directory: %w", dir, err)
	}
	s.lock = lock
	if err := s.mark(); err != nil {
		return err
	}
	s.setLimits(s.o)
	for _, name := range []string{logDir, StateDir} {
		if err := fs.MkdirAll(fs.PathJoin(dir, name), 0o755); err != nil {
			return fmt.Errorf("store: %w", err)
		}
	}
	if err := syncDir(fs, dir); err != nil {
		return err
	}
	// The directory itself must be found after a crash too. Where its parent
	// is not ours to open, somebody else has made it.
	_ = syncDir(fs, fs.PathDir(dir))
	s.ahead = min(prepareAhead, s.o.SegmentSize)
	s.seg, err = segment.Open(segment.Options{
		Dir: fs.PathJoin(dir, logDir), Size: s.o.SegmentSize, Ahead: s.ahead, FS: fs,
	})
	if err != nil {
		return fmt.Errorf("opening the commit log in %s: %w", dir, err)
	}
	s.old.log, s.old.near, s.old.stored = s.seg, aheadNear, &s.committed
	s.old.room = aheadRoom(debug.SetMemoryLimit(-1))
	if s.rows, err = openRows(fs, fs.PathJoin(dir, StateDir), s.log, false); err != nil {
		return err
	}
	s.table = newTable(s.rows)
	s.table.made = s.o.LightMade
	row, err := s.rows.lightRow()
	if err != nil {
		return err
	}
	s.table.lights.load(row)
	if err := s.recover(); err != nil {
		return err
	}
	s.seg.ExpectJumps()
	// Where the log says so, replaying it puts a queue before the floor.
	s.table.lights.floor.Store(int64(row.floor))
	s.table.lights.limit.Store(s.o.MaxLightQueues)
	if err := s.openKeys(); err != nil {
		return err
	}
	s.watchDisk()
	return nil
}

// ours returns an error unless a directory holds a store, RocketMQ's or our
// own, or nothing.
func ours(fs vfs.FS, dir string) error {
	names, err := fs.List(dir)
	if err != nil {
		return fmt.Errorf("the data directory cannot be read: %w", err)
	}
	names = slices.DeleteFunc(names, func(name string) bool {
		return name == lockFile || name == "lost+found" || strings.HasPrefix(name, markerFile)
	})
	if len(names) == 0 || rocketmqs(fs, fs.PathJoin(dir, logDir)) {
		return nil
	}
	if _, err := fs.Stat(fs.PathJoin(dir, markerFile)); err == nil {
		return nil
	}
	slices.Sort(names)
	return fmt.Errorf("%s holds %q but no message store; choose an empty directory, or move its files away", dir, names[0])
}

// rocketmqs reports whether a directory looks like a commit log: it holds
// segments and nothing else.
func rocketmqs(fs vfs.FS, dir string) bool {
	names, err := fs.List(dir)
	return err == nil && !slices.ContainsFunc(names, func(name string) bool {
		_, ok := segment.ParseName(name)
		return !ok
	})
}

// mark reads the file that says which format and segment size a store has, or
// writes it.
func (s *Store) mark() error {
	err := s.readMark()
	if errors.Is(err, errNotExist) {
		if s.o.SegmentSize == 0 {
			s.o.SegmentSize = s.guessSegmentSize()
		}
		return s.writeMark()
	}
	return err
}

// readMark takes the segment size from the marker, or compares it.
func (s *Store) readMark() error {
	path := s.o.FS.PathJoin(s.o.Dir, markerFile)
	text, err := readFile(s.o.FS, path)
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	var size int64
	if _, err := fmt.Sscanf(string(text), markerFormat, &size); err != nil {
		return fmt.Errorf("%s is %q, which this version does not know; open the directory with the version that made it", path, text)
	}
	if s.o.SegmentSize == 0 {
		s.o.SegmentSize = size
	}
	if s.o.SegmentSize != size {
		return fmt.Errorf("the log in %s was made with segments of %d bytes, not %d; set segment-size (mappedFileSizeCommitLog) to %d",
			s.o.Dir, size, s.o.SegmentSize, size)
	}
	return nil
}

// guessSegmentSize is the size that the files of a log have, if it has
// several, or else the default.
func (s *Store) guessSegmentSize() int64 {
	starts, err := segment.Starts(s.o.FS, s.o.FS.PathJoin(s.o.Dir, logDir))
	if err != nil || len(starts) < 2 {
		return defaultSegmentSize
	}
	return starts[1] - starts[0]
}

func (s *Store) writeMark() error {
	path := s.o.FS.PathJoin(s.o.Dir, markerFile)
	temporary := path + ".new"
	f, err := s.o.FS.Create(temporary, vfs.WriteCategoryUnspecified)
	if err == nil {
		_, err = fmt.Fprintf(f, markerFormat, s.o.SegmentSize)
		err = errors.Join(err, f.Sync(), f.Close())
	}
	if err == nil {
		err = s.o.FS.Rename(temporary, path)
	}
	if err != nil {
		return fmt.Errorf("the data directory is not writable: %w", err)
	}
	return nil
}

// errNotExist is what every file system returns for a missing file.
var errNotExist = errors.New("file does not exist")

// readFile reads a small file.
func readFile(fs vfs.FS, path string) ([]byte, error) {
	f, err := fs.Open(path)
	if err != nil {
		if isNotExist(err) {
			return nil, errNotExist
		}
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(f, 4096))
	return text, errors.Join(err, f.Close())
}

func syncDir(fs vfs.FS, dir string) error {
	d, err := fs.OpenDir(dir)
	if err == nil {
		err = errors.Join(d.Sync(), d.Close())
	}
	if err != nil {
		return fmt.Errorf("store: %w", err)
	}
	return nil
}

// openRows opens the key store.
func openRows(fs vfs.FS, dir string, log *slog.Logger, readOnly bool) (*rows, error) {
	wal := &walFS{FS: fs}
	cache := pebble.NewCache(8 << 20)
	defer cache.Unref()
	db, err := pebble.Open(dir, &pebble.Options{
		FS:                         wal,
		Cache:                      cache,
		FormatMajorVersion:         pebble.FormatNewest,
		Logger:                     pebbleLog{log},
		MemTableSize:               4 << 20,
		MaxOpenFiles:               256,
		ReadOnly:                   readOnly,
		CompactionConcurrencyRange: func() (int, int) { return 1, 1 },
	})
	if why := barred(err); why != "" {
		return nil, fmt.Errorf("the key store in %s cannot be opened: %s: %w", dir, why, err)
	} else if err != nil {
		return nil, fmt.Errorf("the key store in %s cannot be opened; restore it from a copy, or move it away: the index is then rebuilt from the log, but topics, groups and consumer offsets are lost: %w", dir, err)
	}
	return &rows{db: db, wal: wal}, nil
}

// pebbleLog hands what Pebble says to our log.
type pebbleLog struct{ log *slog.Logger }

// Infof implements pebble.Logger.
func (l pebbleLog) Infof(format string, args ...any) {
	l.log.Debug("key store: " + fmt.Sprintf(format, args...))
}

// Errorf implements pebble.Logger.
func (l pebbleLog) Errorf(format string, args ...any) {
	l.log.Error("key store: " + fmt.Sprintf(format, args...))
}

// Fatalf implements pebble.Logger. Pebble calls it when its write-ahead log
// cannot be written, after which nothing works any more.
func (l pebbleLog) Fatalf(format string, args ...any) {
	msg := "key store: " + fmt.Sprintf(format, args...)
	l.log.Error(msg)
	panic(msg)
}

// recover finds the end of the log, cuts what lies behind it and brings the
// index up to it.
func (s *Store) recover() error {
	from, rebuild, err := s.resumeAt()
	if err != nil {
		return err
	}
	s.setEnd(from)
	s.synced.Store(int64(from))
	s.checkpointed.Store(int64(from))
	s.seg.Touch(int64(from))
	end, err := s.replay(from, rebuild)
	if err != nil {
		return err
	}
	if err := s.seg.Cut(int64(end)); err != nil {
		return fmt.Errorf("clearing the commit log behind its end: %w", err)
	}
	s.setEnd(end)
	if end > from || rebuild {
		s.log.Info("recovered the commit log", "from", from, "end", end, "index_rebuilt", rebuild)
	}
	if err := s.syncLog(); err != nil {
		return err
	}
	// This one is synced, even if there is nothing in it: a missing checkpoint
	// means from here on that the index was lost.
	return s.writeCheckpoint()
}

// setEnd notes that everything up to end is written and indexed.
func (s *Store) setEnd(end mq.LogPos) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.end, s.mu.written = end, end
	s.mu.storeTime = max(s.mu.storeTime, s.lastStored)
	s.committed.Store(int64(end))
	s.indexed.Store(int64(end))
}

// resumeAt is the log position from which on records may lack their entry. If
// that is because the index is missing or cannot belong to this log, it is
// emptied and rebuild is set.
func (s *Store) resumeAt() (from mq.LogPos, rebuild bool, err error) {
	lo, hi := mq.LogPos(s.seg.Start()), mq.LogPos(s.seg.Extent())
	row, err := s.rows.get([]byte{rowCheckpoint})
	if errors.Is(err, mq.ErrNotFound) {
		return lo, hi > lo, s.dropIndex()
	}
	if err != nil {
		return 0, false, err
	}
	ck, err := decodeCheckpoint(row)
	switch {
	case len(s.seg.Files()) == 0 && (err != nil || ck.pos > 0):
		return 0, false, fmt.Errorf("%s is empty, but the queue index has followed a log up to position %d; mount the volume that the log lies on, or restore the log from a copy; to begin anew without its messages choose an empty directory",
			s.o.FS.PathJoin(s.o.Dir, logDir), ck.pos)
	case err != nil:
		s.log.Warn("the checkpoint of the queue index is unreadable, the index is rebuilt", "log_end", hi, "error", err)
		return lo, true, s.dropIndex()
	case ck.pos > hi:
		s.log.Warn("the queue index is ahead of the log and is rebuilt", "checkpoint", ck.pos, "log_end", hi)
		return lo, true, s.dropIndex()
	case ck.pos < lo:
		s.log.Warn("segments of the log are missing that were not indexed", "checkpoint", ck.pos, "log_start", lo)
	}
	s.lastStored = ck.storeTime
	return max(ck.pos, lo), false, nil
}

// dropIndex deletes blocks and checkpoint, but not what was forgotten.
func (s *Store) dropIndex() error {
	b := s.rows.db.NewBatch()
	err := errors.Join(
		b.DeleteRange([]byte{rowIndex}, []byte{rowIndex + 1}, nil),
		b.DeleteRange([]byte{rowKeyBlock}, []byte{rowKeyBlock + 1}, nil),
		b.Delete([]byte{rowCheckpoint}, nil),
		s.setLightRow(b, 0))
	if err != nil {
		return errors.Join(err, b.Close())
	}
	s.table.lights.kept = 0
	s.table.lights.number.Store(0)
	return s.rows.apply(b, true)
}

// forgotten is the log position below which a topic's messages no longer
// count, for topics forgotten at or behind from.
func (s *Store) forgotten(from mq.LogPos) (map[string]mq.LogPos, error) {
	below := map[string]mq.LogPos{}
	err := s.rows.scan(forgottenFrom(from), forgottenFrom(math.MaxInt64), func(key, _ []byte) error {
		if len(key) < 9 {
			return indexError(fmt.Sprintf("key %x", key))
		}
		below[string(key[9:])] = mq.LogPos(lastOffset(key[:9]))
		return nil
	})
	return below, err
}

// isNotExist reports whether a file system says that a file is missing.
func isNotExist(err error) bool { return errors.Is(err, iofs.ErrNotExist) }
