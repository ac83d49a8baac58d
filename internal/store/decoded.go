package store

import (
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
)

// Decoded blocks are kept in sets. Each set has room for a few, of some 32 KiB each.
const (
	decodedSets = 16
	decodedWays = 4
)

// A decodedBlock is a block of the queue index that was read not long ago. A
// reader takes some dozens of its up to 1024 entries and then comes back for
// the next: finding and decoding the block each time was half of what a pull of
// old messages cost.
//
// A block is never wrong: what an offset stands for does not change, and what
// has been removed from the log since is noticed when it is read.
type decodedBlock struct {
	q *queue
	// first is the offset of entries[0].
	first   mq.QueueOffset
	entries []entry
	used    uint64 // turn of its set when it was last read
}

// has reports whether the entry of an offset is in the block.
func (b *decodedBlock) has(q *queue, offset mq.QueueOffset) bool {
	return b.q == q && offset >= b.first && offset < b.first+mq.QueueOffset(len(b.entries))
}

// A decodedSet keeps the blocks that were read last of those that belong to it:
// with one place for each, two readers that met there took each other's block
// away with every pull.
type decodedSet struct {
	mu   sync.Mutex // guards all; held to copy entries, nothing else is locked
	turn uint64
	ways [decodedWays]decodedBlock
}

type decodedBlocks [decodedSets]decodedSet

// set is where the block that holds an offset is looked for.
func (d *decodedBlocks) set(q *queue, offset mq.QueueOffset) *decodedSet {
	return &d[(uint64(q.number)*7+uint64(offset)/blockEntries)%decodedSets]
}

// copyFrom copies entries of a queue from an offset on into dst, as many as fit;
// none if they are not here.
func (d *decodedBlocks) copyFrom(dst []entry, q *queue, offset mq.QueueOffset) int {
	s := d.set(q, offset)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range s.ways {
		if b := &s.ways[i]; b.has(q, offset) {
			s.turn++
			b.used = s.turn
			return copy(dst, b.entries[offset-b.first:])
		}
	}
	return 0
}

// keep copies the entries of a block that was read for the entry of an offset.
func (d *decodedBlocks) keep(q *queue, offset, first mq.QueueOffset, entries []entry) {
	s := d.set(q, offset)
	s.mu.Lock()
	defer s.mu.Unlock()
	b := &s.ways[0]
	for i := range s.ways {
		w := &s.ways[i]
		if w.has(q, offset) {
			b = w
			break
		}
		if w.used < b.used {
			b = w
		}
	}
	s.turn++
	b.q, b.first, b.used = q, first, s.turn
	b.entries = append(b.entries[:0], entries...)
}
