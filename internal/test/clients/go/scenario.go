package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

type scenario struct{ *frame.Scenario }

// user is whom the environment says that the clients are; without it they sign
// nothing.
func user() primitive.Credentials {
	return primitive.Credentials{AccessKey: os.Getenv("ROCKETMQ_ACCESS_KEY"), SecretKey: os.Getenv("ROCKETMQ_SECRET_KEY")}
}

var instances atomic.Int64

func instance() string { return fmt.Sprintf("go-%d", instances.Add(1)) }

func (s *scenario) servers() primitive.NsResolver {
	return primitive.NewPassthroughResolver([]string{s.Server})
}

func (s *scenario) producer(opts ...producer.Option) rocketmq.Producer {
	p, err := rocketmq.NewProducer(append([]producer.Option{
		producer.WithNsResolver(s.servers()), producer.WithGroupName(s.Group() + "_p"),
		producer.WithInstanceName(instance()), producer.WithSendMsgTimeout(10 * time.Second), producer.WithCredentials(user()),
	}, opts...)...)
	s.Must(err, "new producer")
	s.Must(p.Start(), "start producer")
	s.AtEnd(func() { p.Shutdown() })
	return p
}

// consumer is a push consumer that starts with the first message; not started.
func (s *scenario) consumer(group string, opts ...consumer.Option) rocketmq.PushConsumer {
	c, err := rocketmq.NewPushConsumer(append([]consumer.Option{
		consumer.WithNsResolver(s.servers()), consumer.WithGroupName(group), consumer.WithInstance(instance()),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset), consumer.WithCredentials(user()),
	}, opts...)...)
	s.Must(err, "new consumer")
	s.AtEnd(func() { c.Shutdown() })
	return c
}

// consume starts a consumer of a topic into an inbox.
func (s *scenario) consume(group, topic, tags string, in *inbox, opts ...consumer.Option) rocketmq.PushConsumer {
	c := s.consumer(group, opts...)
	s.Must(c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: tags}, in.take), "subscribe")
	s.Must(c.Start(), "start consumer")
	return c
}

// createTopic creates a topic on every broker and waits for its route.
func (s *scenario) createTopic(topic string, queues int) {
	a, err := admin.NewAdmin(admin.WithResolver(s.servers()), admin.WithCredentials(user()))
	s.Must(err, "new admin")
	defer a.Close()
	brokers := s.brokers()
	for _, addr := range brokers {
		s.Must(a.CreateTopic(context.Background(), admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(addr),
			admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues)), "create topic")
	}
	s.Eventually(10, "route of "+topic, func() bool {
		r, err := call(s.Server, getRoute, map[string]string{"topic": topic, "acceptStandardJsonOnly": "true"}, nil)
		var route struct {
			BrokerDatas []json.RawMessage `json:"brokerDatas"`
		}
		return err == nil && r.Code == 0 && json.Unmarshal(r.Body, &route) == nil && len(route.BrokerDatas) == len(brokers)
	})
}

// queues are a topic's, on all brokers.
func (s *scenario) queues(topic string) []*primitive.MessageQueue {
	a, err := admin.NewAdmin(admin.WithResolver(s.servers()), admin.WithCredentials(user()))
	s.Must(err, "new admin")
	defer a.Close()
	qs, err := a.FetchPublishMessageQueues(context.Background(), topic)
	s.Must(err, "queues of "+topic)
	return qs
}

func (s *scenario) send(p rocketmq.Producer, m *primitive.Message) *primitive.SendResult {
	r, err := p.SendSync(context.Background(), m)
	s.Must(err, "send")
	frame.Same(r.Status, primitive.SendOK, "status")
	return r
}

// sendMany sends messages and returns their bodies.
func (s *scenario) sendMany(p rocketmq.Producer, topic, label string, count int) map[string]bool {
	bodies := map[string]bool{}
	for i := range count {
		body := fmt.Sprintf("%s-%04d", label, i)
		s.send(p, primitive.NewMessage(topic, []byte(body)))
		bodies[body] = true
	}
	return bodies
}

// read returns what a topic holds once it is as much as expected. The original
// shows a message to readers a moment after it has acknowledged it.
func (s *scenario) read(topic string, count int) []*primitive.MessageExt {
	in := new(inbox)
	c := s.consume(s.Group()+"_reader", topic, "*", in)
	s.Eventually(40, fmt.Sprintf("%d messages in %s", count, topic), func() bool { return in.size() >= count })
	c.Shutdown()
	all := in.all()
	frame.Same(len(all), count, "messages in "+topic)
	slices.SortFunc(all, func(a, b *primitive.MessageExt) int { return int(a.CommitLogOffset - b.CommitLogOffset) })
	return all
}

// An inbox is what a consumer has received.
type inbox struct {
	mu  sync.Mutex // guards got
	got []*primitive.MessageExt
}

func (in *inbox) take(_ context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.got = append(in.got, msgs...)
	return consumer.ConsumeSuccess, nil
}

func (in *inbox) all() []*primitive.MessageExt {
	in.mu.Lock()
	defer in.mu.Unlock()
	return slices.Clone(in.got)
}

func (in *inbox) size() int { return len(in.all()) }

func (in *inbox) clear() {
	in.mu.Lock()
	defer in.mu.Unlock()
	in.got = nil
}

func (in *inbox) bodies() map[string]bool {
	bodies := map[string]bool{}
	for _, m := range in.all() {
		bodies[string(m.Body)] = true
	}
	return bodies
}

// await waits until every body has come.
func (s *scenario) await(in *inbox, bodies map[string]bool, seconds int) {
	end := time.Now().Add(time.Duration(seconds) * time.Second)
	for {
		got := in.bodies()
		missing := 0
		for b := range bodies {
			if !got[b] {
				missing++
			}
		}
		if missing == 0 {
			return
		}
		if time.Now().After(end) {
			s.Fail("%d of %d messages did not come within %d s", missing, len(bodies), seconds)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// awaitExactly also waits a little for one too many.
func (s *scenario) awaitExactly(in *inbox, bodies map[string]bool, seconds int) {
	s.await(in, bodies, seconds)
	time.Sleep(500 * time.Millisecond)
	if got := in.bodies(); !maps.Equal(got, bodies) {
		s.Fail("received %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(bodies)))
	}
	frame.Same(in.size(), len(bodies), "number of deliveries")
}
