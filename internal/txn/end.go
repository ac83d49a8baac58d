package txn

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// End ends a transaction as its producer says. The half message must be the one
// that the producer names, and its group's; all refusals wrap ErrTransaction
// but that of a producer which must wait for its check, ErrTransactionLate.
func (l *Ledger) End(ctx context.Context, e mq.TransactionEnd) error {
	if e.Outcome == mq.OutcomeUnknown {
		return nil
	}
	r, err := l.find(e.Pos)
	if err != nil {
		return err
	}
	switch group, _ := mq.Property(r.Properties, mq.PropProducerGroup); {
	case !e.Checked && late(halfOf(r), time.Now().UnixMilli(), l.rules()):
		return fmt.Errorf("%w: the rest that its producer asked for (%s) is over; the producer is asked again", mq.ErrTransactionLate, mq.PropCheckImmunity)
	case string(group) != e.Group:
		return fmt.Errorf("%w: the producer group wrong: the message is of group %.120q", mq.ErrTransaction, group)
	case r.QueueOffset != e.Offset:
		return fmt.Errorf("%w: the transaction state table offset wrong: the message at log position %d has another than %d", mq.ErrTransaction, e.Pos, e.Offset)
	}
	return l.settle(ctx, r, e.Outcome)
}

// Settle ends a transaction as an operator says.
func (l *Ledger) Settle(ctx context.Context, at mq.LogPos, o mq.Outcome) error {
	if o != mq.OutcomeCommit && o != mq.OutcomeRollback {
		return fmt.Errorf("%w: a transaction is committed or rolled back", mq.ErrInvalid)
	}
	r, err := l.find(at)
	if err != nil {
		return err
	}
	return l.settle(ctx, r, o)
}

// find returns a copy of the half message at a log position.
func (l *Ledger) find(at mq.LogPos) (mq.Record, error) {
	r, err := l.recordAt(at)
	if err != nil || string(r.Topic) != halfQueue.Topic {
		return r, fmt.Errorf("%w: find prepared transaction message failed: no half message lies at log position %d", mq.ErrTransaction, at)
	}
	return r, nil
}

func (l *Ledger) recordAt(at mq.LogPos) (mq.Record, error) {
	data, err := l.opts.Store.ReadAt(at)
	if err != nil {
		return mq.Record{}, err
	}
	r, _, err := mq.DecodeRecord(data)
	return r, err
}

// settle stores the end of a transaction, and the message if it is committed.
func (l *Ledger) settle(ctx context.Context, r mq.Record, o mq.Outcome) error {
	sends := []mq.Send{opMessage(r.QueueOffset, false)}
	if o == mq.OutcomeCommit {
		m, err := committed(r, l.checks(r.QueueOffset))
		if err == nil {
			_, err = mq.RecordSize(&m.Message, r.StoreHost)
		}
		if err != nil {
			return err
		}
		// The message comes first: if only one of them survives a crash, it is
		// not lost.
		sends = []mq.Send{m, sends[0]}
	}
	return l.put(ctx, r.QueueOffset, sends)
}

func (l *Ledger) checks(at mq.QueueOffset) int32 {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.core.halves[at].checks
}

// put stores messages of which the last says how a half message goes on, if
// nobody else is at it.
func (l *Ledger) put(ctx context.Context, at mq.QueueOffset, sends []mq.Send) error {
	l.mu.Lock()
	v := l.mu.core.end(at)
	l.mu.Unlock()
	switch v {
	case isEnding:
		return fmt.Errorf("%w: it is being ended already", mq.ErrTransaction)
	case isEnded:
		return fmt.Errorf("%w: it was ended before, or has expired", mq.ErrTransaction)
	}
	stored := make(chan error, 1)
	l.opts.Append(&mq.SendBatch{Sends: sends, Whole: true, Done: func(b *mq.SendBatch) {
		var err error
		for i := range b.Sends {
			if err == nil {
				err = b.Sends[i].Err
			}
		}
		if err != nil {
			l.mu.Lock()
			l.mu.core.failed(at)
			l.mu.Unlock()
		}
		stored <- err
	}})
	select {
	case err := <-stored:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// giveUp keeps a copy of a half message where operators find it, and asks about
// it no more.
func (l *Ledger) giveUp(ctx context.Context, r mq.Record, checks int32) {
	err := l.put(ctx, r.QueueOffset, []mq.Send{givenUp(r, checks), opMessage(r.QueueOffset, true)})
	if err != nil {
		l.opts.Log.Error("cannot give up a transaction; trying again", "message", r.OffsetID(), "error", err)
		return
	}
	topic, _ := mq.Property(r.Properties, mq.PropRealTopic)
	group, _ := mq.Property(r.Properties, mq.PropProducerGroup)
	l.opts.Log.Warn("gave up a transaction: no producer said what became of it; see `goddard admin transaction list`",
		"topic", string(topic), "group", string(group), "message", r.OffsetID(), "checks", checks)
}

// Check asks about the half message at a log position and counts its checks
// anew. What was given up, named by itself or by its copy, is stored once more.
func (l *Ledger) Check(ctx context.Context, at mq.LogPos) error {
	if err := l.follow(); err != nil {
		return err
	}
	r, err := l.recordAt(at)
	if err != nil {
		return fmt.Errorf("%w: no message lies at log position %d: %w", mq.ErrTransaction, at, err)
	}
	half := r.QueueOffset
	switch string(r.Topic) {
	case halfQueue.Topic:
	case mq.TopicTransCheckMax:
		v, ok := mq.Property(r.Properties, mq.PropPreparedOffset)
		n, err := strconv.ParseInt(string(v), 10, 64)
		if !ok || err != nil {
			return fmt.Errorf("%w: the message at log position %d does not say which half message it is a copy of", mq.ErrTransaction, at)
		}
		half = mq.QueueOffset(n)
	default:
		return fmt.Errorf("%w: the message at log position %d is no half message", mq.ErrTransaction, at)
	}
	l.mu.Lock()
	h, pending := l.mu.core.pending(half)
	if pending {
		l.mu.core.restart(half)
	}
	l.mu.Unlock()
	switch {
	case !pending:
		return fmt.Errorf("%w: it was ended before, or has expired", mq.ErrTransaction)
	case h.givenUp:
		again := renewed(r)
		return l.put(ctx, half, []mq.Send{again, opMessage(half, false)})
	}
	l.ask(r, 0)
	return nil
}

// List is the pending half messages behind an offset, at most limit of them.
func (l *Ledger) List(after mq.QueueOffset, limit int) ([]mq.Transaction, error) {
	if err := l.follow(); err != nil {
		return nil, err
	}
	var all []mq.Transaction
	for _, p := range l.behind(after, limit) {
		r, err := l.read(p.at)
		if err != nil {
			continue // it has just expired
		}
		q, _ := target(r)
		group, _ := mq.Property(r.Properties, mq.PropProducerGroup)
		key, _ := mq.Property(r.Properties, mq.PropUniqueKey)
		all = append(all, mq.Transaction{
			Offset: p.at, Pos: r.Pos, OffsetID: r.OffsetID(), Topic: q.Topic, QueueID: q.ID, Group: string(group), UniqueKey: string(key),
			Born: time.UnixMilli(r.BornTime), Stored: time.UnixMilli(r.StoreTime), Size: r.Size, Checks: p.checks, GivenUp: p.givenUp,
		})
	}
	return all, nil
}
