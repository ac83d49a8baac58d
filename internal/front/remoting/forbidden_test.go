package remoting

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

func TestATopicIsForbiddenToAGroup(t *testing.T) {
	r := newRig(t)
	h := &wire.UpdateAndGetGroupForbiddenRequest{Group: "G", Topic: "Locked"}
	if body := string(r.good(wire.UpdateAndGetGroupForbidden, h, "").Body); body != `{"group":"G","readable":false,"topic":"Locked"}` {
		t.Errorf("shown as %s", body)
	}
	if len(r.fake.byHand) != 0 {
		t.Errorf("asking has changed something: %v", r.fake.byHand)
	}
	for _, readable := range []bool{true, false} {
		h.Readable = wire.Some(readable)
		r.good(wire.UpdateAndGetGroupForbidden, h, "")
	}
	if want := []string{"forbid G Locked false", "forbid G Locked true"}; !slices.Equal(r.fake.byHand, want) {
		t.Errorf("did %v, want %v", r.fake.byHand, want)
	}
	r.good(wire.UpdateAndCreateSubscriptionGroup, nil, `{"groupName":"G"}`)
	if body := string(r.good(wire.GetAllSubscriptionGroupConfig, nil, "").Body); !strings.Contains(body, `"forbiddenTable":{"G":{"Locked":4}}`) {
		t.Errorf("the list of groups is %s", body)
	}
}

func TestADeniedPullSaysWhoDeniesIt(t *testing.T) {
	r := newRig(t)
	for by := mq.DeniedByBroker; by <= mq.DeniedBySubscription; by++ {
		r.fake.err = fmt.Errorf("outside: %w", &mq.PullDeniedError{By: by, Remark: "forbidden"})
		resp := r.call(wire.PullMessage, &wire.PullMessageRequest{ConsumerGroup: "G", Topic: "T", MaxMsgNums: 1, SysFlag: pullSubscribe, Subscription: "*"}, "")
		r.want(wire.CodeNoPermission, resp)
		if got := field(resp, "forbiddenType"); got != fmt.Sprint(int32(by)) {
			t.Errorf("denied by %d is told as %q", by, got)
		}
	}
	r.fake.err = mq.ErrTopicNotFound
	resp := r.call(wire.PullMessage, &wire.PullMessageRequest{ConsumerGroup: "G", Topic: "T", MaxMsgNums: 1, SysFlag: pullSubscribe, Subscription: "*"}, "")
	r.want(wire.CodeTopicNotExist, resp)
	if got := field(resp, "forbiddenType"); got != "" {
		t.Errorf("nobody denies, and it is told as %q", got)
	}
}

func TestCleaningByHandIsHandedOn(t *testing.T) {
	r := newRig(t)
	for _, code := range []wire.Code{wire.DeleteExpiredCommitLog, wire.CleanExpiredConsumeQueue, wire.CleanUnusedTopic} {
		r.good(code, nil, "")
	}
	if want := []string{"clean", "trim", "trim"}; !slices.Equal(r.fake.byHand, want) {
		t.Errorf("did %v, want %v", r.fake.byHand, want)
	}
	r.fake.err = mq.ErrClosed
	r.want(wire.CodeServiceNotAvailable, r.call(wire.DeleteExpiredCommitLog, nil, ""))
}
