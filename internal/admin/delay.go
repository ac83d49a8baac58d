package admin

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Delayed is a message that waits for a time of its own.
type Delayed struct {
	Broker string    `json:"broker"`
	Topic  string    `json:"topic"` // it is meant for
	Queue  int32     `json:"queue"`
	Due    time.Time `json:"due"`
	Stored time.Time `json:"stored"`
	ID     string    `json:"id"` // unique key
	Keys   string    `json:"keys,omitempty"`
	Tags   string    `json:"tags,omitempty"`
	Size   int32     `json:"size"`   // of the stored record, in bytes
	Handle string    `json:"handle"` // for Recall
}

// DelayedQuery says which messages to list.
type DelayedQuery struct {
	Topic       string    // empty for all
	From, Until time.Time // of the due time; zero is no bound
	Limit       int32     // per broker; 0 leaves it to the broker
}

// Delayed lists messages that wait for a time of their own, the first due
// first. RocketMQ's brokers cannot be asked.
func (c *Cluster) Delayed(ctx context.Context, of Target, q DelayedQuery) ([]Delayed, error) {
	brokers, err := c.allMasters(ctx, of)
	if err != nil {
		return nil, err
	}
	h := wire.GoddardListDelayedRequest{Topic: q.Topic, MaxNum: q.Limit}
	if !q.From.IsZero() {
		h.BeginTime = q.From.UnixMilli()
	}
	if !q.Until.IsZero() {
		h.EndTime = q.Until.UnixMilli()
	}
	var all []Delayed
	known := q.Topic == ""
	for _, b := range brokers {
		var found wire.DelayedMessages
		if err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GoddardListDelayed, &h), &found); err != nil {
			return nil, err
		}
		if known = known || len(found.Messages) > 0; !known {
			_, err := c.Topic(ctx, b.Addr, q.Topic)
			if err != nil && !refusedWith(err, wire.CodeTopicNotExist) {
				return nil, err
			}
			known = err == nil
		}
		for _, m := range found.Messages {
			all = append(all, Delayed{
				Broker: cmp.Or(b.Name, b.Addr), Topic: m.Topic, Queue: m.QueueID, Due: time.UnixMilli(m.Due), Stored: time.UnixMilli(m.Stored),
				ID: m.UniqueID, Keys: m.Keys, Tags: m.Tags, Size: m.Size, Handle: m.Handle,
			})
		}
	}
	if !known {
		return nil, fmt.Errorf("topic %s: %w; `goddard admin topic list` shows those there are", q.Topic, mq.ErrTopicNotFound)
	}
	slices.SortStableFunc(all, func(a, b Delayed) int { return a.Due.Compare(b.Due) })
	return all, nil
}

// Recall calls a message back, at the broker that keeps it, and returns its
// unique key. RocketMQ's brokers do it too, if recallMessageEnable is set.
func (c *Cluster) Recall(ctx context.Context, handle string) (string, error) {
	h, err := mq.ParseRecallHandle(handle)
	if err != nil {
		return "", err
	}
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return "", err
	}
	for _, b := range brokers {
		if b.Name != h.Broker || b.ID != 0 {
			continue
		}
		resp, err := c.call(ctx, b.Addr, wire.NewRequest(wire.RecallMessage, &wire.RecallMessageRequest{
			ProducerGroup: mq.GroupTools, Topic: h.Topic, RecallHandle: handle,
		}))
		if err != nil {
			return "", err
		}
		var answer wire.RecallMessageResponse
		err = answer.DecodeFields(resp.Fields)
		return answer.MsgID, err
	}
	return "", fmt.Errorf("the handle is of broker %s, which is not registered", h.Broker)
}
