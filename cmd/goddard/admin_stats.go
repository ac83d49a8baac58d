package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/spf13/cobra"
)

// topicStats is mqadmin's statsAll.
func topicStats(s spelling) *cobra.Command {
	o := s.operation("Show what comes and goes of each topic, by the groups that read it", "goddard admin topic stats --topic orders",
		"goddard admin statsAll -n 127.0.0.1:9876 -t orders")
	var topic string
	var active bool
	o.Flags().StringVarP(&topic, "topic", "t", "", "only this `TOPIC`")
	o.Flags().BoolVarP(&active, "activeTopic", "a", false, "only topics that had messages today")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		topics, err := c.Topics(ctx)
		if err != nil {
			return err
		}
		if topic != "" {
			if !slices.Contains(topics, topic) {
				return fmt.Errorf("topic %s: %w", topic, mq.ErrTopicNotFound)
			}
			topics = []string{topic}
		}
		all := []admin.Traffic{}
		t := o.sheet().table("%-64s  %-64s %12d %11.2f %11s %14d %14s",
			"#Topic", "#Consumer Group", "#Accumulation", "#InTPS", "#OutTPS", "#InMsg24Hour", "#OutMsg24Hour")
		for _, name := range topics {
			if strings.HasPrefix(name, mq.RetryPrefix) || strings.HasPrefix(name, mq.DLQPrefix) {
				continue
			}
			traffic, err := c.TrafficOf(ctx, name)
			if errors.Is(err, mq.ErrTopicNotFound) {
				continue // deleted since it was listed
			}
			if err != nil {
				return err
			}
			for _, one := range traffic {
				if active && one.InDay == 0 && one.OutDay == 0 {
					continue
				}
				all = append(all, one)
				out, outDay := fmt.Sprintf("%.2f", one.Out), fmt.Sprint(one.OutDay)
				if one.Group == "" {
					out, outDay = "", "NO_CONSUMER"
				}
				t.row(one.Topic, one.Group, one.Lag, one.In, out, one.InDay, outDay)
			}
		}
		return o.print(all, t)
	})
}

// brokerProgress is mqadmin's brokerConsumeStats.
func brokerProgress(s spelling) *cobra.Command {
	o := s.operation("Show how far all groups of a broker are", "goddard admin broker progress --broker 127.0.0.1:10911",
		"goddard admin brokerConsumeStats -n 127.0.0.1:9876 -b 127.0.0.1:10911")
	var addr string
	var least, wait int64
	var ordered bool
	f := o.Flags()
	f.Int64VarP(&least, "level", "l", 0, "only queues in which a group is so many messages behind, or more")
	o.truth(&ordered, "order", o.letter("o"), "only ordered topics")
	if s.old {
		f.Int64VarP(&wait, "timeoutMillis", "t", 0, "how long to wait for each answer, in milliseconds")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		all, total, err := c.BrokerProgress(ctx, addr, ordered)
		if err != nil {
			return err
		}
		all = slices.DeleteFunc(nonNil(all), func(g admin.GroupStats) bool { return g.Lag < least || g.Last.IsZero() })
		t := o.sheet().table("%-64s  %-64s  %-32s  %-4d  %-20d  %-20d  %-20d  %s",
			"#Topic", "#Group", "#Broker Name", "#QID", "#Broker Offset", "#Consumer Offset", "#Diff", "#LastTime")
		for _, g := range all {
			t.row(g.Topic, g.Group, g.Broker, g.Queue, g.End, g.Committed, g.Lag, secondTime(g.Last))
		}
		return o.print(all, t.line("").line("Diff Total: %d", total))
	}, wanted{"broker", "b", "ADDRESS", &addr})
}

// groupWatch is mqadmin's startMonitoring.
func groupWatch(s spelling) *cobra.Command {
	o := s.operation("Report again and again what groups have not consumed", "goddard admin group watch --rounds 1",
		"goddard admin startMonitoring -n 127.0.0.1:9876 --rounds 1")
	o.Long = o.Short + `: messages in
all, in the queue with most, and how long the next one has waited. A group
without a client is reported too. mqadmin writes this to a log file.`
	var interval time.Duration
	var rounds int
	o.Flags().DurationVar(&interval, "interval", time.Minute, "how long to rest between two rounds")
	o.Flags().IntVar(&rounds, "rounds", 0, "stop after so many; 0: go on until interrupted")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if interval < time.Second {
			return fmt.Errorf("--interval %v: want a second or more", interval)
		}
		return every(ctx, interval, rounds, func() error { return report(ctx, o, c) })
	})
}

// report prints what groups have not consumed.
func report(ctx context.Context, o *operation, c *admin.Cluster) error {
	groups, err := c.Groups(ctx, admin.Target{})
	if err != nil {
		return err
	}
	all := []admin.Undone{}
	t := o.sheet().table("%-40s  %-40s  %-8s  %12d  %12d  %14d", "#Consumer Group", "#Topic", "#Clients", "#Undone", "#OneQueue", "#Delay(ms)")
	for _, group := range groups {
		if mq.IsSystemGroup(group) {
			continue
		}
		undone, err := c.UndoneOf(ctx, group)
		if err != nil {
			return err
		}
		for _, u := range undone {
			clients := "ONLINE"
			if !u.Online {
				clients = "NONE"
			}
			t.row(u.Group, u.Topic, clients, u.Total, u.Worst, u.DelayMs)
		}
		all = append(all, undone...)
	}
	return o.print(all, t)
}

// brokerHA is mqadmin's haStatus.
func brokerHA(s spelling) *cobra.Command {
	o := s.operation("Show how far the slaves of brokers are", "goddard admin broker ha", "goddard admin haStatus -n 127.0.0.1:9876 -b 127.0.0.1:10911")
	o.Long = o.Short + `. Brokers of ours have none.`
	o.targets()
	var interval int
	o.Flags().IntVarP(&interval, "interval", "i", 0, "again every so many `SECONDS`, until interrupted")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		rounds := 0
		if interval <= 0 {
			rounds = 1
		}
		return every(ctx, time.Duration(interval)*time.Second, rounds, func() error { return printHA(ctx, o, c) })
	})
}

func printHA(ctx context.Context, o *operation, c *admin.Cluster) error {
	brokers, err := c.Masters(ctx, o.target)
	if err != nil {
		return err
	}
	all := map[string]any{}
	t := o.sheet()
	for _, b := range brokers {
		status, err := c.HAStatus(ctx, b.Addr)
		if err != nil {
			return err
		}
		all[b.Addr] = status
		t.line("").line("#MasterAddr\t%s", b.Addr).line("#MasterCommitLogMaxOffset\t%d", status.MasterLogEnd)
		t.line("#SlaveNum\t%d", len(status.Slaves)).line("#InSyncSlaveNum\t%d", status.InSyncSlaves)
		t.table("%-32s  %-16d %16d %16.2f %16s %16d",
			"#SlaveAddr", "#SlaveAckOffset", "#Diff", "#TransferSpeed(KB/s)", "#Status", "#TransferFromWhere")
		for _, slave := range status.Slaves {
			state := "Fall Behind"
			if slave.InSync {
				state = "OK"
			}
			t.row(slave.Addr, slave.AckOffset, slave.Diff, float64(slave.BytesPerSec)/1024, state, slave.From)
		}
	}
	return o.print(all, t)
}
