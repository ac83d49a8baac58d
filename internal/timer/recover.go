package timer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// replay is the part of the queue that was read before the last restart, and
// some of whose messages may have waited in memory alone.
type replay struct {
	to mq.QueueOffset // the queue's end when it was opened
	// done are, sorted, the positions of messages that are done with.
	done []mq.LogPos
	// holds keeps deliveries back, so that their order is that of due times
	// and what was called back is known.
	holds bool
}

// over reports whether a message waits no more, or was called back.
func (r *replay) over(pos mq.LogPos) bool {
	_, done := slices.BinarySearch(r.done, pos)
	return done
}

// finished notes that a message waits no more.
func (r *replay) finished(pos mq.LogPos) {
	if r.to > 0 {
		i, _ := slices.BinarySearch(r.done, pos)
		r.done = slices.Insert(r.done, i, pos)
	}
}

// passed notes that the queue was read up to an offset.
func (r *replay) passed(offset mq.QueueOffset) {
	if offset >= r.to {
		*r = replay{}
	}
}

// A doneRow is a row of messages that wait no more.
type doneRow struct {
	key  mq.LogPos // of the last copy
	last mq.LogPos // where the last message lies
}

// recover brings the rows in line with a log that may have lost its end in a
// power cut: what it does not hold does not wait, and what was delivered into
// the part that is gone waits again.
func (a *Agenda) recover() error {
	_, hi := a.opts.Store.LogBounds()
	keys := a.opts.Store.Keys()
	v, err := keys.Get([]byte(rowIndexed))
	switch {
	case errors.Is(err, mq.ErrNotFound):
	case err != nil:
		return fmt.Errorf("timer: %w", err)
	case len(v) != indexedSize:
		return fmt.Errorf("timer: row %q has %d bytes, want %d", rowIndexed, len(v), indexedSize)
	default:
		a.indexed = mq.QueueOffset(binary.BigEndian.Uint64(v))
		a.end = mq.LogPos(binary.BigEndian.Uint64(v[8:]))
	}
	if err := a.recoverDone(hi); err != nil {
		return err
	}
	if a.end > hi {
		if err := a.forget(hi); err != nil {
			return err
		}
	}
	_, last, err := a.opts.Store.Bounds(wheel)
	a.replay.to, a.replay.holds = last, true
	a.replay.passed(a.indexed)
	return err
}

// recoverDone goes through the rows of what waits no more. Those of earlier versions
// become ours.
func (a *Agenda) recoverDone(hi mq.LogPos) error {
	keys := a.opts.Store.Keys()
	b := keys.Batch()
	changed := false
	look := func(prefix string, decode func([]byte) ([]doneEntry, error)) error {
		return keys.Scan([]byte(prefix), func(key, value []byte) error {
			done, err := decode(value)
			if err != nil {
				return err
			}
			kept := done[:0]
			for _, e := range done {
				if e.copy >= hi {
					b.Set(atKey(e.place), atValue(a.entryAt(e.place)))
				} else {
					kept = append(kept, e)
					a.replay.done = append(a.replay.done, e.pos)
				}
			}
			if prefix == rowDone && len(kept) == len(done) {
				a.done = append(a.done, rowOf(kept))
				return nil
			}
			changed = true
			b.Delete(key)
			if row := rowOf(kept); len(kept) > 0 {
				b.Set(doneKey(row.key), appendDone(nil, kept))
				a.done = append(a.done, row)
			}
			return nil
		})
	}
	err := errors.Join(look(rowSent, decodeSent), look(rowDone, decodeDone))
	if err != nil || !changed {
		b.Drop()
	} else {
		err = keys.Apply(b, a.opts.Sync)
	}
	slices.Sort(a.replay.done)
	return err
}

// entryAt is the entry of a message that waits again. One that cannot be read is
// found out when it is due.
func (a *Agenda) entryAt(p place) entry {
	e := entry{place: p}
	data, err := a.opts.Store.ReadAt(p.pos)
	if err != nil {
		return e
	}
	if r, _, err := mq.DecodeRecord(data); err == nil {
		e.hash, e.size = keyHash(timingOf(r.Properties).key), r.Size
	}
	return e
}

// rowOf says of a row of messages what is to be remembered.
func rowOf(done []doneEntry) (r doneRow) {
	for _, e := range done {
		r.key, r.last = max(r.key, e.copy), max(r.last, e.pos)
	}
	return r
}

// forget removes the rows of messages at or behind the end of the log.
func (a *Agenda) forget(hi mq.LogPos) error {
	keys := a.opts.Store.Keys()
	b := keys.Batch()
	err := scan(keys, place{}, func(e entry) bool {
		if e.pos >= hi {
			b.Delete(atKey(e.place))
		}
		return true
	})
	_, last, berr := a.opts.Store.Bounds(wheel)
	a.indexed, a.end = min(a.indexed, last), hi
	b.Set([]byte(rowIndexed), indexedValue(a.indexed, hi))
	return errors.Join(err, berr, keys.Apply(b, a.opts.Sync))
}

// prune removes rows of messages that wait no more when both are on the disk,
// their copies and that the queue need not be read again from where they lie.
// It returns those that are left, for when b is applied.
func (a *Agenda) prune(b *store.KeyBatch, front mq.LogPos) []doneRow {
	if len(a.done) < a.pruneAt {
		return a.done
	}
	synced := a.opts.Store.Synced()
	left := make([]doneRow, 0, len(a.done)/2)
	for _, r := range a.done {
		if r.key < synced && r.last < front {
			b.Delete(doneKey(r.key))
		} else {
			left = append(left, r)
		}
	}
	a.pruneAt = 2*len(left) + 4
	return left
}
