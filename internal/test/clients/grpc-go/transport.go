package main

import (
	"context"

	rmq "github.com/apache/rocketmq-clients/golang/v5"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

// A transport is the gRPC protocol. Its groups say themselves how often they try
// and whether in order.
type transport struct {
	*scenario
	sends rmq.Producer // once something was sent
}

// Send implements frame.Transport.
func (t *transport) Send(m *frame.Letter) {
	if t.sends == nil {
		t.sends = t.producer(t.Topic())
	}
	m.ID = t.send(t.sends, t.message(m)).MessageID
}

func (t *transport) message(m *frame.Letter) *rmq.Message {
	out := message(t.Topic(), m.Body)
	if m.Tag != "" {
		out.SetTag(m.Tag)
	}
	if m.Order != "" {
		out.SetMessageGroup(m.Order)
	}
	if !m.At.IsZero() {
		out.SetDelayTimestamp(m.At)
	}
	for name, value := range m.Properties {
		out.AddProperty(name, value)
	}
	return out
}

var resolutions = map[frame.Verdict]rmq.TransactionResolution{frame.Open: rmq.UNKNOWN, frame.Commit: rmq.COMMIT, frame.Rollback: rmq.ROLLBACK}

// SendIn implements frame.Transport.
func (t *transport) SendIn(check func(frame.Letter) frame.Verdict) func(*frame.Letter, frame.Verdict) {
	p := t.transactionProducer(func(m *rmq.MessageView) rmq.TransactionResolution { return resolutions[check(letter(m))] })
	return func(m *frame.Letter, v frame.Verdict) {
		tx := p.BeginTransaction()
		sent, err := p.SendWithTransaction(context.Background(), t.message(m), tx)
		t.Must(err, "send")
		m.ID = sent[0].MessageID
		switch v {
		case frame.Commit:
			t.Must(tx.Commit(), "commit")
		case frame.Rollback:
			t.Must(tx.RollBack(), "roll back")
		}
	}
}

// Consume implements frame.Transport.
func (t *transport) Consume(terms frame.Terms, done func(frame.Letter) bool) {
	filter := rmq.NewFilterExpression(terms.Tags)
	if terms.SQL != "" {
		filter = rmq.NewFilterExpressionWithType(terms.SQL, rmq.SQL92)
	}
	t.push(filter, func(m *rmq.MessageView) rmq.ConsumerResult {
		if done(letter(m)) {
			return rmq.SUCCESS
		}
		return rmq.FAILURE
	})
}

func letter(m *rmq.MessageView) frame.Letter {
	l := frame.Letter{Body: string(m.GetBody()), ID: m.GetMessageId(), Properties: m.GetProperties(), Attempt: int(m.GetDeliveryAttempt())}
	if m.GetTag() != nil {
		l.Tag = *m.GetTag()
	}
	if m.GetMessageGroup() != nil {
		l.Order = *m.GetMessageGroup()
	}
	return l
}
