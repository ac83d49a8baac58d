package remoting

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

func TestClientsOfAProxySayWhichLiteTopicsTheyWant(t *testing.T) {
	r := newRig(t)
	r.good(wire.LiteSubscriptionCtl, nil, `{"subscriptionSet":[
		{"action":"PARTIAL_ADD","clientId":"a","group":"G","topic":"T","liteTopicSet":["x","y"],"version":2,"offsetOption":{"type":"POLICY","value":2}},
		{"action":"COMPLETE_ADD","clientId":"b","group":"G","topic":"T","liteTopicSet":[]},
		{"action":"PARTIAL_REMOVE","clientId":"c","group":"G","topic":"T"}, {"action":"COMPLETE_REMOVE","clientId":"d","group":"G","topic":"T"}]}`)
	got := r.fake.lites
	if len(got) != 4 || got[0].Begin.From != mq.LiteMax || got[0].Version != 2 || !slices.Equal(got[0].Lites, []string{"x", "y"}) || got[0].Peer == nil ||
		got[1].Action != mq.LiteSet || got[2].Action != mq.LiteRemove || got[3].Action != mq.LiteClear || got[3].ClientID != "d" {
		t.Errorf("the broker was told %+v", got)
	}
	for body, text := range map[string]string{
		``: "subscriptionSet", `{`: "", `{"subscriptionSet":[{"action":"ADD"}]}`: "PARTIAL_ADD",
		`{"subscriptionSet":[{"action":"PARTIAL_ADD","offsetOption":{"type":"POLICY","value":3}}]}`:  "POLICY",
		`{"subscriptionSet":[{"action":"PARTIAL_ADD","offsetOption":{"type":"OFFSET","value":-1}}]}`: "OFFSET",
	} {
		if resp := r.call(wire.LiteSubscriptionCtl, nil, body); resp.Code == wire.CodeSuccess || !strings.Contains(resp.Remark, text) {
			t.Errorf("%s: answered %v: %q", body, resp.Code, resp.Remark)
		}
	}
	r.fake.err = mq.ErrLiteQuota
	r.want(wire.CodeLiteSubscriptionQuotaExceeded, r.call(wire.LiteSubscriptionCtl, nil, `{"subscriptionSet":[{"action":"PARTIAL_ADD","clientId":"a"}]}`))
}

func TestPopOfLiteTopicsAnswersWithTriesAndReceiptsInOrder(t *testing.T) {
	r := newRig(t)
	h := &wire.PopLiteMessageRequest{
		ClientID: "c", ConsumerGroup: "G", Topic: "T", MaxMsgNum: 5, InvisibleTime: 60000, PollTime: 15000, BornTime: time.Now().UnixMilli(), AttemptID: "try",
	}
	r.want(wire.CodePollingTimeout, r.call(wire.PopLiteMessage, h, ""))
	p := r.fake.litePops[0]
	if p.Wait < 14*time.Second || p.Wait > 15*time.Second {
		t.Errorf("it waits %v", p.Wait)
	}
	p.Wait = 0
	if want := (mq.LitePopRequest{ClientID: "c", Group: "G", Topic: "T", MaxMessages: 5, Invisible: time.Minute, AttemptID: "try"}); p != want {
		t.Errorf("the broker was asked %+v, want %+v", p, want)
	}
	b := popBatch(mq.Receipt{Offset: 4}, mq.Receipt{Offset: 5})
	b.Messages[1].Tries = 3
	r.fake.answers(b)
	resp := r.good(wire.PopLiteMessage, h, "")
	for key, want := range map[string]string{"popTime": "1000", "invisibleTime": "60000", "reviveQid": "999", "orderCountInfo": "0;3"} {
		if got := field(resp, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	if want := string(b.Messages[0].Record) + string(b.Messages[1].Record); string(resp.Body) != want {
		t.Errorf("the body is %q", resp.Body)
	}
	h.MaxMsgNum = 33
	r.want(wire.CodeInvalidParameter, r.call(wire.PopLiteMessage, h, ""))
}

func TestAcknowledgementOfALiteMessageNamesItsLiteTopic(t *testing.T) {
	r := ackRig(t)
	h := ackOf("T", 3, 7, mq.RetryNone)
	h.LiteTopic = "x"
	r.good(wire.AckMessage, h, "")
	if a := r.fake.acks[0][0]; a.Lite != "x" || a.Topic != "T" || a.Receipt.QueueID != 0 || a.Receipt.Offset != 7 {
		t.Errorf("acknowledged %+v", a)
	}
}

func TestOperatorsAskAboutLiteTopics(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		code wire.Code
		h    wire.Header
		want string
	}{
		{wire.GetBrokerLiteInfo, nil, `"groupMeta":{"P":["G"]},"liteSubscriptionCount":5,"maxLmqNum":9`},
		{wire.GetParentTopicInfo, &wire.GetParentTopicInfoRequest{Topic: "P"}, `{"groups":["G"],"liteTopicCount":3,"lmqNum":7,"topic":"P","ttl":30}`},
		{
			wire.GetLiteTopicInfo, &wire.GetLiteTopicInfoRequest{ParentTopic: "P", LiteTopic: "x"},
			`"subscriber":[{"clientId":"a","group":"G"}],"topicOffset":{"lastUpdateTimestamp":5000,"maxOffset":4,"minOffset":1}`,
		},
		{wire.GetLiteClientInfo, &wire.GetLiteClientInfoRequest{ParentTopic: "P", Group: "G", ClientID: "a"}, `"liteTopicCount":2,"liteTopicSet":["%LMQ%$P$x"]`},
		{wire.GetLiteClientInfo, &wire.GetLiteClientInfoRequest{ParentTopic: "P", Group: "G", ClientID: "unknown", MaxCount: 3}, `"lastAccessTime":-1,"lastConsumeTime":0,"liteTopicCount":-1`},
		{wire.GetLiteGroupInfo, &wire.GetLiteGroupInfoRequest{Group: "G", TopK: 5}, `"lagCountTopK":[{"earliestUnconsumedTimestamp":5000,"lagCount":3,"liteTopic":"x"}]`},
		{wire.GetLiteGroupInfo, &wire.GetLiteGroupInfoRequest{Group: "G", LiteTopic: "x"}, `"liteTopicOffsetWrapper":{"brokerOffset":4,"consumerOffset":1,"lastTimestamp":4000,`},
		{wire.GetLiteGroupInfo, &wire.GetLiteGroupInfoRequest{Group: "G", LiteTopic: "y"}, `"totalLagCount":-1`},
		{wire.TriggerLiteDispatch, &wire.TriggerLiteDispatchRequest{Group: "G", ClientID: "a"}, ""},
	} {
		if body := string(r.good(c.code, c.h, "").Body); !strings.Contains(body, c.want) {
			t.Errorf("%v: answered %s, want %s", c.code, body, c.want)
		}
	}
	want := []string{
		"lite parent P", "lite topic P x", "lite client P G a 1000", "lite client P G unknown 3", `lite lag G "" 5`, `lite lag G "x" 0`, `lite lag G "y" 0`, "look for lites G a",
	}
	if !slices.Equal(r.fake.byHand, want) {
		t.Errorf("the broker was asked %q, want %q", r.fake.byHand, want)
	}
	r.fake.err = mq.ErrInvalid
	r.want(wire.CodeInvalidParameter, r.call(wire.GetParentTopicInfo, &wire.GetParentTopicInfoRequest{Topic: "P"}, ""))
}
