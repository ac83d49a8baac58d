package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/spf13/cobra"
)

// sendMessage is mqadmin's command for one message; ours is `goddard pub`.
func sendMessage(s spelling) *cobra.Command {
	o := s.operation("Send a message", "", `goddard admin sendMessage -n 127.0.0.1:9876 -t orders -p "hello" -c paid -k order-7`)
	var topic, body, keys, tag, broker string
	var queue int32
	f := o.Flags()
	f.StringVarP(&keys, "key", "k", "", "keys of the message")
	f.StringVarP(&tag, "tags", "c", "", "tag of the message")
	f.StringVarP(&broker, "broker", "b", "", "name of the `BROKER` to send to; with --qid")
	f.Int32VarP(&queue, "qid", "i", -1, "the `QUEUE` to send to, with --broker")
	o.ignored("msgTraceEnable", "m", "has no effect: nothing is traced")
	return o.run(func(ctx context.Context, _ *admin.Cluster) error {
		if queue >= 0 && broker == "" {
			return errors.New("--qid of which broker? name it with --broker")
		}
		if err := mq.CheckTopic(topic); err != nil {
			return err
		}
		m := mq.Message{Topic: topic, Body: []byte(body)}
		properties, err := (&pubOptions{tag: tag, keys: keys, priority: -1}).messageProperties()
		if err != nil {
			return err
		}
		c, err := o.door.connect(o.Command)
		if err != nil {
			return err
		}
		defer c.Close()
		q, err := chosenQueue(ctx, c, topic, broker, queue)
		if err != nil {
			return err
		}
		m.Properties = properties
		one := o.send(ctx, c, q, &m, remote.NewKeys())
		t := o.sheet().table("%-32s  %-4v  %-20s    %s", "#Broker Name", "#QID", "#Send Result", "#MsgId")
		if !one.OK {
			return errors.New(one.Error)
		}
		t.row(one.Broker, one.Queue, statusText(one.sent.Status), one.sent.MsgID)
		return o.print(one.sent, t)
	}, wanted{"topic", "t", "TOPIC", &topic}, wanted{"body", "p", "BODY", &body})
}

// chosenQueue is a queue of a topic that can be written to, on the broker and of
// the number that are asked for.
func chosenQueue(ctx context.Context, c *remote.Cluster, topic, broker string, id int32) (remote.Queue, error) {
	queues, err := c.WriteQueues(ctx, topic)
	if err != nil {
		return remote.Queue{}, err
	}
	i := slices.IndexFunc(queues, func(q remote.Queue) bool {
		return (broker == "" || q.Broker == broker) && (id < 0 || q.ID == id)
	})
	if i < 0 {
		return remote.Queue{}, fmt.Errorf("topic %s has no such queue that can be written to; `goddard admin topicRoute -t %s` shows those it has", topic, topic)
	}
	return queues[i], nil
}
