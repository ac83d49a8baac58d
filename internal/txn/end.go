package txn

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// maxKept is the most scratch memory that an idle ends keeps, in bytes.
const maxKept = 1 << 20

// ends are an mq.EndBatch on its way. They are used again.
//
// What is ended together is stored together: the messages that are committed,
// and behind them one op message for all. So if only some of that survives a
// crash, no message is lost.
type ends struct {
	l      *Ledger
	batch  *mq.EndBatch
	began  time.Time
	halves []found // one per end
	buf    []byte  // half messages, one behind the other
	props  []byte  // of committed messages
	old    []int   // ends whose half message is not in memory
	under  []int   // ends that are being stored
	sends  mq.SendBatch
	topic  string       // of the last message that is committed
	open   atomic.Int32 // appends without a result

	// Made once: a method value is an allocation.
	stored  func(*mq.SendBatch)
	findOld func()
}

// found is the half message that an end names.
type found struct {
	mq.Record
	there  bool
	topic  []byte   // that it is meant for
	to     mq.Queue // likewise; of one that is committed
	checks int32
}

func newEnds(l *Ledger) *ends {
	e := &ends{l: l}
	e.stored, e.findOld = e.storedTogether, e.readOld
	return e
}

// End ends transactions as their producers say. A half message must be the one
// that its producer names, and its group's; all refusals wrap ErrTransaction
// but that of a producer which must wait for its check, ErrTransactionLate, and
// those of TransactionEnd.May. End does not read the disk: if a half message is
// not in memory, that happens on a goroutine of the ledger's, and the whole batch
// waits for it.
func (l *Ledger) End(b *mq.EndBatch) {
	e := l.ends.Get().(*ends)
	e.batch, e.began = b, time.Now()
	for i := range b.Ends {
		e.halves = append(e.halves, found{})
		one := &b.Ends[i]
		if one.Outcome == mq.OutcomeUnknown && one.May == nil {
			continue
		}
		var r mq.Record
		var err error
		if e.buf, r, err = l.opts.Store.ReadRecent(e.buf, one.Pos); errors.Is(err, store.ErrNotRecent) {
			e.old = append(e.old, i)
			continue
		}
		one.Err = e.examine(i, r, err)
	}
	if len(e.old) == 0 || !l.look(e.findOld) {
		e.settle()
	}
}

// readOld reads what is not in memory.
func (e *ends) readOld() {
	for _, i := range e.old {
		one := &e.batch.Ends[i]
		r, err := e.l.recordAt(one.Pos)
		one.Err = e.examine(i, r, err)
	}
	e.old = e.old[:0]
	e.settle()
}

// examine takes over what lies where an end says, and why it may not be ended.
func (e *ends) examine(i int, r mq.Record, err error) error {
	one, f := &e.batch.Ends[i], &e.halves[i]
	if err != nil {
		if one.Outcome == mq.OutcomeUnknown && errors.Is(err, mq.ErrNotFound) {
			return nil
		}
		return noHalf(one.Pos)
	}
	w := wordsOf(r.Properties)
	if one.May != nil {
		topic := w.topic
		if topic == nil {
			topic = r.Topic
		}
		if err := one.May(string(topic)); err != nil {
			return err
		}
	}
	switch {
	case one.Outcome == mq.OutcomeUnknown:
		return nil
	case string(r.Topic) != halfQueue.Topic:
		return noHalf(one.Pos)
	}
	f.Record, f.topic, f.there = r, w.topic, true
	switch {
	case !one.Checked && w.rest != nil && late(w.half(r.BornTime), e.began.UnixMilli(), e.l.rules()):
		return fmt.Errorf("%w: the rest that its producer asked for (%s) is over; the producer is asked again", mq.ErrTransactionLate, mq.PropCheckImmunity)
	case string(w.group) != one.Group:
		return fmt.Errorf("%w: the producer group wrong: the message is of group %.120q", mq.ErrTransaction, w.group)
	case r.QueueOffset != one.Offset:
		return fmt.Errorf("%w: the transaction state table offset wrong: the message at log position %d has another than %d", mq.ErrTransaction, one.Pos, one.Offset)
	case one.Outcome == mq.OutcomeCommit:
		f.to, err = w.target(e.topic)
		e.topic = f.to.Topic
	}
	return err
}

func noHalf(at mq.LogPos) error {
	return fmt.Errorf("%w: find prepared transaction message failed: no half message lies at log position %d", mq.ErrTransaction, at)
}

// settle stores the ends that nobody else is at.
func (e *ends) settle() {
	for _, i := range e.old {
		e.batch.Ends[i].Err = mq.ErrClosed
	}
	e.claim()
	if len(e.under) == 0 {
		e.finish()
		return
	}
	e.open.Store(1)
	e.sends.Sends = e.build(e.sends.Sends, e.under)
	e.sends.Whole, e.sends.Done = true, e.stored
	e.l.opts.Append(&e.sends)
}

// claim chooses the ends that nobody else is at.
func (e *ends) claim() {
	c := e.l.mu.core
	e.l.mu.Lock()
	defer e.l.mu.Unlock()
	for i := range e.halves {
		one, f := &e.batch.Ends[i], &e.halves[i]
		if !f.there || one.Err != nil {
			continue
		}
		var v verdict
		if f.checks, v = c.end(f.QueueOffset); v == mayEnd {
			e.under = append(e.under, i)
		}
		one.Err = refusal(v)
	}
}

// build appends what ends some transactions.
func (e *ends) build(sends []mq.Send, which []int) []mq.Send {
	for _, i := range which {
		if f := &e.halves[i]; e.batch.Ends[i].Outcome == mq.OutcomeCommit {
			var m mq.Message
			m, e.props = committed(&f.Record, f.to, f.checks, e.props)
			sends = append(sends, mq.Send{Message: m})
		}
	}
	return append(sends, opMessage(e.offsets(which), false))
}

// offsets are those of half messages.
func (e *ends) offsets(which []int) []mq.QueueOffset {
	all := make([]mq.QueueOffset, len(which))
	for n, i := range which {
		all[n] = e.halves[i].QueueOffset
	}
	return all
}

// storedTogether takes the result of what was stored together. If one cannot be
// stored none is, and each is tried by itself: a message that the store refuses
// holds up no other.
func (e *ends) storedTogether(b *mq.SendBatch) {
	if errorOf(b) == nil || len(e.under) == 1 {
		e.landed(e.under, b)
		return
	}
	under := e.under
	e.open.Store(int32(len(under)))
	for n := range under {
		alone := under[n : n+1]
		e.l.opts.Append(&mq.SendBatch{
			Sends: e.build(nil, alone), Whole: true, Done: func(b *mq.SendBatch) { e.landed(alone, b) },
		})
	}
}

// landed takes the result of an append.
func (e *ends) landed(which []int, b *mq.SendBatch) {
	err := errorOf(b)
	e.l.note(e.offsets(which), b, false)
	for _, i := range which {
		e.batch.Ends[i].Err = err
	}
	if e.open.Add(-1) == 0 {
		e.finish()
	}
}

// finish tells everybody how the ends went.
func (e *ends) finish() {
	for i := range e.halves {
		one, f := &e.batch.Ends[i], &e.halves[i]
		if f.there {
			e.l.opts.Ended(Ended{Half: &f.Record, Topic: f.topic, Outcome: one.Outcome, Began: e.began, Err: one.Err})
		}
	}
	batch := e.batch
	e.reset()
	e.l.ends.Put(e)
	batch.Done(batch)
}

// reset empties e, keeping its memory unless that is much.
func (e *ends) reset() {
	clear(e.halves)
	clear(e.sends.Sends)
	e.batch, e.halves, e.under, e.old, e.sends.Sends = nil, e.halves[:0], e.under[:0], e.old[:0], e.sends.Sends[:0]
	e.buf, e.props = e.buf[:0], e.props[:0]
	if cap(e.buf) > maxKept {
		e.buf = nil
	}
	if cap(e.props) > maxKept {
		e.props = nil
	}
}

// Settle ends a transaction as an operator says: in the words of its producer.
func (l *Ledger) Settle(ctx context.Context, at mq.LogPos, o mq.Outcome) error {
	if o != mq.OutcomeCommit && o != mq.OutcomeRollback {
		return fmt.Errorf("%w: a transaction is committed or rolled back", mq.ErrInvalid)
	}
	r, err := l.recordAt(at)
	if err != nil || string(r.Topic) != halfQueue.Topic {
		return noHalf(at)
	}
	w := wordsOf(r.Properties)
	ended := make(chan error, 1)
	l.End(&mq.EndBatch{
		Ends: []mq.TransactionEnd{{Group: string(w.group), Offset: r.QueueOffset, Pos: at, Outcome: o, Checked: true}},
		Done: func(b *mq.EndBatch) { ended <- b.Ends[0].Err },
	})
	return await(ctx, ended)
}

func await(ctx context.Context, result <-chan error) error {
	select {
	case err := <-result:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Ledger) recordAt(at mq.LogPos) (mq.Record, error) {
	data, err := l.opts.Store.ReadAt(at)
	if err != nil {
		return mq.Record{}, err
	}
	r, _, err := mq.DecodeRecord(data)
	return r, err
}

// refusal says why a half message may not be ended; nil if it may.
func refusal(v verdict) error {
	switch v {
	case isEnding:
		return fmt.Errorf("%w: it is being ended already", mq.ErrTransaction)
	case isEnded:
		return errEnded
	}
	return nil
}

var errEnded = fmt.Errorf("%w: it was ended before, or has expired", mq.ErrTransaction)

// errorOf is the error of a batch that is stored as a whole.
func errorOf(b *mq.SendBatch) error {
	for i := range b.Sends {
		if err := b.Sends[i].Err; err != nil {
			return err
		}
	}
	return nil
}

// note takes over whether half messages were ended, or given up, by a batch whose
// last message says so.
func (l *Ledger) note(halves []mq.QueueOffset, b *mq.SendBatch, givenUp bool) {
	err := errorOf(b)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		l.mu.core.note(b.Sends[len(b.Sends)-1].Result.Offset, opNote{halves, givenUp})
		return
	}
	for _, at := range halves {
		l.mu.core.failed(at)
	}
}
