package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// listed prints a word per line, as mqadmin does.
func listed(o *operation, words []string) *sheet {
	s := o.sheet()
	for _, word := range words {
		s.line("%s", word)
	}
	return s
}

// clusterOf is the name of the cluster that an operation was for.
func clusterOf(t admin.Target, brokers []admin.Broker) string {
	if t.Cluster == "" && len(brokers) > 0 {
		return brokers[0].Cluster
	}
	return t.Cluster
}

// createdTopic says where a topic is, after telling the name servers of an
// ordered one.
func createdTopic(ctx context.Context, o *operation, c *admin.Cluster, brokers []admin.Broker, t mq.Topic) error {
	s := o.sheet()
	order := ""
	if t.Order {
		value, err := c.PutOrder(ctx, t.Name, brokers, t.WriteQueues, o.target.Addr == "")
		if err != nil {
			return err
		}
		of := "cluster"
		if o.target.Addr != "" {
			of = "broker"
		}
		order = fmt.Sprintf("set %s orderConf. isOrder=%t, orderConf=[%s]", of, t.Order, value)
	}
	if order != "" && o.target.Addr != "" {
		s.line("%s", order)
	}
	for _, b := range brokers {
		s.line("create topic to %s success.", b.Addr)
	}
	if order != "" && o.target.Addr == "" {
		s.line("%s", order)
	}
	return o.print(brokers, s.line("%s", topicText(&t)))
}

// topicText is a topic as mqadmin prints it.
func topicText(t *mq.Topic) string {
	return fmt.Sprintf("TopicConfig [topicName=%s, readQueueNums=%d, writeQueueNums=%d, perm=%s, topicFilterType=%s, topicSysFlag=%d, order=%t, attributes=%s]",
		t.Name, t.ReadQueues, t.WriteQueues, permText(t.Perm), cmp.Or(t.FilterType, "SINGLE_TAG"), t.SysFlag, t.Order, attributesText(t.Attributes))
}

// permText is a permission in letters.
func permText(perm int32) string {
	text := []byte("---")
	for i, bit := range []int32{mq.PermRead, mq.PermWrite, 1} {
		if perm&bit != 0 {
			text[i] = "RWX"[i]
		}
	}
	return string(text)
}

// attributesText is a map as Java prints it.
func attributesText(all map[string]string) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		list = append(list, key+"="+all[key])
	}
	return "{" + strings.Join(list, ", ") + "}"
}

// changePerm changes what clients may do with a topic and says what it was.
func changePerm(ctx context.Context, o *operation, c *admin.Cluster, topic string, perm int32) error {
	var was []int32
	var now mq.Topic
	brokers, err := c.ChangeTopic(ctx, o.target, topic, func(t *mq.Topic) {
		was, t.Perm = append(was, t.Perm), perm
		now = *t
	})
	if err != nil {
		return err
	}
	s := o.sheet()
	for i, b := range brokers {
		if was[i] == perm {
			s.line("new perm equals to the old one!")
			continue
		}
		s.line("update topic perm from %d to %d in %s success.", was[i], perm, b.Addr)
		if o.target.Addr != "" {
			s.line("%s.", topicText(&now))
		}
	}
	return o.print(brokers, s)
}

// clustersSheet lists topics with their clusters and groups.
func clustersSheet(o *operation, all []placedTopic) *sheet {
	s := o.sheet().table("%-20s  %-64s  %-64s", "#Cluster Name", "#Topic", "#Consumer Group")
	for _, p := range all {
		for _, cluster := range p.Clusters {
			for _, group := range p.Groups {
				s.row(cluster, p.Topic, group)
			}
			if len(p.Groups) == 0 {
				s.row(cluster, p.Topic, "")
			}
		}
	}
	return s
}

// topicStatusSheet lists the queues of a topic.
func topicStatusSheet(o *operation, queues []admin.QueueStatus, rate float64) *sheet {
	s := o.sheet().table("%-32s  %-4d  %-20d  %-20d    %s", "#Broker Name", "#QID", "#Min Offset", "#Max Offset", "#Last Updated")
	for _, q := range queues {
		s.row(q.Broker, q.Queue, q.Min, q.Max, commaTime(q.LastUpdate))
	}
	return s.line("").line("Topic Put TPS: %.1f", rate)
}

// commaTime is a time as mqadmin prints those with milliseconds; empty if there
// is none.
func commaTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Local().Format("2006-01-02 15:04:05,000")
}

// secondTime is a time as mqadmin prints those without.
func secondTime(t time.Time) string {
	if t.IsZero() {
		return "N/A"
	}
	return t.Local().Format(time.DateTime)
}

// printRoute prints a route as JSON or as a list.
func printRoute(o *operation, route *wire.TopicRouteData, list bool) error {
	if !list {
		text, err := json.MarshalIndent(route, "", "\t")
		if err != nil {
			return err
		}
		return o.said(route, "%s", text)
	}
	const format = "%-45s %-32s %-50s %-10v %-11v %-5v"
	s := o.sheet().table(format, "#ClusterName", "#BrokerName", "#BrokerAddrs", "#ReadQueue", "#WriteQueue", "#Perm")
	var read, write int32
	named := map[string]bool{}
	for _, q := range route.Queues {
		for _, b := range route.Brokers {
			if b.BrokerName != q.BrokerName {
				continue
			}
			var addrs []string
			for _, id := range slices.Sorted(maps.Keys(b.Addrs)) {
				addrs = append(addrs, fmt.Sprintf("%d=%s", id, b.Addrs[id]))
			}
			s.row(b.Cluster, b.BrokerName, "{"+strings.Join(addrs, ", ")+"}", q.ReadQueueNums, q.WriteQueueNums, q.Perm)
			named[b.BrokerName] = true
			read, write = read+q.ReadQueueNums, write+q.WriteQueueNums
		}
	}
	s.line("%s", strings.Repeat("-", 158))
	return o.print(route, s.line(format, "Total:", fmt.Sprint(len(named)), "", read, write, ""))
}
