package grpc

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// inHand is a receipt of a message that is visible again after d.
func inHand(d time.Duration) handle {
	return handle{mq.Receipt{PopTime: time.Now().UnixMilli(), Invisible: d.Milliseconds(), Broker: "b1", QueueID: 2, Offset: 5}, 5000}
}

func TestMessagesAreAcknowledgedByTheirHandles(t *testing.T) {
	r := newRig(t)
	good, late := inHand(time.Minute), inHand(-time.Second)
	far := good
	far.Broker = "b2"
	ack := func(entries ...*rmq.AckMessageEntry) *rmq.AckMessageResponse {
		resp, err := r.AckMessage(r.ctx("c"), &rmq.AckMessageRequest{Topic: res("T"), Group: res("G"), Entries: entries})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	entry := func(h string) *rmq.AckMessageEntry { return &rmq.AckMessageEntry{MessageId: "id", ReceiptHandle: h} }
	resp := ack(entry(good.String()), entry(good.String()))
	r.want(rmq.Code_OK, resp.Status, nil)
	if a := r.fake.acked; len(a) != 2 || a[0] != (mq.Ack{Group: "G", Topic: "T", Receipt: good.Receipt}) {
		t.Errorf("acknowledged %+v", a)
	}
	resp = ack(entry(good.String()), entry(late.String()), entry("nonsense"))
	r.want(rmq.Code_MULTIPLE_RESULTS, resp.Status, nil)
	for i, code := range []rmq.Code{rmq.Code_OK, rmq.Code_INVALID_RECEIPT_HANDLE, rmq.Code_INVALID_RECEIPT_HANDLE} {
		if e := resp.Entries[i]; e.Status.Code != code || e.MessageId != "id" {
			t.Errorf("entry %d: %v, want %v", i, e, code)
		}
	}
	r.want(rmq.Code_INVALID_RECEIPT_HANDLE, ack(entry(far.String())).Status, nil)
	r.want(rmq.Code_BAD_REQUEST, ack().Status, nil)
	r.want(rmq.Code_OK, ack(&rmq.AckMessageEntry{ReceiptHandle: good.String(), LiteTopic: proto.String("l")}).Status, nil)
	if a := r.fake.acked[len(r.fake.acked)-1]; a.Lite != "l" {
		t.Errorf("acknowledged %+v", a)
	}
}

func TestAnInvisibleTimeIsChangedAndTheHandleReplaced(t *testing.T) {
	r := newRig(t)
	change := func(h handle, d time.Duration) *rmq.ChangeInvisibleDurationResponse {
		resp, err := r.ChangeInvisibleDuration(r.ctx("c"), &rmq.ChangeInvisibleDurationRequest{
			Topic: res("T"), Group: res("G"), ReceiptHandle: h.String(), InvisibleDuration: durationpb.New(d), Suspend: proto.Bool(true),
		})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	old := inHand(time.Minute)
	resp := change(old, time.Hour)
	r.want(rmq.Code_OK, resp.Status, nil)
	next, err := parseHandle(resp.ReceiptHandle)
	if err != nil || next.Invisible != time.Hour.Milliseconds() || next.pos != old.pos {
		t.Errorf("new handle %+v, %v", next, err)
	}
	if c := r.fake.changed[0]; c.d != time.Hour || !c.suspend || c.Receipt != old.Receipt {
		t.Errorf("changed %+v", c)
	}
	r.want(rmq.Code_OK, change(old, 0).Status, nil)
	r.want(rmq.Code_ILLEGAL_INVISIBLE_TIME, change(old, 13*time.Hour).Status, nil)
	r.want(rmq.Code_ILLEGAL_INVISIBLE_TIME, change(old, -time.Second).Status, nil)
	r.want(rmq.Code_INVALID_RECEIPT_HANDLE, change(inHand(-time.Second), time.Minute).Status, nil)
	r.fake.gone = true
	r.want(rmq.Code_INVALID_RECEIPT_HANDLE, change(old, time.Minute).Status, nil)
}

func TestAMessageIsForwardedToTheDeadLetters(t *testing.T) {
	r := newRig(t)
	forward := func() *rmq.Status {
		resp, err := r.ForwardMessageToDeadLetterQueue(r.ctx("c"), &rmq.ForwardMessageToDeadLetterQueueRequest{
			Topic: res("T"), Group: res("G"), ReceiptHandle: inHand(time.Minute).String(),
		})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status
	}
	r.want(rmq.Code_OK, forward(), nil)
	if len(r.fake.buried) != 1 {
		t.Errorf("buried %v", r.fake.buried)
	}
	r.fake.gone = true
	r.want(rmq.Code_INVALID_RECEIPT_HANDLE, forward(), nil)
}

func FuzzHandle(f *testing.F) {
	f.Add(inHand(time.Minute).String())
	f.Add("1 2 3 4 0 b 6 7")
	f.Add("1 2 3 4 0 b 6 7 -8")
	f.Add(strings.Repeat("9", 300))
	f.Fuzz(func(t *testing.T, text string) {
		h, err := parseHandle(text)
		if err != nil {
			return
		}
		h.pos = max(h.pos, 0)
		again, err := parseHandle(h.String())
		if err != nil || again != h {
			t.Errorf("%q is %+v and then %+v, %v", text, h, again, err)
		}
	})
}

func FuzzTransactionID(f *testing.F) {
	f.Add(transactionID{7, 4711, "key-with-dashes", "broker-a"}.String())
	f.Add("1-2-at@ends@")
	f.Add("7FFFFFFFFFFFFFFF-0-")
	f.Add("--")
	f.Fuzz(func(t *testing.T, text string) {
		id, err := parseTransactionID(text)
		if err != nil {
			return
		}
		if again, err := parseTransactionID(id.String()); err != nil || again != id {
			t.Errorf("%q is %+v and then %+v, %v", text, id, again, err)
		}
	})
}

func TestHandlesOfMessagesAtMostOnceReadBackAndNeverExpire(t *testing.T) {
	at := mq.FirstPassing + 7
	h := handle{mq.Receipt{Start: at, PopTime: 1000, Invisible: 1, Broker: "b", Offset: at}, -1}
	again, err := parseHandle(h.String())
	if err != nil || again != h || again.expired(time.Now()) {
		t.Errorf("%q reads as %+v, %v", h, again, err)
	}
	stored := handle{mq.Receipt{PopTime: 1000, Invisible: 1, Broker: "b", Offset: 7}, -1}
	if _, err := parseHandle(stored.String()); err == nil {
		t.Errorf("%q names no position and was taken", stored)
	}
}
