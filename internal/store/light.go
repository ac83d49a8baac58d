package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"

	"github.com/goddardmq/goddard/internal/mq"
)

// A light is the entry of a record in a light queue.
type light struct {
	q      *queue
	offset mq.QueueOffset
	rec    int // index in flight.recs
	index  int // among those of the record
	of     int // how many the record has
}

// addLights notes the light queues that a message names and returns the message
// with room for its offsets there.
func (s *Store) addLights(f *flight, m *mq.Message, names []byte) (mq.Message, error) {
	with := *m
	if err := mq.CheckLightQueues(names); err != nil {
		return with, err
	}
	first := len(f.lights)
	for name := range bytes.SplitSeq(names, []byte{','}) {
		q, err := s.table.obtain(mq.Queue{Topic: string(name)}, f.batch.Accepted)
		if err != nil {
			return with, err
		}
		f.lights = append(f.lights, light{q: q, rec: len(f.recs), index: len(f.lights) - first})
	}
	added := f.lights[first:]
	for i := range added {
		added[i].of = len(added)
	}
	f.props = mq.AppendLightOffsets(f.props[:0], m.Properties, len(added))
	with.Properties = f.props
	return with, nil
}

// patchLights writes the offsets in the light queues into the records.
func (f *flight) patchLights() {
	for _, l := range f.lights {
		r := &f.recs[l.rec]
		mq.PatchLightOffset(f.buf[r.at:r.at+int(r.size)], l.index, l.of, l.offset)
	}
}

// lightGone reports whether a light queue must be looked up again.
func (f *flight) lightGone() bool {
	return slices.ContainsFunc(f.lights, func(l light) bool { return l.q.gone })
}

func (s *Store) lookUpLights(f *flight) error {
	for i := range f.lights {
		q, err := s.table.obtain(f.lights[i].q.name, f.batch.Accepted)
		if err != nil {
			return err
		}
		f.lights[i].q = q
	}
	return nil
}

// lights is what is known of all light queues together.
type lights struct {
	// number is how many there are: those with a block, and those that have
	// none yet but are in memory. limit bounds it, if it is not 0.
	number, limit atomic.Int64
	// floor is where a light queue begins of which nothing is known. It is at or
	// behind the end of every one that was dropped, so that the offsets of one
	// that comes back go on where a consumer may still be.
	floor atomic.Int64

	kept     int64          // how many have a block; under Store.index
	keptFrom mq.QueueOffset // the floor in the row; under Store.index
}

// load takes over what the row says but for the floor.
func (l *lights) load(row lightRow) {
	l.kept, l.keptFrom = row.queues, row.floor
	l.number.Store(row.queues)
}

// begin counts a light queue that is new and returns its first offset. The limit
// does not count for messages that were accepted before.
func (l *lights) begin(accepted bool) (mq.QueueOffset, error) {
	if limit := l.limit.Load(); !accepted && limit > 0 && l.number.Load() >= limit {
		return 0, fmt.Errorf("%w: there are %d light queues; raise max-light-queues (maxLmqConsumeQueueNum), or let messages expire sooner", mq.ErrLightQuota, limit)
	}
	l.number.Add(1)
	return mq.QueueOffset(l.floor.Load()), nil
}

// gone notes that some that had a block are no more.
func (l *lights) gone(n int64) {
	l.kept -= n
	l.number.Add(-n)
}

// A lightRow is the row about all light queues.
type lightRow struct {
	floor  mq.QueueOffset
	queues int64 // with a block
}

// lightRow reads the row; without one there are none.
func (r *rows) lightRow() (row lightRow, err error) {
	b, err := r.get([]byte{rowLights})
	switch {
	case errors.Is(err, mq.ErrNotFound):
		return row, nil
	case err != nil:
		return row, err
	case len(b) != 16:
		return row, indexError(fmt.Sprintf("row of the light queues %x", b))
	}
	row.floor = mq.QueueOffset(binary.BigEndian.Uint64(b))
	row.queues = int64(binary.BigEndian.Uint64(b[8:]))
	return row, nil
}

// setLightRow adds the row to b.
func (s *Store) setLightRow(b *pebble.Batch, queues int64) error {
	row := binary.BigEndian.AppendUint64(nil, uint64(s.table.lights.keptFrom))
	return b.Set([]byte{rowLights}, binary.BigEndian.AppendUint64(row, uint64(queues)), nil)
}

// forgetLight returns how many light queues with a block a topic is that is
// forgotten.
func (s *Store) forgetLight(topic string) (queues int64, err error) {
	if !mq.IsLight(topic) {
		return 0, nil
	}
	hi, err := s.table.sealedEnd(mq.Queue{Topic: topic})
	if err != nil || hi == 0 {
		return 0, err
	}
	return 1, nil
}

// dropStep is how many light queues are dropped at a time.
const dropStep = 16 << 10

// dropLights deletes the last blocks of light queues whose messages all lie
// before start, so that nothing is left of them. Those that are in memory stay
// until the next time.
func (s *Store) dropLights(start mq.LogPos) error {
	s.index.Lock()
	defer s.index.Unlock()
	var old []lastBlock
	var before lastBlock
	drop := func() error {
		defer func() { old = old[:0] }()
		return s.dropLightsLocked(old)
	}
	err := s.rows.scan([]byte{rowIndex}, []byte{rowIndex + 1}, func(key, value []byte) error {
		q, last, err := parseBlockKey(key)
		if err != nil {
			return err
		}
		if before.old && before.name != q {
			if old = append(old, before); len(old) == dropStep {
				if err := drop(); err != nil {
					return err
				}
			}
		}
		before = lastBlock{name: q, last: last}
		if mq.IsLight(q.Topic) {
			h, _, err := decodeHead(value)
			if err != nil {
				return indexError(err.Error())
			}
			before.old = h.lastPos < start
		}
		return nil
	})
	if err != nil {
		return err
	}
	if before.old {
		old = append(old, before)
	}
	return drop()
}

// A lastBlock is the last block of a queue.
type lastBlock struct {
	name mq.Queue
	last mq.QueueOffset
	old  bool // none of its messages is in the log
}

// dropLightsLocked drops light queues that are not in memory. Nobody may load
// one meanwhile.
func (s *Store) dropLightsLocked(old []lastBlock) error {
	if len(old) == 0 {
		return nil
	}
	t := s.table
	for i := range t.loading {
		t.loading[i].Lock()
		defer t.loading[i].Unlock()
	}
	b := s.rows.db.NewBatch()
	var topics []string
	before := t.lights.keptFrom
	for _, l := range old {
		if t.find(l.name) != nil {
			continue
		}
		if err := b.Delete(blockKey(l.name, l.last), nil); err != nil {
			return errors.Join(err, b.Close())
		}
		t.lights.keptFrom = max(t.lights.keptFrom, l.last+1)
		topics = append(topics, l.name.Topic)
	}
	n := int64(len(topics))
	err := s.setLightRow(b, t.lights.kept-n)
	if err != nil {
		err = errors.Join(err, b.Close())
	} else {
		err = s.rows.apply(b, false)
	}
	if err != nil {
		t.lights.keptFrom = before
		return err
	}
	t.lights.floor.Store(int64(t.lights.keptFrom))
	t.lights.gone(n)
	if s.o.LightsGone != nil && n > 0 {
		s.o.LightsGone(topics)
	}
	return nil
}
