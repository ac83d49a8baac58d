package main

import (
	"context"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/wire"
	"github.com/spf13/cobra"
)

// brokerClean has brokers delete what is too old.
func brokerClean(s spelling) *cobra.Command {
	return cleaning(s, "Delete messages that retention lets go, at once and at any hour", "goddard admin broker clean",
		"retention has run on", admin.CleanLog)
}

// trimIndexes is mqadmin's cleanExpiredCQ.
func trimIndexes(s spelling) *cobra.Command {
	return cleaning(s, "Drop index entries of messages that are gone", "", "indexes are trimmed on", admin.CleanIndexes)
}

// cleanTopics is mqadmin's cleanUnusedTopic.
func cleanTopics(s spelling) *cobra.Command {
	return cleaning(s, "Drop what is left of deleted topics", "", "deleted topics are cleared on", admin.CleanTopics)
}

func cleaning(s spelling, short, example, done string, what wire.Code) *cobra.Command {
	o := s.operation(short, example)
	o.targets()
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		brokers, err := c.Clean(ctx, o.target, what)
		if err != nil {
			return err
		}
		if o.old {
			return o.said(brokers, "success")
		}
		return o.done(brokers, "%s %s", done, names(brokers))
	})
}
