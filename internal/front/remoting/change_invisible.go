package remoting

// CHANGE_MESSAGE_INVISIBLETIME (200053): a popped message becomes visible at
// another time, sooner because its consumer failed on it or later because it
// needs longer. The answer's header is what its new receipt is made from.

import (
	"errors"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// changeInvisible moves a message and answers with its new pop.
func changeInvisible(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.ChangeMessageInvisibleTimeRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	if h.InvisibleTime < 0 || h.InvisibleTime > maxInvisible.Milliseconds() {
		return nil, badRequest("a message is to be hidden for %d ms; ask for 0 to %d (invisibleTime)", h.InvisibleTime, maxInvisible.Milliseconds())
	}
	a, err := s.toChange(req, &h)
	if err != nil {
		return nil, err
	}
	r, err := s.h.broker.ChangeInvisible(s.ctx, a, time.Duration(h.InvisibleTime)*time.Millisecond, h.Suspend)
	if errors.Is(err, mq.ErrNotFound) {
		return nil, refusef(wire.CodeNoMessage, "the message is not in hand any more: it was acknowledged, or its time was over and it is delivered again; use its newest receipt")
	}
	if err != nil {
		return nil, err
	}
	return ok(req, &wire.ChangeMessageInvisibleTimeResponse{PopTime: r.PopTime, InvisibleTime: r.Invisible, ReviveQid: r.Revive}, nil), nil
}

// toChange is the message that a request is about.
func (s *session) toChange(req *wire.Command, h *wire.ChangeMessageInvisibleTimeRequest) (mq.Ack, error) {
	if h.LiteTopic != "" {
		return liteMessage(req, h.ConsumerGroup, h.Topic, h.LiteTopic, h.Offset, h.ExtraInfo)
	}
	q := mq.Queue{Topic: h.Topic, ID: h.QueueID}
	if a, passing := passingMessage(req, h.ConsumerGroup, q, h.Offset, h.ExtraInfo); passing {
		return a, nil
	}
	b, err := s.poppedFrom(q)
	if err != nil {
		return mq.Ack{}, err
	}
	if mq.QueueOffset(h.Offset) < b.lo || mq.QueueOffset(h.Offset) >= b.hi {
		return mq.Ack{}, noSuchOffset(q, h.Offset, &b)
	}
	return poppedMessage(req, h.ConsumerGroup, q, h.Offset, h.ExtraInfo)
}
