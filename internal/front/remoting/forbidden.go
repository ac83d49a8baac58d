package remoting

// UPDATE_AND_GET_GROUP_FORBIDDEN (353): may a group read a topic.

import (
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// forbiddenRead is the bit of RocketMQ's table that forbids reading.
const forbiddenRead = mq.PermRead

// groupForbidden changes whether a group may read a topic, if the asker says
// how, and answers with what is so then.
func groupForbidden(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.UpdateAndGetGroupForbiddenRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	if h.Readable.Set {
		if err := s.h.admin.Forbid(s.ctx, h.Group, h.Topic, !h.Readable.Value); err != nil {
			return nil, err
		}
	}
	return ok(req, nil, wire.EncodeBody(wire.GroupForbidden{
		Group: h.Group, Topic: h.Topic, Readable: !s.h.admin.Forbidden(s.ctx, h.Group, h.Topic),
	})), nil
}

// forbiddenTable is all that is forbidden, as RocketMQ lists it: bits by group
// and topic.
func (s *session) forbiddenTable(groups []mq.Group) map[string]map[string]int32 {
	all := s.h.admin.Forbiddances(s.ctx)
	table := map[string]map[string]int32{}
	for _, g := range groups {
		for _, topic := range all[g.Name] {
			if table[g.Name] == nil {
				table[g.Name] = map[string]int32{}
			}
			table[g.Name][topic] = forbiddenRead
		}
	}
	return table
}
