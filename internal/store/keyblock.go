package store

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"

	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// keyBuckets is how many rows a block of the key index has at most, beside
	// its head: one for each first byte of a hash.
	keyBuckets = 256
	// keyHeadSuffix ends the key of a block's head, which sorts behind the
	// buckets.
	keyHeadSuffix = keyBuckets

	keyBlockVersion = 1
	keyRowSize      = 1 + 8 + 2
)

// castagnoli is the polynomial of the hashes in the key index.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Kinds of keys, as they go into a hash. Keys and unique keys share one.
const (
	kindKey byte = 'K'
	kindTag byte = 'T'
)

// A keyTopic makes the hashes of the keys of one topic.
type keyTopic [2]uint32

func newKeyTopic(topic []byte) keyTopic {
	sum := crc32.Update(0, castagnoli, topic)
	return keyTopic{
		crc32.Update(sum, castagnoli, keySuffix),
		crc32.Update(sum, castagnoli, tagSuffix),
	}
}

// What follows the topic in what is hashed. Written where it is used it would
// be two allocations for each message that is stored.
var keySuffix, tagSuffix = []byte{0, kindKey}, []byte{0, kindTag}

func (t keyTopic) key(key []byte) uint32 { return crc32.Update(t[0], castagnoli, key) }
func (t keyTopic) tag(tag []byte) uint32 { return crc32.Update(t[1], castagnoli, tag) }

// topicHashes remembers the last topic that keys were hashed for, since messages
// that are stored together are mostly of one.
type topicHashes struct {
	topic  string
	hashes keyTopic
}

func (h *topicHashes) of(topic string) keyTopic {
	if h.topic != topic {
		h.topic, h.hashes = topic, newKeyTopic([]byte(topic))
	}
	return h.hashes
}

// indexed reports whether a message with this flag can be found by its keys.
func indexed(flag mq.SysFlag) bool { return flag&mq.FlagTransaction != mq.FlagRollback }

// appendKeys adds the entries of a message at a position.
func appendKeys(dst []keyEntry, topic keyTopic, n *mq.Names, at uint32) []keyEntry {
	if len(n.UniqueKey) > 0 {
		dst = append(dst, newKeyEntry(topic.key(n.UniqueKey), at))
	}
	for key, rest := nextKey(n.Keys); key != nil; key, rest = nextKey(rest) {
		dst = append(dst, newKeyEntry(topic.key(key), at))
	}
	if len(n.Tag) > 0 {
		dst = append(dst, newKeyEntry(topic.tag(n.Tag), at))
	}
	return dst
}

// nextKey cuts the first of keys that stand between spaces; nil if there is
// none.
func nextKey(keys []byte) (key, rest []byte) {
	for len(keys) > 0 {
		key, keys, _ = bytes.Cut(keys, []byte{' '})
		if len(key) > 0 {
			return key, keys
		}
	}
	return nil, nil
}

// A keyEntry says that a name with a hash, in the upper half, belongs to the
// message at a position, in the lower half, counted from the block's start.
type keyEntry = uint64

func newKeyEntry(hash uint32, at uint32) keyEntry { return uint64(hash)<<32 | uint64(at) }

// sortByHash sorts entries that are in the order of their positions by their
// hashes: one byte after the other, the lowest first.
func sortByHash(entries []keyEntry) {
	from, to := entries, make([]keyEntry, len(entries))
	for shift := 32; shift < 64; shift += 8 {
		var at [keyBuckets]int
		for _, e := range from {
			at[byte(e>>shift)]++
		}
		sum := 0
		for i, n := range at {
			at[i], sum = sum, sum+n
		}
		for _, e := range from {
			b := byte(e >> shift)
			to[at[b]] = e
			at[b]++
		}
		from, to = to, from
	}
}

// A keyHead describes a block of the key index: which part of the log it
// covers, and when that was stored.
type keyHead struct {
	start, end          mq.LogPos
	firstTime, lastTime int64 // Unix milliseconds; zero if it covers no message
}

var errKeyBlock = errors.New("block of the key index is malformed")

func (h keyHead) encode() []byte {
	b := []byte{keyBlockVersion}
	b = binary.AppendUvarint(b, uint64(h.end-h.start))
	b = binary.AppendVarint(b, h.firstTime)
	return binary.AppendVarint(b, h.lastTime-h.firstTime)
}

// decodeKeyHead reads the head of the block that begins at start.
func decodeKeyHead(start mq.LogPos, b []byte) (h keyHead, err error) {
	if len(b) == 0 || b[0] != keyBlockVersion {
		return h, errKeyBlock
	}
	r := varints{b: b[1:]}
	h.start = start
	h.end = start + mq.LogPos(r.unsigned(uint64(math.MaxInt64-start)))
	h.firstTime = r.signed()
	h.lastTime = h.firstTime + r.signed()
	if r.bad || len(r.b) > 0 {
		return h, errKeyBlock
	}
	return h, nil
}

// appendKeyBucket encodes entries that have the first byte of their hashes in
// common, in rising order. The layout is in docs/FORMAT.md.
func appendKeyBucket(dst []byte, entries []keyEntry) []byte {
	hash, at := uint32(0), uint32(0)
	for _, e := range entries {
		h, pos := uint32(e>>32)&0xFFFFFF, uint32(e)
		dst = binary.AppendUvarint(dst, uint64(h-hash))
		if h != hash {
			at = 0
		}
		dst = binary.AppendUvarint(dst, uint64(pos-at))
		hash, at = h, pos
	}
	return dst
}

// findInBucket adds the positions of the entries with a hash to dst, counted
// from the block's start.
func findInBucket(dst []uint32, b []byte, hash uint32) ([]uint32, error) {
	want := hash & 0xFFFFFF
	r := varints{b: b}
	h, at := uint32(0), uint32(0)
	for len(r.b) > 0 {
		if step := uint32(r.unsigned(uint64(0xFFFFFF - h))); step != 0 {
			h, at = h+step, 0
		}
		at += uint32(r.unsigned(uint64(math.MaxUint32 - at)))
		if r.bad {
			return dst, errKeyBlock
		}
		if h == want {
			dst = append(dst, at)
		}
		if h > want {
			break
		}
	}
	return dst, nil
}

// keyRow is the key of a row of the block that begins at start.
func keyRow(start mq.LogPos, suffix uint16) []byte {
	k := make([]byte, 0, keyRowSize)
	k = binary.BigEndian.AppendUint64(append(k, rowKeyBlock), uint64(start))
	return binary.BigEndian.AppendUint16(k, suffix)
}

// parseKeyRow takes the key of a row apart.
func parseKeyRow(key []byte) (start mq.LogPos, suffix uint16, err error) {
	if len(key) != keyRowSize || int64(binary.BigEndian.Uint64(key[1:])) < 0 {
		return 0, 0, indexError(fmt.Sprintf("key %x", key))
	}
	return mq.LogPos(binary.BigEndian.Uint64(key[1:])), binary.BigEndian.Uint16(key[9:]), nil
}
