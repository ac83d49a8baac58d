package store

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/segment"
)

// A Store keeps messages. All methods are safe for concurrent use.
type Store struct {
	o        Options
	log      *slog.Logger
	lock     io.Closer
	seg      *segment.Log
	rows     *rows
	table    *table
	keys     keyIndex
	notebook notebook
	ahead    int64 // how much space is prepared ahead of the log's end
	tail     tail
	// decoded are blocks of the queue index that were read lately.
	decoded decodedBlocks
	old     ahead

	flights flights
	readers readers
	stats   counters
	syncs   *meter.Histogram // microseconds that syncing the log took
	puts    *meter.Histogram // milliseconds from Append to Done
	writer  writer
	// appended is scratch memory of publish.
	appended []Appended

	mu struct {
		// Mutex orders appends: it guards what follows, and the reserved ends
		// of all queues. It is held for a few hundred nanoseconds; while it is
		// held only the lock of a queue may be taken.
		sync.Mutex
		idle      *sync.Cond // something left line or unsynced
		end       mq.LogPos  // reserved
		written   mq.LogPos  // without a hole
		line      line       // reserved and not yet written without a hole
		unsynced  line       // written and waiting for a sync (FlushSync)
		inFlight  int64      // bytes in line and unsynced,
		lined     int64      // and of those in line
		writing   bool       // somebody writes what is in line
		storeTime int64      // the newest that was given out
		closed    bool
		failure   error // why nothing is accepted
		fatal     error // the part of it that only a restart can end
	}
	// Published ends of the log, as mq.LogPos.
	committed, indexed, synced, checkpointed atomic.Int64

	// syncing lets one sync of the log run at a time, with what it publishes.
	syncing sync.Mutex
	// index lets one goroutine at a time change the queue index in the key
	// store; it guards what follows. Store.mu and the table's lock may be
	// taken while it is held.
	index       sync.Mutex
	block       []byte    // scratch memory of addBlocks
	lastStored  int64     // store time of the newest entry in a block
	lastDurable time.Time // when a checkpoint was last synced; zero: not since Open

	dirty struct {
		sync.Mutex    // guards the lists; taken last
		queues, spare []*queue
	}

	diskFull atomic.Pointer[refusal] // nil while there is space
	disk     atomic.Pointer[DiskUsage]
	// removing lets one goroutine at a time remove segments, with what indexes
	// know of them. It is taken before watching.
	removing sync.Mutex
	// watching lets one goroutine at a time look at the disk, and set space
	// aside after that look.
	watching sync.Mutex
	limits   atomic.Pointer[limits]

	wantSpace chan struct{} // capacity 1: less than half of ahead is left, or aheadOf is much more
	wantSync  chan struct{} // capacity 1: unsynced is not empty
}

// refusal is why the disk takes no messages.
type refusal struct{ err error }

// Run keeps the store going until ctx ends: it syncs the log, writes
// checkpoints, sets space aside, removes what is too old and watches the disk.
func (s *Store) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	wg.Go(func() { s.prepare(ctx) })
	wg.Go(func() { s.flush(ctx) })
	wg.Go(func() { s.keep(ctx) })
	wg.Go(func() { s.learn(ctx) })
	if !s.keys.off {
		wg.Go(func() { s.indexKeys(ctx) })
	}
	if s.o.Flush == FlushSync {
		wg.Go(func() { s.serveSyncs(ctx) })
	}
	wg.Wait()
	return nil
}

// prepare keeps space set aside ahead of the reserved end.
func (s *Store) prepare(ctx context.Context) {
	said := false
	for {
		s.mu.Lock()
		end := int64(s.mu.end)
		s.mu.Unlock()
		var rest <-chan time.Time
		wake := s.wantSpace
		err := s.setAside(end+s.ahead, false)
		if err == nil {
			err = s.setAsideMore(ctx, s.aheadOf(end))
		}
		if err != nil {
			if !said {
				// Append finds out itself if the space is really needed.
				s.log.Warn("setting aside space for the commit log failed, will try again", "error", err)
			}
			rest, wake = time.After(time.Second), nil
		}
		said = err != nil
		select {
		case <-ctx.Done():
			return
		case <-wake:
		case <-rest:
		}
	}
}

// flush syncs the log and writes a checkpoint in every FlushInterval.
func (s *Store) flush(ctx context.Context) {
	tick := time.NewTicker(s.o.FlushInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.syncLog(); err != nil {
			continue // said when it happened
		}
		if err := s.writeCheckpoint(); err != nil {
			s.log.Error("writing the queue index failed", "error", err)
		}
	}
}

// serveSyncs syncs the log whenever somebody waits for it. What arrives while
// one sync runs shares the next.
func (s *Store) serveSyncs(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.wantSync:
			_ = s.syncLog() // said when it happened
		}
	}
}

// keep looks after the disk once a second.
func (s *Store) keep(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.repair()
			s.watchDisk()
			s.coolTail()
			s.old.cool()
			if err := s.removeOld(now); err != nil {
				s.log.Error("removing old messages failed", "error", err)
			}
		}
	}
}

// repair makes the log usable again after a failed write: once nothing is
// under way any more, whatever was written behind the last good record is
// overwritten with zeros, so that it can never be taken for a record. If even
// that fails, messages stay refused until the next try.
func (s *Store) repair() {
	s.mu.Lock()
	broken := s.mu.failure != nil && s.mu.fatal == nil && s.mu.line.head == nil && !s.mu.writing
	end := s.mu.end
	s.mu.Unlock()
	if !broken {
		return
	}
	err := s.seg.Cut(int64(end))
	if err == nil {
		// There may have been nothing to overwrite, which proves nothing.
		err = s.seg.WriteAt(make([]byte, mq.BlankSize), int64(end))
	}
	switch {
	case errors.Is(err, segment.ErrSync):
		// It may have been the sync of what others wait for.
		s.syncing.Lock()
		defer s.syncing.Unlock()
		_ = s.syncFailed(err) // says it
		return
	case err != nil:
		s.log.Warn("repairing the commit log failed, will try again", "pos", end, "error", err)
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.fatal == nil {
		s.mu.failure = nil
		s.log.Info("the commit log is repaired, messages are accepted again", "pos", end)
	}
}

// Close syncs everything and closes the store. Run must have ended, if it was
// called. Batches that are still under way are finished first; later ones are
// refused.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return nil
	}
	s.mu.closed = true
	s.mu.Unlock()
	s.writeOut()
	err := s.syncLog()
	if err == nil {
		err = s.writeCheckpoint()
	}
	return errors.Join(err, s.shut())
}

// shut closes the files.
func (s *Store) shut() error {
	s.old.close()
	var errs []error
	if s.rows != nil {
		errs = append(errs, s.rows.db.Close())
	}
	if s.seg != nil {
		errs = append(errs, s.seg.Close())
	}
	if s.lock != nil {
		errs = append(errs, s.lock.Close())
	}
	return errors.Join(errs...)
}

// Keys are the rows beside the log for the broker's own state.
func (s *Store) Keys() *Keys { return &Keys{s.rows} }

// LogBounds are the positions of the oldest byte of the log and behind the
// last one that can be read.
func (s *Store) LogBounds() (lo, hi mq.LogPos) {
	return mq.LogPos(s.seg.Start()), mq.LogPos(s.committed.Load())
}

// Synced is the position up to which the log is on stable storage.
func (s *Store) Synced() mq.LogPos { return mq.LogPos(s.synced.Load()) }

// Writable says why messages are refused; nil if they are not.
func (s *Store) Writable() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.refusalLocked(0, false)
}
