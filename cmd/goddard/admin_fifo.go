package main

import (
	"context"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/spf13/cobra"
)

func fifoList(s spelling) *cobra.Command {
	o := s.operation("List message groups that are parked or do not get on", "goddard admin fifo list billing orders")
	o.Long = `List message groups that are parked or do not get on, for a consumer group and a topic.
Of one that is BLOCKED the first message was delivered before and is not
acknowledged: SINCE is its first delivery, WAITING what is behind it as far as the
broker has looked. Of one that is PARKED, WAITING is what was put aside.`
	o.targets()
	var group, topic string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		all, err := c.MessageGroups(ctx, o.target, group, topic)
		if err != nil {
			return err
		}
		t := newTable("MESSAGE GROUP", "STATE", "BROKER", "QUEUE", "OFFSET", "SINCE", "TRIES", "IN HAND", "WAITING")
		for _, m := range all {
			t.add(m.Name, m.State, m.Broker, m.Queue, m.Offset, when(m.Since), m.Tries, m.InHand, m.Waiting)
		}
		return o.print(nonNil(all), t)
	}, wanted{"group", "g", "GROUP", &group}, wanted{"topic", "t", "TOPIC", &topic})
}

func fifoPark(s spelling) *cobra.Command {
	o := onMessageGroup(s, "Put a message group's messages aside, so that they are not delivered", "park", admin.ParkGroup, "parked")
	o.Long = `Put a message group's messages aside, so that they are not delivered to the consumer group until the
message group is released; those in hand stay there until their time is up. Others go on.`
	return o
}

func fifoRelease(s spelling) *cobra.Command {
	return onMessageGroup(s, "Deliver what is aside of a message group, in order and before later messages", "release", admin.ReleaseGroup, "released")
}

func fifoBury(s spelling) *cobra.Command {
	return onMessageGroup(s, "Move what is aside of a message group to the dead letters, and release it", "bury", admin.BuryGroup, "buried")
}

// onMessageGroup is a command that does something with one message group.
func onMessageGroup(s spelling, short, word, action, done string) *cobra.Command {
	o := s.operation(short, "goddard admin fifo "+word+" billing orders customer-7")
	o.targets()
	var group, topic, name string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		moved, err := c.SettleMessageGroup(ctx, o.target, group, topic, name, action)
		if err != nil {
			return err
		}
		text := "message group %s of topic %s is %s for group %s"
		args := []any{name, topic, done, group}
		if action == admin.BuryGroup {
			text, args = text+"; %d messages went to its dead letters", append(args, moved)
		}
		return o.done(map[string]any{"messageGroup": name, "state": done, "moved": moved}, text, args...)
	}, wanted{"group", "g", "GROUP", &group}, wanted{"topic", "t", "TOPIC", &topic}, wanted{"message-group", "k", "MESSAGE-GROUP", &name})
}
