package store

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math/bits"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// knownFirst is how many queues the first layer of a known is for; each
	// further layer is for twice as many as the one before.
	knownFirst = 32 << 10
	// knownBits is how much memory there is per queue, and knownProbes how many
	// bits each sets: one of a hundred questions is answered wrongly.
	knownBits   = 10
	knownProbes = 5
)

// A known says which queues certainly have no block: those that had none when
// the store was opened and were not in memory since. Without it the first
// message of each queue has to look for the queue's end in the index, which costs
// as much as the rest of it. It is a Bloom filter, in layers, for nobody knows how
// many queues there will be: it takes a byte and a quarter to two and a half per queue.
type known struct {
	seed maphash.Seed

	// RWMutex guards what follows; it is taken last.
	sync.RWMutex
	layers   []layer
	complete bool // all queues with a block are in it
}

type layer struct {
	bits []uint64
	room int // for how many queues it has room
}

// absent reports whether a queue certainly has no block.
func (k *known) absent(q mq.Queue) bool {
	h := k.hash(q)
	k.RLock()
	defer k.RUnlock()
	return k.complete && !k.holdsLocked(h)
}

// add notes that a queue may have a block from here on.
func (k *known) add(q mq.Queue) {
	h := k.hash(q)
	k.Lock()
	defer k.Unlock()
	if k.holdsLocked(h) {
		return
	}
	last := len(k.layers) - 1
	if last < 0 || k.layers[last].room == 0 {
		room := knownFirst << (last + 1)
		k.layers = append(k.layers, layer{make([]uint64, room*knownBits/64), room})
		last++
	}
	k.layers[last].room--
	k.layers[last].set(h)
}

func (k *known) hash(q mq.Queue) uint64 { return maphash.Comparable(k.seed, q) }

func (k *known) holdsLocked(h uint64) bool {
	for i := range k.layers {
		if k.layers[i].has(h) {
			return true
		}
	}
	return false
}

func (l *layer) set(h uint64) {
	for i := range uint64(knownProbes) {
		word, bit := l.at(h, i)
		l.bits[word] |= bit
	}
}

func (l *layer) has(h uint64) bool {
	for i := range uint64(knownProbes) {
		if word, bit := l.at(h, i); l.bits[word]&bit == 0 {
			return false
		}
	}
	return true
}

// at is where the i-th bit of a hash lies.
func (l *layer) at(h, i uint64) (word, bit uint64) {
	n := uint64(len(l.bits)) * 64
	at, _ := bits.Mul64(h+i*(bits.RotateLeft64(h, 32)|1), n)
	return at / 64, 1 << (at % 64)
}

// learn goes through the index for the queues that have blocks. Until it is
// done each queue is looked up. It reads little of the blocks of a long queue.
func (s *Store) learn(ctx context.Context) {
	if err := s.table.learn(ctx); err != nil && ctx.Err() == nil {
		s.log.Warn("reading which queues there are failed; first messages of queues take longer", "error", err)
	}
}

func (t *table) learn(ctx context.Context) error {
	it, err := t.rows.db.NewIter(&pebble.IterOptions{LowerBound: []byte{rowIndex}, UpperBound: []byte{rowIndex + 1}})
	if err != nil {
		return fmt.Errorf("reading the queue index: %w", err)
	}
	var last mq.Queue
	for ok := it.First(); ok; {
		if ctx.Err() != nil {
			return errors.Join(ctx.Err(), it.Close())
		}
		q, _, err := parseBlockKey(it.Key())
		if err != nil {
			return errors.Join(err, it.Close())
		}
		if q == last { // its other blocks are passed over
			ok = it.SeekGE(prefixEnd(queuePrefix(q)))
			continue
		}
		t.known.add(q)
		last, ok = q, it.Next()
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		return fmt.Errorf("reading the queue index: %w", err)
	}
	t.known.Lock()
	defer t.known.Unlock()
	t.known.complete = true
	return nil
}
