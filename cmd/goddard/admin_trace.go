package main

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/spf13/cobra"
)

// A traced is one thing that a client said in its trace of a message: that it
// was sent, or what consuming it came to.
type traced struct {
	Type   string    `json:"type"` // Pub, Sub
	Group  string    `json:"group"`
	Host   string    `json:"host"` // of the client
	At     time.Time `json:"at"`
	Millis int64     `json:"ms"`
	Status string    `json:"status"` // success, failed
}

// decodeTrace reads what a client wrote about the message with this unique key:
// lines that end in the character 2, of fields that end in 1. The source of this
// format is RocketMQ's TraceDataEncoder.
func decodeTrace(text, id, host string) []traced {
	var all []traced
	for line := range strings.SplitSeq(text, "\x02") {
		f := strings.Split(line, "\x01")
		switch {
		case f[0] == "Pub" && len(f) >= 13 && f[5] == id:
			ok := f[12]
			if len(f) > 13 {
				ok = f[13]
			}
			all = append(all, newTraced("Pub", f[3], host, f[1], f[10], ok))
		case f[0] == "SubAfter" && len(f) >= 6 && f[2] == id:
			group, at := "", "0"
			if len(f) >= 9 {
				group, at = f[8], f[7]
			}
			all = append(all, newTraced("Sub", group, host, at, f[3], f[4]))
		}
	}
	return all
}

func newTraced(kind, group, host, at, cost, ok string) traced {
	t := traced{Type: kind, Group: group, Host: host, Status: "failed", Millis: number(cost)}
	if ms := number(at); ms > 0 {
		t.At = time.UnixMilli(ms)
	}
	if good, err := strconv.ParseBool(ok); err == nil && good {
		t.Status = "success"
	}
	return t
}

// messageTrace is mqadmin's queryMsgTraceById.
func messageTrace(s spelling) *cobra.Command {
	o := s.operation("Show what clients traced of a message", "goddard admin message trace 0A0101010000000000000000000000AA",
		"goddard admin queryMsgTraceById -n 127.0.0.1:9876 -i 0A0101010000000000000000000000AA")
	o.Long = o.Short + `: who sent it and who consumed it, by the unique id
that its producer gave it. Clients trace if they are told to when they are made.`
	if s.old {
		o.Aliases = []string{"QueryMsgTraceById"}
	}
	var id, from, to string
	topic, most := mq.TopicTrace, 64
	f := o.Flags()
	f.StringVarP(&topic, "trace-topic", "t", topic, "the `TOPIC` that clients write traces to")
	f.StringVarP(&from, "from", o.letter("b"), "", "traced at this `TIME` or later")
	f.StringVarP(&to, "to", o.letter("e"), "", "traced at this `TIME` or earlier")
	f.IntVarP(&most, "max", o.letter("c"), most, "how many traces at most")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		q := admin.Search{Topic: topic, Key: id, Kind: mq.LookupKey, Max: most}
		if err := limit(&q, from, to, "", time.Now()); err != nil {
			return err
		}
		found, err := c.FindMessages(ctx, q)
		if err != nil {
			return err
		}
		all := []traced{}
		for _, m := range found {
			body, err := remote.Body(&m.Record)
			if err != nil {
				return err
			}
			all = append(all, decodeTrace(string(body), id, m.Record.BornHost.Addr().String())...)
		}
		if len(all) == 0 {
			return fmt.Errorf("no client has traced a message with the unique id %s in topic %s: %w", id, topic, mq.ErrNotFound)
		}
		return o.print(all, traceSheet(o, all))
	}, wanted{"id", "i", "ID", &id})
}

// traceSheet prints a table for each sending, then one for each group.
func traceSheet(o *operation, all []traced) *sheet {
	const format = "%-10s %-20s %-20s %-20s %-10s %-10s"
	s := o.sheet()
	row := func(t traced) { s.row(t.Type, t.Group, t.Host, secondTime(t.At), fmt.Sprint(t.Millis, "ms"), t.Status) }
	slices.SortStableFunc(all, func(a, b traced) int { return cmp.Or(cmp.Compare(a.Type, b.Type), cmp.Compare(a.Group, b.Group)) })
	for i, t := range all {
		switch {
		case t.Type == "Pub":
			s.table(format, "#Type", "#ProducerGroup", "#ClientHost", "#SendTime", "#CostTimes", "#Status")
		case i == 0 || all[i-1].Type != t.Type || all[i-1].Group != t.Group:
			s.table(format, "#Type", "#ConsumerGroup", "#ClientHost", "#ConsumerTime", "#CostTimes", "#Status")
		}
		row(t)
		if i+1 == len(all) || t.Type == "Pub" || all[i+1].Group != t.Group {
			s.line("")
		}
	}
	return s
}
