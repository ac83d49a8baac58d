package trace

import (
	"container/list"

	"github.com/goddardmq/goddard/internal/mq"
)

// A hand is a group's, in a queue.
type hand struct {
	group string
	queue mq.Queue
}

// A held is a message that was delivered and is not yet acknowledged.
type held struct {
	hand
	at   mq.QueueOffset
	part part
	span spanID // of the delivery
}

// hands holds, of the messages that are followed, those in consumers' hands. It
// forgets the oldest beyond its limit, whose acknowledgements are not written.
type hands struct {
	limit int
	order *list.List // of held, the oldest first
	in    map[hand]map[mq.QueueOffset]*list.Element
}

func newHands(limit int) *hands {
	return &hands{limit: limit, order: list.New(), in: map[hand]map[mq.QueueOffset]*list.Element{}}
}

// put notes a delivery; one of the same message before it is forgotten.
func (h *hands) put(x held) {
	h.take(x.hand, x.at)
	all := h.in[x.hand]
	if all == nil {
		all = map[mq.QueueOffset]*list.Element{}
		h.in[x.hand] = all
	}
	all[x.at] = h.order.PushBack(x)
	if h.order.Len() > h.limit {
		h.remove(h.order.Front())
	}
}

// take takes one message out.
func (h *hands) take(from hand, at mq.QueueOffset) (held, bool) {
	e, ok := h.in[from][at]
	if !ok {
		return held{}, false
	}
	return h.remove(e), true
}

// takeBefore takes out all messages before an offset, in no order.
func (h *hands) takeBefore(from hand, to mq.QueueOffset) []held {
	var all []held
	for at, e := range h.in[from] {
		if at < to {
			all = append(all, h.remove(e))
		}
	}
	return all
}

func (h *hands) remove(e *list.Element) held {
	x := h.order.Remove(e).(held)
	all := h.in[x.hand]
	delete(all, x.at)
	if len(all) == 0 {
		delete(h.in, x.hand)
	}
	return x
}
