package broker

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
	"github.com/goddardmq/goddard/internal/store"
)

// maxPassed bounds how often a pop goes on in a queue of which nothing matched;
// each time it passes over some thousand messages, and keeps that.
const maxPassed = 64

// A popping is one pop on its way through the queues.
type popping struct {
	b    *Broker
	r    *mq.PopRequest
	t    *topic
	p    *progress // in the topic itself
	look bool      // take nothing, and end at the first thing found
	live *live
	in   visits
	most struct{ messages, bytes int } // what it may take

	batch    mq.PopBatch
	bytes    int
	releases []func()
	busy     []source // others were taking from them
	until    int64    // when the first of the queues in order is free, Unix milliseconds; 0 if none is blocked
	found    bool
	err      error // of a queue; the others may do
}

// A source is a queue that a pop takes from.
type source struct {
	p    *progress
	id   int32
	kind mq.RetryKind
}

func (s source) queue() mq.Queue { return mq.Queue{Topic: s.p.topic, ID: s.id} }

func (s source) use() pop.Use { return pop.Use{Group: s.p.group, Topic: s.p.topic, Queue: s.id} }

func (b *Broker) newPopping(r *mq.PopRequest, look bool) (*popping, error) {
	t, err := b.mayPop(r)
	if err != nil {
		return nil, err
	}
	x := &popping{b: b, r: r, t: t, look: look, live: b.opts()}
	if limit := x.live.MaxPopped; !look && !r.Peek && !r.Ordered && b.poppedInHand() >= int64(limit) {
		return nil, errPopped(limit)
	}
	if g := b.findGroup(r.Group); g != nil {
		o := popOrder{*x.live.PriorityOrderAsc, *x.live.RetryFirst, x.live.RetryFirstPriority}
		x.in = o.visits(t, g, r.Ordered, func(percent int) bool { return rand.IntN(100) < percent })
	}
	if x.p, err = b.offsets.claim(use{r.Group, r.Topic}, x.live.MaxLightOffsets); err != nil {
		return nil, err
	}
	x.most.messages, x.most.bytes = r.MaxMessages, x.live.Store.MaxReadBytes
	x.batch.PopTime, x.batch.Invisible = time.Now().UnixMilli(), r.Invisible.Milliseconds()
	return x, nil
}

// run goes through the queues: what comes back to the group first now and then,
// so that it is not starved, and otherwise last.
func (x *popping) run() {
	if x.in.retriesFirst {
		x.visitRetries()
	}
	if x.r.QueueID >= 0 {
		x.visit(source{x.p, x.r.QueueID, mq.RetryNone}, false)
	} else {
		x.visitAll(x.p, x.t, mq.RetryNone)
	}
	if !x.in.retriesFirst && !x.r.Ordered {
		x.visitRetries()
	}
	// Nothing is free that has messages; those who have the rest are quick.
	for _, s := range x.busy {
		x.visit(s, true)
	}
}

func (x *popping) visitRetries() {
	for i, name := range x.p.retryTopics() {
		if t := x.b.topics.table.get(name); t != nil {
			x.visitAll(x.b.offsets.progress(use{x.r.Group, name}), t, mq.RetryV1+mq.RetryKind(i))
		}
	}
}

// visitAll visits the queues of a topic.
func (x *popping) visitAll(p *progress, t *topic, kind mq.RetryKind) {
	if t.ReadQueues <= 0 || t.Perm&mq.PermRead == 0 {
		return
	}
	turn := p.turn.Add(1)
	for i := range uint32(t.ReadQueues) {
		x.visit(source{p, x.in.queue(i, uint32(t.ReadQueues), turn), kind}, false)
	}
}

// full reports whether no more is wanted.
func (x *popping) full() bool {
	return len(x.batch.Messages) >= x.most.messages || x.bytes >= x.most.bytes || x.look && x.found
}

// visit takes from a queue what it can. Unless wait is set it leaves a queue to
// others who are taking from it.
func (x *popping) visit(s source, wait bool) {
	switch {
	case x.full() || wait && x.found:
		x.leave(s)
		return
	case x.r.ByGroup:
		// Even looking needs the lock.
	case x.look:
		x.lookAt(s)
		return
	case x.r.Peek:
		x.takeFrom(s)
		return
	}
	lock := s.p.popLock(s.id)
	if wait || x.look {
		lock.Lock()
	} else if !lock.TryLock() {
		x.busy = append(x.busy, s)
		return
	}
	defer lock.Unlock()
	if x.r.ByGroup {
		x.takeByGroup(s)
		return
	}
	x.takeFrom(s)
}

// leave counts what lies in a queue, unless that is in order and must wait.
func (x *popping) leave(s source) {
	if x.look {
		return
	}
	if x.r.ByGroup {
		x.leaveByGroup(s)
		return
	}
	if _, blocked := x.order(s); blocked {
		return
	}
	n, err := x.waiting(s)
	if err == nil {
		x.batch.Rest += n
	}
}

// waiting is how many messages of a queue the group has not taken.
func (x *popping) waiting(s source) (int64, error) {
	lo, hi, err := x.b.store.Bounds(s.queue())
	if err != nil {
		return 0, err
	}
	switch at := s.p.at(s.id); {
	case at.reset != noOffset:
		lo = max(lo, at.reset)
	case at.committed > hi:
		// More than the queue holds; a pop puts it right.
	case at.committed != noOffset:
		lo = max(lo, at.committed)
	default:
		lo = x.begin(s, lo, hi)
	}
	return int64(max(0, hi-lo)), nil
}

// lookAt notes whether there is something to take from a queue.
func (x *popping) lookAt(s source) {
	n, err := x.waiting(s)
	if err != nil {
		x.err = err
	}
	if n > 0 && !x.limited(s) {
		_, blocked := x.order(s)
		x.found = !blocked
	}
}

// limited reports whether the group has as much of a queue in hand as it may.
func (x *popping) limited(s source) bool {
	return !x.r.Ordered && x.live.LimitPopped && x.b.holds.Count(s.use()) > int64(x.live.MaxPoppedPerQueue)
}

// order is what the group has in hand of a queue that it takes in order, and
// whether that keeps it from taking more.
func (x *popping) order(s source) (o pop.Order, blocked bool) {
	if !x.r.Ordered {
		return o, false
	}
	o, err := x.b.holds.Order(s.use())
	if err != nil {
		x.err = err
		return o, true
	}
	until, blocked := o.Blocked(x.r.AttemptID, x.batch.PopTime)
	if blocked && (x.until == 0 || until < x.until) {
		x.until = until
	}
	return o, blocked
}

// takeFrom takes from a queue that is locked, or only reads if it is to peek.
func (x *popping) takeFrom(s source) {
	if x.limited(s) {
		return
	}
	o, blocked := x.order(s)
	if blocked {
		return
	}
	if err := x.notByGroup(s); err != nil {
		x.err = err
		return
	}
	from, err := x.start(s)
	if err != nil {
		x.err = err
		return
	}
	got, from, err := x.read(s, from)
	if err != nil {
		x.err = err
		return
	}
	if got.Status != mq.PullFound {
		if !x.r.Peek {
			if err := x.b.offsets.commit(s.p, s.id, from); err != nil {
				x.err = err
			}
		}
		release(got)
		return
	}
	x.take(s, got, &o)
	x.batch.Rest += int64(got.Max - got.Next)
}

// start is where the group goes on in a queue.
func (x *popping) start(s source) (mq.QueueOffset, error) {
	if !x.r.Peek {
		if to, ok, err := x.b.offsets.takeReset(s.p, s.id); ok || err != nil {
			return to, err
		}
	}
	at := s.p.at(s.id)
	if at.reset != noOffset {
		return at.reset, nil
	}
	if at.committed != noOffset {
		return at.committed, nil
	}
	lo, hi, err := x.b.store.Bounds(s.queue())
	if err != nil {
		return 0, err
	}
	return x.begin(s, lo, hi), nil
}

// begin is where a group begins that has no offset.
func (x *popping) begin(s source, lo, hi mq.QueueOffset) mq.QueueOffset {
	return beginAt(x.r.FromEnd && s.kind == mq.RetryNone, s.p.topic, lo, hi)
}

// beginAt is begin in a queue of a topic that has these bounds.
func beginAt(fromEnd bool, topic string, lo, hi mq.QueueOffset) mq.QueueOffset {
	if !fromEnd || mq.Young(topic, lo, hi) {
		return lo
	}
	return hi
}

// read reads from a queue, and passes over what does not match or is gone. It
// returns where the group is done with everything before.
func (x *popping) read(s source, from mq.QueueOffset) (got mq.Batch, to mq.QueueOffset, err error) {
	o := store.ReadOptions{MaxMessages: x.most.messages - len(x.batch.Messages), MaxBytes: x.most.bytes - x.bytes}
	if s.kind == mq.RetryNone {
		o.Filter = x.r.Filter
	}
	for range maxPassed {
		got, err = x.b.store.Read(s.queue(), from, o)
		if err != nil || got.Status != mq.PullNoMatch && got.Status != mq.PullOffsetIllegal {
			return got, from, err
		}
		if from = got.Next; from >= got.Max {
			return got, from, nil
		}
		release(got)
		got.Release = nil
	}
	return got, from, nil
}

// take puts what was read into the group's hand and into the answer.
func (x *popping) take(s source, got mq.Batch, o *pop.Order) {
	first := len(x.batch.Messages)
	taken := x.gather(s, got)
	if err := x.keep(s, got.Next, taken, o, x.batch.Messages[first:]); err != nil {
		x.err = err
		x.batch.Messages = x.batch.Messages[:first]
		release(got)
		return
	}
	x.releases = append(x.releases, got.Release)
	if !x.r.Peek {
		s.p.popped(s.id, x.batch.PopTime, x.r.Client)
	}
	x.count(s, x.batch.Messages[first:])
}

// count counts messages that go into the answer.
func (x *popping) count(s source, taken []mq.Popped) {
	size := 0
	for i := range taken {
		size += len(taken[i].Record)
	}
	x.bytes += size
	x.found = true
	s.p.getNums.add(int64(len(taken)))
	s.p.getSize.add(int64(size))
}

// gather adds the records of a batch to the answer.
func (x *popping) gather(s source, got mq.Batch) []pop.Taken {
	taken := make([]pop.Taken, 0, got.Count)
	if x.batch.Messages == nil {
		x.batch.Messages = make([]mq.Popped, 0, x.r.MaxMessages)
	}
	receipt := mq.Receipt{
		PopTime: x.batch.PopTime, Invisible: x.batch.Invisible, Retry: s.kind, Broker: x.live.Name, QueueID: s.id,
	}
	if x.r.Ordered {
		receipt.Revive = mq.OrderedRevive
	}
	be := binary.BigEndian
	for _, data := range got.Data {
		for len(data) > 0 {
			rec := data[:be.Uint32(data)]
			data = data[len(rec):]
			t := pop.Taken{
				Offset: mq.OffsetIn(rec, s.p.topic), Pos: mq.LogPos(be.Uint64(rec[mq.RecordPosAt:])),
			}
			taken = append(taken, t)
			receipt.Start, receipt.Offset = taken[0].Offset, t.Offset
			m := mq.Popped{Record: rec}
			if !x.r.Peek {
				m.Receipt = receipt
			}
			x.batch.Messages = append(x.batch.Messages, m)
		}
	}
	return taken
}

// keep stores what the group has in hand now, together with its offset.
func (x *popping) keep(s source, next mq.QueueOffset, taken []pop.Taken, o *pop.Order, answer []mq.Popped) error {
	h, now := x.b.holds, x.batch.PopTime
	switch {
	case x.r.Peek:
		return nil
	case !x.r.Ordered:
		return x.b.offsets.commitWith(s.p, s.id, next, h.Batch(), func(b *store.KeyBatch) error {
			return h.Take(b, s.use(), now, now+x.batch.Invisible, taken)
		})
	}
	offsets := make([]mq.QueueOffset, len(taken))
	for i := range taken {
		offsets[i] = taken[i].Offset
	}
	for i, n := range o.Take(x.r.AttemptID, now, x.batch.Invisible, offsets) {
		answer[i].Tries = n
	}
	return x.b.offsets.commitWith(s.p, s.id, offsets[0], h.Batch(), func(b *store.KeyBatch) error {
		return h.KeepOrder(b, s.use(), o)
	})
}

// poppedInHand is how many messages max-popped counts: all but those in order of
// ordinary queues, of which no queue has more than one pop's.
func (b *Broker) poppedInHand() int64 { return b.holds.Total() + b.lites.inHand.Load() }

func errPopped(limit int) error {
	return fmt.Errorf("%w: consumers have %d messages in hand, acknowledge some, or raise max-popped", mq.ErrBusy, limit)
}
