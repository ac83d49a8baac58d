package admin

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Groups lists the consumer groups of a target's masters, by name.
func (c *Cluster) Groups(ctx context.Context, of Target) ([]string, error) {
	brokers, err := c.allMasters(ctx, of)
	if err != nil {
		return nil, err
	}
	names := map[string]bool{}
	for _, b := range brokers {
		groups, _, err := c.GroupsOf(ctx, b.Addr)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			names[g.Name] = true
		}
	}
	return slices.Sorted(maps.Keys(names)), nil
}

// groupPage is how many groups are asked for at once; brokers before 5.4
// answer with all of them.
const groupPage = 2000

// GroupsOf are the configurations of all consumer groups of one broker, and the
// topics, sorted, that each of them may not read.
func (c *Cluster) GroupsOf(ctx context.Context, addr string) (all []mq.Group, forbidden map[string][]string, err error) {
	forbidden = map[string][]string{}
	for {
		resp, err := c.call(ctx, addr, wire.NewRequest(wire.GetAllSubscriptionGroupConfig,
			&wire.GetAllSubscriptionGroupConfigRequest{GroupSeq: int32(len(all)), MaxGroupNum: groupPage}))
		if err != nil {
			return nil, nil, err
		}
		var table struct {
			Groups    map[string]mq.Group         `json:"subscriptionGroupTable"`
			Forbidden map[string]map[string]int32 `json:"forbiddenTable"`
		}
		if err := wire.DecodeBody(resp.Body, &table); err != nil {
			return nil, nil, fmt.Errorf("%s: the list of groups cannot be read: %w", addr, err)
		}
		for group, topics := range table.Forbidden {
			delete(forbidden, group) // a broker without pages says all each time
			for _, topic := range slices.Sorted(maps.Keys(topics)) {
				if topics[topic]&mq.PermRead != 0 {
					forbidden[group] = append(forbidden[group], topic)
				}
			}
		}
		var h wire.GetAllSubscriptionGroupConfigResponse
		paged := h.DecodeFields(resp.Fields) == nil
		all = slices.AppendSeq(all, maps.Values(table.Groups))
		if !paged || len(table.Groups) == 0 || len(all) >= int(h.TotalGroupNum) {
			return all, forbidden, nil
		}
	}
}

// Group is a consumer group's configuration on one broker.
func (c *Cluster) Group(ctx context.Context, addr, name string) (mq.Group, error) {
	resp, err := c.call(ctx, addr, wire.NewRequest(wire.GetSubscriptionGroupConfig, &wire.GetSubscriptionGroupConfigRequest{Group: name}))
	if err != nil {
		return mq.Group{}, err
	}
	var g mq.Group
	if err := wire.DecodeBody(resp.Body, &g); err != nil {
		return mq.Group{}, fmt.Errorf("%s: group %s cannot be read: %w", addr, name, err)
	}
	return g, nil
}

// A PlacedGroup is a group's configuration and the broker it was found on.
type PlacedGroup struct {
	Broker Broker   `json:"broker"`
	Config mq.Group `json:"config"`
}

// FindGroup is the configuration of a group on every master that has it.
func (c *Cluster) FindGroup(ctx context.Context, of Target, name string) ([]PlacedGroup, error) {
	brokers, err := c.allMasters(ctx, of)
	if err != nil {
		return nil, err
	}
	var found []PlacedGroup
	for _, b := range brokers {
		g, err := c.Group(ctx, b.Addr, name)
		if refusedWith(err, wire.CodeSubscriptionGroupNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, PlacedGroup{b, g})
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("group %s: %w", name, mq.ErrGroupNotFound)
	}
	return found, nil
}

// NewGroup is a group with RocketMQ's defaults.
func NewGroup(name string) mq.Group {
	return mq.Group{
		Name: name, ConsumeEnable: true, ConsumeFromMin: true, ConsumeBroadcast: true, RetryQueues: 1, RetryMax: 16,
		WhichBrokerWhenSlow: 1, NotifyConsumerIDsChange: true, ConsumeTimeoutMinutes: 15, Attributes: map[string]string{},
	}
}

// PutGroup creates a consumer group or changes it, and returns the brokers
// that have it now.
func (c *Cluster) PutGroup(ctx context.Context, to Target, g mq.Group) ([]Broker, error) {
	if err := mq.CheckGroup(g.Name); err != nil {
		return nil, err
	}
	brokers, err := c.Masters(ctx, to)
	if err != nil {
		return nil, err
	}
	text := wire.EncodeStandardBody(g)
	for _, b := range brokers {
		cmd := wire.NewRequest(wire.UpdateAndCreateSubscriptionGroup, nil)
		cmd.Body = text
		if _, err := c.call(ctx, b.Addr, cmd); err != nil {
			return nil, err
		}
	}
	return brokers, nil
}

// ChangeGroup changes an existing group on each broker of the target that has
// it. The attributes that change sets are changes: "+key" sets, "-key" removes.
func (c *Cluster) ChangeGroup(ctx context.Context, to Target, name string, change func(*mq.Group)) ([]Broker, error) {
	found, err := c.FindGroup(ctx, to, name)
	if err != nil {
		return nil, err
	}
	var changed []Broker
	for _, p := range found {
		p.Config.Attributes = map[string]string{}
		change(&p.Config)
		if _, err := c.PutGroup(ctx, Target{Addr: p.Broker.Addr}, p.Config); err != nil {
			return changed, err
		}
		changed = append(changed, p.Broker)
	}
	return changed, nil
}

// SetRequestMode sets whether a group's clients pull a topic's messages or pop
// them, and returns the brokers that say so now.
func (c *Cluster) SetRequestMode(ctx context.Context, to Target, m mq.RequestMode) ([]Broker, error) {
	if m.Mode != mq.ModePull && m.Mode != mq.ModePop {
		return nil, fmt.Errorf("%w: mode %.20q is unknown; use %s or %s", mq.ErrInvalid, m.Mode, mq.ModePull, mq.ModePop)
	}
	brokers, err := c.Masters(ctx, to)
	if err != nil {
		return nil, err
	}
	text := wire.EncodeBody(m)
	for _, b := range brokers {
		cmd := wire.NewRequest(wire.SetMessageRequestMode, nil)
		cmd.Body = text
		if _, err := c.call(ctx, b.Addr, cmd); err != nil {
			return nil, err
		}
	}
	return brokers, nil
}

// PutGroups creates groups or changes them, all with one request to each master
// of a target.
func (c *Cluster) PutGroups(ctx context.Context, to Target, groups []mq.Group) ([]Broker, error) {
	for _, g := range groups {
		if err := mq.CheckGroup(g.Name); err != nil {
			return nil, err
		}
	}
	return c.putList(ctx, to, wire.UpdateAndCreateSubscriptionGroupList, map[string]any{"groupConfigList": groups})
}

// putList sends a list to each master of a target.
func (c *Cluster) putList(ctx context.Context, to Target, code wire.Code, list any) ([]Broker, error) {
	brokers, err := c.Masters(ctx, to)
	if err != nil {
		return nil, err
	}
	text := wire.EncodeStandardBody(list)
	for _, b := range brokers {
		cmd := wire.NewRequest(code, nil)
		cmd.Body = text
		if _, err := c.call(ctx, b.Addr, cmd); err != nil {
			return nil, err
		}
	}
	return brokers, nil
}

// DeleteGroup removes a consumer group from a target's masters, with its
// offsets if clean is set, and its retry and dead-letter topics where the
// target is a cluster, as mqadmin does. The error wraps mq.ErrGroupNotFound if
// no broker had it; its offsets are forgotten even then.
func (c *Cluster) DeleteGroup(ctx context.Context, to Target, name string, clean bool) ([]Broker, error) {
	brokers, err := c.Masters(ctx, to)
	if err != nil {
		return nil, err
	}
	had := false
	for _, b := range brokers {
		if !had {
			_, err := c.Group(ctx, b.Addr, name)
			had = !refusedWith(err, wire.CodeSubscriptionGroupNotExist)
		}
		h := &wire.DeleteSubscriptionGroupRequest{GroupName: name, CleanOffset: clean}
		if _, err := c.call(ctx, b.Addr, wire.NewRequest(wire.DeleteSubscriptionGroup, h)); err != nil {
			return nil, err
		}
	}
	if !had {
		return nil, fmt.Errorf("group %s: %w", name, mq.ErrGroupNotFound)
	}
	if to.Addr != "" {
		return brokers, nil
	}
	topics, err := c.Topics(ctx)
	if err != nil {
		return brokers, err
	}
	for _, topic := range []string{mq.RetryTopic(name), mq.DLQTopic(name)} {
		if !slices.Contains(topics, topic) {
			continue
		}
		if _, err := c.DeleteTopic(ctx, to, topic); err != nil {
			return brokers, err
		}
	}
	return brokers, nil
}

// A Client is a connected producer or consumer.
type Client struct {
	ID       string `json:"id"`
	Addr     string `json:"addr"`
	Language string `json:"language"`
	Version  string `json:"version"`
	Group    string `json:"group,omitempty"`

	VersionNumber int32     `json:"-"`
	Seen          time.Time `json:"-"` // when it was last heard of; of producers only
}

// A Subscription says what a group consumes of a topic.
type Subscription struct {
	Topic      string `json:"topic"`
	Expression string `json:"expression"`
	Type       string `json:"type"`
}

// Consumers says who is in a consumer group and how it consumes.
type Consumers struct {
	Clients       []Client       `json:"clients"`
	Type          string         `json:"type"`
	Model         string         `json:"model"`
	FromWhere     string         `json:"from_where"`
	Subscriptions []Subscription `json:"subscriptions"`
}

// Consumers finds who is in a consumer group, on all masters of a target. The
// error wraps mq.ErrNotOnline if there is nobody.
func (c *Cluster) Consumers(ctx context.Context, of Target, group string) (*Consumers, error) {
	brokers, err := c.allMasters(ctx, of)
	if err != nil {
		return nil, err
	}
	found := &Consumers{}
	for _, b := range brokers {
		var conns wire.ConsumerConnection
		err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GetConsumerConnectionList, &wire.GetConsumerConnectionListRequest{ConsumerGroup: group}), &conns)
		if refusedWith(err, wire.CodeConsumerNotOnline) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found.add(&conns)
	}
	if len(found.Clients) == 0 {
		return nil, fmt.Errorf("group %s: %w", group, mq.ErrNotOnline)
	}
	slices.SortFunc(found.Clients, byID)
	slices.SortFunc(found.Subscriptions, func(a, b Subscription) int { return cmp.Compare(a.Topic, b.Topic) })
	return found, nil
}

// add joins what one broker knows of a group: a client is connected to each.
func (f *Consumers) add(conns *wire.ConsumerConnection) {
	f.Type, f.Model, f.FromWhere = conns.ConsumeType, conns.MessageModel, conns.ConsumeFromWhere
	for _, conn := range conns.Connections {
		if !slices.ContainsFunc(f.Clients, func(c Client) bool { return c.ID == conn.ClientID }) {
			f.Clients = append(f.Clients, clientOf(conn))
		}
	}
	for topic, s := range conns.Subscriptions {
		if !slices.ContainsFunc(f.Subscriptions, func(s Subscription) bool { return s.Topic == topic }) {
			f.Subscriptions = append(f.Subscriptions, Subscription{Topic: topic, Expression: s.SubString, Type: cmp.Or(s.ExpressionType, "TAG")})
		}
	}
}

// Producers finds who is in a producer group, on the masters that have a topic.
func (c *Cluster) Producers(ctx context.Context, group, topic string) ([]Client, error) {
	brokers, err := c.routeMasters(ctx, topic)
	if err != nil {
		return nil, err
	}
	var all []Client
	for _, b := range brokers {
		var conns wire.ProducerConnection
		err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GetProducerConnectionList, &wire.GetProducerConnectionListRequest{ProducerGroup: group}), &conns)
		if refusedWith(err, wire.CodeSystemError) { // RocketMQ's way of saying that there is nobody
			continue
		}
		if err != nil {
			return nil, err
		}
		for _, conn := range conns.Connections {
			if !slices.ContainsFunc(all, func(c Client) bool { return c.ID == conn.ClientID }) {
				all = append(all, clientOf(conn))
			}
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no producer of group %s is connected to the brokers of topic %s", group, topic)
	}
	slices.SortFunc(all, byID)
	return all, nil
}

// AllProducers lists every producer connected to one broker, by group and id.
func (c *Cluster) AllProducers(ctx context.Context, addr string) ([]Client, error) {
	var table wire.ProducerTableInfo
	if err := c.ask(ctx, addr, wire.NewRequest(wire.GetAllProducerInfo, nil), &table); err != nil {
		return nil, err
	}
	var all []Client
	for group, producers := range table.Data {
		for _, p := range producers {
			all = append(all, Client{ID: p.ClientID, Addr: p.RemoteIP, Language: p.Language, Version: wire.VersionName(p.Version), Group: group,
				VersionNumber: p.Version, Seen: moment(p.LastUpdateTimestamp)})
		}
	}
	slices.SortFunc(all, func(a, b Client) int { return cmp.Or(cmp.Compare(a.Group, b.Group), byID(a, b)) })
	return all, nil
}

func clientOf(conn wire.Connection) Client {
	return Client{ID: conn.ClientID, Addr: conn.ClientAddr, Language: conn.Language, Version: wire.VersionName(conn.Version)}
}

func byID(a, b Client) int { return cmp.Compare(a.ID, b.ID) }
