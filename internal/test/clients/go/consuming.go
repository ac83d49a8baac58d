package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
)

func ordered(s *scenario) {
	s.createTopic(s.topic(), 4)
	p := s.producer(producer.WithQueueSelector(producer.NewHashQueueSelector()))
	bodies := map[string]bool{}
	for i := range 25 {
		for order := range 8 {
			body := fmt.Sprintf("order%d-%03d", order, i)
			m := primitive.NewMessage(s.topic(), []byte(body))
			m.WithShardingKey(fmt.Sprint("order", order))
			s.send(p, m)
			bodies[body] = true
		}
	}
	in := new(inbox)
	s.consume(s.group(), s.topic(), "*", in, consumer.WithConsumerOrder(true))
	s.await(in, bodies, 60)
	last := map[string]string{}
	seen := map[string]bool{}
	for _, m := range in.all() {
		body := string(m.Body)
		if seen[body] {
			continue
		}
		seen[body] = true
		order, _, _ := strings.Cut(body, "-")
		if body < last[order] {
			s.fail("%s came behind %s", body, last[order])
		}
		last[order] = body
	}
	same(s, len(last), 8, "orders")
}

func (s *scenario) sendTagged(p rocketmq.Producer, tag string, i int) string {
	body := fmt.Sprintf("%s-%d", tag, i)
	s.send(p, primitive.NewMessage(s.topic(), []byte(body)).WithTag(tag))
	return body
}

func tagFilter(s *scenario) {
	s.createTopic(s.topic(), 4)
	p := s.producer()
	want := map[string]bool{}
	for i := range 60 {
		tag := "Tag" + string(rune('A'+i%4))
		if body := s.sendTagged(p, tag, i); i%2 == 0 {
			want[body] = true
		}
	}
	s.sendMany(p, s.topic(), "no tag", 5)
	in := new(inbox)
	s.consume(s.group(), s.topic(), "TagA || TagC", in)
	s.awaitExactly(in, want, 30)
	// A parked pull must let the wrong tag pass and wake for the right one.
	s.sendTagged(p, "TagB", 100)
	want[s.sendTagged(p, "TagA", 101)] = true
	s.awaitExactly(in, want, 10)
}

// tagHashCollision uses two tags with the same hash in Java, which only the
// client can tell apart.
func tagHashCollision(s *scenario) {
	s.createTopic(s.topic(), 2)
	p := s.producer()
	want := map[string]bool{}
	for i := range 20 {
		if i%2 == 0 {
			want[s.sendTagged(p, "Aa", i)] = true
		} else {
			s.sendTagged(p, "BB", i)
		}
	}
	in := new(inbox)
	s.consume(s.group(), s.topic(), "Aa", in)
	s.awaitExactly(in, want, 30)
}

func broadcasting(s *scenario) {
	s.createTopic(s.topic(), 4)
	var inboxes [2]inbox
	for i := range inboxes {
		s.consume(s.group(), s.topic(), "*", &inboxes[i], consumer.WithConsumerModel(consumer.BroadCasting))
	}
	bodies := s.sendMany(s.producer(), s.topic(), "all", 40)
	for i := range inboxes {
		s.awaitExactly(&inboxes[i], bodies, 40)
	}
}

// push is the plainest use of a client. Topic and group are there already.
func push(s *scenario) {
	bodies := s.sendMany(s.producer(), s.topic(), "plain", 10)
	in := new(inbox)
	s.consume(s.group(), s.topic(), "*", in)
	s.awaitExactly(in, bodies, 20)
}

func longPollWakes(s *scenario) {
	s.createTopic(s.topic(), 1)
	p := s.producer()
	in := new(inbox)
	s.consume(s.group(), s.topic(), "*", in)
	s.await(in, s.sendMany(p, s.topic(), "first", 1), 30)
	time.Sleep(1500 * time.Millisecond) // the next pull is parked by now
	var slowest time.Duration
	for i := range 10 {
		from := time.Now()
		s.await(in, s.sendMany(p, s.topic(), fmt.Sprint("wake-", i), 1), 10)
		slowest = max(slowest, time.Since(from))
	}
	s.note("slowest of 10: %v", slowest.Round(time.Millisecond))
	if slowest > 2*time.Second {
		s.fail("a parked consumer got its message after %v", slowest)
	}
}

func resumeWhereLeft(s *scenario) {
	s.createTopic(s.topic(), 4)
	p := s.producer()
	before := s.sendMany(p, s.topic(), "before", 40)
	in := new(inbox)
	c := s.consume(s.group(), s.topic(), "*", in)
	s.awaitExactly(in, before, 30)
	s.must(c.Shutdown(), "shutdown")
	behind := s.sendMany(p, s.topic(), "behind", 40)
	second := new(inbox)
	s.consume(s.group(), s.topic(), "*", second)
	s.awaitExactly(second, behind, 40)
}

func rebalance(s *scenario) {
	s.createTopic(s.topic(), 4)
	p := s.producer()
	var a, b inbox
	s.consume(s.group(), s.topic(), "*", &a)
	s.awaitExactly(&a, s.sendMany(p, s.topic(), "alone", 20), 40)
	a.clear()
	second := s.consume(s.group(), s.topic(), "*", &b)
	// The library tells nobody what it owns: send until both have two queues.
	sent := map[string]bool{}
	round := 0
	settled := func() bool {
		a.clear()
		b.clear()
		round++
		label := fmt.Sprint("round", round)
		bodies := s.sendMany(p, s.topic(), label, 20)
		maps.Copy(sent, bodies)
		s.eventually(60, label, func() bool {
			got := a.bodies()
			maps.Copy(got, b.bodies())
			for body := range bodies {
				if !got[body] {
					return false
				}
			}
			return true
		})
		return queuesOf(&a) == 2 && queuesOf(&b) == 2 && a.size()+b.size() == 20
	}
	s.eventually(60, "two members share the queues evenly", settled)
	same(s, a.size(), 10, "deliveries to one member")
	s.must(second.Shutdown(), "shutdown")
	a.clear()
	s.await(&a, s.sendMany(p, s.topic(), "again", 20), 60)
}

func queuesOf(in *inbox) int {
	queues := map[int]bool{}
	for _, m := range in.all() {
		queues[m.Queue.QueueId] = true
	}
	return len(queues)
}

func retryThenSuccess(s *scenario) {
	s.createTopic(s.topic(), 2)
	in := new(inbox)
	var failures atomic.Int32
	c := s.consumer(s.group())
	s.must(c.Subscribe(s.topic(), consumer.MessageSelector{}, func(ctx context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range msgs {
			if m.ReconsumeTimes == 0 && strings.HasSuffix(string(m.Body), "5") {
				failures.Add(1)
				return consumer.ConsumeRetryLater, nil
			}
		}
		return in.take(ctx, msgs...)
	}), "subscribe")
	s.must(c.Start(), "start")
	s.awaitExactly(in, s.sendMany(s.producer(), s.topic(), "retry", 20), 60)
	same(s, failures.Load(), 2, "failures")
	for _, m := range in.all() {
		want := int32(0)
		if strings.HasSuffix(string(m.Body), "5") {
			want = 1
		}
		same(s, m.ReconsumeTimes, want, "tries before "+string(m.Body))
		same(s, m.Topic, s.topic(), "topic that the listener sees")
	}
}

func retryToDeadLetters(s *scenario) {
	s.createTopic(s.topic(), 1)
	sent := primitive.NewMessage(s.topic(), []byte("poison"))
	sent.WithKeys([]string{"key"})
	sent.WithTag("tag")
	sent.WithProperty("colour", "green")
	r := s.send(s.producer(), sent)
	var mu sync.Mutex // guards tries
	var tries []int32
	c := s.consumer(s.group(), consumer.WithMaxReconsumeTimes(2))
	s.must(c.Subscribe(s.topic(), consumer.MessageSelector{}, func(_ context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		mu.Lock()
		defer mu.Unlock()
		for _, m := range msgs {
			tries = append(tries, m.ReconsumeTimes)
		}
		return consumer.ConsumeRetryLater, nil
	}), "subscribe")
	s.must(c.Start(), "start")
	topic := "%DLQ%" + s.group()
	s.eventually(60, topic+" exists", func() bool {
		a, err := call(s.nameServer, getRoute, map[string]string{"topic": topic}, nil)
		return err == nil && a.Code == 0
	})
	dead := s.read(topic, 1)[0]
	mu.Lock()
	defer mu.Unlock()
	if !slices.Equal(tries, []int32{0, 1, 2}) {
		s.fail("tries %v, want 0 1 2", tries)
	}
	same(s, string(dead.Body), "poison", "body of the dead letter")
	same(s, dead.ReconsumeTimes, 3, "its tries")
	same(s, dead.GetKeys(), "key", "its keys")
	same(s, dead.GetTags(), "tag", "its tag")
	same(s, dead.GetProperty("colour"), "green", "its property")
	same(s, dead.GetProperty("RETRY_TOPIC"), s.topic(), "RETRY_TOPIC")
	same(s, dead.GetProperty("ORIGIN_MESSAGE_ID"), r.OffsetMsgID, "ORIGIN_MESSAGE_ID")
}

func pullConsumer(s *scenario) {
	s.createTopic(s.topic(), 1)
	s.sendMany(s.producer(), s.topic(), "pull", 50)
	c, err := rocketmq.NewPullConsumer(consumer.WithNsResolver(s.servers()), consumer.WithCredentials(user()), consumer.WithGroupName(s.group()),
		consumer.WithInstance(instance()), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	s.must(err, "new pull consumer")
	s.must(c.Subscribe(s.topic(), consumer.MessageSelector{}), "subscribe")
	s.must(c.Start(), "start")
	defer c.Shutdown()
	q := s.queues(s.topic())[0]
	r, err := c.PullFrom(context.Background(), q, 10, 16)
	s.must(err, "pull")
	same(s, r.Status, primitive.PullFound, "status")
	same(s, r.NextBeginOffset, 26, "next offset")
	msgs := r.GetMessageExts()
	same(s, len(msgs), 16, "messages")
	for i, m := range msgs {
		same(s, string(m.Body), fmt.Sprintf("pull-%04d", 10+i), "body")
		same(s, m.QueueOffset, int64(10+i), "offset")
	}
	got := map[string]bool{}
	for end := time.Now().Add(40 * time.Second); len(got) < 50 && time.Now().Before(end); {
		cr, err := c.Poll(context.Background(), time.Second)
		if err != nil {
			continue
		}
		for _, m := range cr.GetMsgList() {
			got[string(m.Body)] = true
		}
		c.ACK(context.Background(), cr, consumer.ConsumeSuccess)
	}
	same(s, len(got), 50, "messages polled")
}

// from starts a broadcasting consumer, which keeps its offsets itself, between
// messages: a new group of a young topic gets everything whatever it asks for.
func (s *scenario) from(where consumer.ConsumeFromWhere) (early, late, next map[string]bool, in *inbox) {
	s.createTopic(s.topic(), 2)
	p := s.producer()
	early = s.sendMany(p, s.topic(), "early", 10)
	time.Sleep(2100 * time.Millisecond) // the consumer's moment is a whole second
	moment := time.Now().Format("20060102150405")
	time.Sleep(100 * time.Millisecond)
	late = s.sendMany(p, s.topic(), "late", 10)
	in = new(inbox)
	s.consume(s.group(), s.topic(), "*", in, consumer.WithConsumerModel(consumer.BroadCasting),
		consumer.WithConsumeFromWhere(where), consumer.WithConsumeTimestamp(moment))
	time.Sleep(3 * time.Second) // it does not say when it has its queues
	return early, late, s.sendMany(p, s.topic(), "next", 10), in
}

func consumeFromFirst(s *scenario) {
	early, late, next, in := s.from(consumer.ConsumeFromFirstOffset)
	maps.Copy(next, early)
	maps.Copy(next, late)
	s.awaitExactly(in, next, 30)
}

func consumeFromLast(s *scenario) {
	_, _, next, in := s.from(consumer.ConsumeFromLastOffset)
	s.awaitExactly(in, next, 30)
}

func consumeFromTimestamp(s *scenario) {
	_, late, next, in := s.from(consumer.ConsumeFromTimestamp)
	maps.Copy(next, late)
	s.awaitExactly(in, next, 30)
}

func offsetReset(s *scenario) {
	s.createTopic(s.topic(), 2)
	p := s.producer()
	in := new(inbox)
	s.consume(s.group(), s.topic(), "*", in)
	early := s.sendMany(p, s.topic(), "early", 20)
	s.awaitExactly(in, early, 40)
	time.Sleep(200 * time.Millisecond)
	moment := time.Now()
	time.Sleep(200 * time.Millisecond)
	late := s.sendMany(p, s.topic(), "late", 20)
	s.await(in, late, 30)
	time.Sleep(6 * time.Second) // until the offsets are committed
	in.clear()
	s.reset(s.topic(), s.group(), moment)
	from := time.Now()
	s.await(in, late, 60)
	s.note("late messages again after %v", time.Since(from).Round(time.Millisecond))
	s.await(in, s.sendMany(p, s.topic(), "next", 10), 30)
	for body := range in.bodies() {
		if early[body] {
			s.fail("%s came again, from before the moment", body)
		}
	}
}

func restartUnderLoad(s *scenario) {
	s.createTopic(s.topic(), 4)
	in := new(inbox)
	s.consume(s.group(), s.topic(), "*", in)
	p := s.producer()
	var mu sync.Mutex // guards acked and failures
	acked := map[string]bool{}
	failures := 0
	count := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(acked)
	}
	var stop atomic.Bool
	var sender sync.WaitGroup
	sender.Go(func() {
		for i := 0; !stop.Load(); i++ {
			body := fmt.Sprintf("load-%06d", i)
			r, err := p.SendSync(context.Background(), primitive.NewMessage(s.topic(), []byte(body)))
			mu.Lock()
			if err == nil && r.Status == primitive.SendOK {
				acked[body] = true
			} else {
				failures++
			}
			mu.Unlock()
			time.Sleep(time.Millisecond)
		}
	})
	s.eventually(30, "500 messages acknowledged", func() bool { return count() > 500 })
	s.ask("restart", 3*time.Minute)
	before := count()
	s.eventually(60, "500 more acknowledged by the restarted broker", func() bool { return count() > before+500 })
	stop.Store(true)
	sender.Wait()
	s.await(in, acked, 60)
	s.note("%d acknowledged, %d sends failed, %d delivered again", len(acked), failures, in.size()-len(in.bodies()))
}

func mixedCluster(s *scenario) {
	same(s, len(s.brokers()), 2, "brokers in the cluster")
	s.createTopic(s.topic(), 4)
	p := s.producer()
	in := new(inbox)
	s.consume(s.group(), s.topic(), "*", in)
	sent := map[string]int{}
	bodies := map[string]bool{}
	for i := range 80 {
		body := fmt.Sprintf("mixed-%02d", i)
		sent[s.send(p, primitive.NewMessage(s.topic(), []byte(body))).MessageQueue.BrokerName]++
		bodies[body] = true
	}
	same(s, len(sent), 2, "brokers that took messages")
	s.awaitExactly(in, bodies, 40)
	s.note("%v", sent)
}
