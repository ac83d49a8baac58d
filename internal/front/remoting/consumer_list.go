package remoting

// GET_CONSUMER_LIST_BY_GROUP (38): the client ids of a group, from which every
// member works out which queues are its own.

import (
	"errors"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// consumerList answers with the members of a group.
func consumerList(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetConsumerListByGroupRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	members, err := s.h.broker.Members(s.ctx, h.ConsumerGroup)
	if err != nil && !errors.Is(err, mq.ErrNotOnline) {
		return nil, err
	}
	if len(members) == 0 {
		return nil, refusef(wire.CodeSystemError, "no consumer for this group, %s: nobody has sent a heartbeat for it", h.ConsumerGroup)
	}
	body := wire.ConsumerList{ConsumerIDs: members}
	return ok(req, nil, wire.EncodeBody(body)), nil
}
