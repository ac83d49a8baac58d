package grpc

// SyncLiteSubscription: which lite topics a client wants. A client says it when
// that changes, and all of them every thirty seconds.

import (
	"context"
	"errors"
	"strconv"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// attributeLiteQuota is a group's attribute that says how many lite topics one
// of its clients wants at most, and defaultLiteQuota what holds without it.
const (
	attributeLiteQuota = "lite.sub.client.quota"
	defaultLiteQuota   = 2000
)

// SyncLiteSubscription changes what the client wants.
func (m messaging) SyncLiteSubscription(ctx context.Context, req *rmq.SyncLiteSubscriptionRequest) (*rmq.SyncLiteSubscriptionResponse, error) {
	if err := checkConsumer(req.GetTopic(), req.GetGroup()); err != nil {
		return nil, err
	}
	by := callerOf(ctx)
	c := m.clients.find(by.clientID)
	if c == nil || !isLite(c.settings()) {
		return nil, refusef(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, "cannot find settings of a lite consumer for this client: send them on the telemetry stream first")
	}
	begin, err := liteBegin(req.OffsetOption)
	if err != nil {
		return nil, err
	}
	s := mq.LiteSubscription{
		ClientID: by.clientID, Group: req.GetGroup().GetName(), Topic: req.GetTopic().GetName(), Lites: req.GetLiteTopicSet(),
		Version: req.GetVersion(), Begin: begin, Peer: c,
	}
	switch req.GetAction() {
	case rmq.LiteSubscriptionAction_PARTIAL_ADD:
		s.Action = mq.LiteAdd
	case rmq.LiteSubscriptionAction_PARTIAL_REMOVE:
		s.Action = mq.LiteRemove
	case rmq.LiteSubscriptionAction_COMPLETE_ADD:
		s.Action = mq.LiteSet
	case rmq.LiteSubscriptionAction_COMPLETE_REMOVE:
		s.Action = mq.LiteClear
	default:
		return nil, refusef(rmq.Code_BAD_REQUEST, "the action %d is unknown; want PARTIAL_ADD, PARTIAL_REMOVE, COMPLETE_ADD or COMPLETE_REMOVE", req.GetAction())
	}
	others := m.elsewhere(ctx, req.GetTopic())
	if err := m.broker.SyncLite(ctx, s); err != nil && (len(others) == 0 || !errors.Is(err, mq.ErrTopicNotFound)) {
		return nil, err
	}
	for _, p := range others { // a lite topic may be on any of them
		resp, err := hand(ctx, m.Server, p.node, rmq.MessagingServiceClient.SyncLiteSubscription, req)
		if err != nil || resp.GetStatus().GetCode() != rmq.Code_OK {
			return resp, err
		}
	}
	return &rmq.SyncLiteSubscriptionResponse{Status: okay()}, nil
}

// liteBegin is where a group goes on in lite topics that are new to the client.
func liteBegin(o *rmq.OffsetOption) (mq.LiteBegin, error) {
	switch of := o.GetOffsetType().(type) {
	case nil:
		return mq.LiteBegin{}, nil
	case *rmq.OffsetOption_Policy_:
		switch of.Policy {
		case rmq.OffsetOption_LAST:
			return mq.LiteBegin{}, nil
		case rmq.OffsetOption_MIN:
			return mq.LiteBegin{From: mq.LiteMin}, nil
		case rmq.OffsetOption_MAX:
			return mq.LiteBegin{From: mq.LiteMax}, nil
		}
	case *rmq.OffsetOption_Offset:
		if of.Offset >= 0 {
			return mq.LiteBegin{From: mq.LiteOffset, Value: of.Offset}, nil
		}
	case *rmq.OffsetOption_TailN:
		if of.TailN >= 0 {
			return mq.LiteBegin{From: mq.LiteTail, Value: of.TailN}, nil
		}
	case *rmq.OffsetOption_Timestamp:
		if of.Timestamp >= 0 {
			return mq.LiteBegin{From: mq.LiteTime, Value: of.Timestamp}, nil
		}
	}
	return mq.LiteBegin{}, refusef(rmq.Code_ILLEGAL_OFFSET, "the offset option %v is none: want LAST, MIN, MAX, or an offset, number of messages or time of 0 or more", o)
}

// isLite reports whether settings are a lite consumer's.
func isLite(s *rmq.Settings) bool {
	kind := s.GetClientType()
	return kind == rmq.ClientType_LITE_PUSH_CONSUMER || kind == rmq.ClientType_LITE_SIMPLE_CONSUMER
}

// liteQuota is how many lite topics a client of a group wants at most.
func liteQuota(g *mq.Group) int32 {
	n, err := strconv.ParseInt(g.Attributes[attributeLiteQuota], 10, 64)
	switch {
	case err != nil:
		return defaultLiteQuota
	case n < 0 || n > 1<<31-1:
		return 1<<31 - 1
	}
	return int32(n)
}

// leaveLite forgets which lite topics a client wants.
func (s *Server) leaveLite(ctx context.Context, c *client) {
	settings := c.settings()
	if !isLite(settings) {
		return
	}
	sub := settings.GetSubscription()
	for _, e := range sub.GetSubscriptions() {
		err := s.broker.SyncLite(ctx, mq.LiteSubscription{
			Action: mq.LiteClear, ClientID: c.id, Group: sub.GetGroup().GetName(), Topic: e.GetTopic().GetName(), Peer: c,
		})
		if err != nil {
			s.log.Debug("the lite subscriptions of a client that leaves are left to their time", "client_id", c.id, "error", err)
		}
	}
}
