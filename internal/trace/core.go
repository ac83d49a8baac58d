package trace

import (
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
)

// Properties by which OpenTelemetry's instrumentations hand on the producer's
// span: RocketMQ's remoting clients write W3C's two, the proxy writes what a
// gRPC client said in its trace context into TRACE_CONTEXT.
const (
	propTraceParent = "traceparent"
	propTraceState  = "tracestate"
)

type (
	traceID [16]byte
	spanID  [8]byte
)

// A line is what ties the spans of one message together.
type line struct {
	trace  traceID
	parent spanID // the producer's span, zero if the message names none
	state  string // tracestate
	root   spanID // the span of the send
}

// marks are the properties that a line follows from. They alias the message's.
type marks struct{ parent, state, context, unique, origin []byte }

// look goes through the properties of a message once.
func look(props []byte) (m marks) {
	for k, v := range mq.Properties(props) {
		switch string(k) {
		case propTraceParent:
			m.parent = v
		case propTraceState:
			m.state = v
		case mq.PropTraceContext:
			m.context = v
		case mq.PropUniqueKey:
			m.unique = v
		case mq.PropOriginMessageID:
			m.origin = v
		}
	}
	return m
}

// A sampler chooses which messages are followed.
type sampler struct {
	// reject is how many of the 2^56 values of a trace id's random part are not
	// followed, where no producer has decided.
	reject uint64
}

const randomPart = 1 << 56

func newSampler(ratio float64) sampler {
	return sampler{reject: uint64((1 - ratio) * randomPart)}
}

// choose is a message's line, if it is followed: as its producer decided or, if
// it names none, for a share of all messages. id names a message without a
// unique key; it is asked for only then, and may be nil.
func (s sampler) choose(m marks, id func() string) (l line, ok bool) {
	p, ok := parseParent(m.parent)
	if !ok {
		p, ok = parseParent(m.context)
	}
	if ok {
		if !p.sampled {
			return l, false
		}
		l.trace, l.parent, l.state = p.trace, p.span, parseState(m.state)
		l.root = l.span("send", string(m.unique), 0)
		return l, true
	}
	if s.reject >= randomPart {
		return l, false
	}
	key := m.unique
	if key == nil {
		key = m.origin
	}
	if key == nil && id != nil {
		key = []byte(id())
	}
	if key == nil {
		return l, false
	}
	sum := sha256.Sum256(key)
	if binary.BigEndian.Uint64(sum[8:16])&(randomPart-1) < s.reject {
		return l, false
	}
	l.trace = traceID(sum[:16])
	l.root = l.span("send", "", 0)
	return l, true
}

// span is the id of a span that is found again from the message alone.
func (l *line) span(what, name string, n int32) spanID {
	var room [256]byte
	b := append(room[:0], l.trace[:]...)
	b = append(b, l.parent[:]...)
	b = binary.BigEndian.AppendUint32(b, uint32(n))
	b = append(append(append(b, what...), 0), name...)
	sum := sha256.Sum256(b)
	return spanID(sum[:8])
}

// again is the span by which a message came into the topic that it lies in,
// which is a group's retry or dead-letter topic: that of the try that failed.
func (l *line) again(topic string, tries int32) spanID {
	return l.span("again", topic+"\x00"+string(l.root[:]), tries)
}

// origin is the span that a delivery of a message from a topic hangs on.
func (l *line) origin(topic string, tries int32) spanID {
	if strings.HasPrefix(topic, mq.DLQPrefix) || strings.HasPrefix(topic, mq.RetryPrefix) && tries > 0 {
		return l.again(topic, tries)
	}
	return l.root
}

// created is the span that made the message: its producer's, or that of the send.
func (l *line) created() spanID {
	if l.parent != (spanID{}) {
		return l.parent
	}
	return l.root
}
