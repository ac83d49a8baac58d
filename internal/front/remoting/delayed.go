package remoting

// GODDARD_LIST_DELAYED (20010): the messages that wait for a time of their own.
// RocketMQ has no request for this.

import (
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// listDelayed answers with messages, the first due first.
func listDelayed(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GoddardListDelayedRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	all, err := s.h.admin.Delayed(s.ctx, mq.DelayedQuery{
		Topic: h.Topic, From: h.BeginTime, Until: h.EndTime, Limit: int(h.MaxNum),
	})
	if err != nil {
		return nil, err
	}
	body := wire.DelayedMessages{Messages: make([]wire.DelayedMessage, len(all))}
	for i, m := range all {
		body.Messages[i] = wire.DelayedMessage{
			Due: m.Due, Handle: m.Handle, Keys: m.Keys, Pos: int64(m.Pos), QueueID: m.QueueID, Size: m.Size, Stored: m.Stored,
			Tags: m.Tags, Topic: m.Topic, UniqueID: m.Key,
		}
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}
