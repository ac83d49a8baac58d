package remoting

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

func TestQueriesSayWhatTheKeyIs(t *testing.T) {
	r := newRig(t)
	r.fake.records = [][]byte{[]byte("one "), []byte("two")}
	for _, c := range []struct {
		h    wire.QueryMessageRequest
		want string // kind, most, position before
	}{
		{wire.QueryMessageRequest{MaxNum: 7}, "0 7 -"},
		{wire.QueryMessageRequest{MaxNum: 7, IndexType: "K"}, "0 7 -"},
		{wire.QueryMessageRequest{MaxNum: 7, IndexType: "U"}, "1 7 -"},
		{wire.QueryMessageRequest{MaxNum: 7, IndexType: "T"}, "2 7 -"},
		{wire.QueryMessageRequest{MaxNum: 7, IndexType: "U", UniqueKeyQuery: true}, "1 32 -"},
		{wire.QueryMessageRequest{MaxNum: 0, UniqueKeyQuery: true}, "1 32 -"},
		{wire.QueryMessageRequest{MaxNum: 7, LastKey: "1763697600000@T@K@key@u@4096"}, "0 7 4096"},
		{wire.QueryMessageRequest{MaxNum: 7, LastKey: "-1"}, "0 7 -1"},
	} {
		c.h.Topic, c.h.Key, c.h.BeginTimestamp, c.h.EndTimestamp = "T", "key", 10, 1<<63-1
		resp := r.good(wire.QueryMessage, &c.h, "")
		if string(resp.Body) != "one two" || field(resp, "indexLastUpdatePhyoffset") != "70" || field(resp, "indexLastUpdateTimestamp") != "80" {
			t.Errorf("answered %q, %v", resp.Body, resp.Fields)
		}
		got := r.fake.lookups[len(r.fake.lookups)-1]
		after := "-"
		if got.After != nil {
			after = fmt.Sprint(*got.After)
		}
		if text := fmt.Sprintf("%d %d %s", got.Kind, got.Max, after); text != c.want {
			t.Errorf("%+v asks for %s, want %s", c.h, text, c.want)
		}
		if got.Topic != "T" || got.Key != "key" || !got.From.Equal(time.UnixMilli(10)) || got.To.UnixMilli() != 1<<63-1 {
			t.Errorf("asks for %+v", got)
		}
	}
}

func TestQueriesThatCannotBeAnsweredSayWhy(t *testing.T) {
	r := newRig(t)
	for want, h := range map[string]wire.QueryMessageRequest{
		"maxNum is 0":      {Topic: "T", Key: "k"},
		"needs a topic":    {Topic: "T", MaxNum: 1},
		`indexType is "X"`: {Topic: "T", Key: "k", MaxNum: 1, IndexType: "X"},
		"lastKey":          {Topic: "T", Key: "k", MaxNum: 1, LastKey: "a@b"},
	} {
		resp := r.call(wire.QueryMessage, &h, "")
		r.want(wire.CodeInvalidParameter, resp)
		if !strings.Contains(resp.Remark, want) {
			t.Errorf("%+v: %q", h, resp.Remark)
		}
	}
	r.want(wire.CodeQueryNotFound, r.call(wire.QueryMessage, &wire.QueryMessageRequest{Topic: "T", Key: "k", MaxNum: 1}, ""))
}

func TestQueueIndexIsShownWithWhatAGroupWants(t *testing.T) {
	r := newRig(t)
	r.fake.lo, r.fake.hi = 3, 9
	ask := func(group string) wire.ConsumeQueueBody {
		t.Helper()
		var body wire.ConsumeQueueBody
		resp := r.good(wire.QueryConsumeQueue, &wire.QueryConsumeQueueRequest{Topic: "T", QueueID: 1, Index: 4, Count: 3, ConsumerGroup: group}, "")
		if err := wire.DecodeBody(resp.Body, &body); err != nil {
			t.Fatal(err)
		}
		return body
	}
	body := ask("")
	if body.MinIndex != 3 || body.MaxIndex != 9 || len(body.Entries) != 3 || body.Entries[2].PhysicOffset != 200 || body.Entries[2].TagsCode != 2 || body.Entries[2].Eval {
		t.Errorf("without a group: %+v", body)
	}
	if body := ask("G"); body.FilterData != "G@T is not online!" || body.Subscription != nil {
		t.Errorf("with a group that is not there: %+v", body)
	}
	r.fake.sub = &mq.Subscription{Topic: "T", Expression: "a", Codes: []int32{1}}
	if body := ask("G"); body.Subscription == nil || body.Entries[0].Eval || !body.Entries[1].Eval {
		t.Errorf("with a group: %+v", body)
	}
}

func TestReplyReachesWhoAsked(t *testing.T) {
	r := newRig(t)
	conn := <-r.server
	r.fake.asker = sessionOf(conn)
	props := "CORRELATION_ID\x01c1\x02REPLY_TO_CLIENT\x01me\x02"
	long := &wire.SendMessageRequest{ProducerGroup: "P", Topic: "R", DefaultTopic: "D", DefaultTopicQueueNums: 4, QueueID: 0, SysFlag: 1, BornTimestamp: 7, Flag: 5, Properties: []byte(props)}
	short := wire.SendMessageV2Request(*long)
	for code, h := range map[wire.Code]wire.Header{wire.SendReplyMessage: long, wire.SendReplyMessageV2: &short} {
		resp := r.good(code, h, "the reply")
		if field(resp, "msgId") != "0" || field(resp, "queueOffset") != "0" || field(resp, "MSG_REGION") != "DefaultRegion" {
			t.Errorf("%v answered %v", code, resp.Fields)
		}
		pushed := <-r.asked
		var got wire.PushReplyMessageToClientRequest
		if err := got.DecodeFields(pushed.Fields); err != nil || pushed.Code != wire.PushReplyMessageToClient || string(pushed.Body) != "the reply" {
			t.Fatalf("%v pushed %v %q, %v", code, pushed.Code, pushed.Body, err)
		}
		if got.ProducerGroup != "P" || got.Topic != "R" || got.SysFlag != 1 || got.BornTimestamp != 7 || got.Flag != 5 || string(got.Properties) != props ||
			got.BornHost != r.client.LocalAddr().String() || got.StoreHost != storeHost.String() || got.StoreTimestamp == 0 {
			t.Errorf("%v pushed %+v", code, got)
		}
	}
	r.fake.asker, r.fake.err = nil, fmt.Errorf("%w: nobody there", mq.ErrReply)
	resp := r.call(wire.SendReplyMessage, long, "late")
	r.want(wire.CodeSystemError, resp)
	if !strings.Contains(resp.Remark, "nobody there") {
		t.Errorf("the remark is %q", resp.Remark)
	}
	batch := *long
	batch.Batch = true
	r.want(wire.CodeMessageIllegal, r.call(wire.SendReplyMessage, &batch, ""))
	conn.Close()
	if err := sessionOf(conn).Reply(t.Context(), &mq.Send{}); err == nil || errors.Is(err, mq.ErrReply) {
		t.Errorf("a reply over a closed connection: %v", err)
	}
}
