package remoting

// What operators do with message groups that hold themselves up, in two requests
// of our own: GODDARD_LIST_MESSAGE_GROUPS (20020) and
// GODDARD_SETTLE_MESSAGE_GROUP (20021).

import (
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// listMessageGroups answers with message groups that are parked or do not get on.
func listMessageGroups(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GoddardListMessageGroupsRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	all, err := s.h.admin.MessageGroups(s.ctx, h.ConsumerGroup, h.Topic)
	if err != nil {
		return nil, err
	}
	body := wire.MessageGroupList{MessageGroups: make([]wire.MessageGroup, 0, len(all))}
	for _, m := range all {
		body.MessageGroups = append(body.MessageGroups, wire.MessageGroup{
			MessageGroup: m.Key, QueueID: m.Queue, State: string(m.State), Since: millis(m.Since), Tries: m.Tries,
			Offset: int64(m.Offset), InHand: m.InHand, Waiting: m.Waiting,
		})
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// settleMessageGroup parks a message group, or ends that.
func settleMessageGroup(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GoddardSettleMessageGroupRequest
	err := h.DecodeFields(req.Fields)
	if err != nil {
		return nil, malformed(req, err)
	}
	var moved int64
	switch a := s.h.admin; h.Action {
	case "PARK":
		err = a.ParkMessageGroup(s.ctx, h.ConsumerGroup, h.Topic, h.MessageGroup)
	case "RELEASE":
		err = a.ReleaseMessageGroup(s.ctx, h.ConsumerGroup, h.Topic, h.MessageGroup)
	case "BURY":
		moved, err = a.BuryMessageGroup(s.ctx, h.ConsumerGroup, h.Topic, h.MessageGroup)
	default:
		err = fmt.Errorf("%w: action is %.20q, want PARK, RELEASE or BURY", mq.ErrInvalid, h.Action)
	}
	if err != nil {
		return nil, err
	}
	return ok(req, &wire.GoddardSettleMessageGroupResponse{Moved: moved}, nil), nil
}
