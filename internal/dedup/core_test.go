package dedup

import (
	"fmt"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

// A tableTest is a table and how its decisions read.
type tableTest struct {
	table
	void mq.LogPos
	room bool
}

func (t *tableTest) claimed(key string) string {
	v, at := t.claim([]byte(key), t.void, t.room, func(mq.SendResult, error) {})
	if v == verdictKnown {
		return fmt.Sprint("known at ", at)
	}
	return [...]string{verdictStore: "store", verdictWait: "wait", verdictFull: "full"}[v]
}

func newTableTest() *tableTest {
	return &tableTest{table: table{window: 1000}, void: none, room: true}
}

func want(t *testing.T, what, got, want string) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %q, want %q", what, got, want)
	}
}

func TestTheFirstOfAKeyIsStoredAndOthersAreNot(t *testing.T) {
	x := newTableTest()
	want(t, "the first", x.claimed("k"), "store")
	want(t, "one beside it", x.claimed("k"), "wait")
	want(t, "another key", x.claimed("l"), "store")
	x.enter(hash([]byte("k")), 7, 10)
	if n := len(x.settle("k")); n != 1 {
		t.Errorf("%d wait, want 1", n)
	}
	want(t, "a later one", x.claimed("k"), "known at 7")
	x.settle("l")
	want(t, "one whose first failed", x.claimed("l"), "store")
}

func TestAPlaceThatHoldsAnotherMessageIsForgotten(t *testing.T) {
	x := newTableTest()
	x.enter(hash([]byte("k")), 7, 10)
	x.void = 7
	want(t, "a key", x.claimed("k"), "store")
	if x.count != 0 {
		t.Errorf("%d keys are left", x.count)
	}
}

func TestAFullTableKnowsWhatItKnew(t *testing.T) {
	x := newTableTest()
	x.enter(hash([]byte("k")), 7, 10)
	x.room = false
	want(t, "an old key", x.claimed("k"), "known at 7")
	want(t, "a new key", x.claimed("l"), "full")
}

func TestKeysAreForgottenPartByPartAndNeverTooEarly(t *testing.T) {
	x := newTableTest()
	for at := range int64(3000) {
		x.enter(uint64(at), mq.LogPos(at), at)
		x.expire(at)
		if _, ok := x.find(uint64(max(0, at-999))); !ok {
			t.Fatalf("at %d the key of %d is forgotten", at, at-999)
		}
		if _, ok := x.find(uint64(at - 1251)); at > 1251 && ok {
			t.Fatalf("at %d the key of %d is still there", at, at-1251)
		}
	}
	x.expire(4000)
	if x.count != 0 || len(x.parts) != 0 {
		t.Errorf("%d keys and %d parts are left", x.count, len(x.parts))
	}
}

func TestAMessageStoredAgainOnItsWayStaysWhereItWasFirst(t *testing.T) {
	x := newTableTest()
	if !x.enter(5, 100, 0) || x.enter(5, 200, 900) {
		t.Error("the second counts as new")
	}
	if at, _ := x.find(5); at != 100 {
		t.Errorf("it lies at %d, want 100", at)
	}
	x.put(5, 300, 900) // as rows are read
	if at, _ := x.find(5); at != 300 {
		t.Errorf("it lies at %d, want 300", at)
	}
}

func TestTheWindowMayChangeWhileKeysAreThere(t *testing.T) {
	x := newTableTest()
	x.enter(1, 1, 0)
	x.window = 5000
	x.expire(4999)
	if _, ok := x.find(1); !ok {
		t.Error("the longer window does not count")
	}
	x.window = 10
	x.expire(5000)
	if _, ok := x.find(1); ok {
		t.Error("the shorter window does not count")
	}
}
