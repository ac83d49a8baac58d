package main

import (
	"fmt"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
)

// sendNumber sends a message with the properties n and, if i is even, color.
func (s *scenario) sendNumber(p rocketmq.Producer, i int) string {
	body := fmt.Sprintf("number-%03d", i)
	m := primitive.NewMessage(s.Topic(), []byte(body)).WithTag("Tag" + string(rune('A'+i%3)))
	m.WithProperty("n", fmt.Sprint(i))
	if i%2 == 0 {
		m.WithProperty("color", []string{"red", "it's blue"}[i/2%2])
	}
	s.send(p, m)
	return body
}

// consumeSQL consumes what an SQL expression selects.
func (s *scenario) consumeSQL(expression string, in *inbox) {
	c := s.consumer(s.Group())
	selector := consumer.MessageSelector{Type: consumer.SQL92, Expression: expression}
	s.Must(c.Subscribe(s.Topic(), selector, in.take), "subscribe")
	s.Must(c.Start(), "start consumer")
}

// sqlFilterWakes: a parked pull lets the wrong message pass and wakes for the
// right one.
func sqlFilterWakes(s *scenario) {
	s.createTopic(s.Topic(), 1)
	p := s.producer()
	in := new(inbox)
	s.consumeSQL("n > 100", in)
	want := map[string]bool{s.sendNumber(p, 101): true}
	s.awaitExactly(in, want, 30)
	time.Sleep(1500 * time.Millisecond) // the next pull is parked by now
	var slowest time.Duration
	for i := range 10 {
		s.sendNumber(p, i)
		from := time.Now()
		want[s.sendNumber(p, 200+i)] = true
		s.await(in, want, 20)
		slowest = max(slowest, time.Since(from))
	}
	s.Note("slowest of 10: %v", slowest.Round(time.Millisecond))
	if slowest > 2*time.Second {
		s.Fail("a parked consumer got its message after %v", slowest)
	}
	s.awaitExactly(in, want, 10)
}
