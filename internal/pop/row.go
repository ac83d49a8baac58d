package pop

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// A rowID says which row of messages in hand is meant: what one pop took of a
// queue, or one message by itself.
type rowID struct {
	Use
	due   int64
	first mq.QueueOffset
	many  bool
}

// A row is messages in hand that lie in one row: those of a pop that are left, or
// a single one. Only a single one is suspended or has tries.
type row struct {
	rowID
	popTime   int64 // Unix milliseconds
	suspended bool
	tries     uint8
	left      []Taken // by offset
}

// manySuffix ends the key of a row of many messages, which is otherwise that of
// the first one.
const manySuffix = 'm'

// appendKey adds the row's key to b.
func (id *rowID) appendKey(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint64(append(b, rowHold...), uint64(id.due))
	b = append(append(b, id.Group...), 0)
	b = append(append(b, id.Topic...), 0)
	b = be.AppendUint32(b, uint32(id.Queue))
	b = be.AppendUint64(b, uint64(id.first))
	if id.many {
		b = append(b, manySuffix)
	}
	return b
}

// decodeKey reads what appendKey wrote.
func (id *rowID) decodeKey(key []byte) error {
	bad := fmt.Errorf("pop: key %x is not one of messages in hand", key)
	raw, ok := bytes.CutPrefix(key, []byte(rowHold))
	if !ok || len(raw) < 8 {
		return bad
	}
	be := binary.BigEndian
	group, rest, ok := bytes.Cut(raw[8:], []byte{0})
	topic, rest, ok2 := bytes.Cut(rest, []byte{0})
	id.many = len(rest) == 13 && rest[12] == manySuffix
	if !ok || !ok2 || len(rest) != 12 && !id.many {
		return bad
	}
	id.due, id.Group, id.Topic = int64(be.Uint64(raw)), string(group), string(topic)
	id.Queue, id.first = int32(be.Uint32(rest)), mq.QueueOffset(be.Uint64(rest[4:]))
	return nil
}

func (r *row) appendValue(b []byte) []byte {
	if !r.many {
		h := r.hold(0)
		return h.appendValue(b)
	}
	b = binary.BigEndian.AppendUint64(b, uint64(r.popTime))
	last := Taken{Offset: r.first}
	for _, m := range r.left {
		b = binary.AppendUvarint(b, uint64(m.Offset-last.Offset))
		b = binary.AppendVarint(b, int64(m.Pos-last.Pos))
		last = m
	}
	return b
}

// decodeRow reads a row.
func decodeRow(key, value []byte) (r row, err error) {
	if err := r.decodeKey(key); err != nil {
		return r, err
	}
	return r, r.decodeValue(value)
}

// decodeValue reads the value of a row whose key is known.
func (r *row) decodeValue(value []byte) error {
	if !r.many {
		h, err := decodeHoldValue(value)
		r.popTime, r.suspended, r.tries = h.PopTime, h.Suspended, h.tries
		r.left = append(r.left[:0], Taken{r.first, h.Pos})
		return err
	}
	bad := func() error { return fmt.Errorf("pop: a row of %d bytes is not one of messages in hand", len(value)) }
	if len(value) <= 8 {
		return bad()
	}
	r.popTime, r.suspended, r.tries = int64(binary.BigEndian.Uint64(value)), false, 0
	r.left = r.left[:0]
	last := Taken{Offset: r.first}
	for b := value[8:]; len(b) > 0; {
		offset, n := binary.Uvarint(b)
		if n <= 0 || offset == 0 && len(r.left) > 0 {
			return bad()
		}
		pos, k := binary.Varint(b[n:])
		if k <= 0 {
			return bad()
		}
		last.Offset, last.Pos, b = last.Offset+mq.QueueOffset(offset), last.Pos+mq.LogPos(pos), b[n+k:]
		r.left = append(r.left, last)
	}
	return nil
}

// hold is one of the messages that are left.
func (r *row) hold(i int) Hold {
	return Hold{
		Place: Place{Use: r.Use, Due: r.due, Offset: r.left[i].Offset, First: r.first},
		Pos:   r.left[i].Pos, PopTime: r.popTime, Suspended: r.suspended, tries: r.tries,
	}
}

// find is where a message is among those that are left; -1 if it is not.
func (r *row) find(at mq.QueueOffset) int {
	for i := range r.left { // mostly the first, when many are acknowledged
		if r.left[i].Offset == at {
			return i
		}
	}
	return -1
}

// add puts messages, in order, into the row that it does not have, and returns
// how many.
func (r *row) add(messages []Taken) (n int) {
	if len(r.left) == 0 {
		r.left = messages
		return len(messages)
	}
	for _, m := range messages {
		if r.find(m.Offset) < 0 {
			r.left = append(r.left, m)
			n++
		}
	}
	slices.SortFunc(r.left, func(a, b Taken) int { return cmp.Compare(a.Offset, b.Offset) })
	return n
}
