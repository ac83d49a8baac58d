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
	"github.com/spf13/cobra"
)

// topicAttributes is what help says about attributes of topics.
const topicAttributes = `Attributes: +NAME=VALUE sets one, -NAME removes it, commas separate several.

  message.type           NORMAL, FIFO, DELAY, TRANSACTION, PRIORITY or, if
                         mixed-message-type allows it, MIXED; a message goes to
                         the queue of its property _SYS_MSG_PRIORITY_, and a
                         PRIORITY topic is popped from the highest queue down
  dedup.window.seconds   a message whose unique key (UNIQ_KEY) was stored within
                         so many seconds, at most 604800, is not stored again
  consume.rate.messages  messages a second to those that pull or pop, in all groups
                         together; pops are not slowed
  consume.rate.bytes     bytes of messages a second, likewise`

func topicCreate(s spelling) *cobra.Command {
	o := s.operation("Create a topic or change it", "goddard admin topic create orders --read-queues 4 --write-queues 4\n  goddard admin topic create jobs --attributes +message.type=PRIORITY")
	o.Long = "Create a topic, or change all of it.\n\n" + topicAttributes
	o.targets()
	t := mq.Topic{Attributes: map[string]string{}}
	var attributes, unit, unitSub string
	f := o.Flags()
	f.Int32VarP(&t.ReadQueues, "read-queues", "r", 8, "how many queues are read")
	f.Int32VarP(&t.WriteQueues, "write-queues", "w", 8, "how many queues are written")
	f.Int32VarP(&t.Perm, "perm", "p", mq.PermRead|mq.PermWrite, "2 write, 4 read, 6 both")
	o.truth(&t.Order, "order", o.letter("o"), "an ordered topic")
	f.StringVarP(&attributes, "attributes", "a", "", "`CHANGES` of attributes, such as +message.type=FIFO,-consume.rate.bytes")
	if s.old {
		f.StringVarP(&unit, "unit", "u", "", "unit topic (true|false)")
		f.StringVarP(&unitSub, "hasUnitSub", "s", "", "has unit subscribers (true|false)")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		t.Attributes = attributeChanges(attributes)
		if unit == "true" {
			t.SysFlag |= 1
		}
		if unitSub == "true" {
			t.SysFlag |= 2
		}
		brokers, err := c.PutTopic(ctx, o.target, t)
		if err != nil {
			return err
		}
		if o.old {
			return createdTopic(ctx, o, c, brokers, t)
		}
		return o.done(brokers, "topic %s is on %s: %d queues to write, %d to read", t.Name, names(brokers), t.WriteQueues, t.ReadQueues)
	}, wanted{"topic", "t", "TOPIC", &t.Name})
}

func topicUpdate(s spelling) *cobra.Command {
	o := s.operation("Change a topic and leave alone what is not named", "goddard admin topic update orders --attributes +dedup.window.seconds=60")
	o.Long = "Change a topic and leave alone what is not named.\n\n" + topicAttributes
	o.targets()
	var topic, attributes string
	var change mq.Topic
	f := o.Flags()
	f.Int32VarP(&change.ReadQueues, "read-queues", "r", 0, "how many queues are read")
	f.Int32VarP(&change.WriteQueues, "write-queues", "w", 0, "how many queues are written")
	f.Int32VarP(&change.Perm, "perm", "p", 0, "2 write, 4 read, 6 both")
	f.StringVarP(&attributes, "attributes", "a", "", "`CHANGES` of attributes, such as +message.type=FIFO,-consume.rate.bytes")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := o.changes("read-queues", "write-queues", "perm", "attributes"); err != nil {
			return err
		}
		brokers, err := c.ChangeTopic(ctx, o.target, topic, func(t *mq.Topic) {
			t.Attributes = attributeChanges(attributes)
			for flag, n := range map[string][2]*int32{
				"read-queues": {&t.ReadQueues, &change.ReadQueues}, "write-queues": {&t.WriteQueues, &change.WriteQueues}, "perm": {&t.Perm, &change.Perm},
			} {
				if f.Changed(flag) {
					*n[0] = *n[1]
				}
			}
		})
		if err != nil {
			return err
		}
		return o.done(brokers, "topic %s is changed on %s", topic, names(brokers))
	}, wanted{"topic", "t", "TOPIC", &topic})
}

func topicDelete(s spelling) *cobra.Command {
	o := s.operation("Delete a topic and its messages", "goddard admin topic delete orders")
	o.targets()
	var topic string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		brokers, err := c.DeleteTopic(ctx, o.target, topic)
		if err != nil {
			return err
		}
		if o.old {
			s := o.sheet().line("delete topic [%s] from cluster [%s] success.", topic, clusterOf(o.target, brokers))
			return o.print(brokers, s.line("delete topic [%s] from NameServer success.", topic))
		}
		return o.done(brokers, "topic %s is deleted from %s", topic, names(brokers))
	}, wanted{"topic", "t", "TOPIC", &topic})
}

func topicList(s spelling) *cobra.Command {
	o := s.operation("List the topics", "goddard admin topic list -o json")
	var all bool
	var clusters bool
	o.Flags().BoolVar(&all, "all", s.old, "also retry, dead-letter and system topics")
	if s.old {
		o.Flags().BoolVarP(&clusters, "clusterModel", "c", false, "with the clusters that have each topic")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		list := c.UserTopics
		if all {
			list = c.Topics
		}
		topics, err := list(ctx)
		if err != nil {
			return err
		}
		if clusters {
			return printClusters(ctx, o, c, topics...)
		}
		if o.old {
			return o.print(nonNil(topics), listed(o, topics))
		}
		t := newTable("TOPIC")
		for _, name := range topics {
			t.add(name)
		}
		return o.print(nonNil(topics), t)
	})
}

// A placedTopic is a topic and the clusters that have it.
type placedTopic struct {
	Topic    string   `json:"topic"`
	Clusters []string `json:"clusters"`
	Groups   []string `json:"groups,omitempty"` // that read it, where they are asked for
}

// printClusters prints which clusters have each of topics; of several also the
// groups that read them.
func printClusters(ctx context.Context, o *operation, c *admin.Cluster, topics ...string) error {
	all := []placedTopic{}
	for _, topic := range topics {
		route, err := c.Route(ctx, topic)
		deleted := errors.Is(err, mq.ErrTopicNotFound) && len(topics) > 1 // since they were listed
		if err != nil && !deleted {
			return err
		}
		p := placedTopic{Topic: topic, Clusters: []string{}}
		if route != nil {
			for _, b := range route.Brokers {
				p.Clusters = append(p.Clusters, b.Cluster)
			}
		}
		slices.Sort(p.Clusters)
		p.Clusters = slices.Compact(p.Clusters)
		if len(topics) > 1 && !deleted {
			if p.Groups, err = c.GroupsOfTopic(ctx, topic); err != nil && !errors.Is(err, mq.ErrTopicNotFound) {
				return err
			}
		}
		all = append(all, p)
	}
	if len(topics) == 1 {
		return o.print(all, listed(o, all[0].Clusters))
	}
	return o.print(all, clustersSheet(o, all))
}

func topicClusters(s spelling) *cobra.Command {
	o := s.operation("Show the clusters that have a topic", "")
	var topic string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		return printClusters(ctx, o, c, topic)
	}, wanted{"topic", "t", "TOPIC", &topic})
}

// nonNil makes an empty list of nothing, which JSON tells apart.
func nonNil[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func topicStatus(s spelling) *cobra.Command {
	o := s.operation("Show the queues of a topic", "")
	var topic string
	o.ignored("cluster", "c", "the cluster, which the topic says already")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		queues, rate, err := c.TopicStatus(ctx, topic)
		if err != nil {
			return err
		}
		return o.print(nonNil(queues), topicStatusSheet(o, queues, rate))
	}, wanted{"topic", "t", "TOPIC", &topic})
}

func queueTable(queues []admin.QueueStatus) *table {
	t := newTable("BROKER", "QUEUE", "MIN", "MAX", "LAST MESSAGE")
	for _, q := range queues {
		t.add(q.Broker, q.Queue, q.Min, q.Max, when(q.LastUpdate))
	}
	return t
}

// A describedTopic is a topic with its queues, by broker.
type describedTopic struct {
	Brokers []admin.PlacedTopic `json:"brokers"`
	Queues  []admin.QueueStatus `json:"queues"`
}

func topicDescribe(s spelling) *cobra.Command {
	o := s.operation("Show a topic, its attributes and its queues", "goddard admin topic describe orders")
	var topic string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		brokers, err := c.PlacedTopics(ctx, topic)
		if err != nil {
			return err
		}
		queues, _, err := c.TopicStatus(ctx, topic)
		if err != nil {
			return err
		}
		if o.out == asJSON {
			return o.print(describedTopic{brokers, nonNil(queues)}, nil)
		}
		t := newTable("BROKER", "READ QUEUES", "WRITE QUEUES", "PERM", "ATTRIBUTES")
		for _, b := range brokers {
			t.add(b.Broker, b.ReadQueues, b.WriteQueues, b.Perm, cmp.Or(attributeList(b.Attributes), "-"))
		}
		if err := o.print(nil, t); err != nil {
			return err
		}
		fmt.Fprintln(o.OutOrStdout())
		return o.print(nil, queueTable(queues))
	}, wanted{"topic", "t", "TOPIC", &topic})
}

func topicRoute(s spelling) *cobra.Command {
	o := s.operation("Show what the name server tells clients about a topic", "goddard admin topic route orders")
	var topic string
	var list bool
	if s.old {
		o.Flags().BoolVarP(&list, "list", "l", false, "as a list instead of JSON")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		route, err := c.Route(ctx, topic)
		if err != nil {
			return err
		}
		if o.old {
			return printRoute(o, route, list)
		}
		t := newTable("BROKER", "CLUSTER", "ADDRESSES", "READ QUEUES", "WRITE QUEUES", "PERM")
		for _, b := range route.Brokers {
			var addrs []string
			for _, id := range slices.Sorted(maps.Keys(b.Addrs)) {
				addrs = append(addrs, fmt.Sprintf("%d=%s", id, b.Addrs[id]))
			}
			for _, q := range route.Queues {
				if q.BrokerName == b.BrokerName {
					t.add(b.BrokerName, b.Cluster, strings.Join(addrs, " "), q.ReadQueueNums, q.WriteQueueNums, q.Perm)
				}
			}
		}
		return o.print(route, t)
	}, wanted{"topic", "t", "TOPIC", &topic})
}

func topicPerm(s spelling) *cobra.Command {
	o := s.operation("Change what clients may do with a topic", "goddard admin topic perm orders --perm 4")
	o.targets()
	var topic string
	var perm int32
	o.Flags().Int32VarP(&perm, "perm", "p", mq.PermRead|mq.PermWrite, "2 write, 4 read, 6 both")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if o.old {
			return changePerm(ctx, o, c, topic, perm)
		}
		brokers, err := c.SetTopicPerm(ctx, o.target, topic, perm)
		if err != nil {
			return err
		}
		return o.done(brokers, "topic %s has permission %d on %s", topic, perm, names(brokers))
	}, wanted{"topic", "t", "TOPIC", &topic})
}
