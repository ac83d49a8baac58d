package admin

import (
	"context"

	"github.com/goddardmq/goddard/internal/wire"
)

// ForbidTopic forbids a group to read a topic, or allows it again, on a target's
// masters, which it returns.
func (c *Cluster) ForbidTopic(ctx context.Context, to Target, group, topic string, forbidden bool) ([]Broker, error) {
	brokers, err := c.Masters(ctx, to)
	if err != nil {
		return nil, err
	}
	for _, b := range brokers {
		h := wire.UpdateAndGetGroupForbiddenRequest{Group: group, Topic: topic, Readable: wire.Some(!forbidden)}
		if _, err := c.call(ctx, b.Addr, wire.NewRequest(wire.UpdateAndGetGroupForbidden, &h)); err != nil {
			return nil, err
		}
	}
	return brokers, nil
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
