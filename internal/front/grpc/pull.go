package grpc

// PullMessage: messages of one queue from an offset on, whoever has them in
// hand. The stream is a status, the messages and the offset to go on at.

import (
	"context"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// maxPull bounds the messages of one call.
const maxPull = 1024

type pullStream = grpc.ServerStreamingServer[rmq.PullMessageResponse]

// PullMessage serves one call.
func (m messaging) PullMessage(req *rmq.PullMessageRequest, stream pullStream) error {
	var next mq.QueueOffset
	var err error
	if n := m.nodeOf(stream.Context(), req.GetMessageQueue().GetBroker().GetName()); n != nil {
		next, err = mq.QueueOffset(req.GetOffset()), m.pullFrom(n, req, stream)
	} else {
		next, err = m.pull(req, stream)
	}
	if err == nil {
		return nil
	}
	if gone := stream.Context().Err(); gone != nil {
		return gone
	}
	if err := stream.Send(&rmq.PullMessageResponse{Content: &rmq.PullMessageResponse_Status{Status: m.explain(err)}}); err != nil {
		return err
	}
	return sendNext(stream, next)
}

// sendNext ends the stream with where to go on.
func sendNext(stream pullStream, next mq.QueueOffset) error {
	return stream.Send(&rmq.PullMessageResponse{Content: &rmq.PullMessageResponse_NextOffset{NextOffset: int64(next)}})
}

// pull writes the stream. With an error it has written nothing but what next
// says is still to be told.
func (m messaging) pull(req *rmq.PullMessageRequest, stream pullStream) (next mq.QueueOffset, err error) {
	r, want, err := m.pullRequest(stream.Context(), req)
	if err != nil {
		return mq.QueueOffset(req.GetOffset()), err
	}
	p, err := m.pulled(stream.Context(), r)
	if err != nil {
		return r.From, err
	}
	if p.Status == mq.PullFound {
		size := int64(0)
		for _, chunk := range p.Data {
			size += int64(len(chunk))
		}
		if err := m.reserve(size); err != nil {
			releasePulled(&p)
			return r.From, err
		}
		defer m.unread.Add(-size)
		defer releasePulled(&p)
		return p.Next, m.writePulled(req, want, p, stream)
	}
	releasePulled(&p)
	if p.Status == mq.PullOffsetIllegal {
		return p.Next, refusef(rmq.Code_ILLEGAL_OFFSET, "offset %d is outside the queue, which has %d to %d; go on at %d", r.From, p.Min, p.Max, p.Next)
	}
	return p.Next, refusef(rmq.Code_MESSAGE_NOT_FOUND, "no new message")
}

// writePulled writes a batch to the stream.
func (m messaging) writePulled(req *rmq.PullMessageRequest, want *want, p mq.Batch, stream pullStream) error {
	if err := stream.Send(&rmq.PullMessageResponse{Content: &rmq.PullMessageResponse_Status{Status: okay()}}); err != nil {
		return err
	}
	for _, chunk := range p.Data {
		for len(chunk) > 0 {
			record, rest, err := mq.DecodeRecord(chunk)
			if err != nil {
				return err
			}
			chunk = rest
			if !want.takes(record.Properties) {
				continue
			}
			one := outgoing(&record, req.GetMessageQueue().GetTopic())
			if err := stream.Send(&rmq.PullMessageResponse{Content: &rmq.PullMessageResponse_Message{Message: one}}); err != nil {
				return err
			}
		}
	}
	return sendNext(stream, p.Next)
}

// pullRequest checks a request.
func (s *Server) pullRequest(ctx context.Context, req *rmq.PullMessageRequest) (mq.PullRequest, *want, error) {
	if err := checkConsumer(req.GetMessageQueue().GetTopic(), req.GetGroup()); err != nil {
		return mq.PullRequest{}, nil, err
	}
	q, err := s.queue(req.GetMessageQueue())
	if err != nil {
		return mq.PullRequest{}, nil, err
	}
	if req.GetOffset() < 0 {
		return mq.PullRequest{}, nil, refusef(rmq.Code_ILLEGAL_OFFSET, "the offset is %d; want 0 or more", req.GetOffset())
	}
	want, err := s.filters.of(req.GetFilterExpression())
	if err != nil {
		return mq.PullRequest{}, nil, err
	}
	if err := s.reserve(0); err != nil {
		return mq.PullRequest{}, nil, err
	}
	wait := min(max(req.GetLongPollingTimeout().AsDuration(), 0), longestPolling)
	if left, bounded := remaining(ctx); bounded {
		wait = max(0, min(wait, left-time.Second))
	}
	by := callerOf(ctx)
	return mq.PullRequest{
		Group: req.GetGroup().GetName(), Queue: q, From: mq.QueueOffset(req.GetOffset()),
		MaxMessages: int(min(max(req.GetBatchSize(), 1), maxPull)), Wait: wait, Filter: want.filter, Via: by.visit(),
	}, want, nil
}

// pulled asks the broker and waits.
func (s *Server) pulled(ctx context.Context, r mq.PullRequest) (mq.Batch, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	type result struct {
		batch mq.Batch
		err   error
	}
	answer := make(chan result, 1)
	var left atomic.Bool // nobody waits for the answer any more
	drop := func() {
		select {
		case a := <-answer:
			releasePulled(&a.batch)
		default:
		}
	}
	s.broker.Pull(ctx, r, func(b mq.Batch, err error) {
		answer <- result{b, err}
		if left.Load() {
			drop()
		}
	})
	select {
	case a := <-answer:
		return a.batch, a.err
	case <-ctx.Done():
	case <-s.stopping:
	}
	left.Store(true)
	drop()
	return mq.Batch{}, refusef(rmq.Code_MESSAGE_NOT_FOUND, "no new message: the call or the server is ending")
}

// releasePulled gives a batch's memory back.
func releasePulled(b *mq.Batch) {
	if b.Release != nil {
		b.Release()
	}
}

// queue is the queue that a request names.
func (s *Server) queue(q *rmq.MessageQueue) (mq.Queue, error) {
	if err := checkTopic(q.GetTopic()); err != nil {
		return mq.Queue{}, err
	}
	if name := q.GetBroker().GetName(); name != "" && name != s.o.Name {
		return mq.Queue{}, refusef(rmq.Code_BAD_REQUEST, "this is broker %s and not %.60s; query the route again", s.o.Name, name)
	}
	if q.GetId() < 0 {
		return mq.Queue{}, refusef(rmq.Code_BAD_REQUEST, "the queue id is %d; name a queue of the route", q.GetId())
	}
	return mq.Queue{Topic: q.GetTopic().GetName(), ID: q.GetId()}, nil
}
