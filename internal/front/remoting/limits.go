package remoting

// What operators do with limits, in three requests of our own:
// GODDARD_LIST_LIMITS (20040), GODDARD_PUT_LIMIT (20041) and
// GODDARD_DELETE_LIMIT (20042).

import (
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// listLimits answers with all limits and what became of them.
func listLimits(s *session, req *wire.Command) (*wire.Command, error) {
	body := wire.LimitList{Limits: []wire.Limit{}}
	for _, u := range s.h.admin.Limits(s.ctx) {
		body.Limits = append(body.Limits, wire.Limit{
			Scope: u.Scope, Name: u.Name, SendMessages: u.SendMessages, SendBytes: u.SendBytes,
			ConsumeMessages: u.ConsumeMessages, ConsumeBytes: u.ConsumeBytes, Requests: u.Requests, Connections: u.Connections,
			Used: wire.LimitAmounts(u.Used), Refused: wire.LimitAmounts(u.Refused), Busiest: u.Busiest, Subjects: u.Subjects,
		})
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// putLimit sets a limit.
func putLimit(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GoddardPutLimitRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	err := s.h.admin.PutLimit(s.ctx, mq.LimitRule{
		Scope: h.Scope, Name: h.Name, SendMessages: h.SendMessages, SendBytes: h.SendBytes,
		ConsumeMessages: h.ConsumeMessages, ConsumeBytes: h.ConsumeBytes, Requests: h.Requests, Connections: h.Connections,
	})
	if err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// deleteLimit takes a limit away.
func deleteLimit(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GoddardDeleteLimitRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	if err := s.h.admin.DeleteLimit(s.ctx, h.Scope, h.Name); err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}
