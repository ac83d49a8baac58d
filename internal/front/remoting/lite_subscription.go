package remoting

// LITE_SUBSCRIPTION_CTL (200071): which lite topics the clients of a proxy want.
// Their notices (NOTIFY_UNSUBSCRIBE_LITE) go to the connection that said it.

import (
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// maxLiteClients bounds the entries of one request.
const maxLiteClients = 4096

// subscribeLite changes what each client named wants, in turn. It answers with
// the first error, behind which nothing is changed.
func subscribeLite(s *session, req *wire.Command) (*wire.Command, error) {
	var body wire.LiteSubscriptionBody
	if len(req.Body) > 0 {
		if err := wire.DecodeBody(req.Body, &body); err != nil {
			return nil, malformed(req, err)
		}
	}
	if n := len(body.Subscriptions); n == 0 || n > maxLiteClients {
		return nil, badRequest("the request has %d entries, want 1 to %d (subscriptionSet)", n, maxLiteClients)
	}
	for i := range body.Subscriptions {
		e := &body.Subscriptions[i]
		want, err := liteSubscription(e)
		if err != nil {
			return nil, err
		}
		want.Peer = s
		if err := s.h.broker.SyncLite(s.ctx, want); err != nil {
			return nil, fmt.Errorf("client %.100s of group %.100s: %w", e.ClientID, e.Group, err)
		}
	}
	return ok(req, nil, nil), nil
}

// liteSubscription is an entry in the broker's words.
func liteSubscription(e *wire.LiteSubscription) (mq.LiteSubscription, error) {
	s := mq.LiteSubscription{ClientID: e.ClientID, Group: e.Group, Topic: e.Topic, Lites: e.LiteTopics, Version: e.Version}
	switch e.Action {
	case "PARTIAL_ADD":
		s.Action = mq.LiteAdd
	case "PARTIAL_REMOVE":
		s.Action = mq.LiteRemove
	case "COMPLETE_ADD":
		s.Action = mq.LiteSet
	case "COMPLETE_REMOVE":
		s.Action = mq.LiteClear
	default:
		return s, badRequest("action %.40q is unknown; use PARTIAL_ADD, PARTIAL_REMOVE, COMPLETE_ADD or COMPLETE_REMOVE", e.Action)
	}
	if e.OffsetOption == nil {
		return s, nil
	}
	var err error
	s.Begin, err = liteBegin(e.OffsetOption)
	return s, err
}

// liteBegin is an offset option in the broker's words.
func liteBegin(o *wire.LiteOffsetOption) (mq.LiteBegin, error) {
	if o.Value >= 0 {
		switch o.Type {
		case "POLICY":
			if policies := []mq.LiteFrom{mq.LiteLast, mq.LiteMin, mq.LiteMax}; o.Value < int64(len(policies)) {
				return mq.LiteBegin{From: policies[o.Value]}, nil
			}
		case "OFFSET":
			return mq.LiteBegin{From: mq.LiteOffset, Value: o.Value}, nil
		case "TAIL_N":
			return mq.LiteBegin{From: mq.LiteTail, Value: o.Value}, nil
		case "TIMESTAMP":
			return mq.LiteBegin{From: mq.LiteTime, Value: o.Value}, nil
		}
	}
	return mq.LiteBegin{}, badRequest("offset option %.20q with %d is unknown; use POLICY with 0 (last), 1 (min) or 2 (max), or OFFSET, TAIL_N or TIMESTAMP with a number", o.Type, o.Value)
}
