package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

func sendReceiveAck(s *scenario) {
	p := s.producer(s.Topic())
	ids := map[string]string{}
	var bodies []string
	for i := range 10 {
		m := message(s.Topic(), fmt.Sprint("body-", i))
		m.SetTag("tag")
		m.SetKeys(fmt.Sprint("key-", i), "all")
		m.AddProperty("colour", "green")
		ids[string(m.Body)] = s.send(p, m).MessageID
		bodies = append(bodies, string(m.Body))
	}
	c := s.simple(rmq.SUB_ALL)
	for _, m := range s.receiveExactly(c, bodies) {
		body := string(m.GetBody())
		frame.Same(m.GetMessageId(), ids[body], "id of "+body)
		frame.Same(m.GetTopic(), s.Topic(), "topic")
		frame.Same(*m.GetTag(), "tag", "tag")
		frame.SameAll(slices.Sorted(slices.Values(m.GetKeys())), []string{"all", "key-" + body[5:]}, "keys")
		frame.Same(m.GetProperties()["colour"], "green", "property")
		frame.Same(m.GetDeliveryAttempt(), 1, "delivery attempt")
		if age := time.Since(*m.GetBornTimestamp()).Abs(); age > time.Minute {
			s.Fail("born %v ago", age)
		}
	}
	s.nothing(c, "what came after it was acknowledged")
}

// changeInvisible takes a message out of sight for shorter and for longer.
func changeInvisible(s *scenario) {
	p := s.producer(s.Topic())
	c := s.simple(rmq.SUB_ALL)
	s.send(p, message(s.Topic(), "again"))
	m := s.one(c, 30*time.Second)
	frame.Same(m.GetDeliveryAttempt(), 1, "first delivery attempt")
	from := time.Now()
	s.Must(c.ChangeInvisibleDuration(m, time.Second), "change invisible duration")
	again := s.one(c, invisible)
	s.Note("hidden for 1 s, again after %v", time.Since(from).Round(time.Millisecond))
	frame.Same(again.GetMessageId(), m.GetMessageId(), "id")
	frame.Same(again.GetDeliveryAttempt(), 2, "second delivery attempt")
	s.Must(c.ChangeInvisibleDuration(again, 40*time.Second), "change invisible duration")
	s.nothing(c, "what came while it was out of sight")
	s.Must(c.Ack(context.Background(), again), "acknowledge")
}

func simpleDeadLetter(s *scenario) {
	s.send(s.producer(s.Topic()), message(s.Topic(), "poison"))
	c := s.simple(rmq.SUB_ALL)
	for attempt := range int32(2) {
		m := s.one(c, invisible)
		frame.Same(m.GetDeliveryAttempt(), attempt+1, "delivery attempt")
		s.Must(c.ChangeInvisibleDuration(m, time.Second), "change invisible duration")
	}
	s.nothing(c, "what came after the last attempt")
	s.Ask("look")
}

// receiptAfterRestart acknowledges what it received from a server that was
// killed since; another message in hand comes again when its time is up.
func receiptAfterRestart(s *scenario) {
	p := s.producer(s.Topic())
	bodies := s.sendMany(p, "before", 2)
	c := s.simple(rmq.SUB_ALL)
	hand := map[string]*rmq.MessageView{}
	s.Eventually(20, "both come", func() bool {
		for _, m := range s.receive(c, 16, 30*time.Second) {
			hand[string(m.GetBody())] = m
		}
		return len(hand) == 2
	})
	s.Ask("restart")
	s.Eventually(30, "the receipt is taken", func() bool { return c.Ack(context.Background(), hand[bodies[0]]) == nil })
	s.Eventually(30, "a message is accepted", func() bool {
		_, err := p.Send(context.Background(), message(s.Topic(), "behind"))
		return err == nil
	})
	got := map[string]int32{}
	var failure error
	defer func() {
		if failure != nil {
			s.Note("the last receive that failed: %v", failure)
		}
	}()
	s.Eventually(45, "the other one comes again", func() bool {
		some, err := c.Receive(context.Background(), 16, invisible)
		if err != nil {
			failure = err // until the server knows the client again
		}
		for _, m := range some {
			got[string(m.GetBody())] = m.GetDeliveryAttempt()
			s.Must(c.Ack(context.Background(), m), "acknowledge")
		}
		return got[bodies[1]] != 0 && got["behind"] != 0
	})
	frame.Same(got[bodies[0]], 0, "delivery attempt of what was acknowledged")
	frame.Same(got[bodies[1]], 2, "delivery attempt of the other one")
}

// longPollWakes lets a receive wait, which must return as soon as a message is
// there.
func longPollWakes(s *scenario) {
	p := s.producer(s.Topic())
	c := s.simpleFor(rmq.SUB_ALL, 15*time.Second)
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
			s.Fail("did not wait: %v, %v", bodiesOf(a.got), a.err)
		default:
		}
		from := time.Now()
		body := fmt.Sprint("wake-", i)
		s.send(p, message(s.Topic(), body))
		a := <-waiting
		slowest = max(slowest, time.Since(from))
		s.Must(a.err, "receive")
		frame.SameAll(bodiesOf(a.got), []string{body}, "what woke it")
		s.Must(c.Ack(context.Background(), a.got[0]), "acknowledge")
	}
	s.Note("slowest of 5: %v", slowest.Round(time.Millisecond))
	if slowest > 4*time.Second {
		s.Fail("a waiting consumer got its message after %v", slowest)
	}
}

// fifoOneGroupFails gives a message back again and again until all other message
// groups are done.
func fifoOneGroupFails(s *scenario) {
	const poison, atLeast, atMost = "a-0000", 3, 20
	bodies := frame.SendOrders(&transport{scenario: s}, "abcdefghij", 5)
	c := s.simple(rmq.SUB_ALL)
	var done []string
	failed := 0
	for len(done) < len(bodies) {
		enough := failed >= atLeast && len(done) >= len(bodies)-5
		for _, m := range s.receive(c, 4, invisible) {
			body := string(m.GetBody())
			switch {
			case body[0] != 'a' || enough:
				s.Must(c.Ack(context.Background(), m), "acknowledge")
				done = append(done, body)
			case body == poison && failed == atMost:
				s.Fail("gave %s back %d times, and of the others got only %v", poison, failed, done)
			case body == poison:
				failed++
				fallthrough
			default:
				s.Must(c.ChangeInvisibleDuration(m, time.Second), "change invisible duration")
			}
		}
	}
	s.Note("gave %s back %d times", poison, failed)
	frame.SameAll(slices.Sorted(slices.Values(done)), slices.Sorted(slices.Values(bodies)), "received bodies")
	s.InOrder(done)
}

func retryToDeadLetter(s *scenario) {
	frame.ToDeadLetters(s.Scenario, &transport{scenario: s})
	s.Ask("look")
}

// refused fails unless the error is there and, if the server was asked, has
// this status.
func (s *scenario) refused(err error, code int32) {
	if err == nil {
		s.Fail("was accepted, want refusal %d", code)
	}
	var status *rmq.ErrRpcStatus
	if code != 0 && (!errors.As(err, &status) || status.Code != code) {
		s.Fail("%v, want %d", err, code)
	}
}
