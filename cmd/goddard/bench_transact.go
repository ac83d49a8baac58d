package main

import (
	"github.com/spf13/cobra"

	"github.com/goddardmq/goddard/internal/load"
)

func newBenchTransact(o *benchOptions) *cobra.Command {
	var t load.Transact
	cmd := &cobra.Command{
		Use:   "transact",
		Short: "Send messages in transactions: half messages and their commits",
		Long: `Sends half messages and commits each as soon as it is stored. A transaction counts
when the broker has answered the commit.`,
		Example: "  goddard bench transact --connections 4 --in-flight 32",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			t.Common = o.settled(cmd)
			return o.run(cmd, t)
		},
	}
	f := cmd.Flags()
	f.IntVar(&t.Size, "size", 1024, "bytes of a message body")
	f.IntVar(&t.Connections, "connections", 4, "connections to each broker")
	f.IntVar(&t.InFlight, "in-flight", 32, "transactions under way on each connection")
	return cmd
}
