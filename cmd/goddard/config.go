package main

import (
	"errors"
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/node"
	"github.com/spf13/cobra"
)

// newConfig gathers the commands about settings.
func newConfig() *cobra.Command {
	return family("config", "Print, check and compare settings", configPrint(), configCheck(), configDiff())
}

// A roleFlag chooses whose settings are meant.
type roleFlag struct{ role node.Role }

var roles = []string{node.RoleAll: "all", node.RoleNamesrv: "namesrv", node.RoleBroker: "broker"}

// String is part of pflag.Value.
func (f *roleFlag) String() string { return roles[f.role] }

// Type is part of pflag.Value.
func (f *roleFlag) Type() string { return "all|broker|namesrv" }

// Set is part of pflag.Value.
func (f *roleFlag) Set(text string) error {
	i := slices.Index(roles, text)
	if i < 0 {
		return errors.New("want all, broker or namesrv")
	}
	f.role = node.Role(i)
	return nil
}

func (f *roleFlag) register(c *cobra.Command) {
	c.Flags().Var(f, "role", "whose settings: of the server as a whole, or of a role by itself")
}

func configPrint() *cobra.Command {
	var s settings
	var role roleFlag
	var important bool
	c := &cobra.Command{
		Use:   "print [-c FILE]",
		Short: "Print what file, environment and flags amount to, as a file",
		Long: `Print what file, environment and flags amount to, as a file of settings that can
be used again. What is left at its default stands in a comment. RocketMQ's keys
come out under our names, so that this also translates a broker.conf.`,
		Example: "  goddard config print -c broker.conf --role broker >goddard.conf",
		Args:    noArguments,
		RunE:    func(c *cobra.Command, _ []string) error { return s.print(c, role.role, important) },
	}
	c.Flags().BoolVar(&important, "important", false, "only the usual settings")
	role.register(c)
	s.register(c)
	return c
}

func configCheck() *cobra.Command {
	var s settings
	var role roleFlag
	var strict bool
	c := &cobra.Command{
		Use:   "check [FILE]",
		Short: "Check settings without starting anything",
		Long: `Check settings without starting anything: file, environment and flags. A value
that cannot be used is an error; what has no effect is a warning, and with
--strict an error too.`,
		Example: "  goddard config check goddard.conf\n  goddard config check --strict --role broker -c broker.conf",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) > 0 {
				s.file = args[0]
			}
			conf, err := s.load(role.role, c.ErrOrStderr())
			if err != nil {
				return err
			}
			if err := conf.Check(); err != nil {
				return err
			}
			warnings := len(s.warned) + len(s.readable)
			if strict && warnings > 0 {
				return fmt.Errorf("%s, and --strict takes warnings for errors", counted(warnings, "warning"))
			}
			_, err = fmt.Fprintf(c.OutOrStdout(), "ok: %s, %s\n", counted(len(conf.Origins), "setting"), counted(warnings, "warning"))
			return err
		},
	}
	c.Flags().BoolVar(&strict, "strict", false, "take warnings for errors")
	role.register(c)
	s.register(c)
	return c
}

// A comparison is what differs at one server, or in a file.
type comparison struct {
	Server      string            `json:"server,omitempty"`
	Differences []node.Difference `json:"differences"`
}

func configDiff() *cobra.Command {
	var s settings
	var role roleFlag
	var d door
	var out output
	var broker string
	c := &cobra.Command{
		Use:   "diff [-c FILE]",
		Short: "Show which settings are not at their defaults, and who says so",
		Long: `Show which settings of a file, the environment and the flags are not at their
defaults and where each comes from; with -b those of a running broker, with -n
those of running name servers. A running server is compared with the file, if
one is given, and with the defaults otherwise.

Values of running servers are written as they write them: sizes in bytes, times
in the unit of RocketMQ's key. RocketMQ's servers do not say where a value comes
from; of their settings those are shown that Goddard has too.`,
		Example: "  goddard config diff -c goddard.conf\n  goddard config diff -b 127.0.0.1:10911\n  goddard config diff -n 127.0.0.1:9876 -c namesrv.conf",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			if d.namesrv != "" && !c.Flags().Changed("role") {
				role.role = node.RoleNamesrv
			}
			conf, err := s.load(role.role, c.ErrOrStderr())
			if err != nil {
				return err
			}
			if broker == "" && d.namesrv == "" {
				return printDifferences(c, out, []comparison{{Differences: node.Diff(conf, node.Defaults(role.role))}}, s.file != "")
			}
			if s.file == "" {
				conf = node.Defaults(role.role)
			}
			all, err := compareRunning(c, &d, broker, conf)
			if err != nil {
				return err
			}
			return printDifferences(c, out, all, s.file != "")
		},
	}
	c.Flags().StringVarP(&broker, "broker", "b", "", "the running broker at this `ADDRESS`, host:port")
	s.plain = true
	role.register(c)
	s.register(c)
	d.registerTLS(c.Flags())
	c.Flags().StringVarP(&d.namesrv, "name-servers", "n", "", "the running name servers at these `ADDRESSES`, host:port, separated by semicolons")
	out.register(c.Flags(), "o")
	return c
}

// compareRunning asks a broker, or else name servers, for their settings.
func compareRunning(c *cobra.Command, d *door, broker string, conf node.Config) ([]comparison, error) {
	secure, err := d.config()
	if err != nil {
		return nil, err
	}
	asked := nameServers(d.namesrv)
	cluster, err := admin.Dial(admin.Options{Namesrvs: asked, TLS: secure})
	if err != nil {
		return nil, err
	}
	defer cluster.Close()
	if broker != "" {
		running, err := cluster.BrokerConfig(c.Context(), broker)
		if err != nil {
			return nil, err
		}
		return []comparison{{broker, node.DiffRunning(running, conf)}}, nil
	}
	running, err := cluster.NamesrvConfig(c.Context())
	if err != nil {
		return nil, err
	}
	var all []comparison
	for _, addr := range asked {
		all = append(all, comparison{addr, node.DiffRunning(running[addr], conf)})
	}
	return all, nil
}

func printDifferences(c *cobra.Command, out output, all []comparison, file bool) error {
	other := "DEFAULT"
	if file && all[0].Server != "" {
		other = "FILE"
	}
	t := newTable("SETTING", "VALUE", other, "FROM", "CHANGES LIVE")
	servers := len(all) > 1
	if servers {
		t = newTable("SERVER", "SETTING", "VALUE", other, "FROM", "CHANGES LIVE")
	}
	for i := range all {
		all[i].Differences = nonNil(all[i].Differences)
		for _, d := range all[i].Differences {
			live := map[bool]string{true: "yes", false: "at the next start"}[d.Live]
			row := []any{d.Name, orDash(d.Value), orDash(d.Other), d.Origin, live}
			if servers {
				row = append([]any{all[i].Server}, row...)
			}
			t.add(row...)
		}
	}
	if out == asJSON && len(all) == 1 {
		return out.print(c.OutOrStdout(), all[0], t)
	}
	return out.print(c.OutOrStdout(), all, t)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return text
}
