package store

import (
	"context"
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

// limits are those of the Options that may change while the store runs.
type limits struct {
	Options       // with defaults
	hours   []int // DeleteHour
}

// Options are the settings in force, with the defaults filled in.
func (s *Store) Options() Options { return s.limits.Load().Options }

// Change takes over those fields of o that are tagged live; the others are not
// looked at. None of the numbers may be zero.
func (s *Store) Change(o Options) error {
	s.watching.Lock()
	defer s.watching.Unlock()
	next := s.Options()
	next.Retention, next.DeleteHour, next.Reserve = o.Retention, o.DeleteHour, o.Reserve
	next.MaxLightQueues = o.MaxLightQueues
	next.DiskMaxUsed, next.DiskForceClean, next.DiskStopWrites = o.DiskMaxUsed, o.DiskForceClean, o.DiskStopWrites
	if next.Retention == 0 || next.Reserve == 0 || next.DiskMaxUsed == 0 || next.DiskForceClean == 0 || next.DiskStopWrites == 0 || next.MaxLightQueues == 0 {
		return errors.New("retention, the number of light queues and the disk settings must be more than 0")
	}
	if err := next.Validate(); err != nil {
		return fmt.Errorf("store: %w", err)
	}
	s.setLimits(next)
	return nil
}

// setLimits puts options in force that Validate has seen.
func (s *Store) setLimits(o Options) {
	hours, _ := parseHours(o.DeleteHour)
	s.limits.Store(&limits{o, hours})
	if s.table != nil {
		s.table.lights.limit.Store(o.MaxLightQueues)
	}
}

// watchDisk looks how full the disk is and decides whether messages are
// accepted.
func (s *Store) watchDisk() {
	s.watching.Lock()
	defer s.watching.Unlock()
	s.watchDiskLocked()
}

// watchDiskLocked is watchDisk under Store.watching.
func (s *Store) watchDiskLocked() {
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
	rowsFull := full
	if d.Free >= min(s.limits.Load().Reserve/2, rowsReserve) {
		rowsFull = nil
	}
	s.rows.full.Store(rowsFull)
	switch {
	case full != nil && before == nil:
		s.log.Error("messages are refused", "reason", full.err)
	case full == nil && before != nil:
		s.log.Info("there is space on the disk, messages are accepted again", "free_bytes", d.Free)
	}
}

// setAside prepares the log up to a position, unless that would leave less than
// Options.Reserve free: what is set aside is no longer free at the next look.
// spare lets it use the reserve.
func (s *Store) setAside(upTo int64, spare bool) error {
	s.watching.Lock()
	defer s.watching.Unlock()
	lacking := s.lackingLocked(upTo)
	if lacking <= 0 {
		return nil
	}
	if full := s.diskFull.Load(); full != nil && !spare {
		return full.err
	}
	pieces := (lacking + s.ahead - 1) / s.ahead * s.ahead
	l, d := s.limits.Load(), s.DiskUsage()
	if d.Total > 0 && d.Free-pieces < l.Reserve && !spare {
		return fmt.Errorf("%w: %d MiB are free in %s, the log needs %d KiB more and %d MiB must stay free (disk-reserve); %s",
			mq.ErrDiskFull, d.Free>>20, s.o.Dir, pieces>>10, l.Reserve>>20, s.wayOut(l))
	}
	if err := s.seg.Prepare(upTo); err != nil {
		return writeError(s.o.Dir, err)
	}
	return nil
}

// lackingLocked is how much more has to be set aside for the log to reach a position. If
// it is anything, the disk has just been looked at.
func (s *Store) lackingLocked(upTo int64) int64 {
	lacking := upTo - s.seg.Prepared()
	if lacking > 0 {
		s.watchDiskLocked()
	}
	return lacking
}

// aheadOf is the position up to which space is set aside if it may be, when the log
// ends at end: a little in a log that is new, the rest of its first segment while the
// disk is not yet busy with it, and then the whole next segment. Whoever sets space
// aside in a file keeps its writers waiting: the kernel holds the file's lock while it
// reads from the disk what is free, a tenth of a second and more if that is busy. So it
// is done early there, and later while nobody writes to the file.
func (s *Store) aheadOf(end int64) int64 {
	size := s.seg.Size()
	switch {
	case end < size/16:
		return end + s.ahead
	case end < size/2:
		return size
	}
	return s.seg.SegmentOf(end) + 2*size
}

// moreToSetAside reports whether with a flight it is time to set aside more than a little.
func (s *Store) moreToSetAside(f *flight) bool {
	return int64(f.end) >= s.seg.Size()/16 && s.aheadOf(int64(f.end)) > s.aheadOf(int64(f.start))
}

// setAsideMore prepares the log up to a position that it has not come near yet, until
// ctx ends.
func (s *Store) setAsideMore(ctx context.Context, upTo int64) error {
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = s.setAsidePiece(upTo); err != nil {
			return err
		}
	}
	return nil
}

// setAsidePiece prepares one piece of that, so that nobody who needs room waits for all
// of it, and reports whether there may be more. A disk that is full enough for segments
// to be removed for it, or on which what is lacking is more than an eighth of what is
// free, is left as it is.
func (s *Store) setAsidePiece(upTo int64) (more bool, err error) {
	s.watching.Lock()
	defer s.watching.Unlock()
	lacking := s.lackingLocked(upTo)
	if lacking <= 0 {
		return false, nil
	}
	if d := s.DiskUsage(); d.Total > 0 && (d.Used >= s.limits.Load().DiskMaxUsed || lacking > d.Free/8) {
		return false, nil
	}
	if err := s.seg.Prepare(min(upTo, s.seg.Prepared()+s.ahead)); err != nil {
		return false, writeError(s.o.Dir, err)
	}
	return true, nil
}

// judge says why a disk in this state takes no messages; nil if it does.
func (s *Store) judge(d DiskUsage) *refusal {
	l := s.limits.Load()
	switch {
	case d.Free < l.Reserve:
		return &refusal{fmt.Errorf("%w: %d MiB are free in %s, %d MiB must stay free (disk-reserve); %s",
			mq.ErrDiskFull, d.Free>>20, s.o.Dir, l.Reserve>>20, s.wayOut(l))}
	case l.DiskStopWrites < 100 && d.Used >= l.DiskStopWrites:
		return &refusal{fmt.Errorf("%w: the disk of %s is %d%% full, the limit is %d%% (disk-stop-writes, diskSpaceWarningLevelRatio); %s",
			mq.ErrDiskFull, s.o.Dir, d.Used, l.DiskStopWrites, s.wayOut(l))}
	}
	return nil
}

// wayOut says what helps against a full disk.
func (s *Store) wayOut(l *limits) string {
	if len(s.seg.Files()) < 2 {
		return "remove other files from this disk or enlarge it: the log has only the segment that is being written, so a shorter retention frees nothing"
	}
	return fmt.Sprintf("free some space, or shorten retention (fileReservedTime), which is %s and can be changed while the broker runs", l.Retention)
}

// removeOld removes segments whose messages are all too old, or the oldest if
// the disk is too full. The one that is being written stays.
func (s *Store) removeOld(now time.Time) error {
	s.removing.Lock()
	defer s.removing.Unlock()
	_, err := s.removeLocked(now, false)
	return err
}

// Clean removes at once, and at any hour of the day, the segments whose messages
// are all older than Options.Retention. It returns how many.
func (s *Store) Clean(now time.Time) (int, error) {
	s.removing.Lock()
	defer s.removing.Unlock()
	all := 0
	for {
		removed, err := s.removeLocked(now, true)
		all += removed
		if err != nil || removed == 0 {
			return all, err
		}
	}
}

// Trim deletes what the indexes know of messages that the log no longer has. It
// happens with every removal of a segment anyway.
func (s *Store) Trim() error {
	s.removing.Lock()
	defer s.removing.Unlock()
	return s.trimIndex(mq.LogPos(s.seg.Start()))
}

// removeLocked removes some segments under Store.removing; byHand says that the
// hour of the day does not matter.
func (s *Store) removeLocked(now time.Time, byHand bool) (removed int, err error) {
	used := s.DiskUsage().Used
	l := s.limits.Load()
	for ; removed < removePerTurn; removed++ {
		files := s.seg.Files()
		// A segment must be behind the checkpoint too: the index remembers
		// where queues end only from blocks.
		if len(files) < 2 || files[1].Start > s.checkpointed.Load() {
			break
		}
		forced := l.DiskForceClean < 100 && used >= l.DiskForceClean
		expired := now.Sub(files[0].Modified) > l.Retention && (byHand || l.mayRemoveAt(now) || used >= l.DiskMaxUsed)
		if !forced && !expired {
			break
		}
		if s.o.MayRemove != nil && !s.o.MayRemove(mq.LogPos(files[1].Start)) {
			break
		}
		start, err := s.seg.RemoveFirst()
		if err != nil {
			return removed, err
		}
		s.log.Info("removed the oldest segment of the log", "segment_start", files[0].Start,
			"log_start", start, "newest_message", files[0].Modified, "disk_used_percent", used, "forced", forced && !expired)
		if forced {
			s.watchDisk()
			used = s.DiskUsage().Used
		}
	}
	if removed == 0 {
		return 0, nil
	}
	start := mq.LogPos(s.seg.Start())
	if err := s.trimIndex(start); err != nil {
		return removed, err
	}
	return removed, s.dropLights(start)
}

func (l *limits) mayRemoveAt(now time.Time) bool {
	return len(l.hours) == 0 || slices.Contains(l.hours, now.Hour())
}

// trimIndex deletes the blocks whose messages all lie before start, but for
// the last of each queue, which remembers where the queue ends. Of a light
// queue that goes too.
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
