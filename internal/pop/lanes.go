package pop

import (
	"errors"
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// maxLanes bounds the queues whose lanes are kept in memory beside their rows.
const maxLanes = 512

// Lanes is what a group has in hand of a queue that it takes in order by message
// group. Who asks for it makes sure that nobody else does until it is kept or
// let go.
func (h *Holds) Lanes(u Use) (*Lanes, error) {
	h.lanes.Lock()
	l := h.lanes.of[u]
	h.lanes.Unlock()
	if l != nil {
		return l, nil
	}
	l, err := h.loadLanes(u)
	if err != nil {
		return nil, err
	}
	h.lanes.Lock()
	defer h.lanes.Unlock()
	if h.lanes.of == nil {
		h.lanes.of = map[Use]*Lanes{}
	}
	if len(h.lanes.of) >= maxLanes {
		for other := range h.lanes.of {
			delete(h.lanes.of, other)
			break
		}
	}
	h.lanes.of[u] = l
	return l, nil
}

func (h *Holds) loadLanes(u Use) (*Lanes, error) {
	keys := h.opts.Store.Keys()
	ordered, err := keys.Has(orderKey(u))
	if err != nil {
		return nil, err
	}
	value, err := keys.Get(lanesKey(u))
	switch {
	case errors.Is(err, mq.ErrNotFound):
		return &Lanes{fromOrder: ordered}, nil
	case err != nil:
		return nil, err
	}
	l, err := decodeLanes(value)
	l.fromOrder = ordered
	return &l, err
}

// HasLanes reports whether a group has anything in hand of a queue by message
// group, or parked.
func (h *Holds) HasLanes(u Use) (bool, error) { return h.opts.Store.Keys().Has(lanesKey(u)) }

// KeepLanes stores what a group has in hand, with a batch that the caller may
// have begun to fill. The batch is used up. After an error the lanes must be let
// go: they are ahead of their row.
func (h *Holds) KeepLanes(b *store.KeyBatch, u Use, l *Lanes) error {
	if l.empty() {
		b.Delete(lanesKey(u))
	} else {
		b.Set(lanesKey(u), l.encode())
	}
	if l.fromOrder {
		b.Delete(orderKey(u))
	}
	for i := range l.back {
		b.Delete(asideKey(u, l.back[i].key, l.back[i].offset))
	}
	for i := range l.out {
		b.Set(asideKey(u, l.out[i].key, l.out[i].offset), asideValue(&l.out[i]))
	}
	if err := h.opts.Store.Keys().Apply(b, false); err != nil {
		return err
	}
	l.changed, l.fromOrder, l.out, l.back = false, false, nil, nil
	return nil
}

// LetGo forgets lanes in memory; the row has what was kept.
func (h *Holds) LetGo(u Use) {
	h.lanes.Lock()
	defer h.lanes.Unlock()
	delete(h.lanes.of, u)
}

// Refill takes messages back from aside whose keys are being released.
func (h *Holds) Refill(u Use, l *Lanes) error {
	for _, key := range l.returns() {
		first, err := h.aside(u, key, maxReturn)
		if err != nil {
			return err
		}
		l.Return(key, first)
	}
	return nil
}

// aside are the first messages of a key that are aside.
func (h *Holds) aside(u Use, key uint64, most int) (first []laned, err error) {
	err = h.opts.Store.Keys().Scan(asideKey(u, key, -1), func(key, value []byte) error {
		if len(first) == most {
			return errEnough
		}
		m, err := decodeAside(key, value)
		first = append(first, m)
		return err
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return first, err
}

// Aside are the first messages of a parked key that are aside.
func (h *Holds) Aside(u Use, name string, most int) ([]mq.QueueOffset, error) {
	first, err := h.aside(u, HashKey(name), most)
	offsets := make([]mq.QueueOffset, 0, len(first))
	for i := range first {
		offsets = append(offsets, first[i].offset)
	}
	return offsets, err
}

// Discard lets go of messages of a parked key that are aside, with the lanes
// that are kept next.
func (l *Lanes) Discard(name string, offsets []mq.QueueOffset) {
	key := HashKey(name)
	for _, at := range offsets {
		l.back = append(l.back, laned{key: key, offset: at})
	}
	l.gone(key, len(offsets))
}

// Parked are the keys that are parked.
func (l *Lanes) Parked() []Parked { return append([]Parked(nil), l.parked...) }

// ForgetLanes lets go of everything taken by message group, and of everything
// aside, that matches.
func (h *Holds) ForgetLanes(match func(Use) bool) error {
	h.lanes.Lock()
	for u := range h.lanes.of {
		if match(u) {
			delete(h.lanes.of, u)
		}
	}
	h.lanes.Unlock()
	keys := h.opts.Store.Keys()
	b := keys.Batch()
	err := keys.Scan([]byte(rowLanes), func(key, _ []byte) error {
		u, err := parseUseKey(rowLanes, key)
		if err == nil && match(u) {
			b.Delete(key)
			b.DeletePrefix(useKey(rowAside, u))
		}
		return err
	})
	if err != nil {
		b.Drop()
		return err
	}
	return keys.Apply(b, false)
}

// recoverLanes forgets what the log no longer holds after a power cut.
func (h *Holds) recoverLanes() error {
	keys := h.opts.Store.Keys()
	b := keys.Batch()
	err := keys.Scan([]byte(rowLanes), func(key, value []byte) error {
		u, err := parseUseKey(rowLanes, key)
		if err != nil {
			return err
		}
		l, err := decodeLanes(value)
		if err != nil {
			return fmt.Errorf("%w: group %s, topic %s, queue %d", err, u.Group, u.Topic, u.Queue)
		}
		_, hi, err := h.opts.Store.Bounds(mq.Queue{Topic: u.Topic, ID: u.Queue})
		if err != nil || l.known <= hi {
			return err
		}
		l.trim(hi)
		for i := range l.parked {
			p := &l.parked[i]
			err = errors.Join(err, keys.Scan(asideKey(u, p.key, -1), func(key, _ []byte) error {
				_, m, err := parseAsideKey(key)
				if err == nil && m.offset >= hi {
					b.Delete(key)
					p.Aside--
				}
				return err
			}))
		}
		b.Set(key, l.encode())
		return err
	})
	if err != nil {
		b.Drop()
		return err
	}
	return keys.Apply(b, false)
}
