package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/explain"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// maxQueuesRead bounds the queues whose first waiting message is read to see how
// old it is: those with the most.
const maxQueuesRead = 64

// ExplainLag says how far a consumer group is, in one topic or (empty) all, and
// why it is no further.
func (c *Cluster) ExplainLag(ctx context.Context, group, topic string) (explain.LagAccount, error) {
	placed, err := c.FindGroup(ctx, Target{}, group)
	if err != nil && !errors.Is(err, mq.ErrGroupNotFound) {
		return explain.LagAccount{}, err
	}
	l := lagLook{c: c, topic: topic, l: explain.Lag{Group: group, Members: []explain.Member{}, Topics: []explain.Topic{}}, addrs: map[string]Broker{}}
	attributes := map[string]string{}
	for _, p := range placed {
		l.l.Disabled = l.l.Disabled || !p.Config.ConsumeEnable
		maps.Copy(attributes, p.Config.Attributes)
	}
	if missing := err; missing != nil {
		if _, err := c.Consumers(ctx, Target{}, group); errors.Is(err, mq.ErrNotOnline) {
			return explain.LagAccount{}, missing
		}
	}
	if err := l.look(ctx, attributes); err != nil {
		return explain.LagAccount{}, err
	}
	return explain.TellLag(l.l, time.Now()), nil
}

// A lagLook gathers what is known of a group.
type lagLook struct {
	c     *Cluster
	topic string
	l     explain.Lag
	addrs map[string]Broker // masters by name
}

func (l *lagLook) unknown(what string, err error) error {
	if _, refused := errors.AsType[*RefusedError](err); refused {
		if text := what + ": " + err.Error(); !slices.Contains(l.l.Unknown, text) {
			l.l.Unknown = append(l.l.Unknown, text)
		}
		return nil
	}
	return err
}

func (l *lagLook) look(ctx context.Context, attributes map[string]string) error {
	masters, err := l.c.allMasters(ctx, Target{})
	if err != nil {
		return err
	}
	for _, b := range masters {
		l.addrs[b.Name] = b
	}
	if err := l.queues(ctx, masters); err != nil {
		return err
	}
	if err := l.members(ctx, masters); err != nil {
		return err
	}
	if err := l.topics(ctx, attributes); err != nil {
		return err
	}
	return l.ages(ctx)
}

// queues asks every broker how far the group is.
func (l *lagLook) queues(ctx context.Context, masters []Broker) error {
	for _, b := range masters {
		var stats wire.ConsumeStats
		err := l.c.ask(ctx, b.Addr, wire.NewRequest(wire.GetConsumeStats, &wire.GetConsumeStatsRequest{ConsumerGroup: l.l.Group, Topic: l.topic}), &stats)
		if err := l.unknown("how far the group is on "+b.Name, err); err != nil {
			return err
		}
		for q, s := range stats.Offsets {
			queue := explain.Queue{Topic: q.Topic, Broker: cmp.Or(q.BrokerName, b.Name), Queue: q.QueueID, Committed: max(0, s.ConsumerOffset), End: s.BrokerOffset}
			l.l.Queues = append(l.l.Queues, queue)
		}
	}
	slices.SortFunc(l.l.Queues, func(a, b explain.Queue) int {
		return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.Broker, b.Broker), cmp.Compare(a.Queue, b.Queue))
	})
	return nil
}

// members asks every client of the group what it does; those that speak gRPC,
// and some old ones, do not say.
func (l *lagLook) members(ctx context.Context, masters []Broker) error {
	for _, b := range masters {
		var conns wire.ConsumerConnection
		err := l.c.ask(ctx, b.Addr, wire.NewRequest(wire.GetConsumerConnectionList, &wire.GetConsumerConnectionListRequest{ConsumerGroup: l.l.Group}), &conns)
		if refusedWith(err, wire.CodeConsumerNotOnline) {
			continue
		}
		if err := l.unknown("who is in the group on "+b.Name, err); err != nil {
			return err
		}
		l.l.Model = conns.MessageModel
		for _, conn := range conns.Connections {
			if slices.ContainsFunc(l.l.Members, func(m explain.Member) bool { return m.ID == conn.ClientID }) {
				continue
			}
			client := clientOf(conn)
			m := explain.Member{ID: client.ID, Addr: client.Addr, Language: client.Language, Version: client.Version}
			l.member(ctx, b, &m)
			l.l.Members = append(l.l.Members, m)
		}
	}
	slices.SortFunc(l.l.Members, func(a, b explain.Member) int { return cmp.Compare(a.ID, b.ID) })
	return nil
}

func (l *lagLook) member(ctx context.Context, b Broker, m *explain.Member) {
	var info wire.ConsumerRunningInfo
	err := l.c.ask(ctx, b.Addr, wire.NewRequest(wire.GetConsumerRunningInfo, &wire.GetConsumerRunningInfoRequest{ConsumerGroup: l.l.Group, ClientID: m.ID}), &info)
	if err != nil {
		m.Silent = firstLine(err.Error())
		if refused, ok := errors.AsType[*RefusedError](err); ok {
			m.Silent = cmp.Or(firstLine(refused.Remark), refused.Code.ResponseString())
		}
		return
	}
	for _, s := range info.Subscriptions {
		if !mq.IsRetryTopic(s.Topic) {
			m.Subscriptions = append(m.Subscriptions, fmt.Sprintf("%s by %s %q", s.Topic, cmp.Or(s.ExpressionType, "TAG"), s.SubString))
		}
	}
	slices.Sort(m.Subscriptions)
	for _, s := range info.Status {
		m.Failing += s.ConsumeFailedTPS
	}
	ordered := info.Properties["PROP_CONSUMEORDERLY"] == "true"
	for at, q := range info.Queues {
		if q.Dropped {
			continue
		}
		m.Queues++
		consumed := moment(q.LastConsumeTimestamp)
		if consumed.After(m.Newest) {
			m.Newest = consumed
		}
		for i := range l.l.Queues {
			own := &l.l.Queues[i]
			if own.Topic == at.Topic && own.Broker == at.BrokerName && own.Queue == at.QueueID {
				own.Owner, own.Cached, own.First = m.ID, q.CachedMessageCount, q.CachedMinOffset
				own.Pulled, own.Consumed, own.Ordered, own.Locked = moment(q.LastPullTimestamp), consumed, ordered, q.Locked
			}
		}
	}
	for at, q := range info.PopQueues {
		if q.Dropped {
			continue
		}
		m.Queues++
		for i := range l.l.Queues {
			own := &l.l.Queues[i]
			if own.Topic == at.Topic && own.Broker == at.BrokerName && (own.Queue == at.QueueID || at.QueueID < 0) {
				own.Owner, own.Cached, own.Pulled = m.ID, q.WaitAckCount, moment(q.LastPopTimestamp)
			}
		}
	}
}

// topics asks what stands between the group and each of its topics.
func (l *lagLook) topics(ctx context.Context, attributes map[string]string) error {
	limited := ""
	for key, unit := range map[string]string{"consume.rate.messages": " messages a second", "consume.rate.bytes": " bytes a second"} {
		if v := attributes[key]; v != "" {
			limited = joined(limited, v+unit)
		}
	}
	var names []string
	for _, q := range l.l.Queues {
		names = append(names, q.Topic)
	}
	slices.Sort(names)
	for _, name := range slices.Compact(names) {
		t := explain.Topic{Name: name, Limited: limited}
		for _, b := range l.brokersOf(name) {
			if err := l.topicOn(ctx, b, &t); err != nil {
				return err
			}
		}
		l.l.Topics = append(l.l.Topics, t)
	}
	return nil
}

func joined(a, b string) string {
	if a == "" {
		return b
	}
	return a + " and " + b
}

// brokersOf are the masters on which the group has queues of a topic.
func (l *lagLook) brokersOf(topic string) []Broker {
	var all []Broker
	for _, q := range l.l.Queues {
		if b, ok := l.addrs[q.Broker]; ok && q.Topic == topic && !slices.Contains(all, b) {
			all = append(all, b)
		}
	}
	return all
}

func (l *lagLook) topicOn(ctx context.Context, b Broker, t *explain.Topic) error {
	forbidden, err := l.c.forbidden(ctx, b.Addr, l.l.Group, t.Name)
	if err != nil {
		return err
	}
	t.Forbidden = t.Forbidden || forbidden
	config, err := l.c.Topic(ctx, b.Addr, t.Name)
	if err == nil && config.Perm&mq.PermRead == 0 {
		t.Unreadable = append(t.Unreadable, b.Name)
	} else if err := l.unknown("the permission of topic "+t.Name+" on "+b.Name+" is not known", err); err != nil {
		return err
	}
	for stat, into := range map[string]*float64{"TOPIC_PUT_NUMS": &t.In, "GROUP_GET_NUMS": &t.Out} {
		key := t.Name
		if stat == "GROUP_GET_NUMS" {
			key += "@" + l.l.Group
		}
		rate, err := l.c.minuteRate(ctx, b.Addr, stat, key)
		if err != nil {
			return err
		}
		*into += rate
	}
	stuck, err := l.c.MessageGroups(ctx, Target{Addr: b.Addr}, l.l.Group, t.Name)
	if _, refused := errors.AsType[*RefusedError](err); refused {
		return nil // RocketMQ has no such list, and no parked message groups
	}
	for _, s := range stuck {
		if s.State == "PARKED" {
			t.Parked++
			continue
		}
		t.Stuck = append(t.Stuck, explain.Stuck{Key: s.Name, Queue: s.Queue, Tries: s.Tries, InHand: s.InHand, Behind: s.Waiting})
	}
	return err
}

// minuteRate is a counter's rate per second over the last minute; 0 if it was
// never counted.
func (c *Cluster) minuteRate(ctx context.Context, addr, stat, key string) (float64, error) {
	var stats wire.BrokerStatsData
	err := c.ask(ctx, addr, wire.NewRequest(wire.ViewBrokerStatsData, &wire.ViewBrokerStatsDataRequest{StatsName: stat, StatsKey: key}), &stats)
	if _, refused := errors.AsType[*RefusedError](err); refused {
		return 0, nil
	}
	return stats.Minute.TPS, err
}

// ages reads the first message that waits in each of the queues with the most.
func (l *lagLook) ages(ctx context.Context) error {
	var waiting []*explain.Queue
	for i := range l.l.Queues {
		if q := &l.l.Queues[i]; q.End > q.Committed {
			waiting = append(waiting, q)
		}
	}
	slices.SortFunc(waiting, func(a, b *explain.Queue) int { return cmp.Compare(b.End-b.Committed, a.End-a.Committed) })
	for _, q := range waiting[:min(len(waiting), maxQueuesRead)] {
		b, ok := l.addrs[q.Broker]
		if !ok {
			continue
		}
		p, err := l.c.read(ctx, b, mq.Queue{Topic: q.Topic, ID: q.Queue}, q.Committed)
		if err := l.unknown("how old the messages of topic "+q.Topic+" are is not known", errors.Unwrap(err)); err != nil {
			return err
		}
		if len(p.records) > 0 {
			q.Next = moment(p.records[0].StoreTime)
		}
	}
	return nil
}
