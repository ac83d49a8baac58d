package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// createdSheet says on which brokers something was created.
func createdSheet(o *operation, what string, brokers []admin.Broker) *sheet {
	s := o.sheet()
	for _, b := range brokers {
		s.line("create %s to %s success.", what, b.Addr)
	}
	return s
}

// deletedGroupSheet says from which brokers a group was deleted.
func deletedGroupSheet(o *operation, group string, brokers []admin.Broker) *sheet {
	s := o.sheet()
	for _, b := range brokers {
		cluster := ""
		if o.target.Addr == "" {
			cluster = fmt.Sprintf(" in cluster [%s]", b.Cluster)
		}
		s.line("delete subscription group [%s] from broker [%s]%s success.", group, b.Addr, cluster)
	}
	return s
}

// A groupField is a setting of a group as mqadmin names and prints it.
type groupField struct{ name, value string }

func groupFields(g *mq.Group) []groupField {
	return []groupField{
		{"groupName", g.Name},
		{"consumeEnable", fmt.Sprint(g.ConsumeEnable)},
		{"consumeFromMinEnable", fmt.Sprint(g.ConsumeFromMin)},
		{"consumeBroadcastEnable", fmt.Sprint(g.ConsumeBroadcast)},
		{"consumeMessageOrderly", fmt.Sprint(g.ConsumeOrderly)},
		{"retryQueueNums", fmt.Sprint(g.RetryQueues)},
		{"retryMaxTimes", fmt.Sprint(g.RetryMax)},
		{"groupRetryPolicy", policyText(g.RetryPolicy)},
		{"brokerId", fmt.Sprint(g.BrokerID)},
		{"whichBrokerWhenConsumeSlowly", fmt.Sprint(g.WhichBrokerWhenSlow)},
		{"notifyConsumerIdsChangedEnable", fmt.Sprint(g.NotifyConsumerIDsChange)},
		{"groupSysFlag", fmt.Sprint(g.SysFlag)},
		{"consumeTimeoutMinute", fmt.Sprint(g.ConsumeTimeoutMinutes)},
		{"subscriptionDataSet", "null"},
		{"attributes", attributesText(g.Attributes)},
	}
}

// policyText is how failed messages rest, as mqadmin prints it.
func policyText(p *mq.RetryPolicy) string {
	if p == nil {
		p = &mq.RetryPolicy{Type: "CUSTOMIZED"}
	}
	exponential, customized := "null", "null"
	if e := p.Exponential; e != nil {
		exponential = fmt.Sprintf("ExponentialRetryPolicy{initial=%d, max=%d, multiplier=%d}", e.Initial, e.Max, e.Multiplier)
	}
	if p.Customized != nil {
		customized = fmt.Sprintf("CustomizedRetryPolicy{next=%s}", strings.ReplaceAll(fmt.Sprint(p.Customized.Next), " ", ", "))
	}
	return fmt.Sprintf("GroupRetryPolicy{type=%s, exponentialRetryPolicy=%s, customizedRetryPolicy=%s}", p.Type, exponential, customized)
}

// groupText is a group as mqadmin prints it in one line.
func groupText(g *mq.Group) string {
	var list []string
	for _, f := range groupFields(g) {
		list = append(list, f.name+"="+f.value)
	}
	return "SubscriptionGroupConfig{" + strings.Join(list, ", ") + "}"
}

// groupSheet prints the settings of a group on each broker.
func groupSheet(o *operation, found []admin.PlacedGroup) *sheet {
	s := o.sheet()
	for _, p := range found {
		s.line("=============================%s:%s=============================", p.Broker.Cluster, p.Broker.Name)
		for _, f := range groupFields(&p.Config) {
			if f.name == "subscriptionDataSet" {
				f.value = ""
			}
			s.line("%-40s=  %s", f.name, f.value)
		}
	}
	return s
}

// printProgress prints how far a group is in each queue, with the client that
// has it if holders are asked for.
func printProgress(ctx context.Context, o *operation, c *admin.Cluster, group string, all []admin.Progress, rate float64, holders bool) error {
	var held map[wire.MessageQueue]string
	s := o.sheet()
	if holders {
		var err error
		if held, err = c.HoldersOf(ctx, o.target, group); err != nil && !errors.Is(err, mq.ErrNotOnline) {
			return err
		}
		s.table("%-64s  %-32s  %-4d  %-20d  %-20d  %-20s %-20d %-20d %s",
			"#Topic", "#Broker Name", "#QID", "#Broker Offset", "#Consumer Offset", "#Client IP", "#Diff", "#Inflight", "#LastTime")
	} else {
		s.table("%-64s  %-32s  %-4d  %-20d  %-20d  %-20d %-20d %s",
			"#Topic", "#Broker Name", "#QID", "#Broker Offset", "#Consumer Offset", "#Diff", "#Inflight", "#LastTime")
	}
	var lag, inFlight int64
	for _, p := range all {
		lag, inFlight = lag+p.Lag, inFlight+p.InFlight
		if !holders {
			s.row(p.Topic, p.Broker, p.Queue, p.End, p.Committed, p.Lag, p.InFlight, secondTime(p.Last))
			continue
		}
		ip := "N/A"
		if client, ok := held[wire.MessageQueue{Topic: p.Topic, BrokerName: p.Broker, QueueID: p.Queue}]; ok {
			ip, _, _ = strings.Cut(client, "@")
		}
		s.row(p.Topic, p.Broker, p.Queue, p.End, p.Committed, ip, p.Lag, p.InFlight, secondTime(p.Last))
	}
	s.line("").line("Consume TPS: %.2f", rate).line("Consume Diff Total: %d", lag).line("Consume Inflight Total: %d", inFlight)
	return o.print(nonNil(all), s)
}

// printGroups sums up every group that has a retry topic.
func printGroups(ctx context.Context, o *operation, c *admin.Cluster) error {
	topics, err := c.Topics(ctx)
	if err != nil {
		return err
	}
	groups, err := c.Groups(ctx, o.target)
	if err != nil {
		return err
	}
	all := []groupLag{}
	s := o.sheet().table("%-64s  %-6d  %-24s %-5s  %-14s  %-7d  %d", "#Group", "#Count", "#Version", "#Type", "#Model", "#TPS", "#Diff Total")
	for _, group := range groups {
		if !slices.Contains(topics, mq.RetryTopic(group)) {
			continue
		}
		g := groupLag{Group: group}
		progress, rate, err := c.GroupProgress(ctx, o.target, group, "")
		if err != nil {
			return err
		}
		g.Rate = rate
		for _, p := range progress {
			g.Lag += p.Lag
		}
		members, err := c.Consumers(ctx, o.target, group)
		version, kind, model, count := "OFFLINE", "", "", 0
		if err == nil {
			version, model, count = members.Clients[0].Version, members.Model, len(members.Clients)
			if kind = "PULL"; members.Type == "CONSUME_PASSIVELY" {
				kind = "PUSH"
			}
		} else if !errors.Is(err, mq.ErrNotOnline) {
			return err
		}
		all = append(all, g)
		s.row(group, count, version, kind, model, int(rate), g.Lag) // mqadmin cuts the rate
	}
	return o.print(all, s)
}

// resetText says what is about to be moved where.
func resetText(on admin.Target, r admin.Reset, at string) string {
	ms := r.At.UnixMilli()
	if r.At.IsZero() {
		ms = 0
	}
	if r.Latest {
		ms = -1
	}
	if r.Queue >= 0 {
		return fmt.Sprintf("start reset consumer offset by specified, group[%s], topic[%s], queueId[%d], broker[%s], timestamp(string)[%s], timestamp(long)[%d]",
			r.Group, r.Topic, r.Queue, on.Addr, at, ms)
	}
	return fmt.Sprintf("start reset consumer offset by specified, group[%s], topic[%s], force[%t], timestamp(string)[%s], timestamp(long)[%d]",
		r.Group, r.Topic, !r.KeepAhead, at, ms)
}

// movedSheet says where a group is now.
func movedSheet(o *operation, offsets []admin.QueueOffset, r admin.Reset) *sheet {
	if r.Queue >= 0 {
		s := o.sheet()
		for _, q := range offsets {
			s.line("reset consumer offset to %d", q.Offset)
		}
		return s
	}
	s := o.sheet().table("%-40s  %-40d  %-40d", "#brokerName", "#queueId", "#offset")
	for _, q := range offsets {
		s.row(q.Broker, q.Queue, q.Offset)
	}
	return s
}

// consumersSheet prints who is in a group.
func consumersSheet(o *operation, found *admin.Consumers) *sheet {
	s := o.sheet().table("%-36s %-22s %-10s %s", "#ClientId", "#ClientAddr", "#Language", "#Version")
	for _, c := range found.Clients {
		s.row(c.ID, c.Addr, c.Language, c.Version)
	}
	s.line("").line("Below is subscription:").table("%-20s %s", "#Topic", "#SubExpression")
	for _, sub := range found.Subscriptions {
		s.row(sub.Topic, sub.Expression)
	}
	return s.line("").line("ConsumeType: %s", found.Type).line("MessageModel: %s", found.Model).line("ConsumeFromWhere: %s", found.FromWhere)
}

// byQueue orders queues as people look for them.
func byQueue(a, b wire.MessageQueue) int {
	return cmp.Or(cmp.Compare(a.Topic, b.Topic), cmp.Compare(a.BrokerName, b.BrokerName), cmp.Compare(a.QueueID, b.QueueID))
}

// runningText is what a consumer says that it is doing, as mqadmin prints it.
func runningText(info *wire.ConsumerRunningInfo) string {
	s := &sheet{old: true}
	s.line("#Consumer Properties#")
	for _, key := range slices.Sorted(maps.Keys(info.Properties)) {
		s.line("%-40s: %s", key, info.Properties[key])
	}
	s.line("").line("").line("#Consumer Subscription#")
	for i, sub := range info.Subscriptions {
		s.line("%03d Topic: %-40s ClassFilter: %-8t SubExpression: %s", i+1, sub.Topic, sub.ClassFilterMode, sub.SubString)
	}
	queues := slices.SortedFunc(maps.Keys(info.Queues), byQueue)
	s.line("").line("").line("#Consumer Offset#").table("%-64s  %-32s  %-4d  %-20d", "#Topic", "#Broker Name", "#QID", "#Consumer Offset")
	for _, q := range queues {
		s.row(q.Topic, q.BrokerName, q.QueueID, info.Queues[q].CommitOffset)
	}
	s.line("").line("").line("#Consumer MQ Detail#").table("%-64s  %-32s  %-4d  %-20s", "#Topic", "#Broker Name", "#QID", "#ProcessQueueInfo")
	for _, q := range queues {
		s.row(q.Topic, q.BrokerName, q.QueueID, fmt.Sprintf("%+v", info.Queues[q]))
	}
	s.line("").line("").line("#Consumer Pop Detail#").table("%-32s  %-32s  %-4d  %-20s", "#Topic", "#Broker Name", "#QID", "#ProcessQueueInfo")
	for _, q := range slices.SortedFunc(maps.Keys(info.PopQueues), byQueue) {
		s.row(q.Topic, q.BrokerName, q.QueueID, fmt.Sprintf("%+v", info.PopQueues[q]))
	}
	s.line("").line("").line("#Consumer RT&TPS#").table("%-64s  %14.2f %14.2f %14.2f %14.2f %18.2f %25d",
		"#Topic", "#Pull RT", "#Pull TPS", "#Consume RT", "#ConsumeOK TPS", "#ConsumeFailed TPS", "#ConsumeFailedMsgsInHour")
	for _, topic := range slices.Sorted(maps.Keys(info.Status)) {
		t := info.Status[topic]
		s.row(topic, t.PullRT, t.PullTPS, t.ConsumeRT, t.ConsumeOKTPS, t.ConsumeFailedTPS, t.ConsumeFailedMessages)
	}
	s.line("").line("").line("#User Consume Info#")
	for _, key := range slices.Sorted(maps.Keys(info.User)) {
		s.line("%-40s: %s", key, info.User[key])
	}
	if info.Stack != "" {
		s.line("").line("").line("#Consumer jstack#").line("%s", info.Stack)
	}
	var b strings.Builder
	_ = s.write(&b) // a builder takes everything
	return b.String()
}
