package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/spf13/cobra"
)

// groupAttributes is what help says about attributes of groups.
const groupAttributes = `Attributes: +NAME=VALUE sets one, -NAME removes it, commas separate several.

  consume.rate.messages  messages a second, over all topics; more waits
  consume.rate.bytes     bytes of messages a second, over all topics; more waits
  priority.factor        for how many pops of a hundred a topic of message.type
                         PRIORITY begins at its highest queue`

func groupCreate(s spelling) *cobra.Command {
	o := s.operation("Create a consumer group or change it", "goddard admin group create billing --retry-max 3")
	o.Long = "Create a consumer group, or change all of it.\n\n" + groupAttributes
	o.targets()
	g := admin.NewGroup("")
	var policy, attributes string
	f := o.Flags()
	o.truth(&g.ConsumeEnable, "consume", o.letter("s"), "whether the group may consume")
	o.truth(&g.ConsumeFromMin, "from-min", o.letter("m"), "whether it may begin at the first message")
	o.truth(&g.ConsumeBroadcast, "broadcast", o.letter("d"), "whether it may consume by broadcasting")
	if s.old {
		g.ConsumeBroadcast, g.ConsumeFromMin = false, false // mqadmin's defaults
		o.Flags().Lookup("broadcast").DefValue, o.Flags().Lookup("from-min").DefValue = "false", "false"
	}
	o.truth(&g.ConsumeOrderly, "orderly", o.letter("o"), "whether it consumes in order")
	o.truth(&g.NotifyConsumerIDsChange, "notify", o.letter("a"), "whether members are told of each other")
	f.Int32VarP(&g.RetryQueues, "retry-queues", "q", g.RetryQueues, "queues of the retry topic")
	f.Int32VarP(&g.RetryMax, "retry-max", "r", g.RetryMax, "tries before a message goes to the dead letters")
	f.StringVarP(&policy, "retry-policy", "p", "", "how long a failed message rests, `JSON` in milliseconds: "+
		`{"type":"CUSTOMIZED","customizedRetryPolicy":{"next":[1000,60000]}}`)
	f.Int64VarP(&g.BrokerID, "broker-id", o.letter("i"), g.BrokerID, "which member of a broker to consume from")
	f.Int64VarP(&g.WhichBrokerWhenSlow, "slow-broker-id", o.letter("w"), g.WhichBrokerWhenSlow, "which member to turn to when that is slow")
	f.StringVar(&attributes, "attributes", "", "`CHANGES` of attributes, such as +consume.rate.messages=500,-priority.factor")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if policy != "" {
			if err := json.Unmarshal([]byte(policy), &g.RetryPolicy); err != nil {
				return fmt.Errorf("--retry-policy: %w", err)
			}
		}
		g.Attributes = attributeChanges(attributes)
		brokers, err := c.PutGroup(ctx, o.target, g)
		if err != nil {
			return err
		}
		if o.old {
			return o.print(brokers, createdSheet(o, "subscription group", brokers).line("%s", groupText(&g)))
		}
		return o.done(brokers, "group %s is on %s", g.Name, names(brokers))
	}, wanted{"group", "g", "GROUP", &g.Name})
}

func groupUpdate(s spelling) *cobra.Command {
	o := s.operation("Change a consumer group and leave alone what is not named", "goddard admin group update billing --attributes +consume.rate.messages=500")
	o.Long = "Change a consumer group and leave alone what is not named.\n\n" + groupAttributes
	o.targets()
	var group, attributes string
	var retryMax, retryQueues int32
	var consume bool
	f := o.Flags()
	f.StringVarP(&attributes, "attributes", "a", "", "`CHANGES` of attributes, such as +consume.rate.messages=500,-priority.factor")
	f.Int32VarP(&retryMax, "retry-max", "r", 0, "tries before a message goes to the dead letters")
	f.Int32VarP(&retryQueues, "retry-queues", "q", 0, "queues of the retry topic")
	o.truth(&consume, "consume", "", "whether the group may consume")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := o.changes("attributes", "retry-max", "retry-queues", "consume"); err != nil {
			return err
		}
		brokers, err := c.ChangeGroup(ctx, o.target, group, func(g *mq.Group) {
			g.Attributes = attributeChanges(attributes)
			if f.Changed("retry-max") {
				g.RetryMax = retryMax
			}
			if f.Changed("retry-queues") {
				g.RetryQueues = retryQueues
			}
			if f.Changed("consume") {
				g.ConsumeEnable = consume
			}
		})
		if err != nil {
			return err
		}
		return o.done(brokers, "group %s is changed on %s", group, names(brokers))
	}, wanted{"group", "g", "GROUP", &group})
}

// attributeChanges reads "+key=value,-other".
func attributeChanges(text string) map[string]string {
	all := map[string]string{}
	for change := range strings.SplitSeq(text, ",") {
		if key, value, _ := strings.Cut(change, "="); key != "" {
			all[key] = value
		}
	}
	return all
}

// attributeList is attributes as a cell of a table.
func attributeList(all map[string]string) string {
	var list []string
	for _, key := range slices.Sorted(maps.Keys(all)) {
		list = append(list, key+"="+all[key])
	}
	return strings.Join(list, ",")
}

func groupDelete(s spelling) *cobra.Command {
	o := s.operation("Delete a consumer group, its retry and its dead-letter topic", "goddard admin group delete billing --offsets")
	o.targets()
	var group string
	var clean bool
	o.truth(&clean, "offsets", o.letter("r"), "forget how far the group was, too")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		brokers, err := c.DeleteGroup(ctx, o.target, group, clean)
		if err != nil {
			return err
		}
		if o.old {
			return o.print(brokers, deletedGroupSheet(o, group, brokers))
		}
		return o.done(brokers, "group %s is deleted from %s", group, names(brokers))
	}, wanted{"group", "g", "GROUP", &group})
}

func groupList(s spelling) *cobra.Command {
	o := s.operation("List the consumer groups", "goddard admin group list")
	o.targets()
	var all bool
	o.Flags().BoolVar(&all, "all", false, "also system groups")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		groups, err := c.Groups(ctx, o.target)
		if err != nil {
			return err
		}
		t := newTable("GROUP")
		shown := []string{}
		for _, name := range groups {
			if all || !mq.IsSystemGroup(name) {
				shown = append(shown, name)
				t.add(name)
			}
		}
		return o.print(shown, t)
	})
}

func groupDescribe(s spelling) *cobra.Command {
	o := s.operation("Show the settings of a consumer group", "goddard admin group describe billing")
	o.targets()
	var group string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		found, err := c.FindGroup(ctx, o.target, group)
		if err != nil {
			return err
		}
		if o.old {
			return o.print(found, groupSheet(o, found))
		}
		t := newTable("BROKER", "CONSUME", "BROADCAST", "ORDERLY", "RETRY QUEUES", "RETRY MAX", "TIMEOUT", "ATTRIBUTES")
		for _, p := range found {
			g := p.Config
			t.add(names([]admin.Broker{p.Broker}), g.ConsumeEnable, g.ConsumeBroadcast, g.ConsumeOrderly, g.RetryQueues, g.RetryMax,
				fmt.Sprintf("%dm", g.ConsumeTimeoutMinutes), attributeList(g.Attributes))
		}
		return o.print(found, t)
	}, wanted{"group", "g", "GROUP", &group})
}

func groupMode(s spelling) *cobra.Command {
	o := s.operation("Choose whether a group's clients pull a topic's messages or pop them",
		"goddard admin group mode billing --topic orders --mode POP")
	o.Long = o.Short + `.

Only clients that leave the choice of queues to the broker follow it: Java's push
consumers of 5.x with setClientRebalance(false).`
	o.targets()
	var m mq.RequestMode
	f := o.Flags()
	f.StringVarP(&m.Topic, "topic", "t", "", "the `TOPIC` that the group consumes")
	f.StringVarP(&m.Mode, "mode", "m", "", "PULL or POP")
	f.Int32VarP(&m.ShareQueues, "share", "q", 0, "how many members, beside the one they are for, pop from the same queues; 0 for all from any")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if m.Topic == "" || m.Mode == "" {
			return fmt.Errorf("name the topic (--topic) and the mode (--mode %s or %s)", mq.ModePull, mq.ModePop)
		}
		m.Mode = strings.ToUpper(m.Mode)
		brokers, err := c.SetRequestMode(ctx, o.target, m)
		if err != nil {
			return err
		}
		if o.old {
			s := o.sheet()
			for _, b := range brokers {
				s.line("set consume mode to %s success.", b.Addr)
			}
			return o.print(brokers, s.line("topic[%s] group[%s] consume mode[%s] popShareQueueNum[%d]", m.Topic, m.Group, m.Mode, m.ShareQueues))
		}
		return o.done(brokers, "group %s consumes topic %s by %s on %s", m.Group, m.Topic, m.Mode, names(brokers))
	}, wanted{"group", "g", "GROUP", &m.Group})
}
