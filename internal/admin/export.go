package admin

import (
	"context"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Metadata is the topics and groups that people or programs made, by name, in
// the form of RocketMQ's exportMetadata. What is not asked for is nil.
type Metadata struct {
	Topics map[string]mq.Topic `json:"topicConfigTable,omitempty"`
	Groups map[string]mq.Group `json:"subscriptionGroupTable,omitempty"`
	Time   int64               `json:"exportTime"` // Unix milliseconds
}

// Export says what to put into Metadata.
type Export struct {
	Topics, Groups bool
	// Special takes retry and dead-letter topics too.
	Special bool
}

// Metadata collects topics and groups of a target's masters. Of a topic that
// several have the queues are added up, as RocketMQ's tool does.
func (c *Cluster) Metadata(ctx context.Context, of Target, e Export) (*Metadata, error) {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return nil, err
	}
	m := &Metadata{Time: time.Now().UnixMilli()}
	if e.Topics {
		m.Topics = map[string]mq.Topic{}
	}
	if e.Groups {
		m.Groups = map[string]mq.Group{}
	}
	for _, b := range brokers {
		if e.Topics {
			if err := c.addTopics(ctx, m, b, e.Special); err != nil {
				return nil, err
			}
		}
		if e.Groups {
			if err := c.addGroups(ctx, m, b); err != nil {
				return nil, err
			}
		}
	}
	return m, nil
}

func (c *Cluster) addTopics(ctx context.Context, m *Metadata, b Broker, special bool) error {
	var system wire.TopicList
	if err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GetSystemTopicListFromBroker, nil), &system); err != nil {
		return err
	}
	var table struct {
		Topics map[string]mq.Topic `json:"topicConfigTable"`
	}
	if err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GetAllTopicConfig, nil), &table); err != nil {
		return err
	}
	for name, t := range table.Topics {
		if slices.Contains(system.Topics, name) || mq.IsSystemTopic(name) ||
			!special && (strings.HasPrefix(name, mq.RetryPrefix) || strings.HasPrefix(name, mq.DLQPrefix)) {
			continue
		}
		if had, ok := m.Topics[name]; ok {
			t.ReadQueues, t.WriteQueues = t.ReadQueues+had.ReadQueues, t.WriteQueues+had.WriteQueues
		}
		m.Topics[name] = t
	}
	return nil
}

func (c *Cluster) addGroups(ctx context.Context, m *Metadata, b Broker) error {
	groups, _, err := c.GroupsOf(ctx, b.Addr)
	if err != nil {
		return err
	}
	for _, g := range groups {
		if mq.IsSystemGroup(g.Name) {
			continue
		}
		if had, ok := m.Groups[g.Name]; ok {
			g.RetryQueues += had.RetryQueues
		}
		m.Groups[g.Name] = g
	}
	return nil
}

// exportedSettings are what RocketMQ's exportConfigs takes of a broker.
var exportedSettings = strings.Fields(`brokerClusterName brokerId brokerName brokerRole fileReservedTime filterServerNums
	flushDiskType maxMessageSize messageDelayLevel msgTraceTopicName slaveReadEnable traceOn traceTopicEnable useTLS
	autoCreateTopicEnable autoCreateSubscriptionGroup`)

// Configs is how large a cluster is and how its brokers are set, in the form of
// RocketMQ's exportConfigs.
type Configs struct {
	Brokers map[string]map[string]string `json:"brokerConfigs"` // by broker name
	Scale   map[string]int               `json:"clusterScale"`
}

// Configs collects the settings of a cluster's masters.
func (c *Cluster) Configs(ctx context.Context, cluster string) (*Configs, error) {
	masters, err := c.Masters(ctx, Target{Cluster: cluster})
	if err != nil {
		return nil, err
	}
	all, err := c.Brokers(ctx)
	if err != nil {
		return nil, err
	}
	slaves := 0
	for _, b := range all {
		if b.ID != 0 && b.Cluster == cluster {
			slaves++
		}
	}
	configs := &Configs{Brokers: map[string]map[string]string{}, Scale: map[string]int{
		"namesrvSize": len(c.o.Namesrvs), "masterBrokerSize": len(masters), "slaveBrokerSize": slaves,
	}}
	for _, b := range masters {
		settings, err := c.BrokerConfig(ctx, b.Addr)
		if err != nil {
			return nil, err
		}
		maps.DeleteFunc(settings, func(key, _ string) bool { return !slices.Contains(exportedSettings, key) })
		configs.Brokers[b.Name] = settings
	}
	return configs, nil
}
