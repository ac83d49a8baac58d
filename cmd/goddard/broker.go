package main

import (
	"github.com/goddardmq/goddard/internal/node"
	"github.com/spf13/cobra"
)

// newBroker is the broker by itself, with the flags of mqbroker.
func newBroker() *cobra.Command {
	var s settings
	var all, important bool
	c := &cobra.Command{
		Use:   "broker [-n NAMESRV] [-c FILE]",
		Short: "Run a broker alone",
		Long: `Run a broker that registers with name servers elsewhere, ours or RocketMQ's.
It listens on all addresses, as RocketMQ's does, unless --listen says otherwise.`,
		Example: `  goddard broker -n 127.0.0.1:9876 --listen 127.0.0.1
  goddard broker -n '10.0.0.5:9876;10.0.0.6:9876' -c broker.conf --insecure
  goddard broker -c broker.conf -p`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if all || important {
				return s.print(c, node.RoleBroker, important && !all)
			}
			return serve(c, node.RoleBroker, &s)
		},
	}
	c.Flags().BoolVarP(&all, "print-config", "p", false, "print all settings and exit")
	c.Flags().BoolVarP(&important, "print-important-config", "m", false, "print the important settings and exit")
	s.register(c, "data", "listen", "listen-port", "fast-port", "grpc-port", "http-port", "advertise", "namesrv", "log-level", "authentication", "authorization", "insecure")
	return c
}
