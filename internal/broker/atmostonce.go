package broker

import (
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// errHanded keeps a message from being stored. Its sender never sees it.
var errHanded = errors.New("the message was handed out")

// catchUpWait is how long a pull of a push consumer waits that may have to
// correct the offset which it commits.
const catchUpWait = time.Second

// A passing is the messages of one Send that are delivered at most once: to
// whoever waits for them, and to nobody later.
type passing struct {
	b        *Broker
	topic    string
	queues   int32 // of the topic
	messages []mq.Message
	tags     []int64
}

// handOut gives messages to the consumers that wait for their topic: to one
// member of each group, or to every member of one that broadcasts. Those that
// nobody waits for are dropped.
func (s *sending) handOut(one *mq.Send, t *topic) {
	s.handed = append(s.handed, one)
	one.Result = mq.SendResult{
		Status: mq.SendOK, QueueID: one.QueueID, Offset: noOffset, Pos: noPosition, StoreTime: time.Now().UnixMilli(),
		MorePos: one.Result.MorePos[:0],
	}
	p := &passing{b: s.b, topic: t.Name, queues: t.ReadQueues}
	p.add(one.Message)
	for i := range one.More {
		m := one.Message
		m.Body, m.Flag, m.Properties = one.More[i].Body, one.More[i].Flag, one.More[i].Properties
		p.add(m)
		one.Result.MorePos = append(one.Result.MorePos, noPosition)
	}
	n := int64(len(p.messages))
	if strings.HasPrefix(one.Topic, mq.RetryPrefix) || p.run() == 0 {
		s.b.passed.dropped.Add(n)
		return
	}
	s.b.passed.handed.Add(n)
}

// pass checks that messages that are delivered at most once could be stored,
// and hands them out.
func (s *sending) pass(one *mq.Send, t *topic) error {
	m := one.Message
	for i := -1; i < len(one.More); i++ {
		if i >= 0 {
			m.Body, m.Properties = one.More[i].Body, one.More[i].Properties
		}
		if _, err := mq.RecordSize(&m, s.b.store.Options().StoreHost); err != nil {
			return err
		}
	}
	s.handOut(one, t)
	return errHanded
}

// noPosition stands for a place in the log that is not there.
const noPosition mq.LogPos = -1

func (p *passing) add(m mq.Message) {
	tag := int64(0)
	if text, ok := mq.Property(m.Properties, mq.PropTags); ok {
		tag = mq.TagCode(text)
	}
	p.messages, p.tags = append(p.messages, m), append(p.tags, tag)
}

// A receiver is a group, or a client of one that broadcasts.
type receiver struct {
	group  string
	client any
}

// run hands the messages to parked pulls and pops and returns how many were given to
// anybody; one that went to several counts as often.
func (p *passing) run() (given int) {
	left := map[receiver][]int{}
	broadcasts := map[string]bool{}
	for _, w := range p.b.parking.waitFor(p.topic, p.queues) {
		if p.b.mayPull(&w.request) != nil {
			continue // which it is told when it is read for
		}
		group := w.request.Group
		all, known := broadcasts[group]
		if !known {
			all = p.b.clients.broadcasts(group)
			broadcasts[group] = all
		}
		to := receiver{group: group}
		if all {
			to.client = w.ctx
		}
		rest, n := p.give(w, p.todo(left, to), all)
		left[to] = rest
		given += n
	}
	for _, w := range p.b.parking.popsFor(p.topic) {
		to := receiver{group: w.pop.request.Group}
		rest, n := p.givePop(w, p.todo(left, to))
		left[to] = rest
		given += n
	}
	return given
}

// todo are the messages that a receiver has not got, by their places.
func (p *passing) todo(left map[receiver][]int, to receiver) []int {
	todo, begun := left[to]
	if !begun {
		for i := range p.messages {
			todo = append(todo, i)
		}
	}
	return todo
}

// choose divides messages into up to most that a filter lets through, and the
// others.
func (p *passing) choose(todo []int, most int, filter mq.Filter) (take, rest []int) {
	for _, i := range todo {
		if len(take) < most && wanted(filter, p.tags[i], p.messages[i].Properties) {
			take = append(take, i)
		} else {
			rest = append(rest, i)
		}
	}
	return take, rest
}

// give answers a parked pull with those messages that it wants and returns the
// others, and how many it took.
func (p *passing) give(w *waiting, todo []int, broadcasts bool) (rest []int, n int) {
	take, rest := p.choose(todo, max(1, w.request.MaxMessages), w.request.Filter)
	if len(take) == 0 || w.ctx.Err() != nil || !p.b.parking.take(w) {
		return todo, 0
	}
	r := &w.request
	batch := mq.Batch{Status: mq.PullFound, Count: len(take), Next: r.From}
	batch.Min, batch.Max, _ = p.b.store.Bounds(r.Queue)
	own := p.b.clients.pullsItself(r.Group)
	var data []byte
	for k, i := range take {
		at := p.b.passed.nextOffset()
		if own && k == len(take)-1 {
			// Such a consumer commits what follows the last message of an answer.
			at = r.From - 1
		}
		data = p.b.appendPassing(data, &p.messages[i], r.Queue.ID, at)
	}
	batch.Data = [][]byte{data}
	if broadcasts || !own && committedBy(r) < r.From {
		w.progress.catchUp(r.Queue.ID)
	}
	p.b.owe(w, len(take), len(data))
	p.b.answer(w.progress, r, batch, w.done)
	return rest, len(take)
}

// givePop answers a parked pop likewise. What it gets is in nobody's hand: its
// receipts say so, and whatever is done with them is done.
func (p *passing) givePop(w *waiting, todo []int) (rest []int, n int) {
	r := &w.pop.request
	take, rest := p.choose(todo, r.MaxMessages, r.Filter)
	if len(take) == 0 || w.ctx.Err() != nil || !p.b.parking.take(w) {
		return todo, 0
	}
	at := mq.FirstPassing + mq.QueueOffset(p.b.passed.popped.Add(int64(len(take)))) - mq.QueueOffset(len(take))
	batch := mq.PopBatch{
		Status: mq.PopFound, PopTime: time.Now().UnixMilli(), Invisible: r.Invisible.Milliseconds(), Release: func() {},
	}
	receipt := mq.Receipt{
		Start: at, PopTime: batch.PopTime, Invisible: batch.Invisible, Broker: p.b.opts().Name, QueueID: max(0, r.QueueID),
	}
	if r.Ordered {
		receipt.Revive = mq.OrderedRevive
	}
	size := 0
	for k, i := range take {
		receipt.Offset = at + mq.QueueOffset(k)
		record := p.b.appendPassing(nil, &p.messages[i], receipt.QueueID, receipt.Offset)
		batch.Messages = append(batch.Messages, mq.Popped{Record: record, Receipt: receipt})
		size += len(record)
	}
	u := w.use()
	p.b.owe(w, len(take), size)
	counts := p.b.offsets.progress(u)
	counts.getNums.add(int64(len(take)))
	counts.getSize.add(int64(size))
	p.b.handOver(w, batch)
	return rest, len(take)
}

// owe charges the limits that a request keeps for messages that are delivered at
// most once, which cannot wait.
func (b *Broker) owe(w *waiting, messages, bytes int) {
	if u, by := w.use(), w.visit(); b.rates.limited(u, by) {
		b.rates.owe(u, by, messages, bytes)
	}
}

// appendPassing adds the record of a message that lies nowhere.
func (b *Broker) appendPassing(data []byte, m *mq.Message, queue int32, at mq.QueueOffset) []byte {
	m.QueueID = queue
	start := len(data)
	data = mq.AppendRecord(data, m, b.store.Options().StoreHost)
	mq.PatchRecord(data[start:], at, noPosition, time.Now().UnixMilli())
	return data
}

// wanted reports whether a filter lets a message with this tag and these
// properties through.
func wanted(filter mq.Filter, tag int64, props []byte) bool {
	if filter == nil {
		return true
	}
	f, ok := filter.(mq.PropertyFilter)
	return filter.Match(tag) && (!ok || f.MatchProperties(props))
}

// committedBy is the offset that a client says it has come to; its pull leaves
// out 0.
func committedBy(r *mq.PullRequest) mq.QueueOffset {
	if r.Commit == nil {
		return 0
	}
	return *r.Commit
}

// passed counts messages that are delivered at most once.
type passed struct {
	handed, dropped atomic.Int64
	last            atomic.Int64
	popped          atomic.Int64 // so far, which their offsets come from
}

// nextOffset is a queue offset that no message has and that no client commits:
// consumers keep what they work on by offset and commit the lowest, or what
// follows the highest, unless it is negative. -1 is passed over, for 0 follows.
func (p *passed) nextOffset() mq.QueueOffset {
	return -2 - mq.QueueOffset(p.last.Add(1)%(1<<31))
}

// checkPassing refuses a message that cannot be delivered at most once.
func checkPassing(one *mq.Send, seen *properties) error {
	switch {
	case seen.qos == qosWrong:
		return fmt.Errorf("%w: property %s must be 0 (at most once) or 1 (at least once)", mq.ErrMessageIllegal, mq.PropQoS)
	case seen.qos != qosZero:
		return nil
	case seen.half || one.SysFlag&mq.FlagTransaction != 0:
		return fmt.Errorf("%w: a transactional message is stored and cannot be delivered at most once; leave out %s = 0", mq.ErrMessageIllegal, mq.PropQoS)
	case seen.LightQueues != nil && mq.HasLightQueues(one.Topic):
		return fmt.Errorf("%w: a message reaches the light queues that it names (%s) by being stored, and cannot be delivered at most once; leave out %s = 0", mq.ErrMessageIllegal, mq.PropMultiDispatch, mq.PropQoS)
	case (seen.delay > 0 || seen.timer) && !strings.HasPrefix(one.Topic, mq.RetryPrefix):
		return fmt.Errorf("%w: a delayed message is stored and cannot be delivered at most once; leave out %s = 0", mq.ErrMessageIllegal, mq.PropQoS)
	}
	return nil
}

// A qos is what a message says about how safely it is to be delivered.
type qos uint8

const (
	qosNone  qos = iota // at least once
	qosZero             // at most once
	qosOne              // at least once
	qosWrong            // something else
)

func parseQoS(value []byte) qos {
	switch string(value) {
	case "0":
		return qosZero
	case "1":
		return qosOne
	}
	return qosWrong
}

// catchUp notes that a client was given messages without offsets while it still
// worked on others, after which it may commit less than it could.
func (p *progress) catchUp(queue int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.mu.behind == nil {
		p.mu.behind = map[int32]bool{}
	}
	p.mu.behind[queue] = true
	p.behind.Store(true)
}

// caughtUp reports whether a pull may wait as long as it likes. Otherwise the
// client is to hear soon that there is nothing new, by which it corrects the
// offset that it commits. once says that hearing it once is enough.
func (p *progress) caughtUp(queue int32, committed, from mq.QueueOffset, once bool) bool {
	if !p.behind.Load() {
		return true
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.mu.behind[queue] {
		return true
	}
	over := committed >= from
	if over || once {
		delete(p.mu.behind, queue)
		p.behind.Store(len(p.mu.behind) > 0)
	}
	return over
}
