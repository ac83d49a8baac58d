package store

import (
	"errors"
	"fmt"
	"hash/maphash"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/goddardmq/goddard/internal/mq"
)

// A queue is what memory knows of one queue: its end, and the entries that
// have no block yet, with some before them for readers that keep up.
type queue struct {
	name mq.Queue
	// number tells the queues that memory knows of apart, as a hash does.
	number uint32

	// next is the offset that the next message reserves; under Store.mu.
	next mq.QueueOffset
	// gone means that the queue left the table and must be looked up again
	// before anything is reserved in it. It changes under Store.mu and
	// Store.index together, so either suffices to read it.
	gone bool

	// kept means that the queue has a block; under Store.index once the queue
	// is in the table. It is known for light queues only.
	kept bool

	// readTo is the offset behind the last one that was read from files, and
	// readEnd the log position behind its record. They are hints: two readers of
	// a queue spoil each other's.
	readTo, readEnd atomic.Int64

	// used is set by appends and reads and cleared by the sweep.
	used atomic.Bool

	mu struct {
		// Mutex guards the entries. It is held to copy some of them, never
		// while waiting for anything.
		sync.Mutex
		first   mq.QueueOffset // of entries[0]
		entries []entry
		sealed  mq.QueueOffset // entries below have a block
		dirty   bool           // is in Store.dirty
		// low is the first offset whose message was still in the log when that
		// started at lowFor.
		low    mq.QueueOffset
		lowFor mq.LogPos // -1: low is not known
	}
}

func newQueue(name mq.Queue, hi mq.QueueOffset) *queue {
	q := &queue{name: name, next: hi}
	q.mu.first, q.mu.sealed, q.mu.lowFor = hi, hi, -1
	return q
}

func (q *queue) hiLocked() mq.QueueOffset { return q.mu.first + mq.QueueOffset(len(q.mu.entries)) }

// hi is the offset behind the last message that can be read.
func (q *queue) hi() mq.QueueOffset {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.hiLocked()
}

// pushLocked adds the entry of the next offset.
func (q *queue) pushLocked(offset mq.QueueOffset, e entry) {
	if hi := q.hiLocked(); offset != hi {
		panic(fmt.Sprintf("BUG: queue %v: entry %d follows %d", q.name, offset, hi-1))
	}
	q.mu.entries = append(q.mu.entries, e)
}

// copyFrom copies entries from offset on into dst, as many as fit. It returns
// none if offset is not in memory.
func (q *queue) copyFrom(dst []entry, offset mq.QueueOffset) int {
	q.mu.Lock()
	defer q.mu.Unlock()
	i := offset - q.mu.first
	if i < 0 || i > mq.QueueOffset(len(q.mu.entries)) {
		return 0
	}
	return copy(dst, q.mu.entries[i:])
}

// firstInMemory is the offset of the first entry in memory.
func (q *queue) firstInMemory() mq.QueueOffset {
	q.mu.Lock()
	defer q.mu.Unlock()
	return q.mu.first
}

// unsealed returns the entries below limit that have no block yet, and the
// offset of the first. The slice is valid until trim, which only the caller of
// unsealed calls.
func (q *queue) unsealed(limit mq.LogPos) (mq.QueueOffset, []entry) {
	q.mu.Lock()
	defer q.mu.Unlock()
	rest := q.mu.entries[q.mu.sealed-q.mu.first:]
	n, _ := slices.BinarySearchFunc(rest, limit, func(e entry, limit mq.LogPos) int {
		if e.end() <= limit {
			return -1
		}
		return 1
	})
	return q.mu.sealed, rest[:n:n]
}

// trim notes that entries below sealed have blocks, keeps window of them in
// memory, and reports whether all are sealed.
func (q *queue) trim(sealed mq.QueueOffset, window int) (clean bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.mu.sealed = sealed
	drop := int(sealed-q.mu.first) - window
	if drop > 0 {
		rest := q.mu.entries[drop:]
		if need := 2 * (len(rest) + drop); cap(q.mu.entries) > 64 && cap(q.mu.entries) > 2*need {
			q.mu.entries = append(make([]entry, 0, need), rest...)
		} else {
			q.mu.entries = append(q.mu.entries[:0], rest...)
		}
		q.mu.first += mq.QueueOffset(drop)
	}
	clean = q.mu.sealed == q.hiLocked()
	if clean {
		q.mu.dirty = false
	}
	return clean
}

// restart makes the queue go on at offset, without what it held. The caller
// has seen to it that nothing of it is lost, and that nobody appends.
func (q *queue) restart(offset mq.QueueOffset) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.next = offset
	q.mu.first, q.mu.sealed, q.mu.entries = offset, offset, q.mu.entries[:0]
	q.mu.low, q.mu.lowFor = 0, -1
}

// loadStripes is how many topics can have queues loaded at the same time.
const loadStripes = 64

// A table holds the queues that memory knows of.
type table struct {
	rows   *rows
	lights lights
	number atomic.Uint32 // of the newest queue
	known  known
	made   func(topic string) // of a light queue that is new; may be nil

	mu struct {
		// RWMutex guards the maps. Store.mu may be taken while it is held.
		sync.RWMutex
		topics map[string]map[int32]*queue
		all    []*queue // in no order, for the sweep
		hand   int      // where the sweep goes on
	}
	// loading lets the queues of a topic be loaded by one goroutine at a time.
	// It is held while reading the key store, and taken before mu.
	loading [loadStripes]sync.Mutex
}

func newTable(r *rows) *table {
	t := &table{rows: r, known: known{seed: maphash.MakeSeed()}}
	t.mu.topics = map[string]map[int32]*queue{}
	return t
}

// find returns a queue if it is in memory, or nil.
func (t *table) find(name mq.Queue) *queue {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.mu.topics[name.Topic][name.ID]
}

// get returns a queue. One that has no blocks is made if create is set and nil
// otherwise.
func (t *table) get(name mq.Queue, create bool) (*queue, error) {
	return t.load(name, create, false)
}

// obtain returns a queue for a message, and makes it if it has no blocks.
// accepted is SendBatch.Accepted.
func (t *table) obtain(name mq.Queue, accepted bool) (*queue, error) {
	return t.load(name, true, accepted)
}

func (t *table) load(name mq.Queue, create, accepted bool) (*queue, error) {
	if q := t.find(name); q != nil {
		return q, nil
	}
	stripe := t.stripe(name.Topic)
	stripe.Lock()
	defer stripe.Unlock()
	if q := t.find(name); q != nil {
		return q, nil
	}
	var hi mq.QueueOffset
	var err error
	if !t.known.absent(name) {
		hi, err = t.sealedEnd(name)
	}
	if err != nil || hi == 0 && !create {
		return nil, err
	}
	isLight := mq.IsLight(name.Topic)
	kept := hi > 0
	if isLight && !kept {
		if hi, err = t.lights.begin(accepted); err != nil {
			return nil, fmt.Errorf("%w; %s would be one more", err, name.Topic)
		}
	}
	// The caller's topic may be a piece of a frame.
	name.Topic = strings.Clone(name.Topic)
	q := newQueue(name, hi)
	q.number = t.number.Add(1)
	q.kept = isLight && kept
	q.used.Store(true)
	t.known.add(name)
	t.add(q)
	if isLight && !kept && t.made != nil {
		t.made(name.Topic)
	}
	return q, nil
}

func (t *table) stripe(topic string) *sync.Mutex { return &t.loading[t.stripeOf(topic)] }

func (*table) stripeOf(topic string) uint32 { return uint32(mq.JavaHash(topic)) % loadStripes }

// lockLoading keeps the queues of topics from being loaded until what it returns
// is called.
func (t *table) lockLoading(topics []string) (unlock func()) {
	var set [loadStripes]bool
	for _, topic := range topics {
		set[t.stripeOf(topic)] = true
	}
	for i := range set {
		if set[i] {
			t.loading[i].Lock()
		}
	}
	return func() {
		for i := range set {
			if set[i] {
				t.loading[i].Unlock()
			}
		}
	}
}

func (t *table) add(q *queue) {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := t.mu.topics[q.name.Topic]
	if ids == nil {
		ids = map[int32]*queue{}
		t.mu.topics[q.name.Topic] = ids
	}
	ids[q.name.ID] = q
	t.mu.all = append(t.mu.all, q)
}

// sealedEnd is the offset behind the last entry that has a block.
func (t *table) sealedEnd(name mq.Queue) (hi mq.QueueOffset, err error) {
	it, err := t.rows.blocks(name)
	if err != nil {
		return 0, err
	}
	if it.it.Last() {
		hi = it.last() + 1
	}
	return hi, errors.Join(it.it.Error(), it.close())
}

// size is how many queues are in memory.
func (t *table) size() int {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return len(t.mu.all)
}

// removeLocked takes a queue out of the table, so that it is loaded again when
// it is next asked for.
func (t *table) removeLocked(q *queue) {
	ids := t.mu.topics[q.name.Topic]
	if ids[q.name.ID] != q {
		return
	}
	if mq.IsLight(q.name.Topic) && !q.kept {
		t.lights.number.Add(-1)
	}
	delete(ids, q.name.ID)
	if len(ids) == 0 {
		delete(t.mu.topics, q.name.Topic)
	}
}

// ofTopic lists the queues of a topic that are in memory.
func (t *table) ofTopic(topic string) []*queue {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var qs []*queue
	for _, q := range t.mu.topics[topic] {
		qs = append(qs, q)
	}
	return qs
}
