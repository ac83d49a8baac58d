package remoting

// What operators ask about lite topics: GET_BROKER_LITE_INFO (200074),
// GET_PARENT_TOPIC_INFO (200075), GET_LITE_TOPIC_INFO (200076),
// GET_LITE_CLIENT_INFO (200077), GET_LITE_GROUP_INFO (200078) and
// TRIGGER_LITE_DISPATCH (200079).

import (
	"cmp"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// defaultLiteList is how many entries a list has if the request does not say it.
const defaultLiteList = 1000

// liteFigures answers with figures about all lite topics.
func liteFigures(s *session, req *wire.Command) (*wire.Command, error) {
	f := s.h.admin.LiteFigures(s.ctx)
	return ok(req, nil, wire.EncodeBody(wire.BrokerLiteInfo{
		StoreType: "goddard", MaxLMQNum: f.MaxLights, CurrentLMQNum: f.Lights, SubscriptionCount: f.Subscriptions,
		OrderInfoCount: f.Held, CQTableSize: f.Queues, OffsetTableSize: f.Offsets, EventMapSize: f.Ready,
		TopicMeta: f.Lifetimes, GroupMeta: f.Groups,
	})), nil
}

// liteParent answers with what a topic has of lite topics.
func liteParent(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetParentTopicInfoRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	p, err := s.h.admin.LiteParent(s.ctx, h.Topic)
	if err != nil {
		return nil, err
	}
	return ok(req, nil, wire.EncodeBody(wire.ParentTopicInfo{
		Topic: p.Topic, TTL: p.Lifetime, Groups: p.Groups, LMQNum: p.Lights, LiteTopicCount: p.Lites,
	})), nil
}

// liteTopic answers with one lite topic and who wants it.
func liteTopic(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetLiteTopicInfoRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	t, err := s.h.admin.LiteTopic(s.ctx, h.ParentTopic, h.LiteTopic)
	if err != nil {
		return nil, err
	}
	info := wire.LiteTopicInfo{
		ParentTopic: h.ParentTopic, LiteTopic: h.LiteTopic, ShardingToBroker: true, Subscribers: []wire.ClientGroup{},
		Offsets: wire.TopicOffset{MinOffset: int64(t.Min), MaxOffset: int64(t.Max), LastUpdateTimestamp: max(0, millis(t.Last))},
	}
	for _, c := range t.Subscribers {
		info.Subscribers = append(info.Subscribers, wire.ClientGroup{ClientID: c.Client, Group: c.Group})
	}
	return ok(req, nil, wire.EncodeBody(info)), nil
}

// liteClient answers with what one client wants.
func liteClient(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetLiteClientInfoRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	c, err := s.h.admin.LiteClient(s.ctx, h.ParentTopic, h.Group, h.ClientID, int(cmp.Or(max(0, h.MaxCount), defaultLiteList)))
	if err != nil {
		return nil, err
	}
	info := wire.LiteClientInfo{ParentTopic: h.ParentTopic, Group: h.Group, ClientID: h.ClientID, LiteTopicCount: -1, LastAccessTime: -1}
	if c.Known {
		info.LiteTopicCount, info.LiteTopics, info.LastAccessTime = c.Count, c.Queues, millis(c.Seen)
	}
	return ok(req, nil, wire.EncodeBody(info)), nil
}

// liteGroup answers with how far a group is behind.
func liteGroup(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetLiteGroupInfoRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	lag, err := s.h.admin.LiteLag(s.ctx, h.Group, h.LiteTopic, int(h.TopK))
	if err != nil {
		return nil, err
	}
	info := wire.LiteGroupInfo{
		Group: h.Group, ParentTopic: lag.Parent, LiteTopic: h.LiteTopic, TotalLagCount: lag.Behind, EarliestUnconsumed: millis(lag.Earliest),
		ByCount: liteLags(lag.ByCount), ByTime: liteLags(lag.ByTime),
	}
	if one := lag.One; one != nil {
		info.Offsets = &wire.OffsetWrapper{BrokerOffset: int64(one.End), ConsumerOffset: int64(one.At), LastTimestamp: max(0, millis(one.Last))}
	} else if h.LiteTopic != "" {
		info.TotalLagCount = -1
	}
	return ok(req, nil, wire.EncodeBody(info)), nil
}

func liteLags(all []mq.LiteBehind) []wire.LiteLag {
	lags := make([]wire.LiteLag, 0, len(all))
	for _, l := range all {
		lags = append(lags, wire.LiteLag{LiteTopic: l.Lite, LagCount: l.Behind, EarliestUnconsumed: millis(l.Earliest)})
	}
	return lags
}

// lookForLites has looked at what a group's clients want.
func lookForLites(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.TriggerLiteDispatchRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	if err := s.h.admin.LookForLites(s.ctx, h.Group, h.ClientID); err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}
