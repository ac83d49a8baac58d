package remoting

import (
	"errors"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// findPopped answers GODDARD_FIND_POPPED (20022), a request of our own: until
// when a group has a message in hand.
func findPopped(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GoddardFindPoppedRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	p, err := s.h.admin.InHand(s.ctx, h.ConsumerGroup, mq.Queue{Topic: h.Topic, ID: h.QueueID}, mq.QueueOffset(h.Offset))
	if errors.Is(err, mq.ErrNotFound) {
		return nil, refusef(wire.CodeQueryNotFound, "%v", err)
	}
	if err != nil {
		return nil, err
	}
	return ok(req, &wire.GoddardFindPoppedResponse{PopTime: millis(p.Since), InvisibleUntil: millis(p.Until), Tries: p.Tries}, nil), nil
}
