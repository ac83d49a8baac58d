package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/admin"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

// A scenario is one run of one behaviour: names of its own, clients that end
// with it.
type scenario struct {
	runner     *runner
	name       string
	nameServer string
	signals    chan string
	open       []func()
}

// failed is what a failing scenario panics with.
type failed string

func (s *scenario) fail(format string, args ...any) {
	_, file, line, _ := runtime.Caller(1)
	panic(failed(fmt.Sprintf("%s:%d: ", file, line) + fmt.Sprintf(format, args...)))
}

func (s *scenario) must(err error, doing string) {
	if err != nil {
		_, file, line, _ := runtime.Caller(1)
		panic(failed(fmt.Sprintf("%s:%d: %s: %v", file, line, doing, err)))
	}
}

func same[T comparable](s *scenario, got, want T, what string) {
	if got != want {
		_, file, line, _ := runtime.Caller(1)
		panic(failed(fmt.Sprintf("%s:%d: %s: got %v, want %v", file, line, what, got, want)))
	}
}

// eventually fails unless the condition comes true within some seconds.
func (s *scenario) eventually(seconds int, what string, holds func() bool) {
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	s.fail("not within %d s: %s", seconds, what)
}

func (s *scenario) close() {
	for _, f := range slices.Backward(s.open) {
		f()
	}
}

func (s *scenario) note(format string, args ...any) {
	s.runner.print(map[string]any{"scenario": s.name, "note": fmt.Sprintf(format, args...)})
}

// ask tells the test that something is to be done and waits until it was.
func (s *scenario) ask(what string, limit time.Duration) {
	s.runner.print(map[string]any{"scenario": s.name, "event": what})
	select {
	case got := <-s.signals:
		same(s, got, what, "what the test did")
	case <-time.After(limit):
		s.fail("the test did not %s", what)
	}
}

func (s *scenario) topic() string { return s.runner.prefix + "_" + s.name }
func (s *scenario) group() string { return "g_" + s.runner.prefix + "_" + s.name }

// user is whom the environment says that the clients are; without it they sign
// nothing.
func user() primitive.Credentials {
	return primitive.Credentials{AccessKey: os.Getenv("ROCKETMQ_ACCESS_KEY"), SecretKey: os.Getenv("ROCKETMQ_SECRET_KEY")}
}

var instances atomic.Int64

func instance() string { return fmt.Sprintf("go-%d", instances.Add(1)) }

func (s *scenario) servers() primitive.NsResolver {
	return primitive.NewPassthroughResolver([]string{s.nameServer})
}

func (s *scenario) producer(opts ...producer.Option) rocketmq.Producer {
	p, err := rocketmq.NewProducer(append([]producer.Option{
		producer.WithNsResolver(s.servers()), producer.WithGroupName(s.group() + "_p"),
		producer.WithInstanceName(instance()), producer.WithSendMsgTimeout(10 * time.Second), producer.WithCredentials(user()),
	}, opts...)...)
	s.must(err, "new producer")
	s.must(p.Start(), "start producer")
	s.open = append(s.open, func() { p.Shutdown() })
	return p
}

// consumer is a push consumer that starts with the first message; not started.
func (s *scenario) consumer(group string, opts ...consumer.Option) rocketmq.PushConsumer {
	c, err := rocketmq.NewPushConsumer(append([]consumer.Option{
		consumer.WithNsResolver(s.servers()), consumer.WithGroupName(group), consumer.WithInstance(instance()),
		consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset), consumer.WithCredentials(user()),
	}, opts...)...)
	s.must(err, "new consumer")
	s.open = append(s.open, func() { c.Shutdown() })
	return c
}

// consume starts a consumer of a topic into an inbox.
func (s *scenario) consume(group, topic, tags string, in *inbox, opts ...consumer.Option) rocketmq.PushConsumer {
	c := s.consumer(group, opts...)
	s.must(c.Subscribe(topic, consumer.MessageSelector{Type: consumer.TAG, Expression: tags}, in.take), "subscribe")
	s.must(c.Start(), "start consumer")
	return c
}

// createTopic creates a topic on every broker and waits for its route.
func (s *scenario) createTopic(topic string, queues int) {
	a, err := admin.NewAdmin(admin.WithResolver(s.servers()), admin.WithCredentials(user()))
	s.must(err, "new admin")
	defer a.Close()
	brokers := s.brokers()
	for _, addr := range brokers {
		s.must(a.CreateTopic(context.Background(), admin.WithTopicCreate(topic), admin.WithBrokerAddrCreate(addr),
			admin.WithReadQueueNums(queues), admin.WithWriteQueueNums(queues)), "create topic")
	}
	s.eventually(10, "route of "+topic, func() bool {
		r, err := call(s.nameServer, getRoute, map[string]string{"topic": topic, "acceptStandardJsonOnly": "true"}, nil)
		var route struct {
			BrokerDatas []json.RawMessage `json:"brokerDatas"`
		}
		return err == nil && r.Code == 0 && json.Unmarshal(r.Body, &route) == nil && len(route.BrokerDatas) == len(brokers)
	})
}

// queues are a topic's, on all brokers.
func (s *scenario) queues(topic string) []*primitive.MessageQueue {
	a, err := admin.NewAdmin(admin.WithResolver(s.servers()), admin.WithCredentials(user()))
	s.must(err, "new admin")
	defer a.Close()
	qs, err := a.FetchPublishMessageQueues(context.Background(), topic)
	s.must(err, "queues of "+topic)
	return qs
}

func (s *scenario) send(p rocketmq.Producer, m *primitive.Message) *primitive.SendResult {
	r, err := p.SendSync(context.Background(), m)
	s.must(err, "send")
	same(s, r.Status, primitive.SendOK, "status")
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
	c := s.consume(s.group()+"_reader", topic, "*", in)
	s.eventually(40, fmt.Sprintf("%d messages in %s", count, topic), func() bool { return in.size() >= count })
	c.Shutdown()
	all := in.all()
	same(s, len(all), count, "messages in "+topic)
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
			s.fail("%d of %d messages did not come within %d s", missing, len(bodies), seconds)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// awaitExactly also waits a little for one too many.
func (s *scenario) awaitExactly(in *inbox, bodies map[string]bool, seconds int) {
	s.await(in, bodies, seconds)
	time.Sleep(500 * time.Millisecond)
	if got := in.bodies(); !maps.Equal(got, bodies) {
		s.fail("received %v, want %v", slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(bodies)))
	}
	same(s, in.size(), len(bodies), "number of deliveries")
}
