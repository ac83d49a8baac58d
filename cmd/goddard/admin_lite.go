package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/wire"
	"github.com/spf13/cobra"
)

func liteStatus(s spelling) *cobra.Command {
	o := s.operation("Show figures about all lite topics", "goddard admin lite status")
	o.targets()
	var detail bool
	o.Flags().BoolVarP(&detail, "detail", o.letter("d"), false, "also the parents, how many minutes their lite topics live, and the groups bound to them")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		all, err := c.LiteFigures(ctx, o.target)
		if err != nil {
			return err
		}
		t := newTable("BROKER", "STORE", "MAX LIGHT", "LIGHT", "SUBSCRIPTIONS", "HELD", "QUEUES", "OFFSETS", "READY")
		for _, f := range all {
			t.add(names([]admin.Broker{f.Broker}), f.StoreType, f.MaxLMQNum, f.CurrentLMQNum, f.SubscriptionCount, f.OrderInfoCount, f.CQTableSize, f.OffsetTableSize, f.EventMapSize)
		}
		if err := o.print(all, t); err != nil || !detail || o.out == asJSON {
			return err
		}
		t = newTable("BROKER", "PARENT", "MINUTES", "GROUPS")
		for _, f := range all {
			for _, parent := range slices.Sorted(maps.Keys(f.TopicMeta)) {
				t.add(names([]admin.Broker{f.Broker}), parent, f.TopicMeta[parent], strings.Join(f.GroupMeta[parent], ","))
			}
		}
		fmt.Fprintln(o.OutOrStdout())
		return o.print(all, t)
	})
}

// The values that these commands want.
func wantParent(p *string) wanted { return wanted{"parent", "p", "PARENT", p} }
func wantGroup(p *string) wanted  { return wanted{"group", "g", "GROUP", p} }

func liteParent(s spelling) *cobra.Command {
	o := s.operation("Show what a topic has of lite topics", "goddard admin lite parent chats")
	var parent string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		all, err := c.LiteParent(ctx, parent)
		if err != nil {
			return err
		}
		t := newTable("BROKER", "MINUTES", "LITE TOPICS", "LIGHT", "GROUPS")
		for _, p := range all {
			t.add(p.Broker.Name, p.TTL, p.LiteTopicCount, p.LMQNum, strings.Join(p.Groups, ","))
		}
		return o.print(all, t)
	}, wantParent(&parent))
}

func liteTopic(s spelling) *cobra.Command {
	o := s.operation("Show a lite topic and who wants it", "goddard admin lite topic chats session-7")
	var parent, lite string
	var clients bool
	o.Flags().BoolVarP(&clients, "clients", "s", false, "also who wants it, one by one; * is a group that gets all")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		all, err := c.LiteTopic(ctx, parent, lite)
		if err != nil {
			return err
		}
		t := newTable("BROKER", "MIN", "MAX", "LAST", "CLIENTS")
		who := newTable("BROKER", "GROUP", "CLIENT")
		for _, l := range all {
			t.add(l.Broker.Name, l.Min, l.Max, when(l.Last), len(l.Subscribers))
			for _, one := range l.Subscribers {
				who.add(l.Broker.Name, one.Group, one.ClientID)
			}
		}
		if err := o.print(all, t); err != nil || !clients || o.out == asJSON {
			return err
		}
		fmt.Fprintln(o.OutOrStdout())
		return o.print(all, who)
	}, wantParent(&parent), wanted{"lite", "l", "LITE-TOPIC", &lite})
}

func liteClient(s spelling) *cobra.Command {
	o := s.operation("Show which lite topics a client wants", "goddard admin lite client chats talkers 10.0.0.1@7@0@abc")
	var parent, group, client string
	var detail bool
	limit := int32(1000)
	o.Flags().BoolVarP(&detail, "detail", "s", false, "also the lite topics")
	if !s.old {
		o.Flags().Int32Var(&limit, "max", limit, "how many lite topics")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		all, err := c.LiteClient(ctx, parent, group, client, limit)
		if err != nil {
			return err
		}
		t, lites := newTable("BROKER", "LITE TOPICS", "LAST SEEN"), newTable("BROKER", "LITE TOPIC")
		for _, l := range all {
			count := fmt.Sprint(l.Count)
			if l.Count < 0 {
				count = "-"
			}
			t.add(l.Broker.Name, count, when(l.Seen))
			for _, name := range l.Lites {
				lites.add(l.Broker.Name, name)
			}
		}
		if err := o.print(all, t); err != nil || !detail || o.out == asJSON {
			return err
		}
		fmt.Fprintln(o.OutOrStdout())
		return o.print(all, lites)
	}, wantParent(&parent), wantGroup(&group), wanted{"client", "c", "CLIENT-ID", &client})
}

func liteGroup(s spelling) *cobra.Command {
	o := s.operation("Show how far a group is behind in lite topics", "goddard admin lite group chats talkers --top 20")
	var parent, group, lite string
	top := int32(20)
	o.Flags().StringVarP(&lite, "lite", "l", "", "only this `LITE-TOPIC`")
	o.Flags().Int32VarP(&top, "top", "k", top, "how many lite topics of each broker")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		all, err := c.LiteLag(ctx, parent, group, lite, top)
		if err != nil {
			return err
		}
		t := newTable("BROKER", "BEHIND", "OLDEST", "END", "OFFSET")
		behind := newTable("BROKER", "ORDER", "LITE TOPIC", "BEHIND", "OLDEST")
		for _, l := range all {
			end, at := "-", "-"
			if l.Offsets != nil {
				end, at = fmt.Sprint(l.Offsets.BrokerOffset), fmt.Sprint(l.Offsets.ConsumerOffset)
			}
			t.add(l.Broker.Name, l.TotalLagCount, when(millis(l.EarliestUnconsumed)), end, at)
			addLags(behind, l.Broker.Name, "count", l.ByCount)
			addLags(behind, l.Broker.Name, "time", l.ByTime)
		}
		if err := o.print(all, t); err != nil || lite != "" || o.out == asJSON {
			return err
		}
		fmt.Fprintln(o.OutOrStdout())
		return o.print(all, behind)
	}, wantParent(&parent), wantGroup(&group))
}

func addLags(t *table, broker, order string, list []wire.LiteLag) {
	for _, one := range list {
		t.add(broker, order, one.LiteTopic, one.LagCount, when(millis(one.EarliestUnconsumed)))
	}
}

// millis is a time in Unix milliseconds; zero if there is none.
func millis(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

func liteLook(s spelling) *cobra.Command {
	o := s.operation("Look for messages of lite topics that a group wants", "goddard admin lite look chats talkers")
	var parent, group, client, broker string
	o.Flags().StringVarP(&client, "client", "c", "", "only for the client of this `ID`")
	o.Flags().StringVarP(&broker, "broker-name", "b", "", "only on the broker of this `NAME`")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		asked, err := c.LookForLites(ctx, parent, group, client, broker)
		if err != nil {
			return err
		}
		return o.done(asked, "%s looks for messages of lite topics that group %s wants", names(asked), group)
	}, wantParent(&parent), wantGroup(&group))
}
