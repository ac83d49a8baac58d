package remoting

import (
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// ackOf is a header that acknowledges a message.
func ackOf(topic string, queue int32, offset int64, kind mq.RetryKind) *wire.AckMessageRequest {
	receipt := mq.Receipt{Start: 4, PopTime: 1000, Invisible: 60000, Retry: kind, Broker: "broker-a", QueueID: queue, Offset: mq.QueueOffset(offset)}
	return &wire.AckMessageRequest{ConsumerGroup: "G", Topic: topic, QueueID: queue, ExtraInfo: receipt.String(), Offset: offset}
}

// changeOf is a header that makes a message of queue 1 invisible for 9 s.
func changeOf(offset int64) *wire.ChangeMessageInvisibleTimeRequest {
	a := ackOf("T", 1, offset, mq.RetryNone)
	return &wire.ChangeMessageInvisibleTimeRequest{
		ConsumerGroup: a.ConsumerGroup, Topic: a.Topic, QueueID: a.QueueID, ExtraInfo: a.ExtraInfo, Offset: a.Offset, InvisibleTime: 9000,
	}
}

// batchOf is the body of a batch acknowledgement, with one entry.
func batchOf(rest string) string {
	return `{"brokerName":"broker-a","acks":[{"c":"G","t":"T","so":4,"q":1,"rq":0,"pt":1000,"it":60000,` + rest + `}]}`
}

// ackRig has the topic T of 4 queues and its retry topics, with offsets 0 to 99.
func ackRig(t *testing.T) *rig {
	t.Helper()
	r := newRig(t)
	for _, name := range []string{"T", mq.RetryTopicPop("G", "T"), mq.RetryTopicPopV2("G", "T")} {
		r.fake.topics[name] = mq.Topic{Name: name, ReadQueues: 4}
	}
	r.fake.hi = 100
	return r
}

func TestAcknowledgementsThatArriveTogetherGoToTheBrokerTogetherAndBeforeWhatFollows(t *testing.T) {
	r := ackRig(t)
	s := serverConn(r)
	for i := range 5 {
		s.serve(wire.NewRequest(wire.AckMessage, ackOf("T", 1, int64(4+i), mq.RetryNone)))
	}
	if len(r.fake.acks) != 0 {
		t.Fatalf("%d calls before the burst ended", len(r.fake.acks))
	}
	s.serve(wire.NewRequest(wire.GetMaxOffset, &wire.GetMaxOffsetRequest{Topic: "T"}))
	if len(r.fake.acks) != 1 || len(r.fake.acks[0]) != 5 {
		t.Fatalf("the broker was called %d times before another request", len(r.fake.acks))
	}
	for i := range maxAcks + 1 {
		s.serve(wire.NewRequest(wire.AckMessage, ackOf("T", 1, int64(i%50), mq.RetryNone)))
	}
	s.h.Flush(s.conn)
	if n := len(r.fake.acks); n != 3 || len(r.fake.acks[1]) != maxAcks || len(r.fake.acks[2]) != 1 {
		t.Errorf("the broker was called %d times", n)
	}
}

func TestAcknowledgementNamesTheTopicThatWasPopped(t *testing.T) {
	r := ackRig(t)
	for topic, kind := range map[string]mq.RetryKind{"T": mq.RetryNone, "%RETRY%G_T": mq.RetryV1, "%RETRY%G+T": mq.RetryV2} {
		r.fake.acks = nil
		r.good(wire.AckMessage, ackOf(topic, 2, 7, kind), "")
		want := mq.Ack{Group: "G", Topic: "T", Receipt: mq.Receipt{Start: 4, PopTime: 1000, Invisible: 60000, Retry: kind, Broker: "broker-a", QueueID: 2, Offset: 7}}
		if got := r.fake.acks[0][0]; got != want {
			t.Errorf("%s: the broker was told %+v, want %+v", topic, got, want)
		}
	}
	for topic, want := range map[string]string{
		"%RETRY%G_":    "%RETRY%G_",
		"%RETRY%G":     "%RETRY%G",
		"%RETRY%GG_T":  "%RETRY%GG_T",
		"%RETRY%G_A_B": "A_B",
		"T":            "T",
	} {
		if got := askedTopic("G", topic, mq.RetryV1); got != want {
			t.Errorf("%s was popped as %s, want %s", topic, got, want)
		}
	}
}

func TestAcknowledgementsOfWhatCannotBeAreRefused(t *testing.T) {
	r := ackRig(t)
	for name, c := range map[string]struct {
		change func(*wire.AckMessageRequest)
		want   wire.Code
		text   string
	}{
		"no such topic":   {func(h *wire.AckMessageRequest) { h.Topic = "None" }, wire.CodeTopicNotExist, "topic"},
		"empty topic":     {func(h *wire.AckMessageRequest) { h.Topic, h.QueueID, h.Offset = "", 0, 0 }, wire.CodeTopicNotExist, "topic"},
		"no such queue":   {func(h *wire.AckMessageRequest) { h.QueueID = 4 }, wire.CodeMessageIllegal, "0 to 3"},
		"negative queue":  {func(h *wire.AckMessageRequest) { h.QueueID = -1 }, wire.CodeMessageIllegal, "0 to 3"},
		"behind the end":  {func(h *wire.AckMessageRequest) { h.Offset = 101 }, wire.CodeNoMessage, "0 to 100"},
		"negative offset": {func(h *wire.AckMessageRequest) { h.Offset = -1 }, wire.CodeNoMessage, "0 to 100"},
		"no receipt":      {func(h *wire.AckMessageRequest) { h.ExtraInfo = "rubbish" }, wire.CodeSystemError, "receipt"},
		"lite offset":     {func(h *wire.AckMessageRequest) { h.LiteTopic, h.Offset = "L", -1 }, wire.CodeInvalidParameter, "offset"},
	} {
		h := ackOf("T", 1, 5, mq.RetryNone)
		c.change(h)
		resp := r.call(wire.AckMessage, h, "")
		if resp.Code != c.want || !strings.Contains(resp.Remark, c.text) {
			t.Errorf("%s: answered %s: %q, want %s with %q", name, resp.Code.ResponseString(), resp.Remark, c.want.ResponseString(), c.text)
		}
	}
	if len(r.fake.acks) != 0 {
		t.Errorf("the broker was told %+v", r.fake.acks)
	}
}

func TestOnlyTheAcknowledgementThatFailedSaysSo(t *testing.T) {
	r := ackRig(t)
	s := serverConn(r)
	c, err := net.Dial("tcp", s.conn.LocalAddr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r.fake.popErr = mq.ErrMessageIllegal // of the first in a call
	var frames []byte
	for i := range 3 {
		req := wire.NewRequest(wire.AckMessage, ackOf("T", 1, int64(5+i), mq.RetryNone))
		req.Opaque = int32(i)
		if i == 1 {
			req.Flag = wire.FlagOneway
		}
		frames = req.AppendTo(frames)
	}
	if _, err := c.Write(frames); err != nil {
		t.Fatal(err)
	}
	got := nextAnswer(t, c) + " " + nextAnswer(t, c)
	if want := "0:MESSAGE_ILLEGAL(13) 2:SUCCESS(0)"; got != want {
		t.Errorf("the answers are %s, want %s", got, want)
	}
}

// nextAnswer reads an answer's opaque and code.
func nextAnswer(t *testing.T, c net.Conn) string {
	t.Helper()
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		t.Fatal(err)
	}
	frame := make([]byte, binary.BigEndian.Uint32(length[:]))
	if _, err := io.ReadFull(c, frame); err != nil {
		t.Fatal(err)
	}
	var d wire.Decoder
	var cmd wire.Command
	if err := d.Decode(frame, &cmd); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d:%s", cmd.Opaque, cmd.Code.ResponseString())
}

func TestBatchAcknowledgementIsASetOfBits(t *testing.T) {
	r := ackRig(t)
	r.good(wire.BatchAckMessage, nil, batchOf(`"b":"CQE=","r":"0"`)) // bits 0, 3 and 8
	var got []string
	for _, a := range r.fake.acks[0] {
		got = append(got, a.Topic+" "+a.Receipt.String())
	}
	want := "[T 4 1000 60000 0 0 broker-a 1 4 T 4 1000 60000 0 0 broker-a 1 7 T 4 1000 60000 0 0 broker-a 1 12]"
	if fmt.Sprint(got) != want {
		t.Errorf("the broker was told %v, want %v", got, want)
	}
	r.good(wire.BatchAckMessage, nil, batchOf(`"b":"AQ==","r":"2"`))
	if a := r.fake.acks[1][0]; a.Topic != "T" || a.Receipt.Retry != mq.RetryV2 {
		t.Errorf("the broker was told %+v", a)
	}
}

func TestBatchAcknowledgementPassesOverWhatAQueueDoesNotHave(t *testing.T) {
	r := ackRig(t)
	r.fake.hi = 5
	r.good(wire.BatchAckMessage, nil, batchOf(`"b":"/w==","r":"0"`))
	if n := len(r.fake.acks[0]); n != 2 { // as RocketMQ, the end of the queue counts
		t.Errorf("%d messages are acknowledged, want 2", n)
	}
	r.good(wire.BatchAckMessage, nil, strings.Replace(batchOf(`"b":"/w==","r":"0"`), `"T"`, `"None"`, 1))
	if len(r.fake.acks) != 1 {
		t.Error("messages of a topic that does not exist are acknowledged")
	}
}

func TestBatchAcknowledgementsThatCannotBeReadAreRefused(t *testing.T) {
	r := ackRig(t)
	many := make([]string, 1+maxBatchAcks/8/300)
	for i := range many {
		many[i] = `{"c":"G","t":"T","r":"0","b":"` + strings.Repeat("////", 100) + `"}`
	}
	for body, want := range map[string]wire.Code{
		"":                                    wire.CodeNoMessage,
		"{}":                                  wire.CodeNoMessage,
		`{"acks":[]}`:                         wire.CodeNoMessage,
		"rubbish":                             wire.CodeSystemError,
		batchOf(`"b":"*","r":"0"`):            wire.CodeSystemError,
		batchOf(`"b":"AQ==","r":"3"`):         wire.CodeSystemError,
		batchOf(`"b":"AQ=="`):                 wire.CodeSystemError,
		`{"acks":[{"r":"0"}]}`:                wire.CodeSystemError,
		batchOf(`"b":"AQ==","r":"0","so":-1`): wire.CodeSystemError,
		`{"acks":[` + strings.Join(many, ",") + `]}`: wire.CodeInvalidParameter,
	} {
		resp := r.call(wire.BatchAckMessage, nil, body)
		if resp.Code != want || resp.Remark == "" {
			t.Errorf("%.60s: answered %s: %q, want %s", body, resp.Code.ResponseString(), resp.Remark, want.ResponseString())
		}
	}
}

func TestBatchAcknowledgementSaysWhatFailed(t *testing.T) {
	r := ackRig(t)
	r.fake.popErr = mq.ErrMessageIllegal
	r.want(wire.CodeMessageIllegal, r.call(wire.BatchAckMessage, nil, batchOf(`"b":"/w==","r":"0"`)))
}

func TestChangedInvisibleTimeAnswersWithTheNewPop(t *testing.T) {
	r := ackRig(t)
	h := changeOf(5)
	h.Suspend = true
	resp := r.good(wire.ChangeMessageInvisibleTime, h, "")
	if got := field(resp, "popTime") + " " + field(resp, "invisibleTime") + " " + field(resp, "reviveQid"); got != "2000 9000 0" {
		t.Errorf("the answer says %q", got)
	}
	want := fmt.Sprintf("change G T 4 1000 60000 0 0 broker-a 1 5 %v true", 9*time.Second)
	if got := r.fake.byHand[0]; got != want {
		t.Errorf("the broker did %q, want %q", got, want)
	}
}

func TestChangesOfWhatCannotBeAreRefused(t *testing.T) {
	r := ackRig(t)
	for want, change := range map[wire.Code]func(*wire.ChangeMessageInvisibleTimeRequest){
		wire.CodeTopicNotExist:    func(h *wire.ChangeMessageInvisibleTimeRequest) { h.Topic = "None" },
		wire.CodeMessageIllegal:   func(h *wire.ChangeMessageInvisibleTimeRequest) { h.QueueID = 9 },
		wire.CodeNoMessage:        func(h *wire.ChangeMessageInvisibleTimeRequest) { h.Offset = 100 },
		wire.CodeSystemError:      func(h *wire.ChangeMessageInvisibleTimeRequest) { h.ExtraInfo = "1 2" },
		wire.CodeInvalidParameter: func(h *wire.ChangeMessageInvisibleTimeRequest) { h.InvisibleTime = -1 },
	} {
		h := changeOf(5)
		change(h)
		r.want(want, r.call(wire.ChangeMessageInvisibleTime, h, ""))
	}
	r.fake.popErr = mq.ErrNotFound
	resp := r.call(wire.ChangeMessageInvisibleTime, changeOf(5), "")
	r.want(wire.CodeNoMessage, resp)
	if !strings.Contains(resp.Remark, "newest receipt") {
		t.Errorf("the remark is %q", resp.Remark)
	}
}

func TestReceiptsOfMessagesAtMostOnceGoToTheBrokerWhateverTheQueueHolds(t *testing.T) {
	r := newRig(t)
	at := mq.FirstPassing + 3
	receipt := mq.Receipt{Start: at, PopTime: 1000, Invisible: 60000, Broker: "broker-a", QueueID: 1, Offset: at}
	r.fake.answers(popBatch(receipt))
	resp := r.good(wire.PopMessage, popOf("*"), "")
	if got := field(resp, "startOffsetInfo") + "|" + field(resp, "msgOffsetInfo"); got != fmt.Sprintf("0 1 %d|0 1 %d", at, at) {
		t.Errorf("offset infos are %q", got)
	}
	text := receipt.String()
	r.good(wire.AckMessage, &wire.AckMessageRequest{ConsumerGroup: "G", Topic: "T", QueueID: 1, ExtraInfo: text, Offset: int64(at)}, "")
	r.good(wire.ChangeMessageInvisibleTime, &wire.ChangeMessageInvisibleTimeRequest{
		ConsumerGroup: "G", Topic: "T", QueueID: 1, ExtraInfo: text, Offset: int64(at), InvisibleTime: 5000,
	}, "")
	r.good(wire.BatchAckMessage, nil, fmt.Sprintf(
		`{"brokerName":"broker-a","acks":[{"c":"G","t":"T","r":"0","so":%d,"q":1,"rq":0,"pt":1000,"it":60000,"b":"Aw=="}]}`, at))
	for _, offset := range []int64{int64(at), -7} { // a stored message's receipt
		stored := mq.Receipt{PopTime: 1000, Invisible: 60000, Broker: "broker-a", QueueID: 1}.String()
		h := &wire.AckMessageRequest{ConsumerGroup: "G", Topic: "T", QueueID: 1, ExtraInfo: stored, Offset: offset}
		if resp := r.call(wire.AckMessage, h, ""); resp.Code == wire.CodeSuccess {
			t.Errorf("offset %d was taken with the receipt of a stored message", offset)
		}
	}
}
