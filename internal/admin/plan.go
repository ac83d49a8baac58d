package admin

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// A QueueMove is what a reset does, or would do, with one queue.
type QueueMove struct {
	Broker string `json:"broker"`
	Queue  int32  `json:"queue"`
	From   int64  `json:"from"` // -1 if the group has no offset there yet
	To     int64  `json:"to"`
	End    int64  `json:"end"` // behind the last message
}

// Pending is how many messages the group has yet to get, before the move and
// after it.
func (m QueueMove) Pending() (before, after int64) {
	return max(0, m.End-max(0, m.From)), max(0, m.End-m.To)
}

// planners is how many queues are looked at at a time.
const planners = 8

// PlanReset says what ResetOffsets would do, and changes nothing. Queues that it
// would leave alone are not in the plan.
func (c *Cluster) PlanReset(ctx context.Context, on Target, r Reset) ([]QueueMove, error) {
	if r.Offset != nil && r.Queue < 0 {
		return nil, errors.New("an offset belongs to one queue; name the queue")
	}
	queues, _, err := c.TopicStatus(ctx, r.Topic)
	if err != nil {
		return nil, err
	}
	masters, err := c.routeMasters(ctx, r.Topic)
	if err != nil {
		return nil, err
	}
	addrs := map[string]string{}
	for _, b := range masters {
		addrs[b.Name] = b.Addr
	}
	queues = slices.DeleteFunc(queues, func(q QueueStatus) bool {
		addr := addrs[q.Broker]
		return addr == "" || on.Addr != "" && on.Addr != addr || r.Queue >= 0 && r.Queue != q.Queue
	})
	moves, errs := make([]QueueMove, len(queues)), make([]error, len(queues))
	room := make(chan struct{}, planners)
	var wg sync.WaitGroup
	for i, q := range queues {
		room <- struct{}{}
		wg.Go(func() {
			defer func() { <-room }()
			moves[i], errs[i] = c.planQueue(ctx, addrs[q.Broker], q, r)
		})
	}
	wg.Wait()
	if err := cmp.Or(errs...); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(moves, func(m QueueMove) bool { return r.KeepAhead && m.To > m.From && m.From >= 0 }), nil
}

func (c *Cluster) planQueue(ctx context.Context, addr string, q QueueStatus, r Reset) (QueueMove, error) {
	m := QueueMove{Broker: q.Broker, Queue: q.Queue, From: -1, To: q.Min, End: q.Max}
	resp, err := c.call(ctx, addr, wire.NewRequest(wire.QueryConsumerOffset, &wire.QueryConsumerOffsetRequest{
		ConsumerGroup: r.Group, Topic: r.Topic, QueueID: q.Queue, SetZeroIfNotFound: wire.Some(false),
	}))
	if err == nil {
		var h wire.QueryConsumerOffsetResponse
		err = h.DecodeFields(resp.Fields)
		m.From = h.Offset
	} else if refusedWith(err, wire.CodeQueryNotFound) {
		err = nil
	}
	if err != nil {
		return m, err
	}
	switch {
	case r.Offset != nil:
		m.To = *r.Offset
	case r.Latest:
		m.To = q.Max
	case !r.At.IsZero():
		m.To, err = c.locate(ctx, addr, mq.Queue{Topic: r.Topic, ID: q.Queue}, r.At.UnixMilli())
	}
	return m, err
}

// locate is the offset of the first message that was stored at a time, in Unix
// milliseconds, or later.
func (c *Cluster) locate(ctx context.Context, addr string, q mq.Queue, at int64) (int64, error) {
	resp, err := c.call(ctx, addr, wire.NewRequest(wire.SearchOffsetByTimestamp,
		&wire.SearchOffsetByTimestampRequest{Topic: q.Topic, QueueID: q.ID, Timestamp: at}))
	if err != nil {
		return 0, err
	}
	var h wire.SearchOffsetByTimestampResponse
	err = h.DecodeFields(resp.Fields)
	return h.Offset, err
}
