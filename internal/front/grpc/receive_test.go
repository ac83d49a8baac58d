package grpc

import (
	"bytes"
	"compress/zlib"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// wanted is a request for messages of T by G; change may alter it.
func wanted(change ...func(*rmq.ReceiveMessageRequest)) *rmq.ReceiveMessageRequest {
	req := &rmq.ReceiveMessageRequest{
		Group: res("G"), MessageQueue: &rmq.MessageQueue{Topic: res("T"), Id: 3, Broker: &rmq.Broker{Name: "b1"}},
		FilterExpression: &rmq.FilterExpression{Type: rmq.FilterType_TAG, Expression: "*"}, BatchSize: 8,
		InvisibleDuration: durationpb.New(time.Minute), LongPollingTimeout: durationpb.New(10 * time.Second),
	}
	for _, f := range change {
		f(req)
	}
	return req
}

// A received stream is what a stream brought.
type received struct {
	status   *rmq.Status
	messages []*rmq.Message
	at       time.Time
}

// receive reads a whole stream.
func (r *rig) receive(ctx context.Context, req *rmq.ReceiveMessageRequest, opts ...grpc.CallOption) received {
	r.t.Helper()
	stream, err := r.ReceiveMessage(ctx, req, opts...)
	if err != nil {
		r.t.Fatal(err)
	}
	var d received
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return d
		}
		if err != nil {
			r.t.Fatal(err)
		}
		switch c := in.Content.(type) {
		case *rmq.ReceiveMessageResponse_Status:
			d.status = c.Status
		case *rmq.ReceiveMessageResponse_Message:
			d.messages = append(d.messages, c.Message)
		case *rmq.ReceiveMessageResponse_DeliveryTimestamp:
			d.at = c.DeliveryTimestamp.AsTime()
		}
	}
}

// gives makes pops answer with a batch.
func (f *fake) gives(records ...[]byte) {
	f.pop = func(_ mq.PopRequest, done func(mq.PopBatch, error)) { done(f.batch(records...), nil) }
}

func TestMessagesAreReceivedWithTheirProperties(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	r.fake.gives(stored("T", 7, "body", map[string]string{
		mq.PropUniqueKey: "id-1", mq.PropTags: "a", mq.PropKeys: "k1 k2", "color": "red", mq.PropShardingKey: "g", mq.PropRegion: "R",
		mq.PropTraceContext: "trace", mq.PropDLQOriginTopic: "O", mq.PropDLQOriginID: "oid",
	}, 0, 2))
	d := r.receive(r.ctx("c"), wanted())
	r.want(rmq.Code_OK, d.status, nil)
	if len(d.messages) != 1 || d.at.IsZero() {
		t.Fatalf("%+v", d)
	}
	m, p := d.messages[0], d.messages[0].SystemProperties
	sum := md5.Sum([]byte("body"))
	if m.Topic.Name != "T" || string(m.Body) != "body" || len(m.UserProperties) != 1 || m.UserProperties["color"] != "red" ||
		p.MessageId != "id-1" || p.GetTag() != "a" || !slices.Equal(p.Keys, []string{"k1", "k2"}) || p.GetMessageGroup() != "g" ||
		p.MessageType != rmq.MessageType_FIFO || p.GetDeliveryAttempt() != 3 || p.QueueId != 2 || p.GetQueueOffset() != 7 ||
		p.BornTimestamp.AsTime().UnixMilli() != 1700000000123 || p.StoreTimestamp.AsTime().UnixMilli() != 1700000000456 ||
		p.BornHost != "10.0.0.9" || p.StoreHost != "10.0.0.1:10911" || p.GetTraceContext() != "trace" ||
		p.DeadLetterQueue.GetTopic() != "O" || p.DeadLetterQueue.GetMessageId() != "oid" || p.BodyEncoding != rmq.Encoding_IDENTITY ||
		p.BodyDigest.Checksum != strings.ToUpper(hex.EncodeToString(sum[:])) || p.GetInvisibleDuration().AsDuration() != time.Minute {
		t.Errorf("got %v", m)
	}
	h, err := parseHandle(p.GetReceiptHandle())
	if err != nil || h.pos != 7000 || h.Broker != "b1" {
		t.Errorf("handle %q is %+v, %v", p.GetReceiptHandle(), h, err)
	}
	r.fake.look(func() {
		q := r.fake.pops[0]
		if q.Group != "G" || q.Topic != "T" || q.QueueID != -1 || q.MaxMessages != 8 || q.Invisible != time.Minute || q.Wait != 10*time.Second || !q.FromEnd || q.Ordered ||
			q.Via != (visit{r.fake}) {
			t.Errorf("popped %+v", q)
		}
		if r.fake.released != 1 {
			t.Errorf("the batch was released %d times", r.fake.released)
		}
	})
}

func TestBodiesPackedByTheOtherProtocolsClientsAreUnpacked(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	var packed bytes.Buffer
	w := zlib.NewWriter(&packed)
	if _, err := w.Write([]byte("hello")); err != nil || w.Close() != nil {
		t.Fatal(err)
	}
	r.fake.gives(
		stored("T", 1, packed.String(), nil, mq.FlagCompressed, 0), stored("T", 2, "\x1f\x8brest", nil, mq.FlagCompressed, 0),
		stored("T", 3, "damaged", nil, mq.FlagCompressed|0x200, 0),
	)
	d := r.receive(r.ctx("c"), wanted())
	for i, want := range []struct {
		body     string
		encoding rmq.Encoding
	}{{"hello", rmq.Encoding_IDENTITY}, {"\x1f\x8brest", rmq.Encoding_GZIP}, {"damaged", rmq.Encoding_GZIP}} {
		if m := d.messages[i]; string(m.Body) != want.body || m.SystemProperties.BodyEncoding != want.encoding {
			t.Errorf("message %d: %q, %v", i, m.Body, m.SystemProperties.BodyEncoding)
		}
	}
}

func TestWhatOnlyLooksWantedIsAcknowledgedAndWhatWasTriedTooOftenBuried(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	r.fake.groups["G"] = mq.Group{Name: "G", RetryMax: 2}
	tag := func(name string) map[string]string { return map[string]string{mq.PropTags: name} }
	r.fake.gives(stored("T", 0, "0", tag("a"), 0, 0), stored("T", 1, "1", tag("like-a"), 0, 0), stored("T", 2, "2", tag("a"), 0, 3))
	only := func(q *rmq.ReceiveMessageRequest) { q.FilterExpression.Expression = "a" }
	d := r.receive(r.ctx("c"), wanted(only))
	if len(d.messages) != 1 || string(d.messages[0].Body) != "0" {
		t.Errorf("got %v", d.messages)
	}
	if a := r.fake.acked; len(a) != 1 || a[0].Receipt.Offset != 1 || a[0].Group != "G" || a[0].Topic != "T" {
		t.Errorf("acknowledged %v", a)
	}
	if b := r.fake.buried; len(b) != 1 || b[0].Receipt.Offset != 2 {
		t.Errorf("buried %v", b)
	}
	r.fake.gives(stored("T", 1, "1", tag("like-a"), 0, 0))
	d = r.receive(r.ctx("c"), wanted(only))
	r.want(rmq.Code_MESSAGE_NOT_FOUND, d.status, nil)
	r.fake.gone = true // it cannot be buried, so it is delivered
	r.fake.gives(stored("T", 2, "2", tag("a"), 0, 3))
	if d = r.receive(r.ctx("c"), wanted(only)); len(d.messages) != 1 {
		t.Errorf("got %v", d.messages)
	}
}

func TestAGroupInOrderPopsInOrderUnderTheAttemptsName(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "FIFO")
	r.fake.groups["G"] = mq.Group{Name: "G", RetryMax: 16, ConsumeOrderly: true}
	r.fake.pop = func(_ mq.PopRequest, done func(mq.PopBatch, error)) {
		b := r.fake.batch(stored("T", 1, "1", nil, 0, 0))
		b.Messages[0].Tries = 4
		done(b, nil)
	}
	d := r.receive(r.ctx("c"), wanted(func(q *rmq.ReceiveMessageRequest) { q.AttemptId = proto.String("try-1") }))
	if q := r.fake.pops[0]; !q.Ordered || !q.ByGroup || q.AttemptID != "try-1" {
		t.Errorf("popped %+v", q)
	}
	if n := d.messages[0].SystemProperties.GetDeliveryAttempt(); n != 5 {
		t.Errorf("attempt %d", n)
	}
}

func TestNothingToReceiveIsAStatus(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	for status, code := range map[mq.PopStatus]rmq.Code{mq.PopNothing: rmq.Code_MESSAGE_NOT_FOUND, mq.PopFull: rmq.Code_TOO_MANY_REQUESTS} {
		r.fake.pop = func(_ mq.PopRequest, done func(mq.PopBatch, error)) { done(mq.PopBatch{Status: status}, nil) }
		d := r.receive(r.ctx("c"), wanted())
		r.want(code, d.status, nil)
		if d.at.IsZero() {
			t.Error("the stream ends without the time of delivery")
		}
	}
	r.fake.pop = func(_ mq.PopRequest, done func(mq.PopBatch, error)) { done(mq.PopBatch{}, mq.ErrBusy) }
	r.want(rmq.Code_TOO_MANY_REQUESTS, r.receive(r.ctx("c"), wanted()).status, nil)
}

func TestRequestsForMessagesAreChecked(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	r.fake.topics["W"] = mq.Topic{Name: "W", ReadQueues: 4, Perm: 2}
	for what, c := range map[string]struct {
		code rmq.Code
		f    func(*rmq.ReceiveMessageRequest)
	}{
		"short":  {rmq.Code_ILLEGAL_INVISIBLE_TIME, func(q *rmq.ReceiveMessageRequest) { q.InvisibleDuration = durationpb.New(9 * time.Second) }},
		"long":   {rmq.Code_ILLEGAL_INVISIBLE_TIME, func(q *rmq.ReceiveMessageRequest) { q.InvisibleDuration = durationpb.New(13 * time.Hour) }},
		"filter": {rmq.Code_ILLEGAL_FILTER_EXPRESSION, func(q *rmq.ReceiveMessageRequest) { q.FilterExpression.Expression = " || " }},
		"sql": {rmq.Code_ILLEGAL_FILTER_EXPRESSION, func(q *rmq.ReceiveMessageRequest) {
			q.FilterExpression = &rmq.FilterExpression{Type: rmq.FilterType_SQL, Expression: "a >"}
		}},
		"group":    {rmq.Code_ILLEGAL_CONSUMER_GROUP, func(q *rmq.ReceiveMessageRequest) { q.Group = res("") }},
		"topic":    {rmq.Code_TOPIC_NOT_FOUND, func(q *rmq.ReceiveMessageRequest) { q.MessageQueue.Topic = res("none") }},
		"broker":   {rmq.Code_FORBIDDEN, func(q *rmq.ReceiveMessageRequest) { q.MessageQueue.Broker.Name = "b2" }},
		"no read":  {rmq.Code_FORBIDDEN, func(q *rmq.ReceiveMessageRequest) { q.MessageQueue.Topic = res("W") }},
		"unknown":  {rmq.Code_UNRECOGNIZED_CLIENT_TYPE, func(q *rmq.ReceiveMessageRequest) { q.AutoRenew = true }},
		"no group": {rmq.Code_ILLEGAL_CONSUMER_GROUP, func(q *rmq.ReceiveMessageRequest) { q.Group = nil }},
	} {
		if got := r.receive(r.ctx("c"), wanted(c.f)).status; got.Code != c.code {
			t.Errorf("%s: %v, want %v", what, got, c.code)
		}
	}
	hasty := func(version string) rmq.Code {
		ctx, cancel := context.WithTimeout(context.Background(), 4*time.Second)
		defer cancel()
		return r.receive(metadata.AppendToOutgoingContext(ctx, "x-mq-client-id", "c", "x-mq-client-version", version), wanted()).status.Code
	}
	r.fake.gives()
	ctx, cancel := context.WithTimeout(r.ctx("c"), 8*time.Second)
	defer cancel()
	r.receive(ctx, wanted())
	if w := r.fake.pops[len(r.fake.pops)-1].Wait; w > 8*time.Second-answerTime || w < 7*time.Second {
		t.Errorf("a call of 8s waits %v", w)
	}
	if a, b := hasty("5.0.4"), hasty("5.0.0"); a != rmq.Code_ILLEGAL_POLLING_TIME || b != rmq.Code_BAD_REQUEST {
		t.Errorf("a deadline that is too short: %v and, for an old client, %v", a, b)
	}
}

func TestACallThatFindsNothingIsAnsweredBeforeItsDeadline(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	waits := make(chan time.Duration, 1)
	r.fake.pop = func(q mq.PopRequest, done func(mq.PopBatch, error)) {
		waits <- q.Wait
		done(mq.PopBatch{}, nil)
	}
	ctx, cancel := context.WithTimeout(r.ctx("c"), 10*time.Second) // and to poll as long, as the Rust client asks
	defer cancel()
	r.want(rmq.Code_MESSAGE_NOT_FOUND, r.receive(ctx, wanted()).status, nil)
	if w := <-waits; w > 10*time.Second-answerTime || w < 9*time.Second {
		t.Errorf("waits %v of ten seconds", w)
	}
}

func TestACallWhoseClientIsGoneGivesBackWhatItWasAboutToGet(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	ctx, cancel := context.WithCancel(r.ctx("c"))
	stream, err := r.ReceiveMessage(ctx, wanted())
	if err != nil {
		t.Fatal(err)
	}
	done := <-r.fake.parked
	cancel()
	if _, err := stream.Recv(); err == nil {
		t.Fatal("the stream goes on")
	}
	r.eventually("the call ends", func() bool { return r.server.counts[messagingService+"ReceiveMessage"].refused.Load() == 1 })
	done(r.fake.batch(stored("T", 0, "0", nil, 0, 0), stored("T", 1, "1", nil, 0, 0)), nil)
	r.eventually("both are visible again", func() bool { return len(r.fake.changed) == 2 && r.fake.released == 1 })
	if c := r.fake.changed[0]; c.d != 0 || !c.suspend || c.Group != "G" {
		t.Errorf("%+v", c)
	}
}

func TestASlowReaderGetsNoMoreThanTheWindowAndTheRestIsVisibleAgain(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	var records [][]byte
	for i := range 32 {
		records = append(records, stored("T", mq.QueueOffset(i), strings.Repeat("x", 256<<10), nil, 0, 0))
	}
	r.fake.gives(records...)
	ctx, cancel := context.WithCancel(r.ctx("c"))
	if _, err := r.ReceiveMessage(ctx, wanted()); err != nil { // and it is never read
		t.Fatal(err)
	}
	r.eventually("the server holds the batch for the reader", func() bool { return r.server.unread.Load() > 8<<20 })
	cancel()
	r.eventually("what was not sent is visible again", func() bool { return len(r.fake.changed) > 20 && r.fake.released == 1 })
	r.eventually("nothing is held any more", func() bool { return r.server.unread.Load() == 0 })
}

func TestBytesThatWaitForReadersAreBounded(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxUnread = 1 << 20 })
	r.fake.topic("T", "NORMAL")
	r.fake.gives(stored("T", 0, "0", nil, 0, 0))
	r.server.unread.Add(1 << 20)
	d := r.receive(r.ctx("c"), wanted())
	r.want(rmq.Code_TOO_MANY_REQUESTS, d.status, nil)
	if !strings.Contains(d.status.Message, "grpc-max-unread") {
		t.Errorf("%q does not say what to change", d.status.Message)
	}
	r.server.unread.Add(-1 << 20)
	r.want(rmq.Code_OK, r.receive(r.ctx("c"), wanted()).status, nil)
}

func TestCallsThatWaitAreAnsweredWhenTheServerStops(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	stream, err := r.ReceiveMessage(r.ctx("c"), wanted())
	if err != nil {
		t.Fatal(err)
	}
	<-r.fake.parked
	r.stop()
	in, err := stream.Recv()
	r.want(rmq.Code_MESSAGE_NOT_FOUND, in.GetStatus(), err)
}

func TestAGroupThatTriesForeverBuriesNothing(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	r.fake.groups["G"] = mq.Group{Name: "G", RetryMax: math.MaxInt32}
	r.fake.gives(stored("T", 0, "0", nil, 0, 0))
	if d := r.receive(r.ctx("c"), wanted()); len(d.messages) != 1 || len(r.fake.buried) != 0 {
		t.Errorf("got %v, buried %v", d.messages, r.fake.buried)
	}
	_, answer := r.talk("c", consumer("G", rmq.ClientType_PUSH_CONSUMER, "T"))
	if n := answer.GetSettings().GetBackoffPolicy().GetMaxAttempts(); n != math.MaxInt32 {
		t.Errorf("the client is told to try %d times", n)
	}
}

func TestWhatWasRenewedIsVisibleWhenTheServerHasStopped(t *testing.T) {
	r := newRig(t)
	r.talk("c", consumer("G", rmq.ClientType_SIMPLE_CONSUMER, "T"))
	fresh, renewed := inHand(20*time.Second), inHand(5*time.Second)
	renewed.Offset++
	for _, h := range []handle{fresh, renewed} {
		r.server.renewing.add(renewalKey{"c", "G", h.String()}, mq.Ack{Group: "G", Topic: "T", Receipt: h.Receipt})
	}
	r.server.renew(r.ctx("c"), time.Now())
	r.stop()
	// The handle of the other is still good.
	r.eventually("giving back", func() bool {
		c := r.fake.changed
		return len(c) == 2 && c[1].d == 0 && c[1].suspend && c[1].Receipt.Offset == renewed.Offset
	})
}

// Their receipts are taken as often as clients like, whatever the invisible
// time; the broker has nothing to do about them.
func TestAMessageAtMostOnceIsReceivedAndAcknowledgedLikeOthers(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	at := mq.FirstPassing + 5
	rec := stored("T", at, "passing", map[string]string{mq.PropUniqueKey: "id", mq.PropQoS: "0"}, 0, 0)
	mq.PatchRecord(rec, at, -1, 1700000000456)
	receipt := mq.Receipt{Start: at, PopTime: time.Now().Add(-time.Hour).UnixMilli(), Invisible: 60000, Broker: "b1", QueueID: 2, Offset: at}
	r.fake.pop = func(_ mq.PopRequest, done func(mq.PopBatch, error)) {
		done(mq.PopBatch{Status: mq.PopFound, Messages: []mq.Popped{{Record: rec, Receipt: receipt}}, Release: func() {}}, nil)
	}
	d := r.receive(r.ctx("c"), wanted())
	if len(d.messages) != 1 || string(d.messages[0].Body) != "passing" {
		t.Fatalf("got %v", d.messages)
	}
	handle := d.messages[0].SystemProperties.GetReceiptHandle()
	changed, err := r.ChangeInvisibleDuration(r.ctx("c"), &rmq.ChangeInvisibleDurationRequest{
		Topic: res("T"), Group: res("G"), ReceiptHandle: handle, InvisibleDuration: durationpb.New(time.Minute),
	})
	r.want(rmq.Code_OK, changed.GetStatus(), err)
	acked, err := r.AckMessage(r.ctx("c"), &rmq.AckMessageRequest{
		Topic: res("T"), Group: res("G"), Entries: []*rmq.AckMessageEntry{{MessageId: "id", ReceiptHandle: handle}},
	})
	r.want(rmq.Code_OK, acked.GetStatus(), err)
	if a := r.fake.acked; len(a) != 1 || a[0].Receipt != receipt {
		t.Errorf("the broker was told %+v, want %+v", a, receipt)
	}
}

func TestCallsThatAreWokenTogetherKeepToTheLimits(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxUnread, o.MaxRenewals = 1<<20, 3 })
	r.fake.topic("T", "NORMAL")
	r.talk("c", consumer("G", rmq.ClientType_SIMPLE_CONSUMER, "T"))
	wake := func(change func(*rmq.ReceiveMessageRequest), meanwhile func()) *rmq.ReceiveMessageResponse {
		stream, err := r.ReceiveMessage(r.ctx("c"), wanted(change))
		if err != nil {
			t.Fatal(err)
		}
		done := <-r.fake.parked
		meanwhile()
		done(r.fake.batch(stored("T", 0, "0", nil, 0, 0), stored("T", 1, "1", nil, 0, 0)), nil)
		in, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		for err == nil {
			_, err = stream.Recv()
		}
		return in
	}
	in := wake(func(*rmq.ReceiveMessageRequest) {}, func() { r.server.unread.Add(1 << 20) })
	r.want(rmq.Code_TOO_MANY_REQUESTS, in.GetStatus(), nil)
	r.eventually("both are visible again", func() bool { return len(r.fake.changed) == 2 && r.fake.released == 1 })
	r.server.unread.Add(-1 << 20)

	renew := func(req *rmq.ReceiveMessageRequest) { req.AutoRenew = true }
	fill := func(n int) {
		for i := range n {
			r.server.renewing.add(renewalKey{"other", "G", fmt.Sprint(i)}, mq.Ack{Receipt: mq.Receipt{PopTime: time.Now().UnixMilli(), Invisible: 60000}})
		}
	}
	in = wake(renew, func() { fill(2) }) // there is room for one of two
	r.want(rmq.Code_OK, in.GetStatus(), nil)
	r.eventually("the other is visible again", func() bool { return len(r.fake.changed) == 3 })
	if !r.server.renewing.full() || len(r.server.renewing.core.all) != 3 {
		t.Errorf("%d messages are renewed, want 3", len(r.server.renewing.core.all))
	}
	r.server.renewing.core.takeClient("other")
	r.server.renewing.core.takeClient("c")
	in = wake(renew, func() { fill(3) })
	r.want(rmq.Code_TOO_MANY_REQUESTS, in.GetStatus(), nil)
	r.eventually("both are visible again", func() bool { return len(r.fake.changed) == 5 })
}
