package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/explain"
	"github.com/spf13/cobra"
)

// newExplain gathers the commands that say why something is as it is.
func newExplain() *cobra.Command {
	return family("explain", "Say why a message, a group or a send is as it is, and what would help",
		explainMessage(ours("message ID")), explainLag(ours("lag GROUP")), explainSend(ours("send TOPIC")))
}

func explainMessage(s spelling) *cobra.Command {
	o := s.operation("Say where a message is and what every group has done with it",
		"goddard explain message 7F00000100002A9F0000000000000000\n  goddard explain message AC1100020000... --topic orders")
	o.Long = `Say where a message is, how long it is kept, and for every group that reads its
topic: whether it has consumed it, or filtered it out, has it in hand, in retry or
among its dead letters, or what it waits behind. ID is an offset message id, or
the unique id that its producer gave it; --topic makes that one quicker to find.

Of RocketMQ's brokers some things cannot be known; the end of the answer says
which.`
	var id, topic string
	o.Flags().StringVarP(&topic, "topic", "t", "", "the `TOPIC` of the message")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		a, err := c.ExplainMessage(ctx, id, topic)
		if err != nil {
			return err
		}
		t := newTable()
		t.add("message", orDash(a.Key)+", offset id "+a.OffsetID)
		t.add("where", a.Where.Text)
		t.todo(a.Where.Do)
		if a.Expires.Text != "" {
			t.add("expires", a.Expires.Text)
		}
		if a.Tags != "" || a.Keys != "" {
			t.add("tag, keys", orDash(a.Tags)+", "+orDash(a.Keys))
		}
		for _, f := range a.Fates {
			t.add("group "+f.Group, string(f.State)+": "+f.Text)
			t.todo(f.Do)
		}
		if len(a.Fates) == 0 && a.Delayed == nil && a.Half == nil {
			t.add("groups", "no group reads its topic")
		}
		t.unknown(a.Unknown)
		return o.print(a, t)
	}, wanted{"id", "i", "ID", &id})
}

// todo adds the command that would help, if there is one.
func (t *table) todo(do string) {
	if do != "" {
		t.add("", "-> "+do)
	}
}

// unknown adds what could not be found out.
func (t *table) unknown(all []string) {
	for _, text := range all {
		t.add("not known", text)
	}
}

func explainLag(s spelling) *cobra.Command {
	o := s.operation("Say how far a group is and why it is no further", "goddard explain lag billing\n  goddard explain lag billing --topic orders -o json")
	o.Long = `Say how far a group is, in messages and in time, who reads each queue and what
that client does, and what keeps it from getting further: nobody is connected,
the group or topic is switched off, limited or forbidden, the order lock is held
by somebody else, a message group is stuck or parked, a message hangs in a client.`
	var group, topic string
	var all bool
	o.Flags().StringVarP(&topic, "topic", "t", "", "only this `TOPIC`")
	o.Flags().BoolVar(&all, "all", false, "also queues without a lag")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		a, err := c.ExplainLag(ctx, group, topic)
		if err != nil {
			return err
		}
		if o.out == asJSON {
			return o.print(a, nil)
		}
		t := newTable()
		t.add("lag", fmt.Sprintf("%d messages", a.Total))
		for _, v := range a.Verdict {
			t.add("", v.Text)
			t.todo(v.Do)
		}
		for _, topic := range a.Topics {
			t.add("topic "+topic.Name, fmt.Sprintf("%.1f messages a second in, %.1f out", topic.In, topic.Out))
		}
		for _, m := range a.Members {
			what := fmt.Sprintf("%d queues", m.Queues)
			if m.Silent != "" {
				what = "does not say what it does: " + m.Silent
			}
			t.add("member "+m.ID, strings.Join([]string{m.Language, m.Version, m.Addr}, " ")+", "+what)
		}
		t.unknown(a.Unknown)
		if err := o.print(nil, t); err != nil {
			return err
		}
		return o.printQueues(a.Queues, all)
	}, wanted{"group", "g", "GROUP", &group})
}

// printQueues prints the queues of a group, those with a lag or all.
func (o *operation) printQueues(queues []explain.QueueVerdict, all bool) error {
	t := newTable("TOPIC", "BROKER", "QUEUE", "COMMITTED", "END", "LAG", "BEHIND", "OWNER", "WHY")
	for _, q := range queues {
		if q.Lag == 0 && !all {
			continue
		}
		why := q.Text
		if q.Do != "" {
			why += " -> " + q.Do
		}
		behind := "-"
		if q.Behind > 0 {
			behind = q.Behind.Round(time.Second).String()
		}
		t.add(q.Topic, q.Broker, q.Queue.Queue, q.Committed, q.End, q.Lag, behind, orDash(q.Owner), why)
	}
	if len(t.rows) == 0 {
		return nil
	}
	if _, err := fmt.Fprintln(o.OutOrStdout()); err != nil {
		return err
	}
	return o.print(nil, t)
}

func explainSend(s spelling) *cobra.Command {
	o := s.operation("Say whether a message could be sent to a topic, without sending one", "goddard explain send orders\n  goddard explain send orders --type FIFO --size 65536")
	o.Long = `Say whether a message could be sent to a topic now: does it exist or would it be
made, what do topic, broker and name server permit, is it made for such messages,
is there room on the disk, and do the addresses answer that clients are given. The
exit status is 1 if a send would fail.`
	var topic, kind string
	var size int
	o.Flags().StringVar(&kind, "type", "", "the message's `TYPE`: NORMAL, FIFO, DELAY, TRANSACTION, PRIORITY, LITE")
	o.Flags().IntVar(&size, "size", 0, "the length of its body in bytes")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		a, err := c.ExplainSend(ctx, topic, strings.ToUpper(kind), size)
		if err != nil {
			return err
		}
		t := newTable()
		t.add("send to "+topic, a.Verdict)
		for _, f := range a.Findings {
			t.add("", f.Text)
			t.todo(f.Do)
		}
		for _, b := range a.Brokers {
			t.add("broker "+b.Name, fmt.Sprintf("clients are given %s; %d queues to write to", b.Addr, b.Queues))
		}
		t.unknown(a.Unknown)
		if err := o.print(a, t); err != nil {
			return err
		}
		if !a.Succeeds {
			return fmt.Errorf("a send to %s would fail", topic)
		}
		return nil
	}, wanted{"topic", "t", "TOPIC", &topic})
}
