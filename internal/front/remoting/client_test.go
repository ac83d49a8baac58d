package remoting

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

const beatHead = `{"clientID":"c1","producerDataSet":[{"groupName":"P"}],"consumerDataSet":[{"groupName":"G","consumeType":"CONSUME_PASSIVELY",` +
	`"messageModel":"CLUSTERING","consumeFromWhere":"CONSUME_FROM_LAST_OFFSET","unitMode":false`

// fullBeat is a heartbeat with one subscription.
func fullBeat(fingerprint int) string {
	return fmt.Sprintf(`%s,"subscriptionDataSet":[{"topic":"T","subString":"a || b","tagsSet":["a","b"],"codeSet":[97,"98"],"subVersion":9,"expressionType":"TAG"}]}],"heartbeatFingerprint":%d}`, beatHead, fingerprint)
}

// shortBeat leaves it out.
func shortBeat(fingerprint int) string {
	return fmt.Sprintf(`%s}],"heartbeatFingerprint":%d,"withoutSub":true}`, beatHead, fingerprint)
}

func TestHeartbeatJoinsTheClientToItsGroups(t *testing.T) {
	r := newRig(t)
	resp := r.good(wire.HeartBeat, nil, fullBeat(0))
	if field(resp, "IS_SUPPORT_HEART_BEAT_V2") != "true" || field(resp, "IS_SUB_CHANGE") != "true" {
		t.Errorf("the answer says %v", resp.Fields)
	}
	m := r.fake.joined[0]
	got := fmt.Sprintf("%s %s %d %v %+v", m.ClientID, m.Language, m.Version, m.Producers, m.Consumers)
	want := fmt.Sprintf("c1 GO %d [P] [{Group:G Type:CONSUME_PASSIVELY Model:CLUSTERING FromWhere:CONSUME_FROM_LAST_OFFSET UnitMode:false "+
		"Subscriptions:[{Topic:T Expression:a || b Type:TAG Tags:[a b] Codes:[97 98] Version:9 ClassMode:false}]}]", wire.VersionCurrent)
	if got != want {
		t.Errorf("joined %s, want %s", got, want)
	}
	if m.Peer.RemoteAddr() != r.client.LocalAddr().String() {
		t.Errorf("the peer is at %s, want %v", m.Peer.RemoteAddr(), r.client.LocalAddr())
	}
}

func TestHeartbeatWithoutSubscriptionsMeansThoseOfTheLastFullOne(t *testing.T) {
	r := newRig(t)
	for _, c := range []struct {
		body    string
		changed bool
		subs    int // -1: left open
	}{
		{shortBeat(5), true, -1}, // nothing is known: please send it in full
		{fullBeat(5), false, 1},
		{shortBeat(5), false, 1},
		{shortBeat(6), true, -1},
		{fullBeat(6), true, 1},
		{fullBeat(6), false, 1},
	} {
		resp := r.good(wire.HeartBeat, nil, c.body)
		if got := field(resp, "IS_SUB_CHANGE") == "true"; got != c.changed {
			t.Errorf("after %s: change is %v, want %v", c.body, got, c.changed)
		}
		subs := r.fake.joined[len(r.fake.joined)-1].Consumers[0].Subscriptions
		if c.subs < 0 && subs != nil || c.subs >= 0 && len(subs) != c.subs {
			t.Errorf("after %s: joined with %v", c.body, subs)
		}
	}
}

func TestUnregisterLeavesTheGroupsNamed(t *testing.T) {
	r := newRig(t)
	r.good(wire.UnregisterClient, &wire.UnregisterClientRequest{ClientID: "c1", ProducerGroup: "P", ConsumerGroup: "G"}, "")
	if left := <-r.fake.left; left != "c1 P G false" {
		t.Errorf("left %q", left)
	}
}

func TestConsumerListNamesTheMembersAndSaysSystemErrorWithoutAny(t *testing.T) {
	r := newRig(t)
	ask := &wire.GetConsumerListByGroupRequest{ConsumerGroup: "G"}
	r.want(wire.CodeSystemError, r.call(wire.GetConsumerListByGroup, ask, ""))
	r.fake.members = []mq.Connection{{ClientID: "c1"}, {ClientID: "c2"}}
	if got := string(r.good(wire.GetConsumerListByGroup, ask, "").Body); got != `{"consumerIdList":["c1","c2"]}` {
		t.Errorf("the body is %s", got)
	}
}

func TestLockAnswersWithTheQueuesAsTheClientWroteThem(t *testing.T) {
	r := newRig(t)
	body := `{"consumerGroup":"G","clientId":"c1","mqSet":[{"brokerName":"what-the-client-says","queueId":3,"topic":"T"},{"brokerName":"b","queueId":4,"topic":"T"}]}`
	got := string(r.good(wire.LockBatchMQ, nil, body).Body)
	if want := `{"lockOKMQSet":[{"brokerName":"what-the-client-says","queueId":3,"topic":"T"}]}`; got != want {
		t.Errorf("locked %s, want %s", got, want)
	}
	r.good(wire.UnlockBatchMQ, nil, body)
	r.want(wire.CodeInvalidParameter, r.call(wire.LockBatchMQ, nil, `{"mqSet":[]}`))
}

func TestQueryConsumerOffset(t *testing.T) {
	no, yes := wire.Some(false), wire.Some(true)
	for name, c := range map[string]struct {
		offset int64 // <0: the group has none
		lo, hi mq.QueueOffset
		zero   wire.Opt[bool]
		want   string // empty: not found
	}{
		"known":                     {offset: 7, want: "7"},
		"unknown, young queue":      {offset: -1, hi: 10, want: "0"},
		"unknown, asked for zero":   {offset: -1, hi: 10, zero: yes, want: "0"},
		"unknown, asked for none":   {offset: -1, hi: 10, zero: no},
		"unknown, empty queue":      {offset: -1},
		"unknown, queue has lost":   {offset: -1, lo: 1, hi: 10},
		"unknown, no longer young":  {offset: -1, hi: mq.YoungQueue + 1},
		"known, asked for none too": {offset: 0, zero: no, want: "0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			r.fake.lo, r.fake.hi = c.lo, c.hi
			if c.offset >= 0 {
				r.fake.offsets[offsetKey("G", mq.Queue{Topic: "T", ID: 1})] = mq.QueueOffset(c.offset)
			}
			resp := r.call(wire.QueryConsumerOffset, &wire.QueryConsumerOffsetRequest{ConsumerGroup: "G", Topic: "T", QueueID: 1, SetZeroIfNotFound: c.zero}, "")
			if c.want == "" {
				r.want(wire.CodeQueryNotFound, resp)
			} else if field(resp, "offset") != c.want {
				t.Errorf("offset is %q, want %q (%s)", field(resp, "offset"), c.want, resp.Remark)
			}
		})
	}
}

// A light queue that comes back, or a new one where others have gone, begins
// behind 0 and has lost nothing all the same.
func TestAGroupWithoutAnOffsetBeginsAtTheFirstMessageOfALightQueue(t *testing.T) {
	r := newRig(t)
	r.fake.lo, r.fake.hi = 500, 502
	ask := &wire.QueryConsumerOffsetRequest{ConsumerGroup: "G", Topic: "%LMQ%a"}
	if resp := r.call(wire.QueryConsumerOffset, ask, ""); field(resp, "offset") != "500" {
		t.Errorf("offset is %q (%s)", field(resp, "offset"), resp.Remark)
	}
	r.fake.lo = 502
	r.want(wire.CodeQueryNotFound, r.call(wire.QueryConsumerOffset, ask, ""))
	r.fake.lo, r.fake.hi = 500, 501+mq.YoungQueue
	r.want(wire.CodeQueryNotFound, r.call(wire.QueryConsumerOffset, ask, ""))
}

func TestUpdateConsumerOffsetCommitsAndNamesWhatIsMissing(t *testing.T) {
	r := newRig(t)
	h := &wire.UpdateConsumerOffsetRequest{ConsumerGroup: "G", Topic: "T", QueueID: 1, CommitOffset: 9}
	r.good(wire.UpdateConsumerOffset, h, "")
	if got := r.fake.offsets["G/T/1"]; got != 9 {
		t.Errorf("committed %d", got)
	}
	req := wire.NewRequest(wire.UpdateConsumerOffset, nil)
	req.Fields = req.Fields.Add("consumerGroup", "G").Add("topic", "T").AddInt("queueId", 1)
	r.want(wire.CodeInvalidParameter, r.send(req))
}

func TestOffsetsOfAQueue(t *testing.T) {
	r := newRig(t)
	r.fake.lo, r.fake.hi = 3, 8
	for _, c := range []struct {
		code  wire.Code
		h     wire.Header
		field string
		want  string
	}{
		{wire.GetMaxOffset, &wire.GetMaxOffsetRequest{Topic: "T"}, "offset", "8"},
		{wire.GetMinOffset, &wire.GetMinOffsetRequest{Topic: "T"}, "offset", "3"},
		{wire.SearchOffsetByTimestamp, &wire.SearchOffsetByTimestampRequest{Topic: "T", Timestamp: 77}, "offset", "77"},
		{wire.SearchOffsetByTimestamp, &wire.SearchOffsetByTimestampRequest{Topic: "T", Timestamp: 77, BoundaryType: "UPPER"}, "offset", "78"},
		{wire.GetEarliestMsgStoreTime, &wire.GetEarliestMsgStoreTimeRequest{Topic: "T"}, "timestamp", "-1"},
	} {
		if got := field(r.good(c.code, c.h, ""), c.field); got != c.want {
			t.Errorf("%v: %s is %q, want %q", c.code, c.field, got, c.want)
		}
	}
}

func TestViewMessageAnswersWithTheRecord(t *testing.T) {
	r := newRig(t)
	if got := string(r.good(wire.ViewMessageByID, &wire.ViewMessageByIDRequest{Offset: 42}, "").Body); got != "record 42" {
		t.Errorf("the body is %q", got)
	}
	r.fake.err = mq.ErrNotFound
	r.want(wire.CodeSystemError, r.call(wire.ViewMessageByID, &wire.ViewMessageByIDRequest{Offset: 42}, ""))
}

func TestSendBackNamesTheMessageAndTheGroup(t *testing.T) {
	r := newRig(t)
	h := &wire.ConsumerSendMsgBackRequest{Offset: 42, Group: "G", DelayLevel: 3, OriginMsgID: "id", OriginTopic: "T"}
	r.good(wire.ConsumerSendMsgBack, h, "")
	h.MaxReconsumeTimes = wire.Some[int32](2)
	r.good(wire.ConsumerSendMsgBack, h, "")
	want := mq.SendBackRequest{Group: "G", Pos: 42, DelayLevel: 3, MaxReconsumes: -1, OriginTopic: "T", OriginMsgID: "id"}
	if r.fake.backs[0] != want {
		t.Errorf("the broker got %+v, want %+v", r.fake.backs[0], want)
	}
	if r.fake.backs[1].MaxReconsumes != 2 {
		t.Errorf("most tries are %d, want 2", r.fake.backs[1].MaxReconsumes)
	}
}

// peer is the client as the broker knows it.
func (r *rig) peer() mq.Peer {
	r.t.Helper()
	r.good(wire.HeartBeat, nil, fullBeat(0))
	return r.fake.joined[0].Peer
}

func TestClientIsToldThatItsGroupChanged(t *testing.T) {
	r := newRig(t)
	r.peer().ConsumersChanged("G")
	req := <-r.asked
	if req.Code != wire.NotifyConsumerIDsChanged || !req.Oneway() || field(req, "consumerGroup") != "G" {
		t.Errorf("the client was told %v %v", req.Code, req.Fields)
	}
}

func TestClientIsToldItsNewOffsetsInTheFormOfItsLanguage(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	for language, want := range map[wire.Language]string{
		wire.LanguageJava: `{"offsetTable":{{"brokerName":"broker-a","queueId":1,"topic":"T"}:7}}`,
		wire.LanguageCpp:  `{"offsetTable":[{"brokerName":"broker-a","offset":7,"queueId":1,"topic":"T"}]}`,
	} {
		s.language.Store(int32(language))
		s.ResetOffsets("G", "T", time.UnixMilli(99), true, map[mq.Queue]mq.QueueOffset{{Topic: "T", ID: 1}: 7})
		req := <-r.asked
		if string(req.Body) != want || field(req, "timestamp") != "99" || field(req, "isForce") != "true" {
			t.Errorf("%v was told %s %v, want %s", language, req.Body, req.Fields, want)
		}
	}
}

func TestAskReturnsTheClientsAnswer(t *testing.T) {
	r := newRig(t)
	body, err := r.peer().Ask(context.Background(), int32(wire.GetConsumerRunningInfo), map[string]string{"clientId": "c1"}, nil)
	if err != nil || !strings.HasPrefix(string(body), "answer to GET_CONSUMER_RUNNING_INFO") {
		t.Errorf("the answer is %q, %v", body, err)
	}
	if req := <-r.asked; field(req, "clientId") != "c1" {
		t.Errorf("the client was asked with %v", req.Fields)
	}
}
