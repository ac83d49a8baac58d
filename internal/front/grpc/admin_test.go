package grpc

import (
	"context"
	"encoding/json"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

func (f *fake) Groups(context.Context) ([]mq.Group, mq.DataVersion) {
	return []mq.Group{{Name: "G"}}, mq.DataVersion{}
}

func (f *fake) ConsumeStats(_ context.Context, _ string, topics []string) (mq.ConsumeStats, error) {
	return mq.ConsumeStats{Queues: []mq.ConsumeQueueStats{
		{Queue: mq.Queue{Topic: "T", ID: 0}, End: 10, Committed: 4, LastConsumed: time.UnixMilli(5000)},
		{Queue: mq.Queue{Topic: "T", ID: 1}, End: 7, Committed: 7, LastConsumed: time.UnixMilli(9000)},
		{Queue: mq.Queue{Topic: "U", ID: 0}, End: 1, Committed: 0},
	}[:3-2*min(1, len(topics))]}, f.err
}

func (f *fake) TopicStats(context.Context, string) ([]mq.QueueStats, error) {
	return []mq.QueueStats{{Queue: mq.Queue{Topic: "T", ID: 0}, LastUpdate: time.UnixMilli(8000)}}, f.err
}

func (f *fake) EarliestTime(context.Context, mq.Queue) (time.Time, error) {
	return time.UnixMilli(1000), f.err
}

func (f *fake) ResetOffsets(_ context.Context, group, topic string, _ int32, at time.Time, _ *mq.QueueOffset, _ bool) (map[mq.Queue]mq.QueueOffset, error) {
	return nil, f.SetOffset(context.Background(), group, mq.Queue{Topic: topic}, mq.QueueOffset(at.Unix()))
}

func (f *fake) Lookup(_ context.Context, r mq.LookupRequest) (mq.LookupResult, error) {
	if r.Key != "id-1" {
		return mq.LookupResult{}, nil
	}
	return mq.LookupResult{Records: [][]byte{stored("T", 3, "found", map[string]string{mq.PropUniqueKey: "id-1"}, 0, 0)}}, nil
}

func (f *fake) Find(_ context.Context, at mq.LogPos) ([]byte, error) {
	return stored("T", mq.QueueOffset(at/1000), "by position", nil, 0, 0), nil
}

func (f *fake) Stats(_ context.Context, name, key string) ([3]mq.RateStat, error) {
	if name != "BROKER_PUT_NUMS" || key != "C" {
		return [3]mq.RateStat{}, mq.ErrNotFound
	}
	return [3]mq.RateStat{{Rate: 12}}, nil
}

func TestOperatorsSeeTopicsGroupsAndClients(t *testing.T) {
	r := newRig(t)
	admin, ctx := rmq.NewAdminClient(r.conn), context.Background()
	r.fake.topic("T", "FIFO")
	r.fake.settings["brokerClusterName"] = "C"

	topic, err := admin.DescribeTopicStatus(ctx, &rmq.DescribeTopicStatusRequest{Topic: res("T")})
	r.want(rmq.Code_OK, topic.GetStatus(), err)
	if topic.TopicMessageType != rmq.MessageType_FIFO || topic.Tags[attributeType] != "FIFO" {
		t.Errorf("topic: %v", topic)
	}
	topic, err = admin.DescribeTopicStatus(ctx, &rmq.DescribeTopicStatusRequest{Topic: res("none")})
	r.want(rmq.Code_TOPIC_NOT_FOUND, topic.GetStatus(), err)

	route, err := admin.GetTopicRoute(ctx, &rmq.GetTopicRouteRequest{Topic: res("T")})
	r.want(rmq.Code_OK, route.GetStatus(), err)
	var parsed struct {
		QueueDatas []struct{ BrokerName string }
	}
	if err := json.Unmarshal([]byte(route.TopicRouteData), &parsed); err != nil || parsed.QueueDatas[0].BrokerName != "b1" {
		t.Errorf("route %s, %v", route.TopicRouteData, err)
	}

	r.talk("c", consumer("G", rmq.ClientType_PUSH_CONSUMER, "T"))
	r.talk("p", producer("T"))
	r.fake.look(func() {
		r.fake.joined = r.fake.joined[:1]
		r.fake.consumer = r.fake.joined[0].Consumers[0]
	})
	subs, err := admin.ListSubscription(ctx, &rmq.ListSubscriptionRequest{})
	r.want(rmq.Code_OK, subs.GetStatus(), err)
	if s := subs.SubscriptionInfo; len(s) != 1 || s[0].Group.Name != "G" || s[0].Expression.Expression != "a || b" || !s[0].SubscriptionConsistency {
		t.Errorf("subscriptions: %v", s)
	}
	each, err := admin.DescribeSubscription(ctx, &rmq.DescribeSubscriptionRequest{Group: res("G"), Topic: res("T")})
	r.want(rmq.Code_OK, each.GetStatus(), err)
	if s := each.ClientSubscriptionInfo; len(s) != 1 || s[0].ClientInfo.ClientId != "c" || s[0].ClientInfo.Language != "GO" {
		t.Errorf("subscriptions by client: %v", s)
	}
	forget, err := admin.DeleteSubscription(ctx, &rmq.DeleteSubscriptionRequest{})
	r.want(rmq.Code_NOT_IMPLEMENTED, forget.GetStatus(), err)
	conns, err := admin.ListConsumerConnection(ctx, &rmq.ListConsumerConnectionRequest{Group: res("G")})
	r.want(rmq.Code_OK, conns.GetStatus(), err)
	if len(conns.ClientInfo) != 1 {
		t.Errorf("connections: %v", conns)
	}
	stats, err := admin.GetProxyRuntimeStats(ctx, &rmq.GetProxyRuntimeStatsRequest{})
	r.want(rmq.Code_OK, stats.GetStatus(), err)
	if stats.Producers != 1 || stats.Consumers != 1 || stats.Connections != 1 || stats.InTps != 12 || stats.OutTps != 0 {
		t.Errorf("figures: %v", stats)
	}
	if _, err := admin.ChangeLogLevel(ctx, &rmq.ChangeLogLevelRequest{}); status.Code(err) != codes.Unimplemented {
		t.Errorf("change of the log level: %v", err)
	}
}

func TestOperatorsSeeHowFarAGroupIsAndMoveIt(t *testing.T) {
	r := newRig(t)
	admin, ctx := rmq.NewAdminClient(r.conn), context.Background()
	lag, err := admin.DescribeGroupAccumulation(ctx, &rmq.DescribeGroupAccumulationRequest{Group: res("G")})
	r.want(rmq.Code_OK, lag.GetStatus(), err)
	if lag.Accumulation.Accumulation != 7 || lag.TopicAccumulation["T"].Accumulation != 6 || lag.TopicAccumulation["T"].LastConsumeTimestamp != 9000 {
		t.Errorf("%v", lag)
	}
	span, err := admin.QueryTimeSpan(ctx, &rmq.QueryTimeSpanRequest{Group: res("G"), Topics: []*rmq.Resource{res("T")}})
	r.want(rmq.Code_OK, span.GetStatus(), err)
	if s := span.QueueTimeSpanList; len(s) != 1 || s[0].MinTimestamp != 1000 || s[0].MaxTimestamp != 8000 || s[0].ConsumeTimestamp != 5000 || s[0].DelayTimeMs <= 0 {
		t.Errorf("%v", s)
	}
	reset, err := admin.ResetGroupOffset(ctx, &rmq.ResetGroupOffsetRequest{Group: res("G"), Topic: res("T"), ResetTimestamp: millis(5000)})
	r.want(rmq.Code_OK, reset.GetStatus(), err)
	if o, err := r.fake.Offset(ctx, "G", mq.Queue{Topic: "T"}); o != 5 || err != nil {
		t.Errorf("offset %d, %v", o, err)
	}
}

func TestOperatorsFindAndSendMessages(t *testing.T) {
	r := newRig(t)
	admin, ctx := rmq.NewAdminClient(r.conn), context.Background()
	r.fake.topic("T", "NORMAL")
	for id, body := range map[string]string{"id-1": "found", mq.OffsetID(r.server.Addr(), 9000): "by position"} {
		got, err := admin.QueryMessage(ctx, &rmq.ListMessageRequest{Topic: res("T"), SearchKey: &rmq.ListMessageRequest_MessageId{MessageId: id}})
		r.want(rmq.Code_OK, got.GetStatus(), err)
		if len(got.Messages) != 1 || string(got.Messages[0].Body) != body {
			t.Errorf("%s: %v", id, got.Messages)
		}
	}
	got, err := admin.QueryMessage(ctx, &rmq.ListMessageRequest{Topic: res("T"), SearchKey: &rmq.ListMessageRequest_MessageKey{MessageKey: "none"}})
	r.want(rmq.Code_MESSAGE_NOT_FOUND, got.GetStatus(), err)
	got, err = admin.QueryMessage(ctx, &rmq.ListMessageRequest{Topic: res("T")})
	r.want(rmq.Code_NOT_IMPLEMENTED, got.GetStatus(), err)

	tag, key := "a", "k"
	sent, err := admin.AdminSendMessage(ctx, &rmq.AdminSendMessageRequest{Topic: res("T"), Tag: &tag, Key: &key, Body: []byte("b")})
	r.want(rmq.Code_OK, sent.GetStatus(), err)
	props := mq.PropertyMap(r.fake.sends[0].Properties)
	if len(sent.MessageId) != 34 || props[mq.PropTags] != "a" || props[mq.PropKeys] != "k" || props[mq.PropUniqueKey] != sent.MessageId {
		t.Errorf("%v, %v", sent, props)
	}
}
