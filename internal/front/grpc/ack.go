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
	var acks []mq.Ack
	var at []int // of acks in the entries
	for i, e := range req.Entries {
		_, ack, err := m.inHand(ctx, topic, group, e.GetReceiptHandle(), true)
		ack.Lite = e.GetLiteTopic()
		if err != nil {
			states[i] = m.explain(err)
			continue
		}
		states[i] = okay()
		acks, at = append(acks, ack), append(at, i)
	}
	if len(acks) > 0 {
		for i, err := range m.broker.Ack(ctx, acks) {
			if err != nil && i < len(at) {
				states[at[i]] = m.explain(notInHand(err))
			}
		}
	}
	resp := &rmq.AckMessageResponse{Status: merged(states)}
	for i, e := range req.Entries {
		resp.Entries = append(resp.Entries, &rmq.AckMessageResultEntry{MessageId: e.MessageId, ReceiptHandle: e.ReceiptHandle, Status: states[i]})
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
	h, ack, err := m.inHand(ctx, req.GetTopic().GetName(), req.GetGroup().GetName(), req.GetReceiptHandle(), true)
	if err != nil {
		return nil, err
	}
	ack.Lite = req.GetLiteTopic()
	receipt, err := m.broker.ChangeInvisible(ctx, ack, d, req.GetSuspend())
	if err != nil {
		return nil, notInHand(err)
	}
	return &rmq.ChangeInvisibleDurationResponse{Status: okay(), ReceiptHandle: handle{receipt, h.pos}.String()}, nil
}

// ForwardMessageToDeadLetterQueue moves a message to the dead letters.
func (m messaging) ForwardMessageToDeadLetterQueue(ctx context.Context, req *rmq.ForwardMessageToDeadLetterQueueRequest) (*rmq.ForwardMessageToDeadLetterQueueResponse, error) {
	if err := checkConsumer(req.GetTopic(), req.GetGroup()); err != nil {
		return nil, err
	}
	_, ack, err := m.inHand(ctx, req.GetTopic().GetName(), req.GetGroup().GetName(), req.GetReceiptHandle(), false)
	if err != nil {
		return nil, err
	}
	ack.Lite = req.GetLiteTopic()
	if err := m.broker.Bury(ctx, ack); err != nil {
		return nil, notInHand(err)
	}
	return &rmq.ForwardMessageToDeadLetterQueueResponse{Status: okay()}, nil
}

// notInHand is the status for a message that its receipt does not name any
// more.
func notInHand(err error) error {
	for _, unknown := range []error{mq.ErrNotFound, mq.ErrInvalid, mq.ErrMessageIllegal, mq.ErrOffsetOutOfRange, mq.ErrQueueOutOfRange} {
		if errors.Is(err, unknown) {
			return refusef(rmq.Code_INVALID_RECEIPT_HANDLE, "%v", err)
		}
	}
	return err
}

// inHand is what a client's handle names; the server renews it no longer. inTime
// says that a handle that comes too late is refused.
func (s *Server) inHand(ctx context.Context, topic, group, text string, inTime bool) (handle, mq.Ack, error) {
	h, err := parseHandle(text)
	if err != nil {
		return h, mq.Ack{}, err
	}
	if h.Broker != s.o.Name {
		return h, mq.Ack{}, refusef(rmq.Code_INVALID_RECEIPT_HANDLE, "the receipt is of broker %.60s and this is %s; send it to the server that the message came from", h.Broker, s.o.Name)
	}
	if latest, renewed := s.renewing.take(renewalKey{callerOf(ctx).clientID, group, text}); renewed {
		h.Receipt = latest
	}
	if inTime && h.expired(time.Now()) {
		return h, mq.Ack{}, errExpired(h)
	}
	return h, mq.Ack{Group: group, Topic: topic, Receipt: h.Receipt}, nil
}
