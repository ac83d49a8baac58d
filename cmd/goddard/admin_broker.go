package main

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

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
// is the only key wanted.
func printBrokers(ctx context.Context, o *operation, c *admin.Cluster, key string, ask func(context.Context, string) (map[string]string, error)) error {
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
	return o.print(all, t)
}

func clusterList(s spelling) *cobra.Command {
	o := s.operation("List the brokers", "goddard admin cluster list")
	var cluster string
	var totals bool
	o.Flags().StringVarP(&cluster, "cluster", "c", "", "only this `CLUSTER`")
	if s.old {
		o.Flags().BoolVarP(&totals, "moreStats", "m", false, "messages of yesterday and today instead of rates")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		brokers, err := c.Brokers(ctx)
		if err != nil {
			return err
		}
		t := newTable("CLUSTER", "BROKER", "ID", "ADDRESS", "VERSION", "IN/S", "OUT/S")
		if totals {
			t = newTable("CLUSTER", "BROKER", "IN YESTERDAY", "OUT YESTERDAY", "IN TODAY", "OUT TODAY")
		}
		shown := []admin.Broker{}
		for _, b := range brokers {
			if cluster != "" && b.Cluster != cluster {
				continue
			}
			shown = append(shown, b)
			if totals && o.out == asTable {
				status, err := c.BrokerStatus(ctx, b.Addr)
				if err != nil {
					return err
				}
				t.add(b.Cluster, b.Name,
					between(status, "msgPutTotalYesterdayMorning", "msgPutTotalTodayMorning"),
					between(status, "msgGetTotalYesterdayMorning", "msgGetTotalTodayMorning"),
					between(status, "msgPutTotalTodayMorning", "msgPutTotalTodayNow"),
					between(status, "msgGetTotalTodayMorning", "msgGetTotalTodayNow"))
			} else if o.out == asTable {
				version, in, out := "unreachable", "-", "-"
				if status, err := c.BrokerStatus(ctx, b.Addr); err == nil {
					version = cmp.Or(status["brokerVersionDesc"], "?")
					in, out = rate(status["putTps"]), rate(status["getTransferredTps"])
				}
				t.add(b.Cluster, b.Name, b.ID, b.Addr, version, in, out)
			}
		}
		return o.print(shown, t)
	})
}

// between is how far a counter went from one status key to another.
func between(status map[string]string, from, to string) string {
	a, err := strconv.ParseInt(status[from], 10, 64)
	if err != nil {
		return "-"
	}
	b, err := strconv.ParseInt(status[to], 10, 64)
	if err != nil {
		return "-"
	}
	return strconv.FormatInt(b-a, 10)
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
	return o.run(func(ctx context.Context, c *admin.Cluster) error { return printBrokers(ctx, o, c, "", c.BrokerStatus) })
}

func brokerConfigGet(s spelling) *cobra.Command {
	o := s.operation("Show the settings of running brokers", "goddard admin broker config get\n  goddard admin broker config get retention")
	o.targets()
	var key string
	return o.run(func(ctx context.Context, c *admin.Cluster) error { return printBrokers(ctx, o, c, key, c.BrokerConfig) },
		wanted{"key", "", "KEY", &key})
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
		return o.done(brokers, "%s = %s on %s", key, value, names(brokers))
	}, wanted{"key", "k", "KEY", &key}, wanted{"value", "v", "VALUE", &value})
}
