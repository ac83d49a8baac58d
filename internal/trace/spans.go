package trace

import (
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/goddardmq/goddard/internal/broker"
	"github.com/goddardmq/goddard/internal/mq"
)

// An operation is what a span is about.
type operation uint8

const (
	opSend operation = iota
	opStore
	opDeliver
	opCommitted // acknowledges all before an offset
	opAck       // acknowledges one message
	opRetry
	opDeadLetter
	opRelease
	opCommit
	opRollback
	opCheck
)

// operations say how the spans of an operation look.
var operations = [...]struct {
	name string
	typ  attribute.KeyValue // not set where none of the conventions' fits
	kind tracepb.Span_SpanKind
}{
	opSend:       {"send", semconv.MessagingOperationTypeSend, tracepb.Span_SPAN_KIND_PRODUCER},
	opStore:      {"store", attribute.KeyValue{}, tracepb.Span_SPAN_KIND_INTERNAL},
	opDeliver:    {"deliver", semconv.MessagingOperationTypeReceive, tracepb.Span_SPAN_KIND_CONSUMER},
	opCommitted:  {"ack", semconv.MessagingOperationTypeSettle, tracepb.Span_SPAN_KIND_SERVER},
	opAck:        {"ack", semconv.MessagingOperationTypeSettle, tracepb.Span_SPAN_KIND_SERVER},
	opRetry:      {"retry", semconv.MessagingOperationTypeSettle, tracepb.Span_SPAN_KIND_SERVER},
	opDeadLetter: {"dead_letter", semconv.MessagingOperationTypeSettle, tracepb.Span_SPAN_KIND_SERVER},
	opRelease:    {"release", attribute.KeyValue{}, tracepb.Span_SPAN_KIND_INTERNAL},
	opCommit:     {"commit", semconv.MessagingOperationTypeSettle, tracepb.Span_SPAN_KIND_SERVER},
	opRollback:   {"rollback", semconv.MessagingOperationTypeSettle, tracepb.Span_SPAN_KIND_SERVER},
	opCheck:      {"check", attribute.KeyValue{}, tracepb.Span_SPAN_KIND_CLIENT},
}

// noted are the operations of what the broker notes.
var noted = [...]operation{
	broker.TraceRetry: opRetry, broker.TraceDeadLetter: opDeadLetter, broker.TraceRelease: opRelease,
	broker.TraceCommit: opCommit, broker.TraceRollback: opRollback, broker.TraceCheck: opCheck,
}

// spans is how many spans an event makes at most, as far as that is known.
func (e *event) spans() int {
	switch n := len(e.parts); {
	case e.op == opCommitted || e.op == opAck:
		return 0 // the next offset makes up for it, or nothing was held
	case e.op == opDeliver && n > 1:
		return n + 1
	case !e.store.IsZero():
		return n + 1
	default:
		return n
	}
}

// A writer turns events into spans. It belongs to one goroutine.
type writer struct {
	hands *hands
	spans []*tracepb.Span
}

// take makes the spans of an event.
func (w *writer) take(e *event) {
	switch e.op {
	case opSend:
		p := &e.parts[0]
		id := p.root
		if p.duplicate { // that is the span of the one that is stored
			id = randomSpan()
		}
		w.add(e, p, id, p.parent)
		w.store(e, p)
	case opDeliver:
		w.deliver(e)
	case opCommitted:
		for _, x := range w.hands.takeBefore(hand{e.group, e.queue}, e.offset) {
			w.add(e, &x.part, randomSpan(), x.span)
		}
	case opAck:
		if x, ok := w.hands.take(hand{e.group, e.queue}, e.offset); ok {
			w.add(e, &x.part, randomSpan(), x.span)
		}
	case opRetry, opDeadLetter:
		p := &e.parts[0]
		parent := p.origin(e.queue.Topic, p.tries-1)
		from := hand{e.group, e.queue}
		if x, ok := w.hands.take(from, e.offset); ok && p.err == "" {
			parent = x.span
		} else if ok {
			parent = x.span
			w.hands.put(x) // it is still in hand
		}
		w.add(e, p, p.again(p.topic, p.tries), parent)
		w.store(e, p)
	default:
		p := &e.parts[0]
		w.add(e, p, randomSpan(), p.above())
	}
}

// store makes the span of the store's part in a send.
func (w *writer) store(e *event, p *part) {
	if e.store.IsZero() {
		return
	}
	s := w.add(&event{op: opStore, began: e.store, ended: e.ended}, p, randomSpan(), p.above())
	if e.waits != "" {
		s.Attributes = append(s.Attributes, values(attribute.String("goddard.waits.in", e.waits))...)
	}
}

// above is the span that what happens to a message in its topic hangs on.
func (p *part) above() spanID { return p.origin(p.topic, p.tries) }

// deliver makes a span for each message, in its trace, and if there are several
// one of their own for the answer that they were in.
func (w *writer) deliver(e *event) {
	var whole *tracepb.Span
	if len(e.parts) > 1 {
		whole = w.answer(e)
	}
	for i := range e.parts {
		p := &e.parts[i]
		id := randomSpan()
		s := w.add(e, p, id, p.above())
		if p.parent != (spanID{}) {
			s.Links = append(s.Links, &tracepb.Span_Link{TraceId: p.trace[:], SpanId: p.parent[:], TraceState: p.state, Flags: remoteFlags})
		}
		if whole != nil {
			s.Links = append(s.Links, &tracepb.Span_Link{TraceId: whole.TraceId, SpanId: whole.SpanId, Flags: localFlags})
		}
		if p.passed {
			continue
		}
		w.hands.put(held{hand: hand{e.group, mq.Queue{Topic: p.topic, ID: p.queue}}, at: p.offset, part: *p, span: id})
	}
}

// maxLinks bounds the links of a span, as OpenTelemetry's default does.
const maxLinks = 128

// answer makes the span of an answer with several messages, with a link to what
// made each of them.
func (w *writer) answer(e *event) *tracepb.Span {
	first := &e.parts[0]
	var id traceID
	a, b := randomSpan(), randomSpan()
	copy(id[:8], a[:])
	copy(id[8:], b[:])
	span := randomSpan()
	s := &tracepb.Span{
		TraceId: id[:], SpanId: span[:], Name: "receive " + first.topic, Kind: tracepb.Span_SPAN_KIND_CONSUMER, Flags: localFlags,
		StartTimeUnixNano: nanos(e.began), EndTimeUnixNano: nanos(e.ended),
		Attributes: values(semconv.MessagingSystemRocketMQ, semconv.MessagingOperationName("receive"), semconv.MessagingOperationTypeReceive,
			semconv.MessagingDestinationName(first.topic), semconv.MessagingDestinationPartitionID(strconv.Itoa(int(first.queue))),
			semconv.MessagingConsumerGroupName(e.group), semconv.MessagingBatchMessageCount(e.messages)),
	}
	for i := range e.parts {
		if i == maxLinks {
			s.DroppedLinksCount = uint32(len(e.parts) - maxLinks)
			break
		}
		p := &e.parts[i]
		made := p.created()
		s.Links = append(s.Links, &tracepb.Span_Link{
			TraceId: p.trace[:], SpanId: made[:], TraceState: p.state, Attributes: values(semconv.MessagingMessageID(p.id)),
		})
	}
	w.spans = append(w.spans, s)
	return s
}

// Flags of spans and links: sampled, and whether the parent is another process's.
const (
	localFlags  = uint32(1 | tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK)
	remoteFlags = localFlags | uint32(tracepb.SpanFlags_SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK)
)

// add makes the span of one message.
func (w *writer) add(e *event, p *part, id, parent spanID) *tracepb.Span {
	op := operations[e.op]
	s := &tracepb.Span{
		TraceId: p.trace[:], SpanId: id[:], TraceState: p.state, Name: op.name + " " + p.topic, Kind: op.kind, Flags: localFlags,
		StartTimeUnixNano: nanos(e.began), EndTimeUnixNano: nanos(e.ended), Attributes: e.attributes(p),
	}
	if parent != (spanID{}) {
		s.ParentSpanId = parent[:]
	}
	if e.op == opSend && parent != (spanID{}) {
		s.Flags, s.Kind = remoteFlags, tracepb.Span_SPAN_KIND_SERVER
	}
	if p.err != "" {
		s.Status = &tracepb.Status{Code: tracepb.Status_STATUS_CODE_ERROR, Message: p.err}
	}
	w.spans = append(w.spans, s)
	return s
}

// attributes are those of the conventions, and some of our own.
func (e *event) attributes(p *part) []*commonpb.KeyValue {
	op := operations[e.op]
	all := []attribute.KeyValue{
		semconv.MessagingSystemRocketMQ, semconv.MessagingOperationName(op.name), semconv.MessagingDestinationName(p.topic),
		semconv.MessagingDestinationPartitionID(strconv.Itoa(int(p.queue))), semconv.MessagingMessageBodySize(p.size),
		semconv.MessagingRocketMQMessageTypeKey.String(p.kind),
	}
	if op.typ.Valid() {
		all = append(all, op.typ)
	}
	add := func(set bool, kv attribute.KeyValue) {
		if set {
			all = append(all, kv)
		}
	}
	add(p.id != "", semconv.MessagingMessageID(p.id))
	add(e.groups(), semconv.MessagingConsumerGroupName(e.group))
	add(p.keys != "", semconv.MessagingRocketMQMessageKeys(strings.Fields(p.keys)...))
	add(p.tag != "", semconv.MessagingRocketMQMessageTag(p.tag))
	add(p.group != "", semconv.MessagingRocketMQMessageGroup(p.group))
	add(p.level > 0 && p.due == 0, semconv.MessagingRocketMQMessageDelayTimeLevel(int(p.level)))
	add(p.due > 0, semconv.MessagingRocketMQMessageDeliveryTimestamp(int(p.due)))
	add(p.offset >= 0, attribute.Int64("goddard.message.offset", int64(p.offset)))
	add(p.tries > 0, attribute.Int("goddard.message.tries", int(p.tries)))
	add(p.producer != "", attribute.String("goddard.producer.group", p.producer))
	add(e.op == opSend && p.host.IsValid(), semconv.ClientAddress(p.host.Addr().Unmap().String()))
	add(e.op == opSend && p.host.IsValid(), semconv.ClientPort(int(p.host.Port())))
	add(p.duplicate, attribute.Bool("goddard.message.duplicate", true))
	add(p.err != "", semconv.ErrorTypeOther)
	return values(all...)
}

// groups reports whether an event is about a consumer group.
func (e *event) groups() bool {
	switch e.op {
	case opDeliver, opCommitted, opAck, opRetry, opDeadLetter:
		return e.group != ""
	}
	return false
}

func nanos(t time.Time) uint64 { return uint64(t.UnixNano()) }

// values are attributes as they are sent.
func values(all ...attribute.KeyValue) []*commonpb.KeyValue {
	out := make([]*commonpb.KeyValue, len(all))
	for i, kv := range all {
		out[i] = &commonpb.KeyValue{Key: string(kv.Key), Value: value(kv.Value)}
	}
	return out
}

func value(v attribute.Value) *commonpb.AnyValue {
	switch v.Type() {
	case attribute.BOOL:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_BoolValue{BoolValue: v.AsBool()}}
	case attribute.INT64:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_IntValue{IntValue: v.AsInt64()}}
	case attribute.STRINGSLICE:
		list := &commonpb.ArrayValue{}
		for _, s := range v.AsStringSlice() {
			list.Values = append(list.Values, value(attribute.StringValue(s)))
		}
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_ArrayValue{ArrayValue: list}}
	default:
		return &commonpb.AnyValue{Value: &commonpb.AnyValue_StringValue{StringValue: v.String()}}
	}
}
