package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"

	"github.com/goddardmq/goddard/internal/mq"
)

// blockEntries is how many entries a block holds at most.
const blockEntries = 1024

// An entry says where a message of a queue lies.
type entry struct {
	pos  mq.LogPos
	tag  int64
	time int64 // of storing, Unix milliseconds
	size int32
}

func (e entry) end() mq.LogPos { return e.pos + mq.LogPos(e.size) }

// A blockHead is what can be learned from a block without decoding it.
type blockHead struct {
	count               int
	firstPos, lastPos   mq.LogPos
	firstTime, lastTime int64
}

var errBlock = errors.New("block of the queue index is malformed")

// appendBlock encodes one to blockEntries entries, in rising order of pos. The
// layout is in docs/FORMAT.md.
func appendBlock(dst []byte, entries []entry) []byte {
	first, last := entries[0], entries[len(entries)-1]
	dst = binary.AppendUvarint(dst, uint64(len(entries)))
	dst = binary.AppendUvarint(dst, uint64(first.pos))
	dst = binary.AppendUvarint(dst, uint64(last.pos-first.pos))
	dst = binary.AppendVarint(dst, first.time)
	dst = binary.AppendVarint(dst, last.time-first.time)
	before := entry{pos: first.pos, time: first.time}
	for _, e := range entries {
		dst = binary.AppendUvarint(dst, uint64(e.pos-before.end()))
		dst = binary.AppendVarint(dst, int64(e.size)-int64(before.size))
		dst = binary.AppendVarint(dst, e.tag-before.tag)
		dst = binary.AppendVarint(dst, e.time-before.time)
		before = e
	}
	return dst
}

// decodeHead reads the head of a block and returns what follows it.
func decodeHead(b []byte) (h blockHead, rest []byte, err error) {
	r := varints{b: b}
	h.count = int(r.unsigned(blockEntries))
	h.firstPos = mq.LogPos(r.unsigned(math.MaxInt64))
	h.lastPos = h.firstPos + mq.LogPos(r.unsigned(uint64(math.MaxInt64-h.firstPos)))
	h.firstTime = r.signed()
	h.lastTime = h.firstTime + r.signed()
	if r.bad || h.count == 0 {
		return h, nil, errBlock
	}
	return h, r.b, nil
}

// decodeBlock adds the entries of a block to dst.
func decodeBlock(dst []entry, b []byte) ([]entry, error) {
	h, rest, err := decodeHead(b)
	if err != nil {
		return dst, err
	}
	r := varints{b: rest}
	before := entry{pos: h.firstPos, time: h.firstTime}
	for range h.count {
		gap, size, tag, time := r.entry(uint64(math.MaxInt64 - before.end()))
		e := entry{pos: before.end() + mq.LogPos(gap), tag: before.tag + tag, time: before.time + time}
		size += int64(before.size)
		if r.bad || size < mq.MinRecordSize || size > math.MaxInt32 || int64(e.pos) > math.MaxInt64-size {
			return dst, errBlock
		}
		e.size = int32(size)
		dst = append(dst, e)
		before = e
	}
	if len(r.b) > 0 || before.pos != h.lastPos || before.time != h.lastTime {
		return dst, fmt.Errorf("%w: head and entries differ", errBlock)
	}
	return dst, nil
}

// varints reads varints off b. Once something was wrong it returns zeros.
type varints struct {
	b   []byte
	bad bool
}

// entry reads the four numbers of an entry, the first at most limit. Most have
// one byte each, and then one look tells all.
func (r *varints) entry(limit uint64) (gap uint64, size, tag, time int64) {
	if b := r.b; len(b) >= 4 && binary.LittleEndian.Uint32(b)&0x80808080 == 0 && uint64(b[0]) <= limit && !r.bad {
		r.b = b[4:]
		return uint64(b[0]), unfold(b[1]), unfold(b[2]), unfold(b[3])
	}
	return r.unsigned(limit), r.signed(), r.signed(), r.signed()
}

// unfold is the signed number that a byte stands for.
func unfold(b byte) int64 { return int64(b>>1) ^ -int64(b&1) }

// unsigned reads a number of at most limit.
func (r *varints) unsigned(limit uint64) uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 || v > limit {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *varints) signed() int64 {
	v, n := binary.Varint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}
