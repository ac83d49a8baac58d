package remoting

import (
	"slices"
	"testing"

	"github.com/goddardmq/goddard/internal/wire"
)

func TestOperatorsListParkAndReleaseMessageGroups(t *testing.T) {
	r := newRig(t)
	resp := r.good(wire.GoddardListMessageGroups, &wire.GoddardListMessageGroupsRequest{ConsumerGroup: "G", Topic: "T"}, "")
	var list wire.MessageGroupList
	if err := wire.DecodeBody(resp.Body, &list); err != nil {
		t.Fatal(err)
	}
	want := wire.MessageGroup{MessageGroup: "k", QueueID: 1, State: "BLOCKED", Since: 4000, Tries: 3, Offset: 9, InHand: true, Waiting: 7}
	if len(list.MessageGroups) != 1 || list.MessageGroups[0] != want {
		t.Errorf("listed %+v", list)
	}
	h := wire.GoddardSettleMessageGroupRequest{ConsumerGroup: "G", Topic: "T", MessageGroup: "k"}
	for _, h.Action = range []string{"PARK", "RELEASE", "BURY"} {
		resp = r.good(wire.GoddardSettleMessageGroup, &h, "")
	}
	var answer wire.GoddardSettleMessageGroupResponse
	if err := answer.DecodeFields(resp.Fields); err != nil || answer.Moved != 5 {
		t.Errorf("moved %d, %v", answer.Moved, err)
	}
	h.Action = "FORGET"
	r.want(wire.CodeInvalidParameter, r.call(wire.GoddardSettleMessageGroup, &h, ""))
	if got := []string{"groups G T", "park G T k", "release G T k", "bury G T k"}; !slices.Equal(r.fake.byHand, got) {
		t.Errorf("did %q, want %q", r.fake.byHand, got)
	}
}

func TestAToolLearnsUntilWhenAMessageIsInHand(t *testing.T) {
	r := newRig(t)
	resp := r.good(wire.GoddardFindPopped, &wire.GoddardFindPoppedRequest{ConsumerGroup: "G", Topic: "T", QueueID: 1, Offset: 7}, "")
	var h wire.GoddardFindPoppedResponse
	if err := h.DecodeFields(resp.Fields); err != nil || h != (wire.GoddardFindPoppedResponse{PopTime: 1000, InvisibleUntil: 61000, Tries: 2}) {
		t.Errorf("got %+v, %v", h, err)
	}
	r.want(wire.CodeQueryNotFound, r.call(wire.GoddardFindPopped, &wire.GoddardFindPoppedRequest{ConsumerGroup: "G", Topic: "T", Offset: 8}, ""))
}
