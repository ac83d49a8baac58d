package main

import (
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/goddardmq/goddard/internal/remote"
)

// nameServerFlag adds -n, as mqadmin's users type it.
func nameServerFlag(cmd *cobra.Command, to *string) {
	cmd.Flags().StringVarP(to, "namesrv", "n", "", "name servers, host:port;host:port (default $NAMESRV_ADDR or 127.0.0.1:9876)")
}

// nameServers are the addresses in a flag, else in the environment, else the
// one on this machine.
func nameServers(flag string) []string {
	if flag == "" {
		flag = os.Getenv("NAMESRV_ADDR")
	}
	var all []string
	for addr := range strings.SplitSeq(flag, ";") {
		if addr = strings.TrimSpace(addr); addr != "" {
			all = append(all, addr)
		}
	}
	if len(all) == 0 {
		return []string{"127.0.0.1:9876"}
	}
	return all
}

// connect prepares a client of the cluster behind the name servers of a flag.
func connect(flag string) (*remote.Cluster, error) {
	return remote.Dial(remote.Options{NameServers: nameServers(flag)})
}
