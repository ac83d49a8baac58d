package admin

import (
	"context"
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// ForbidTopic forbids a group to read a topic, or allows it again, on a target's
// masters, which it returns. What none of them has cannot be forbidden.
func (c *Cluster) ForbidTopic(ctx context.Context, to Target, group, topic string, forbidden bool) ([]Broker, error) {
	brokers, err := c.Masters(ctx, to)
	if err != nil {
		return nil, err
	}
	if forbidden {
		if err := c.known(ctx, brokers, group, topic); err != nil {
			return nil, err
		}
	}
	for _, b := range brokers {
		h := wire.UpdateAndGetGroupForbiddenRequest{Group: group, Topic: topic, Readable: wire.Some(!forbidden)}
		if _, err := c.call(ctx, b.Addr, wire.NewRequest(wire.UpdateAndGetGroupForbidden, &h)); err != nil {
			return nil, err
		}
	}
	return brokers, nil
}

// known says that no broker has a group, or a topic.
func (c *Cluster) known(ctx context.Context, brokers []Broker, group, topic string) error {
	hasGroup, hasTopic := mq.IsLight(group), false
	for _, b := range brokers {
		groups, _, err := c.GroupsOf(ctx, b.Addr)
		if err != nil {
			return err
		}
		hasGroup = hasGroup || slices.ContainsFunc(groups, func(g mq.Group) bool { return g.Name == group })
		_, err = c.Topic(ctx, b.Addr, topic)
		if err != nil && !refusedWith(err, wire.CodeTopicNotExist) {
			return err
		}
		hasTopic = hasTopic || err == nil
	}
	switch {
	case !hasGroup:
		return fmt.Errorf("group %s: %w; `goddard admin group list` shows those there are", group, mq.ErrGroupNotFound)
	case !hasTopic:
		return fmt.Errorf("topic %s: %w; `goddard admin topic list` shows those there are", topic, mq.ErrTopicNotFound)
	}
	return nil
}

// Cleaning by hand.
const (
	CleanLog     = wire.DeleteExpiredCommitLog   // messages that retention lets go
	CleanIndexes = wire.CleanExpiredConsumeQueue // entries of messages that are gone
	CleanTopics  = wire.CleanUnusedTopic         // what is left of deleted topics
)

// Clean has a target's masters remove something at once, and returns them.
func (c *Cluster) Clean(ctx context.Context, of Target, what wire.Code) ([]Broker, error) {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return nil, err
	}
	for _, b := range brokers {
		if _, err := c.call(ctx, b.Addr, wire.NewRequest(what, nil)); err != nil {
			return nil, err
		}
	}
	return brokers, nil
}
