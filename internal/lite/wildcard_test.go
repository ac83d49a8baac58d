package lite

import (
	"fmt"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

// all is a registry in which a client of G wants all lite topics of P, all of
// which were looked through.
func all(t *testing.T) (*Registry[int], Member) {
	t.Helper()
	r, m := NewRegistry[int](), Member{"G", "a"}
	if err := r.All(m, nil, "P", 1, Limits{All: 2}); err != nil {
		t.Fatal(err)
	}
	look, ok := r.Look()
	if !ok || look.Group != "G" || look.Parent != "P" || look.From != nil {
		t.Fatalf("the first look is %+v, %v", look, ok)
	}
	r.Looked(look, nil, nil)
	return r, m
}

func TestAMessageWakesOneOfThoseWhoWantEverything(t *testing.T) {
	r, a := all(t)
	b := Member{"G", "b"}
	if err := r.All(b, nil, "P", 1, Limits{}); err != nil {
		t.Fatal(err)
	}
	if r.Looks(b) {
		t.Error("another client of the group has everything looked through again")
	}
	r.Wait(a, 1, 10)
	r.Wait(b, 2, 10)
	if woken := r.Appended(mq.LiteQueue("Q", "x")); len(woken) != 0 {
		t.Errorf("another parent's message woke %v", woken)
	}
	first := r.Appended(mq.LiteQueue("P", "x"))
	second := r.Appended(mq.LiteQueue("P", "y"))
	if len(first) != 1 || len(second) != 1 || first[0] == second[0] {
		t.Errorf("woken were %v and %v", first, second)
	}
	if name, ok := r.Next(a); !ok || name != mq.LiteQueue("P", "x") {
		t.Errorf("a finds %q", name)
	}
	if name, ok := r.Next(b); !ok || name != mq.LiteQueue("P", "y") {
		t.Errorf("b finds %q", name)
	}
}

func TestWhatAWildcardGroupHasInHandHasAnAlarmAndTakesNoRoomAfterIt(t *testing.T) {
	r, a := all(t)
	x := mq.LiteQueue("P", "x")
	r.Hold(x, "G", 100, 3)
	if r.InHand() != 3 {
		t.Errorf("%d in hand", r.InHand())
	}
	r.Wait(a, 1, 10)
	if woken, next := r.Due(99); len(woken) != 0 || next != 100 {
		t.Errorf("before its time: %v, next %d", woken, next)
	}
	if woken, _ := r.Due(100); len(woken) != 1 {
		t.Errorf("at its time: %v", woken)
	}
	if r.InHand() != 0 || len(r.queues) != 0 {
		t.Errorf("%d in hand, %d queues are kept", r.InHand(), len(r.queues))
	}
	r.Hold(x, "G", 100, 1)
	r.Free(x, "G", false)
	if len(r.queues) != 0 || len(r.alarms) != 0 {
		t.Error("something is kept of what was acknowledged")
	}
}

func TestWhatHadNoRoomIsLookedForLater(t *testing.T) {
	r, a := all(t)
	for i := range maxUnread + 10 {
		r.Appended(mq.LiteQueue("P", fmt.Sprint(i)))
	}
	found := 0
	for ; ; found++ {
		if _, ok := r.Next(a); !ok {
			break
		}
		if found < maxUnread/2-1 && r.Looks(a) {
			t.Fatalf("looked for more with %d of them there", maxUnread-found)
		}
	}
	look, ok := r.Look()
	if found != maxUnread || !ok {
		t.Fatalf("found %d, another look: %v", found, ok)
	}
	r.Looked(look, []string{mq.LiteQueue("P", "late")}, []byte("next"))
	if name, _ := r.Next(a); name != mq.LiteQueue("P", "late") {
		t.Errorf("found %q", name)
	}
	if look, ok = r.Look(); !ok || string(look.From) != "next" {
		t.Errorf("goes on at %q, %v", look.From, ok)
	}
}

func TestAClientWantsEverythingOrSomeAndCountsOnce(t *testing.T) {
	r, a := all(t)
	if _, err := r.Set(a, nil, []string{mq.LiteQueue("P", "x")}, 0, false, 2, Limits{}); err != nil || len(r.crowds) != 0 || r.Subscriptions() != 1 {
		t.Errorf("some: %v, %d crowds, %d subscriptions", err, len(r.crowds), r.Subscriptions())
	}
	if err := r.All(a, nil, "P", 3, Limits{}); err != nil || len(r.queues) != 0 || r.Subscriptions() != 1 {
		t.Errorf("everything: %v, %d queues, %d subscriptions", err, len(r.queues), r.Subscriptions())
	}
	if gone := r.Expire(4); len(gone) != 1 || len(r.crowds) != 0 || r.Subscriptions() != 0 {
		t.Errorf("gone: %v, %d crowds, %d subscriptions", gone, len(r.crowds), r.Subscriptions())
	}
}
