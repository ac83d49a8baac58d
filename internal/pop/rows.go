package pop

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
)

// Prefixes of the rows; see docs/FORMAT.md. Names hold no zero byte.
const (
	rowHold  = "pop/hold/"
	rowSent  = "pop/sent/"
	rowOrder = "pop/order/"
	rowLanes = "pop/lanes/"
	rowAside = "pop/aside/"
)

// holdSize is the size of a hold's value: log position, time of the pop, flags,
// tries.
const holdSize = 8 + 8 + 1 + 1

// flagSuspended marks a hold whose end counts as no try.
const flagSuspended = 1

// A Use is a consumer group's use of a queue.
type Use struct {
	Group, Topic string
	Queue        int32
}

// A Place names a message in hand.
type Place struct {
	Use
	Due    int64 // when it becomes visible, in Unix milliseconds
	Offset mq.QueueOffset
	First  mq.QueueOffset // that its pop took of the queue; only helps to find it
}

// A Hold is a message in hand.
type Hold struct {
	Place
	Pos       mq.LogPos
	PopTime   int64 // Unix milliseconds
	Suspended bool  // its end counts as no try
	tries     uint8 // to give it back
}

// alone is the row that the message has if it does not share one.
func (p *Place) alone() rowID { return rowID{Use: p.Use, due: p.Due, first: p.Offset} }

// key is that of the message's own row, whether it has one or not.
func (p *Place) key() []byte {
	id := p.alone()
	return id.appendKey(make([]byte, 0, len(rowHold)+8+len(p.Group)+len(p.Topic)+2+4+8))
}

// dueKey is before the keys of everything that is due at or after at.
func dueKey(at int64) []byte { return binary.BigEndian.AppendUint64([]byte(rowHold), uint64(at)) }

// dueOf is when the row of a key is due.
func dueOf(key []byte) int64 { return int64(binary.BigEndian.Uint64(key[len(rowHold):])) }

func (h *Hold) appendValue(b []byte) []byte {
	b = binary.BigEndian.AppendUint64(b, uint64(h.Pos))
	b = binary.BigEndian.AppendUint64(b, uint64(h.PopTime))
	flags := byte(0)
	if h.Suspended {
		flags = flagSuspended
	}
	return append(b, flags, h.tries)
}

// decodeHold reads the row of a single message.
func decodeHold(key, value []byte) (h Hold, err error) {
	var id rowID
	if err := id.decodeKey(key); err != nil {
		return h, err
	}
	if id.many {
		return h, fmt.Errorf("pop: row %x is not one of a single message in hand", key)
	}
	h, err = decodeHoldValue(value)
	h.Place = Place{Use: id.Use, Due: id.due, Offset: id.first, First: id.first}
	return h, err
}

// decodeHoldValue reads what appendValue wrote.
func decodeHoldValue(value []byte) (h Hold, err error) {
	if len(value) != holdSize || value[16] > flagSuspended {
		return h, fmt.Errorf("pop: a row of %d bytes is not one of a message in hand", len(value))
	}
	be := binary.BigEndian
	h.Pos, h.PopTime = mq.LogPos(be.Uint64(value)), int64(be.Uint64(value[8:]))
	h.Suspended, h.tries = value[16] == flagSuspended, value[17]
	return h, nil
}

func sentKey(end mq.LogPos) []byte {
	return binary.BigEndian.AppendUint64([]byte(rowSent), uint64(end))
}

// appendSent adds a hold whose message was stored again at copy.
func appendSent(b []byte, h *Hold, copied mq.LogPos) []byte {
	key := h.key()
	b = append(binary.BigEndian.AppendUint16(b, uint16(len(key))), key...)
	return binary.BigEndian.AppendUint64(h.appendValue(b), uint64(copied))
}

// decodeSent calls f with every hold that appendSent added.
func decodeSent(b []byte, f func(h Hold, copied mq.LogPos)) error {
	for len(b) > 0 {
		n := 0
		if len(b) >= 2 {
			n = int(binary.BigEndian.Uint16(b))
		}
		if len(b) < 2+n+holdSize+8 {
			return fmt.Errorf("pop: a row of messages that were given back ends early, %d bytes are left", len(b))
		}
		key, value := b[2:2+n], b[2+n:2+n+holdSize]
		h, err := decodeHold(key, value)
		if err != nil {
			return err
		}
		f(h, mq.LogPos(binary.BigEndian.Uint64(b[2+n+holdSize:])))
		b = b[2+n+holdSize+8:]
	}
	return nil
}

func orderKey(u Use) []byte { return useKey(rowOrder, u) }

// useKey is the key of a row about a group's use of a queue.
func useKey(prefix string, u Use) []byte {
	b := make([]byte, 0, len(prefix)+len(u.Group)+len(u.Topic)+2+4+16)
	b = append(append(append(b, prefix...), u.Group...), 0)
	b = append(append(b, u.Topic...), 0)
	return binary.BigEndian.AppendUint32(b, uint32(u.Queue))
}

func parseOrderKey(key []byte) (u Use, err error) { return parseUseKey(rowOrder, key) }

func parseUseKey(prefix string, key []byte) (u Use, err error) {
	group, rest, ok := strings.Cut(strings.TrimPrefix(string(key), prefix), "\x00")
	topic, id, ok2 := strings.Cut(rest, "\x00")
	if !ok || !ok2 || len(id) != 4 {
		return u, fmt.Errorf("pop: row %q is not one of a queue in order", key)
	}
	return Use{group, topic, int32(binary.BigEndian.Uint32([]byte(id)))}, nil
}

// Flags and size of an item in an order's row.
const (
	itemDone      = 1
	itemSuspended = 2
	itemSize      = 8 + 8 + 4 + 1
)

// maxAttempt bounds the name of an attempt, in bytes.
const maxAttempt = 1024

func (o *Order) encode() []byte {
	be := binary.BigEndian
	b := make([]byte, 0, 18+len(o.attempt)+len(o.items)*itemSize)
	b = be.AppendUint64(b, uint64(o.popTime))
	b = be.AppendUint64(b, uint64(o.invisible))
	b = append(be.AppendUint16(b, uint16(len(o.attempt))), o.attempt...)
	for _, m := range o.items {
		b = be.AppendUint64(b, uint64(m.offset))
		b = be.AppendUint64(b, uint64(m.visible))
		b = be.AppendUint32(b, uint32(m.tries))
		flags := byte(0)
		if m.done {
			flags |= itemDone
		}
		if m.suspended {
			flags |= itemSuspended
		}
		b = append(b, flags)
	}
	return b
}

var errBadOrder = errors.New("pop: the row of a queue in order is damaged")

func decodeOrder(b []byte) (o Order, err error) {
	be := binary.BigEndian
	if len(b) < 18 || len(b) < 18+int(be.Uint16(b[16:])) {
		return o, errBadOrder
	}
	o.popTime, o.invisible = int64(be.Uint64(b)), int64(be.Uint64(b[8:]))
	n := int(be.Uint16(b[16:]))
	o.attempt, b = string(b[18:18+n]), b[18+n:]
	if len(b)%itemSize != 0 {
		return o, errBadOrder
	}
	for ; len(b) > 0; b = b[itemSize:] {
		if b[20] > itemDone|itemSuspended {
			return o, errBadOrder
		}
		o.items = append(o.items, item{
			offset: mq.QueueOffset(be.Uint64(b)), visible: int64(be.Uint64(b[8:])), tries: int32(be.Uint32(b[16:])),
			done: b[20]&itemDone != 0, suspended: b[20]&itemSuspended != 0,
		})
	}
	return o, nil
}

// never is later than everything that waits.
const never = math.MaxInt64
