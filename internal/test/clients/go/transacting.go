package main

import (
	"context"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

// A teller says what becomes of transactions, and remembers what it was asked.
type teller struct {
	mu      sync.Mutex // guards what follows
	says    map[string]primitive.LocalTransactionState
	checked []*primitive.MessageExt
	check   func(m *primitive.MessageExt, times int) primitive.LocalTransactionState
}

func (l *teller) ExecuteLocalTransaction(m *primitive.Message) primitive.LocalTransactionState {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.says[string(m.Body)]
}

func (l *teller) CheckLocalTransaction(m *primitive.MessageExt) primitive.LocalTransactionState {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.checked = append(l.checked, m)
	return l.check(m, len(l.checked))
}

func (l *teller) checks() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.checked)
}

func (s *scenario) transactionProducer(l *teller) rocketmq.TransactionProducer {
	p, err := rocketmq.NewTransactionProducer(l, producer.WithNsResolver(s.servers()), producer.WithGroupName(s.Group()+"_p"),
		producer.WithInstanceName(instance()), producer.WithSendMsgTimeout(10*time.Second))
	s.Must(err, "new transaction producer")
	s.Must(p.Start(), "start transaction producer")
	s.AtEnd(func() { p.Shutdown() })
	return p
}

func (s *scenario) sendInTransaction(p rocketmq.TransactionProducer, body string) *primitive.TransactionSendResult {
	r, err := p.SendMessageInTransaction(context.Background(), primitive.NewMessage(s.Topic(), []byte(body)))
	s.Must(err, "send in a transaction")
	frame.Same(r.Status, primitive.SendOK, "status")
	return r
}

func transactionCommit(s *scenario) {
	s.createTopic(s.Topic(), 4)
	l := &teller{says: map[string]primitive.LocalTransactionState{"yes": primitive.CommitMessageState, "no": primitive.RollbackMessageState}}
	p := s.transactionProducer(l)
	in := new(inbox)
	s.consume(s.Group(), s.Topic(), "*", in)
	r := s.sendInTransaction(p, "yes")
	frame.Same(r.State, primitive.CommitMessageState, "state")
	s.sendInTransaction(p, "no")
	s.awaitExactly(in, map[string]bool{"yes": true}, 20)
	got := in.all()[0]
	frame.Same(got.MsgId, r.MsgID, "id")
	frame.Same(got.SysFlag, 8, "system flag")
	frame.Same(got.GetProperty("PGROUP"), s.Group()+"_p", "group")
}

// transactionOtherProducer has the producer that sent gone; another of its
// group answers.
func transactionOtherProducer(s *scenario) {
	s.createTopic(s.Topic(), 4)
	first := s.transactionProducer(&teller{says: map[string]primitive.LocalTransactionState{"orphan": primitive.UnknowState}})
	in := new(inbox)
	s.consume(s.Group(), s.Topic(), "*", in)
	s.sendInTransaction(first, "orphan")
	s.Must(first.Shutdown(), "shut the first producer down")
	second := &teller{
		says: map[string]primitive.LocalTransactionState{"other": primitive.RollbackMessageState},
		check: func(m *primitive.MessageExt, _ int) primitive.LocalTransactionState {
			if string(m.Body) == "orphan" {
				return primitive.CommitMessageState
			}
			return primitive.RollbackMessageState
		},
	}
	s.sendInTransaction(s.transactionProducer(second), "other") // makes its heartbeats go to the broker
	s.awaitExactly(in, map[string]bool{"orphan": true}, 60)
}
