package main

import (
	"github.com/spf13/cobra"

	"github.com/goddardmq/goddard/internal/load"
)

func newBenchTopics(o *benchOptions) *cobra.Command {
	var t load.Topics
	cmd := &cobra.Command{
		Use:   "topics",
		Short: "Create many topics",
		Long: `Creates topics named after --topic, with a number behind it, until all are there or
--time is over, and deletes them again.`,
		Example: "  goddard bench topics --count 10000 --in-flight 64 --time 5m",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t.Common = o.settled(cmd)
			return o.run(cmd, t)
		},
	}
	f := cmd.Flags()
	f.Int64Var(&t.Count, "count", 1000, "topics on each broker")
	f.IntVar(&t.InFlight, "in-flight", 1, "requests under way to each broker")
	f.IntVar(&t.Queues, "queues", 8, "queues of a topic")
	f.BoolVar(&t.Keep, "keep", false, "leave the topics there")
	return cmd
}
