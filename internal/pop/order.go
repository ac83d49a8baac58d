package pop

import (
	"errors"
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// Order is what a group has in hand of a queue that it takes in order. Who
// changes it and calls KeepOrder makes sure that nobody else does meanwhile.
func (h *Holds) Order(u Use) (Order, error) {
	value, err := h.opts.Store.Keys().Get(orderKey(u))
	switch {
	case errors.Is(err, mq.ErrNotFound):
		return Order{}, nil
	case err != nil:
		return Order{}, err
	}
	return decodeOrder(value)
}

// KeepOrder stores what a group has in hand, with a batch that the caller may
// have begun to fill. The batch is used up.
func (h *Holds) KeepOrder(b *store.KeyBatch, u Use, o *Order) error {
	if len(o.attempt) > maxAttempt {
		b.Drop()
		return fmt.Errorf("%w: attemptId has %d bytes, at most %d are allowed", mq.ErrInvalid, len(o.attempt), maxAttempt)
	}
	if o.Empty() {
		b.Delete(orderKey(u))
	} else {
		b.Set(orderKey(u), o.encode())
	}
	return h.opts.Store.Keys().Apply(b, false)
}

// OrderRow is the key of the row that KeepOrder stores.
func OrderRow(u Use) []byte { return orderKey(u) }

// Batch starts a batch for Take or KeepOrder.
func (h *Holds) Batch() *store.KeyBatch { return h.opts.Store.Keys().Batch() }
