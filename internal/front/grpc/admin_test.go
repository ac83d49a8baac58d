package grpc

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
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
		{Queue: mq.Queue{Topic: "T", ID: 0}, End: 10, Committed: 4, InOrder: 2, LastConsumed: time.UnixMilli(5000)},
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
	if f.records != nil {
		if f.records[at] == nil {
			return nil, mq.ErrNotFound
		}
		return f.records[at], nil
	}
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
}

func TestOperatorsSeeHowFarAGroupIsAndMoveIt(t *testing.T) {
	r := newRig(t)
	admin, ctx := rmq.NewAdminClient(r.conn), context.Background()
	lag, err := admin.DescribeGroupAccumulation(ctx, &rmq.DescribeGroupAccumulationRequest{Group: res("G")})
	r.want(rmq.Code_OK, lag.GetStatus(), err)
	if lag.Accumulation.Accumulation != 7 || lag.TopicAccumulation["T"].Accumulation != 6 || lag.TopicAccumulation["T"].LastConsumeTimestamp != 9000 ||
		lag.Accumulation.InflightMessages != 2 || lag.Accumulation.ReadyMessages != 5 {
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

	tag, key := "a", "k"
	sent, err := admin.AdminSendMessage(ctx, &rmq.AdminSendMessageRequest{Topic: res("T"), Tag: &tag, Key: &key, Body: []byte("b")})
	r.want(rmq.Code_OK, sent.GetStatus(), err)
	props := mq.PropertyMap(r.fake.sends[0].Properties)
	if len(sent.MessageId) != 34 || props[mq.PropTags] != "a" || props[mq.PropKeys] != "k" || props[mq.PropUniqueKey] != sent.MessageId {
		t.Errorf("%v, %v", sent, props)
	}
}

func (f *fake) SetSettings(ctx context.Context, kv map[string]string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err == nil {
		maps.Copy(f.settings, kv)
	}
	return f.err
}

func TestOperatorsChangeTheLogLevel(t *testing.T) {
	r := newRig(t)
	admin, ctx := rmq.NewAdminClient(r.conn), context.Background()
	for level, want := range map[rmq.ChangeLogLevelRequest_Level]string{
		rmq.ChangeLogLevelRequest_TRACE: "debug", rmq.ChangeLogLevelRequest_WARN: "warn", rmq.ChangeLogLevelRequest_ERROR: "error",
	} {
		if _, err := admin.ChangeLogLevel(ctx, &rmq.ChangeLogLevelRequest{Level: level}); err != nil || r.fake.settings["log-level"] != want {
			t.Errorf("%v: log-level = %q, %v", level, r.fake.settings["log-level"], err)
		}
	}
	if _, err := admin.ChangeLogLevel(ctx, &rmq.ChangeLogLevelRequest{Level: 17}); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a level that is none: %v", err)
	}
	r.fake.err = mq.ErrInvalid
	if _, err := admin.ChangeLogLevel(ctx, &rmq.ChangeLogLevelRequest{}); status.Code(err) != codes.FailedPrecondition {
		t.Errorf("a level that cannot change: %v", err)
	}
}

// A remote is a client of the remoting protocol that answers what it is told to.
type remote struct {
	mq.Peer
	answer string
	code   int32
	fields map[string]string
}

func (*remote) RemoteAddr() string { return "10.0.0.9:4711" }

func (p *remote) Ask(_ context.Context, code int32, fields map[string]string, _ []byte) ([]byte, error) {
	p.fields, p.code = fields, code
	return []byte(p.answer), nil
}

func TestOperatorsAskWhatConsumersOfBothProtocolsAreDoing(t *testing.T) {
	r := newRig(t)
	admin, ctx := rmq.NewAdminClient(r.conn), context.Background()
	ask := func(client string) (*rmq.GetConsumerRunningInfoResponse, error) {
		return admin.GetConsumerRunningInfo(ctx, &rmq.GetConsumerRunningInfoRequest{Group: res("G"), ClientId: client})
	}
	old := &remote{answer: `{"mqTable":{{"brokerName":"b1","queueId":2,"topic":"T"}:{"commitOffset":7,"cachedMsgCount":3,"locked":true}},
		"mqPopTable":{{"brokerName":"b1","queueId":1,"topic":"T"}:{"waitAckCount":4}},"properties":{"PROP_CONSUMEORDERLY":"true"},
		"statusTable":{"T":{"consumeOKTPS":2.5,"consumeFailedMsgs":9}},"subscriptionSet":[{"topic":"T","subString":"a","expressionType":"TAG"}]}`}
	r.fake.look(func() { r.fake.joined = append(r.fake.joined, mq.Member{ClientID: "old", Peer: old}) })
	got, err := ask("old")
	r.want(rmq.Code_OK, got.GetStatus(), err)
	info := got.ConsumerRunningInfo
	if q := info.MessageQueueTable; len(q) != 2 || q[0].MessageQueue.Id != 1 || q[0].ProcessQueueInfo.CachedMsgCount != 4 ||
		q[1].MessageQueue.Broker.Name != "b1" || q[1].ProcessQueueInfo.CommitOffset != 7 || !q[1].ProcessQueueInfo.Locked {
		t.Errorf("queues: %v", q)
	}
	if info.Subscriptions["T"].Expression != "a" || info.Properties["PROP_CONSUMEORDERLY"] != "true" || info.ConsumeStatusTable["T"].ConsumeOkTps != 2.5 ||
		info.ConsumeStatusTable["T"].ConsumeFailedMsgs != 9 || old.fields["consumerGroup"] != "G" || old.fields["clientId"] != "old" {
		t.Errorf("%v, asked with %v", info, old.fields)
	}
	old.answer = "no JSON"
	got, err = ask("old")
	r.want(rmq.Code_INTERNAL_SERVER_ERROR, got.GetStatus(), err)
	got, err = ask("nobody")
	r.want(rmq.Code_NOT_FOUND, got.GetStatus(), err)

	old.answer = `{"jstack":"main: works"}`
	trace, err := admin.PrintThreadStackTrace(ctx, &rmq.PrintThreadStackTraceRequest{Group: res("G"), ClientId: "old"})
	r.want(rmq.Code_OK, trace.GetStatus(), err)
	if trace.GetThreadStackTrace() != "main: works" || old.fields["jstackEnable"] != "true" {
		t.Errorf("%v, asked with %v", trace, old.fields)
	}
	for answer, want := range map[string]rmq.Code{
		`{"consumeResult":"CR_SUCCESS"}`: rmq.Code_OK, `{"consumeResult":"CR_LATER","remark":"no"}`: rmq.Code_FAILED_TO_CONSUME_MESSAGE, `{`: rmq.Code_INTERNAL_SERVER_ERROR,
	} {
		old.answer = answer
		done, err := admin.VerifyMessage(ctx, &rmq.VerifyMessageRequest{Group: res("G"), ClientId: "old", Topic: res("T"), MessageId: "id-1"})
		r.want(want, done.GetStatus(), err)
		if old.code != askConsumeDirectly || old.fields["msgId"] != "id-1" || old.fields["topic"] != "T" {
			t.Errorf("asked %d with %v", old.code, old.fields)
		}
	}

	stream, _ := r.talk("c", consumer("G", rmq.ClientType_PUSH_CONSUMER, "T"))
	for _, state := range []*rmq.Status{okay(), {Code: rmq.Code_NOT_IMPLEMENTED, Message: "no threads"}} {
		go func() {
			in, err := stream.Recv()
			if err != nil {
				return
			}
			trace := "main: sleeps"
			_ = stream.Send(&rmq.TelemetryCommand{Status: state, Command: &rmq.TelemetryCommand_ThreadStackTrace{
				ThreadStackTrace: &rmq.ThreadStackTrace{Nonce: in.GetPrintThreadStackTraceCommand().GetNonce(), ThreadStackTrace: &trace},
			}})
		}()
		got, err = ask("c")
		r.want(rmq.Code_OK, got.GetStatus(), err)
		info = got.ConsumerRunningInfo
		if info.Properties[propertyClientType] != "PUSH_CONSUMER" || info.Subscriptions["T"].Expression != "a || b" ||
			(info.Properties[propertyStack] == "main: sleeps") != (state.Code == rmq.Code_OK) ||
			strings.Contains(info.Properties[propertyNoStack], "no threads") != (state.Code != rmq.Code_OK) {
			t.Errorf("%v", info)
		}
	}
}

func (f *fake) QueueEntries(_ context.Context, q mq.Queue, from mq.QueueOffset, count int) (all []mq.QueueEntry, err error) {
	for _, e := range f.entries[q] {
		if e.Offset >= from && e.Offset < from+mq.QueueOffset(count) {
			all = append(all, e)
		}
	}
	return all, f.err
}

// keep puts a message into a queue, the log position of which is its time.
func (f *fake) keep(q mq.Queue, ms int64, tag string) {
	rec := stored(q.Topic, mq.QueueOffset(len(f.entries[q])), fmt.Sprint(ms), map[string]string{mq.PropTags: tag}, 0, 0)
	mq.PatchRecord(rec, mq.QueueOffset(len(f.entries[q])), mq.LogPos(ms), ms)
	f.records[mq.LogPos(ms)] = rec
	f.entries[q] = append(f.entries[q], mq.QueueEntry{
		Offset: mq.QueueOffset(len(f.entries[q])), Pos: mq.LogPos(ms), StoreTime: ms, TagCode: int64(mq.JavaHash(tag)),
	})
}

func TestOperatorsFindMessagesByTimeTagsAndLiteTopic(t *testing.T) {
	r := newRig(t)
	admin, ctx := rmq.NewAdminClient(r.conn), context.Background()
	r.fake.topic("T", "NORMAL")
	r.fake.entries, r.fake.records = map[mq.Queue][]mq.QueueEntry{}, map[mq.LogPos][]byte{}
	for i := range 600 { // of four queues in turn, every tenth with the tag b
		tag := "a"
		if i%10 == 0 {
			tag = "b"
		}
		r.fake.keep(mq.Queue{Topic: "T", ID: int32(i % 4)}, int64(1000+i), tag)
	}
	for i := range 3 {
		r.fake.keep(mq.Queue{Topic: mq.LiteQueue("T", "x")}, int64(5000+i), "a")
	}
	first, one := "", int32(1)
	for name, tt := range map[string]struct {
		req  *rmq.ListMessageRequest
		want string
	}{
		"the newest":                {&rmq.ListMessageRequest{}, "1597 1598 1599"},
		"the newest of a time":      {&rmq.ListMessageRequest{EndTimestamp: millis(1100), BeginTimestamp: millis(1099)}, "1099 1100"},
		"nothing of a time":         {&rmq.ListMessageRequest{EndTimestamp: millis(999)}, ""},
		"the newest of a queue":     {&rmq.ListMessageRequest{QueueId: &one}, "1589 1593 1597"},
		"the oldest":                {&rmq.ListMessageRequest{ScrollId: &first}, "1000 1001 1002"},
		"the oldest of a time":      {&rmq.ListMessageRequest{ScrollId: &first, BeginTimestamp: millis(1301), EndTimestamp: millis(1302)}, "1301 1302"},
		"the newest with a tag":     {&rmq.ListMessageRequest{SearchKey: &rmq.ListMessageRequest_Subscription{Subscription: "b || c"}}, "1570 1580 1590"},
		"the newest with any":       {&rmq.ListMessageRequest{SearchKey: &rmq.ListMessageRequest_Subscription{Subscription: "*"}}, "1597 1598 1599"},
		"those of a lite topic":     {&rmq.ListMessageRequest{SearchKey: &rmq.ListMessageRequest_LiteTopic{LiteTopic: "x"}}, "5000 5001 5002"},
		"the last of a lite topic":  {&rmq.ListMessageRequest{SearchKey: &rmq.ListMessageRequest_LiteTopic{LiteTopic: "x"}, BeginTimestamp: millis(5002)}, "5002"},
		"of a lite topic with none": {&rmq.ListMessageRequest{SearchKey: &rmq.ListMessageRequest_LiteTopic{LiteTopic: "y"}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			tt.req.Topic, tt.req.MaxMessageNums = res("T"), 3
			got, err := admin.QueryMessage(ctx, tt.req)
			if err != nil {
				t.Fatal(err)
			}
			var bodies []string
			for _, m := range got.Messages {
				bodies = append(bodies, string(m.Body))
			}
			if text := strings.Join(bodies, " "); text != tt.want || (got.Status.Code == rmq.Code_OK) != (tt.want != "") {
				t.Errorf("%q, want %q; %v", text, tt.want, got.Status)
			}
		})
	}
	// Page by page all come, each once.
	req := &rmq.ListMessageRequest{Topic: res("T"), MaxMessageNums: 50, ScrollId: &first}
	for next := 1000; next < 1600; {
		got, err := admin.QueryMessage(ctx, req)
		r.want(rmq.Code_OK, got.GetStatus(), err)
		for _, m := range got.Messages {
			if string(m.Body) != fmt.Sprint(next) {
				t.Fatalf("got %s, want %d", m.Body, next)
			}
			next++
		}
		req.ScrollId = &got.ScrollId
	}
	got, err := admin.QueryMessage(ctx, req)
	r.want(rmq.Code_MESSAGE_NOT_FOUND, got.GetStatus(), err)
	other := "b2"
	got, err = admin.QueryMessage(ctx, &rmq.ListMessageRequest{Topic: res("T"), BrokerName: &other})
	r.want(rmq.Code_BAD_REQUEST, got.GetStatus(), err)
}

func (f *fake) LiteLag(_ context.Context, _, lite string, _ int) (mq.LiteLag, error) {
	lag := mq.LiteLag{Parent: "T"}
	if lite == "x" {
		lag.Behind, lag.Earliest = 5, time.UnixMilli(1000)
		lag.One = &mq.LitePlace{End: 9, At: 4, InHand: 2, Last: time.UnixMilli(500)}
	}
	return lag, f.err
}

func (f *fake) LiteTopic(_ context.Context, _, lite string) (mq.LiteTopic, error) {
	return mq.LiteTopic{Subscribers: []mq.LiteSubscriber{{Group: "G", Client: lite}, {Group: "H", Client: "c"}}}, f.err
}

func TestOperatorsSeeSingleLiteTopics(t *testing.T) {
	r := newRig(t)
	admin, ctx := rmq.NewAdminClient(r.conn), context.Background()
	for _, id := range []string{"c", "d"} {
		r.talk(id, consumer("G", rmq.ClientType_LITE_PUSH_CONSUMER, "T"))
	}
	for lite, want := range map[string]int{"c": 1, "*": 2, "nobody": 0} {
		got, err := admin.ListConsumerConnection(ctx, &rmq.ListConsumerConnectionRequest{Group: res("G"), LiteTopic: &lite})
		r.want(rmq.Code_ILLEGAL_TOPIC, got.GetStatus(), err)
		r.fake.look(func() { r.fake.consumer.Subscriptions = []mq.Subscription{{Topic: "T"}} })
		got, err = admin.ListConsumerConnection(ctx, &rmq.ListConsumerConnectionRequest{Group: res("G"), LiteTopic: &lite, Topic: res("T")})
		r.want(rmq.Code_OK, got.GetStatus(), err)
		if len(got.ClientInfo) != want {
			t.Errorf("lite topic %s: %v, want %d", lite, got.ClientInfo, want)
		}
	}
	for lite, want := range map[string][3]int64{"x": {2, 3, 5}, "y": {}} {
		got, err := admin.DescribeGroupAccumulation(ctx, &rmq.DescribeGroupAccumulationRequest{Group: res("G"), LiteTopic: &lite})
		r.want(rmq.Code_OK, got.GetStatus(), err)
		for _, a := range []*accumulation{got.Accumulation, got.LiteTopicAccumulation[lite], got.TopicAccumulation["T"]} {
			if a.InflightMessages != want[0] || a.ReadyMessages != want[1] || a.Accumulation != want[2] || (a.LastConsumeTimestamp == 500) != (lite == "x") {
				t.Errorf("lite topic %s: %v", lite, a)
			}
		}
	}
}

func (f *fake) DeleteSubscription(_ context.Context, group, topic string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.forgotten = append(f.forgotten, group+" "+topic)
	return f.err
}

func TestOperatorsDeleteSubscriptions(t *testing.T) {
	r := newRig(t)
	admin, ctx := rmq.NewAdminClient(r.conn), context.Background()
	got, err := admin.DeleteSubscription(ctx, &rmq.DeleteSubscriptionRequest{Group: res("G")})
	r.want(rmq.Code_ILLEGAL_TOPIC, got.GetStatus(), err)
	for _, tt := range []struct {
		err  error
		want rmq.Code
	}{{nil, rmq.Code_OK}, {mq.ErrInvalid, rmq.Code_BAD_REQUEST}, {mq.ErrNotFound, rmq.Code_NOT_FOUND}} {
		r.fake.err = tt.err
		got, err = admin.DeleteSubscription(ctx, &rmq.DeleteSubscriptionRequest{Group: res("G"), Topic: res("T")})
		r.want(tt.want, got.GetStatus(), err)
	}
	if len(r.fake.forgotten) != 3 || r.fake.forgotten[0] != "G T" {
		t.Errorf("forgotten: %v", r.fake.forgotten)
	}
}
