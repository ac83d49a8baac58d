package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// newAdmin gathers the commands that operate a cluster.
func newAdmin() *cobra.Command {
	c := &cobra.Command{
		Use:   "admin",
		Short: "Operate a cluster, ours or RocketMQ's",
		Long: `Operate a cluster, ours or RocketMQ's: topics, consumer groups, offsets, brokers
and name servers. -n names the name server; without it NAMESRV_ADDR does, or
127.0.0.1:9876. These names of mqadmin's work too, with mqadmin's flags:

` + mqadminNames(),
		Example: `  goddard admin topic list
  goddard admin topic create orders -n 127.0.0.1:9876
  goddard admin updateTopic -n 127.0.0.1:9876 -c DefaultCluster -t orders`,
	}
	onlySubcommands(c)
	c.AddCommand(
		family("topic", "Create, list, change and delete topics",
			topicCreate(ours("create TOPIC")), topicUpdate(ours("update TOPIC")), topicDelete(ours("delete TOPIC")), topicList(ours("list")),
			topicDescribe(ours("describe TOPIC", "status")), topicRoute(ours("route TOPIC")), topicPerm(ours("perm TOPIC")),
			topicImport(ours("import FILE")), topicShare(ours("share TOPIC")), topicRTT(ours("rtt TOPIC")), topicStats(ours("stats"))),
		family("group", "Create, list, change and delete consumer groups",
			groupCreate(ours("create GROUP")), groupUpdate(ours("update GROUP")), groupDelete(ours("delete GROUP")), groupList(ours("list")), groupDescribe(ours("describe GROUP")),
			groupMode(ours("mode GROUP")), groupForbid(ours("forbid GROUP TOPIC")), groupAllow(ours("allow GROUP TOPIC")),
			groupImport(ours("import FILE")), groupRunning(ours("running GROUP")), groupWatch(ours("watch"))),
		family("offsets", "See and move what groups have consumed",
			offsetsList(ours("list [GROUP]")), offsetsReset(ours("reset GROUP")), offsetsSkip(ours("skip GROUP")), offsetsClone(ours("clone TOPIC"))),
		family("message", "Find messages and see who has consumed them",
			messageGet(ours("get ID")), messageFind(ours("find TOPIC")), messageIndex(ours("index TOPIC")),
			messagePrint(ours("print TOPIC")), queuePrint(ours("queue TOPIC")), messageRead(ours("read TOPIC")), messageAt(ours("at TOPIC")), messageTrace(ours("trace ID"))),
		family("dlq", "See dead letters and send them again",
			dlqList(ours("list")), dlqBrowse(ours("browse GROUP")), dlqGet(ours("get ID")), dlqRedrive(ours("redrive GROUP")),
			dlqEdit(ours("edit ID")), dlqPurge(ours("purge GROUP", "skip")), dlqExport(ours("export GROUP")), dlqImport(ours("import FILE"))),
		family("delay", "See and call back messages that wait for a time of their own",
			delayList(ours("list [TOPIC]")), delayCancel(ours("cancel HANDLE", "recall"))),
		family("transaction", "See and end pending transactions",
			transactionList(ours("list")), transactionCommit(ours("commit ID")), transactionRollback(ours("rollback ID")), transactionCheck(ours("check ID"))),
		family("fifo", "See and park message groups that hold themselves up",
			fifoList(ours("list GROUP TOPIC")), fifoPark(ours("park GROUP TOPIC MESSAGE-GROUP")),
			fifoRelease(ours("release GROUP TOPIC MESSAGE-GROUP")), fifoBury(ours("bury GROUP TOPIC MESSAGE-GROUP"))),
		family("user", "See and change who may log in",
			userCreate(ours("create USER")), userUpdate(ours("update USER")), userDelete(ours("delete USER")), userGet(ours("get USER")), userList(ours("list")), userCopy(ours("copy [USER,USER]"))),
		family("acl", "See and change who may do what",
			aclCreate(ours("create USER")), aclUpdate(ours("update USER")), aclDelete(ours("delete USER")), aclGet(ours("get USER")), aclList(ours("list")),
			aclCopy(ours("copy [USER,USER]")), aclImport(ours("import FILE")), aclExplain(ours("explain USER RESOURCE"))),
		family("lite", "See lite topics and who wants them",
			liteStatus(ours("status")), liteParent(ours("parent PARENT")), liteTopic(ours("topic PARENT LITE-TOPIC")),
			liteClient(ours("client PARENT GROUP CLIENT-ID")), liteGroup(ours("group PARENT GROUP", "lag")), liteLook(ours("look PARENT GROUP"))),
		family("limit", "Limit what clients may do, and see what was refused",
			limitSet(ours("set SCOPE [NAME]")), limitDelete(ours("delete SCOPE [NAME]")), limitList(ours("list"))),
		family("cluster", "See the brokers of a cluster", clusterList(ours("list")), clusterRTT(ours("rtt"))),
		family("broker", "See and set what a broker does",
			brokerStatus(ours("status")), brokerClean(ours("clean")), brokerTry(ours("try BROKER")), brokerProgress(ours("progress ADDRESS")), brokerHA(ours("ha")),
			family("config", "Settings of a running broker", brokerConfigGet(ours("get [KEY]")), brokerConfigSet(ours("set KEY VALUE")), brokerConfigReset(ours("reset [KEY]")))),
		family("connections", "See who is connected",
			consumerConnections(ours("consumers GROUP")), producerConnections(ours("producers GROUP")), allProducers(ours("all-producers"))),
		family("namesrv", "See and set what name servers say",
			wipeWritePerm(ours("wipe-write-perm BROKER")), addWritePerm(ours("add-write-perm BROKER")),
			family("kv", "The key-value configuration", kvGet(ours("get KEY")), kvList(ours("list")), kvPut(ours("put KEY VALUE")), kvDelete(ours("delete KEY"))),
			family("config", "Settings of running name servers", namesrvConfigGet(ours("get")), namesrvConfigSet(ours("set KEY VALUE")), namesrvConfigReset(ours("reset [KEY]")))),
	)
	c.AddCommand(family("export", "Write what a cluster is to files",
		exportMetadata(ours("metadata")), exportConfigs(ours("configs CLUSTER")), exportMetrics(ours("metrics CLUSTER")), exportPopRecord(ours("pop-records"))))
	c.AddCommand(mqadminCommands()...)
	c.AddCommand(mqadminRefused()...)
	return c
}

// family groups commands under a word.
func family(use, short string, members ...*cobra.Command) *cobra.Command {
	c := &cobra.Command{Use: use, Short: short}
	onlySubcommands(c)
	c.AddCommand(members...)
	return c
}

// onlySubcommands makes c refuse words that are no subcommand of it, whatever
// flags stand behind them: those of a command that is not there are not known.
func onlySubcommands(c *cobra.Command) {
	c.DisableFlagParsing = true
	c.Args = cobra.ArbitraryArgs
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) == 0 || args[0] == "-h" || args[0] == "--help" {
			return c.Help()
		}
		return fmt.Errorf("%q is not a command; `%s --help` lists them", args[0], c.CommandPath())
	}
}

// A spelling is how a command is typed: our way, or mqadmin's.
type spelling struct {
	use     string
	aliases []string
	old     bool   // mqadmin's name and flags
	example string // of those flags
}

// ours spells a command our way.
func ours(use string, aliases ...string) spelling { return spelling{use: use, aliases: aliases} }

// mqadmin spells a command as mqadmin's users know it; example is flags to show
// in its help.
func mqadmin(name, example string) spelling { return spelling{use: name, old: true, example: example} }

// An operation is a command on a cluster while it is put together.
type operation struct {
	*cobra.Command
	spelling
	door    door
	timeout time.Duration
	out     output
	target  admin.Target
}

// operation starts a command: what it does, and an example of it under our name.
// The flags all operations share are there; run is given later.
func (s spelling) operation(short, example string) *operation {
	o := &operation{spelling: s, Command: &cobra.Command{Use: s.use, Aliases: s.aliases, Short: short, Hidden: s.old}}
	if o.Example = "  " + example; s.old {
		o.Example = strings.TrimRight("  goddard admin "+o.Name()+" -n 127.0.0.1:9876 "+s.example, " ")
	}
	f := o.Flags()
	o.door.register(f, "n")
	f.DurationVar(&o.timeout, "timeout", 5*time.Second, "how long to wait for each answer")
	if s.old {
		f.SetNormalizeFunc(fromMqadmin)
	} else {
		o.out.register(f, "o")
	}
	return o
}

// targets adds -c and -b, which choose the brokers.
func (o *operation) targets() {
	o.Flags().StringVarP(&o.target.Cluster, "cluster", "c", "", "all masters of this `CLUSTER` (default: of the only one)")
	o.Flags().StringVarP(&o.target.Addr, "broker", "b", "", "only the broker at this `ADDRESS`, host:port")
}

// ignored adds flags of mqadmin's that mean nothing here, but may be typed.
func (o *operation) ignored(name, letter, usage string) {
	if o.old {
		o.Flags().StringP(name, letter, "", usage)
	}
}

// letter is the flag letter of mqadmin where ours would clash with another of
// our flags.
func (o *operation) letter(old string) string {
	if o.old {
		return old
	}
	return ""
}

// truth adds a flag that mqadmin's users follow by true or false.
func (o *operation) truth(p *bool, name, letter string, usage string) {
	o.Flags().BoolVarP(p, name, letter, *p, usage)
	if o.old {
		o.Flags().Lookup(name).NoOptDefVal = ""
	}
}

// A wanted value is an argument of the command, or a flag as mqadmin has it.
type wanted struct {
	name, letter, usage string
	value               *string
}

// run finishes the command: its arguments fill what is wanted, in this order,
// as far as flags have not. Every wanted value must be there.
func (o *operation) run(do func(context.Context, *admin.Cluster) error, wants ...wanted) *cobra.Command {
	for _, w := range wants {
		o.Flags().StringVarP(w.value, w.name, w.letter, "", w.usage)
		o.Flags().Lookup(w.name).Hidden = !o.old
	}
	if o.old { // what mqadmin has an -o for keeps it
		letter := "o"
		if o.Flags().ShorthandLookup(letter) != nil {
			letter = ""
		}
		o.out.register(o.Flags(), letter)
	}
	o.ValidArgsFunction = o.door.completeWanted(wants)
	o.completeFlags(wants)
	o.RunE = func(c *cobra.Command, args []string) error {
		for _, w := range wants {
			if *w.value == "" && len(args) > 0 {
				*w.value, args = args[0], args[1:]
			}
			if *w.value == "" && !strings.HasSuffix(o.Use, "]") {
				return fmt.Errorf("%s is missing; see `%s --help`", w.usage, c.CommandPath())
			}
		}
		if len(args) > 0 {
			return fmt.Errorf("%q is too much; see `%s --help`", args[0], c.CommandPath())
		}
		secure, err := o.door.config()
		if err != nil {
			return err
		}
		who, err := o.door.access.find()
		if err != nil {
			return err
		}
		cluster, err := admin.Dial(admin.Options{Namesrvs: nameServers(o.door.namesrv), Timeout: o.timeout, TLS: secure, Credentials: who})
		if err != nil {
			return err
		}
		defer cluster.Close()
		return do(c.Context(), cluster)
	}
	return o.Command
}

// print writes the result as the operator wants it.
func (o *operation) print(v any, t view) error { return o.out.print(o.OutOrStdout(), v, t) }

// heading is where a line above the result goes: nowhere if that is JSON.
func (o *operation) heading() io.Writer {
	if o.out == asJSON {
		return io.Discard
	}
	return o.OutOrStdout()
}

// said says what was done in mqadmin's words, or as v.
func (o *operation) said(v any, format string, args ...any) error {
	return o.print(v, o.sheet().line(format, args...))
}

// done says what was done, as a sentence or as v.
func (o *operation) done(v any, format string, args ...any) error {
	if o.out == asJSON {
		return o.out.print(o.OutOrStdout(), v, nil)
	}
	_, err := fmt.Fprintf(o.OutOrStdout(), format+"\n", args...)
	return err
}

// changes reports that none of these flags was given.
func (o *operation) changes(flags ...string) error {
	if slices.ContainsFunc(flags, o.Flags().Changed) {
		return nil
	}
	return fmt.Errorf("nothing is to be changed; give one of --%s", strings.Join(flags, ", --"))
}

// names joins where something was done.
func names(brokers []admin.Broker) string {
	var all []string
	for _, b := range brokers {
		all = append(all, cmp.Or(b.Name, b.Addr))
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

// when prints a time for a person.
func when(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.Local().Format("2006-01-02 15:04:05.000")
}

// fromMqadmin gives mqadmin's long flags our names.
func fromMqadmin(_ *pflag.FlagSet, name string) pflag.NormalizedName {
	if our, ok := oldFlags[name]; ok {
		name = our
	}
	return pflag.NormalizedName(name)
}
