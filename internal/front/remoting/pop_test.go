package remoting

import (
	"fmt"
	"math"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// popOf is a header that asks for messages of T.
func popOf(expression string) *wire.PopMessageRequest {
	return &wire.PopMessageRequest{
		ConsumerGroup: "G", Topic: "T", QueueID: -1, MaxMsgNums: 32, InvisibleTime: 60000, PollTime: 15000,
		BornTime: time.Now().UnixMilli(), ExpType: "TAG", Exp: expression,
	}
}

// popBatch is a batch of messages with these receipts. What lies in a retry
// topic was sent again.
func popBatch(receipts ...mq.Receipt) mq.PopBatch {
	b := mq.PopBatch{Status: mq.PopFound, PopTime: 1000, Invisible: 60000, Rest: 9, Release: func() {}}
	for i, r := range receipts {
		topic := "T"
		if r.Retry != mq.RetryNone {
			topic = mq.RetryTopicPop("G", "T")
		}
		r.Broker = "broker-a"
		m := &mq.Message{
			Topic: topic, QueueID: r.QueueID, BornTime: 500, BornHost: netip.MustParseAddrPort("10.0.0.9:99"),
			ReconsumeTimes: 2, Properties: []byte("TAGS\x01a\x02"), Body: fmt.Appendf(nil, "body %d", i),
		}
		rec := mq.AppendRecord(nil, m, storeHost)
		mq.PatchRecord(rec, r.Offset, 77, 600)
		b.Messages = append(b.Messages, mq.Popped{Record: rec, Receipt: r})
	}
	return b
}

// answers makes the fake answer pops with b.
func (f *fake) answers(b mq.PopBatch) {
	f.pop = func(mq.PopRequest) (mq.PopBatch, error) { return b, nil }
}

func TestPopTellsTheBrokerEverythingItWasAsked(t *testing.T) {
	r := newRig(t)
	h := popOf("a || b")
	h.QueueID, h.InitMode, h.Order, h.AttemptID, h.MaxMsgNums = 2, 1, true, "try", 7
	r.want(wire.CodePollingTimeout, r.call(wire.PopMessage, h, ""))
	p := r.fake.pops[0]
	if p.Filter == nil || !p.Filter.Match(mq.TagCode("a")) || p.Filter.Match(mq.TagCode("c")) {
		t.Errorf("the filter is %v", p.Filter)
	}
	if p.Wait < 14*time.Second || p.Wait > 15*time.Second {
		t.Errorf("the pop waits %v, want a little less than 15 s", p.Wait)
	}
	p.Filter, p.Wait = nil, 0
	want := mq.PopRequest{
		Group: "G", Topic: "T", QueueID: 2, MaxMessages: 7, Invisible: time.Minute, FromEnd: true, Ordered: true, AttemptID: "try", Via: visit{r.fake},
	}
	if p != want {
		t.Errorf("the broker was asked %+v, want %+v", p, want)
	}
}

func TestPopAnswersWithRecordsAsTheyLieAndWhatReceiptsAreMadeFrom(t *testing.T) {
	r := newRig(t)
	released := make(chan struct{}, 1)
	b := popBatch(mq.Receipt{Start: 4, QueueID: 3, Offset: 4}, mq.Receipt{Start: 4, QueueID: 3, Offset: 6}, mq.Receipt{Start: 9, QueueID: 0, Offset: 9})
	b.Release = func() { released <- struct{}{} }
	r.fake.answers(b)
	resp := r.good(wire.PopMessage, popOf("*"), "")
	<-released
	for key, want := range map[string]string{
		"popTime": "1000", "invisibleTime": "60000", "reviveQid": "0", "restNum": "9",
		"startOffsetInfo": "0 3 4;0 0 9", "msgOffsetInfo": "0 3 4,6;0 0 9", "orderCountInfo": "",
	} {
		if got := field(resp, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	want := ""
	for _, m := range b.Messages {
		want += string(m.Record)
	}
	if string(resp.Body) != want {
		t.Errorf("the body is %q, want %q", resp.Body, want)
	}
}

func TestPopInOrderTellsHowOftenMessagesWereTried(t *testing.T) {
	r := newRig(t)
	b := popBatch(mq.Receipt{Start: 4, QueueID: 3, Offset: 4}, mq.Receipt{Start: 4, QueueID: 3, Offset: 5}, mq.Receipt{QueueID: 1, Offset: 8})
	b.Messages[0].Tries, b.Messages[1].Tries = 3, 2
	r.fake.answers(b)
	h := popOf("")
	h.Order = true
	resp := r.good(wire.PopMessage, h, "")
	if got := field(resp, "orderCountInfo"); got != "0 qo3%4 3;0 qo3%5 2;0 3 2;0 1 0" {
		t.Errorf("orderCountInfo is %q", got)
	}
	if got := field(resp, "reviveQid"); got != "999" {
		t.Errorf("reviveQid is %s, want 999", got)
	}
}

func TestRecordOfARetryTopicGetsTheTopicThatWasAskedForAndItsReceipt(t *testing.T) {
	r := newRig(t)
	b := popBatch(mq.Receipt{Start: 5, PopTime: 1000, Invisible: 60000, QueueID: 0, Offset: 6, Retry: mq.RetryV1})
	r.fake.answers(b)
	resp := r.good(wire.PopMessage, popOf("*"), "")
	if got := field(resp, "startOffsetInfo") + "|" + field(resp, "msgOffsetInfo"); got != "1 0 5|1 0 6" {
		t.Errorf("offset infos are %q", got)
	}
	old, _, _ := mq.DecodeRecord(b.Messages[0].Record)
	rec, rest, err := mq.DecodeRecord(resp.Body)
	if err != nil || len(rest) != 0 {
		t.Fatalf("the body is no record: %v, %d bytes left", err, len(rest))
	}
	if string(rec.Topic) != "T" || string(rec.Properties) != "TAGS\x01a\x02POP_CK\x015 1000 60000 0 1 broker-a 0 6\x02" {
		t.Errorf("topic %q, properties %q", rec.Topic, rec.Properties)
	}
	rec.Size, rec.Topic, rec.Properties = old.Size, old.Topic, old.Properties
	if fmt.Sprint(rec) != fmt.Sprint(old) {
		t.Errorf("the rest of the record is %v, want %v", rec, old)
	}
}

func TestRecordWithFullPropertiesGoesOutAsItLies(t *testing.T) {
	p := &pop{PopRequest: mq.PopRequest{Topic: "T"}}
	m := popBatch(mq.Receipt{Retry: mq.RetryV1}).Messages[0]
	full := &mq.Message{Topic: "%RETRY%G_T", Properties: []byte("K\x01" + strings.Repeat("v", mq.MaxPropertiesSize-10) + "\x02")}
	m.Record = mq.AppendRecord(nil, full, storeHost)
	if got := p.record(&m); string(got) != string(m.Record) {
		t.Errorf("the record has %d bytes, want the %d that are stored", len(got), len(m.Record))
	}
}

func TestPopThatFindsNothingStillSaysWhen(t *testing.T) {
	r := newRig(t)
	for status, want := range map[mq.PopStatus]wire.Code{mq.PopNothing: wire.CodePollingTimeout, mq.PopFull: wire.CodePollingFull} {
		r.fake.answers(mq.PopBatch{Status: status, PopTime: 1000, Invisible: 5, Rest: 3})
		resp := r.call(wire.PopMessage, popOf("*"), "")
		r.want(want, resp)
		if field(resp, "restNum") != "3" || field(resp, "popTime") != "1000" || resp.Remark != "NO_MESSAGE_IN_QUEUE" {
			t.Errorf("the answer says %v, %q", resp.Fields, resp.Remark)
		}
	}
}

func TestPopsThatAskForWhatCannotBeAreRefused(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		change func(*wire.PopMessageRequest)
		want   wire.Code
		text   string
	}{
		"too many":        {func(h *wire.PopMessageRequest) { h.MaxMsgNums = 33 }, wire.CodeInvalidParameter, "1 to 32"},
		"none":            {func(h *wire.PopMessageRequest) { h.MaxMsgNums = 0 }, wire.CodeInvalidParameter, "1 to 32"},
		"hidden too long": {func(h *wire.PopMessageRequest) { h.InvisibleTime = math.MaxInt64 }, wire.CodeInvalidParameter, "invisibleTime"},
		"hidden before":   {func(h *wire.PopMessageRequest) { h.InvisibleTime = -1 }, wire.CodeInvalidParameter, "invisibleTime"},
		"bad tags":        {func(h *wire.PopMessageRequest) { h.Exp = " || " }, wire.CodeSubscriptionParseFailed, "tag"},
		"bad SQL":         {func(h *wire.PopMessageRequest) { h.ExpType, h.Exp = "SQL92", "a >" }, wire.CodeSubscriptionParseFailed, "expression"},
		"too late":        {func(h *wire.PopMessageRequest) { h.BornTime -= 16000 }, wire.CodePollingTimeout, "NO_MESSAGE"},
	} {
		h := popOf("*")
		c.change(h)
		resp := r.call(wire.PopMessage, h, "")
		if resp.Code != c.want || !strings.Contains(resp.Remark, c.text) {
			t.Errorf("%s: answered %s: %q, want %s with %q", name, resp.Code.ResponseString(), resp.Remark, c.want.ResponseString(), c.text)
		}
	}
	if len(r.fake.pops) != 0 {
		t.Errorf("the broker was asked %+v", r.fake.pops)
	}
	resp := r.call(wire.PopMessage, nil, "")
	r.want(wire.CodeSystemError, resp)
	if !strings.Contains(resp.Remark, "consumerGroup") {
		t.Errorf("the remark is %q", resp.Remark)
	}
}

func TestPatienceIsCountedFromWhenTheClientAsked(t *testing.T) {
	const now = 1_700_000_000_000
	for _, c := range []struct {
		born, poll int64
		wait       time.Duration
		late       bool
	}{
		{now, 0, 0, false},
		{0, 15000, 15 * time.Second, false},
		{now - 5000, 15000, 10 * time.Second, false},
		{now - 15000, 15000, 0, false},
		{now - 15500, 15000, 0, false},
		{now - 15501, 15000, 0, true},
		{now + 3600_000, 15000, 15 * time.Second, false},
		{now, 3600_000, maxPopWait, false},
		{now, -5, 0, false},
		{math.MinInt64, math.MaxInt64, maxPopWait, false},
		{math.MinInt64, 1, 0, true},
		{math.MaxInt64, math.MaxInt64, maxPopWait, false},
	} {
		if wait, late := patience(c.born, c.poll, now); wait != c.wait || late != c.late {
			t.Errorf("born %d, poll %d: %v, %v, want %v, %v", c.born-now, c.poll, wait, late, c.wait, c.late)
		}
	}
}

func TestPopWaitsWhileTheClientHasALotToRead(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	asked := make(chan mq.PopRequest, 1)
	r.fake.pop = func(p mq.PopRequest) (mq.PopBatch, error) {
		asked <- p
		return popBatch(mq.Receipt{}), nil
	}
	s.reserve(maxUnread)
	p := newPop(s, wire.NewRequest(wire.PopMessage, nil))
	s.pulls.Add(1)
	p.run()
	if len(asked) != 0 {
		t.Error("the broker was asked while the client had a lot to read")
	}
	s.unhold(maxUnread)
	if p := <-asked; p.Wait != 0 {
		t.Errorf("the pop waits %v more, its patience is over", p.Wait)
	}
}

func TestPopsCountAmongThePullsThatWait(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	s.pulls.Store(maxPulls)
	resp := r.call(wire.PopMessage, popOf("*"), "")
	r.want(wire.CodeSystemBusy, resp)
	r.want(wire.CodeSystemBusy, r.call(wire.Notification, &wire.NotificationRequest{ConsumerGroup: "G", Topic: "T"}, ""))
	if got := s.pulls.Load(); got != maxPulls {
		t.Errorf("%d pulls wait, want %d", got, maxPulls)
	}
}

func TestPeekTakesNothingAndHasNoReceipts(t *testing.T) {
	r := newRig(t)
	h := &wire.PeekMessageRequest{ConsumerGroup: "G", Topic: "T", QueueID: -7, MaxMsgNums: 100}
	r.want(wire.CodePullNotFound, r.call(wire.PeekMessage, h, ""))
	want := mq.PopRequest{Group: "G", Topic: "T", QueueID: -1, MaxMessages: mq.MaxPop, Peek: true}
	if got := r.fake.pops[0]; got != want {
		t.Errorf("the broker was asked %+v, want %+v", got, want)
	}
	b := popBatch(mq.Receipt{Retry: mq.RetryV1})
	r.fake.answers(b)
	resp := r.good(wire.PeekMessage, h, "")
	if string(resp.Body) != string(b.Messages[0].Record) || field(resp, "startOffsetInfo") != "" || field(resp, "restNum") != "9" {
		t.Errorf("the answer is %v with %q", resp.Fields, resp.Body)
	}
	h.MaxMsgNums = 0
	r.want(wire.CodeInvalidParameter, r.call(wire.PeekMessage, h, ""))
}

func TestNotificationSaysWhetherThereIsSomething(t *testing.T) {
	r := newRig(t)
	for status, want := range map[mq.PopStatus]string{mq.PopFound: "true ", mq.PopNothing: "false ", mq.PopFull: "false true"} {
		r.fake.notice = status
		h := &wire.NotificationRequest{ConsumerGroup: "G", Topic: "T", QueueID: -1, PollTime: 5000, Order: true, AttemptID: "try", Exp: "a"}
		resp := r.good(wire.Notification, h, "")
		if got := field(resp, "hasMsg") + " " + field(resp, "pollingFull"); got != want {
			t.Errorf("status %d answers %q, want %q", status, got, want)
		}
	}
	if p := r.fake.pops[0]; !p.Ordered || p.AttemptID != "try" || p.Filter == nil || p.Wait < 4*time.Second {
		t.Errorf("the broker was asked %+v", p)
	}
}

func TestPollingInfoCountsWhatWaits(t *testing.T) {
	r := newRig(t)
	r.fake.topics["T"] = mq.Topic{Name: "T", ReadQueues: 4, Perm: mq.PermRead}
	r.fake.topics["Closed"] = mq.Topic{Name: "Closed", ReadQueues: 4, Perm: mq.PermWrite}
	r.fake.groups["off"] = mq.Group{Name: "off"}
	if got := field(r.good(wire.PollingInfo, &wire.PollingInfoRequest{ConsumerGroup: "G", Topic: "T", QueueID: 3}, ""), "pollingNum"); got != "10" {
		t.Errorf("%s wait, want 10", got)
	}
	for want, h := range map[wire.Code]wire.PollingInfoRequest{
		wire.CodeTopicNotExist:    {ConsumerGroup: "G", Topic: "None"},
		wire.CodeNoPermission:     {ConsumerGroup: "G", Topic: "Closed"},
		wire.CodeInvalidParameter: {ConsumerGroup: "G", Topic: "T", QueueID: 4},
	} {
		r.want(want, r.call(wire.PollingInfo, &h, ""))
	}
	r.want(wire.CodeNoPermission, r.call(wire.PollingInfo, &wire.PollingInfoRequest{ConsumerGroup: "off", Topic: "T"}, ""))
}

func TestPopRollbackSaysThatThereIsNothingToMove(t *testing.T) {
	r := newRig(t)
	if resp := r.good(wire.PopRollback, nil, ""); !strings.Contains(resp.Remark, "nothing to move") {
		t.Errorf("the remark is %q", resp.Remark)
	}
}

func TestAssignmentNamesTheQueuesAndHowToConsumeThem(t *testing.T) {
	r := newRig(t)
	body := `{"clientId":"c","consumerGroup":"G","messageModel":"CLUSTERING","strategyName":"AVG","topic":"T"}`
	resp := r.good(wire.QueryAssignment, nil, body)
	want := `{"messageQueueAssignments":[{"messageQueue":{"brokerName":"broker-b","queueId":-1,"topic":"T"},"mode":"POP"}]}`
	if string(resp.Body) != want {
		t.Errorf("the body is %s, want %s", resp.Body, want)
	}
	r.fake.err = mq.ErrTopicNotFound
	if resp := r.good(wire.QueryAssignment, nil, body); string(resp.Body) != "{}" {
		t.Errorf("without a topic the body is %s", resp.Body)
	}
	r.fake.err = mq.ErrInvalid
	r.want(wire.CodeInvalidParameter, r.call(wire.QueryAssignment, nil, body))
	r.want(wire.CodeInvalidParameter, r.call(wire.QueryAssignment, nil, "{}"))
}

func TestRequestModesAreSetAndListed(t *testing.T) {
	r := newRig(t)
	r.good(wire.SetMessageRequestMode, nil, `{"topic":"T","consumerGroup":"G","mode":"POP","popShareQueueNum":3}`)
	if got := r.fake.byHand[0]; got != "mode {Topic:T Group:G Mode:POP ShareQueues:3}" {
		t.Errorf("the broker did %s", got)
	}
	r.want(wire.CodeNoPermission, r.call(wire.SetMessageRequestMode, nil, `{"topic":"%RETRY%G","consumerGroup":"G","mode":"POP"}`))
	r.want(wire.CodeInvalidParameter, r.call(wire.SetMessageRequestMode, nil, `{"topic":"T","consumerGroup":"G","mode":"PUSH"}`))
	resp := r.good(wire.GetAllMessageRequestMode, nil, "")
	want := `{"messageRequestModeMap":{"T":{"G":{"consumerGroup":"G","mode":"POP","popShareQueueNum":3,"topic":"T"},"H":{"consumerGroup":"H","mode":"PULL","popShareQueueNum":0,"topic":"T"}}}}`
	if string(resp.Body) != want {
		t.Errorf("the body is %s, want %s", resp.Body, want)
	}
}
