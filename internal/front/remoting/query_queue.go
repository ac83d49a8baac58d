package remoting

// QUERY_CONSUME_QUEUE (321): the index of a queue, as it is, for operators; with
// a group, also whether its subscription matches each entry.

import (
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// queryConsumeQueue answers with some entries of a queue's index.
func queryConsumeQueue(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.QueryConsumeQueueRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	q := mq.Queue{Topic: h.Topic, ID: h.QueueID}
	lo, hi, err := s.h.broker.Bounds(s.ctx, q)
	if err != nil {
		return nil, err
	}
	entries, err := s.h.admin.QueueEntries(s.ctx, q, mq.QueueOffset(h.Index), int(max(0, h.Count)))
	if err != nil {
		return nil, err
	}
	body := wire.ConsumeQueueBody{MinIndex: int64(lo), MaxIndex: int64(hi), Entries: make([]wire.ConsumeQueueData, 0, len(entries))}
	var sub *mq.Subscription
	if h.ConsumerGroup != "" {
		found, known := s.h.broker.Subscription(s.ctx, h.ConsumerGroup, h.Topic, nil)
		if known {
			sub = &found
			data := subscriptionData(sub)
			body.Subscription = &data
		} else {
			body.FilterData = fmt.Sprintf("%s@%s is not online!", h.ConsumerGroup, h.Topic)
		}
	}
	for _, e := range entries {
		body.Entries = append(body.Entries, wire.ConsumeQueueData{
			PhysicOffset: int64(e.Pos), PhysicSize: e.Size, TagsCode: e.TagCode, Eval: sub != nil && wants(sub, e.TagCode),
		})
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// wants reports whether a subscription by tags takes a message with a tag code.
func wants(sub *mq.Subscription, code int64) bool {
	return len(sub.Codes) == 0 || slices.Contains(sub.Codes, int32(code))
}
