package remoting

// BATCH_ACK_MESSAGE (200151): a consumer or a proxy is done with many messages.
// The body names them by queue and pop, as sets of bits: bit i stands for the
// message i offsets behind the first that was taken.

import (
	"encoding/base64"
	"errors"
	"fmt"
	"math/bits"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// maxBatchAcks is how many messages one request may acknowledge.
const maxBatchAcks = 32 << 10

// ackBatch acknowledges messages; those that their queue does not have are
// passed over. It answers with the first error that there was.
func ackBatch(s *session, req *wire.Command) (*wire.Command, error) {
	var body wire.BatchAckBody
	if len(req.Body) > 0 {
		if err := wire.DecodeBody(req.Body, &body); err != nil {
			return nil, malformed(req, err)
		}
	}
	if len(body.Acks) == 0 {
		return nil, refusef(wire.CodeNoMessage, "the request acknowledges nothing; name messages in acks")
	}
	all, err := decodeBatchAck(&body)
	if err != nil {
		return nil, err
	}
	if all, err = s.existing(all); err != nil {
		return nil, err
	}
	if len(all) > 0 {
		for _, err := range s.h.broker.Ack(s.ctx, all) {
			if err != nil {
				return nil, err
			}
		}
	}
	return ok(req, nil, nil), nil
}

// decodeBatchAck is what a body acknowledges.
func decodeBatchAck(body *wire.BatchAckBody) ([]mq.Ack, error) {
	var all []mq.Ack
	for i := range body.Acks {
		a := &body.Acks[i]
		one, err := entryOf(a, body.BrokerName)
		if err != nil {
			return nil, refusef(wire.CodeSystemError, "acks[%d] cannot be read: %v", i, err)
		}
		set, err := base64.StdEncoding.DecodeString(a.Bits)
		if err != nil {
			return nil, refusef(wire.CodeSystemError, "acks[%d].b cannot be read: %v; write a set of bits, the lowest first, in base64", i, err)
		}
		for at, octet := range set {
			for ; octet != 0; octet &= octet - 1 {
				if len(all) == maxBatchAcks {
					return nil, badRequest("the request acknowledges more than %d messages; send smaller ones", maxBatchAcks)
				}
				one.Receipt.Offset = one.Receipt.Start + mq.QueueOffset(8*at+bits.TrailingZeros8(octet))
				all = append(all, one)
			}
		}
	}
	return all, nil
}

// entryOf is what one entry says about its messages, without their offsets.
func entryOf(a *wire.BatchAck, broker string) (mq.Ack, error) {
	r := mq.Receipt{
		Start: mq.QueueOffset(a.StartOffset), PopTime: a.PopTime, Invisible: a.InvisibleTime, Revive: a.ReviveQueueID, Broker: broker, QueueID: a.QueueID,
		Offset: mq.QueueOffset(a.StartOffset),
	}
	switch a.Retry {
	case "0":
	case "1":
		r.Retry = mq.RetryV1
	case "2":
		r.Retry = mq.RetryV2
	default:
		return mq.Ack{}, fmt.Errorf("r is %.20q, want 0, 1 or 2", a.Retry)
	}
	// Sums of these do not overflow; no queue and no clock is that far.
	const most = int64(1) << 60
	switch {
	case a.StartOffset < 0 && !r.Passing(), min(a.PopTime, a.InvisibleTime) < 0, max(a.StartOffset, a.PopTime, a.InvisibleTime) > most:
		return mq.Ack{}, fmt.Errorf("so, pt or it is out of range: %d, %d, %d", a.StartOffset, a.PopTime, a.InvisibleTime)
	case a.ConsumerGroup == "" || a.Topic == "":
		return mq.Ack{}, errors.New("it needs a group (c) and a topic (t)")
	}
	topic := a.Topic
	if strings.HasPrefix(topic, mq.RetryPrefix) {
		topic = askedTopic(a.ConsumerGroup, topic, r.Retry)
	}
	return mq.Ack{Group: a.ConsumerGroup, Topic: topic, Receipt: r}, nil
}

// existing are those acknowledgements whose message lies, or lay, in a queue
// that there is.
func (s *session) existing(all []mq.Ack) ([]mq.Ack, error) {
	var last mq.Ack
	var b queueBounds
	kept := all[:0]
	for i := range all {
		a := all[i]
		if a.Receipt.Passing() {
			kept = append(kept, a)
			continue
		}
		if last.Topic == "" || !samePop(&a, &last) {
			last = a
			var err error
			if b, err = s.poppedFrom(mq.Queue{Topic: realTopic(&a), ID: a.Receipt.QueueID}); err != nil {
				b = queueBounds{lo: 0, hi: -1} // nothing lies in it
			}
		}
		if a.Receipt.Offset >= b.lo && a.Receipt.Offset <= b.hi {
			kept = append(kept, a)
		}
	}
	return kept, s.ctx.Err()
}

// samePop reports whether two messages were taken from one queue.
func samePop(a, b *mq.Ack) bool {
	return a.Topic == b.Topic && a.Group == b.Group && sameQueue(&a.Receipt, &b.Receipt)
}

// realTopic is the topic that a message lay in.
func realTopic(a *mq.Ack) string {
	switch a.Receipt.Retry {
	case mq.RetryV1:
		return mq.RetryTopicPop(a.Group, a.Topic)
	case mq.RetryV2:
		return mq.RetryTopicPopV2(a.Group, a.Topic)
	}
	return a.Topic
}
