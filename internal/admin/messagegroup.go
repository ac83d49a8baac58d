package admin

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// MessageGroup is a message group that is parked for a consumer group, or whose
// first message was delivered and not acknowledged.
type MessageGroup struct {
	Name    string    `json:"messageGroup"` // empty for messages without one
	Broker  string    `json:"broker"`
	Queue   int32     `json:"queue"`
	State   string    `json:"state"` // BLOCKED, PARKED, RELEASING
	Since   time.Time `json:"since"`
	Tries   int32     `json:"tries"`
	Offset  int64     `json:"offset"`
	InHand  bool      `json:"inHand"`
	Waiting int64     `json:"waiting"`
}

// MessageGroups lists message groups of a topic on the target's masters, which
// must be Goddard's.
func (c *Cluster) MessageGroups(ctx context.Context, of Target, group, topic string) ([]MessageGroup, error) {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return nil, err
	}
	var all []MessageGroup
	h := &wire.GoddardListMessageGroupsRequest{ConsumerGroup: group, Topic: topic}
	for _, b := range brokers {
		var list wire.MessageGroupList
		if err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GoddardListMessageGroups, h), &list); err != nil {
			return nil, err
		}
		for _, m := range list.MessageGroups {
			all = append(all, MessageGroup{
				Name: m.MessageGroup, Broker: cmp.Or(b.Name, b.Addr), Queue: m.QueueID, State: m.State, Since: moment(m.Since),
				Tries: m.Tries, Offset: m.Offset, InHand: m.InHand, Waiting: m.Waiting,
			})
		}
	}
	return all, nil
}

// What SettleMessageGroup does.
const (
	ParkGroup    = "PARK"
	ReleaseGroup = "RELEASE"
	BuryGroup    = "BURY"
)

// SettleMessageGroup parks a message group on the target's masters, or ends that
// where it is parked, and returns how many messages became dead letters.
func (c *Cluster) SettleMessageGroup(ctx context.Context, of Target, group, topic, name, action string) (moved int64, err error) {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return 0, err
	}
	var missed error
	found := false
	h := &wire.GoddardSettleMessageGroupRequest{ConsumerGroup: group, Topic: topic, MessageGroup: name, Action: action}
	for _, b := range brokers {
		resp, err := c.call(ctx, b.Addr, wire.NewRequest(wire.GoddardSettleMessageGroup, h))
		if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Code == wire.CodeQueryNotFound {
			missed = err
			continue
		}
		if err != nil {
			return moved, err
		}
		var answer wire.GoddardSettleMessageGroupResponse
		if err := answer.DecodeFields(resp.Fields); err != nil {
			return moved, err
		}
		moved, found = moved+answer.Moved, true
	}
	if !found {
		return 0, missed
	}
	return moved, nil
}
