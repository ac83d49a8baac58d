package remoting

// CONSUMER_SEND_MSG_BACK (36): a consumer failed on a message and hands it back
// to be tried again later.

import (
	"errors"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// sendBack hands the message to the broker.
func sendBack(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.ConsumerSendMsgBackRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	r := mq.SendBackRequest{
		Group: h.Group, Pos: mq.LogPos(h.Offset), DelayLevel: h.DelayLevel, MaxReconsumes: h.MaxReconsumeTimes.Or(-1),
		OriginTopic: h.OriginTopic, OriginMsgID: h.OriginMsgID, UnitMode: h.UnitMode,
	}
	if s.h.guard != nil {
		// Otherwise a group could have any message copied to itself.
		record, err := s.h.broker.Find(s.ctx, r.Pos)
		if err == nil {
			err = s.mayRead(req, h.Group, auth.Sub, record)
		}
		if err != nil && !errors.Is(err, mq.ErrNotFound) {
			return nil, err
		}
	}
	err := s.h.broker.SendBack(s.ctx, r)
	if errors.Is(err, mq.ErrNotFound) {
		return nil, refusef(wire.CodeSystemError, "no message begins at log position %d: it has expired; it cannot be tried again", h.Offset)
	}
	if err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}
