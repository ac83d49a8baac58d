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
	m := primitive.NewMessage(s.topic(), []byte(body)).WithTag("Tag" + string(rune('A'+i%3)))
	m.WithProperty("n", fmt.Sprint(i))
	if i%2 == 0 {
		m.WithProperty("color", []string{"red", "it's blue"}[i/2%2])
	}
	s.send(p, m)
	return body
}

// consumeSQL consumes what an SQL expression selects.
func (s *scenario) consumeSQL(expression string, in *inbox) {
	c := s.consumer(s.group())
	selector := consumer.MessageSelector{Type: consumer.SQL92, Expression: expression}
	s.must(c.Subscribe(s.topic(), selector, in.take), "subscribe")
	s.must(c.Start(), "start consumer")
}

func sqlFilter(s *scenario) {
	s.createTopic(s.topic(), 4)
	p := s.producer()
	want := map[string]bool{}
	for i := range 60 {
		body := s.sendNumber(p, i)
		if i >= 10 && i <= 40 && (i%4 == 2 || i%2 == 1) && i%3 != 2 {
			want[body] = true
		}
	}
	s.sendMany(p, s.topic(), "no properties", 5)
	in := new(inbox)
	s.consumeSQL("n BETWEEN 10 AND 40 AND (color = 'it''s blue' OR color IS NULL) and TAGS in ('TagA', 'TagB')", in)
	s.awaitExactly(in, want, 30)
}

// sqlFilterWakes: a parked pull lets the wrong message pass and wakes for the
// right one.
func sqlFilterWakes(s *scenario) {
	s.createTopic(s.topic(), 1)
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
	s.note("slowest of 10: %v", slowest.Round(time.Millisecond))
	if slowest > 2*time.Second {
		s.fail("a parked consumer got its message after %v", slowest)
	}
	s.awaitExactly(in, want, 10)
}
