package main

import (
	"context"
	"sync"
	"time"

	rocketmq "github.com/apache/rocketmq-client-go/v2"
	"github.com/apache/rocketmq-client-go/v2/primitive"
	"github.com/apache/rocketmq-client-go/v2/producer"
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
	p, err := rocketmq.NewTransactionProducer(l, producer.WithNsResolver(s.servers()), producer.WithGroupName(s.group()+"_p"),
		producer.WithInstanceName(instance()), producer.WithSendMsgTimeout(10*time.Second))
	s.must(err, "new transaction producer")
	s.must(p.Start(), "start transaction producer")
	s.open = append(s.open, func() { p.Shutdown() })
	return p
}

func (s *scenario) sendInTransaction(p rocketmq.TransactionProducer, body string) *primitive.TransactionSendResult {
	r, err := p.SendMessageInTransaction(context.Background(), primitive.NewMessage(s.topic(), []byte(body)))
	s.must(err, "send in a transaction")
	same(s, r.Status, primitive.SendOK, "status")
	return r
}

func transactionCommit(s *scenario) {
	s.createTopic(s.topic(), 4)
	l := &teller{says: map[string]primitive.LocalTransactionState{"yes": primitive.CommitMessageState, "no": primitive.RollbackMessageState}}
	p := s.transactionProducer(l)
	in := new(inbox)
	s.consume(s.group(), s.topic(), "*", in)
	r := s.sendInTransaction(p, "yes")
	same(s, r.State, primitive.CommitMessageState, "state")
	s.sendInTransaction(p, "no")
	s.awaitExactly(in, map[string]bool{"yes": true}, 20)
	got := in.all()[0]
	same(s, got.MsgId, r.MsgID, "id")
	same(s, got.SysFlag, 8, "system flag")
	same(s, got.GetProperty("PGROUP"), s.group()+"_p", "group")
}

func transactionCheck(s *scenario) {
	s.createTopic(s.topic(), 4)
	l := &teller{
		says: map[string]primitive.LocalTransactionState{"later": primitive.UnknowState},
		check: func(_ *primitive.MessageExt, times int) primitive.LocalTransactionState {
			if times < 2 {
				return primitive.UnknowState
			}
			return primitive.CommitMessageState
		},
	}
	p := s.transactionProducer(l)
	in := new(inbox)
	s.consume(s.group(), s.topic(), "*", in)
	r := s.sendInTransaction(p, "later")
	s.awaitExactly(in, map[string]bool{"later": true}, 30)
	same(s, in.all()[0].MsgId, r.MsgID, "id")
	same(s, in.all()[0].GetProperty("TRANSACTION_CHECK_TIMES"), "2", "count of checks")
	same(s, l.checks(), 2, "checks")
}

// transactionOtherProducer has the producer that sent gone; another of its
// group answers.
func transactionOtherProducer(s *scenario) {
	s.createTopic(s.topic(), 4)
	first := s.transactionProducer(&teller{says: map[string]primitive.LocalTransactionState{"orphan": primitive.UnknowState}})
	in := new(inbox)
	s.consume(s.group(), s.topic(), "*", in)
	s.sendInTransaction(first, "orphan")
	s.must(first.Shutdown(), "shut the first producer down")
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
