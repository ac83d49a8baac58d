package store

import (
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
)

// decodedSlots is how many decoded blocks are kept at most, of some 32 KiB each.
const decodedSlots = 64

// A decodedBlock is a block of the queue index that was read not long ago. A
// reader takes some dozens of its up to 1024 entries and then comes back for
// the next: finding and decoding the block each time was half of what a pull of
// old messages cost.
//
// A block is never wrong: what an offset stands for does not change, and what
// has been removed from the log since is noticed when it is read.
type decodedBlock struct {
	mu sync.Mutex // guards all; held to copy entries, nothing else is locked
	q  *queue
	// first is the offset of entries[0].
	first   mq.QueueOffset
	entries []entry
}

type decodedBlocks [decodedSlots]decodedBlock

// slot is where the block that holds an offset is looked for. Readers of one
// queue at different places have different slots as a rule.
func (d *decodedBlocks) slot(q *queue, offset mq.QueueOffset) *decodedBlock {
	return &d[(uint64(q.number)*7+uint64(offset)/blockEntries)%decodedSlots]
}

// copyFrom copies entries of a queue from an offset on into dst, as many as fit;
// none if they are not here.
func (d *decodedBlocks) copyFrom(dst []entry, q *queue, offset mq.QueueOffset) int {
	s := d.slot(q, offset)
	s.mu.Lock()
	defer s.mu.Unlock()
	i := offset - s.first
	if s.q != q || i < 0 || i >= mq.QueueOffset(len(s.entries)) {
		return 0
	}
	return copy(dst, s.entries[i:])
}

// keep copies the entries of a block that was read for the entry of an offset.
func (d *decodedBlocks) keep(q *queue, offset, first mq.QueueOffset, entries []entry) {
	s := d.slot(q, offset)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.q, s.first = q, first
	s.entries = append(s.entries[:0], entries...)
}
