package pop

import "github.com/goddardmq/goddard/internal/mq"

// An Order is what a group has in hand of one queue that it takes in order:
// what was taken last. The zero value is nothing.
type Order struct {
	attempt   string
	popTime   int64 // Unix milliseconds
	invisible int64 // milliseconds
	items     []item
}

// An item is one message in hand.
type item struct {
	offset    mq.QueueOffset
	visible   int64 // when it is, in Unix milliseconds
	tries     int32 // deliveries before this one
	done      bool  // acknowledged
	suspended bool  // this delivery counts as no try
}

// An AckResult says what became of an acknowledgement.
type AckResult uint8

// What can become of an acknowledgement.
const (
	AckTaken   AckResult = iota
	AckStale             // it is of an earlier pop, and changes nothing
	AckUnknown           // the message was not taken
)

// Blocked reports whether a pop must wait, and until when at the latest: as
// long as a message is neither acknowledged nor visible again. A pop of the
// same attempt need not.
func (o *Order) Blocked(attempt string, now int64) (until int64, blocked bool) {
	if attempt != "" && attempt == o.attempt {
		return 0, false
	}
	for i := range o.items {
		if m := &o.items[i]; !m.done && m.visible > now {
			until, blocked = max(until, m.visible), true
		}
	}
	return until, blocked
}

// Take puts messages into the group's hand, in the place of what was there, and
// returns how often each was delivered before. The same attempt again is no
// further delivery.
func (o *Order) Take(attempt string, popTime, invisible int64, offsets []mq.QueueOffset) (tries []int32) {
	again := attempt != "" && attempt == o.attempt
	items := make([]item, len(offsets))
	tries = make([]int32, len(offsets))
	for i, at := range offsets {
		items[i] = item{offset: at, visible: popTime + invisible}
		if old := o.find(at); old != nil {
			items[i].tries = old.tries
			if !again && !old.suspended {
				items[i].tries++
			}
		}
		tries[i] = items[i].tries
	}
	*o = Order{attempt: attempt, popTime: popTime, invisible: invisible, items: items}
	return tries
}

func (o *Order) find(at mq.QueueOffset) *item {
	for i := range o.items {
		if o.items[i].offset == at {
			return &o.items[i]
		}
	}
	return nil
}

// Ack notes that a message is done with, which the pop at popTime took.
func (o *Order) Ack(at mq.QueueOffset, popTime int64) AckResult {
	if o.Empty() || popTime != o.popTime {
		return AckStale
	}
	m := o.find(at)
	if m == nil {
		return AckUnknown
	}
	m.done = true
	return AckTaken
}

// Has reports whether a message is in hand since the pop at popTime.
func (o *Order) Has(at mq.QueueOffset, popTime int64) bool {
	m := o.find(at)
	return popTime == o.popTime && m != nil && !m.done
}

// Change makes a message visible at another time. It reports whether the
// message is in hand.
func (o *Order) Change(at mq.QueueOffset, popTime, visible int64, suspend bool) bool {
	if !o.Has(at, popTime) {
		return false
	}
	m := o.find(at)
	m.visible, m.suspended = visible, suspend
	return true
}

// Empty reports whether nothing is in hand.
func (o *Order) Empty() bool {
	for i := range o.items {
		if !o.items[i].done {
			return false
		}
	}
	return true
}

// Next is the offset that the group is done with everything before; false if
// that is not known, for nothing was taken.
func (o *Order) Next() (mq.QueueOffset, bool) {
	for i := range o.items {
		if !o.items[i].done {
			return o.items[i].offset, true
		}
	}
	if len(o.items) == 0 {
		return 0, false
	}
	return o.items[len(o.items)-1].offset + 1, true
}
