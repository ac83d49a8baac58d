package trace

import (
	"math/rand/v2"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"

	"github.com/goddardmq/goddard/internal/broker"
	"github.com/goddardmq/goddard/internal/mq"
)

// Limits of what is kept, in messages.
const (
	maxQueued = 8192  // that wait to be written
	maxHeld   = 16384 // delivered and not yet acknowledged
)

// A Tracer is broker.Tracer.
type Tracer struct {
	opts     Options
	sampler  sampler
	client   otlptrace.Client
	resource *resourcepb.Resource

	queue   chan *event
	queued  atomic.Int64 // messages in queue
	dropped atomic.Int64 // spans
	holding atomic.Int64 // deliveries in queue and in hands; without any, acknowledgements say nothing
}

var _ broker.Tracer = (*Tracer)(nil)

// An event is something that happened to messages at one time.
type event struct {
	op       operation
	group    string
	queue    mq.Queue       // acknowledgements, and where a message lay that failed
	offset   mq.QueueOffset // likewise
	began    time.Time
	ended    time.Time
	store    time.Time // when what was sent went to the store, zero if it did not
	waits    string    // the topic that it waits in
	messages int       // that were handed over together, followed or not
	parts    []part
}

// add hands an event to the goroutine that writes, unless that is behind.
func (t *Tracer) add(e *event) bool {
	n := int64(max(1, len(e.parts)))
	if t.queued.Add(n) <= maxQueued {
		select {
		case t.queue <- e:
			return true
		default:
		}
	}
	t.queued.Add(-n)
	t.dropped.Add(int64(e.spans()))
	return false
}

// Send is part of broker.Tracer.
func (t *Tracer) Send(sends []mq.Send, began time.Time) (done func()) {
	var found []following
	for i := range sends {
		one := &sends[i]
		if l, ok := t.follows(&one.Message); ok {
			found = append(found, following{one, 0, one.Err == nil, describeSent(l, one, &one.Message)})
		}
		if one.Topic == mq.TopicTrace {
			continue
		}
		for j := range one.More {
			m := one.More[j]
			if l, ok := t.follows(&m); ok {
				m.Topic, m.QueueID, m.BornHost = one.Topic, one.QueueID, one.BornHost
				found = append(found, following{one, j + 1, one.Err == nil, describeSent(l, one, &m)})
			}
		}
	}
	if found == nil {
		return nil
	}
	stored := time.Now()
	return func() { t.sent(found, began, stored) }
}

// A following is a message that is followed while it is stored.
type following struct {
	send   *mq.Send
	n      int  // its place among the messages of the send
	stores bool // it goes to the store
	part   part
}

func describeSent(l line, one *mq.Send, m *mq.Message) part {
	p := describe(l, m)
	if p.producer == "" {
		p.producer = clip(one.Group)
	}
	return p
}

// follows says whether a message that is being sent is followed.
func (t *Tracer) follows(m *mq.Message) (line, bool) {
	if m.Topic == mq.TopicTrace {
		return line{}, false
	}
	return t.sampler.choose(look(m.Properties), nil)
}

// sent notes what became of messages that went to the store at a time.
func (t *Tracer) sent(found []following, began, stored time.Time) {
	now := time.Now()
	for i := range found {
		f := &found[i]
		e := &event{op: opSend, began: began, ended: now, parts: []part{f.part}}
		p := &e.parts[0]
		switch {
		case f.send.Err != nil:
			p.err = clip(f.send.Err.Error())
		case !f.stores && f.send.Result.Pos < 0:
			// It was handed out at most once, and lies nowhere.
		case !f.stores:
			p.duplicate = true
		case f.send.Topic != p.topic:
			e.store, e.waits = stored, f.send.Topic
		default:
			e.store, p.offset = stored, f.offset()
		}
		if p.tries > 0 && f.stores {
			e.came(p)
		}
		t.add(e)
	}
}

// offset is where the message lies in its queue; -1 if that is not known, for
// some of its batch were duplicates.
func (f *following) offset() mq.QueueOffset {
	r := &f.send.Result
	if len(f.send.More) != len(r.MorePos) {
		return -1
	}
	return r.Offset + mq.QueueOffset(f.n)
}

// came makes of the send of a message that failed at its consumer what it is,
// if it goes where such messages go.
func (e *event) came(p *part) {
	switch {
	case strings.HasPrefix(p.topic, mq.RetryPrefix):
		e.op = opRetry
	case strings.HasPrefix(p.topic, mq.DLQPrefix):
		e.op = opDeadLetter
	default:
		return
	}
	e.group = groupOf(p.topic)
	e.queue = mq.Queue{Topic: mq.RetryTopic(e.group), ID: -1} // by its tries; which queue is not known
}

// groupOf is the group of a retry or dead-letter topic.
func groupOf(topic string) string {
	return strings.TrimPrefix(strings.TrimPrefix(topic, mq.RetryPrefix), mq.DLQPrefix)
}

// Deliver is part of broker.Tracer.
func (t *Tracer) Deliver(group, from string, records [][]byte) {
	var e *event
	count := 0
	for _, data := range records {
		for len(data) > 0 {
			rec, rest, err := mq.DecodeRecord(data)
			if err != nil {
				break
			}
			data = rest
			count++
			p, ok := t.delivered(&rec)
			if !ok {
				continue
			}
			if e == nil {
				e = &event{op: opDeliver, group: clip(group), began: time.Now()}
				e.ended = e.began
			}
			// An acknowledgement names the light queue and the offset there.
			p.passed = mq.IsLight(from) && !mq.IsLight(p.topic) && !strings.HasPrefix(p.topic, mq.RetryPrefix)
			e.parts = append(e.parts, p)
		}
	}
	if e != nil {
		e.messages = count
		t.holding.Add(int64(len(e.parts)))
		if !t.add(e) {
			t.holding.Add(-int64(len(e.parts)))
		}
	}
}

// delivered describes a stored message if it is followed.
func (t *Tracer) delivered(rec *mq.Record) (part, bool) {
	if string(rec.Topic) == mq.TopicTrace {
		return part{}, false
	}
	l, ok := t.sampler.choose(look(rec.Properties), rec.OffsetID)
	if !ok {
		return part{}, false
	}
	m := rec.Message()
	p := describe(l, &m)
	p.offset = rec.QueueOffset
	return p, true
}

// Commit is part of broker.Tracer.
func (t *Tracer) Commit(group string, q mq.Queue, to mq.QueueOffset) {
	t.settle(opCommitted, group, q, to)
}

// Ack is part of broker.Tracer.
func (t *Tracer) Ack(group string, q mq.Queue, at mq.QueueOffset) { t.settle(opAck, group, q, at) }

func (t *Tracer) settle(op operation, group string, q mq.Queue, at mq.QueueOffset) {
	if t.holding.Load() == 0 {
		return
	}
	now := time.Now()
	t.add(&event{op: op, group: clip(group), queue: q, offset: at, began: now, ended: now})
}

// Note is part of broker.Tracer.
func (t *Tracer) Note(n broker.TraceEvent) {
	l, ok := t.follows(n.Message)
	if !ok {
		return
	}
	p := describe(l, n.Message)
	if n.Kind == broker.TraceRelease {
		p.offset = n.Offset
	}
	if n.Err != nil {
		p.err = clip(n.Err.Error())
	}
	t.add(&event{
		op: noted[n.Kind], group: clip(n.Group), queue: n.From, offset: n.Offset, began: n.Began, ended: time.Now(), parts: []part{p},
	})
}

// Dropped is part of broker.Tracer.
func (t *Tracer) Dropped() int64 { return t.dropped.Load() }

// randomSpan is the id of a span that nothing hangs on but what is at hand.
func randomSpan() (id spanID) {
	for id == (spanID{}) {
		n := rand.Uint64()
		for i := range id {
			id[i] = byte(n >> (8 * i))
		}
	}
	return id
}
