package grpc

// SendMessage: messages of one topic. Each has an entry in the answer. Several
// ordinary messages in one call go to one queue, directly behind each other,
// and are stored all or none; what is delayed, transactional, ordered or has a
// priority is sent by itself.

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// maxBatch bounds the messages of one call.
const maxBatch = 4096

// SendMessage stores the messages.
func (m messaging) SendMessage(ctx context.Context, req *rmq.SendMessageRequest) (*rmq.SendMessageResponse, error) {
	if n := m.home(ctx, req.GetMessages()); n != nil {
		return m.sendTo(ctx, n, req)
	}
	all, t, err := m.take(ctx, req.GetMessages())
	if err != nil {
		return nil, err
	}
	m.counts[messagingService+"SendMessage"].messages.Add(int64(len(all)))
	by := callerOf(ctx)
	b := batches.Get().(*batch)
	b.Sends, b.From = sends(b.Sends[:0], all, &t), by.visit()
	m.broker.Send(&b.SendBatch)
	<-b.done
	resp := &sendAnswer{}
	resp.Entries = m.sent(resp, all, &b.SendBatch)
	b.recycle()
	resp.Status = resp.Entries[0].Status
	for _, e := range resp.Entries[1:] {
		if e.Status.Code != resp.Status.Code {
			resp.Status = differing()
		}
	}
	return &resp.SendMessageResponse, nil
}

// A batch is what the broker gets of a call. It is used again.
type batch struct {
	mq.SendBatch
	done chan struct{} // has an element when the batch is done
}

var batches = sync.Pool{New: func() any {
	b := &batch{done: make(chan struct{}, 1)}
	b.Done = func(*mq.SendBatch) { b.done <- struct{}{} }
	return b
}}

// mostSendsKept bounds the sends that a batch has room for when it is used again.
const mostSendsKept = 64

// recycle lets another call use the batch, which is done.
func (b *batch) recycle() {
	if clear(b.Sends); cap(b.Sends) > mostSendsKept {
		b.Sends = nil
	}
	b.From = nil
	batches.Put(b)
}

// A sendAnswer is the answer to a call in one piece of memory, if the call has one
// message.
type sendAnswer struct {
	rmq.SendMessageResponse
	entry rmq.SendResultEntry
	state rmq.Status
	list  [1]*rmq.SendResultEntry
}

// sendTo hands messages to another node. Of a half message it has to find the
// producer again.
func (m messaging) sendTo(ctx context.Context, n *node, req *rmq.SendMessageRequest) (*rmq.SendMessageResponse, error) {
	half := func(one *rmq.Message) bool {
		return one.GetSystemProperties().GetMessageType() == rmq.MessageType_TRANSACTION
	}
	if slices.ContainsFunc(req.GetMessages(), half) {
		if err := m.introduce(ctx, n); err != nil {
			return nil, err
		}
	}
	return hand(ctx, m.Server, n, rmq.MessagingServiceClient.SendMessage, req)
}

// take checks the messages of a call and returns them with their topic.
func (s *Server) take(ctx context.Context, messages []*rmq.Message) ([]incoming, mq.Topic, error) {
	if n := len(messages); n == 0 || n > maxBatch {
		return nil, mq.Topic{}, refusef(rmq.Code_MESSAGE_CORRUPTED, "the call has %d messages, want 1 to %d", n, maxBatch)
	}
	topic := messages[0].GetTopic()
	if err := checkTopic(topic); err != nil {
		return nil, mq.Topic{}, err
	}
	t, err := s.admin.Topic(ctx, topic.GetName())
	if err != nil {
		return nil, mq.Topic{}, err
	}
	if t.Perm&mq.PermWrite == 0 || t.WriteQueues <= 0 {
		return nil, t, refusef(rmq.Code_FORBIDDEN, "no writable queue: topic %s has %d queues to write and permission %d", t.Name, t.WriteQueues, t.Perm)
	}
	by, most := callerOf(ctx), s.maxBody(ctx)
	all := make([]incoming, 0, len(messages))
	for _, one := range messages {
		if one.GetTopic().GetName() != t.Name || one.GetTopic().GetResourceNamespace() != topic.GetResourceNamespace() {
			return nil, t, refusef(rmq.Code_MESSAGE_CORRUPTED, "topic in message is not same: one call is for one topic, and there are messages for %s and %s",
				t.Name, one.GetTopic().GetName())
		}
		in, err := s.incoming(one, by, most)
		if err != nil {
			return nil, t, err
		}
		if err := s.checkKind(&t, in.kind); err != nil {
			return nil, t, err
		}
		all = append(all, in)
	}
	return all, t, nil
}

// checkKind says whether a topic takes messages of a type.
func (s *Server) checkKind(t *mq.Topic, kind rmq.MessageType) error {
	ordinary := kind != rmq.MessageType_LITE // others have no place in a topic without lite topics
	if ordinary && (s.o.AnyType || t.Attributes[attributeType] == typeMixed) || slices.Contains(acceptedTypes(t), kind) {
		return nil
	}
	return refusef(rmq.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE,
		"the message is of type %v, topic %s takes %v; change the topic's type with the attribute %s=%v, or set grpc-any-message-type",
		kind, t.Name, acceptedTypes(t), attributeType, kind)
}

// sends adds the messages, as the broker takes them, to list, which is empty.
func sends(list []mq.Send, all []incoming, t *mq.Topic) []mq.Send {
	plain := func(in incoming) bool { return in.kind == rmq.MessageType_NORMAL && in.SysFlag == 0 }
	if len(all) > 1 && !slices.ContainsFunc(all, func(in incoming) bool { return !plain(in) }) {
		one := mq.Send{Message: all[0].Message, Group: t.Name}
		for _, in := range all[1:] {
			one.More = append(one.More, in.Message)
		}
		return append(list, one)
	}
	for _, in := range all {
		switch in.kind {
		case rmq.MessageType_FIFO:
			in.QueueID = queueOf(in.group, t.WriteQueues)
		case rmq.MessageType_PRIORITY:
			in.QueueID = priorityQueue(in.Properties, t.WriteQueues)
		default:
			if in.group != "" { // delayed or transactional, and in order as far as that goes
				in.QueueID = queueOf(in.group, t.WriteQueues)
			}
		}
		list = append(list, mq.Send{Message: in.Message, Group: t.Name})
	}
	return list
}

// sent makes the entries of the answer, in the order of the messages.
func (s *Server) sent(in *sendAnswer, all []incoming, b *mq.SendBatch) []*rmq.SendResultEntry {
	if len(all) == 1 {
		s.entry(&in.entry, &in.state, &all[0], &b.Sends[0], 0)
		in.list[0] = &in.entry
		return in.list[:]
	}
	entries := make([]*rmq.SendResultEntry, 0, len(all))
	for i := range b.Sends {
		one := &b.Sends[i]
		for j := range 1 + len(one.More) {
			e := new(rmq.SendResultEntry)
			s.entry(e, new(rmq.Status), &all[len(entries)], one, mq.QueueOffset(j))
			entries = append(entries, e)
		}
	}
	return entries
}

// entry says in e what became of a message, which is the nth of its send; state is
// memory for its status.
func (s *Server) entry(e *rmq.SendResultEntry, state *rmq.Status, in *incoming, one *mq.Send, nth mq.QueueOffset) {
	if one.Err != nil {
		err := one.Err
		if in.kind == rmq.MessageType_DELAY && errors.Is(err, mq.ErrMessageIllegal) {
			err = refusef(rmq.Code_ILLEGAL_DELIVERY_TIME, "%v", err)
		}
		e.Status = s.explain(err)
		return
	}
	if one.Result.Status != mq.SendOK {
		e.Status = unsafe(one.Result.Status)
		return
	}
	state.Code, state.Message = rmq.Code_OK, "OK"
	e.Status, e.MessageId, e.TransactionId = state, in.id, in.id
	e.Offset, e.RecallHandle = int64(one.Result.Offset+nth), one.Result.Handle
	if in.kind == rmq.MessageType_TRANSACTION {
		e.TransactionId = transactionID{one.Result.Offset, one.Result.Pos, in.id, s.o.Name}.String()
	}
}

// unsafe is the status of a message that is stored, but not as safely as asked
// for.
func unsafe(status mq.SendStatus) *rmq.Status {
	switch status {
	case mq.SendFlushTimeout:
		return &rmq.Status{Code: rmq.Code_MASTER_PERSISTENCE_TIMEOUT, Message: "the message is stored, but was not on the disk in time; it may be delivered"}
	case mq.SendReplicaTimeout:
		return &rmq.Status{Code: rmq.Code_SLAVE_PERSISTENCE_TIMEOUT, Message: "the message is stored, but no replica had it in time; it may be delivered"}
	}
	return &rmq.Status{Code: rmq.Code_HA_NOT_AVAILABLE, Message: "the message is stored, but no replica is connected; it may be delivered"}
}
