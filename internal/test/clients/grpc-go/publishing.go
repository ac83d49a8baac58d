package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	rmq "github.com/apache/rocketmq-clients/golang/v5"
)

// delay: the original counts in seconds and may be one early or some late.
func delay(s *scenario) {
	var mu sync.Mutex // guards came
	came := map[string]time.Time{}
	in := new(inbox)
	s.push(func(m *rmq.MessageView) rmq.ConsumerResult {
		mu.Lock()
		defer mu.Unlock()
		came[string(m.GetBody())] = time.Now()
		return in.take(m)
	})
	p := s.producer(s.topic())
	now := time.Now()
	due := map[string]time.Time{"after-6": now.Add(6 * time.Second), "after-3": now.Add(3 * time.Second)}
	for body, at := range due {
		m := message(s.topic(), body)
		m.SetDelayTimestamp(at)
		s.send(p, m)
	}
	s.awaitExactly(in, []string{"after-3", "after-6"}, 40)
	mu.Lock()
	defer mu.Unlock()
	for body, at := range due {
		late := came[body].Sub(at)
		s.note("%s came %v behind its time", body, late.Round(time.Millisecond))
		if late < -1100*time.Millisecond || late > 6*time.Second {
			s.fail("%s came %v behind its time", body, late)
		}
	}
}

func transaction(s *scenario) {
	p := s.transactionProducer(func(*rmq.MessageView) rmq.TransactionResolution { return rmq.UNKNOWN })
	in := new(inbox)
	s.push(in.take)
	yes, no := p.BeginTransaction(), p.BeginTransaction()
	sent, err := p.SendWithTransaction(context.Background(), message(s.topic(), "yes"), yes)
	s.must(err, "send")
	_, err = p.SendWithTransaction(context.Background(), message(s.topic(), "no"), no)
	s.must(err, "send")
	time.Sleep(500 * time.Millisecond)
	same(len(in.all()), 0, "messages before the commit")
	s.must(yes.Commit(), "commit")
	s.must(no.RollBack(), "roll back")
	s.awaitExactly(in, []string{"yes"}, 30)
	same(in.all()[0].GetMessageId(), sent[0].MessageID, "id")
}

// transactionCheck leaves transactions open, and is asked for them.
func transactionCheck(s *scenario) {
	var mu sync.Mutex // guards asked
	asked := map[string]bool{}
	p := s.transactionProducer(func(m *rmq.MessageView) rmq.TransactionResolution {
		mu.Lock()
		defer mu.Unlock()
		body := string(m.GetBody())
		asked[body] = true
		if body == "yes" {
			return rmq.COMMIT
		}
		return rmq.ROLLBACK
	})
	in := new(inbox)
	s.push(in.take)
	for _, body := range []string{"yes", "no"} {
		_, err := p.SendWithTransaction(context.Background(), message(s.topic(), body), p.BeginTransaction())
		s.must(err, "send")
	}
	s.eventually(40, "both are asked for", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return fmt.Sprint(asked) == "map[no:true yes:true]"
	})
	s.awaitExactly(in, []string{"yes"}, 20)
}

// typeRefused: the client looks at what the route says a topic takes, so the
// server's own check is not reached; see statuses.
func typeRefused(s *scenario) {
	p := s.producer(s.topic(), s.topic()+"_DELAY", s.topic()+"_NORMAL")
	ordered := func(topic string) *rmq.Message {
		m := message(topic, "ordered")
		m.SetMessageGroup("a")
		return m
	}
	for _, m := range []*rmq.Message{message(s.topic(), "normal"), message(s.topic()+"_DELAY", "normal"), ordered(s.topic() + "_NORMAL")} {
		_, err := p.Send(context.Background(), m)
		s.refused(err, 0)
	}
	s.send(p, message(s.topic()+"_NORMAL", "normal"))
	s.send(p, ordered(s.topic()))
}

func missingTopic(s *scenario) {
	p := s.producer(s.topic() + "_NORMAL") // without a topic this client waits for ever
	_, err := p.Send(context.Background(), message(s.topic(), "x"))
	s.refused(err, 40402)
}

// sendLimited: this machine may send 20 messages a second. A producer that is
// refused waits a little and tries again by itself, so that it takes several at
// once to be refused for good.
func sendLimited(s *scenario) {
	p := s.producer(s.topic())
	var mu sync.Mutex // guards taken and refusal
	var taken []string
	var refusal error
	var senders sync.WaitGroup
	for sender := range 8 {
		senders.Go(func() {
			for i := range 50 {
				body := fmt.Sprintf("fast-%d-%d", sender, i)
				_, err := p.Send(context.Background(), message(s.topic(), body))
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
	s.note("%d messages, then %v", len(taken), refusal)
	if !strings.Contains(refusal.Error(), "address 127.0.0.1 may send 20 messages a second") {
		s.fail("the limit is not named: %v", refusal)
	}
	if len(taken) < 20 {
		s.fail("refused after %d messages", len(taken))
	}
	for i := range 10 {
		time.Sleep(100 * time.Millisecond)
		body := fmt.Sprint("slow-", i)
		s.send(p, message(s.topic(), body))
		taken = append(taken, body)
	}
	s.receiveExactly(s.simple(rmq.SUB_ALL), taken)
}
