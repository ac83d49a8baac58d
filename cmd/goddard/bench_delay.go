package main

import (
	"time"

	"github.com/spf13/cobra"

	"github.com/goddardmq/goddard/internal/load"
)

func newBenchDelay(o *benchOptions) *cobra.Command {
	var d load.Delay
	cmd := &cobra.Command{
		Use:   "delay",
		Short: "Send delayed messages, and wait for them",
		Long: `Sends messages that are to be delivered later, for as long as --time says, and waits
until all have come. The first line is how fast they were taken, the second how
fast they were delivered and how late.`,
		Example: `  goddard bench delay --after 10s
  goddard bench delay --level 3 --after 10s   # RocketMQ's third level is 10 s`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d.Common = o.settled(cmd)
			return o.run(cmd, d)
		},
	}
	f := cmd.Flags()
	f.DurationVar(&d.After, "after", 5*time.Second, "how long a message waits")
	f.IntVar(&d.Level, "level", 0, "the delay level that means this on the broker; 0 gives each message a time of its own")
	f.IntVar(&d.Size, "size", 1024, "bytes of a message body, at least 8")
	f.IntVar(&d.Connections, "connections", 4, "connections to each broker")
	f.IntVar(&d.InFlight, "in-flight", 128, "requests under way on each connection")
	f.Float64Var(&d.Rate, "rate", 0, "messages a second in all; 0 is as many as possible")
	return cmd
}
