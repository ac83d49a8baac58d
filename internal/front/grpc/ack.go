package grpc

// AckMessage: messages are done with. ChangeInvisibleDuration: one becomes
// visible again at another time. ForwardMessageToDeadLetterQueue: one was tried
// too often.

import (
	"context"
	"errors"
	"time"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// maxAcks bounds the entries of one call.
const maxAcks = 4096

// checkConsumer says what is wrong with whose messages of what a call is about.
func checkConsumer(topic, group *rmq.Resource) error {
	if err := checkTopic(topic); err != nil {
		return err
	}
	return checkGroup(group)
}

// AckMessage acknowledges messages; each has an entry in the answer.
func (m messaging) AckMessage(ctx context.Context, req *rmq.AckMessageRequest) (*rmq.AckMessageResponse, error) {
	if err := checkConsumer(req.GetTopic(), req.GetGroup()); err != nil {
		return nil, err
	}
	if n := len(req.GetEntries()); n == 0 || n > maxAcks {
		return nil, refusef(rmq.Code_BAD_REQUEST, "the call has %d entries, want 1 to %d", n, maxAcks)
	}
	topic, group := req.GetTopic().GetName(), req.GetGroup().GetName()
	states := make([]*rmq.Status, len(req.Entries))
	acks := make([]mq.Ack, 0, len(req.Entries))
	at := make([]int, 0, len(req.Entries)) // of acks in the entries
	var renewed map[int]held               // until now, by entry
	var others map[*node][]int
	client, done := callerOf(ctx).clientID, okay()
	for i, e := range req.Entries {
		p, err := parseHandle(e.GetReceiptHandle())
		if n := m.nodeOf(ctx, p.Broker); n != nil {
			if others == nil {
				others = map[*node][]int{}
			}
			others[n] = append(others[n], i)
			continue
		}
		var h held
		if err == nil {
			h, err = m.inHand(p, topic, renewalKey{client, group, e.GetReceiptHandle()}, true)
		}
		if err != nil {
			states[i] = m.explain(err)
			continue
		}
		if h.ack.Lite = e.GetLiteTopic(); h.renewed {
			if renewed == nil {
				renewed = map[int]held{}
			}
			renewed[i] = h
		}
		states[i] = done
		acks, at = append(acks, h.ack), append(at, i)
	}
	if len(acks) > 0 {
		for i, err := range m.broker.Ack(ctx, acks) {
			if err != nil && i < len(at) {
				states[at[i]] = m.explain(m.notDone(renewed[at[i]], err))
			}
		}
	}
	for n, entries := range others {
		m.ackAt(ctx, n, req, entries, states)
	}
	results := make([]rmq.AckMessageResultEntry, len(req.Entries))
	resp := &rmq.AckMessageResponse{Status: merged(states), Entries: make([]*rmq.AckMessageResultEntry, len(req.Entries))}
	for i, e := range req.Entries {
		one := &results[i]
		one.MessageId, one.ReceiptHandle, one.Status = e.MessageId, e.ReceiptHandle, states[i]
		resp.Entries[i] = one
	}
	return resp, nil
}

// ChangeInvisibleDuration answers with the handle that replaces the old one.
func (m messaging) ChangeInvisibleDuration(ctx context.Context, req *rmq.ChangeInvisibleDurationRequest) (*rmq.ChangeInvisibleDurationResponse, error) {
	if err := checkConsumer(req.GetTopic(), req.GetGroup()); err != nil {
		return nil, err
	}
	d := req.GetInvisibleDuration().AsDuration()
	if err := checkInvisible(d, 0); err != nil {
		return nil, err
	}
	p, err := parseHandle(req.GetReceiptHandle())
	if err != nil {
		return nil, err
	}
	if n := m.nodeOf(ctx, p.Broker); n != nil {
		return hand(ctx, m.Server, n, rmq.MessagingServiceClient.ChangeInvisibleDuration, req)
	}
	h, err := m.inHand(p, req.GetTopic().GetName(), renewalKey{callerOf(ctx).clientID, req.GetGroup().GetName(), req.GetReceiptHandle()}, true)
	if err != nil {
		return nil, err
	}
	h.ack.Lite = req.GetLiteTopic()
	receipt, err := m.broker.ChangeInvisible(ctx, h.ack, d, req.GetSuspend())
	if err != nil {
		return nil, m.notDone(h, err)
	}
	return &rmq.ChangeInvisibleDurationResponse{Status: okay(), ReceiptHandle: handle{receipt, h.pos}.String()}, nil
}

// ForwardMessageToDeadLetterQueue moves a message to the dead letters.
func (m messaging) ForwardMessageToDeadLetterQueue(ctx context.Context, req *rmq.ForwardMessageToDeadLetterQueueRequest) (*rmq.ForwardMessageToDeadLetterQueueResponse, error) {
	if err := checkConsumer(req.GetTopic(), req.GetGroup()); err != nil {
		return nil, err
	}
	p, err := parseHandle(req.GetReceiptHandle())
	if err != nil {
		return nil, err
	}
	if n := m.nodeOf(ctx, p.Broker); n != nil {
		return hand(ctx, m.Server, n, rmq.MessagingServiceClient.ForwardMessageToDeadLetterQueue, req)
	}
	h, err := m.inHand(p, req.GetTopic().GetName(), renewalKey{callerOf(ctx).clientID, req.GetGroup().GetName(), req.GetReceiptHandle()}, false)
	if err != nil {
		return nil, err
	}
	h.ack.Lite = req.GetLiteTopic()
	if err := m.broker.Bury(ctx, h.ack); err != nil {
		return nil, m.notDone(h, err)
	}
	return &rmq.ForwardMessageToDeadLetterQueueResponse{Status: okay()}, nil
}

// notInHand reports whether a receipt does not name a message any more.
func notInHand(err error) bool {
	for _, unknown := range []error{mq.ErrNotFound, mq.ErrInvalid, mq.ErrMessageIllegal, mq.ErrOffsetOutOfRange, mq.ErrQueueOutOfRange} {
		if errors.Is(err, unknown) {
			return true
		}
	}
	return false
}

// A held message is what a client's handle names.
type held struct {
	handle
	ack     mq.Ack
	key     renewalKey
	was     renewal
	renewed bool // until now, as was says
}

// inHand is what a client's handle names, which key says as the client knows it.
// The server does not renew it any more, unless notDone is told of a failure.
// inTime says that a handle that comes too late is refused.
func (s *Server) inHand(p handle, topic string, key renewalKey, inTime bool) (held, error) {
	h := held{handle: p, key: key}
	if h.Broker != s.o.Name {
		return h, refusef(rmq.Code_INVALID_RECEIPT_HANDLE, "the receipt is of broker %.60s and this is %s; send it to the server that the message came from", h.Broker, s.o.Name)
	}
	if h.was, h.renewed = s.renewing.take(h.key); h.renewed {
		h.Receipt = h.was.ack.Receipt
	}
	if inTime && h.expired(time.Now()) {
		return h, errExpired(h.handle)
	}
	h.ack = mq.Ack{Group: key.group, Topic: topic, Receipt: h.Receipt}
	return h, nil
}

// notDone is the status for a message of which the broker refused something. One
// that is still in hand is renewed on.
func (s *Server) notDone(h held, err error) error {
	if notInHand(err) {
		return refusef(rmq.Code_INVALID_RECEIPT_HANDLE, "%v", err)
	}
	if h.renewed {
		s.renewing.putBack(h.key, h.was)
	}
	return err
}
