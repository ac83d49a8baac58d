package admin

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// LiteFigures are a broker's figures about lite topics.
type LiteFigures struct {
	Broker Broker `json:"broker"`
	wire.BrokerLiteInfo
}

// LiteFigures asks the target's masters about their lite topics.
func (c *Cluster) LiteFigures(ctx context.Context, of Target) (all []LiteFigures, err error) {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return nil, err
	}
	for _, b := range brokers {
		one := LiteFigures{Broker: b}
		if err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GetBrokerLiteInfo, nil), &one.BrokerLiteInfo); err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// LiteParent is what a broker has of a parent's lite topics.
type LiteParent struct {
	Broker Broker `json:"broker"`
	wire.ParentTopicInfo
}

// LiteParent asks the brokers of a parent topic about its lite topics.
func (c *Cluster) LiteParent(ctx context.Context, parent string) ([]LiteParent, error) {
	return onParent(ctx, c, parent, func(b Broker) (one LiteParent, err error) {
		one.Broker = b
		return one, c.ask(ctx, b.Addr, wire.NewRequest(wire.GetParentTopicInfo, &wire.GetParentTopicInfoRequest{Topic: parent}), &one.ParentTopicInfo)
	})
}

// onParent asks each broker of a parent topic.
func onParent[T any](ctx context.Context, c *Cluster, parent string, ask func(Broker) (T, error)) (all []T, err error) {
	brokers, err := c.routeMasters(ctx, parent)
	if err != nil {
		return nil, err
	}
	if len(brokers) == 0 {
		return nil, fmt.Errorf("no broker has topic %s", parent)
	}
	for _, b := range brokers {
		one, err := ask(b)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

// LiteTopic is a lite topic on one broker.
type LiteTopic struct {
	Broker      Broker             `json:"broker"`
	Min         int64              `json:"minOffset"`
	Max         int64              `json:"maxOffset"`
	Last        time.Time          `json:"lastUpdate"`
	Subscribers []wire.ClientGroup `json:"subscribers"`
}

// LiteTopic asks the brokers of a parent topic about one of its lite topics.
func (c *Cluster) LiteTopic(ctx context.Context, parent, lite string) ([]LiteTopic, error) {
	return onParent(ctx, c, parent, func(b Broker) (LiteTopic, error) {
		var info wire.LiteTopicInfo
		h := &wire.GetLiteTopicInfoRequest{ParentTopic: parent, LiteTopic: lite}
		err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GetLiteTopicInfo, h), &info)
		return LiteTopic{b, info.Offsets.MinOffset, info.Offsets.MaxOffset, moment(info.Offsets.LastUpdateTimestamp), info.Subscribers}, err
	})
}

// LiteClient is what a client wants of one broker.
type LiteClient struct {
	Broker Broker    `json:"broker"`
	Count  int       `json:"count"` // -1 if the broker does not know the client
	Seen   time.Time `json:"lastAccess"`
	Lites  []string  `json:"liteTopics"` // some of them
}

// LiteClient asks the brokers of a parent topic what a client of a group wants.
func (c *Cluster) LiteClient(ctx context.Context, parent, group, client string, limit int32) ([]LiteClient, error) {
	return onParent(ctx, c, parent, func(b Broker) (LiteClient, error) {
		var info wire.LiteClientInfo
		h := &wire.GetLiteClientInfoRequest{ParentTopic: parent, Group: group, ClientID: client, MaxCount: limit}
		err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GetLiteClientInfo, h), &info)
		one := LiteClient{b, info.LiteTopicCount, moment(info.LastAccessTime), nil}
		for _, name := range info.LiteTopics {
			one.Lites = append(one.Lites, strings.TrimPrefix(name, mq.LiteQueue(parent, "")))
		}
		return one, err
	})
}

// LiteLag is how far a group is behind on one broker.
type LiteLag struct {
	Broker Broker `json:"broker"`
	wire.LiteGroupInfo
}

// LiteLag asks the brokers of a parent topic how far a group is behind in one
// lite topic, or, if lite is empty, in all.
func (c *Cluster) LiteLag(ctx context.Context, parent, group, lite string, limit int32) ([]LiteLag, error) {
	return onParent(ctx, c, parent, func(b Broker) (one LiteLag, err error) {
		one.Broker = b
		h := &wire.GetLiteGroupInfoRequest{Group: group, LiteTopic: lite, TopK: limit}
		return one, c.ask(ctx, b.Addr, wire.NewRequest(wire.GetLiteGroupInfo, h), &one.LiteGroupInfo)
	})
}

// LookForLites has the brokers of a parent topic look for messages of lite
// topics that a group, or (client not empty) one client of it, wants. broker, if
// not empty, is the only one asked.
func (c *Cluster) LookForLites(ctx context.Context, parent, group, client, broker string) ([]Broker, error) {
	asked, err := onParent(ctx, c, parent, func(b Broker) (Broker, error) {
		if broker != "" && b.Name != broker {
			return Broker{}, nil
		}
		_, err := c.call(ctx, b.Addr, wire.NewRequest(wire.TriggerLiteDispatch, &wire.TriggerLiteDispatchRequest{Group: group, ClientID: client}))
		return b, err
	})
	var all []Broker
	for _, b := range asked {
		if b.Addr != "" {
			all = append(all, b)
		}
	}
	if err == nil && len(all) == 0 {
		err = fmt.Errorf("topic %s has no broker %s", parent, broker)
	}
	return all, err
}
