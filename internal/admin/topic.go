package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Topics lists the names of all topics that the name server knows.
func (c *Cluster) Topics(ctx context.Context) ([]string, error) {
	resp, addr, err := c.askNamesrv(ctx, func() *wire.Command { return wire.NewRequest(wire.GetAllTopicListFromNameServer, nil) })
	if err != nil {
		return nil, err
	}
	var list wire.TopicList
	if err := wire.DecodeBody(resp.Body, &list); err != nil {
		return nil, fmt.Errorf("%s: the list of topics cannot be read: %w", addr, err)
	}
	slices.Sort(list.Topics)
	return list.Topics, nil
}

// UserTopics lists the topics that people or programs made: those of Topics
// without system, retry and dead-letter topics and those named after clusters
// and brokers.
func (c *Cluster) UserTopics(ctx context.Context) ([]string, error) {
	topics, err := c.Topics(ctx)
	if err != nil {
		return nil, err
	}
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(topics, func(topic string) bool {
		return strings.HasPrefix(topic, mq.RetryPrefix) || strings.HasPrefix(topic, mq.DLQPrefix) || mq.IsSystemTopic(topic) ||
			slices.ContainsFunc(brokers, func(b Broker) bool {
				return topic == b.Name || topic == b.Cluster || topic == b.Cluster+"_"+mq.TopicReplySuffix
			})
	}), nil
}

// PutTopic creates a topic or changes it. The attributes of t are changes:
// "+key" sets, "-key" removes. It returns the brokers that have it now.
func (c *Cluster) PutTopic(ctx context.Context, to Target, t mq.Topic) ([]Broker, error) {
	if err := mq.CheckTopic(t.Name); err != nil {
		return nil, err
	}
	brokers, err := c.Masters(ctx, to)
	if err != nil {
		return nil, err
	}
	var attributes []string
	for _, key := range slices.Sorted(maps.Keys(t.Attributes)) {
		attributes = append(attributes, strings.TrimSuffix(key+"="+t.Attributes[key], "="))
	}
	for _, b := range brokers {
		h := &wire.UpdateAndCreateTopicRequest{
			Topic: t.Name, DefaultTopic: mq.TopicDefault, ReadQueueNums: t.ReadQueues, WriteQueueNums: t.WriteQueues,
			Perm: t.Perm, TopicFilterType: cmp.Or(t.FilterType, "SINGLE_TAG"), TopicSysFlag: t.SysFlag, Order: t.Order,
			Attributes: strings.Join(attributes, ","),
		}
		if _, err := c.call(ctx, b.Addr, wire.NewRequest(wire.UpdateAndCreateTopic, h)); err != nil {
			return nil, err
		}
	}
	return brokers, nil
}

// PutTopics creates topics or changes them, all with one request to each master
// of a target.
func (c *Cluster) PutTopics(ctx context.Context, to Target, topics []mq.Topic) ([]Broker, error) {
	for _, t := range topics {
		if err := mq.CheckTopic(t.Name); err != nil {
			return nil, err
		}
	}
	return c.putList(ctx, to, wire.UpdateAndCreateTopicList, map[string]any{"topicConfigList": topics})
}

// Topic is a topic's configuration on one broker.
func (c *Cluster) Topic(ctx context.Context, addr, name string) (mq.Topic, error) {
	resp, err := c.call(ctx, addr, wire.NewRequest(wire.GetTopicConfig, &wire.GetTopicConfigRequest{Topic: name}))
	if err != nil {
		return mq.Topic{}, err
	}
	var t mq.Topic
	if err := wire.DecodeBody(resp.Body, &t); err != nil {
		return mq.Topic{}, fmt.Errorf("%s: topic %s cannot be read: %w", addr, name, err)
	}
	return t, nil
}

// SetTopicPerm changes what clients may do with an existing topic, on each
// broker of the target that has it.
func (c *Cluster) SetTopicPerm(ctx context.Context, to Target, name string, perm int32) ([]Broker, error) {
	return c.ChangeTopic(ctx, to, name, func(t *mq.Topic) { t.Perm = perm })
}

// ChangeTopic changes an existing topic on each broker of the target that has
// it. The attributes that change sets are changes, as with PutTopic.
func (c *Cluster) ChangeTopic(ctx context.Context, to Target, name string, change func(*mq.Topic)) ([]Broker, error) {
	brokers, err := c.Masters(ctx, to)
	if err != nil {
		return nil, err
	}
	var changed []Broker
	for _, b := range brokers {
		t, err := c.Topic(ctx, b.Addr, name)
		if refusedWith(err, wire.CodeTopicNotExist) {
			continue
		}
		if err != nil {
			return changed, err
		}
		t.Attributes = nil
		change(&t)
		if _, err := c.PutTopic(ctx, Target{Addr: b.Addr}, t); err != nil {
			return changed, err
		}
		changed = append(changed, b)
	}
	if len(changed) == 0 {
		return nil, fmt.Errorf("topic %s: %w", name, mq.ErrTopicNotFound)
	}
	return changed, nil
}

// DeleteTopic removes a topic from the brokers of a cluster and from all name
// servers. The error wraps mq.ErrTopicNotFound if nobody had it.
func (c *Cluster) DeleteTopic(ctx context.Context, to Target, name string) ([]Broker, error) {
	brokers, err := c.Masters(ctx, to)
	if err != nil {
		return nil, err
	}
	_, err = c.Route(ctx, name)
	had := !errors.Is(err, mq.ErrTopicNotFound)
	for _, b := range brokers {
		if !had {
			_, err := c.Topic(ctx, b.Addr, name)
			had = !refusedWith(err, wire.CodeTopicNotExist)
		}
		if _, err := c.call(ctx, b.Addr, wire.NewRequest(wire.DeleteTopicInBroker, &wire.DeleteTopicInBrokerRequest{Topic: name})); err != nil {
			return nil, err
		}
	}
	err = c.everyNamesrv(ctx, func() *wire.Command {
		return wire.NewRequest(wire.DeleteTopicInNamesrv, &wire.DeleteTopicInNamesrvRequest{Topic: name, ClusterName: to.Cluster})
	})
	if err == nil && !had {
		return nil, fmt.Errorf("topic %s: %w", name, mq.ErrTopicNotFound)
	}
	return brokers, err
}

// Route says which brokers have a topic, as the name server tells clients.
func (c *Cluster) Route(ctx context.Context, topic string) (*wire.TopicRouteData, error) {
	resp, addr, err := c.askNamesrv(ctx, func() *wire.Command {
		return wire.NewRequest(wire.GetRouteInfoByTopic, &wire.GetRouteInfoByTopicRequest{Topic: topic, AcceptStandardJsonOnly: true})
	})
	if refusedWith(err, wire.CodeTopicNotExist) {
		return nil, fmt.Errorf("topic %s: %w", topic, mq.ErrTopicNotFound)
	}
	if err != nil {
		return nil, err
	}
	route := new(wire.TopicRouteData)
	if err := wire.DecodeBody(resp.Body, route); err != nil {
		return nil, fmt.Errorf("%s: the route of %s cannot be read: %w", addr, topic, err)
	}
	return route, nil
}

// routeMasters are the masters that have a topic, by name.
func (c *Cluster) routeMasters(ctx context.Context, topic string) ([]Broker, error) {
	route, err := c.Route(ctx, topic)
	if err != nil {
		return nil, err
	}
	var masters []Broker
	for _, b := range route.Brokers {
		if addr, ok := b.Addrs[0]; ok {
			masters = append(masters, Broker{Cluster: b.Cluster, Name: b.BrokerName, Addr: addr})
		}
	}
	if len(masters) == 0 {
		return nil, fmt.Errorf("topic %s has no master at the moment", topic)
	}
	slices.SortFunc(masters, func(a, b Broker) int { return cmp.Compare(a.Name, b.Name) })
	return masters, nil
}

// A PlacedTopic is what a topic is on one broker.
type PlacedTopic struct {
	Broker      string            `json:"broker"`
	ReadQueues  int32             `json:"read_queues"`
	WriteQueues int32             `json:"write_queues"`
	Perm        int32             `json:"perm"`
	Order       bool              `json:"order"`
	Attributes  map[string]string `json:"attributes,omitempty"`
}

// PlacedTopics says what a topic is on each master that has it. Brokers that are
// too old to say so are left out.
func (c *Cluster) PlacedTopics(ctx context.Context, topic string) ([]PlacedTopic, error) {
	masters, err := c.routeMasters(ctx, topic)
	if err != nil {
		return nil, err
	}
	all := []PlacedTopic{}
	for _, b := range masters {
		t, err := c.Topic(ctx, b.Addr, topic)
		if refusedWith(err, wire.CodeRequestCodeNotSupported) || refusedWith(err, wire.CodeTopicNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, PlacedTopic{b.Name, t.ReadQueues, t.WriteQueues, t.Perm, t.Order, t.Attributes})
	}
	return all, nil
}

// A QueueStatus is the state of one queue.
type QueueStatus struct {
	Broker     string    `json:"broker"`
	Queue      int32     `json:"queue"`
	Min        int64     `json:"min"`
	Max        int64     `json:"max"` // behind the last message
	LastUpdate time.Time `json:"last_update,omitzero"`
}

// TopicStatus is the state of all queues of a topic, by broker and number, and
// how many messages it gets each second.
func (c *Cluster) TopicStatus(ctx context.Context, topic string) ([]QueueStatus, float64, error) {
	masters, err := c.routeMasters(ctx, topic)
	if err != nil {
		return nil, 0, err
	}
	var all []QueueStatus
	var rate float64
	for _, b := range masters {
		var stats wire.TopicStatsTable
		if err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GetTopicStatsInfo, &wire.GetTopicStatsInfoRequest{Topic: topic}), &stats); err != nil {
			return nil, 0, err
		}
		rate += stats.PutTPS
		for q, s := range stats.Offsets {
			all = append(all, QueueStatus{
				Broker: q.BrokerName, Queue: q.QueueID, Min: s.MinOffset, Max: s.MaxOffset, LastUpdate: moment(s.LastUpdateTimestamp),
			})
		}
	}
	slices.SortFunc(all, func(a, b QueueStatus) int {
		return cmp.Or(cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.Queue, b.Queue))
	})
	return all, rate, nil
}

// GroupsOfTopic are the groups that read a topic, by name.
func (c *Cluster) GroupsOfTopic(ctx context.Context, topic string) ([]string, error) {
	masters, err := c.routeMasters(ctx, topic)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, b := range masters {
		var groups wire.GroupList
		if err := c.ask(ctx, b.Addr, wire.NewRequest(wire.QueryTopicConsumeByWho, &wire.QueryTopicConsumeByWhoRequest{Topic: topic}), &groups); err != nil {
			return nil, err
		}
		all = append(all, groups.Groups...)
	}
	slices.Sort(all)
	return slices.Compact(all), nil
}

// moment is a time in Unix milliseconds; zero and less mean none.
func moment(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}
