package remoting

// UNREGISTER_CLIENT (35): a client leaves one or two of its groups. The end of
// its connection takes it out of all.

import "github.com/goddardmq/goddard/internal/wire"

// unregister takes the client out of the groups it names.
func unregister(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.UnregisterClientRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	delete(s.beats, h.ClientID) // a short heartbeat must not bring the group back
	s.h.broker.Leave(s.ctx, h.ClientID, h.ProducerGroup, h.ConsumerGroup, s, false)
	return ok(req, nil, nil), nil
}
