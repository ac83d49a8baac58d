package store

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// maxKeptBuffer is the largest buffer that a flight keeps for its successor.
const maxKeptBuffer = 1 << 20

// A flight is a batch on its way to the disk.
type flight struct {
	batch *mq.SendBatch
	began time.Time
	buf   []byte // the records, one after the other
	recs  []rec
	// lights are the entries in light queues, in the order of their records.
	lights []light
	keys   []keyEntry // of the records, with their index instead of a position
	hashes topicHashes
	props  []byte // scratch memory for properties

	// Set by reserve.
	start, end mq.LogPos // with the filler before, between or behind records
	storeTime  int64
	bytes      int64
	kept       bool // goes into the tail

	next *flight // in a line; set under Store.mu
	err  error   // the writer's
}

// A rec is one record of a flight.
type rec struct {
	q      *queue // nil if the record gets no queue entry
	tag    int64
	pos    mq.LogPos
	offset mq.QueueOffset
	at     int   // in flight.buf
	size   int32 // of the record
	unit   int32 // of the records from here on that must lie in one segment; 0 if not the first
	send   int32 // index in SendBatch.Sends
}

// flights is a pool of flights.
type flights struct{ pool sync.Pool }

func (p *flights) get(b *mq.SendBatch) *flight {
	f, _ := p.pool.Get().(*flight)
	if f == nil {
		f = &flight{}
	}
	f.batch, f.began = b, time.Now()
	return f
}

func (p *flights) put(f *flight) {
	if cap(f.buf) > maxKeptBuffer {
		f.buf = nil
	}
	clear(f.recs)
	clear(f.lights)
	*f = flight{buf: f.buf[:0], recs: f.recs[:0], lights: f.lights[:0], keys: f.keys[:0], hashes: f.hashes, props: f.props[:0]}
	p.pool.Put(f)
}

// Append stores every message of b whose Err is nil, each Send as a whole or
// not at all, and those of one queue in the order of b. It fills in Result or
// Err of each and calls b.Done when that is final: under FlushAsync when the
// operating system has the bytes, often before Append returns; under FlushSync
// when the disk has them, for which Run must be running.
func (s *Store) Append(b *mq.SendBatch) {
	f := s.flights.get(b)
	s.encode(f)
	if b.Whole {
		f.allOrNone()
	}
	if len(f.recs) == 0 {
		s.land(f)
		return
	}
	writes, err := s.reserve(f)
	if err != nil {
		f.err = err
		s.fail(f)
		s.land(f)
		return
	}
	if writes {
		s.writeLine()
	}
}

// encode turns messages into records that lack their place.
func (s *Store) encode(f *flight) {
	var recent recentQueues
	for i := range f.batch.Sends {
		send := &f.batch.Sends[i]
		if send.Err != nil {
			continue
		}
		n, size, lights, keys := len(f.recs), len(f.buf), len(f.lights), len(f.keys)
		var q *queue
		if q, send.Err = s.queueFor(f, &recent, &send.Message); send.Err == nil {
			send.Err = s.encodeSend(f, q, send, int32(i))
		}
		if send.Err != nil {
			f.recs, f.buf, f.lights, f.keys = f.recs[:n], f.buf[:size], f.lights[:lights], f.keys[:keys]
		}
	}
}

// allOrNone empties a flight one of whose messages cannot be stored.
func (f *flight) allOrNone() {
	sends := f.batch.Sends
	i := slices.IndexFunc(sends, func(s mq.Send) bool { return s.Err != nil })
	if i < 0 {
		return
	}
	for j := range sends {
		if sends[j].Err == nil {
			sends[j].Err = sends[i].Err
		}
	}
	f.recs, f.buf, f.lights, f.keys = f.recs[:0], f.buf[:0], f.lights[:0], f.keys[:0]
}

// recentQueues are the queues of a flight's last messages, by number: producers
// take a topic's queues in turn, and the table is looked at by all.
type recentQueues [8]*queue

// queueFor is the queue that gets m's entry; nil if m gets none because it is
// half a transaction or the end of one.
func (s *Store) queueFor(f *flight, recent *recentQueues, m *mq.Message) (q *queue, err error) {
	if !queued(m.SysFlag) {
		return nil, nil
	}
	slot := &recent[uint32(m.QueueID)%uint32(len(recent))]
	if q = *slot; q != nil && q.name.ID == m.QueueID && q.name.Topic == m.Topic {
		return q, nil
	}
	if m.QueueID < 0 || m.Topic == "" {
		return nil, fmt.Errorf("%w: topic %q has no queue %d", mq.ErrQueueOutOfRange, m.Topic, m.QueueID)
	}
	if q, err = s.table.obtain(mq.Queue{Topic: m.Topic, ID: m.QueueID}, f.batch.Accepted); err == nil {
		*slot = q
	}
	return q, err
}

// queued reports whether a message with this flag belongs into its queue.
func queued(flag mq.SysFlag) bool {
	kind := flag & mq.FlagTransaction
	return kind == 0 || kind == mq.FlagCommitted
}

// encodeSend adds the records of one Send, which form a unit.
func (s *Store) encodeSend(f *flight, q *queue, send *mq.Send, index int32) error {
	first, start := len(f.recs), len(f.buf)
	if err := s.encodeMessage(f, q, &send.Message, index); err != nil {
		return err
	}
	m := send.Message
	for i := range send.More {
		more := &send.More[i]
		m.Body, m.Flag, m.Properties, m.Names = more.Body, more.Flag, more.Properties, more.Names
		if err := s.encodeMessage(f, q, &m, index); err != nil {
			return err
		}
	}
	unit := len(f.buf) - start
	if limit := s.seg.Size() - mq.BlankSize; int64(unit) > limit {
		return fmt.Errorf("%w: %d bytes do not fit into a log segment of %d; raise segment-size for a new store or send less at a time",
			mq.ErrMessageTooLarge, unit, s.seg.Size())
	}
	f.recs[first].unit = int32(unit)
	return nil
}

func (s *Store) encodeMessage(f *flight, q *queue, m *mq.Message, index int32) error {
	r := rec{q: q, at: len(f.buf), send: index}
	var own mq.Names
	names := m.Names
	if names == nil {
		own = mq.NamesOf(m.Properties)
		names = &own
	}
	if q != nil {
		if names.Tag != nil {
			r.tag = mq.TagCode(names.Tag)
		}
		if names.LightQueues != nil && mq.HasLightQueues(m.Topic) {
			with, err := s.addLights(f, m, names.LightQueues)
			if err != nil {
				return err
			}
			m = &with
		}
	}
	size, err := mq.RecordSize(m, s.o.StoreHost)
	if err != nil {
		return err
	}
	r.size = int32(size)
	if !s.keys.off && indexed(m.SysFlag) {
		f.keys = appendKeys(f.keys, f.hashes.of(m.Topic), names, uint32(len(f.recs)))
	}
	f.buf = mq.AppendRecord(f.buf, m, s.o.StoreHost)
	f.recs = append(f.recs, r)
	return nil
}

// reserve gives every record of a flight its place in the log and in its
// queue, and lines the flight up. The caller must call writeLine if it writes;
// otherwise another goroutine does, and the flight is not the caller's any more.
// After an error nothing is reserved.
func (s *Store) reserve(f *flight) (writes bool, err error) {
	for {
		r, err := s.tryReserve(f)
		switch {
		case err != nil:
			return false, err
		case r.gone:
			if err := s.lookUpAgain(f); err != nil {
				return false, err
			}
		case r.need > 0:
			if err := s.setAside(int64(r.need), f.batch.Spare); err != nil {
				return false, err
			}
		default:
			return r.writes, nil
		}
	}
}

// A reservation says what became of a flight that wanted a place.
type reservation struct {
	gone   bool      // it has none yet: a queue must be looked up again,
	need   mq.LogPos // or space up to here must be prepared
	writes bool      // it has one, and nobody writes yet
}

// tryReserve is the critical section of Append.
func (s *Store) tryReserve(f *flight) (reservation, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.refusalLocked(int64(len(f.buf)), f.batch.Spare); err != nil {
		return reservation{}, err
	}
	f.start = s.mu.end
	f.end = s.place(f, s.mu.end)
	if prepared := mq.LogPos(s.seg.Prepared()); f.end > prepared {
		return reservation{need: f.end}, nil
	} else if prepared-f.end < mq.LogPos(s.ahead)/2 || s.moreToSetAside(f) {
		signal(s.wantSpace)
	}
	for i := range f.recs {
		if q := f.recs[i].q; q != nil && q.gone {
			return reservation{gone: true}, nil
		}
	}
	if f.lightGone() {
		return reservation{gone: true}, nil
	}
	lights := f.lights
	for i := range f.recs {
		if r := &f.recs[i]; r.q != nil {
			r.offset = r.q.next
			r.q.next++
		}
		for len(lights) > 0 && lights[0].rec == i {
			lights[0].offset = lights[0].q.next
			lights[0].q.next++
			lights = lights[1:]
		}
	}
	// The order of store times in a queue is that of its offsets, even if the
	// clock is set back: Locate depends on it.
	f.storeTime = max(s.mu.storeTime, f.began.UnixMilli())
	s.mu.storeTime = f.storeTime
	s.mu.end = f.end
	f.bytes = int64(f.end - f.start)
	f.kept = s.tail.reserveLocked(f.start, f.end)
	s.mu.inFlight += f.bytes
	s.mu.line.push(f)
	s.mu.lined += f.bytes
	return reservation{writes: s.claimWritingLocked()}, nil
}

// place computes where the records of a flight lie if the log ends at end, and
// where it ends then. A unit that would not leave room for a filler goes into
// the next segment.
func (s *Store) place(f *flight, end mq.LogPos) mq.LogPos {
	size := s.seg.Size()
	for i := range f.recs {
		r := &f.recs[i]
		if room := size - int64(end)%size; r.unit > 0 && int64(r.unit)+mq.BlankSize > room {
			end += mq.LogPos(room)
		}
		r.pos = end
		end += mq.LogPos(r.size)
	}
	return end
}

func (s *Store) lookUpAgain(f *flight) error {
	for i := range f.recs {
		r := &f.recs[i]
		if r.q == nil {
			continue
		}
		q, err := s.table.obtain(r.q.name, f.batch.Accepted)
		if err != nil {
			return err
		}
		r.q = q
	}
	return s.lookUpLights(f)
}

// refusalLocked says why size more bytes are not accepted right now; nil if
// they are. spare says that they may use the space that is kept free.
func (s *Store) refusalLocked(size int64, spare bool) error {
	switch {
	case s.mu.closed:
		return errClosed
	case s.mu.failure != nil:
		return s.mu.failure
	case s.mu.inFlight > 0 && s.mu.inFlight+size > s.o.MaxInFlight:
		return s.busyLocked()
	}
	if full := s.diskFull.Load(); full != nil && !spare {
		return full.err
	}
	return nil
}

// busyLocked says which stage holds up what is in flight.
func (s *Store) busyLocked() error {
	stage, oldest := "syncing the commit log", s.mu.unsynced.head
	if oldest == nil {
		oldest = s.mu.line.head
		if s.o.Flush != FlushSync {
			stage = "writing the commit log"
		}
	}
	var age time.Duration
	if oldest != nil {
		age = time.Since(oldest.began).Round(time.Millisecond)
	}
	return fmt.Errorf("%w: the disk does not keep up: %d MiB wait for %s, the oldest for %s (max-in-flight)",
		mq.ErrBusy, s.mu.inFlight>>20, stage, age)
}

// signal wakes whoever waits on a channel of capacity one.
func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// A line is a queue of flights.
type line struct{ head, tail *flight }

func (l *line) push(f *flight) {
	f.next = nil
	if l.tail == nil {
		l.head = f
	} else {
		l.tail.next = f
	}
	l.tail = f
}

func (l *line) pop() *flight {
	f := l.head
	l.head = f.next
	if l.head == nil {
		l.tail = nil
	}
	f.next = nil
	return f
}
