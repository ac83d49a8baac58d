package grpc

import (
	"unicode/utf8"

	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

// The requests that there are most of are decoded here, into a few pieces of
// memory: as protobuf does it, each text and each part is one of its own. Whatever
// is unusual in a request, or wrong with it, is left to protobuf.

// Fields of rocketmq.proto that only requests have.
const (
	ackGroup, ackTopic, ackEntries protowire.Number = 1, 2, 3
	entryID, entryHandle           protowire.Number = 1, 2
)

// A walk goes through the fields of a message. Their texts share one copy of it.
type walk struct {
	b    []byte
	text string // a copy of b
	at   int

	number protowire.Number
	value  []byte // of a field with a length, and
	words  string // its copy
	varint uint64 // of another
	failed bool
}

func walkOf(b []byte) walk { return walk{b: b, text: string(b)} }

// inner is a walk through the field's value.
func (s *walk) inner() walk { return walk{b: s.value, text: s.words} }

// next goes to the next field; false at the end, and if it failed.
func (s *walk) next() bool {
	if s.failed || s.at == len(s.b) {
		return false
	}
	number, form, n := protowire.ConsumeTag(s.b[s.at:])
	if n < 0 {
		return s.fail()
	}
	s.at, s.number, s.value, s.words = s.at+n, number, nil, ""
	switch form {
	case protowire.BytesType:
		size, n := protowire.ConsumeVarint(s.b[s.at:])
		if n < 0 || size > uint64(len(s.b)-s.at-n) {
			return s.fail()
		}
		from, to := s.at+n, s.at+n+int(size)
		s.value, s.at = s.b[from:to:to], to
		if s.text != "" {
			s.words = s.text[from:to]
		}
	case protowire.VarintType:
		if s.varint, n = protowire.ConsumeVarint(s.b[s.at:]); n < 0 {
			return s.fail()
		}
		s.at += n
	default:
		return s.fail()
	}
	return true
}

func (s *walk) fail() bool {
	s.failed = true
	return false
}

// word is the text of the field, which has to be one.
func (s *walk) word() string {
	if s.value == nil || !utf8.Valid(s.value) {
		s.failed = true
	}
	return s.words
}

// resource is the resource in the field, unless there was one before.
func (s *walk) resource(before *rmq.Resource) *rmq.Resource {
	in, r := s.inner(), new(rmq.Resource)
	for in.next() {
		switch in.number {
		case firstField:
			r.ResourceNamespace = in.word()
		case secondField:
			r.Name = in.word()
		default:
			in.fail()
		}
	}
	if in.failed || s.value == nil || before != nil {
		s.failed = true
	}
	return r
}

// decodeAck decodes a request to acknowledge; false if that is left to protobuf.
// reserve is asked for what the request takes in memory.
func decodeAck(b []byte, m *rmq.AckMessageRequest, reserve func(int64) error) (bool, error) {
	count := 0
	counting := walk{b: b}
	for counting.next() {
		if counting.number == ackEntries {
			count++
		}
	}
	if counting.failed || count > maxAcks {
		return false, nil
	}
	if err := reserve(int64(count+3)*messageCost + int64(len(b))); err != nil {
		return false, err
	}
	entries := make([]rmq.AckMessageEntry, count)
	list := make([]*rmq.AckMessageEntry, 0, count)
	all := walkOf(b)
	for all.next() {
		switch all.number {
		case ackGroup:
			m.Group = all.resource(m.Group)
		case ackTopic:
			m.Topic = all.resource(m.Topic)
		case ackEntries:
			e, in := &entries[len(list)], all.inner()
			list = append(list, e)
			for in.next() {
				switch in.number {
				case entryID:
					e.MessageId = in.word()
				case entryHandle:
					e.ReceiptHandle = in.word()
				default:
					in.fail()
				}
			}
			all.failed = all.failed || in.failed || all.value == nil
		default:
			all.fail()
		}
	}
	if all.failed {
		proto.Reset(m)
		return false, nil
	}
	m.Entries = list
	return true, nil
}

// Fields of a request to send that are read here, beside those of a delivery.
const (
	sendMessages protowire.Number = 1
	// mostParts bounds keys, and properties of the user, so that what they take
	// is ordinaryParts at most.
	mostParts = 16
)

// An oneMessage is a request to send one message, in one piece of memory.
type oneMessage struct {
	message rmq.Message
	system  rmq.SystemProperties
	born    timestamppb.Timestamp
	list    [1]*rmq.Message
}

// decodeSend decodes a request to send one message; false if that is left to
// protobuf. The body is the one in b.
func decodeSend(b []byte, m *rmq.SendMessageRequest) bool {
	all := walk{b: b}
	if !all.next() || all.number != sendMessages || all.value == nil || all.at != len(b) {
		return false
	}
	in := walk{b: all.value}
	one := new(oneMessage)
	seen := 0
	for in.next() {
		part := walkOf(nil)
		if in.number != messageBody {
			part = walkOf(in.value)
		}
		if in.value == nil {
			return false
		}
		ok := true
		switch in.number {
		case messageTopic:
			in.words = part.text
			one.message.Topic = in.resource(one.message.Topic)
			ok = !in.failed
		case messageUser:
			ok = part.property(&one.message)
		case messageSystem:
			ok = one.message.SystemProperties == nil && one.readSystem(&part)
		case messageBody:
			one.message.Body = in.value
		default:
			ok = false
		}
		if seen++; !ok || seen > mostParts {
			return false
		}
	}
	if in.failed {
		return false
	}
	one.list[0] = &one.message
	m.Messages = one.list[:]
	return true
}

// property reads a property of the user.
func (s *walk) property(m *rmq.Message) bool {
	var k, v string
	for s.next() {
		switch s.number {
		case firstField:
			k = s.word()
		case secondField:
			v = s.word()
		default:
			return false
		}
	}
	if m.UserProperties == nil {
		m.UserProperties = map[string]string{}
	}
	m.UserProperties[k] = v
	return !s.failed
}

// readSystem reads the system properties.
func (one *oneMessage) readSystem(s *walk) bool {
	p := &one.system
	for s.next() {
		isText := s.value != nil
		switch {
		case s.number == systemTag && isText:
			p.Tag = proto.String(s.word())
		case s.number == systemKeys && isText && len(p.Keys) < mostParts:
			p.Keys = append(p.Keys, s.word())
		case s.number == systemID && isText:
			p.MessageId = s.word()
		case s.number == systemEncoding && !isText:
			p.BodyEncoding = rmq.Encoding(s.varint)
		case s.number == systemType && !isText:
			p.MessageType = rmq.MessageType(s.varint)
		case s.number == systemBornTime && isText && p.BornTimestamp == nil:
			if !s.readTime(&one.born) {
				return false
			}
			p.BornTimestamp = &one.born
		case s.number == systemBornHost && isText:
			p.BornHost = s.word()
		case s.number == systemQueue && !isText:
			p.QueueId = int32(s.varint)
		case s.number == systemGroup && isText:
			p.MessageGroup = proto.String(s.word())
		case s.number == systemTrace && isText:
			p.TraceContext = proto.String(s.word())
		default:
			return false
		}
	}
	one.message.SystemProperties = p
	return !s.failed
}

// readTime reads the time in the field.
func (s *walk) readTime(t *timestamppb.Timestamp) bool {
	in := walk{b: s.value}
	for in.next() {
		switch {
		case in.number == firstField && in.value == nil:
			t.Seconds = int64(in.varint)
		case in.number == secondField && in.value == nil:
			t.Nanos = int32(in.varint)
		default:
			return false
		}
	}
	return !in.failed
}
