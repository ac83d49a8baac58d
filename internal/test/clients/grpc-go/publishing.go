package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
)

// typeRefused: the client looks at what the route says a topic takes, so the
// server's own check is not reached; see statuses.
func typeRefused(s *scenario) {
	p := s.producer(s.Topic(), s.Topic()+"_DELAY", s.Topic()+"_NORMAL")
	ordered := func(topic string) *rmq.Message {
		m := message(topic, "ordered")
		m.SetMessageGroup("a")
		return m
	}
	for _, m := range []*rmq.Message{message(s.Topic(), "normal"), message(s.Topic()+"_DELAY", "normal"), ordered(s.Topic() + "_NORMAL")} {
		_, err := p.Send(context.Background(), m)
		s.refused(err, 0)
	}
	s.send(p, message(s.Topic()+"_NORMAL", "normal"))
	s.send(p, ordered(s.Topic()))
}

func missingTopic(s *scenario) {
	p := s.producer(s.Topic() + "_NORMAL") // without a topic this client waits for ever
	_, err := p.Send(context.Background(), message(s.Topic(), "x"))
	s.refused(err, 40402)
}

// sendLimited: this machine may send 20 messages a second. A producer that is
// refused waits a little and tries again by itself, so that it takes several at
// once to be refused for good.
func sendLimited(s *scenario) {
	p := s.producer(s.Topic())
	var mu sync.Mutex // guards taken and refusal
	var taken []string
	var refusal error
	var senders sync.WaitGroup
	for sender := range 8 {
		senders.Go(func() {
			for i := range 50 {
				body := fmt.Sprintf("fast-%d-%d", sender, i)
				_, err := p.Send(context.Background(), message(s.Topic(), body))
				mu.Lock()
				if err == nil {
					taken = append(taken, body)
				} else if refusal == nil {
					refusal = err
				}
				done := refusal != nil
				mu.Unlock()
				if done {
					return
				}
			}
		})
	}
	senders.Wait()
	s.refused(refusal, 42900)
	s.Note("%d messages, then %v", len(taken), refusal)
	if !strings.Contains(refusal.Error(), "address 127.0.0.1 may send 20 messages a second") {
		s.Fail("the limit is not named: %v", refusal)
	}
	if len(taken) < 20 {
		s.Fail("refused after %d messages", len(taken))
	}
	for i := range 10 {
		time.Sleep(100 * time.Millisecond)
		body := fmt.Sprint("slow-", i)
		s.send(p, message(s.Topic(), body))
		taken = append(taken, body)
	}
	s.receiveExactly(s.simple(rmq.SUB_ALL), taken)
}
