package remoting

// VIEW_MESSAGE_BY_ID (33): the record at a log position, which is the second
// half of an offset message id.

import (
	"errors"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// viewMessage answers with one stored record.
func viewMessage(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.ViewMessageByIDRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	record, err := s.h.broker.Find(s.ctx, mq.LogPos(h.Offset))
	if errors.Is(err, mq.ErrNotFound) {
		return nil, refusef(wire.CodeSystemError, "no message begins at log position %d: it has expired, or the message id is another broker's", h.Offset)
	}
	if err != nil {
		return nil, err
	}
	if err := s.mayRead(req, "", auth.Get, record); err != nil {
		return nil, err
	}
	return ok(req, nil, record), nil
}
