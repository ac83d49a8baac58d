package remoting

// SET_MESSAGE_REQUEST_MODE (401), GET_ALL_MESSAGE_REQUEST_MODE (402): whether the
// clients of a group pull a topic's messages or pop them.

import (
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// putRequestMode sets the mode of a group and a topic.
func putRequestMode(s *session, req *wire.Command) (*wire.Command, error) {
	var body wire.RequestModeBody
	if err := wire.DecodeBody(req.Body, &body); err != nil {
		return nil, malformed(req, err)
	}
	switch {
	case strings.HasPrefix(body.Topic, mq.RetryPrefix):
		return nil, refusef(wire.CodeNoPermission, "retry topic is not allowed to set mode: name the topic that group %s consumes", body.ConsumerGroup)
	case body.Mode != mq.ModePull && body.Mode != mq.ModePop:
		return nil, badRequest("mode %.20q is unknown; use %s or %s", body.Mode, mq.ModePull, mq.ModePop)
	}
	err := s.h.admin.PutRequestMode(s.ctx, mq.RequestMode{
		Topic: body.Topic, Group: body.ConsumerGroup, Mode: body.Mode, ShareQueues: body.PopShareQueueNum,
	})
	if err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// allRequestModes answers with all modes that were set, by topic and group.
func allRequestModes(s *session, req *wire.Command) (*wire.Command, error) {
	table := map[string]map[string]mq.RequestMode{}
	for _, m := range s.h.admin.RequestModes(s.ctx) {
		if table[m.Topic] == nil {
			table[m.Topic] = map[string]mq.RequestMode{}
		}
		table[m.Topic][m.Group] = m
	}
	return ok(req, nil, wire.EncodeBody(map[string]any{"messageRequestModeMap": table})), nil
}
