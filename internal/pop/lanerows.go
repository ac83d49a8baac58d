package pop

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
)

// Flags of an item in the row of lanes, and its sizes when nobody took it and
// when somebody did.
const (
	lanedTaken     = 1
	lanedSuspended = 2
	lanedReturned  = 4

	lanedSize = 1 + 8 + 8 + 4
	takenSize = lanedSize + 8 + 8 + 8 + 8
)

// parkedReleasing is the flag of a parked key that is being released.
const parkedReleasing = 1

func (l *Lanes) encode() []byte {
	be := binary.BigEndian
	b := make([]byte, 0, 8+8+2+len(l.parked)*(1+8+4+2+32)+len(l.items)*takenSize)
	b = be.AppendUint64(b, uint64(l.floor))
	b = be.AppendUint64(b, uint64(l.known))
	b = be.AppendUint16(b, uint16(len(l.parked)))
	for i := range l.parked {
		b = l.parked[i].append(b)
	}
	for i := range l.items {
		b = l.items[i].append(b)
	}
	return b
}

func (p *Parked) append(b []byte) []byte {
	be := binary.BigEndian
	flags := byte(0)
	if p.Releasing {
		flags = parkedReleasing
	}
	b = be.AppendUint64(append(b, flags), uint64(p.Since))
	b = be.AppendUint32(b, uint32(p.Aside))
	return append(be.AppendUint16(b, uint16(len(p.Name))), p.Name...)
}

func (m *laned) append(b []byte) []byte {
	be := binary.BigEndian
	flags := byte(0)
	if m.popTime > 0 {
		flags |= lanedTaken
	}
	if m.suspended {
		flags |= lanedSuspended
	}
	if m.returned {
		flags |= lanedReturned
	}
	b = be.AppendUint64(append(b, flags), uint64(m.offset))
	b = be.AppendUint64(b, m.key)
	b = be.AppendUint32(b, uint32(m.tries))
	if m.popTime == 0 {
		return b
	}
	b = be.AppendUint64(b, uint64(m.visible))
	b = be.AppendUint64(b, uint64(m.popTime))
	b = be.AppendUint64(b, uint64(m.first))
	return be.AppendUint64(b, m.attempt)
}

var errBadLanes = errors.New("pop: the row of a queue in order by message group is damaged")

func decodeLanes(b []byte) (l Lanes, err error) {
	be := binary.BigEndian
	if len(b) < 18 {
		return l, errBadLanes
	}
	l.floor, l.known = mq.QueueOffset(be.Uint64(b)), mq.QueueOffset(be.Uint64(b[8:]))
	keys := int(be.Uint16(b[16:]))
	if l.floor < 0 || l.known < l.floor || keys > MaxParked {
		return l, errBadLanes
	}
	b = b[18:]
	for range keys {
		var p Parked
		if p, b, err = cutParked(b); err != nil {
			return l, err
		}
		l.parked = append(l.parked, p)
	}
	for last := mq.QueueOffset(-1); len(b) > 0; {
		var m laned
		if m, b, err = cutLaned(b); err != nil {
			return l, err
		}
		if m.offset <= last || m.offset >= l.known || m.offset < l.floor && !m.returned {
			return l, errBadLanes
		}
		last = m.offset
		l.items = append(l.items, m)
	}
	return l, nil
}

func cutParked(b []byte) (p Parked, rest []byte, err error) {
	be := binary.BigEndian
	if len(b) < 15 || b[0] > parkedReleasing {
		return p, nil, errBadLanes
	}
	n := int(be.Uint16(b[13:]))
	p = Parked{Releasing: b[0] == parkedReleasing, Since: int64(be.Uint64(b[1:])), Aside: int32(be.Uint32(b[9:]))}
	if b = b[15:]; len(b) < n {
		return p, nil, errBadLanes
	}
	p.Name = string(b[:n])
	p.key = HashKey(p.Name)
	return p, b[n:], nil
}

func cutLaned(b []byte) (m laned, rest []byte, err error) {
	be := binary.BigEndian
	if len(b) < lanedSize || b[0] > lanedTaken|lanedSuspended|lanedReturned {
		return m, nil, errBadLanes
	}
	flags := b[0]
	m = laned{
		offset: mq.QueueOffset(be.Uint64(b[1:])), key: be.Uint64(b[9:]), tries: int32(be.Uint32(b[17:])),
		suspended: flags&lanedSuspended != 0, returned: flags&lanedReturned != 0,
	}
	if flags&lanedTaken == 0 {
		return m, b[lanedSize:], nil
	}
	if len(b) < takenSize {
		return m, nil, errBadLanes
	}
	m.visible, m.popTime = int64(be.Uint64(b[21:])), int64(be.Uint64(b[29:]))
	m.first, m.attempt = int64(be.Uint64(b[37:])), be.Uint64(b[45:])
	if m.popTime <= 0 {
		return m, nil, errBadLanes
	}
	return m, b[takenSize:], nil
}

func lanesKey(u Use) []byte { return useKey(rowLanes, u) }

// asideKey is the key of a message that is aside, or with a negative offset the
// prefix of all of its key.
func asideKey(u Use, key uint64, at mq.QueueOffset) []byte {
	b := binary.BigEndian.AppendUint64(useKey(rowAside, u), key)
	if at < 0 {
		return b
	}
	return binary.BigEndian.AppendUint64(b, uint64(at))
}

func parseAsideKey(key []byte) (u Use, m laned, err error) {
	if len(key) < len(rowAside)+16 {
		return u, m, fmt.Errorf("pop: row %q is not one of a message put aside", key)
	}
	end := len(key) - 16
	u, err = parseUseKey(rowAside, key[:end])
	m.key, m.offset = binary.BigEndian.Uint64(key[end:]), mq.QueueOffset(binary.BigEndian.Uint64(key[end+8:]))
	return u, m, err
}

// asideValue keeps how often a message was tried and when first.
func asideValue(m *laned) []byte {
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 12), uint32(m.tries))
	return binary.BigEndian.AppendUint64(b, uint64(m.first))
}

func decodeAside(key, value []byte) (m laned, err error) {
	if _, m, err = parseAsideKey(key); err != nil {
		return m, err
	}
	if len(value) != 12 {
		return m, fmt.Errorf("pop: row %q of a message put aside has %d bytes, want 12", key, len(value))
	}
	m.tries, m.first = int32(binary.BigEndian.Uint32(value)), int64(binary.BigEndian.Uint64(value[4:]))
	return m, nil
}
