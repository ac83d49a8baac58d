package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

// What Goddard does beyond RocketMQ. Topics and groups with their attributes
// are made before these run.

// once: a message that is sent again is stored and delivered once.
func once(s *scenario) {
	p := s.producer()
	in := new(inbox)
	s.consume(s.Group(), s.Topic(), "*", in)
	want := map[string]bool{}
	for i := range 20 {
		body := fmt.Sprint("once-", i)
		m := primitive.NewMessage(s.Topic(), []byte(body))
		first := s.send(p, m)
		for range 3 {
			again := s.send(p, m)
			frame.Same(again.MsgID, first.MsgID, "id")
			frame.Same(again.OffsetMsgID, first.OffsetMsgID, "offset id")
			frame.Same(again.QueueOffset, first.QueueOffset, "offset")
		}
		want[body] = true
	}
	s.awaitExactly(in, want, 30)
	s.read(s.Topic(), len(want))
}

func (s *scenario) passes(p rocketmq.Producer, body string) {
	m := primitive.NewMessage(s.Topic(), []byte(body))
	m.WithProperty("QOS", "0")
	r := s.send(p, m)
	frame.Same(r.Status, primitive.SendOK, "status")
	frame.Same(r.QueueOffset, -1, "offset of a message that is not stored")
}

// atMostOnce: such messages beside stored ones; nothing stored is lost or
// repeated, also not by the next consumer of the group.
func atMostOnce(pause time.Duration, opts ...consumer.Option) func(*scenario) {
	return func(s *scenario) {
		s.createTopic(s.Topic(), 2)
		p := s.producer()
		in := new(inbox)
		c := s.consumer(s.Group(), opts...)
		take := func(ctx context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
			time.Sleep(pause)
			return in.take(ctx, msgs...)
		}
		s.Must(c.Subscribe(s.Topic(), consumer.MessageSelector{Type: consumer.TAG, Expression: "*"}, take), "subscribe")
		s.Must(c.Start(), "start consumer")
		want := s.sendMany(p, s.Topic(), "first", 4)
		s.await(in, want, 40)
		time.Sleep(time.Second) // the next pulls are parked
		for i := range 20 {
			body := fmt.Sprint("stored-", i)
			s.send(p, primitive.NewMessage(s.Topic(), []byte(body)))
			want[body] = true
			s.passes(p, fmt.Sprint("passing-", i))
			time.Sleep(100 * time.Millisecond)
		}
		s.await(in, want, 60)
		time.Sleep(6 * time.Second) // offsets are corrected and sent
		passing := 0
		for _, m := range in.all() {
			if strings.HasPrefix(string(m.Body), "passing") {
				passing++
			}
		}
		s.Note("%d of 20 at most once arrived", passing)
		if passing == 0 {
			s.Fail("no message at most once arrived")
		}
		frame.Same(in.size()-passing, len(want), "deliveries of stored messages")
		s.Must(c.Shutdown(), "shutdown")
		second := new(inbox)
		s.consume(s.Group(), s.Topic(), "*", second)
		s.awaitExactly(second, s.sendMany(p, s.Topic(), "more", 4), 40)
		s.read(s.Topic(), len(want)+4)
	}
}

// ratePush: a group with 20 messages a second.
func ratePush(s *scenario) {
	s.createTopic(s.Topic(), 2)
	want := s.sendMany(s.producer(), s.Topic(), "slow", 120)
	in := new(inbox)
	s.consume(s.Group(), s.Topic(), "*", in)
	s.Eventually(30, "the first message", func() bool { return in.size() > 0 })
	from := time.Now()
	s.awaitExactly(in, want, 60)
	took := time.Since(from)
	s.Note("%d messages in %v", len(want), took.Round(100*time.Millisecond))
	if took < 4500*time.Millisecond || took > 12*time.Second {
		s.Fail("120 messages at 20 a second came in %v", took)
	}
}
