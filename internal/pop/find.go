package pop

import (
	"bytes"
	"context"

	"github.com/goddardmq/goddard/internal/mq"
)

// findEvery is how many rows are looked at between two looks at the context.
const findEvery = 1 << 16

// Find is the message of a queue that a group has in hand out of order. The rows
// are sorted by when they are due, so all of them may be looked at.
func (h *Holds) Find(ctx context.Context, u Use, at mq.QueueOffset) (hold Hold, found bool, err error) {
	if h.Count(u) == 0 {
		return Hold{}, false, nil
	}
	queue := useKey("", u)
	looked := 0
	err = h.opts.Store.Keys().Scan([]byte(rowHold), func(key, value []byte) error {
		if looked++; looked%findEvery == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		if found || len(key) < len(rowHold)+8 || !bytes.HasPrefix(key[len(rowHold)+8:], queue) {
			return nil
		}
		r, err := decodeRow(key, value)
		if err != nil {
			return err
		}
		if i := r.find(at); i >= 0 {
			hold, found = r.hold(i), true
		}
		return nil
	})
	return hold, found, err
}

// Tries is how often the message was delivered before, in the lifetime of this
// copy of it.
func (h *Hold) Tries() int32 { return int32(h.tries) }

// InHand says since and until when (Unix milliseconds) a message that was taken
// in order is in hand, and how often it was delivered before.
func (o *Order) InHand(at mq.QueueOffset) (popTime, until int64, tries int32, ok bool) {
	for i := range o.items {
		if m := &o.items[i]; m.offset == at && !m.done {
			return o.popTime, m.visible, m.tries, true
		}
	}
	return 0, 0, 0, false
}

// InHand is Order.InHand for what is taken in order by message group.
func (l *Lanes) InHand(at mq.QueueOffset) (popTime, until int64, tries int32, ok bool) {
	for i := range l.items {
		if m := &l.items[i]; m.offset == at && m.popTime > 0 {
			return m.popTime, m.visible, m.tries, true
		}
	}
	return 0, 0, 0, false
}

// CountInHand is Order.CountInHand for what is taken in order by message group.
func (l *Lanes) CountInHand(now int64) (n int) {
	for i := range l.items {
		if m := &l.items[i]; m.popTime > 0 && m.visible > now {
			n++
		}
	}
	return n
}
