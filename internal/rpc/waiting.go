package rpc

import (
	"math"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// slotsFirst is how many slots a table of waiting calls has at first.
const slotsFirst = 8

// A call is one request that awaits its answer.
type call struct {
	deadline time.Duration // on the connection's clock
	done     func(*wire.Command, error)
	opaque   int32
	brief    bool // of a success, its head will do
}

// waiting are the calls that await their answers. Opaques are chosen here, so
// each call gets one whose lowest bits name a free slot: nothing has to be
// searched or hashed.
type waiting struct {
	slots []call // a power of two of them, at least half free; free are those without done
	n     int
	last  int32 // opaque given out
}

// add gives a call its opaque and keeps it.
func (w *waiting) add(c call) (opaque int32) {
	if 2*w.n >= len(w.slots) {
		w.grow()
	}
	for {
		w.last = (w.last + 1) & math.MaxInt32
		slot := w.slot(w.last)
		if slot.done != nil {
			continue
		}
		*slot = c
		slot.opaque = w.last
		w.n++
		return w.last
	}
}

// slot is the one for an opaque, whatever is in it.
func (w *waiting) slot(opaque int32) *call { return &w.slots[int(opaque)&(len(w.slots)-1)] }

// grow doubles the slots. Opaques that had a slot each have one each.
func (w *waiting) grow() {
	old := w.slots
	w.slots = make([]call, max(slotsFirst, 2*len(old)))
	for _, c := range old {
		if c.done != nil {
			*w.slot(c.opaque) = c
		}
	}
}

// find is the slot of a call that waits, nil if none with that opaque does.
func (w *waiting) find(opaque int32) *call {
	if len(w.slots) == 0 {
		return nil
	}
	if slot := w.slot(opaque); slot.done != nil && slot.opaque == opaque {
		return slot
	}
	return nil
}

// take empties a slot that find has given.
func (w *waiting) take(slot *call) call {
	c := *slot
	slot.done = nil
	w.n--
	return c
}

// all calls f with each slot of a call that waits, which f may take.
func (w *waiting) all(f func(slot *call)) {
	for i := range w.slots {
		if w.slots[i].done != nil {
			f(&w.slots[i])
		}
	}
}
