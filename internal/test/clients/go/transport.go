package main

import (
	"context"
	"fmt"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

// A transport is the remoting protocol.
type transport struct {
	*scenario
	sends rocketmq.Producer // once something was sent
}

func (t *transport) producer() rocketmq.Producer {
	if t.sends == nil {
		t.sends = t.scenario.producer(producer.WithQueueSelector(producer.NewHashQueueSelector()))
	}
	return t.sends
}

// Send implements frame.Transport.
func (t *transport) Send(m *frame.Letter) { m.ID = t.send(t.producer(), t.message(m)).MsgID }

func (t *transport) message(m *frame.Letter) *primitive.Message {
	out := primitive.NewMessage(t.Topic(), []byte(m.Body))
	if m.Tag != "" {
		out.WithTag(m.Tag)
	}
	for name, value := range m.Properties {
		out.WithProperty(name, value)
	}
	if m.Order != "" {
		out.WithShardingKey(m.Order)
	}
	if !m.At.IsZero() {
		out.WithProperty("TIMER_DELIVER_MS", fmt.Sprint(m.At.UnixMilli()))
	}
	return out
}

var states = map[frame.Verdict]primitive.LocalTransactionState{
	frame.Open: primitive.UnknowState, frame.Commit: primitive.CommitMessageState, frame.Rollback: primitive.RollbackMessageState,
}

// SendIn implements frame.Transport.
func (t *transport) SendIn(check func(frame.Letter) frame.Verdict) func(*frame.Letter, frame.Verdict) {
	l := &teller{says: map[string]primitive.LocalTransactionState{}, check: func(m *primitive.MessageExt, _ int) primitive.LocalTransactionState {
		return states[check(letter(m))]
	}}
	p := t.transactionProducer(l)
	return func(m *frame.Letter, v frame.Verdict) {
		l.mu.Lock()
		l.says[m.Body] = states[v]
		l.mu.Unlock()
		m.ID = t.sendInTransaction(p, m.Body).MsgID
	}
}

// Consume implements frame.Transport.
func (t *transport) Consume(terms frame.Terms, done func(frame.Letter) bool) {
	opts := []consumer.Option{consumer.WithConsumerOrder(terms.Ordered)}
	if terms.Attempts > 0 {
		opts = append(opts, consumer.WithMaxReconsumeTimes(int32(terms.Attempts-1)))
	}
	selector := consumer.MessageSelector{Type: consumer.TAG, Expression: terms.Tags}
	if terms.SQL != "" {
		selector = consumer.MessageSelector{Type: consumer.SQL92, Expression: terms.SQL}
	}
	c := t.consumer(t.Group(), opts...)
	t.Must(c.Subscribe(t.Topic(), selector, func(_ context.Context, msgs ...*primitive.MessageExt) (consumer.ConsumeResult, error) {
		for _, m := range msgs {
			if !done(letter(m)) {
				return consumer.ConsumeRetryLater, nil
			}
		}
		return consumer.ConsumeSuccess, nil
	}), "subscribe")
	t.Must(c.Start(), "start consumer")
}

func letter(m *primitive.MessageExt) frame.Letter {
	return frame.Letter{
		Body: string(m.Body), ID: m.MsgId, Tag: m.GetTags(), Order: m.GetShardingKey(), Properties: m.GetProperties(), Attempt: int(m.ReconsumeTimes) + 1,
	}
}
