package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/node"
	"github.com/spf13/cobra"
)

// A brokerTable is what one broker says in keys and values.
type brokerTable struct {
	Broker admin.Broker      `json:"broker"`
	Table  map[string]string `json:"table"`
}

// printBrokers prints what each broker of the target says; key, if not empty,
// is the only key wanted. old is how mqadmin prints it.
func printBrokers(ctx context.Context, o *operation, c *admin.Cluster, key string,
	ask func(context.Context, string) (map[string]string, error), old func(*operation, []brokerTable) *sheet) error {
	brokers, err := c.Masters(ctx, o.target)
	if err != nil {
		return err
	}
	all := []brokerTable{}
	t := newTable("BROKER", "KEY", "VALUE")
	for _, b := range brokers {
		values, err := ask(ctx, b.Addr)
		if err != nil {
			return err
		}
		if key = node.RocketMQKey(key); key != "" {
			value, ok := values[key]
			if !ok {
				return fmt.Errorf("%s has no setting %s; `goddard admin broker config get` lists those it has", cmp.Or(b.Name, b.Addr), key)
			}
			values = map[string]string{key: value}
		}
		all = append(all, brokerTable{b, values})
		for _, k := range slices.Sorted(maps.Keys(values)) {
			t.add(cmp.Or(b.Name, b.Addr), k, values[k])
		}
	}
	if o.old {
		return o.print(all, old(o, all))
	}
	return o.print(all, t)
}

func clusterList(s spelling) *cobra.Command {
	o := s.operation("List the brokers", "goddard admin cluster list")
	var cluster string
	var totals bool
	var interval int
	o.Flags().StringVarP(&cluster, "cluster", "c", "", "only this `CLUSTER`")
	if s.old {
		o.Flags().BoolVarP(&totals, "moreStats", "m", false, "messages of yesterday and today instead of rates")
		o.Flags().IntVarP(&interval, "interval", "i", 0, "again every so many `SECONDS`, until interrupted")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		rounds := 0
		if interval <= 0 {
			rounds = 1
		}
		return every(ctx, time.Duration(interval)*time.Second, rounds, func() error { return printCluster(ctx, o, c, cluster, totals) })
	})
}

// every does something so many times with pauses between, or until ctx ends if
// rounds is 0.
func every(ctx context.Context, pause time.Duration, rounds int, do func() error) error {
	for done := 1; ; done++ {
		if err := do(); err != nil || done == rounds {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
	}
}

// A listedBroker is a broker and what it says about itself; nothing if it does
// not answer.
type listedBroker struct {
	admin.Broker
	Status map[string]string `json:"-"`

	refused bool // the broker does not say it to who asks
}

// printCluster lists the brokers of a cluster, or of all.
func printCluster(ctx context.Context, o *operation, c *admin.Cluster, cluster string, totals bool) error {
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return err
	}
	all := []listedBroker{}
	var refused error
	for _, b := range brokers {
		if cluster != "" && b.Cluster != cluster {
			continue
		}
		listed := listedBroker{Broker: b}
		if o.out == asTable {
			listed.Status, err = c.BrokerStatus(ctx, b.Addr) // unreachable is shown as such
			if listed.refused = noPermission(err); listed.refused {
				refused = err
			}
		}
		all = append(all, listed)
	}
	switch {
	case o.old && totals:
		return cmp.Or(o.print(all, totalsSheet(o, all)), refused)
	case o.old:
		return cmp.Or(o.print(all, clusterSheet(o, all)), refused)
	}
	t := newTable("CLUSTER", "BROKER", "ID", "ADDRESS", "VERSION", "IN/S", "OUT/S")
	for _, b := range all {
		version, in, out := "unreachable", "-", "-"
		if b.refused {
			version = "NO_PERMISSION"
		}
		if b.Status != nil {
			version, in, out = cmp.Or(b.Status["brokerVersionDesc"], "?"), rate(b.Status["putTps"]), rate(b.Status["getTransferredTps"])
		}
		t.add(b.Cluster, b.Name, b.ID, b.Addr, version, in, out)
	}
	return cmp.Or(o.print(all, t), refused)
}

// between is how far a counter went from one status key to another; 0 if it does
// not say.
func between(status map[string]string, from, to string) int64 {
	return admin.Whole(status[to]) - admin.Whole(status[from])
}

// rate is the rate of the last ten seconds; brokers write three spans.
func rate(text string) string {
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	n, err := strconv.ParseFloat(word, 64)
	if err != nil {
		return "-"
	}
	return strconv.FormatFloat(n, 'f', 1, 64)
}

func brokerStatus(s spelling) *cobra.Command {
	o := s.operation("Show what brokers say about themselves", "goddard admin broker status")
	o.targets()
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		return printBrokers(ctx, o, c, "", c.BrokerStatus, statusSheet)
	})
}

func brokerConfigGet(s spelling) *cobra.Command {
	o := s.operation("Show the settings of running brokers", "goddard admin broker config get\n  goddard admin broker config get retention")
	o.targets()
	var key string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		return printBrokers(ctx, o, c, key, c.BrokerConfig, settingsSheet)
	},
		wanted{"key", "", "SETTING", &key})
}

func brokerConfigSet(s spelling) *cobra.Command {
	o := s.operation("Change a setting of running brokers", "goddard admin broker config set retention 48h\n  goddard admin broker config set brokerPermission 4")
	o.Long = `Change a setting of running brokers, by our name and in our units, as docs/CONFIG.md
has them, or by RocketMQ's key as mqadmin does. It holds over a restart until the
configuration says something else than at this moment.`
	o.targets()
	var key, value string
	if s.old {
		o.Flags().StringP("updateAllBroker", "a", "", "has no effect: there are only masters")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		value, err := node.RocketMQValue(key, value)
		if err != nil {
			return err
		}
		key := node.RocketMQKey(key)
		brokers, err := c.Masters(ctx, o.target)
		if err != nil {
			return err
		}
		for _, b := range brokers {
			if err := c.SetBrokerConfig(ctx, b.Addr, key, value); err != nil {
				return err
			}
		}
		if o.old {
			s := o.sheet()
			for _, b := range brokers {
				s.line("update broker config success, %s", b.Addr)
			}
			return o.print(brokers, s)
		}
		return o.done(brokers, "%s = %s on %s", key, value, names(brokers))
	}, wanted{"key", "k", "SETTING", &key}, wanted{"value", "v", "VALUE", &value})
}
