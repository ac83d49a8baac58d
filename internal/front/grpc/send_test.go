package grpc

import (
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// message is one for a topic; change may alter it.
func message(topic, id string, change ...func(*rmq.Message)) *rmq.Message {
	m := &rmq.Message{Topic: res(topic), Body: []byte("body"), SystemProperties: &rmq.SystemProperties{MessageId: id, BornTimestamp: timestamppb.Now()}}
	for _, f := range change {
		f(m)
	}
	return m
}

// send sends messages.
func (r *rig) send(all ...*rmq.Message) *rmq.SendMessageResponse {
	r.t.Helper()
	resp, err := r.SendMessage(r.ctx("p"), &rmq.SendMessageRequest{Messages: all})
	if err != nil {
		r.t.Fatal(err)
	}
	return resp
}

func TestAMessageIsStoredWithItsProperties(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	resp := r.send(message("T", "id-1", func(m *rmq.Message) {
		m.UserProperties = map[string]string{"color": "red"}
		m.SystemProperties.Tag = proto.String("tag")
		m.SystemProperties.Keys = []string{"k1", "k2"}
		m.SystemProperties.TraceContext = proto.String("trace")
		m.SystemProperties.BornHost = "laptop"
	}))
	r.want(rmq.Code_OK, resp.Status, nil)
	if e := resp.Entries[0]; e.MessageId != "id-1" || e.TransactionId != "id-1" || e.Offset != 100 || e.RecallHandle != "" {
		t.Errorf("%v", e)
	}
	s := r.fake.sends[0]
	props := mq.PropertyMap(s.Properties)
	for k, v := range map[string]string{
		"color": "red", mq.PropTags: "tag", mq.PropKeys: "k1 k2", mq.PropUniqueKey: "id-1", mq.PropProducerGroup: "T",
		mq.PropTraceContext: "trace", mq.PropBornHost: "laptop", mq.PropBornTimestamp: strconv.FormatInt(s.BornTime, 10),
	} {
		if props[k] != v {
			t.Errorf("property %s is %q, want %q", k, props[k], v)
		}
	}
	if s.Topic != "T" || s.Group != "T" || s.QueueID != -1 || string(s.Body) != "body" || s.SysFlag != 0 {
		t.Errorf("stored %+v", s)
	}
}

func TestWhatIsWrongWithAMessageIsSaidWithTheProxysCode(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "MIXED")
	sys := func(f func(*rmq.SystemProperties)) func(*rmq.Message) {
		return func(m *rmq.Message) { f(m.SystemProperties) }
	}
	long := strings.Repeat("x", 20000)
	many := map[string]string{}
	for i := range 129 {
		many[fmt.Sprint("k", i)] = "v"
	}
	for what, c := range map[string]struct {
		code rmq.Code
		f    func(*rmq.Message)
	}{
		"no body":           {rmq.Code_MESSAGE_BODY_EMPTY, func(m *rmq.Message) { m.Body = nil }},
		"large body":        {rmq.Code_MESSAGE_BODY_TOO_LARGE, func(m *rmq.Message) { m.Body = make([]byte, 4<<20+1) }},
		"no properties":     {rmq.Code_ILLEGAL_MESSAGE_ID, func(m *rmq.Message) { m.SystemProperties = nil }},
		"no id":             {rmq.Code_ILLEGAL_MESSAGE_ID, sys(func(p *rmq.SystemProperties) { p.MessageId = " " })},
		"blank tag":         {rmq.Code_ILLEGAL_MESSAGE_TAG, sys(func(p *rmq.SystemProperties) { p.Tag = proto.String(" ") })},
		"tag with bar":      {rmq.Code_ILLEGAL_MESSAGE_TAG, sys(func(p *rmq.SystemProperties) { p.Tag = proto.String("a|b") })},
		"tag with newline":  {rmq.Code_ILLEGAL_MESSAGE_TAG, sys(func(p *rmq.SystemProperties) { p.Tag = proto.String("a\nb") })},
		"blank key":         {rmq.Code_ILLEGAL_MESSAGE_KEY, sys(func(p *rmq.SystemProperties) { p.Keys = []string{" "} })},
		"key with control":  {rmq.Code_ILLEGAL_MESSAGE_KEY, sys(func(p *rmq.SystemProperties) { p.Keys = []string{"a\x01"} })},
		"blank group":       {rmq.Code_ILLEGAL_MESSAGE_GROUP, sys(func(p *rmq.SystemProperties) { p.MessageGroup = proto.String(" ") })},
		"long group":        {rmq.Code_ILLEGAL_MESSAGE_GROUP, sys(func(p *rmq.SystemProperties) { p.MessageGroup = proto.String(long[:64]) })},
		"group with tab":    {rmq.Code_ILLEGAL_MESSAGE_GROUP, sys(func(p *rmq.SystemProperties) { p.MessageGroup = proto.String("a\tb") })},
		"reserved property": {rmq.Code_ILLEGAL_MESSAGE_PROPERTY_KEY, func(m *rmq.Message) { m.UserProperties = map[string]string{"TAGS": "x"} }},
		"transient":         {rmq.Code_ILLEGAL_MESSAGE_PROPERTY_KEY, func(m *rmq.Message) { m.UserProperties = map[string]string{"__RMQ.TRANSIENT.X": "x"} }},
		"control in value":  {rmq.Code_ILLEGAL_MESSAGE_PROPERTY_KEY, func(m *rmq.Message) { m.UserProperties = map[string]string{"k": "\x02"} }},
		"unnamed property":  {rmq.Code_ILLEGAL_MESSAGE_PROPERTY_KEY, func(m *rmq.Message) { m.UserProperties = map[string]string{"": "v"} }},
		"many properties":   {rmq.Code_MESSAGE_PROPERTIES_TOO_LARGE, func(m *rmq.Message) { m.UserProperties = many }},
		"long properties":   {rmq.Code_MESSAGE_PROPERTIES_TOO_LARGE, func(m *rmq.Message) { m.UserProperties = map[string]string{"k": long} }},
		"recovery":          {rmq.Code_BAD_REQUEST, sys(func(p *rmq.SystemProperties) { p.OrphanedTransactionRecoveryDuration = durationpb.New(2 * time.Hour) })},
		"negative priority": {rmq.Code_BAD_REQUEST, sys(func(p *rmq.SystemProperties) { p.Priority = proto.Int32(-1) })},
		"lite":              {rmq.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE, sys(func(p *rmq.SystemProperties) { p.LiteTopic = proto.String("l") })},
		"lite and group": {rmq.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE, sys(func(p *rmq.SystemProperties) {
			p.LiteTopic, p.MessageGroup = proto.String("l"), proto.String("g")
		})},
		"lite name":     {rmq.Code_ILLEGAL_LITE_TOPIC, sys(func(p *rmq.SystemProperties) { p.LiteTopic = proto.String("a b") })},
		"not gzip":      {rmq.Code_MESSAGE_CORRUPTED, sys(func(p *rmq.SystemProperties) { p.BodyEncoding = rmq.Encoding_GZIP })},
		"system topic":  {rmq.Code_ILLEGAL_TOPIC, func(m *rmq.Message) { m.Topic = res(mq.TopicTransHalf) }},
		"no topic":      {rmq.Code_ILLEGAL_TOPIC, func(m *rmq.Message) { m.Topic = nil }},
		"missing topic": {rmq.Code_TOPIC_NOT_FOUND, func(m *rmq.Message) { m.Topic = res("none") }},
	} {
		if got := r.send(message("T", "id", c.f)).Status; got.Code != c.code {
			t.Errorf("%s: %v %q, want %v", what, got.Code, got.Message, c.code)
		}
	}
	r.want(rmq.Code_MESSAGE_CORRUPTED, r.send().Status, nil)
	r.fake.topic("U", "NORMAL")
	r.want(rmq.Code_MESSAGE_CORRUPTED, r.send(message("T", "1"), message("U", "2")).Status, nil)
	if len(r.fake.sends) != 0 {
		t.Errorf("something was stored: %v", r.fake.sends)
	}
}

// kinds are changes that make a message one of a type.
func kinds() map[string]func(*rmq.Message) {
	return map[string]func(*rmq.Message){
		"NORMAL": func(*rmq.Message) {},
		"FIFO":   func(m *rmq.Message) { m.SystemProperties.MessageGroup = proto.String("g") },
		"DELAY": func(m *rmq.Message) {
			m.SystemProperties.DeliveryTimestamp = timestamppb.New(time.Now().Add(time.Hour))
		},
		"TRANSACTION": func(m *rmq.Message) { m.SystemProperties.MessageType = rmq.MessageType_TRANSACTION },
		"PRIORITY":    func(m *rmq.Message) { m.SystemProperties.Priority = proto.Int32(2) },
	}
}

func TestTopicsTakeMessagesOfTheirTypeOnly(t *testing.T) {
	r := newRig(t)
	for topic := range kinds() {
		r.fake.topic(topic, topic)
		for kind, change := range kinds() {
			want := rmq.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE
			if kind == topic {
				want = rmq.Code_OK
			}
			if got := r.send(message(topic, "id", change)).Status; got.Code != want {
				t.Errorf("a message of type %s to a topic of type %s: %v, want %v", kind, topic, got, want)
			}
		}
	}
	r.fake.topic("any", "MIXED")
	for _, change := range kinds() {
		r.want(rmq.Code_OK, r.send(message("any", "id", change)).Status, nil)
	}
	loose := newRig(t, func(o *Options) { o.AnyType = true })
	loose.fake.topic("T", "NORMAL")
	loose.want(rmq.Code_OK, loose.send(message("T", "id", kinds()["FIFO"])).Status, nil)
}

func TestAMessageGroupHasTheQueueThatTheProxyChooses(t *testing.T) {
	// What Guava's Hashing.consistentHash(group.hashCode(), n) gives for n of 1,
	// 4, 7, 16 and 128.
	for _, c := range []struct {
		group string
		want  [5]int32
	}{
		{"a", [5]int32{0, 0, 0, 0, 29}},
		{"g", [5]int32{0, 1, 1, 12, 68}},
		{"order-4711", [5]int32{0, 3, 3, 3, 20}},
		{"Kunde-ä", [5]int32{0, 2, 4, 12, 22}},
		{"消息组", [5]int32{0, 2, 2, 7, 95}},
		{"x y z", [5]int32{0, 0, 0, 0, 103}},
		{"group-999", [5]int32{0, 1, 4, 7, 96}},
	} {
		for i, n := range []int32{1, 4, 7, 16, 128} {
			if got := queueOf(c.group, n); got != c.want[i] {
				t.Errorf("group %s of %d queues: %d, want %d", c.group, n, got, c.want[i])
			}
		}
	}
	// The hash is consistent: with more queues a group stays or moves to a new one.
	for i := range 1000 {
		group := fmt.Sprint("group-", i)
		for n := int32(1); n < 16; n++ {
			if was, is := queueOf(group, n), queueOf(group, n+1); is != was && is != n {
				t.Fatalf("group %s moves from %d to %d as queue %d is added", group, was, is, n)
			}
		}
	}
	r := newRig(t)
	r.fake.topic("T", "FIFO")
	r.send(message("T", "1", kinds()["FIFO"]))
	r.send(message("T", "2", kinds()["FIFO"]))
	if a, b := r.fake.sends[0].QueueID, r.fake.sends[1].QueueID; a != b || a != queueOf("g", 4) {
		t.Errorf("queues %d and %d", a, b)
	}
}

func TestAPriorityChoosesTheQueue(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "PRIORITY")
	for priority, queue := range map[int32]int32{0: 0, 2: 2, 99: 3} {
		r.fake.sends = nil
		r.send(message("T", "1", func(m *rmq.Message) { m.SystemProperties.Priority = &priority }))
		if s := r.fake.sends[0]; s.QueueID != queue || mq.PropertyMap(s.Properties)[mq.PropPriority] != fmt.Sprint(priority) {
			t.Errorf("priority %d: queue %d, %s", priority, s.QueueID, s.Properties)
		}
	}
}

func TestSeveralOrdinaryMessagesAreOneBatchAndOthersGoAlone(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "MIXED")
	resp := r.send(message("T", "1"), message("T", "2"), message("T", "3"))
	r.want(rmq.Code_OK, resp.Status, nil)
	if len(r.fake.sends) != 1 || len(r.fake.sends[0].More) != 2 || len(resp.Entries) != 3 || resp.Entries[2].Offset != 102 || resp.Entries[2].MessageId != "3" {
		t.Errorf("%v of %v", resp, r.fake.sends)
	}
	r.fake.sends = nil
	resp = r.send(message("T", "1"), message("T", "2", kinds()["DELAY"]))
	if len(r.fake.sends) != 2 || len(resp.Entries) != 2 || resp.Entries[1].RecallHandle != "handle" {
		t.Errorf("%v of %v", resp, r.fake.sends)
	}
}

func TestATransactionIsEndedByTheIDOfItsSend(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "TRANSACTION")
	resp := r.send(message("T", "id-with-dashes", kinds()["TRANSACTION"], func(m *rmq.Message) {
		m.SystemProperties.OrphanedTransactionRecoveryDuration = durationpb.New(30 * time.Second)
	}))
	s := r.fake.sends[0]
	if props := mq.PropertyMap(s.Properties); props[mq.PropTransaction] != "true" || props[mq.PropCheckImmunity] != "30" || s.SysFlag&mq.FlagTransaction != mq.FlagPrepared {
		t.Errorf("stored %+v with %v", s, props)
	}
	for resolution, outcome := range map[rmq.TransactionResolution]mq.Outcome{
		rmq.TransactionResolution_COMMIT: mq.OutcomeCommit, rmq.TransactionResolution_ROLLBACK: mq.OutcomeRollback,
		rmq.TransactionResolution_TRANSACTION_RESOLUTION_UNSPECIFIED: mq.OutcomeUnknown,
	} {
		r.fake.ends = nil
		end, err := r.EndTransaction(r.ctx("p"), &rmq.EndTransactionRequest{Topic: res("T"), TransactionId: resp.Entries[0].TransactionId, Resolution: resolution})
		r.want(rmq.Code_OK, end.GetStatus(), err)
		if want := (mq.TransactionEnd{Group: "T", Offset: 100, Pos: 1000, Outcome: outcome}); !reflect.DeepEqual(r.fake.ends[0], want) {
			t.Errorf("ended %+v, want %+v", r.fake.ends[0], want)
		}
	}
	for id, code := range map[string]rmq.Code{
		"": rmq.Code_INVALID_TRANSACTION_ID, " ": rmq.Code_INVALID_TRANSACTION_ID, "id-1": rmq.Code_INTERNAL_SERVER_ERROR,
		"zz-1-key": rmq.Code_INTERNAL_SERVER_ERROR, "-1-1-key": rmq.Code_INTERNAL_SERVER_ERROR,
	} {
		end, err := r.EndTransaction(r.ctx("p"), &rmq.EndTransactionRequest{Topic: res("T"), TransactionId: id})
		r.want(code, end.GetStatus(), err)
	}
}

func TestAHalfMessageOfAnotherTopicIsNotEnded(t *testing.T) {
	r, a := guarded(t)
	allow(t, a, "Topic:G", nil, "Pub")
	r.fake.topics["G"] = r.fake.topics["T"]
	// A remoting client of group G sent it.
	r.fake.records = map[mq.LogPos][]byte{1000: stored("RMQ_SYS_TRANS_HALF_TOPIC", 1, "half", map[string]string{
		mq.PropRealTopic: "T", mq.PropProducerGroup: "G",
	}, 0, 0)}
	end := func(user, topic string) *rmq.Status {
		resp, err := r.EndTransaction(signed(r, user, user+"secret", time.Now().UTC()), &rmq.EndTransactionRequest{
			Topic: res(topic), TransactionId: transactionID{1, 1000, "key", "b1"}.String(), Resolution: rmq.TransactionResolution_ROLLBACK,
		})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status
	}
	r.want(rmq.Code_FORBIDDEN, end("alice", "T"), nil)
	r.want(rmq.Code_INTERNAL_SERVER_ERROR, end("alice", "G"), nil)
	if len(r.fake.ends) != 0 {
		t.Fatalf("ended %v", r.fake.ends)
	}
	allow(t, a, "Topic:T", nil, "Pub")
	r.want(rmq.Code_OK, end("alice", "T"), nil)
	if len(r.fake.ends) != 1 {
		t.Errorf("ended %v", r.fake.ends)
	}
}

func TestADelayedMessageIsCalledBackByItsHandle(t *testing.T) {
	r := newRig(t)
	resp, err := r.RecallMessage(r.ctx("p"), &rmq.RecallMessageRequest{Topic: res("T"), RecallHandle: "h"})
	r.want(rmq.Code_OK, resp.GetStatus(), err)
	if resp.MessageId != "T h" {
		t.Errorf("%v", resp)
	}
	r.fake.err = mq.ErrNotFound
	resp, err = r.RecallMessage(r.ctx("p"), &rmq.RecallMessageRequest{Topic: res("T"), RecallHandle: "h"})
	r.want(rmq.Code_INTERNAL_SERVER_ERROR, resp.GetStatus(), err)
}

func TestWhatTheBrokerSaysOfASendBecomesAStatus(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "MIXED")
	for err, code := range map[error]rmq.Code{
		mq.ErrBusy: rmq.Code_TOO_MANY_REQUESTS, mq.ErrDenied: rmq.Code_FORBIDDEN, mq.ErrDiskFull: rmq.Code_INTERNAL_SERVER_ERROR,
		mq.ErrMessageTooLarge: rmq.Code_MESSAGE_BODY_TOO_LARGE, io.ErrClosedPipe: rmq.Code_INTERNAL_SERVER_ERROR,
	} {
		r.fake.err = err
		r.want(code, r.send(message("T", "1")).Status, nil)
	}
	r.fake.err = mq.ErrMessageIllegal
	r.want(rmq.Code_ILLEGAL_DELIVERY_TIME, r.send(message("T", "1", kinds()["DELAY"])).Status, nil)
	r.fake.err = nil
	for status, code := range map[mq.SendStatus]rmq.Code{
		mq.SendFlushTimeout: rmq.Code_MASTER_PERSISTENCE_TIMEOUT, mq.SendReplicaTimeout: rmq.Code_SLAVE_PERSISTENCE_TIMEOUT,
		mq.SendReplicaUnavailable: rmq.Code_HA_NOT_AVAILABLE,
	} {
		r.fake.status = status
		resp := r.send(message("T", "1"))
		r.want(code, resp.Status, nil)
		if resp.Entries[0].MessageId != "" {
			t.Errorf("%v: an entry with an id: %v", code, resp)
		}
	}
	r.fake.status = mq.SendOK
	r.fake.topics["T"] = mq.Topic{Name: "T", ReadQueues: 4, WriteQueues: 4, Perm: 4}
	r.want(rmq.Code_FORBIDDEN, r.send(message("T", "1")).Status, nil)
}

func TestAPackedBodyIsStoredAsClientsOfTheOtherProtocolUnpackIt(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write([]byte("hello hello hello")); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	r.want(rmq.Code_OK, r.send(message("T", "1", func(m *rmq.Message) {
		m.Body, m.SystemProperties.BodyEncoding = packed.Bytes(), rmq.Encoding_GZIP
	})).Status, nil)
	s := r.fake.sends[0]
	in, err := zlib.NewReader(bytes.NewReader(s.Body))
	if err != nil {
		t.Fatal(err)
	}
	if body, err := io.ReadAll(in); err != nil || string(body) != "hello hello hello" || s.SysFlag&mq.FlagCompressed == 0 {
		t.Errorf("stored %q, flags %x, %v", body, s.SysFlag, err)
	}
}
