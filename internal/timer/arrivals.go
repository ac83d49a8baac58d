package timer

import (
	"encoding/binary"
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// Bounds of what is noted of messages that have just come, in messages.
const (
	maxArrivals = 16 << 10
	// takeAtOnce is how many of them become entries at a time.
	takeAtOnce = pageEntries
)

// arrivals are the newest messages of the agenda's queue, noted while they were in
// memory as they were stored: to read them from the log again cost as much as all
// else that is done for one that begins to wait. Where there is a gap, or more
// came than can be noted, the log is read.
type arrivals struct {
	// Mutex guards what follows: whoever stores adds, the agenda takes.
	sync.Mutex
	first mq.QueueOffset // of the first of notes
	notes []entry        // unusual: due is below 0
	taken int            // of notes
	// missed says that messages came for which there was no room.
	missed bool
}

// add notes a message.
func (n *arrivals) add(m *store.Appended) {
	e := noted(m)
	n.Lock()
	defer n.Unlock()
	if len(n.notes) == maxArrivals && n.taken >= maxArrivals/2 {
		n.first += mq.QueueOffset(n.taken)
		n.notes, n.taken = append(n.notes[:0], n.notes[n.taken:]...), 0
	}
	switch {
	case len(n.notes) == maxArrivals:
		n.missed = true
		return
	case m.Offset != n.first+mq.QueueOffset(len(n.notes)):
		n.first, n.notes, n.taken = m.Offset, n.notes[:0], 0
	}
	n.notes = append(n.notes, e)
}

// take adds the messages from an offset on to all, up to the first unusual one; none
// if what lies there was not noted, and the log is to be read. more says that others
// follow.
func (n *arrivals) take(from mq.QueueOffset, all []entry) (_ []entry, more bool) {
	n.Lock()
	defer n.Unlock()
	at := max(0, from-n.first)
	if from < n.first || at >= mq.QueueOffset(len(n.notes)) {
		return all, true
	}
	n.taken = int(at)
	for n.taken < len(n.notes) && len(all) < takeAtOnce && n.notes[n.taken].due >= 0 {
		all = append(all, n.notes[n.taken])
		n.taken++
	}
	more = n.taken < len(n.notes) || n.missed
	if n.taken == len(n.notes) {
		n.first, n.notes, n.taken, n.missed = n.first+mq.QueueOffset(n.taken), n.notes[:0], 0, false
	}
	return all, more
}

// noted is the entry of a stored message. Unusual is what calls another one back or
// stands in for one, or does not say when it is due.
func noted(m *store.Appended) entry {
	if s := m.Send; s != nil && s.Due > 0 && s.Names != nil {
		pos := binary.BigEndian.Uint64(m.Record[mq.RecordPosAt:])
		return entry{place: place{s.Due, mq.LogPos(pos)}, hash: keyHash(s.Names.UniqueKey), size: int32(len(m.Record))}
	}
	r, _, err := mq.DecodeRecord(m.Record)
	if err != nil {
		return entry{place: place{due: -1}}
	}
	said := timingOf(r.Properties)
	due, ok := parseNumber(said.due)
	if !ok || said.recalls != nil || said.movedFrom != nil {
		due = -1
	}
	return entry{place: place{due, r.Pos}, hash: keyHash(said.key), size: r.Size}
}

// A timing is what a message of the queue says about itself; nil where it says
// nothing.
type timing struct{ due, key, recalls, movedFrom []byte }

// timingOf looks at all properties once.
func timingOf(props []byte) (t timing) {
	for k, v := range mq.Properties(props) {
		switch string(k) {
		case mq.PropTimerOutMs:
			t.due = v
		case mq.PropUniqueKey:
			t.key = v
		case mq.PropTimerDeleteUniq:
			t.recalls = v
		case mq.PropTimerMovedFrom:
			t.movedFrom = v
		}
	}
	return t
}
