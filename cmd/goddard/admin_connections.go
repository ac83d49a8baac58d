package main

import (
	"context"
	"fmt"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/spf13/cobra"
)

func consumerConnections(s spelling) *cobra.Command {
	o := s.operation("Show who is in a consumer group", "goddard admin connections consumers billing")
	o.targets()
	var group string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		found, err := c.Consumers(ctx, o.target, group)
		if err != nil {
			return err
		}
		if o.old {
			return o.print(found, consumersSheet(o, found))
		}
		if err := o.print(found, clientTable(found.Clients)); err != nil || o.out == asJSON {
			return err
		}
		w := o.OutOrStdout()
		fmt.Fprintf(w, "\n%s, %s, %s\n\n", found.Type, found.Model, found.FromWhere)
		t := newTable("TOPIC", "EXPRESSION", "TYPE")
		for _, sub := range found.Subscriptions {
			t.add(sub.Topic, sub.Expression, sub.Type)
		}
		return o.out.print(w, nil, t)
	}, wanted{"group", "g", "GROUP", &group})
}

func clientTable(clients []admin.Client) *table {
	t := newTable("CLIENT", "ADDRESS", "LANGUAGE", "VERSION")
	for _, c := range clients {
		t.add(c.ID, c.Addr, c.Language, c.Version)
	}
	return t
}

func producerConnections(s spelling) *cobra.Command {
	o := s.operation("Show who is in a producer group", "goddard admin connections producers shop --topic orders")
	var group, topic string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		clients, err := c.Producers(ctx, group, topic)
		if err != nil {
			return err
		}
		if o.old {
			s := o.sheet()
			for i, p := range clients {
				s.line("%04d  %-32s %-22s %-8s %s", i+1, p.ID, p.Addr, p.Language, p.Version)
			}
			return o.print(clients, s)
		}
		return o.print(clients, clientTable(clients))
	}, wanted{"group", "g", "GROUP", &group}, wanted{"topic", "t", "TOPIC", &topic})
}

func allProducers(s spelling) *cobra.Command {
	o := s.operation("Show all producers that are connected", "goddard admin connections all-producers")
	o.targets()
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		brokers, err := c.Masters(ctx, o.target)
		if err != nil {
			return err
		}
		all := []admin.Client{}
		lines := o.sheet()
		t := newTable("GROUP", "CLIENT", "ADDRESS", "LANGUAGE", "VERSION")
		for _, b := range brokers {
			clients, err := c.AllProducers(ctx, b.Addr)
			if err != nil {
				return err
			}
			for _, p := range clients {
				all = append(all, p)
				t.add(p.Group, p.ID, p.Addr, p.Language, p.Version)
				lines.line("producer group (%s) instance : clientId=%s,remoteIP=%s, language=%s, version=%d, lastUpdateTimestamp=%d",
					p.Group, p.ID, p.Addr, p.Language, p.VersionNumber, p.Seen.UnixMilli())
			}
		}
		if o.old {
			return o.print(all, lines)
		}
		return o.print(all, t)
	})
}
