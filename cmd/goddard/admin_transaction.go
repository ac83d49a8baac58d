package main

import (
	"context"
	"fmt"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/spf13/cobra"
)

func transactionList(s spelling) *cobra.Command {
	o := s.operation("List transactions that are neither committed nor rolled back", "goddard admin transaction list --topic orders")
	o.Long = `List transactions that are neither committed nor rolled back. CHECKS says how often
their producers were asked; those GIVEN UP are asked about no more, but their
producers and operators can still end them.`
	o.targets()
	var topic, group string
	limit := 1000
	f := o.Flags()
	f.StringVarP(&topic, "topic", "t", "", "only those for this `TOPIC`")
	f.StringVarP(&group, "group", "g", "", "only those of this producer `GROUP`")
	f.IntVar(&limit, "limit", limit, "at most so many")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if limit < 1 {
			return fmt.Errorf("--limit %d: want 1 or more", limit)
		}
		all, err := c.Transactions(ctx, o.target, topic, group, limit)
		if err != nil {
			return err
		}
		t := newTable("ID", "BROKER", "TOPIC", "QUEUE", "GROUP", "BORN", "CHECKS", "GIVEN UP")
		for _, x := range all {
			t.add(x.ID, x.Broker, x.Topic, x.Queue, x.Group, when(x.Born), x.Checks, x.GivenUp)
		}
		return o.print(nonNil(all), t)
	})
}

func transactionCommit(s spelling) *cobra.Command {
	return onTransaction(s, "Commit a transaction, whatever its producer says", "commit", "committed",
		func(ctx context.Context, c *admin.Cluster, addr, id string) error {
			return c.SettleTransaction(ctx, addr, id, true)
		})
}

func transactionRollback(s spelling) *cobra.Command {
	return onTransaction(s, "Roll a transaction back, whatever its producer says", "rollback", "rolled back",
		func(ctx context.Context, c *admin.Cluster, addr, id string) error {
			return c.SettleTransaction(ctx, addr, id, false)
		})
}

func transactionCheck(s spelling) *cobra.Command {
	return onTransaction(s, "Ask a producer about a transaction, also about one that was given up", "check", "being asked about",
		func(ctx context.Context, c *admin.Cluster, addr, id string) error {
			return c.CheckTransaction(ctx, addr, id)
		})
}

// onTransaction is a command that does something with one transaction.
func onTransaction(s spelling, short, word, done string, do func(ctx context.Context, c *admin.Cluster, addr, id string) error) *cobra.Command {
	o := s.operation(short, "goddard admin transaction "+word+" 7F00000100002A9F00000000000004D2")
	var addr, id string
	o.Flags().StringVarP(&addr, "broker", "b", "", "the broker's `ADDRESS`, host:port (default: the one within the id)")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if err := do(ctx, c, addr, id); err != nil {
			return err
		}
		return o.done(map[string]string{"id": id, "state": done}, "transaction %s is %s", id, done)
	}, wanted{"id", "i", "ID", &id})
}
