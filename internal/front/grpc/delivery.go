package grpc

import (
	"bytes"
	"crypto/md5"
	"encoding/binary"
	"net/netip"
	"strconv"
	"sync"
	"unicode/utf8"

	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// Fields of rocketmq.proto that a delivery is made of.
const (
	responseStatus, responseMessage, responseTime protowire.Number = 1, 2, 3

	messageTopic, messageUser, messageSystem, messageBody protowire.Number = 1, 2, 3, 4

	systemTag, systemKeys, systemID, systemDigest, systemEncoding, systemType   protowire.Number = 1, 2, 3, 4, 5, 6
	systemBornTime, systemBornHost, systemStoreTime, systemStoreHost, systemDue protowire.Number = 7, 8, 9, 10, 11
	systemHandle, systemQueue, systemOffset, systemInvisible, systemAttempt     protowire.Number = 12, 13, 14, 15, 16
	systemGroup, systemTrace, systemDeadLetter, systemLite, systemPriority      protowire.Number = 17, 18, 20, 21, 22

	firstField, secondField protowire.Number = 1, 2 // of the messages that have two
)

const (
	// deliveryPiece is from how many bytes on a piece of a stream leaves.
	deliveryPiece = 64 << 10
	// mostKept is how long the memory of a piece may be that is used again.
	mostKept = 4 * deliveryPiece
)

// A delivery is a piece of the stream that a receive is answered with: parts
// in one piece of memory, each with its length in front. They are encoded
// straight from what is stored, since a message as a struct costs more than all
// else that is done with it.
type delivery struct {
	piece *[]byte
	sent  int    // parts of the stream that grpc has taken
	topic []byte // encoded
	// What a message is made of first, since its lengths stand in front of it.
	user, system, text []byte
}

var deliveries = sync.Pool{New: func() any { return new(delivery) }}

// pieces lends the memory of pieces. Whoever writes them to their connection
// gives it back.
type pieces struct{ pool sync.Pool }

var somePieces pieces

// Get implements mem.BufferPool.
func (p *pieces) Get(length int) *[]byte {
	b, ok := p.pool.Get().(*[]byte)
	if !ok || cap(*b) < length {
		made := make([]byte, length, max(length, deliveryPiece+deliveryPiece/8))
		return &made
	}
	*b = (*b)[:length]
	return b
}

// Put implements mem.BufferPool.
func (p *pieces) Put(b *[]byte) {
	if cap(*b) <= mostKept {
		p.pool.Put(b)
	}
}

// newDelivery begins a delivery of messages of a topic, as the client named it.
func newDelivery(topic *rmq.Resource) *delivery {
	d := deliveries.Get().(*delivery)
	name := topic.GetName()
	inner := protowire.AppendString(protowire.AppendTag(nil, secondField, protowire.BytesType), name)
	if space := topic.GetResourceNamespace(); space != "" {
		inner = append(protowire.AppendString(protowire.AppendTag(nil, firstField, protowire.BytesType), space), inner...)
	}
	d.sent = 0
	if d.topic = d.topic[:0]; topic != nil {
		d.topic = appendBytes(d.topic, messageTopic, inner)
	}
	return d
}

// end gives the delivery's memory back.
func (d *delivery) end() {
	if d.piece != nil {
		somePieces.Put(d.piece)
		d.piece = nil
	}
	deliveries.Put(d)
}

// size is how many bytes wait to leave.
func (d *delivery) size() int {
	if d.piece == nil {
		return 0
	}
	return len(*d.piece)
}

// take is what waits to leave; the delivery begins a new piece.
func (d *delivery) take() mem.Buffer {
	b := mem.NewBuffer(d.piece, &somePieces)
	d.piece = nil
	return b
}

// unsent are those of the stream's messages that grpc has not taken; the status is
// in front of them.
func (d *delivery) unsent(all []taken) []taken {
	return all[min(max(d.sent-1, 0), len(all)):]
}

// part adds a part with a length of so many bytes, which f appends.
func (d *delivery) part(f func(b []byte) []byte) {
	if d.piece == nil {
		d.piece = somePieces.Get(0)
	}
	b := *d.piece
	at := len(b)
	b = f(append(b, make([]byte, prefixLength)...))
	binary.BigEndian.PutUint32(b[at+1:], uint32(len(b)-at-prefixLength))
	*d.piece = b
}

// status adds the stream's status.
func (d *delivery) status(s *rmq.Status) {
	inner, err := proto.Marshal(s)
	if err != nil { // its text is no UTF-8
		inner = appendNumber(nil, firstField, uint64(s.Code))
	}
	d.part(func(b []byte) []byte { return appendBytes(b, responseStatus, inner) })
}

// time adds the time of delivery, in Unix milliseconds.
func (d *delivery) time(ms int64) {
	d.part(func(b []byte) []byte { return appendMillis(b, responseTime, ms) })
}

// message adds a message, which is copied.
func (d *delivery) message(t *taken) {
	r := &t.record
	body, encoding := r.Body, rmq.Encoding_IDENTITY
	if r.SysFlag&mq.FlagCompressed != 0 {
		body, encoding = unpacked(r)
	}
	d.user = d.user[:0]
	said := d.properties(r.Properties)
	d.encode(t, said, body, encoding)
	size := len(d.topic) + len(d.user) + protowire.SizeTag(messageSystem) + protowire.SizeBytes(len(d.system))
	if len(body) > 0 {
		size += protowire.SizeTag(messageBody) + protowire.SizeBytes(len(body))
	}
	d.part(func(b []byte) []byte {
		b = protowire.AppendTag(b, responseMessage, protowire.BytesType)
		b = protowire.AppendVarint(b, uint64(size))
		b = append(append(b, d.topic...), d.user...)
		b = appendBytes(b, messageSystem, d.system)
		return appendBytes(b, messageBody, body)
	})
}

// said is what a message's properties say that clients get by another way.
type said struct {
	tag, keys, id, group, trace, host, lite, originTopic, originID []byte

	due             int64 // Unix milliseconds; -1 without one
	priority        int64
	half, delayed   bool
	prior, priorSet bool // it has a priority, which can be read
}

// properties reads a message's properties and appends those of its user.
func (d *delivery) properties(props []byte) said {
	s := said{due: -1}
	for k, v := range mq.Properties(props) {
		switch string(k) {
		case mq.PropTags:
			s.tag = v
		case mq.PropKeys:
			s.keys = v
		case mq.PropUniqueKey:
			s.id = v
		case mq.PropShardingKey:
			s.group = v
		case mq.PropTraceContext:
			s.trace = v
		case mq.PropBornHost:
			s.host = v
		case mq.PropLiteTopic:
			s.lite = v
		case mq.PropTimerDeliverMs:
			s.delayed = true
			if ms, err := strconv.ParseInt(string(v), 10, 64); err == nil && ms >= 0 {
				s.due = ms
			}
		case mq.PropPriority:
			s.prior = true
			if n, err := strconv.ParseInt(string(v), 10, 32); err == nil {
				s.priority, s.priorSet = n, true
			}
		case mq.PropDLQOriginTopic:
			s.originTopic = v
		case mq.PropDLQOriginID:
			s.originID = v
		case mq.PropTransaction:
			s.half = string(v) == "true"
		case mq.PropDelay, mq.PropTimerDelaySec, mq.PropTimerDelayMs:
			s.delayed = true
		default:
			if !reserved(k) {
				d.entry(k, v)
			}
		}
	}
	return s
}

// entry appends a property of the message's user.
func (d *delivery) entry(k, v []byte) {
	k, v = text(k), text(v)
	b := protowire.AppendTag(d.user, messageUser, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(protowire.SizeTag(firstField)+protowire.SizeBytes(len(k))+protowire.SizeTag(secondField)+protowire.SizeBytes(len(v))))
	d.user = appendBytes(appendBytes(b, firstField, k), secondField, v)
}

// kind is the message's type.
func (s *said) kind() rmq.MessageType {
	switch {
	case s.half:
		return rmq.MessageType_TRANSACTION
	case s.delayed:
		return rmq.MessageType_DELAY
	case s.group != nil:
		return rmq.MessageType_FIFO
	case s.lite != nil:
		return rmq.MessageType_LITE
	case s.prior:
		return rmq.MessageType_PRIORITY
	}
	return rmq.MessageType_NORMAL
}

// encode makes the message's system properties.
func (d *delivery) encode(t *taken, s said, body []byte, encoding rmq.Encoding) {
	r := &t.record
	b := appendText(d.system[:0], systemTag, s.tag)
	for key := range bytes.FieldsSeq(s.keys) {
		b = appendText(b, systemKeys, key)
	}
	if s.id == nil {
		d.text = mq.AppendOffsetID(d.text[:0], r.StoreHost, r.Pos)
		s.id = d.text
	}
	b = appendText(b, systemID, s.id)
	b = appendDigest(b, body)
	b = appendNumber(b, systemEncoding, uint64(encoding))
	b = appendNumber(b, systemType, uint64(s.kind()))
	b = appendMillis(b, systemBornTime, r.BornTime)
	if s.host == nil {
		d.text = appendAddr(d.text[:0], r.BornHost.Addr())
		s.host = d.text
	}
	b = appendText(b, systemBornHost, s.host)
	b = appendMillis(b, systemStoreTime, r.StoreTime)
	d.text = appendAddrPort(d.text[:0], r.StoreHost)
	b = appendText(b, systemStoreHost, d.text)
	if s.due >= 0 {
		b = appendMillis(b, systemDue, s.due)
	}
	d.text = t.handle().appendTo(d.text[:0])
	b = appendBytes(b, systemHandle, d.text)
	if r.QueueID != 0 {
		b = appendNumber(b, systemQueue, uint64(r.QueueID))
	}
	b = appendNumber(b, systemOffset, uint64(r.QueueOffset))
	b = appendSpan(b, systemInvisible, t.receipt.Invisible/1000, t.receipt.Invisible%1000*1e6)
	b = appendNumber(b, systemAttempt, uint64(r.ReconsumeTimes+1))
	b = appendText(b, systemGroup, s.group)
	b = appendText(b, systemTrace, s.trace)
	if s.originTopic != nil || s.originID != nil {
		d.text = appendText(appendText(d.text[:0], firstField, s.originTopic), secondField, s.originID)
		b = appendBytes(b, systemDeadLetter, d.text)
	}
	b = appendText(b, systemLite, s.lite)
	if s.priorSet {
		b = appendNumber(b, systemPriority, uint64(s.priority))
	}
	d.system = b
}

// text is a stored text as protobuf allows it; what is not UTF-8 is replaced, as
// a Java client of the remoting protocol does.
func text(b []byte) []byte {
	if utf8.Valid(b) {
		return b
	}
	return bytes.ToValidUTF8(b, []byte("\uFFFD"))
}

// appendText appends a field that holds a stored text, unless that is empty.
func appendText(b []byte, n protowire.Number, s []byte) []byte { return appendBytes(b, n, text(s)) }

// appendBytes appends a field with a length, unless that is 0.
func appendBytes(b []byte, n protowire.Number, s []byte) []byte {
	if len(s) == 0 {
		return b
	}
	return protowire.AppendBytes(protowire.AppendTag(b, n, protowire.BytesType), s)
}

// appendNumber appends a field that holds a number.
func appendNumber(b []byte, n protowire.Number, v uint64) []byte {
	return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
}

// appendMillis appends a google.protobuf.Timestamp, of Unix milliseconds.
func appendMillis(b []byte, n protowire.Number, ms int64) []byte {
	seconds, rest := ms/1000, ms%1000
	if rest < 0 {
		seconds, rest = seconds-1, rest+1000
	}
	return appendSpan(b, n, seconds, rest*1e6)
}

// appendSpan appends a google.protobuf.Timestamp or Duration.
func appendSpan(b []byte, n protowire.Number, seconds, nanos int64) []byte {
	size := 0
	if seconds != 0 {
		size += protowire.SizeTag(firstField) + protowire.SizeVarint(uint64(seconds))
	}
	if nanos != 0 {
		size += protowire.SizeTag(secondField) + protowire.SizeVarint(uint64(nanos))
	}
	b = protowire.AppendVarint(protowire.AppendTag(b, n, protowire.BytesType), uint64(size))
	if seconds != 0 {
		b = appendNumber(b, firstField, uint64(seconds))
	}
	if nanos != 0 {
		b = appendNumber(b, secondField, uint64(nanos))
	}
	return b
}

// appendDigest appends a body's checksum.
func appendDigest(b []byte, body []byte) []byte {
	const digits = "0123456789ABCDEF"
	sum := md5.Sum(body)
	b = protowire.AppendTag(b, systemDigest, protowire.BytesType)
	b = protowire.AppendVarint(b, uint64(protowire.SizeTag(firstField)+1+protowire.SizeTag(secondField)+protowire.SizeBytes(2*len(sum))))
	b = appendNumber(b, firstField, uint64(rmq.DigestType_MD5))
	b = protowire.AppendVarint(protowire.AppendTag(b, secondField, protowire.BytesType), 2*uint64(len(sum)))
	for _, c := range sum {
		b = append(b, digits[c>>4], digits[c&15])
	}
	return b
}

// appendAddr appends an address as its String.
func appendAddr(b []byte, a netip.Addr) []byte {
	if !a.IsValid() {
		return append(b, a.String()...)
	}
	return a.AppendTo(b)
}

// appendAddrPort appends an address and a port as their String.
func appendAddrPort(b []byte, a netip.AddrPort) []byte {
	if !a.IsValid() {
		return append(b, a.String()...)
	}
	return a.AppendTo(b)
}
