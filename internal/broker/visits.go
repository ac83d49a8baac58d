package broker

import (
	"strconv"

	"github.com/goddardmq/goddard/internal/mq"
)

// visits is the order in which a pop goes through queues.
type visits struct {
	// byPriority begins every time with the same queue, that of the messages
	// with the highest priority, and goes to the lowest.
	byPriority bool
	// retriesFirst says whether what comes back to the group is looked at before
	// the topic's own queues, or after them.
	retriesFirst bool
	lowestFirst  bool // queue 0 is that of the highest priority
}

// popOrder is the settings that the order depends on.
type popOrder struct {
	ascending          bool // a higher queue is a higher priority (priorityOrderAsc)
	retryFirst         int  // percent of pops that begin with the retries
	retryFirstPriority int  // the same for pops in the order of priorities
}

// visits chooses the order for a pop of a group from a topic. byChance is
// whether this is one of that many pops of a hundred.
func (o popOrder) visits(t *topic, g *mq.Group, ordered bool, byChance func(percent int) bool) visits {
	v := visits{lowestFirst: !o.ascending}
	if ordered {
		return v
	}
	v.byPriority = t.messageType() == kindPriority && byChance(priorityFactor(g))
	if v.byPriority {
		v.retriesFirst = byChance(o.retryFirstPriority)
	} else {
		v.retriesFirst = byChance(o.retryFirst)
	}
	return v
}

// priorityFactor is of how many of a hundred pops the group wants the order of
// priorities.
func priorityFactor(g *mq.Group) int {
	n, err := strconv.Atoi(g.Attributes[attrPriorityFactor])
	if err != nil || n < 0 || n > 100 {
		return 100
	}
	return n
}

// queue is the i-th queue of n that a pop looks at, both from 0. turn differs
// from pop to pop, so that queues without priorities are begun with in turn.
func (v visits) queue(i, n, turn uint32) int32 {
	switch {
	case !v.byPriority:
		return int32((turn%n + i) % n)
	case v.lowestFirst:
		return int32(i)
	}
	return int32(n - 1 - i)
}
