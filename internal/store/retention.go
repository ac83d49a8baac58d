package store

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// removePerTurn is how many segments are removed at a time, so that a disk is
// not kept busy with removing.
const removePerTurn = 4

// rowsReserve is how many bytes must be free for the key store to be written,
// or half of Options.Reserve if that is less.
const rowsReserve = 32 << 20

// DiskUsage is how full the disk under the store is.
type DiskUsage struct {
	Total, Free int64 // bytes; both zero if the file system does not say
	Used        int   // percent
}

// DiskUsage is what the last look at the disk found, at most a second ago
// while Run runs.
func (s *Store) DiskUsage() DiskUsage {
	if d := s.disk.Load(); d != nil {
		return *d
	}
	return DiskUsage{}
}

// watchDisk looks how full the disk is and decides whether messages are
// accepted.
func (s *Store) watchDisk() {
	usage, err := s.o.FS.GetDiskUsage(s.o.Dir)
	if err != nil {
		return
	}
	d := DiskUsage{Total: int64(usage.TotalBytes), Free: int64(usage.AvailBytes)}
	if all := usage.UsedBytes + usage.AvailBytes; all > 0 {
		d.Used = int(100 * usage.UsedBytes / all)
	}
	s.disk.Store(&d)
	full := s.judge(d)
	before := s.diskFull.Load()
	s.diskFull.Store(full)
	s.rows.full.Store(nil)
	if full != nil && d.Free < min(s.o.Reserve/2, rowsReserve) {
		s.rows.full.Store(full)
	}
	switch {
	case full != nil && before == nil:
		s.log.Error("messages are refused", "reason", full.err)
	case full == nil && before != nil:
		s.log.Info("there is space on the disk, messages are accepted again", "free_bytes", d.Free)
	}
}

// judge says why a disk in this state takes no messages; nil if it does.
func (s *Store) judge(d DiskUsage) *refusal {
	switch {
	case d.Free < s.o.Reserve:
		return &refusal{fmt.Errorf("%w: %d MiB are free in %s, %d MiB must stay free (disk-reserve); free some space or shorten retention",
			mq.ErrDiskFull, d.Free>>20, s.o.Dir, s.o.Reserve>>20)}
	case s.o.DiskStopWrites < 100 && d.Used >= s.o.DiskStopWrites:
		return &refusal{fmt.Errorf("%w: the disk of %s is %d%% full, the limit is %d%% (disk-stop-writes); free some space or shorten retention",
			mq.ErrDiskFull, s.o.Dir, d.Used, s.o.DiskStopWrites)}
	}
	return nil
}

// removeOld removes segments whose messages are all too old, or the oldest if
// the disk is too full. The one that is being written stays.
func (s *Store) removeOld(now time.Time) error {
	used := s.DiskUsage().Used
	removed := 0
	for ; removed < removePerTurn; removed++ {
		files := s.seg.Files()
		// A segment must be behind the checkpoint too: the index remembers
		// where queues end only from blocks.
		if len(files) < 2 || files[1].Start > s.checkpointed.Load() {
			break
		}
		forced := s.o.DiskForceClean < 100 && used >= s.o.DiskForceClean
		expired := now.Sub(files[0].Modified) > s.o.Retention && (s.mayRemoveAt(now) || used >= s.o.DiskMaxUsed)
		if !forced && !expired {
			break
		}
		if s.o.MayRemove != nil && !s.o.MayRemove(mq.LogPos(files[1].Start)) {
			break
		}
		start, err := s.seg.RemoveFirst()
		if err != nil {
			return err
		}
		s.log.Info("removed the oldest segment of the log", "segment_start", files[0].Start,
			"log_start", start, "newest_message", files[0].Modified, "disk_used_percent", used, "forced", forced && !expired)
		if forced {
			s.watchDisk()
			used = s.DiskUsage().Used
		}
	}
	if removed == 0 {
		return nil
	}
	return s.trimIndex(mq.LogPos(s.seg.Start()))
}

func (s *Store) mayRemoveAt(now time.Time) bool {
	return len(s.hours) == 0 || slices.Contains(s.hours, now.Hour())
}

// trimIndex deletes the blocks whose messages all lie before start, but for
// the last of each queue, which remembers where the queue ends.
func (s *Store) trimIndex(start mq.LogPos) error {
	s.index.Lock()
	defer s.index.Unlock()
	b := s.rows.db.NewBatch()
	var before []byte // key of the block before, if it may go
	err := s.rows.scan([]byte{rowIndex}, []byte{rowIndex + 1}, func(key, value []byte) error {
		h, _, err := decodeHead(value)
		if err != nil {
			return indexError(err.Error())
		}
		if len(before) > 0 && slices.Equal(before[:len(before)-8], key[:len(key)-8]) {
			if err := b.Delete(before, nil); err != nil {
				return err
			}
		}
		before = before[:0]
		if h.lastPos < start {
			before = append(before, key...)
		}
		return nil
	})
	if err == nil {
		err = b.DeleteRange(forgottenFrom(0), forgottenFrom(start), nil)
	}
	if err == nil {
		err = s.trimKeys(b, start)
	}
	if err != nil {
		return errors.Join(err, b.Close())
	}
	return s.rows.apply(b, false)
}
