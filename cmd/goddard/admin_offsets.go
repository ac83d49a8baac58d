package main

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/spf13/cobra"
)

func offsetsList(s spelling) *cobra.Command {
	o := s.operation("Show how far groups are", "goddard admin offsets list billing")
	o.targets()
	var group, topic string
	var holders bool
	o.Flags().StringVarP(&topic, "topic", "t", "", "only this `TOPIC`")
	if s.old {
		o.truth(&holders, "showClientIP", "s", "also the address of the client that has each queue")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if group == "" {
			return allProgress(ctx, o, c)
		}
		progress, rate, err := c.GroupProgress(ctx, o.target, group, topic)
		if err != nil {
			return err
		}
		if o.old {
			return printProgress(ctx, o, c, group, progress, rate, holders)
		}
		if len(progress) == 0 && o.out == asTable {
			return fmt.Errorf("group %s has consumed nothing yet", group)
		}
		t := newTable("TOPIC", "BROKER", "QUEUE", "END", "COMMITTED", "LAG", "LAST CONSUMED")
		var lag int64
		for _, p := range progress {
			lag += p.Lag
			t.add(p.Topic, p.Broker, p.Queue, p.End, p.Committed, p.Lag, when(p.Last))
		}
		if err := o.print(nonNil(progress), t); err != nil || o.out == asJSON {
			return err
		}
		_, err = fmt.Fprintf(o.OutOrStdout(), "\n%d messages behind, %.1f consumed per second\n", lag, rate)
		return err
	}, wanted{"group", "g", "GROUP", &group})
}

// A groupLag sums up one group.
type groupLag struct {
	Group string  `json:"group"`
	Lag   int64   `json:"lag"`
	Rate  float64 `json:"rate"`
}

// allProgress sums up every group that has consumed something.
func allProgress(ctx context.Context, o *operation, c *admin.Cluster) error {
	if o.old {
		return printGroups(ctx, o, c)
	}
	groups, err := c.Groups(ctx, o.target)
	if err != nil {
		return err
	}
	all := []groupLag{}
	t := newTable("GROUP", "LAG", "PER SECOND")
	for _, group := range groups {
		if mq.IsSystemGroup(group) {
			continue
		}
		progress, rate, err := c.GroupProgress(ctx, o.target, group, "")
		if err != nil {
			return err
		}
		if len(progress) == 0 {
			continue
		}
		g := groupLag{Group: group, Rate: rate}
		for _, p := range progress {
			g.Lag += p.Lag
		}
		all = append(all, g)
		t.add(g.Group, g.Lag, fmt.Sprintf("%.1f", g.Rate))
	}
	return o.print(all, t)
}

func offsetsReset(s spelling) *cobra.Command {
	o := s.operation("Move a group to a time or an offset", "goddard admin offsets reset billing --topic orders --time 2026-01-31T08:00:00Z")
	o.Long = `Move a group to the messages of a time: earliest, latest, now, 10m for ten minutes
ago, milliseconds since 1970, 2026-01-31T08:00:00Z or, in local time,
2026-01-31#08:00:00:000. With --queue and --offset, one queue moves to that offset.`
	o.Flags().StringVarP(&o.target.Addr, "broker", "b", "", "only the broker at this `ADDRESS`, host:port")
	r := admin.Reset{}
	var at string
	var offset int64
	var keep bool
	f := o.Flags()
	f.StringVarP(&at, "time", "s", "", "the `TIME` to move to")
	f.Int32VarP(&r.Queue, "queue", "q", -1, "only this queue")
	f.Int64VarP(&offset, "offset", o.letter("o"), -1, "the offset to move to")
	if s.old {
		force := true
		o.truth(&force, "force", "f", "also queues in which the group is not that far")
		f.StringVarP(&o.target.Cluster, "cluster", "c", "", "the cluster, which the topic says already")
		keep = false
	} else {
		f.BoolVar(&keep, "keep-ahead", false, "leave queues alone in which the group is not yet that far")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		r.KeepAhead = keep || s.old && f.Lookup("force").Value.String() == "false"
		switch {
		case offset >= 0:
			r.Offset = &offset
		case at == "":
			return fmt.Errorf("--time or --offset is missing; try --time earliest")
		default:
			var err error
			if r.At, r.Latest, err = parseMoment(at, time.Now()); err != nil {
				return err
			}
		}
		if s.old {
			fmt.Fprintln(o.heading(), resetText(o.target, r, at))
		}
		return moved(ctx, o, c, r)
	}, wanted{"group", "g", "GROUP", &r.Group}, wanted{"topic", "t", "TOPIC", &r.Topic})
}

// moved resets and says where the group is.
func moved(ctx context.Context, o *operation, c *admin.Cluster, r admin.Reset) error {
	offsets, err := c.ResetOffsets(ctx, o.target, r)
	if err != nil {
		return err
	}
	if o.old {
		return o.print(nonNil(offsets), movedSheet(o, offsets, r))
	}
	t := newTable("BROKER", "QUEUE", "OFFSET")
	for _, q := range offsets {
		t.add(q.Broker, q.Queue, q.Offset)
	}
	return o.print(nonNil(offsets), t)
}

func offsetsSkip(s spelling) *cobra.Command {
	o := s.operation("Move a group to the end, skipping what has piled up", "goddard admin offsets skip billing --topic orders")
	r := admin.Reset{Latest: true, Queue: -1}
	if s.old {
		force := true
		o.truth(&force, "force", "f", "has no effect: the end is never behind")
		o.Flags().StringVarP(&o.target.Cluster, "cluster", "c", "", "the cluster, which the topic says already")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error { return moved(ctx, o, c, r) },
		wanted{"group", "g", "GROUP", &r.Group}, wanted{"topic", "t", "TOPIC", &r.Topic})
}

func offsetsClone(s spelling) *cobra.Command {
	o := s.operation("Give one group the offsets of another", "goddard admin offsets clone orders --from billing --to audit")
	var topic, from, to string
	f := o.Flags()
	f.StringVarP(&from, "from", o.letter("s"), "", "the `GROUP` to copy")
	f.StringVarP(&to, "to", o.letter("d"), "", "the `GROUP` that gets the offsets")
	if s.old {
		f.StringP("offline", "o", "", "has no effect")
	}
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if from == "" || to == "" {
			return fmt.Errorf("--from and --to are needed")
		}
		if err := c.CloneOffsets(ctx, from, to, topic); err != nil {
			return err
		}
		if o.old {
			return o.said(map[string]string{"topic": topic, "from": from, "to": to},
				"clone group offset success. srcGroup[%s], destGroup=[%s], topic[%s]", from, to, topic)
		}
		return o.done(map[string]string{"topic": topic, "from": from, "to": to}, "group %s is now where %s is in topic %s", to, from, topic)
	}, wanted{"topic", "t", "TOPIC", &topic})
}

// parseMoment reads a time as operators and mqadmin's users type it. latest
// means the end, a zero time the beginning.
func parseMoment(text string, now time.Time) (at time.Time, latest bool, err error) {
	switch text {
	case "earliest", "0":
		return time.Time{}, false, nil
	case "latest", "-1":
		return time.Time{}, true, nil
	case "now":
		return now, false, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms > 0 {
		return time.UnixMilli(ms), false, nil
	}
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), false, nil
	}
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t, false, nil
	}
	// mqadmin's yyyy-MM-dd#HH:mm:ss:SSS; Go wants a dot before milliseconds.
	if len(text) == len("2006-01-02#15:04:05:000") && text[19] == ':' {
		if t, err := time.ParseInLocation("2006-01-02#15:04:05.000", text[:19]+"."+text[20:], time.Local); err == nil {
			return t, false, nil
		}
	}
	if t, err := time.ParseInLocation(time.DateTime, text, time.Local); err == nil {
		return t, false, nil
	}
	return time.Time{}, false, fmt.Errorf(
		"%q is no time; want earliest, latest, now, 10m for ten minutes ago, milliseconds, 2026-01-31T08:00:00Z or 2026-01-31#08:00:00:000", text)
}
