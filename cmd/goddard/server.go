package main

import (
	"context"
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"sync"

	"github.com/goddardmq/goddard/internal/node"
	"github.com/spf13/cobra"
)

// shownSettings are the settings that --help of a server lists.
var shownSettings = []string{"data", "listen", "listen-port", "fast-port", "grpc-port", "http-port", "namesrv-port", "advertise", "namesrv", "log-level", "authentication", "authorization", "insecure"}

// newServer is `goddard` itself: everything in one process.
func newServer() *cobra.Command {
	var s settings
	c := &cobra.Command{
		Use:   "goddard",
		Short: "RocketMQ in one program",
		Long: `Goddard is Apache RocketMQ in one program. Without a subcommand it is a name
server and a broker that RocketMQ's clients use unchanged.

Every setting of docs/CONFIG.md is a flag; the usual ones are listed below.`,
		Example: `  goddard
  goddard --listen 0.0.0.0 --authentication --authorization --data /var/lib/goddard
  goddard -c goddard.conf`,
		Version:       version(),
		Args:          noArguments,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, _ []string) error {
			return serve(c, node.RoleAll, &s)
		},
	}
	c.SetVersionTemplate(versionLine())
	s.register(c, shownSettings...)
	return c
}

// noArguments refuses arguments with a hint where a person expected a subcommand.
func noArguments(c *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q is not a command; `%s --help` lists them", args[0], c.CommandPath())
	}
	return nil
}

// serve runs a role until the process is told to stop.
func serve(c *cobra.Command, role node.Role, s *settings) error {
	conf, err := s.load(role, c.ErrOrStderr())
	if err != nil {
		return err
	}
	node.LimitMemory(conf.Log)
	conf.Version = version()
	n, err := node.New(conf)
	if err != nil {
		return err
	}
	greet(c.OutOrStdout(), role, n)
	tellFirstUser(c.OutOrStdout(), n)
	defer paceCollector(c.Context())()
	notify("READY=1") // ports are open, and requests wait there
	defer context.AfterFunc(c.Context(), func() { notify("STOPPING=1") })()
	return n.Run(c.Context())
}

// paceCollector paces the garbage collector until the function is called that it
// returns.
func paceCollector(ctx context.Context) (end func()) {
	ctx, cancel := context.WithCancel(ctx)
	var pacing sync.WaitGroup
	pacing.Go(func() { node.PaceCollector(ctx) })
	return func() {
		cancel()
		pacing.Wait()
	}
}

// tellFirstUser says who may come in where nobody could; it is said once.
func tellFirstUser(w io.Writer, n *node.Node) {
	if name, password, ok := n.FirstUser(); ok {
		fmt.Fprintf(w, "There was no user, so one was made that may do everything. This is shown once:\n  access key  %s\n  secret key  %s\nIf it gets lost, the setting init-user makes another one at the next start.\n", name, password)
	}
}

// toPaste is an address by which this machine reaches what listens on addr. What
// listens everywhere is told as [::], whether or not there is IPv6.
func toPaste(addr netip.AddrPort) string {
	if addr.Addr().IsUnspecified() {
		return fmt.Sprintf("127.0.0.1:%d", addr.Port())
	}
	return addr.String()
}

// greet says what listens where and what to try next.
func greet(w io.Writer, role node.Role, n *node.Node) {
	fmt.Fprintf(w, "goddard %s\n", version())
	if addr := n.NamesrvAddr(); addr.IsValid() {
		fmt.Fprintf(w, "  name server  %s\n", addr)
	}
	if addr := n.BrokerAddr(); addr.IsValid() {
		fmt.Fprintf(w, "  broker       %s", addr)
		if fast := n.FastAddr(); fast.IsValid() {
			fmt.Fprintf(w, " and %s", fast)
		}
		fmt.Fprintln(w)
	}
	if addr := n.GRPCAddr(); addr.IsValid() {
		fmt.Fprintf(w, "  gRPC         %s\n", addr)
	}
	if addr := n.HTTPAddr(); addr.IsValid() {
		name := "HTTP   "
		if n.HasConsole() {
			name = "console"
		}
		scheme := "http"
		if n.TLSOnly() {
			scheme = "https"
		}
		fmt.Fprintf(w, "  %s      %s://%s\n", name, scheme, toPaste(addr))
	}
	data, err := filepath.Abs(n.Data())
	if err != nil {
		data = n.Data()
	}
	fmt.Fprintf(w, "  data         %s\n", data)
	if traces := n.Tracing(); traces != "" {
		fmt.Fprintf(w, "  spans        %s\n", traces)
	}
	if role != node.RoleAll {
		return
	}
	option := ""
	if addr := toPaste(n.NamesrvAddr()); addr != "127.0.0.1:9876" {
		option = " -n " + addr
	}
	if n.TLSOnly() {
		option += " --tls-ca " + n.Certificate()
	}
	if n.Asks() {
		fmt.Fprintf(w, "Requests are signed; commands take the user from --credentials FILE, or from\n%s and %s.\n", envAccessKey, envSecretKey)
	}
	fmt.Fprintf(w, "Try, in another terminal:\n  goddard pub%s hello \"first message\"\n  goddard sub%s hello\n", option, option)
}
