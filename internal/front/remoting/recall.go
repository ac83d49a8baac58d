package remoting

// RECALL_MESSAGE (370): a producer calls a delayed message back before it is
// due. It names the message by the handle that the send was answered with.

import (
	"errors"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// recallMessage answers with the message's unique id.
func recallMessage(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.RecallMessageRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	id, err := s.h.broker.Recall(s.ctx, h.Topic, h.RecallHandle)
	if errors.Is(err, mq.ErrInvalid) || errors.Is(err, mq.ErrNotFound) {
		return nil, refusef(wire.CodeIllegalOperation, "%v", err)
	}
	if err != nil {
		return nil, err
	}
	resp := ok(req, &wire.RecallMessageResponse{MsgID: id}, nil)
	resp.Fields = resp.Fields.AddBytes("MSG_REGION", s.h.region)
	return resp, nil
}
