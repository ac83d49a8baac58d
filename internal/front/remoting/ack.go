package remoting

// ACK_MESSAGE (200051): a consumer is done with a message that it popped.
//
// Acknowledgements come one by one but many at once: those that arrived together
// go to the broker in one call, in Flush or before any other request is looked at.

import (
	"strconv"
	"strings"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// maxAcks is how many acknowledgements go to the broker in one call.
const maxAcks = 512

// acks are the acknowledgements that arrived together. They belong to the
// session's reading goroutine.
type acks struct {
	list   []mq.Ack
	asked  []asked // one per acknowledgement
	header wire.AckMessageRequest
	bounds queueBounds // of the queue that was looked at last
	last   lastReceipt
	resp   wire.Command
}

// A lastReceipt is one that was read. Those of a pop's other messages of the queue
// are the same up to the offset, with which they end.
type lastReceipt struct {
	start string // of its text, up to the offset
	mq.Receipt
}

// parse is mq.ParseReceipt.
func (l *lastReceipt) parse(text string) (mq.Receipt, error) {
	at := strings.LastIndexByte(text, ' ') + 1
	if at > 0 && text[:at] == l.start {
		if offset, err := strconv.ParseInt(text[at:], 10, 64); err == nil && offset >= 0 {
			r := l.Receipt
			r.Offset = mq.QueueOffset(offset)
			return r, nil
		}
	}
	r, err := mq.ParseReceipt(text)
	if err == nil && r.Start >= 0 && strings.Count(text, " ") == receiptSpaces {
		l.start, l.Receipt = text[:at], r
	}
	return r, err
}

// receiptSpaces are those in a receipt that ends with an offset.
const receiptSpaces = 7

// queueBounds are a queue's first offset and the one after its last.
type queueBounds struct {
	mq.Queue
	lo, hi mq.QueueOffset
}

// gatherAck decodes an acknowledgement and keeps it until handOver.
func (s *session) gatherAck(req *wire.Command) {
	a, err := s.decodeAck(req)
	if err != nil {
		s.refuse(req, err)
		return
	}
	b := &s.acks
	b.list = append(b.list, a)
	b.asked = append(b.asked, asked{
		opaque: req.Opaque, serialization: req.Serialization, oneway: req.Oneway(), code: req.Code, arrived: req.Arrived,
	})
	if len(b.list) == maxAcks {
		s.acknowledge()
	}
}

// decodeAck reads one acknowledgement and checks that its message exists.
func (s *session) decodeAck(req *wire.Command) (mq.Ack, error) {
	h := &s.acks.header
	if err := h.DecodeFields(req.Fields); err != nil {
		return mq.Ack{}, malformed(req, err)
	}
	if h.LiteTopic != "" {
		return liteMessage(req, h.ConsumerGroup, h.Topic, h.LiteTopic, h.Offset, h.ExtraInfo)
	}
	q := mq.Queue{Topic: h.Topic, ID: h.QueueID}
	if a, ok := passingMessage(req, h.ConsumerGroup, q, h.Offset, h.ExtraInfo); ok {
		return a, nil
	}
	if b := &s.acks.bounds; b.Topic == "" || b.Queue != q || mq.QueueOffset(h.Offset) > b.hi {
		var err error
		if *b, err = s.poppedFrom(q); err != nil {
			return mq.Ack{}, err
		}
	}
	if b := &s.acks.bounds; mq.QueueOffset(h.Offset) < b.lo || mq.QueueOffset(h.Offset) > b.hi {
		return mq.Ack{}, noSuchOffset(q, h.Offset, b)
	}
	r, err := s.acks.last.parse(h.ExtraInfo)
	if err != nil {
		return mq.Ack{}, malformed(req, err)
	}
	return messageOf(h.ConsumerGroup, q, h.Offset, r), nil
}

// poppedFrom are the bounds of a queue that a client says it popped from.
func (s *session) poppedFrom(q mq.Queue) (queueBounds, error) {
	topic, err := s.h.admin.Topic(s.ctx, q.Topic)
	if err != nil {
		return queueBounds{}, err
	}
	if q.ID < 0 || q.ID >= topic.ReadQueues {
		return queueBounds{}, refusef(wire.CodeMessageIllegal, "queueId %d is illegal: topic %s has the queues 0 to %d; take queue, offset and receipt from one message",
			q.ID, q.Topic, topic.ReadQueues-1)
	}
	lo, hi, err := s.h.broker.Bounds(s.ctx, q)
	return queueBounds{q, lo, hi}, err
}

// noSuchOffset refuses an offset at which a queue has no message.
func noSuchOffset(q mq.Queue, offset int64, b *queueBounds) error {
	return refusef(wire.CodeNoMessage, "offset %d is illegal: queue %d of %s holds %d to %d; take queue, offset and receipt from one message",
		offset, q.ID, q.Topic, b.lo, b.hi)
}

// liteMessage is what a client says about a message of a lite topic. The queue
// in the request is the parent's and says nothing.
func liteMessage(req *wire.Command, group, topic, lite string, offset int64, receipt string) (mq.Ack, error) {
	r, err := mq.ParseReceipt(receipt)
	if err != nil {
		return mq.Ack{}, malformed(req, err)
	}
	if offset < 0 {
		return mq.Ack{}, badRequest("offset %d is illegal; take offset and receipt from one message", offset)
	}
	r.QueueID, r.Offset, r.Retry = 0, mq.QueueOffset(offset), mq.RetryNone
	return mq.Ack{Group: group, Topic: topic, Lite: lite, Receipt: r}, nil
}

// poppedMessage is what a client says about a message that it popped. The queue
// is the one that the message lay in, of a retry topic if it was delivered
// again; the broker wants the topic that was popped.
func poppedMessage(req *wire.Command, group string, q mq.Queue, offset int64, receipt string) (mq.Ack, error) {
	r, err := mq.ParseReceipt(receipt)
	if err != nil {
		return mq.Ack{}, malformed(req, err)
	}
	return messageOf(group, q, offset, r), nil
}

// messageOf is the message at an offset of a queue that a client popped, which the
// receipt may name otherwise.
func messageOf(group string, q mq.Queue, offset int64, r mq.Receipt) mq.Ack {
	r.QueueID, r.Offset = q.ID, mq.QueueOffset(offset)
	return mq.Ack{Group: group, Topic: askedTopic(group, q.Topic, r.Retry), Receipt: r}
}

// passingMessage is poppedMessage of one that was delivered at most once, which
// lies nowhere.
func passingMessage(req *wire.Command, group string, q mq.Queue, offset int64, receipt string) (mq.Ack, bool) {
	if offset >= 0 {
		return mq.Ack{}, false
	}
	a, err := poppedMessage(req, group, q, offset, receipt)
	return a, err == nil && a.Receipt.Passing()
}

// askedTopic is the topic that was popped when a message came out of topic.
func askedTopic(group, topic string, kind mq.RetryKind) string {
	separator := byte('_')
	switch kind {
	case mq.RetryNone:
		return topic
	case mq.RetryV2:
		separator = '+'
	}
	rest, found := strings.CutPrefix(topic, mq.RetryPrefix)
	if found {
		rest, found = strings.CutPrefix(rest, group)
	}
	if !found || len(rest) < 2 || rest[0] != separator {
		return topic
	}
	return rest[1:]
}

// acknowledge hands the gathered acknowledgements to the broker and answers
// them.
func (s *session) acknowledge() {
	b := &s.acks
	if len(b.list) == 0 {
		return
	}
	errs := s.h.broker.Ack(s.ctx, b.list)
	count := tally{conn: s.conn}
	for i := range b.asked {
		a := &b.asked[i]
		request := a.request()
		b.resp.SetReply(&request, wire.CodeSuccess, nil)
		if i < len(errs) && errs[i] != nil {
			b.resp.Code, b.resp.Remark = s.h.explain(errs[i])
		}
		result := meter.ResultOneway
		if !a.oneway {
			result = s.conn.Answer(&b.resp)
		}
		count.add(a, b.resp.Code, result)
	}
	count.end()
	clear(b.list)
	b.list, b.asked, b.bounds = b.list[:0], b.asked[:0], queueBounds{}
}
