package main

import (
	"context"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/spf13/cobra"
)

func groupForbid(s spelling) *cobra.Command {
	return forbid(s, "Forbid a group to read a topic", "goddard admin group forbid audit orders", "may not read", true)
}

func groupAllow(s spelling) *cobra.Command {
	return forbid(s, "Let a group read a topic that was forbidden to it", "goddard admin group allow audit orders", "may read", false)
}

func forbid(s spelling, short, example, now string, forbidden bool) *cobra.Command {
	o := s.operation(short, example)
	o.targets()
	var group, topic string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		brokers, err := c.ForbidTopic(ctx, o.target, group, topic, forbidden)
		if err != nil {
			return err
		}
		return o.done(brokers, "group %s %s topic %s on %s", group, now, topic, names(brokers))
	}, wanted{"group", "g", "GROUP", &group}, wanted{"topic", "t", "TOPIC", &topic})
}
