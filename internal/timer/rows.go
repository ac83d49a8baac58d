package timer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"math"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// Prefixes of the agenda's rows; see docs/FORMAT.md.
const (
	rowAt      = "timer/at/"
	rowDone    = "timer/done/"
	rowSent    = "timer/sent/" // rowDone of earlier versions
	rowIndexed = "timer/indexed"
)

// Sizes of what rows hold, in bytes.
const (
	placeSize   = 8 + 8
	hashSize    = 8
	valueSize   = hashSize + 4
	sentSize    = placeSize + hashSize + 8
	indexedSize = 8 + 8
)

// A place orders the messages that wait: by due time, then as they were stored.
type place struct {
	due int64 // Unix milliseconds
	pos mq.LogPos
}

// nowhere is behind every place.
const nowhere = math.MaxInt64

func (p place) before(q place) bool { return p.due < q.due || p.due == q.due && p.pos < q.pos }

// An entry is one message that waits.
type entry struct {
	place
	hash uint64 // of the unique key
	size int32  // of the record, in bytes; 0 if it is not known
}

// A doneEntry is a message that waits no more, and where the reason lies: its
// copy, or the message that called it back.
type doneEntry struct {
	place
	copy mq.LogPos
}

func atKey(p place) []byte {
	b := append(make([]byte, 0, len(rowAt)+placeSize), rowAt...)
	b = binary.BigEndian.AppendUint64(b, uint64(p.due))
	return binary.BigEndian.AppendUint64(b, uint64(p.pos))
}

func atValue(e entry) []byte {
	b := binary.BigEndian.AppendUint64(make([]byte, 0, valueSize), e.hash)
	if e.size == 0 {
		return b
	}
	return binary.BigEndian.AppendUint32(b, uint32(e.size))
}

// decodeAt reads a row of messages that wait.
func decodeAt(key, value []byte) (entry, error) {
	raw := key[min(len(rowAt), len(key)):]
	if len(raw) != placeSize || len(value) != valueSize && len(value) != hashSize {
		return entry{}, fmt.Errorf("timer: row %x has %d bytes, want a key with %d and %d", key, len(value), placeSize, valueSize)
	}
	be := binary.BigEndian
	e := entry{place: place{int64(be.Uint64(raw)), mq.LogPos(be.Uint64(raw[8:]))}, hash: be.Uint64(value)}
	if len(value) == valueSize {
		e.size = int32(be.Uint32(value[hashSize:]))
	}
	return e, nil
}

func doneKey(end mq.LogPos) []byte {
	return binary.BigEndian.AppendUint64([]byte(rowDone), uint64(end))
}

// appendDone adds the value of a row of messages that wait no more. Each follows the
// one before closely in all that is said of it.
func appendDone(b []byte, done []doneEntry) []byte {
	var last doneEntry
	for _, e := range done {
		b = binary.AppendVarint(b, e.due-last.due)
		b = binary.AppendVarint(b, int64(e.pos-last.pos))
		b = binary.AppendVarint(b, int64(e.copy-last.copy))
		last = e
	}
	return b
}

func decodeDone(b []byte) (done []doneEntry, err error) {
	var last doneEntry
	for whole := len(b); len(b) > 0; {
		var v [3]int64
		for i := range v {
			n, size := binary.Varint(b)
			if size <= 0 {
				return nil, fmt.Errorf("timer: a row of delivered messages, of %d bytes, ends within a number", whole)
			}
			v[i], b = n, b[size:]
		}
		last.due, last.pos, last.copy = last.due+v[0], last.pos+mq.LogPos(v[1]), last.copy+mq.LogPos(v[2])
		done = append(done, last)
	}
	return done, nil
}

// decodeSent reads a row of earlier versions, which had a hash besides.
func decodeSent(b []byte) (done []doneEntry, err error) {
	if len(b)%sentSize != 0 {
		return nil, fmt.Errorf("timer: a row of delivered messages has %d bytes, want a multiple of %d", len(b), sentSize)
	}
	be := binary.BigEndian
	for ; len(b) > 0; b = b[sentSize:] {
		at := place{int64(be.Uint64(b)), mq.LogPos(be.Uint64(b[8:]))}
		done = append(done, doneEntry{at, mq.LogPos(be.Uint64(b[24:]))})
	}
	return done, nil
}

// keyHash tells unique keys apart; those with the same are compared.
func keyHash[T ~string | ~[]byte](key T) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	return h.Sum64()
}

// errEnough ends a scan early.
var errEnough = errors.New("enough")

// scan goes through the entries from a place on until f returns false.
func scan(keys *store.Keys, from place, f func(entry) bool) error {
	err := keys.ScanFrom([]byte(rowAt), atKey(from), func(key, value []byte) error {
		e, err := decodeAt(key, value)
		if err == nil && !f(e) {
			err = errEnough
		}
		return err
	})
	if errors.Is(err, errEnough) {
		return nil
	}
	return err
}

func indexedValue(next mq.QueueOffset, end mq.LogPos) []byte {
	v := binary.BigEndian.AppendUint64(nil, uint64(next))
	return binary.BigEndian.AppendUint64(v, uint64(end))
}

// recalled are the unique keys that the value of TIMER_DEL_UNIQKEY may mean:
// it may begin with the topic and a plus sign, or not.
func recalled(value string) []string {
	if _, key, ok := strings.Cut(value, "+"); ok && key != "" {
		return []string{key, value}
	}
	return []string{value}
}

// isWaiting reports whether there is a row for a message.
func (a *Agenda) isWaiting(p place) (bool, error) {
	_, err := a.opts.Store.Keys().Get(atKey(p))
	if errors.Is(err, mq.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
