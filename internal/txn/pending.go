package txn

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// put stores messages of which the last says how a half message goes on, if
// nobody else is at it.
func (l *Ledger) put(ctx context.Context, at mq.QueueOffset, sends []mq.Send, givenUp bool) error {
	l.mu.Lock()
	_, v := l.mu.core.end(at)
	l.mu.Unlock()
	if v != mayEnd {
		return refusal(v)
	}
	stored := make(chan error, 1)
	l.opts.Append(&mq.SendBatch{Sends: sends, Whole: true, Done: func(b *mq.SendBatch) {
		l.note([]mq.QueueOffset{at}, b, givenUp)
		stored <- errorOf(b)
	}})
	return await(ctx, stored)
}

// giveUp keeps a copy of a half message where operators find it, and asks about
// it no more.
func (l *Ledger) giveUp(ctx context.Context, r mq.Record, checks int32) {
	err := l.put(ctx, r.QueueOffset, []mq.Send{givenUp(r, checks), opMessage([]mq.QueueOffset{r.QueueOffset}, true)}, true)
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
		return errEnded
	case h.givenUp:
		again := renewed(r)
		return l.put(ctx, half, []mq.Send{again, opMessage([]mq.QueueOffset{half}, false)}, false)
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
