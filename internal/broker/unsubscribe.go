package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// DeleteSubscription forgets that a group consumed a topic; see mq.Admin.
func (b *Broker) DeleteSubscription(ctx context.Context, group, topic string) error {
	if b.closing.Load() {
		return mq.ErrClosed
	}
	if t := b.findTopic(topic); t != nil && t.messageType() == kindLite {
		return fmt.Errorf("%w: %s has lite topics, whose groups are bound to it; delete the group", mq.ErrNotSupported, topic)
	}
	members, consumer, err := b.Consumers(ctx, group)
	if err != nil && !errors.Is(err, mq.ErrNotOnline) {
		return err
	}
	if slices.ContainsFunc(consumer.Subscriptions, func(s mq.Subscription) bool { return s.Topic == topic }) {
		return fmt.Errorf("%w: of group %s %d clients are connected, which want topic %s; stop them first", mq.ErrInvalid, group, len(members), topic)
	}
	if b.offsets.find(use{group, topic}) == nil {
		return fmt.Errorf("%w: group %s has not consumed topic %s here", mq.ErrNotFound, group, topic)
	}
	match := func(u pop.Use) bool { return u.Group == group && u.Topic == topic }
	err = errors.Join(b.offsets.delete(func(u use) bool { return u == use{group, topic} }), b.holds.Forget(match), b.holds.ForgetLanes(match))
	if err == nil {
		b.opts().Log.Info("deleted a subscription", "group", group, "topic", topic, "by", mq.CallerOf(ctx).String())
	}
	return err
}
