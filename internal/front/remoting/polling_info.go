package remoting

// POLLING_INFO (200055): how many pops of a group wait for messages of a topic.

import (
	"errors"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// pollingInfo answers with a number; 0 for a group that nobody has made.
func pollingInfo(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.PollingInfoRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	topic, err := s.h.admin.Topic(s.ctx, h.Topic)
	if err != nil {
		return nil, err
	}
	group, err := s.h.admin.Group(s.ctx, h.ConsumerGroup)
	switch {
	case topic.Perm&mq.PermRead == 0:
		return nil, refusef(wire.CodeNoPermission, "topic %s may not be read; change its permission", h.Topic)
	case h.QueueID >= topic.ReadQueues:
		return nil, badRequest("queueId %d is illegal: topic %s has the queues 0 to %d, and -1 means any", h.QueueID, h.Topic, topic.ReadQueues-1)
	case err != nil && !errors.Is(err, mq.ErrGroupNotFound):
		return nil, err
	case err == nil && !group.ConsumeEnable:
		return nil, refusef(wire.CodeNoPermission, "group %s may not consume; enable it", h.ConsumerGroup)
	}
	n := s.h.admin.Waiting(s.ctx, h.ConsumerGroup, h.Topic, max(h.QueueID, -1))
	return ok(req, &wire.PollingInfoResponse{PollingNum: int32(n)}, nil), nil
}
