package grpc

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// liteSettings are those of a lite consumer of G, of which T is the parent.
func liteSettings() *rmq.Settings {
	return &rmq.Settings{ClientType: rmq.ClientType_LITE_PUSH_CONSUMER.Enum(), PubSub: &rmq.Settings_Subscription{Subscription: &rmq.Subscription{
		Group: res("G"), Subscriptions: []*rmq.SubscriptionEntry{{Topic: res("T"), Expression: &rmq.FilterExpression{Type: rmq.FilterType_TAG, Expression: "*"}}},
	}}}
}

func TestALiteConsumerIsToldItsQuotaAndSaysWhatItWants(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "LITE")
	r.fake.groups["G"] = mq.Group{Name: "G", RetryMax: 16, Attributes: map[string]string{"lite.sub.client.quota": "7"}}
	stream, answer := r.talk("c", liteSettings())
	if sub := answer.GetSettings().GetSubscription(); sub.GetLiteSubscriptionQuota() != 7 || sub.GetMaxLiteTopicSize() != 64 {
		t.Errorf("settings are %v", sub)
	}
	want := func(code rmq.Code, change func(*rmq.SyncLiteSubscriptionRequest)) {
		t.Helper()
		req := &rmq.SyncLiteSubscriptionRequest{Topic: res("T"), Group: res("G"), LiteTopicSet: []string{"x"}}
		change(req)
		resp, err := r.SyncLiteSubscription(r.ctx("c"), req)
		r.want(code, resp.GetStatus(), err)
	}
	for action, to := range map[rmq.LiteSubscriptionAction]mq.LiteAction{
		rmq.LiteSubscriptionAction_PARTIAL_ADD: mq.LiteAdd, rmq.LiteSubscriptionAction_PARTIAL_REMOVE: mq.LiteRemove,
		rmq.LiteSubscriptionAction_COMPLETE_ADD: mq.LiteSet, rmq.LiteSubscriptionAction_COMPLETE_REMOVE: mq.LiteClear,
	} {
		want(rmq.Code_OK, func(q *rmq.SyncLiteSubscriptionRequest) {
			q.Action, q.Version = action, proto.Int64(3)
			q.OffsetOption = &rmq.OffsetOption{OffsetType: &rmq.OffsetOption_TailN{TailN: 4}}
		})
		s := r.fake.lites[len(r.fake.lites)-1]
		if s.Action != to || s.ClientID != "c" || s.Group != "G" || s.Topic != "T" || !slices.Equal(s.Lites, []string{"x"}) || s.Version != 3 ||
			s.Begin != (mq.LiteBegin{From: mq.LiteTail, Value: 4}) || s.Peer == nil {
			t.Errorf("%v: the broker was told %+v", action, s)
		}
	}
	want(rmq.Code_BAD_REQUEST, func(q *rmq.SyncLiteSubscriptionRequest) { q.Action = 9 })
	want(rmq.Code_ILLEGAL_OFFSET, func(q *rmq.SyncLiteSubscriptionRequest) {
		q.OffsetOption = &rmq.OffsetOption{OffsetType: &rmq.OffsetOption_Offset{Offset: -1}}
	})
	r.fake.err = mq.ErrLiteQuota
	want(rmq.Code_LITE_SUBSCRIPTION_QUOTA_EXCEEDED, func(*rmq.SyncLiteSubscriptionRequest) {})
	r.fake.err = mq.ErrLiteTopic
	want(rmq.Code_ILLEGAL_LITE_TOPIC, func(*rmq.SyncLiteSubscriptionRequest) {})
	r.fake.lites[0].Peer.LiteEnded("G", "x", "c")
	told, err := stream.Recv()
	if err != nil || told.GetNotifyUnsubscribeLiteCommand().GetLiteTopic() != "x" {
		t.Errorf("the client is told %v, %v", told, err)
	}
	resp, err := r.SyncLiteSubscription(r.ctx("stranger"), &rmq.SyncLiteSubscriptionRequest{Topic: res("T"), Group: res("G")})
	r.want(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, resp.GetStatus(), err)
	beat, err := r.Heartbeat(r.ctx("c"), &rmq.HeartbeatRequest{Group: res("G")})
	if r.fake.err = nil; beat.GetStatus().GetCode() == rmq.Code_NOT_IMPLEMENTED {
		t.Errorf("heartbeat: %v, %v", beat, err)
	}
	left, err := r.NotifyClientTermination(r.ctx("c"), &rmq.NotifyClientTerminationRequest{Group: res("G")})
	r.want(rmq.Code_OK, left.GetStatus(), err)
	if s := r.fake.lites[len(r.fake.lites)-1]; s.Action != mq.LiteClear || s.ClientID != "c" {
		t.Errorf("a client left and the broker was told %+v", s)
	}
}

func TestALiteConsumerReceivesFromLiteTopicsAndSaysWhichWhenItIsDone(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "LITE")
	r.talk("c", liteSettings())
	r.fake.pop = func(_ mq.PopRequest, done func(mq.PopBatch, error)) {
		b := r.fake.batch(
			stored("T", 1, "one", map[string]string{mq.PropLiteTopic: "x"}, 0, 0), stored("T", 2, "dead", map[string]string{mq.PropLiteTopic: "y"}, 0, 0))
		b.Messages[0].Lite, b.Messages[1].Lite, b.Messages[1].Tries = "x", "y", 17
		done(b, nil)
	}
	d := r.receive(r.ctx("c"), wanted(func(q *rmq.ReceiveMessageRequest) { q.AttemptId = proto.String("try") }))
	if len(d.messages) != 1 || d.messages[0].SystemProperties.GetLiteTopic() != "x" || d.messages[0].SystemProperties.GetMessageType() != rmq.MessageType_LITE {
		t.Fatalf("got %v", d.messages)
	}
	if q := r.fake.litePops[0]; q.ClientID != "c" || q.Group != "G" || q.Topic != "T" || q.AttemptID != "try" || len(r.fake.pops) != 0 {
		t.Errorf("popped %+v", q)
	}
	if b := r.fake.buried; len(b) != 1 || b[0].Lite != "y" {
		t.Errorf("buried %+v", b)
	}
	h := d.messages[0].SystemProperties.GetReceiptHandle()
	changed, err := r.ChangeInvisibleDuration(r.ctx("c"), &rmq.ChangeInvisibleDurationRequest{
		Topic: res("T"), Group: res("G"), ReceiptHandle: h, LiteTopic: proto.String("x"), Suspend: proto.Bool(true),
	})
	r.want(rmq.Code_OK, changed.GetStatus(), err)
	forwarded, err := r.ForwardMessageToDeadLetterQueue(r.ctx("c"), &rmq.ForwardMessageToDeadLetterQueueRequest{
		Topic: res("T"), Group: res("G"), ReceiptHandle: h, LiteTopic: proto.String("x"),
	})
	r.want(rmq.Code_OK, forwarded.GetStatus(), err)
	if c := r.fake.changed[0]; c.Lite != "x" || !c.suspend || r.fake.buried[1].Lite != "x" {
		t.Errorf("changed %+v, buried %+v", c, r.fake.buried)
	}
}

func TestALiteMessageIsStoredWithItsLiteTopicAndOneAssignmentIsEnough(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "LITE")
	r.fake.groups["G"] = mq.Group{Name: "G", RetryMax: 16, ConsumeOrderly: true}
	resp := r.send(&rmq.Message{Topic: res("T"), Body: []byte("b"), SystemProperties: &rmq.SystemProperties{MessageId: "id", LiteTopic: proto.String("x")}})
	r.want(rmq.Code_OK, resp.GetStatus(), nil)
	if props := string(r.fake.sends[0].Properties); !strings.Contains(props, mq.PropLiteTopic+"\x01x\x02") {
		t.Errorf("properties are %q", props)
	}
	got, err := r.QueryAssignment(r.ctx("c"), &rmq.QueryAssignmentRequest{Topic: res("T"), Group: res("G"), Endpoints: &rmq.Endpoints{
		Addresses: []*rmq.Address{{Host: "h", Port: 1}},
	}})
	if r.want(rmq.Code_OK, got.GetStatus(), err); len(got.GetAssignments()) != 1 {
		t.Errorf("%d assignments", len(got.GetAssignments()))
	}
}
