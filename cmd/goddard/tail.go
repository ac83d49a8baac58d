package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

// tailOptions says what `goddard tail` shows.
type tailOptions struct {
	door   door
	topic  string
	lines  int
	tags   string
	from   string
	json   bool
	follow bool
}

func newTail() *cobra.Command {
	var o tailOptions
	cmd := &cobra.Command{
		Use:   "tail TOPIC",
		Short: "Show the newest messages of a topic and follow it",
		Long: `Shows the last messages of every queue of a topic, with queue, offset, time, tag
and key, and goes on with what is sent. It joins no group and commits nothing.`,
		Example: `  goddard tail hello
  goddard tail hello -n 100 --follow=false
  goddard tail orders --from 10m --tag paid`,
		Args:              oneTopic,
		ValidArgsFunction: o.door.completeTopic,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topic = args[0]
			return o.run(cmd)
		},
	}
	f := cmd.Flags()
	o.door.register(f, "")
	f.IntVarP(&o.lines, "lines", "n", 10, "how many messages of each queue to begin with")
	f.StringVar(&o.tags, "tag", "", `only these tags, as "a || b"`)
	f.StringVar(&o.from, "from", "", "begin here instead: first, a time, or a span such as 10m")
	f.BoolVar(&o.json, "json", false, "print each message with all it has, as a line of JSON")
	f.BoolVarP(&o.follow, "follow", "f", true, "go on with what is sent; --follow=false ends when all is shown")
	return cmd
}

func (o *tailOptions) run(c *cobra.Command) error {
	cluster, err := o.door.connect(c)
	if err != nil {
		return err
	}
	defer cluster.Close()
	ctx := c.Context()
	queues, err := cluster.ReadQueues(ctx, o.topic)
	if errors.Is(err, mq.ErrTopicNotFound) {
		return fmt.Errorf("%w; `goddard admin topic list` shows those there are", err)
	}
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &printer{out: c.OutOrStdout(), json: o.json, long: true}
	var wg sync.WaitGroup
	for _, q := range queues {
		wg.Go(func() {
			if err := o.read(ctx, cluster, q, p); err != nil {
				cancel(err)
			}
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil && !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

func (o *tailOptions) read(ctx context.Context, cluster *remote.Cluster, q remote.Queue, p *printer) error {
	lo, hi, err := cluster.Bounds(ctx, q)
	if err != nil {
		return err
	}
	next := max(lo, hi-mq.QueueOffset(o.lines))
	if o.from != "" {
		from, err := parseFrom(o.from)
		if err != nil {
			return err
		}
		if next, err = cluster.Begin(ctx, q, from); err != nil {
			return err
		}
	}
	for ctx.Err() == nil && (o.follow || next < hi) {
		ask := remote.Pull{Queue: q, Group: mq.GroupTools, From: next, Expression: o.tags}
		if o.follow {
			ask.Wait = 15 * time.Second
		}
		got, err := cluster.Pull(ctx, ask)
		if err != nil && ctx.Err() == nil {
			return err
		}
		for i := range got.Records {
			if !remote.Wanted(o.tags, &got.Records[i]) {
				continue
			}
			if err := p.print(q, &got.Records[i]); err != nil {
				return err
			}
		}
		if got.Next == next && !o.follow {
			return nil
		}
		next = got.Next
	}
	return nil
}
