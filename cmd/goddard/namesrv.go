package main

import (
	"github.com/goddardmq/goddard/internal/node"
	"github.com/spf13/cobra"
)

// printSettings is the value of a bare -p.
const printSettings = "print"

// newNamesrv is the name server by itself, with the flags of mqnamesrv.
func newNamesrv() *cobra.Command {
	var s settings
	var port string
	c := &cobra.Command{
		Use:   "namesrv [-p PORT] [-c FILE]",
		Short: "Run the name server alone",
		Long: `Run the name server alone. It listens on all addresses, as RocketMQ's does,
unless --listen says otherwise. -p alone prints the settings, as with mqnamesrv.`,
		Example: `  goddard namesrv --listen 127.0.0.1
  goddard namesrv -p 9877 --insecure
  goddard namesrv -c namesrv.conf -p`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			switch {
			case port == printSettings && len(args) == 1:
				s.flags["namesrv-port"] = args[0]
			case port == printSettings:
				return s.print(c, node.RoleNamesrv, false)
			case len(args) == 1:
				return noArguments(c, args)
			case port != "":
				s.flags["namesrv-port"] = port
			}
			return serve(c, node.RoleNamesrv, &s)
		},
	}
	c.Flags().StringVarP(&port, "port", "p", "", "`PORT` to listen on (default 9876); without PORT: print the settings and exit")
	c.Flags().Lookup("port").NoOptDefVal = printSettings
	s.register(c, "data", "listen", "log-level", "authentication", "authorization", "insecure")
	return c
}
