package txn

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

const (
	// maxKept is the most scratch memory that idle ends keep, in bytes.
	maxKept = 1 << 20
	// maxTogether is from how many bytes of half messages on an append is begun:
	// a batch may name more than there is memory for.
	maxTogether = 4 << 20
)

// ends are an mq.EndBatch on its way. They are used again.
//
// What is ended together is stored together: the messages that are committed,
// and behind them one op message for all. So if only some of that survives a
// crash, no message is lost.
type ends struct {
	l      *Ledger
	batch  *mq.EndBatch
	began  time.Time
	halves []found      // one per end
	old    []int        // ends whose half message is not in memory
	under  []int        // ends that nobody else is at
	handed int          // how many of under were handed over to be stored
	open   atomic.Int32 // appends without a result, and one more until all have begun

	// Of what was not handed over yet:
	bytes int    // of half messages
	buf   []byte // half messages, one behind the other

	sends   mq.SendBatch // the first that is handed over
	props   []byte       // of what is committed
	topic   string       // that the last half message is meant for
	findOld func()       // readOld, made once: a method value is an allocation
}

// found is the half message that an end names.
type found struct {
	mq.Record
	there  bool
	topic  string   // that it is meant for
	to     mq.Queue // likewise; of one that is committed
	kept   []byte   // of its properties by the message that is committed
	checks int32
}

func newEnds(l *Ledger) *ends {
	e := &ends{l: l}
	e.findOld = e.readOld
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
	e.halves = slices.Grow(e.halves, len(b.Ends))[:len(b.Ends)]
	e.open.Store(1)
	for i := range b.Ends {
		one := &b.Ends[i]
		if one.Outcome == mq.OutcomeUnknown && one.May == nil {
			continue
		}
		was := len(e.buf)
		var r mq.Record
		var err error
		if e.buf, r, err = l.opts.Store.ReadRecent(e.buf, one.Pos); errors.Is(err, store.ErrNotRecent) {
			e.old = append(e.old, i)
		} else if !e.take(i, r, err) {
			e.buf = e.buf[:min(was, len(e.buf))]
		}
	}
	if len(e.old) == 0 || !l.look(e.findOld) {
		e.close()
	}
}

// readOld reads what is not in memory.
func (e *ends) readOld() {
	for _, i := range e.old {
		r, err := e.l.recordAt(e.batch.Ends[i].Pos)
		e.take(i, r, err)
	}
	e.old = e.old[:0]
	e.close()
}

// take takes over what lies where an end says, and reports whether its bytes must
// be kept. If much waits to be stored it is handed over.
func (e *ends) take(i int, r mq.Record, err error) bool {
	one, f := &e.batch.Ends[i], &e.halves[i]
	if one.Err = e.examine(i, r, err); one.Err == nil && f.there {
		one.Err = e.claim(i)
	}
	if one.Err != nil || !f.there {
		e.tell(i)
		return false
	}
	if e.bytes += int(r.Size); e.bytes < maxTogether {
		return true
	}
	e.store()
	e.buf = nil // what was handed over may still be in use
	return false
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
	start := len(e.props)
	w, props := wordsAndKept(r.Properties, e.props)
	e.props = props[:start]
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
	if e.topic != string(w.topic) {
		e.topic = string(w.topic)
	}
	f.Record, f.topic, f.there = r, e.topic, true
	switch {
	case !one.Checked && w.rest != nil && late(w.half(r.BornTime), e.began.UnixMilli(), e.l.rules()):
		return fmt.Errorf("%w: the rest that its producer asked for (%s) is over; the producer is asked again", mq.ErrTransactionLate, mq.PropCheckImmunity)
	case string(w.group) != one.Group:
		return fmt.Errorf("%w: the producer group wrong: the message is of group %.120q", mq.ErrTransaction, w.group)
	case r.QueueOffset != one.Offset:
		return fmt.Errorf("%w: the transaction state table offset wrong: the message at log position %d has another than %d", mq.ErrTransaction, one.Pos, one.Offset)
	case one.Outcome == mq.OutcomeCommit:
		f.to, err = w.target(e.topic)
		f.kept, e.props = props[start:len(props):len(props)], props
	}
	return err
}

func noHalf(at mq.LogPos) error {
	return fmt.Errorf("%w: find prepared transaction message failed: no half message lies at log position %d", mq.ErrTransaction, at)
}

// claim takes an end on, unless somebody else is at it.
func (e *ends) claim(i int) error {
	f := &e.halves[i]
	var v verdict
	e.l.mu.Lock()
	f.checks, v = e.l.mu.core.end(f.QueueOffset)
	e.l.mu.Unlock()
	if v == mayEnd {
		e.under = append(e.under, i)
	}
	return refusal(v)
}

// close hands the rest over. Nothing more is begun.
func (e *ends) close() {
	for _, i := range e.old {
		e.batch.Ends[i].Err = mq.ErrClosed
	}
	e.store()
	e.closeOne()
}

// store hands over what waits for that.
func (e *ends) store() {
	which := e.under[e.handed:len(e.under):len(e.under)]
	if len(which) == 0 {
		return
	}
	batch := &e.sends
	if e.handed > 0 {
		batch = &mq.SendBatch{}
	}
	e.handed, e.bytes = len(e.under), 0
	e.open.Add(1)
	batch.Whole, batch.Done = true, func(b *mq.SendBatch) { e.storedTogether(which, b) }
	batch.Sends = e.build(batch.Sends, which)
	e.l.opts.Append(batch)
}

// build appends what ends some transactions.
func (e *ends) build(sends []mq.Send, which []int) []mq.Send {
	for _, i := range which {
		if f := &e.halves[i]; e.batch.Ends[i].Outcome == mq.OutcomeCommit {
			sends = append(sends, mq.Send{Message: committed(&f.Record, f.to, f.checks, f.kept)})
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
func (e *ends) storedTogether(which []int, b *mq.SendBatch) {
	if errorOf(b) == nil || len(which) == 1 {
		e.landed(which, b)
		return
	}
	e.open.Add(int32(len(which)))
	for n := range which {
		alone := which[n : n+1]
		e.l.opts.Append(&mq.SendBatch{Sends: e.build(nil, alone), Whole: true, Done: func(b *mq.SendBatch) { e.landed(alone, b) }})
	}
	e.closeOne()
}

// landed takes the result of an append.
func (e *ends) landed(which []int, b *mq.SendBatch) {
	err := errorOf(b)
	e.l.note(e.offsets(which), b, false)
	for _, i := range which {
		e.batch.Ends[i].Err = err
		e.tell(i)
	}
	e.closeOne()
}

// tell says how an end went, and lets go of its half message.
func (e *ends) tell(i int) {
	one, f := &e.batch.Ends[i], &e.halves[i]
	if f.there {
		e.l.opts.Ended(Ended{Half: &f.Record, Topic: f.topic, Outcome: one.Outcome, Began: e.began, Err: one.Err})
	}
	*f = found{}
}

// closeOne counts something that is over. With the last all is.
func (e *ends) closeOne() {
	if e.open.Add(-1) > 0 {
		return
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
	e.handed, e.bytes, e.buf, e.props = 0, 0, e.buf[:0], e.props[:0]
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
