package grpc

// UpdateOffset, GetOffset: where a group is. QueryOffset: what a queue holds.

import (
	"context"
	"errors"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// UpdateOffset commits an offset.
func (m messaging) UpdateOffset(ctx context.Context, req *rmq.UpdateOffsetRequest) (*rmq.UpdateOffsetResponse, error) {
	if n := m.nodeOf(ctx, req.GetMessageQueue().GetBroker().GetName()); n != nil {
		return hand(ctx, m.Server, n, rmq.MessagingServiceClient.UpdateOffset, req)
	}
	q, err := m.groupQueue(req.GetGroup(), req.GetMessageQueue())
	if err != nil {
		return nil, err
	}
	if req.GetOffset() < 0 {
		return nil, refusef(rmq.Code_ILLEGAL_OFFSET, "the offset is %d; want 0 or more", req.GetOffset())
	}
	if err := m.broker.SetOffset(ctx, req.GetGroup().GetName(), q, mq.QueueOffset(req.GetOffset())); err != nil {
		return nil, err
	}
	return &rmq.UpdateOffsetResponse{Status: okay()}, nil
}

// GetOffset answers with the committed offset.
func (m messaging) GetOffset(ctx context.Context, req *rmq.GetOffsetRequest) (*rmq.GetOffsetResponse, error) {
	if n := m.nodeOf(ctx, req.GetMessageQueue().GetBroker().GetName()); n != nil {
		return hand(ctx, m.Server, n, rmq.MessagingServiceClient.GetOffset, req)
	}
	q, err := m.groupQueue(req.GetGroup(), req.GetMessageQueue())
	if err != nil {
		return nil, err
	}
	offset, err := m.broker.Offset(ctx, req.GetGroup().GetName(), q)
	if errors.Is(err, mq.ErrNotFound) {
		return nil, refusef(rmq.Code_OFFSET_NOT_FOUND, "group %s has no offset in queue %d of %s; begin where QueryOffset says", req.GetGroup().GetName(), q.ID, q.Topic)
	}
	if err != nil {
		return nil, err
	}
	return &rmq.GetOffsetResponse{Status: okay(), Offset: int64(offset)}, nil
}

// groupQueue checks a group and a queue.
func (s *Server) groupQueue(group *rmq.Resource, q *rmq.MessageQueue) (mq.Queue, error) {
	if err := checkGroup(group); err != nil {
		return mq.Queue{}, err
	}
	return s.queue(q)
}

// QueryOffset answers with the queue's first offset, the one behind its last or
// that of the first message stored at or after a time.
func (m messaging) QueryOffset(ctx context.Context, req *rmq.QueryOffsetRequest) (*rmq.QueryOffsetResponse, error) {
	if n := m.nodeOf(ctx, req.GetMessageQueue().GetBroker().GetName()); n != nil {
		return hand(ctx, m.Server, n, rmq.MessagingServiceClient.QueryOffset, req)
	}
	q, err := m.queue(req.GetMessageQueue())
	if err != nil {
		return nil, err
	}
	lo, hi, err := m.broker.Bounds(ctx, q)
	if err != nil {
		return nil, err
	}
	resp := &rmq.QueryOffsetResponse{Status: okay(), Offset: int64(lo)}
	switch policy := req.GetQueryOffsetPolicy(); policy {
	case rmq.QueryOffsetPolicy_BEGINNING:
	case rmq.QueryOffsetPolicy_END:
		resp.Offset = int64(hi)
	case rmq.QueryOffsetPolicy_TIMESTAMP:
		if req.Timestamp == nil || !req.Timestamp.IsValid() {
			return nil, refusef(rmq.Code_BAD_REQUEST, "the policy TIMESTAMP needs a timestamp")
		}
		offset, err := m.broker.Locate(ctx, q, req.Timestamp.AsTime(), false)
		if err != nil {
			return nil, err
		}
		resp.Offset = int64(offset)
	default:
		return nil, refusef(rmq.Code_BAD_REQUEST, "the policy %d is unknown; want BEGINNING, END or TIMESTAMP", policy)
	}
	return resp, nil
}
