package remoting

import (
	"fmt"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

func TestRecallAnswersWithTheMessagesID(t *testing.T) {
	r := newRig(t)
	h := &wire.RecallMessageRequest{ProducerGroup: "P", Topic: "T", RecallHandle: "handle"}
	if got := field(r.good(wire.RecallMessage, h, ""), "msgId"); got != "T handle" {
		t.Errorf("msgId is %q", got)
	}
	for err, want := range map[error]wire.Code{
		mq.ErrInvalid: wire.CodeIllegalOperation, mq.ErrNotFound: wire.CodeIllegalOperation,
		mq.ErrDenied: wire.CodeNoPermission, mq.ErrTopicNotFound: wire.CodeTopicNotExist,
	} {
		r.fake.err = fmt.Errorf("%w: so", err)
		r.want(want, r.call(wire.RecallMessage, h, ""))
	}
}

func TestTheAnswerToADelayedMessageHasItsHandle(t *testing.T) {
	r := newRig(t)
	for topic, want := range map[string]string{"T": "", "Later": "handle"} {
		if got := field(r.send(sendV2(topic, "x")), "recallHandle"); got != want {
			t.Errorf("%s: recallHandle is %q, want %q", topic, got, want)
		}
	}
}

func TestDelayedMessagesAreListed(t *testing.T) {
	r := newRig(t)
	resp := r.good(wire.GoddardListDelayed, &wire.GoddardListDelayedRequest{Topic: "T", BeginTime: 5, EndTime: 6, MaxNum: 7}, "")
	want := `{"messages":[{"dueMs":5,"handle":"h","keys":"","pos":0,"queueId":0,"size":7,"storedMs":6,"tags":"","topic":"T","uniqKey":"k"}]}`
	if string(resp.Body) != want {
		t.Errorf("answer is %s, want %s", resp.Body, want)
	}
}
