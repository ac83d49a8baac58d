package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/spf13/cobra"
)

func groupCreate(s spelling) *cobra.Command {
	o := s.operation("Create a consumer group or change it", "goddard admin group create billing --retry-max 3")
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
	f.StringVarP(&policy, "retry-policy", "p", "", "how long a failed message rests, `JSON`")
	f.Int64VarP(&g.BrokerID, "broker-id", o.letter("i"), g.BrokerID, "which member of a broker to consume from")
	f.Int64VarP(&g.WhichBrokerWhenSlow, "slow-broker-id", o.letter("w"), g.WhichBrokerWhenSlow, "which member to turn to when that is slow")
	f.StringVar(&attributes, "attributes", "", "`CHANGES` of attributes, such as +key=value,-other")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if policy != "" {
			if err := json.Unmarshal([]byte(policy), &g.RetryPolicy); err != nil {
				return fmt.Errorf("--retry-policy: %w", err)
			}
		}
		for change := range strings.SplitSeq(attributes, ",") {
			if key, value, _ := strings.Cut(change, "="); key != "" {
				g.Attributes[key] = value
			}
		}
		brokers, err := c.PutGroup(ctx, o.target, g)
		if err != nil {
			return err
		}
		return o.done(brokers, "group %s is on %s", g.Name, names(brokers))
	}, wanted{"group", "g", "GROUP", &g.Name})
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
		t := newTable("BROKER", "CONSUME", "BROADCAST", "ORDERLY", "RETRY QUEUES", "RETRY MAX", "TIMEOUT")
		for _, p := range found {
			g := p.Config
			t.add(names([]admin.Broker{p.Broker}), g.ConsumeEnable, g.ConsumeBroadcast, g.ConsumeOrderly, g.RetryQueues, g.RetryMax,
				fmt.Sprintf("%dm", g.ConsumeTimeoutMinutes))
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
		return o.done(brokers, "group %s consumes topic %s by %s on %s", m.Group, m.Topic, m.Mode, names(brokers))
	}, wanted{"group", "g", "GROUP", &m.Group})
}
