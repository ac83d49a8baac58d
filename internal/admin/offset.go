package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// Progress is how far a group is in one queue.
type Progress struct {
	Topic     string    `json:"topic"`
	Broker    string    `json:"broker"`
	Queue     int32     `json:"queue"`
	End       int64     `json:"end"` // behind the last message
	Committed int64     `json:"committed"`
	Lag       int64     `json:"lag"`
	InFlight  int64     `json:"in_flight"`     // handed out and not committed
	Last      time.Time `json:"last,omitzero"` // store time of the last consumed message
	// Popped is what the group has popped; nil where it does not pop, or the broker
	// does not say.
	Popped *PoppedQueue `json:"popped,omitempty"`
}

// A PoppedQueue is what a group has popped of a queue.
type PoppedQueue struct {
	InHand int64     `json:"in_hand"` // and neither acknowledged nor back
	Last   time.Time `json:"last,omitzero"`
	Client string    `json:"client"` // that popped last, if that is known
}

// GroupProgress is how far a group is in all queues, or those of topic if it is
// not empty, and how many messages it consumes each second.
func (c *Cluster) GroupProgress(ctx context.Context, of Target, group, topic string) ([]Progress, float64, error) {
	brokers, err := c.allMasters(ctx, of)
	if err != nil {
		return nil, 0, err
	}
	var all []Progress
	var rate float64
	for _, b := range brokers {
		var stats wire.ConsumeStats
		err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GetConsumeStats, &wire.GetConsumeStatsRequest{ConsumerGroup: group, Topic: topic}), &stats)
		if err != nil {
			return nil, 0, err
		}
		rate += stats.ConsumeTPS
		all = append(all, progressOf(&stats)...)
	}
	slices.SortFunc(all, byPlace)
	return all, rate, nil
}

// progressOf is what a broker says about a group, in no order.
func progressOf(stats *wire.ConsumeStats) []Progress {
	var all []Progress
	for q, s := range stats.Offsets {
		var popped *PoppedQueue
		if p := s.Popped; p != nil {
			popped = &PoppedQueue{InHand: p.InHand, Last: moment(p.LastTimestamp), Client: p.Client}
		}
		all = append(all, Progress{
			Topic: q.Topic, Broker: q.BrokerName, Queue: q.QueueID, End: s.BrokerOffset, Committed: s.ConsumerOffset,
			Lag: s.BrokerOffset - s.ConsumerOffset, InFlight: max(0, s.PullOffset-s.ConsumerOffset), Last: moment(s.LastTimestamp), Popped: popped,
		})
	}
	return all
}

// byPlace orders by topic, broker and queue.
func byPlace(a, b Progress) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.Queue, b.Queue))
}

// A Reset says where a group is to go on in a topic.
type Reset struct {
	Group, Topic string
	// At moves each queue to the first message stored at that time or later.
	// The zero time is the beginning; use Latest for the end.
	At time.Time
	// Latest moves to the end of each queue, whatever At says.
	Latest bool
	// Queue restricts the reset to one queue; -1 means all.
	Queue int32
	// Offset, if not nil, is where the one Queue goes on, whatever At says.
	Offset *int64
	// KeepAhead leaves queues alone in which the group is not yet that far.
	KeepAhead bool
}

// A QueueOffset is a position in one queue.
type QueueOffset struct {
	Broker string `json:"broker"`
	Queue  int32  `json:"queue"`
	Offset int64  `json:"offset"`
}

// ResetOffsets moves a group, on every master that has the topic or on that of
// the target, and returns where it is now.
func (c *Cluster) ResetOffsets(ctx context.Context, on Target, r Reset) ([]QueueOffset, error) {
	if r.Offset != nil && r.Queue < 0 {
		return nil, errors.New("an offset belongs to one queue; name it with -q")
	}
	brokers := []Broker{{Addr: on.Addr}}
	if on.Addr == "" {
		var err error
		if brokers, err = c.routeMasters(ctx, r.Topic); err != nil {
			return nil, err
		}
	}
	h := &wire.InvokeBrokerToResetOffsetRequest{Group: r.Group, Topic: r.Topic, Timestamp: r.At.UnixMilli(), IsForce: !r.KeepAhead}
	if r.At.IsZero() {
		h.Timestamp = 0
	}
	if r.Latest {
		h.Timestamp = -1
	}
	h.QueueID = wire.Some(r.Queue)
	if r.Offset != nil {
		h.Offset = wire.Some(*r.Offset)
	}
	var all []QueueOffset
	for _, b := range brokers {
		resp, err := c.call(ctx, b.Addr, wire.NewRequest(wire.InvokeBrokerToResetOffset, h))
		if err != nil {
			return all, err
		}
		if len(resp.Body) == 0 {
			continue
		}
		var table wire.ResetOffsetBody
		if err := wire.DecodeBody(resp.Body, &table); err != nil {
			return all, fmt.Errorf("%s: the new offsets cannot be read: %w", b.Addr, err)
		}
		for q, offset := range table.OffsetTable {
			all = append(all, QueueOffset{Broker: cmp.Or(q.BrokerName, b.Name), Queue: q.QueueID, Offset: offset})
		}
	}
	slices.SortFunc(all, func(a, b QueueOffset) int {
		return cmp.Or(cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.Queue, b.Queue))
	})
	return all, nil
}

// CloneOffsets gives one group the offsets that another has in a topic.
func (c *Cluster) CloneOffsets(ctx context.Context, from, to, topic string) error {
	brokers, err := c.routeMasters(ctx, topic)
	if err != nil {
		return err
	}
	for _, b := range brokers {
		h := &wire.CloneGroupOffsetRequest{SrcGroup: from, DestGroup: to, Topic: topic}
		if _, err := c.call(ctx, b.Addr, wire.NewRequest(wire.CloneGroupOffset, h)); err != nil {
			return err
		}
	}
	return nil
}
