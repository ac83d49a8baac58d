package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
)

// pubOptions says what `goddard pub` sends.
type pubOptions struct {
	door       door
	topic      string
	body       string
	fromInput  bool // a message per line of standard input
	tag        string
	keys       string
	properties []string
	delayLevel int
	delay      time.Duration
	priority   int
	count      int
	group      string
	quiet      bool
}

// maxLine bounds a line of input, in bytes.
const maxLine = 4 << 20

// maxDelayLevel is the last level of RocketMQ's brokers.
const maxDelayLevel = 18

func newPub() *cobra.Command {
	var o pubOptions
	cmd := &cobra.Command{
		Use:   "pub TOPIC [BODY]",
		Short: "Send messages to a topic",
		Long:  "Sends BODY, or each line of standard input, to a topic. Works against any RocketMQ cluster.",
		Example: `  goddard pub hello "first message"
  goddard pub hello --tag paid --key order-7 --property region=eu '{"order":7}'
  goddard pub reports "once at nine" --delay 2h30m
  seq 1000 | goddard pub numbers -q`,
		Args:              topicAndBody,
		ValidArgsFunction: o.door.completeTopic,
		RunE: func(cmd *cobra.Command, args []string) error {
			o.topic = args[0]
			if o.fromInput = len(args) == 1; !o.fromInput {
				o.body = args[1]
			}
			return o.run(cmd)
		},
	}
	f := cmd.Flags()
	o.door.register(f, "n")
	f.StringVar(&o.tag, "tag", "", "tag of the message")
	f.StringVar(&o.keys, "key", "", "keys of the message, separated by blanks")
	f.StringArrayVar(&o.properties, "property", nil, "a property as name=value; may be repeated")
	f.IntVar(&o.delayLevel, "delay-level", 0, "deliver later: 1 is 1s, 2 is 5s, up to 18, 2h")
	f.DurationVar(&o.delay, "delay", 0, "deliver this much later, to the millisecond")
	f.IntVar(&o.priority, "priority", -1, "priority of the message, from 0; the broker puts it into the queue of that number")
	f.IntVar(&o.count, "count", 1, "send BODY this many times")
	f.StringVar(&o.group, "group", "goddard-pub", "producer group")
	f.BoolVarP(&o.quiet, "quiet", "q", false, "print only a summary")
	return cmd
}

// topicAndBody checks the arguments.
func topicAndBody(c *cobra.Command, args []string) error {
	if len(args) > 2 {
		return fmt.Errorf("%q is too much; put the body in quotes, see `%s --help`", args[2], c.CommandPath())
	}
	return oneTopic(c, args[:min(len(args), 1)])
}

// check reports flags that cannot be.
func (o *pubOptions) check() error {
	if o.delayLevel < 0 || o.delayLevel > maxDelayLevel {
		return fmt.Errorf("--delay-level %d: want 1 to %d, or 0 for no delay", o.delayLevel, maxDelayLevel)
	}
	if o.delayLevel != 0 && o.delay != 0 {
		return errors.New("--delay and --delay-level both say when; give one of them")
	}
	if o.priority < -1 || o.priority > math.MaxInt32 {
		return fmt.Errorf("--priority %d: want 0 or more, or -1 for none", o.priority)
	}
	if o.count < 1 {
		return fmt.Errorf("--count %d: want 1 or more", o.count)
	}
	return mq.CheckTopic(o.topic)
}

func (o *pubOptions) run(c *cobra.Command) error {
	if err := o.check(); err != nil {
		return err
	}
	ctx, in, out := c.Context(), c.InOrStdin(), c.OutOrStdout()
	properties, err := o.messageProperties()
	if err != nil {
		return err
	}
	cluster, err := o.door.connect(c)
	if err != nil {
		return err
	}
	defer cluster.Close()
	queues, err := cluster.WriteQueues(ctx, o.topic)
	if err != nil {
		return err
	}
	p := &publisher{o: o, cluster: cluster, queues: queues, properties: properties, first: rand.IntN(len(queues)), keys: remote.NewKeys(), out: out}
	if !o.fromInput {
		for range o.count {
			if err := p.send(ctx, []byte(o.body)); err != nil {
				return err
			}
		}
		return p.summary()
	}
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxLine+1)
	for lines.Scan() {
		if err := p.send(ctx, lines.Bytes()); err != nil {
			return err
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf("line %d of the standard input is longer than %d bytes, the longest message brokers accept unless told otherwise", p.sent+1, maxLine)
	} else if err != nil {
		return fmt.Errorf("standard input, line %d: %w", p.sent+1, err)
	}
	return p.summary()
}

// messageProperties are those that all messages have.
func (o *pubOptions) messageProperties() ([]byte, error) {
	var props []byte
	add := func(key, value string) error {
		if !mq.ValidProperty(key, value) {
			return fmt.Errorf("property %q=%q: neither may be empty or hold the characters 1 and 2", key, value)
		}
		props = mq.AppendProperty(props, key, value)
		return nil
	}
	for _, p := range o.properties {
		key, value, ok := strings.Cut(p, "=")
		if !ok {
			return nil, fmt.Errorf("--property %q: want name=value", p)
		}
		if err := add(key, value); err != nil {
			return nil, err
		}
	}
	if o.tag != "" {
		if err := add(mq.PropTags, o.tag); err != nil {
			return nil, err
		}
	}
	if o.keys != "" {
		if err := add(mq.PropKeys, o.keys); err != nil {
			return nil, err
		}
	}
	if o.delayLevel > 0 {
		props = mq.AppendProperty(props, mq.PropDelay, strconv.Itoa(o.delayLevel))
	}
	if o.priority >= 0 {
		props = mq.AppendProperty(props, mq.PropPriority, strconv.Itoa(o.priority))
	}
	if o.delay > 0 {
		props = mq.AppendProperty(props, mq.PropTimerDelayMs, strconv.FormatInt(o.delay.Milliseconds(), 10))
	}
	return mq.AppendProperty(props, mq.PropWait, "true"), nil
}

// A publisher sends one message after the other, over the queues in turn.
type publisher struct {
	o          *pubOptions
	cluster    *remote.Cluster
	queues     []remote.Queue
	properties []byte
	keys       *remote.Keys
	out        io.Writer
	first      int // place of the queue to begin with, so that short runs do not all meet in one
	sent       int
	start      time.Time
}

func (p *publisher) send(ctx context.Context, body []byte) error {
	if p.sent == 0 {
		p.start = time.Now()
	}
	props := p.properties
	if _, given := mq.Property(props, mq.PropUniqueKey); !given {
		props = mq.AppendProperty(props[:len(props):len(props)], mq.PropUniqueKey, p.keys.Next())
	}
	m := &mq.Message{Topic: p.o.topic, BornTime: time.Now().UnixMilli(), Body: body, Properties: props}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	sent, err := p.cluster.Send(ctx, p.queues[(p.first+p.sent)%len(p.queues)], p.o.group, m)
	if err != nil {
		return fmt.Errorf("message %d: %w", p.sent+1, err)
	}
	p.sent++
	if !p.o.quiet {
		fmt.Fprintf(p.out, "%s queue=%s/%d offset=%d\n", sent.MsgID, sent.Queue.Broker, sent.Queue.ID, sent.Offset)
	}
	return nil
}

func (p *publisher) summary() error {
	if p.o.quiet {
		fmt.Fprintf(p.out, "sent %d messages to %s in %v\n", p.sent, p.o.topic, time.Since(p.start).Round(time.Millisecond))
	}
	return nil
}
