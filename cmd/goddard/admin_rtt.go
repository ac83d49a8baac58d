package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/spf13/cobra"
)

// A volley sends messages to see how long that takes.
type volley struct {
	amount int
	size   int
}

func (p *volley) register(o *operation, amount int) {
	f := o.Flags()
	f.IntVarP(&p.amount, "amount", "a", amount, "how many messages")
	f.IntVarP(&p.size, "size", "s", 128, "bytes of each message's body")
}

func (p *volley) check() error {
	if p.amount < 1 || p.amount > 1_000_000 {
		return fmt.Errorf("--amount %d: want 1 to 1000000", p.amount)
	}
	if p.size < 1 || p.size > maxLine {
		return fmt.Errorf("--size %d: want 1 to %d bytes", p.size, maxLine)
	}
	return nil
}

// A trial is one message that was sent and how long it took.
type trial struct {
	Broker string  `json:"broker"`
	Queue  int32   `json:"queue"`
	OK     bool    `json:"ok"`
	Millis float64 `json:"ms"`
	Error  string  `json:"error,omitempty"`

	sent remote.Sent
}

// filler is a message of a size for q.
func filler(q remote.Queue, size int) *mq.Message {
	return &mq.Message{Topic: q.Topic, Body: []byte(strings.Repeat("a", size)), Properties: mq.AppendProperty(nil, mq.PropWait, "true")}
}

// send sends one message, under a unique key of its own.
func (o *operation) send(ctx context.Context, c *remote.Cluster, q remote.Queue, m *mq.Message, keys *remote.Keys) trial {
	m.BornTime, m.Properties = time.Now().UnixMilli(), mq.AppendProperty(m.Properties, mq.PropUniqueKey, keys.Next())
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	from := time.Now()
	sent, err := c.Send(ctx, q, "goddard-admin", m)
	t := trial{Broker: q.Broker, Queue: q.ID, OK: err == nil, Millis: float64(time.Since(from).Microseconds()) / 1000, sent: sent}
	if err != nil {
		t.Error = err.Error()
	}
	return t
}

// average is how long messages took but for the first, which has to connect.
func average(all []trial) float64 {
	if len(all) > 1 {
		all = all[1:]
	}
	sum := 0.0
	for _, t := range all {
		sum += t.Millis
	}
	return sum / float64(len(all))
}

// topicRTT is mqadmin's checkMsgSendRT.
func topicRTT(s spelling) *cobra.Command {
	o := s.operation("Measure how long sending to a topic takes", "goddard admin topic rtt orders --amount 10",
		"goddard admin checkMsgSendRT -n 127.0.0.1:9876 -t orders -a 10")
	o.Long = o.Short + `, message by message over its queues in turn. The
messages stay in the topic.`
	var p volley
	var topic string
	p.register(o, 100)
	return o.run(func(ctx context.Context, _ *admin.Cluster) error {
		if err := p.check(); err != nil {
			return err
		}
		c, err := o.door.connect(o.Command)
		if err != nil {
			return err
		}
		defer c.Close()
		queues, err := c.WriteQueues(ctx, topic)
		if err != nil {
			return err
		}
		var all []trial
		keys := remote.NewKeys()
		t := o.sheet().table("%-32s  %-4d  %-20t    %.0f", "#Broker Name", "#QID", "#Send Result", "#RT")
		for i := range p.amount {
			one := o.send(ctx, c, queues[i%len(queues)], filler(queues[i%len(queues)], p.size), keys)
			all = append(all, one)
			t.row(one.Broker, one.Queue, one.OK, one.Millis)
		}
		return o.print(all, t.line("Avg RT: %.2f", average(all)))
	}, wanted{"topic", "t", "TOPIC", &topic})
}

// brokerTry is mqadmin's sendMsgStatus.
func brokerTry(s spelling) *cobra.Command {
	o := s.operation("Send messages to a broker and show how long each takes", "goddard admin broker try broker-a --count 3",
		"goddard admin sendMsgStatus -n 127.0.0.1:9876 -b broker-a -c 3")
	o.Long = o.Short + `. They go to
the topic that is named after the broker, and stay there.`
	var broker string
	count, size := 50, 128
	f := o.Flags()
	f.IntVarP(&size, "size", o.letter("s"), size, "bytes of each message's body")
	f.IntVarP(&count, "count", "c", count, "how many messages")
	return o.run(func(ctx context.Context, _ *admin.Cluster) error {
		if err := (&volley{count, size}).check(); err != nil {
			return err
		}
		c, err := o.door.connect(o.Command)
		if err != nil {
			return err
		}
		defer c.Close()
		queues, err := c.WriteQueues(ctx, broker)
		if err != nil {
			return err
		}
		keys := remote.NewKeys()
		o.send(ctx, c, queues[0], filler(queues[0], 16), keys) // connects
		var all []trial
		t := o.sheet()
		for i := range count {
			one := o.send(ctx, c, queues[i%len(queues)], filler(queues[i%len(queues)], size), keys)
			all = append(all, one)
			if !one.OK {
				return fmt.Errorf("message %d: %s", i+1, one.Error)
			}
			t.line("rt=%.0fms, SendResult=SendResult [sendStatus=%s, msgId=%s, offsetMsgId=%s, messageQueue=MessageQueue "+
				"[topic=%s, brokerName=%s, queueId=%d], queueOffset=%d, recallHandle=null]",
				one.Millis, statusText(one.sent.Status), one.sent.MsgID, one.sent.OffsetMsgID, one.sent.Queue.Topic, one.Broker, one.Queue, one.sent.Offset)
		}
		return o.print(all, t)
	}, wanted{"broker-name", "b", "BROKER", &broker})
}

// A brokerRTT is how long messages to one broker took.
type brokerRTT struct {
	Cluster string  `json:"cluster"`
	Broker  string  `json:"broker"`
	Millis  float64 `json:"ms"`
	OK      int     `json:"ok"`
	Failed  int     `json:"failed"`
}

// clusterRTT is mqadmin's clusterRT.
func clusterRTT(s spelling) *cobra.Command {
	o := s.operation("Measure how long sending to each broker takes, again and again", "goddard admin cluster rtt --amount 10 --rounds 1",
		"goddard admin clusterRT -n 127.0.0.1:9876 -c DefaultCluster -a 10 --rounds 1")
	o.Long = o.Short + `. The
messages go to topics that are named after the brokers, and stay there.`
	var p volley
	var cluster, room string
	var log bool
	interval, rounds := 10, 0
	f := o.Flags()
	p.register(o, 100)
	f.StringVarP(&cluster, "cluster", "c", "", "only this `CLUSTER`")
	f.IntVarP(&interval, "interval", "i", interval, "`SECONDS` between two rounds")
	f.IntVar(&rounds, "rounds", 0, "stop after so many; 0: go on until interrupted")
	if s.old {
		o.truth(&log, "print-log", "p", "lines for a log: time|room|cluster|broker|ms")
		f.StringVarP(&room, "machine-room", "m", "noname", "the `ROOM` in such lines")
	}
	return o.run(func(ctx context.Context, a *admin.Cluster) error {
		if err := p.check(); err != nil {
			return err
		}
		if interval < 1 {
			return fmt.Errorf("--interval %d: want 1 or more", interval)
		}
		c, err := o.door.connect(o.Command)
		if err != nil {
			return err
		}
		defer c.Close()
		begun, keys := false, remote.NewKeys()
		return every(ctx, time.Duration(interval)*time.Second, rounds, func() error {
			brokers, err := a.Brokers(ctx)
			if err != nil {
				return err
			}
			all := []brokerRTT{}
			t := o.sheet().table("%-24s  %-24s  %-8.2f  %-16d  %-16d", "#Cluster Name", "#Broker Name", "#RT", "#successCount", "#failCount")
			if log || o.old && begun {
				t = o.sheet()
			}
			begun = true
			for _, b := range brokers {
				if b.ID != 0 || cluster != "" && b.Cluster != cluster {
					continue
				}
				r := o.measure(ctx, c, b, p, keys)
				all = append(all, r)
				switch {
				case log:
					t.line("%s|%s|%s|%s|%.0f", time.Now().Format(time.DateTime), room, r.Cluster, r.Broker, r.Millis)
				case t.parts == nil || t.parts[0].heads == nil:
					t.line("%-24s  %-24s  %-8.2f  %-16d  %-16d", r.Cluster, r.Broker, r.Millis, r.OK, r.Failed)
				default:
					t.row(r.Cluster, r.Broker, r.Millis, r.OK, r.Failed)
				}
			}
			if len(all) == 0 {
				return fmt.Errorf("cluster [%s] not exist", cluster)
			}
			return o.print(all, t)
		})
	})
}

// measure sends messages to the topic that is named after a broker.
func (o *operation) measure(ctx context.Context, c *remote.Cluster, b admin.Broker, p volley, keys *remote.Keys) brokerRTT {
	r := brokerRTT{Cluster: b.Cluster, Broker: b.Name}
	queues, err := c.WriteQueues(ctx, b.Name)
	if err != nil {
		r.Failed = p.amount
		return r
	}
	var all []trial
	for i := range p.amount {
		one := o.send(ctx, c, queues[i%len(queues)], filler(queues[i%len(queues)], p.size), keys)
		all = append(all, one)
		if one.OK {
			r.OK++
		} else {
			r.Failed++
		}
	}
	r.Millis = average(all)
	return r
}

// statusText is how safely a message was stored, in RocketMQ's words.
func statusText(s mq.SendStatus) string {
	return [...]string{"SEND_OK", "FLUSH_DISK_TIMEOUT", "FLUSH_SLAVE_TIMEOUT", "SLAVE_NOT_AVAILABLE"}[s]
}
