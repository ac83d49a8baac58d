package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	"github.com/apache/rocketmq-clients/golang/v5/credentials"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

const (
	invisible = 10 * time.Second // the shortest time that a server takes a message out of sight for
	await     = 5 * time.Second  // for how long a call asks one broker, at the least; the next one asks another
)

// config says where the clients dial, and who they are: whom the environment
// names; without that they sign nothing.
func (s *scenario) config(group string) *rmq.Config {
	user := credentials.SessionCredentials{AccessKey: os.Getenv("ROCKETMQ_ACCESS_KEY"), AccessSecret: os.Getenv("ROCKETMQ_SECRET_KEY")}
	return &rmq.Config{Endpoint: s.Server, ConsumerGroup: group, Credentials: &user}
}

func (s *scenario) producer(topics ...string) rmq.Producer {
	return s.started(rmq.NewProducer(s.config(""), rmq.WithTopics(topics...)))
}

func (s *scenario) transactionProducer(check func(*rmq.MessageView) rmq.TransactionResolution) rmq.Producer {
	return s.started(rmq.NewProducer(s.config(""), rmq.WithTopics(s.Topic()),
		rmq.WithTransactionChecker(&rmq.TransactionChecker{Check: check})))
}

func (s *scenario) started(p rmq.Producer, err error) rmq.Producer {
	s.Must(err, "new producer")
	s.Must(p.Start(), "start producer")
	s.AtEnd(func() { p.GracefulStop() })
	return p
}

func (s *scenario) simple(filter *rmq.FilterExpression) rmq.SimpleConsumer {
	return s.simpleFor(filter, await)
}

func (s *scenario) simpleFor(filter *rmq.FilterExpression, await time.Duration) rmq.SimpleConsumer {
	c, err := rmq.NewSimpleConsumer(s.config(s.Group()), rmq.WithSimpleAwaitDuration(await),
		rmq.WithSimpleSubscriptionExpressions(map[string]*rmq.FilterExpression{s.Topic(): filter}))
	s.Must(err, "new simple consumer")
	s.Must(c.Start(), "start simple consumer")
	s.AtEnd(func() { c.GracefulStop() })
	return c
}

func (s *scenario) push(filter *rmq.FilterExpression, consume func(*rmq.MessageView) rmq.ConsumerResult) {
	c, err := rmq.NewPushConsumer(s.config(s.Group()), rmq.WithPushAwaitDuration(await), rmq.WithPushConsumptionThreadCount(4),
		rmq.WithPushSubscriptionExpressions(map[string]*rmq.FilterExpression{s.Topic(): filter}),
		rmq.WithPushMessageListener(&rmq.FuncMessageListener{Consume: consume}))
	s.Must(err, "new push consumer")
	s.Must(c.Start(), "start push consumer")
	s.AtEnd(func() { c.GracefulStop() })
}

func message(topic, body string) *rmq.Message { return &rmq.Message{Topic: topic, Body: []byte(body)} }

func (s *scenario) send(p rmq.Producer, m *rmq.Message) *rmq.SendReceipt {
	receipts, err := p.Send(context.Background(), m)
	s.Must(err, "send")
	frame.Same(len(receipts), 1, "receipts")
	return receipts[0]
}

// sendMany sends messages and returns their bodies.
func (s *scenario) sendMany(p rmq.Producer, label string, count int) []string {
	var bodies []string
	for i := range count {
		body := fmt.Sprintf("%s-%04d", label, i)
		s.send(p, message(s.Topic(), body))
		bodies = append(bodies, body)
	}
	return bodies
}

// receive returns what comes in one call; nothing is no failure.
func (s *scenario) receive(c rmq.SimpleConsumer, count int32, hidden time.Duration) []*rmq.MessageView {
	got, err := c.Receive(context.Background(), count, hidden)
	if status, ok := rmq.AsErrRpcStatus(err); ok && status.Code == 40401 {
		return nil
	}
	s.Must(err, "receive")
	return got
}

// one returns the next message, which must come in time.
func (s *scenario) one(c rmq.SimpleConsumer, hidden time.Duration) *rmq.MessageView {
	var got []*rmq.MessageView
	s.Eventually(40, "a message comes", func() bool {
		got = s.receive(c, 1, hidden)
		return len(got) > 0
	})
	return got[0]
}

// receiveExactly receives these bodies, once each, in however many calls, and
// acknowledges them.
func (s *scenario) receiveExactly(c rmq.SimpleConsumer, want []string) []*rmq.MessageView {
	var all []*rmq.MessageView
	for end := time.Now().Add(time.Minute); len(all) < len(want) && time.Now().Before(end); {
		for _, m := range s.receive(c, 16, invisible) {
			s.Must(c.Ack(context.Background(), m), "acknowledge")
			all = append(all, m)
		}
	}
	frame.SameAll(bodiesOf(all), slices.Sorted(slices.Values(want)), "received bodies")
	return all
}

// nothing fails if something comes within a longer time than a received message
// is at least out of sight.
func (s *scenario) nothing(c rmq.SimpleConsumer, what string) {
	for end := time.Now().Add(invisible + time.Second); time.Now().Before(end); {
		frame.SameAll(bodiesOf(s.receive(c, 16, invisible)), []string{}, what)
	}
}

// bodiesOf returns the bodies of messages, sorted.
func bodiesOf(messages []*rmq.MessageView) []string {
	bodies := []string{}
	for _, m := range messages {
		bodies = append(bodies, string(m.GetBody()))
	}
	slices.Sort(bodies)
	return bodies
}
