package pop

import (
	"bytes"
	"errors"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// deleteRows bounds the rows that are deleted in one batch.
const deleteRows = 8192

// recover brings the rows in line with a log that may have lost its end in a
// power cut: what it does not hold nobody has in hand, and what was stored
// again in the part that is gone is in hand as before. Then it counts.
func (h *Holds) recover() error {
	if err := h.restore(); err != nil {
		return err
	}
	_, hi := h.opts.Store.LogBounds()
	keys := h.opts.Store.Keys()
	b, lost, rows := keys.Batch(), 0, 0
	err := keys.Scan([]byte(rowHold), func(key, value []byte) error {
		r, err := decodeRow(key, value)
		if err != nil {
			return err
		}
		n := len(r.left)
		r.left = slices.DeleteFunc(r.left, func(m Taken) bool { return m.Pos >= hi })
		if kept := len(r.left); kept > 0 {
			h.add(h.stripe(r.Use), r.Use, int64(kept), r.first)
			if h.mu.low == nil {
				h.mu.low, h.mu.next = bytes.Clone(key), r.due
			}
		}
		switch len(r.left) {
		case n:
			return nil
		case 0:
			b.Delete(key)
		default:
			b.Set(key, r.appendValue(nil))
		}
		lost += n - len(r.left)
		if rows++; rows%deleteRows == 0 {
			err = keys.Apply(b, false)
			b = keys.Batch()
		}
		return err
	})
	if err != nil {
		b.Drop()
		return err
	}
	if lost > 0 {
		h.opts.Log.Warn("the log lost messages that were in consumers' hands; they are forgotten", "messages", lost)
	}
	return errors.Join(keys.Apply(b, false), h.recoverOrders(), h.recoverLanes())
}

// restore puts back into groups' hands what was stored again behind the end
// of the log.
func (h *Holds) restore() error {
	_, hi := h.opts.Store.LogBounds()
	keys := h.opts.Store.Keys()
	b := keys.Batch()
	err := keys.Scan([]byte(rowSent), func(_, value []byte) error {
		return decodeSent(value, func(hold Hold, copied mq.LogPos) {
			if copied >= hi {
				b.Set(hold.key(), hold.appendValue(nil))
			}
		})
	})
	if err != nil {
		b.Drop()
		return err
	}
	b.DeletePrefix([]byte(rowSent))
	return keys.Apply(b, false)
}

// recoverOrders forgets what was taken in order that the log no longer holds.
func (h *Holds) recoverOrders() error {
	return h.dropOrders(func(u Use, o *Order) (bool, error) {
		_, hi, err := h.opts.Store.Bounds(mq.Queue{Topic: u.Topic, ID: u.Queue})
		return len(o.items) > 0 && o.items[len(o.items)-1].offset >= hi, err
	})
}

// dropOrders deletes the rows of orders that match.
func (h *Holds) dropOrders(match func(Use, *Order) (bool, error)) error {
	keys := h.opts.Store.Keys()
	b := keys.Batch()
	err := keys.Scan([]byte(rowOrder), func(key, value []byte) error {
		u, err := parseOrderKey(key)
		if err != nil {
			return err
		}
		o, err := decodeOrder(value)
		if err != nil {
			return err
		}
		drop, err := match(u, &o)
		if drop {
			b.Delete(key)
		}
		return err
	})
	if err != nil {
		b.Drop()
		return err
	}
	return keys.Apply(b, false)
}

// Forget lets go of everything in hand that matches, in order or not. It looks
// at all that is in hand.
func (h *Holds) Forget(match func(Use) bool) error {
	err := h.dropOrders(func(u Use, _ *Order) (bool, error) { return match(u), nil })
	if err != nil || !h.any(match) {
		return err
	}
	from := dueKey(0)
	for from != nil {
		var places []Place
		next := []byte(nil)
		err := h.opts.Store.Keys().ScanFrom([]byte(rowHold), from, func(key, value []byte) error {
			if len(places) >= deleteRows {
				next = bytes.Clone(key)
				return errEnough
			}
			r, err := decodeRow(key, value)
			if err == nil && match(r.Use) {
				for i := range r.left {
					places = append(places, r.hold(i).Place)
				}
			}
			return err
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
		if len(places) > 0 {
			if _, err := h.Ack(places); err != nil {
				return err
			}
		}
		from = next
	}
	return nil
}

// any reports whether something that matches is in hand.
func (h *Holds) any(match func(Use) bool) bool {
	for i := range h.stripes {
		s := &h.stripes[i]
		s.Lock()
		for u := range s.counts {
			if match(u) {
				s.Unlock()
				return true
			}
		}
		s.Unlock()
	}
	return false
}
