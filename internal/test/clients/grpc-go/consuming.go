package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
)

func sendReceiveAck(s *scenario) {
	p := s.producer(s.topic())
	ids := map[string]string{}
	var bodies []string
	for i := range 10 {
		m := message(s.topic(), fmt.Sprint("body-", i))
		m.SetTag("tag")
		m.SetKeys(fmt.Sprint("key-", i), "all")
		m.AddProperty("colour", "green")
		ids[string(m.Body)] = s.send(p, m).MessageID
		bodies = append(bodies, string(m.Body))
	}
	c := s.simple(rmq.SUB_ALL)
	for _, m := range s.receiveExactly(c, bodies) {
		body := string(m.GetBody())
		same(m.GetMessageId(), ids[body], "id of "+body)
		same(m.GetTopic(), s.topic(), "topic")
		same(*m.GetTag(), "tag", "tag")
		sameAll(slices.Sorted(slices.Values(m.GetKeys())), []string{"all", "key-" + body[5:]}, "keys")
		same(m.GetProperties()["colour"], "green", "property")
		same(m.GetDeliveryAttempt(), 1, "delivery attempt")
		if age := time.Since(*m.GetBornTimestamp()).Abs(); age > time.Minute {
			s.fail("born %v ago", age)
		}
	}
	sameAll(bodiesOf(s.receive(c, 16, invisible)), []string{}, "what came after it was acknowledged")
}

// changeInvisible takes a message out of sight for shorter and for longer.
func changeInvisible(s *scenario) {
	p := s.producer(s.topic())
	c := s.simple(rmq.SUB_ALL)
	s.send(p, message(s.topic(), "again"))
	m := s.one(c, 30*time.Second)
	same(m.GetDeliveryAttempt(), 1, "first delivery attempt")
	from := time.Now()
	s.must(c.ChangeInvisibleDuration(m, time.Second), "change invisible duration")
	again := s.one(c, invisible)
	s.note("hidden for 1 s, again after %v", time.Since(from).Round(time.Millisecond))
	same(again.GetMessageId(), m.GetMessageId(), "id")
	same(again.GetDeliveryAttempt(), 2, "second delivery attempt")
	s.must(c.ChangeInvisibleDuration(again, 40*time.Second), "change invisible duration")
	sameAll(bodiesOf(s.receive(c, 16, invisible)), []string{}, "what came while it was out of sight")
	s.must(c.Ack(context.Background(), again), "acknowledge")
}

func simpleDeadLetter(s *scenario) {
	s.send(s.producer(s.topic()), message(s.topic(), "poison"))
	c := s.simple(rmq.SUB_ALL)
	for attempt := range int32(2) {
		m := s.one(c, invisible)
		same(m.GetDeliveryAttempt(), attempt+1, "delivery attempt")
		s.must(c.ChangeInvisibleDuration(m, time.Second), "change invisible duration")
	}
	sameAll(bodiesOf(s.receive(c, 1, invisible)), []string{}, "what came after the last attempt")
	s.ask("look")
}

// receiptAfterRestart acknowledges what it received from a server that was
// killed since; another message in hand comes again when its time is up.
func receiptAfterRestart(s *scenario) {
	p := s.producer(s.topic())
	bodies := s.sendMany(p, "before", 2)
	c := s.simple(rmq.SUB_ALL)
	hand := map[string]*rmq.MessageView{}
	s.eventually(20, "both come", func() bool {
		for _, m := range s.receive(c, 16, 30*time.Second) {
			hand[string(m.GetBody())] = m
		}
		return len(hand) == 2
	})
	s.ask("restart")
	s.eventually(30, "the receipt is taken", func() bool { return c.Ack(context.Background(), hand[bodies[0]]) == nil })
	s.eventually(30, "a message is accepted", func() bool {
		_, err := p.Send(context.Background(), message(s.topic(), "behind"))
		return err == nil
	})
	got := map[string]int32{}
	var failure error
	defer func() {
		if failure != nil {
			s.note("the last receive that failed: %v", failure)
		}
	}()
	s.eventually(45, "the other one comes again", func() bool {
		some, err := c.Receive(context.Background(), 16, invisible)
		if err != nil {
			failure = err // until the server knows the client again
		}
		for _, m := range some {
			got[string(m.GetBody())] = m.GetDeliveryAttempt()
			s.must(c.Ack(context.Background(), m), "acknowledge")
		}
		return got[bodies[1]] != 0 && got["behind"] != 0
	})
	same(got[bodies[0]], 0, "delivery attempt of what was acknowledged")
	same(got[bodies[1]], 2, "delivery attempt of the other one")
}

// longPollWakes lets a receive wait, which must return as soon as a message is
// there.
func longPollWakes(s *scenario) {
	p := s.producer(s.topic())
	c := s.simple(rmq.SUB_ALL)
	var slowest time.Duration
	for i := range 5 {
		type answer struct {
			got []*rmq.MessageView
			err error
		}
		waiting := make(chan answer, 1)
		go func() {
			got, err := c.Receive(context.Background(), 1, invisible)
			waiting <- answer{got, err}
		}()
		time.Sleep(700 * time.Millisecond) // until it waits
		select {
		case a := <-waiting:
			s.fail("did not wait: %v, %v", bodiesOf(a.got), a.err)
		default:
		}
		from := time.Now()
		body := fmt.Sprint("wake-", i)
		s.send(p, message(s.topic(), body))
		a := <-waiting
		slowest = max(slowest, time.Since(from))
		s.must(a.err, "receive")
		sameAll(bodiesOf(a.got), []string{body}, "what woke it")
		s.must(c.Ack(context.Background(), a.got[0]), "acknowledge")
	}
	s.note("slowest of 5: %v", slowest.Round(time.Millisecond))
	if slowest > 4*time.Second {
		s.fail("a waiting consumer got its message after %v", slowest)
	}
}

func tagFilter(s *scenario) {
	p := s.producer(s.topic())
	var want []string
	for i := range 16 {
		tag := "Tag" + string(rune('A'+i%4))
		m := message(s.topic(), fmt.Sprint(tag, "-", i))
		m.SetTag(tag)
		s.send(p, m)
		if i%2 == 0 {
			want = append(want, string(m.Body))
		}
	}
	s.receiveExactly(s.simple(rmq.NewFilterExpression("TagA || TagC")), want)
}

func sqlFilter(s *scenario) {
	p := s.producer(s.topic())
	var want []string
	for i := range 20 {
		m := message(s.topic(), fmt.Sprint("number-", i))
		m.AddProperty("n", fmt.Sprint(i))
		m.AddProperty("colour", []string{"red", "blue"}[i%2])
		s.send(p, m)
		if i >= 10 && i%2 == 0 {
			want = append(want, string(m.Body))
		}
	}
	s.receiveExactly(s.simple(rmq.NewFilterExpressionWithType("n >= 10 AND colour = 'red'", rmq.SQL92)), want)
}

func push(s *scenario) {
	in := new(inbox)
	p := s.producer(s.topic())
	bodies := s.sendMany(p, "early", 10)
	s.push(in.take)
	bodies = append(bodies, s.sendMany(p, "late", 10)...)
	s.awaitExactly(in, bodies, 30)
}

// sendGroups sends bodies such as a-0001 in message groups named as their first
// letter.
func (s *scenario) sendGroups(groups string, each int) []string {
	p := s.producer(s.topic())
	var bodies []string
	for i := range each {
		for _, group := range groups {
			m := message(s.topic(), fmt.Sprintf("%c-%04d", group, i))
			m.SetMessageGroup(string(group))
			s.send(p, m)
			bodies = append(bodies, string(m.Body))
		}
	}
	return bodies
}

func fifo(s *scenario) {
	bodies := s.sendGroups("abc", 8)
	in := new(inbox)
	s.push(in.take)
	s.awaitExactly(in, bodies, 60)
	s.inOrder(in.all())
	for _, m := range in.all() {
		same(*m.GetMessageGroup(), string(m.GetBody()[:1]), "message group")
	}
}

// fifoDeadLetter sets aside what cannot be consumed after two attempts, and
// what is behind it comes in order.
func fifoDeadLetter(s *scenario) {
	const poison = "a-0000"
	bodies := s.sendGroups("ab", 3)
	var bad, in inbox
	s.push(func(m *rmq.MessageView) rmq.ConsumerResult {
		if string(m.GetBody()) == poison {
			bad.take(m)
			return rmq.FAILURE
		}
		return in.take(m)
	})
	s.awaitExactly(&in, slices.DeleteFunc(bodies, func(b string) bool { return b == poison }), 60)
	s.inOrder(in.all())
	// This client goes on with what is behind before it tries again.
	s.eventually(20, "two attempts", func() bool { return len(bad.all()) >= 2 })
	s.ask("look")
	same(len(bad.all()), 2, "attempts")
}

// fifoOneGroupFails gives a message back again and again until all other message
// groups are done.
func fifoOneGroupFails(s *scenario) {
	const poison, atLeast, atMost = "a-0000", 3, 20
	bodies := s.sendGroups("abcdefghij", 5)
	c := s.simple(rmq.SUB_ALL)
	var done []*rmq.MessageView
	failed := 0
	for len(done) < len(bodies) {
		enough := failed >= atLeast && len(done) >= len(bodies)-5
		for _, m := range s.receive(c, 4, invisible) {
			body := string(m.GetBody())
			switch {
			case body[0] != 'a' || enough:
				s.must(c.Ack(context.Background(), m), "acknowledge")
				done = append(done, m)
			case body == poison && failed == atMost:
				s.fail("gave %s back %d times, and of the others got only %v", poison, failed, bodiesOf(done))
			case body == poison:
				failed++
				fallthrough
			default:
				s.must(c.ChangeInvisibleDuration(m, time.Second), "change invisible duration")
			}
		}
	}
	s.note("gave %s back %d times", poison, failed)
	sameAll(bodiesOf(done), slices.Sorted(slices.Values(bodies)), "received bodies")
	s.inOrder(done)
}

func retryToDeadLetter(s *scenario) {
	s.send(s.producer(s.topic()), message(s.topic(), "poison"))
	var bad inbox
	s.push(func(m *rmq.MessageView) rmq.ConsumerResult {
		bad.take(m)
		return rmq.FAILURE
	})
	s.eventually(60, "three attempts", func() bool { return len(bad.all()) >= 3 })
	s.ask("look")
	var attempts []int32
	for _, m := range bad.all() {
		attempts = append(attempts, m.GetDeliveryAttempt())
	}
	sameAll(attempts, []int32{1, 2, 3}, "delivery attempts")
}

// refused fails unless the error is there and, if the server was asked, has
// this status.
func (s *scenario) refused(err error, code int32) {
	if err == nil {
		s.fail("was accepted, want refusal %d", code)
	}
	var status *rmq.ErrRpcStatus
	if code != 0 && (!errors.As(err, &status) || status.Code != code) {
		s.fail("%v, want %d", err, code)
	}
}
