package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

// subOptions says what `goddard sub` reads.
type subOptions struct {
	door  door
	topic string
	group string
	tags  string
	from  string
	count int
	json  bool
}

func newSub() *cobra.Command {
	var o subOptions
	cmd := &cobra.Command{
		Use:   "sub TOPIC",
		Short: "Consume a topic as a member of a consumer group",
		Long: `Prints the body of each message of a topic, and commits what was printed as the
offset of its consumer group: the next run goes on there, and several runs at
the same time share the queues. To look without taking part, use goddard tail.`,
		Example: `  goddard sub hello
  goddard sub orders --group audit --tag "paid || refunded" --from 2026-11-01T00:00:00Z --json`,
		Args:              oneTopic,
		ValidArgsFunction: o.door.completeTopic,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topic = args[0]
			return o.run(cmd)
		},
	}
	f := cmd.Flags()
	o.door.register(f, "n")
	f.StringVar(&o.group, "group", "goddard-sub", "consumer group")
	f.StringVar(&o.tags, "tag", "", `only these tags, as "a || b"`)
	f.StringVar(&o.from, "from", "first", "where a new group begins: first, last, or a time (2026-11-21T08:00:00Z, or 10m for ten minutes ago)")
	f.IntVar(&o.count, "count", 0, "stop after this many messages; 0 goes on for ever")
	f.BoolVar(&o.json, "json", false, "print each message with all it has, as a line of JSON")
	return cmd
}

func (o *subOptions) run(c *cobra.Command) error {
	from, err := parseFrom(o.from)
	if err != nil {
		return err
	}
	if o.count < 0 {
		return fmt.Errorf("--count %d: want 0 or more", o.count)
	}
	cluster, err := o.door.connect(c)
	if err != nil {
		return err
	}
	defer cluster.Close()
	p := &printer{out: c.OutOrStdout(), json: o.json, left: o.count}
	return cluster.Consume(c.Context(), remote.Member{
		Group: o.group, Topic: o.topic, Expression: o.tags, From: from, Handle: p.print,
	})
}

// parseFrom reads the flag --from.
func parseFrom(s string) (remote.From, error) {
	switch s {
	case "first":
		return remote.From{}, nil
	case "last":
		return remote.From{Last: true}, nil
	}
	if at, err := time.Parse(time.RFC3339, s); err == nil {
		return remote.From{At: at}, nil
	}
	if ago, err := time.ParseDuration(s); err == nil {
		return remote.From{At: time.Now().Add(-ago)}, nil
	}
	return remote.From{}, fmt.Errorf("--from %q: want first, last, a time such as 2026-11-21T08:00:00Z, or a span such as 10m", s)
}

// A printer writes messages for people, or as JSON lines.
type printer struct {
	out  io.Writer
	json bool
	long bool // with queue, offset, time and tag in front

	// mu keeps lines whole and guards the count.
	mu   sync.Mutex
	left int // messages still to print; 0 from the start means no end
	done bool
}

// A printed is the JSON form of a message.
type printed struct {
	Topic      string            `json:"topic"`
	Broker     string            `json:"broker"`
	Queue      int32             `json:"queue"`
	Offset     mq.QueueOffset    `json:"offset"`
	MsgID      string            `json:"msg_id"`
	Tags       string            `json:"tags,omitempty"`
	Keys       string            `json:"keys,omitempty"`
	Born       time.Time         `json:"born"`
	Stored     time.Time         `json:"stored"`
	BornHost   string            `json:"born_host"`
	Reconsumed int32             `json:"reconsume_times"`
	Properties map[string]string `json:"properties"`
	Body       string            `json:"body"`
}

func (p *printer) print(q remote.Queue, r *mq.Record) error {
	body, err := remote.Body(r)
	if err != nil {
		return err
	}
	props := mq.PropertyMap(r.Properties)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.done {
		return context.Canceled // not printed, so not to be committed
	}
	switch {
	case p.json:
		err = json.NewEncoder(p.out).Encode(printed{
			Topic: q.Topic, Broker: q.Broker, Queue: q.ID, Offset: r.QueueOffset, MsgID: props[mq.PropUniqueKey],
			Tags: props[mq.PropTags], Keys: props[mq.PropKeys],
			Born: time.UnixMilli(r.BornTime).UTC(), Stored: time.UnixMilli(r.StoreTime).UTC(),
			BornHost: r.BornHost.String(), Reconsumed: r.ReconsumeTimes, Properties: props, Body: string(body),
		})
	case p.long:
		_, err = fmt.Fprintf(p.out, "%s %s/%d@%d tag=%s key=%s %s\n", time.UnixMilli(r.StoreTime).Format("15:04:05.000"),
			q.Broker, q.ID, r.QueueOffset, props[mq.PropTags], props[mq.PropKeys], body)
	default:
		_, err = fmt.Fprintf(p.out, "%s\n", body)
	}
	if err != nil {
		return err
	}
	if p.left > 0 {
		if p.left--; p.left == 0 {
			p.done = true
			return remote.ErrStop
		}
	}
	return nil
}
