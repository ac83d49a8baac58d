package main

import (
	"context"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/spf13/cobra"
)

func delayList(s spelling) *cobra.Command {
	o := s.operation("List messages that wait for a time of their own", "goddard admin delay list orders --within 1h")
	o.targets()
	var q admin.DelayedQuery
	var within time.Duration
	var from string
	f := o.Flags()
	f.StringVar(&from, "from", "", "only those due at this `TIME` or later, such as 2026-01-31T08:00:00Z (default: now)")
	f.DurationVar(&within, "within", 0, "only those due within this time from then")
	f.Int32Var(&q.Limit, "limit", 100, "at most this many of each broker; 0 for the default")
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		if q.Limit < 0 {
			return fmt.Errorf("--limit %d: want 0 or more", q.Limit)
		}
		start := time.Now()
		if from != "" {
			at, _, err := parseMoment(from, start)
			if err != nil {
				return err
			}
			q.From, start = at, at
		}
		if within > 0 {
			q.Until = start.Add(within)
		}
		found, err := c.Delayed(ctx, o.target, q)
		if err != nil {
			return err
		}
		t := newTable("DUE", "TOPIC", "BROKER", "ID", "KEYS", "TAGS", "BYTES", "HANDLE")
		for _, m := range found {
			t.add(when(m.Due), m.Topic, m.Broker, m.ID, m.Keys, m.Tags, m.Size, m.Handle)
		}
		return o.print(nonNil(found), t)
	}, wanted{"topic", "t", "TOPIC", &q.Topic})
}

func delayCancel(s spelling) *cobra.Command {
	o := s.operation("Call a message back that waits for a time of its own", "goddard admin delay cancel djEgb3JkZXJzIC4uLg==")
	var handle string
	return o.run(func(ctx context.Context, c *admin.Cluster) error {
		id, err := c.Recall(ctx, handle)
		if err != nil {
			return err
		}
		return o.done(map[string]string{"id": id}, "message %s will not be delivered", id)
	}, wanted{"handle", "", "HANDLE", &handle})
}
