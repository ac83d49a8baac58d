package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
	"github.com/apache/rocketmq-clients/golang/v5/credentials"
)

const (
	invisible = 10 * time.Second // the shortest time that a server takes a message out of sight for
	await     = 14 * time.Second // longer than that
)

// config says where the clients dial, and who they are: whom the environment
// names; without that they sign nothing.
func (s *scenario) config(group string) *rmq.Config {
	user := credentials.SessionCredentials{AccessKey: os.Getenv("ROCKETMQ_ACCESS_KEY"), AccessSecret: os.Getenv("ROCKETMQ_SECRET_KEY")}
	return &rmq.Config{Endpoint: s.runner.endpoints, ConsumerGroup: group, Credentials: &user}
}

func (s *scenario) producer(topics ...string) rmq.Producer {
	return s.started(rmq.NewProducer(s.config(""), rmq.WithTopics(topics...)))
}

func (s *scenario) transactionProducer(check func(*rmq.MessageView) rmq.TransactionResolution) rmq.Producer {
	return s.started(rmq.NewProducer(s.config(""), rmq.WithTopics(s.topic()),
		rmq.WithTransactionChecker(&rmq.TransactionChecker{Check: check})))
}

func (s *scenario) started(p rmq.Producer, err error) rmq.Producer {
	s.must(err, "new producer")
	s.must(p.Start(), "start producer")
	s.open = append(s.open, func() { p.GracefulStop() })
	return p
}

func (s *scenario) simple(filter *rmq.FilterExpression) rmq.SimpleConsumer {
	c, err := rmq.NewSimpleConsumer(s.config(s.group()), rmq.WithSimpleAwaitDuration(await),
		rmq.WithSimpleSubscriptionExpressions(map[string]*rmq.FilterExpression{s.topic(): filter}))
	s.must(err, "new simple consumer")
	s.must(c.Start(), "start simple consumer")
	s.open = append(s.open, func() { c.GracefulStop() })
	return c
}

func (s *scenario) push(consume func(*rmq.MessageView) rmq.ConsumerResult) {
	c, err := rmq.NewPushConsumer(s.config(s.group()), rmq.WithPushAwaitDuration(await), rmq.WithPushConsumptionThreadCount(4),
		rmq.WithPushSubscriptionExpressions(map[string]*rmq.FilterExpression{s.topic(): rmq.SUB_ALL}),
		rmq.WithPushMessageListener(&rmq.FuncMessageListener{Consume: consume}))
	s.must(err, "new push consumer")
	s.must(c.Start(), "start push consumer")
	s.open = append(s.open, func() { c.GracefulStop() })
}

func message(topic, body string) *rmq.Message { return &rmq.Message{Topic: topic, Body: []byte(body)} }

func (s *scenario) send(p rmq.Producer, m *rmq.Message) *rmq.SendReceipt {
	receipts, err := p.Send(context.Background(), m)
	s.must(err, "send")
	same(len(receipts), 1, "receipts")
	return receipts[0]
}

// sendMany sends messages and returns their bodies.
func (s *scenario) sendMany(p rmq.Producer, label string, count int) []string {
	var bodies []string
	for i := range count {
		body := fmt.Sprintf("%s-%04d", label, i)
		s.send(p, message(s.topic(), body))
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
	s.must(err, "receive")
	return got
}

// one returns the next message, which must come in time.
func (s *scenario) one(c rmq.SimpleConsumer, hidden time.Duration) *rmq.MessageView {
	var got []*rmq.MessageView
	s.eventually(14, "a message comes", func() bool {
		got = s.receive(c, 1, hidden)
		return len(got) > 0
	})
	return got[0]
}

// receiveExactly receives these bodies, once each, and acknowledges them.
func (s *scenario) receiveExactly(c rmq.SimpleConsumer, want []string) []*rmq.MessageView {
	var all []*rmq.MessageView
	for len(all) < len(want) {
		some := s.receive(c, 16, invisible)
		if len(some) == 0 {
			break
		}
		all = append(all, some...)
	}
	sameAll(bodiesOf(all), slices.Sorted(slices.Values(want)), "received bodies")
	for _, m := range all {
		s.must(c.Ack(context.Background(), m), "acknowledge")
	}
	return all
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

// An inbox is what a push consumer has received, in order.
type inbox struct {
	mu  sync.Mutex // guards got
	got []*rmq.MessageView
}

func (in *inbox) take(m *rmq.MessageView) rmq.ConsumerResult {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.got = append(in.got, m)
	return rmq.SUCCESS
}

func (in *inbox) all() []*rmq.MessageView {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.got)
}

// awaitExactly waits for these bodies, and a little for one too many.
func (s *scenario) awaitExactly(in *inbox, want []string, seconds int) {
	want = slices.Sorted(slices.Values(want))
	s.eventually(seconds, fmt.Sprint("these come: ", want), func() bool { return len(in.all()) >= len(want) })
	time.Sleep(500 * time.Millisecond)
	sameAll(bodiesOf(in.all()), want, "received bodies")
}

// inOrder checks that bodies such as a-0001 came in order for every letter.
func (s *scenario) inOrder(messages []*rmq.MessageView) {
	last := map[string]string{}
	for _, m := range messages {
		body := string(m.GetBody())
		key, _, _ := strings.Cut(body, "-")
		if body <= last[key] {
			s.fail("%s came behind %s", body, last[key])
		}
		last[key] = body
	}
}
