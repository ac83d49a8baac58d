package grpc

// ListSubscription, DescribeSubscription: who wants what. DeleteSubscription:
// forget it. ListConsumerConnection: the clients of a group.
// DescribeGroupAccumulation, QueryTimeSpan: what a group has yet to consume.

import (
	"context"
	"errors"
	"net"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// A subscribed group is one with clients.
type subscribed struct {
	group   string
	members []mq.Connection
	mq.Consumer
}

// subscribedGroups are the groups with clients, or the one that is named.
func (o operating) subscribedGroups(ctx context.Context, named *rmq.Resource) ([]subscribed, error) {
	names := []string{named.GetName()}
	if names[0] == "" {
		names = nil
		groups, _ := o.admin.Groups(ctx)
		for _, g := range groups {
			names = append(names, g.Name)
		}
	}
	var all []subscribed
	for _, name := range names {
		members, consumer, err := o.admin.Consumers(ctx, name)
		if errors.Is(err, mq.ErrNotOnline) {
			continue
		}
		if err != nil {
			return nil, err
		}
		all = append(all, subscribed{name, members, consumer})
	}
	return all, nil
}

// infos are a group's subscriptions, or that of the topic that is named.
func (s *subscribed) infos(topic *rmq.Resource) []*rmq.SubscriptionInfo {
	newest := time.Time{}
	for _, m := range s.members {
		if m.LastUpdate.After(newest) {
			newest = m.LastUpdate
		}
	}
	var all []*rmq.SubscriptionInfo
	for _, sub := range s.Subscriptions {
		if topic.GetName() != "" && topic.GetName() != sub.Topic {
			continue
		}
		all = append(all, &rmq.SubscriptionInfo{
			Group: &rmq.Resource{Name: s.group}, Topic: &rmq.Resource{Name: sub.Topic}, Expression: expression(sub.Type, sub.Expression), Online: true,
			LastUpdateTimestamp: millis(newest.UnixMilli()), MessageModel: model(s.Model),
			SubscriptionConsistency: s.alike(sub),
		})
	}
	return all
}

// expression is one in words of this protocol, of a type in RocketMQ's others.
func expression(kind, text string) *rmq.FilterExpression {
	e := &rmq.FilterExpression{Type: rmq.FilterType_TAG, Expression: text}
	if kind == typeSQL {
		e.Type = rmq.FilterType_SQL
	}
	return e
}

// alike reports whether all members want the same of a topic, as far as this
// protocol's clients say.
func (s *subscribed) alike(want mq.Subscription) bool {
	return !slices.ContainsFunc(s.members, func(m mq.Connection) bool {
		c, ours := m.Peer.(*client)
		if !ours {
			return false
		}
		return slices.ContainsFunc(c.settings().GetSubscription().GetSubscriptions(), func(e *rmq.SubscriptionEntry) bool {
			return e.GetTopic().GetName() == want.Topic && e.GetExpression().GetExpression() != want.Expression
		})
	})
}

// model is a way of consumption by RocketMQ's name.
func model(name string) rmq.MessageModel { return rmq.MessageModel(rmq.MessageModel_value[name]) }

// ListSubscription answers with the subscriptions of groups that have clients.
func (o operating) ListSubscription(ctx context.Context, req *rmq.ListSubscriptionRequest) (*rmq.ListSubscriptionResponse, error) {
	groups, err := o.subscribedGroups(ctx, req.GetGroup())
	if err != nil {
		return nil, err
	}
	resp := &rmq.ListSubscriptionResponse{Status: okay()}
	for i := range groups {
		resp.SubscriptionInfo = append(resp.SubscriptionInfo, groups[i].infos(req.GetTopic())...)
	}
	return resp, nil
}

// DescribeSubscription answers with the same for each client.
func (o operating) DescribeSubscription(ctx context.Context, req *rmq.DescribeSubscriptionRequest) (*rmq.DescribeSubscriptionResponse, error) {
	groups, err := o.subscribedGroups(ctx, req.GetGroup())
	if err != nil {
		return nil, err
	}
	resp := &rmq.DescribeSubscriptionResponse{Status: okay()}
	for i := range groups {
		for _, info := range groups[i].infos(req.GetTopic()) {
			for _, m := range groups[i].members {
				resp.ClientSubscriptionInfo = append(resp.ClientSubscriptionInfo, &rmq.DescribeSubscriptionResponse_ClientSubscriptionInfo{
					ClientInfo: clientInfo(m, groups[i].Model), SubscriptionInfo: info,
				})
			}
		}
	}
	return resp, nil
}

// DeleteSubscription forgets where a group is in a topic, once no client of it
// wants that any more. Of such a subscription there is no expression left.
func (o operating) DeleteSubscription(ctx context.Context, req *rmq.DeleteSubscriptionRequest) (*rmq.DeleteSubscriptionResponse, error) {
	if err := checkConsumer(req.GetTopic(), req.GetGroup()); err != nil {
		return nil, err
	}
	if err := o.admin.DeleteSubscription(mq.WithCaller(ctx, o.caller(ctx)), req.GetGroup().GetName(), req.GetTopic().GetName()); err != nil {
		return nil, err
	}
	return &rmq.DeleteSubscriptionResponse{Status: okay()}, nil
}

// clientInfo is a client as operators see it.
func clientInfo(m mq.Connection, how string) *rmq.ClientInfo {
	info := &rmq.ClientInfo{ClientId: m.ClientID, Language: m.Language, EgressIp: m.Addr, MessageModel: model(how)}
	if host, _, err := net.SplitHostPort(m.Addr); err == nil {
		info.EgressIp = host
	}
	if c, ours := m.Peer.(*client); ours {
		info.Version, info.Hostname = c.settings().GetUserAgent().GetVersion(), c.settings().GetUserAgent().GetHostname()
	}
	return info
}

// ListConsumerConnection answers with the clients of a group, of both
// protocols.
func (o operating) ListConsumerConnection(ctx context.Context, req *rmq.ListConsumerConnectionRequest) (*rmq.ListConsumerConnectionResponse, error) {
	if err := checkGroup(req.GetGroup()); err != nil {
		return nil, err
	}
	members, consumer, err := o.admin.Consumers(ctx, req.GetGroup().GetName())
	if err != nil && !errors.Is(err, mq.ErrNotOnline) {
		return nil, err
	}
	resp := &rmq.ListConsumerConnectionResponse{Status: okay()}
	if topic := req.GetTopic().GetName(); topic != "" &&
		!slices.ContainsFunc(consumer.Subscriptions, func(s mq.Subscription) bool { return s.Topic == topic }) {
		return resp, nil
	}
	wanted := func(string) bool { return true }
	if req.GetLiteTopic() != "" {
		if wanted, err = o.wantLite(ctx, req); err != nil {
			return nil, err
		}
	}
	for _, m := range members {
		if wanted(m.ClientID) {
			resp.ClientInfo = append(resp.ClientInfo, clientInfo(m, consumer.Model))
		}
	}
	return resp, nil
}

// wantLite tells which clients of a group want a lite topic.
func (o operating) wantLite(ctx context.Context, req *rmq.ListConsumerConnectionRequest) (func(client string) bool, error) {
	if err := checkTopic(req.GetTopic()); err != nil {
		return nil, err
	}
	t, err := o.admin.LiteTopic(ctx, req.GetTopic().GetName(), req.GetLiteTopic())
	if err != nil {
		return nil, err
	}
	return func(client string) bool {
		return slices.ContainsFunc(t.Subscribers, func(s mq.LiteSubscriber) bool {
			return s.Group == req.GetGroup().GetName() && (s.Client == client || s.Client == "*")
		})
	}, nil
}

type accumulation = rmq.DescribeGroupAccumulationResponse_GroupAccumulation

// liteAccumulation is that of one lite topic of the group's.
func (o operating) liteAccumulation(ctx context.Context, group, lite string) (*rmq.DescribeGroupAccumulationResponse, error) {
	lag, err := o.admin.LiteLag(ctx, group, lite, 1)
	if err != nil {
		return nil, err
	}
	a := &accumulation{Accumulation: lag.Behind}
	if at := lag.One; at != nil {
		a.InflightMessages = min(at.InHand, lag.Behind)
		if !at.Last.IsZero() {
			a.LastConsumeTimestamp = at.Last.UnixMilli()
		}
	}
	if a.ReadyMessages = a.Accumulation - a.InflightMessages; a.ReadyMessages > 0 && !lag.Earliest.IsZero() {
		a.DeliverDelayTime = durationpb.New(time.Since(lag.Earliest))
	}
	return &rmq.DescribeGroupAccumulationResponse{
		Status: okay(), Accumulation: a, TopicAccumulation: map[string]*accumulation{lag.Parent: a}, LiteTopicAccumulation: map[string]*accumulation{lite: a},
	}, nil
}

// DescribeGroupAccumulation answers with how much a group has yet to consume,
// in all topics that it has offsets of or those that are named.
func (o operating) DescribeGroupAccumulation(ctx context.Context, req *rmq.DescribeGroupAccumulationRequest) (*rmq.DescribeGroupAccumulationResponse, error) {
	if err := checkGroup(req.GetGroup()); err != nil {
		return nil, err
	}
	if req.GetLiteTopic() != "" {
		return o.liteAccumulation(ctx, req.GetGroup().GetName(), req.GetLiteTopic())
	}
	stats, err := o.admin.ConsumeStats(ctx, req.GetGroup().GetName(), names(req.GetTopics()))
	if err != nil {
		return nil, err
	}
	resp := &rmq.DescribeGroupAccumulationResponse{
		Status: okay(), Accumulation: &accumulation{}, TopicAccumulation: map[string]*accumulation{},
	}
	for _, q := range stats.Queues {
		of := resp.TopicAccumulation[q.Queue.Topic]
		if of == nil {
			of = &accumulation{}
			resp.TopicAccumulation[q.Queue.Topic] = of
		}
		for _, a := range []*accumulation{resp.Accumulation, of} {
			n := int64(max(0, q.End-q.Committed))
			a.ReadyMessages += n - q.InOrder
			a.InflightMessages += q.InHand + q.InOrder
			a.Accumulation += n + q.InHand
			if q.LastConsumed.IsZero() {
				continue
			}
			a.LastConsumeTimestamp = max(a.LastConsumeTimestamp, q.LastConsumed.UnixMilli())
			if late := time.Since(q.LastConsumed); n > q.InOrder && late > a.DeliverDelayTime.AsDuration() {
				a.DeliverDelayTime = durationpb.New(late)
			}
		}
	}
	return resp, nil
}

// names are the names of resources.
func names(all []*rmq.Resource) []string {
	var list []string
	for _, r := range all {
		list = append(list, r.GetName())
	}
	return list
}

// QueryTimeSpan answers with when each queue's first, last and last consumed
// message was stored.
func (o operating) QueryTimeSpan(ctx context.Context, req *rmq.QueryTimeSpanRequest) (*rmq.QueryTimeSpanResponse, error) {
	if err := checkGroup(req.GetGroup()); err != nil {
		return nil, err
	}
	resp := &rmq.QueryTimeSpanResponse{Status: okay()}
	for _, topic := range names(req.GetTopics()) {
		queues, err := o.admin.TopicStats(ctx, topic)
		if err != nil {
			return nil, err
		}
		stats, err := o.admin.ConsumeStats(ctx, req.GetGroup().GetName(), []string{topic})
		if err != nil {
			return nil, err
		}
		for _, q := range queues {
			span, err := o.timeSpan(ctx, q, stats.Queues)
			if err != nil {
				return nil, err
			}
			resp.QueueTimeSpanList = append(resp.QueueTimeSpanList, span)
		}
	}
	return resp, nil
}

// timeSpan is that of one queue.
func (o operating) timeSpan(ctx context.Context, q mq.QueueStats, progress []mq.ConsumeQueueStats) (*rmq.QueryTimeSpanResponse_QueueTimeSpan, error) {
	earliest, err := o.broker.EarliestTime(ctx, q.Queue)
	if err != nil {
		return nil, err
	}
	ms := func(t time.Time) int64 {
		if t.IsZero() {
			return -1
		}
		return t.UnixMilli()
	}
	span := &rmq.QueryTimeSpanResponse_QueueTimeSpan{
		MessageQueue: &rmq.MessageQueue{Topic: &rmq.Resource{Name: q.Queue.Topic}, Id: q.Queue.ID, Broker: &rmq.Broker{Name: o.o.Name}},
		MinTimestamp: ms(earliest), MaxTimestamp: ms(q.LastUpdate), ConsumeTimestamp: ms(earliest),
	}
	for _, p := range progress {
		if p.Queue != q.Queue {
			continue
		}
		if !p.LastConsumed.IsZero() {
			span.ConsumeTimestamp = ms(p.LastConsumed)
		}
		if p.Committed < p.End && span.ConsumeTimestamp > 0 {
			span.DelayTimeMs = time.Since(time.UnixMilli(span.ConsumeTimestamp)).Milliseconds()
		}
	}
	return span, nil
}
