package store

import (
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// giveBackLocked takes back what a flight reserved that is the oldest of those
// in the line. All behind it fail too, so the offsets end where its own began.
func (s *Store) giveBackLocked(f *flight) {
	s.mu.inFlight -= f.bytes
	for _, r := range f.recs {
		if r.q != nil && r.q.next > r.offset {
			r.q.next = r.offset
		}
	}
	for _, l := range f.lights {
		l.q.next = min(l.q.next, l.offset)
	}
}

// publish makes flights visible to readers and tells their senders. One
// goroutine at a time calls it: the one that set Store.mu.writing or, under
// FlushSync, the one that holds Store.syncing.
func (s *Store) publish(ready line) {
	if ready.head == nil {
		return
	}
	now := time.Now()
	s.appended = s.appended[:0]
	for f := ready.head; f != nil; f = f.next {
		s.committed.Store(int64(f.end))
		s.enter(f)
	}
	if len(s.appended) > 0 {
		s.o.Appended(s.appended)
	}
	for ready.head != nil {
		f := ready.pop()
		s.accept(f, now)
		s.land(f)
	}
}

// reject tells the senders of flights that failed.
func (s *Store) reject(failed line) {
	for failed.head != nil {
		f := failed.pop()
		s.fail(f)
		s.land(f)
	}
}

// enter adds the records of a flight to their queues.
func (s *Store) enter(f *flight) {
	var locked *queue
	lights := f.lights
	for i := range f.recs {
		r := &f.recs[i]
		if r.q != nil {
			locked = s.enterQueue(f, r, r.q, r.offset, locked)
		}
		for len(lights) > 0 && lights[0].rec == i {
			locked = s.enterQueue(f, r, lights[0].q, lights[0].offset, locked)
			lights = lights[1:]
		}
	}
	if locked != nil {
		locked.mu.Unlock()
	}
	if !s.keys.off {
		s.notebook.note(f)
	}
	s.indexed.Store(int64(f.end))
}

// enterQueue adds a record of a flight to a queue, which it locks instead of
// the one that is locked, and returns.
func (s *Store) enterQueue(f *flight, r *rec, q *queue, offset mq.QueueOffset, locked *queue) *queue {
	if q != locked {
		if locked != nil {
			locked.mu.Unlock()
		}
		q.used.Store(true)
		q.mu.Lock()
		s.soilLocked(q)
	}
	q.pushLocked(offset, entry{pos: r.pos, size: r.size, tag: r.tag, time: f.storeTime})
	if s.o.Appended != nil {
		s.appended = append(s.appended, Appended{q.name, offset, r.tag, f.storeTime, f.buf[r.at : r.at+int(r.size)], &f.batch.Sends[r.send]})
	}
	return q
}

// soilLocked sees to it that a queue is on the list of those with entries that
// lack a block. The queue is locked.
func (s *Store) soilLocked(q *queue) {
	if q.mu.dirty {
		return
	}
	q.mu.dirty = true
	s.dirty.Lock()
	s.dirty.queues = append(s.dirty.queues, q)
	s.dirty.Unlock()
}

// accept fills in where the messages of a flight lie.
func (s *Store) accept(f *flight, now time.Time) {
	s.stats.add(f, now)
	s.puts.Observe(now.Sub(f.began).Milliseconds())
	var res *mq.SendResult
	last := int32(-1)
	for i := range f.recs {
		r := &f.recs[i]
		send := &f.batch.Sends[r.send]
		if r.send == last {
			res.MorePos = append(res.MorePos, r.pos)
			continue
		}
		last = r.send
		res = &send.Result
		*res = mq.SendResult{
			Status: mq.SendOK, QueueID: send.QueueID, Offset: r.offset, Pos: r.pos,
			StoreTime: f.storeTime, MorePos: res.MorePos[:0],
		}
		if n := len(send.More); cap(res.MorePos) < n {
			res.MorePos = make([]mq.LogPos, 0, n)
		}
	}
}

// fail gives every message of a flight the flight's error.
func (s *Store) fail(f *flight) {
	for i := range f.recs {
		f.batch.Sends[f.recs[i].send].Err = f.err
	}
}

// land tells the sender and keeps the flight for another batch.
func (s *Store) land(f *flight) {
	b := f.batch
	s.flights.put(f)
	if b.Done != nil {
		b.Done(b)
	}
}

// syncLog syncs the log up to where it is written and, under FlushSync, writes what
// waits for that first and publishes it then.
func (s *Store) syncLog() error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	s.writeBeforeSync()
	s.mu.Lock()
	target, fatal := s.mu.written, s.mu.fatal
	s.mu.Unlock()
	if fatal != nil {
		return fatal
	}
	if target > mq.LogPos(s.synced.Load()) {
		began := time.Now()
		if err := s.seg.Sync(); err != nil {
			return s.syncFailed(err)
		}
		s.syncs.Observe(time.Since(began).Microseconds())
		s.synced.Store(int64(target))
	}
	if ready := s.takeSynced(target); ready.head != nil {
		s.publish(ready)
		s.tellPublished(true)
	}
	return nil
}

func (s *Store) tellPublished(hurry bool) {
	if s.o.Published != nil {
		s.o.Published(hurry)
	}
}

// takeSynced takes the flights that end at or before target off the list of
// those that wait for a sync.
func (s *Store) takeSynced(target mq.LogPos) (ready line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.mu.unsynced.head != nil && s.mu.unsynced.head.end <= target {
		f := s.mu.unsynced.pop()
		s.mu.inFlight -= f.bytes
		ready.push(f)
	}
	s.mu.idle.Broadcast()
	return ready
}

// syncFailed refuses everything from here on. The kernel may have dropped the
// bytes that it could not write and report success next time, so nothing but a
// new Open, which reads what is really there, can tell what the disk holds.
func (s *Store) syncFailed(err error) error {
	s.log.Error("syncing the commit log failed; messages are refused until the broker is restarted", "error", err)
	s.mu.Lock()
	s.mu.fatal = fmt.Errorf("%w: syncing the commit log failed; check the disk, then restart the broker: %w", mq.ErrUnavailable, err)
	s.mu.failure = s.mu.fatal
	lost := s.mu.unsynced
	s.mu.unsynced = line{}
	for f := lost.head; f != nil; f = f.next {
		f.err = s.mu.fatal
		s.mu.inFlight -= f.bytes
	}
	s.mu.idle.Broadcast()
	fatal := s.mu.fatal
	s.mu.Unlock()
	s.reject(lost)
	return fatal
}
