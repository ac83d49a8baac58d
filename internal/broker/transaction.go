package broker

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/txn"
)

// maxListed bounds the transactions that are listed at a time.
const maxListed = 1000

// A sentHalf is a half message and the queue that it is meant for.
type sentHalf struct {
	send  *mq.Send
	queue int32
}

// admitHalf says whether a half message may be sent. One that failed at its
// consumer, and is to be tried again later, is an ordinary message.
func (b *Broker) admitHalf(live *live, one *mq.Send, seen *properties) error {
	switch {
	case one.ReconsumeTimes > 0 && seen.delay > 0:
		seen.half = false
		one.SysFlag &^= mq.FlagTransaction
	case live.RejectTransactions:
		return fmt.Errorf("%w: the broker[%s] sending transaction message is forbidden (reject-transactions, rejectTransactionMessage)", mq.ErrDenied, live.Name)
	case b.txn.Pending() >= int64(live.MaxPendingTransactions):
		return fmt.Errorf("%w: %d transactions are neither committed nor rolled back, more are not accepted (max-pending-transactions); see `goddard admin transaction list`",
			mq.ErrBusy, live.MaxPendingTransactions)
	}
	if seen.timer && seen.delay <= 0 {
		// Its time begins with the commit, which must not fail for that.
		_, err := seen.when.due(time.Now().UnixMilli(), live.MaxDelay.Milliseconds())
		return err
	}
	return nil
}

// prepareHalf sends a half message to where it waits, and returns the topic
// that it is counted for.
func (s *sending) prepareHalf(one *mq.Send) *topic {
	s.halves = append(s.halves, sentHalf{one, one.QueueID})
	s.scratch = txn.Prepare(&one.Message, s.scratch)
	return s.b.topics.table.get(mq.TopicTransHalf)
}

// release stores what the ledger hands over. A committed message may have a
// delay or a time of its own, which count from then on.
func (b *Broker) release(batch *mq.SendBatch) {
	var s *sending // of those that wait on
	for i := range batch.Sends {
		one := &batch.Sends[i]
		if one.SysFlag&mq.FlagTransaction != mq.FlagCommitted {
			continue
		}
		seen := examine(one.Properties)
		if seen.plain() {
			continue
		}
		if s == nil {
			s = &sending{b: b}
		}
		switch {
		case seen.delay > 0:
			s.delay(one, &seen)
		case seen.timer && !seen.out:
			one.Err = s.time(b.opts(), one, b.findTopic(one.Topic), &seen)
		}
	}
	if s != nil {
		done := batch.Done
		batch.Done = func(batch *mq.SendBatch) {
			s.endTimed()
			done(batch)
		}
	}
	b.deliverAs(batch, meter.KindTransaction)
}

// ended counts and notes the end of a transaction.
func (b *Broker) ended(e txn.Ended) {
	if t := b.opts().Tracer; t != nil {
		kind := TraceCommit
		if e.Outcome == mq.OutcomeRollback {
			kind = TraceRollback
		}
		m := e.Half.Message()
		t.Note(TraceEvent{Kind: kind, Message: &m, Began: e.Began, Err: e.Err})
	}
	if e.Err != nil {
		return
	}
	t := b.findTopic(e.Topic)
	if t == nil {
		return
	}
	if s := t.specials(); e.Outcome == mq.OutcomeRollback {
		s.rollbacks.Add(1)
	} else {
		s.commits.Add(1)
		s.finish.Observe(max(0, time.Now().UnixMilli()-e.Half.BornTime) / 1000)
	}
}

// askProducer asks one of the producers of a group that are connected and may
// send to the topic, in turn.
func (b *Broker) askProducer(group string, c mq.TransactionCheck) bool {
	all, err := b.Producers(context.Background(), group)
	if err != nil || len(all) == 0 {
		return false
	}
	all = slices.DeleteFunc(all, func(p mq.Connection) bool { return p.May != nil && !p.May(c.Topic) })
	if len(all) == 0 {
		return false
	}
	began := time.Now()
	all[int(b.turn.Add(1)%uint32(len(all)))].Peer.CheckTransaction(c)
	if rec, _, err := mq.DecodeRecord(c.Record); err == nil {
		m := rec.Message()
		b.note(TraceEvent{Kind: TraceCheck, Message: &m, Began: began})
	}
	return true
}

func (b *Broker) txnSettings() txn.Settings {
	o := b.opts()
	return txn.Settings{
		Timeout: o.TransactionTimeout, Interval: o.TransactionCheckInterval, MaxChecks: o.TransactionCheckMax,
		Retention: b.store.Options().Retention,
	}
}

// EndTransactions commits or rolls back half messages.
func (b *Broker) EndTransactions(batch *mq.EndBatch) {
	if !b.closing.Load() {
		b.txn.End(batch)
		return
	}
	for i := range batch.Ends {
		batch.Ends[i].Err = mq.ErrClosed
	}
	batch.Done(batch)
}

// Transactions are the half messages that are neither committed nor rolled
// back.
func (b *Broker) Transactions(_ context.Context, after mq.QueueOffset, limit int) ([]mq.Transaction, error) {
	if limit <= 0 || limit > maxListed {
		limit = maxListed
	}
	return b.txn.List(after, limit)
}

// SettleTransaction commits or rolls back the half message at a log position.
func (b *Broker) SettleTransaction(ctx context.Context, at mq.LogPos, o mq.Outcome) error {
	if b.closing.Load() {
		return mq.ErrClosed
	}
	if err := b.txn.Settle(ctx, at, o); err != nil {
		return err
	}
	b.opts().Log.Info("an operator ended a transaction", "position", at, "committed", o == mq.OutcomeCommit)
	return nil
}

// CheckTransaction asks about the half message at a log position.
func (b *Broker) CheckTransaction(ctx context.Context, at mq.LogPos) error {
	if b.closing.Load() {
		return mq.ErrClosed
	}
	return b.txn.Check(ctx, at)
}
