package main

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

func (s *scenario) sendTagged(p rocketmq.Producer, tag string, i int) string {
	body := fmt.Sprintf("%s-%d", tag, i)
	s.send(p, primitive.NewMessage(s.Topic(), []byte(body)).WithTag(tag))
	return body
}

// tagHashCollision uses two tags with the same hash in Java, which only the
// client can tell apart.
func tagHashCollision(s *scenario) {
	s.createTopic(s.Topic(), 2)
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
	s.consume(s.Group(), s.Topic(), "Aa", in)
	s.awaitExactly(in, want, 30)
}

func broadcasting(s *scenario) {
	s.createTopic(s.Topic(), 4)
	var inboxes [2]inbox
	for i := range inboxes {
		s.consume(s.Group(), s.Topic(), "*", &inboxes[i], consumer.WithConsumerModel(consumer.BroadCasting))
	}
	bodies := s.sendMany(s.producer(), s.Topic(), "all", 40)
	for i := range inboxes {
		s.awaitExactly(&inboxes[i], bodies, 40)
	}
}

func longPollWakes(s *scenario) {
	s.createTopic(s.Topic(), 1)
	p := s.producer()
	in := new(inbox)
	s.consume(s.Group(), s.Topic(), "*", in)
	s.await(in, s.sendMany(p, s.Topic(), "first", 1), 30)
	time.Sleep(1500 * time.Millisecond) // the next pull is parked by now
	var slowest time.Duration
	for i := range 10 {
		from := time.Now()
		s.await(in, s.sendMany(p, s.Topic(), fmt.Sprint("wake-", i), 1), 10)
		slowest = max(slowest, time.Since(from))
	}
	s.Note("slowest of 10: %v", slowest.Round(time.Millisecond))
	if slowest > 2*time.Second {
		s.Fail("a parked consumer got its message after %v", slowest)
	}
}

func resumeWhereLeft(s *scenario) {
	s.createTopic(s.Topic(), 4)
	p := s.producer()
	before := s.sendMany(p, s.Topic(), "before", 40)
	in := new(inbox)
	c := s.consume(s.Group(), s.Topic(), "*", in)
	s.awaitExactly(in, before, 30)
	s.Must(c.Shutdown(), "shutdown")
	behind := s.sendMany(p, s.Topic(), "behind", 40)
	second := new(inbox)
	s.consume(s.Group(), s.Topic(), "*", second)
	s.awaitExactly(second, behind, 40)
}

func rebalance(s *scenario) {
	s.createTopic(s.Topic(), 4)
	p := s.producer()
	var a, b inbox
	s.consume(s.Group(), s.Topic(), "*", &a)
	s.awaitExactly(&a, s.sendMany(p, s.Topic(), "alone", 20), 40)
	a.clear()
	second := s.consume(s.Group(), s.Topic(), "*", &b)
	// The library tells nobody what it owns: send until both have two queues.
	sent := map[string]bool{}
	round := 0
	settled := func() bool {
		a.clear()
		b.clear()
		round++
		label := fmt.Sprint("round", round)
		bodies := s.sendMany(p, s.Topic(), label, 20)
		maps.Copy(sent, bodies)
		s.Eventually(60, label, func() bool {
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
	s.Eventually(60, "two members share the queues evenly", settled)
	frame.Same(a.size(), 10, "deliveries to one member")
	s.Must(second.Shutdown(), "shutdown")
	a.clear()
	s.await(&a, s.sendMany(p, s.Topic(), "again", 20), 60)
}

func queuesOf(in *inbox) int {
	queues := map[int]bool{}
	for _, m := range in.all() {
		queues[m.Queue.QueueId] = true
	}
	return len(queues)
}

func retryThenSuccess(s *scenario) {
	s.createTopic(s.Topic(), 2)
	in := new(inbox)
	var failures atomic.Int32
	c := s.consumer(s.Group())
	s.Must(c.Subscribe(s.Topic(), consumer.MessageSelector{}, func(ctx context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range msgs {
			if m.ReconsumeTimes == 0 && strings.HasSuffix(string(m.Body), "5") {
				failures.Add(1)
				return consumer.ConsumeRetryLater, nil
			}
		}
		return in.take(ctx, msgs...)
	}), "subscribe")
	s.Must(c.Start(), "start")
	s.awaitExactly(in, s.sendMany(s.producer(), s.Topic(), "retry", 20), 60)
	frame.Same(failures.Load(), 2, "failures")
	for _, m := range in.all() {
		want := int32(0)
		if strings.HasSuffix(string(m.Body), "5") {
			want = 1
		}
		frame.Same(m.ReconsumeTimes, want, "tries before "+string(m.Body))
		frame.Same(m.Topic, s.Topic(), "topic that the listener sees")
	}
}

func retryToDeadLetters(s *scenario) {
	s.createTopic(s.Topic(), 1)
	sent := frame.ToDeadLetters(s.Scenario, &transport{scenario: s})
	topic := "%DLQ%" + s.Group()
	s.Eventually(60, topic+" exists", func() bool {
		a, err := call(s.Server, getRoute, map[string]string{"topic": topic}, nil)
		return err == nil && a.Code == 0
	})
	dead := s.read(topic, 1)[0]
	frame.Same(string(dead.Body), "poison", "body of the dead letter")
	frame.Same(dead.ReconsumeTimes, 3, "its tries")
	frame.Same(dead.GetTags(), "tag", "its tag")
	frame.Same(dead.GetProperty("colour"), "green", "its property")
	frame.Same(dead.GetProperty("RETRY_TOPIC"), s.Topic(), "RETRY_TOPIC")
	frame.Same(dead.MsgId, sent.ID, "its id")
	frame.Same(len(dead.GetProperty("ORIGIN_MESSAGE_ID")), 32, "length of ORIGIN_MESSAGE_ID")
}

func pullConsumer(s *scenario) {
	s.createTopic(s.Topic(), 1)
	s.sendMany(s.producer(), s.Topic(), "pull", 50)
	c, err := rocketmq.NewPullConsumer(consumer.WithNsResolver(s.servers()), consumer.WithCredentials(user()), consumer.WithGroupName(s.Group()),
		consumer.WithInstance(instance()), consumer.WithConsumeFromWhere(consumer.ConsumeFromFirstOffset))
	s.Must(err, "new pull consumer")
	s.Must(c.Subscribe(s.Topic(), consumer.MessageSelector{}), "subscribe")
	s.Must(c.Start(), "start")
	defer c.Shutdown()
	q := s.queues(s.Topic())[0]
	r, err := c.PullFrom(context.Background(), q, 10, 16)
	s.Must(err, "pull")
	frame.Same(r.Status, primitive.PullFound, "status")
	frame.Same(r.NextBeginOffset, 26, "next offset")
	msgs := r.GetMessageExts()
	frame.Same(len(msgs), 16, "messages")
	for i, m := range msgs {
		frame.Same(string(m.Body), fmt.Sprintf("pull-%04d", 10+i), "body")
		frame.Same(m.QueueOffset, int64(10+i), "offset")
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
	frame.Same(len(got), 50, "messages polled")
}

// from starts a broadcasting consumer, which keeps its offsets itself, between
// messages: a new group of a young topic gets everything whatever it asks for.
func (s *scenario) from(where consumer.ConsumeFromWhere) (early, late, next map[string]bool, in *inbox) {
	s.createTopic(s.Topic(), 2)
	p := s.producer()
	early = s.sendMany(p, s.Topic(), "early", 10)
	time.Sleep(2100 * time.Millisecond) // the consumer's moment is a whole second
	moment := time.Now().Format("20060102150405")
	time.Sleep(100 * time.Millisecond)
	late = s.sendMany(p, s.Topic(), "late", 10)
	in = new(inbox)
	s.consume(s.Group(), s.Topic(), "*", in, consumer.WithConsumerModel(consumer.BroadCasting),
		consumer.WithConsumeFromWhere(where), consumer.WithConsumeTimestamp(moment))
	time.Sleep(3 * time.Second) // it does not say when it has its queues
	return early, late, s.sendMany(p, s.Topic(), "next", 10), in
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
	s.createTopic(s.Topic(), 2)
	p := s.producer()
	in := new(inbox)
	s.consume(s.Group(), s.Topic(), "*", in)
	early := s.sendMany(p, s.Topic(), "early", 20)
	s.awaitExactly(in, early, 40)
	time.Sleep(200 * time.Millisecond)
	moment := time.Now()
	time.Sleep(200 * time.Millisecond)
	late := s.sendMany(p, s.Topic(), "late", 20)
	s.await(in, late, 30)
	time.Sleep(6 * time.Second) // until the offsets are committed
	in.clear()
	s.reset(s.Topic(), s.Group(), moment)
	from := time.Now()
	s.await(in, late, 60)
	s.Note("late messages again after %v", time.Since(from).Round(time.Millisecond))
	s.await(in, s.sendMany(p, s.Topic(), "next", 10), 30)
	for body := range in.bodies() {
		if early[body] {
			s.Fail("%s came again, from before the moment", body)
		}
	}
}

func restartUnderLoad(s *scenario) {
	s.createTopic(s.Topic(), 4)
	in := new(inbox)
	s.consume(s.Group(), s.Topic(), "*", in)
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
			r, err := p.SendSync(context.Background(), primitive.NewMessage(s.Topic(), []byte(body)))
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
	s.Eventually(30, "500 messages acknowledged", func() bool { return count() > 500 })
	s.Ask("restart")
	before := count()
	s.Eventually(60, "500 more acknowledged by the restarted broker", func() bool { return count() > before+500 })
	stop.Store(true)
	sender.Wait()
	s.await(in, acked, 60)
	s.Note("%d acknowledged, %d sends failed, %d delivered again", len(acked), failures, in.size()-len(in.bodies()))
}

func mixedCluster(s *scenario) {
	frame.Same(len(s.brokers()), 2, "brokers in the cluster")
	s.createTopic(s.Topic(), 4)
	p := s.producer()
	in := new(inbox)
	s.consume(s.Group(), s.Topic(), "*", in)
	sent := map[string]int{}
	bodies := map[string]bool{}
	for i := range 80 {
		body := fmt.Sprintf("mixed-%02d", i)
		sent[s.send(p, primitive.NewMessage(s.Topic(), []byte(body))).MessageQueue.BrokerName]++
		bodies[body] = true
	}
	frame.Same(len(sent), 2, "brokers that took messages")
	s.awaitExactly(in, bodies, 40)
	s.Note("%v", sent)
}
