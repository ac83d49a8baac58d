package store

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"github.com/goddardmq/goddard/internal/mq"
)

// The first byte of a row's key says whose it is. docs/FORMAT.md describes the
// rest.
const (
	rowCheckpoint byte = 'c'
	rowForgotten  byte = 'f' // log position, topic
	rowIndex      byte = 'i' // length of topic, topic, queue id, last offset
	rowOwn        byte = 'k' // of Keys
	rowLights     byte = 'l'
	rowKeyBlock   byte = 'x' // log position, bucket
)

const (
	checkpointVersion = 1
	indexSuffix       = 4 + 8 // queue id and last offset
)

// topicPrefix is what the keys of all blocks of a topic start with.
func topicPrefix(topic string) []byte {
	k := make([]byte, 0, 3+len(topic)+indexSuffix)
	k = append(k, rowIndex)
	k = binary.BigEndian.AppendUint16(k, uint16(len(topic)))
	return append(k, topic...)
}

// queuePrefix is what the keys of all blocks of a queue start with.
func queuePrefix(q mq.Queue) []byte {
	return binary.BigEndian.AppendUint32(topicPrefix(q.Topic), uint32(q.ID))
}

// blockKey is the key of the block that ends with the entry of offset last.
func blockKey(q mq.Queue, last mq.QueueOffset) []byte {
	return binary.BigEndian.AppendUint64(queuePrefix(q), uint64(last))
}

// parseBlockKey takes a block's key apart.
func parseBlockKey(key []byte) (q mq.Queue, last mq.QueueOffset, err error) {
	if len(key) < 3+indexSuffix || int(binary.BigEndian.Uint16(key[1:])) != len(key)-3-indexSuffix {
		return q, 0, indexError(fmt.Sprintf("key %x", key))
	}
	tail := key[len(key)-indexSuffix:]
	q.Topic = string(key[3 : len(key)-indexSuffix])
	q.ID = int32(binary.BigEndian.Uint32(tail))
	return q, lastOffset(key), nil
}

// lastOffset is the offset that the key of a block ends in.
func lastOffset(key []byte) mq.QueueOffset {
	return mq.QueueOffset(binary.BigEndian.Uint64(key[len(key)-8:]))
}

func forgottenKey(below mq.LogPos, topic string) []byte {
	return append(forgottenFrom(below), topic...)
}

func forgottenFrom(below mq.LogPos) []byte {
	return binary.BigEndian.AppendUint64([]byte{rowForgotten}, uint64(below))
}

// checkpoint is the row that says how far the blocks have followed the log.
type checkpoint struct {
	pos       mq.LogPos // every entry of a record below has its block
	storeTime int64     // of the newest of them
}

func (c checkpoint) encode() []byte {
	b := []byte{checkpointVersion}
	b = binary.BigEndian.AppendUint64(b, uint64(c.pos))
	return binary.BigEndian.AppendUint64(b, uint64(c.storeTime))
}

func decodeCheckpoint(b []byte) (c checkpoint, err error) {
	if len(b) != 17 || b[0] != checkpointVersion || int64(binary.BigEndian.Uint64(b[1:])) < 0 {
		return c, indexError(fmt.Sprintf("checkpoint %x", b))
	}
	c.pos = mq.LogPos(binary.BigEndian.Uint64(b[1:]))
	c.storeTime = int64(binary.BigEndian.Uint64(b[9:]))
	return c, nil
}

func indexError(reason string) error {
	return &CorruptError{File: StateDir, Offset: -1, Reason: reason}
}

// A blockIter walks over the blocks of one queue.
type blockIter struct {
	it *pebble.Iterator
	q  mq.Queue
}

// blocks opens an iterator over a queue's blocks. It must be closed.
func (r *rows) blocks(q mq.Queue) (*blockIter, error) {
	lower := queuePrefix(q)
	it, err := r.db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: prefixEnd(lower)})
	if err != nil {
		return nil, fmt.Errorf("reading the queue index: %w", err)
	}
	return &blockIter{it, q}, nil
}

func (b *blockIter) close() error { return b.it.Close() }

// seek goes to the block that holds offset, or the first behind it.
func (b *blockIter) seek(offset mq.QueueOffset) bool { return b.it.SeekGE(blockKey(b.q, offset)) }

// last is the offset of the last entry of the current block.
func (b *blockIter) last() mq.QueueOffset { return lastOffset(b.it.Key()) }

// head reads the head of the current block.
func (b *blockIter) head() (blockHead, error) {
	v, err := b.it.ValueAndErr()
	if err != nil {
		return blockHead{}, fmt.Errorf("reading the queue index: %w", err)
	}
	h, _, err := decodeHead(v)
	if err != nil {
		return h, indexError(fmt.Sprintf("block %s/%d up to %d: %v", b.q.Topic, b.q.ID, b.last(), err))
	}
	return h, nil
}

// first is the offset of the first entry of the current block.
func (b *blockIter) first() (mq.QueueOffset, error) {
	h, err := b.head()
	return b.last() - mq.QueueOffset(h.count) + 1, err
}

// entries adds the current block's entries to dst and returns the offset of
// the first of them.
func (b *blockIter) entries(dst []entry) (mq.QueueOffset, []entry, error) {
	v, err := b.it.ValueAndErr()
	if err != nil {
		return 0, dst, fmt.Errorf("reading the queue index: %w", err)
	}
	n := len(dst)
	if dst, err = decodeBlock(dst, v); err != nil {
		return 0, dst, indexError(fmt.Sprintf("block %s/%d up to %d: %v", b.q.Topic, b.q.ID, b.last(), err))
	}
	return b.last() - mq.QueueOffset(len(dst)-n) + 1, dst, nil
}
