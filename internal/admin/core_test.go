package admin

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// at is a moment some seconds into a test.
func at(seconds int) time.Time { return time.Unix(int64(seconds), 0) }

func TestALedgerKeepsEachLetterForTheRunThatClaimedItFirst(t *testing.T) {
	var l ledger
	l.apply(&entry{Run: "a", To: "x", Claim: []span{{0, 3}}}, at(0))
	l.apply(&entry{Run: "b", To: "x", Claim: []span{{2, 5}}}, at(1))
	for off, owner := range []string{"a", "a", "a", "b", "b"} {
		if _, ok := l.held(int64(off), owner); !ok {
			t.Errorf("letter %d is not %s's", off, owner)
		}
	}
	l.apply(&entry{Run: "a", Sent: []span{{0, 2}}, Free: []span{{2, 3}}}, at(2))
	// What is not one's own cannot be freed.
	l.apply(&entry{Run: "a", Free: []span{{3, 4}}}, at(2))
	want := []string{StateSent, StateSent, StateWaiting, StateClaimed, StateClaimed, StateWaiting}
	for off, state := range want {
		if got := l.state(int64(off)); got != state {
			t.Errorf("letter %d is %s, want %s", off, got, state)
		}
	}
	// A claim on what was sent comes to nothing.
	l.apply(&entry{Run: "c", Claim: []span{{0, 3}}}, at(3))
	if _, ok := l.held(1, "c"); ok {
		t.Error("a letter that was sent is claimed")
	}
	if _, ok := l.held(2, "c"); !ok {
		t.Error("a letter that was freed is not claimed")
	}
}

func TestAClaimOfARunThatSaysNoMorePassesOnInDoubt(t *testing.T) {
	var l ledger
	l.apply(&entry{Run: "a", To: "first", Claim: []span{{7, 8}}}, at(0))
	l.apply(&entry{Run: "b", To: "second", Claim: []span{{7, 8}}}, at(59))
	if _, ok := l.held(7, "b"); ok {
		t.Fatal("a claim passed on while its run may still be at it")
	}
	if l.free(7, at(59)) || !l.free(7, at(60)) {
		t.Fatal("want a claim to be free after a minute, and not before")
	}
	l.apply(&entry{Run: "b", To: "second", Claim: []span{{7, 8}}}, at(60))
	l.apply(&entry{Run: "c", To: "third", Claim: []span{{7, 8}}}, at(120))
	c, ok := l.held(7, "c")
	if !ok || c.doubt == nil || c.doubt.to != "second" || c.doubt.doubt == nil || c.doubt.doubt.to != "first" {
		t.Fatalf("got %+v, want c to know where b and a may have sent it", c)
	}
	// The run that was thought dead may speak after all.
	l.apply(&entry{Run: "a", Sent: []span{{7, 8}}}, at(121))
	if got := l.state(7); got != StateSent {
		t.Fatalf("letter is %s", got)
	}
}

func TestPurgedLettersAreLeftAlone(t *testing.T) {
	var l ledger
	l.apply(&entry{Gone: []span{{0, 1000}}}, at(0))
	l.apply(&entry{Run: "a", Claim: []span{{0, 1}, {1000, 1001}}}, at(1))
	if l.free(999, at(100)) || l.state(999) != StatePurged || l.state(0) != StatePurged || l.state(1000) != StateClaimed {
		t.Fatal("purged letters may be sent")
	}
}

func TestEntriesThatAreNoneOfOursAreRefused(t *testing.T) {
	for _, spans := range [][]span{{{-1, 2}}, {{5, 4}}, {{0, maxSpan + 1}}} {
		for _, e := range []entry{{Claim: spans}, {Sent: spans}, {Gone: spans}, {Free: spans}} {
			if e.good() {
				t.Errorf("%+v passes", e)
			}
		}
	}
	if !(&entry{Claim: []span{{0, 1}}, Sent: []span{{4, 4}}}).good() {
		t.Error("a good entry is refused")
	}
}

// A set of offsets holds what was added, in as few spans as there can be.
func TestOffsetsAreASet(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for range 300 {
		var o offsets
		want := map[int64]bool{}
		for range 12 {
			from := r.Int64N(40)
			s := span{from, from + r.Int64N(5)}
			o.add(s)
			for off := s[0]; off < s[1]; off++ {
				want[off] = true
			}
		}
		for off := range int64(50) {
			if o.has(off) != want[off] {
				t.Fatalf("%v: has(%d) = %v", o, off, o.has(off))
			}
		}
		for i := 1; i < len(o); i++ {
			if o[i][0] <= o[i-1][1] {
				t.Fatalf("%v: spans touch or are out of order", o)
			}
		}
	}
}

func TestSpansJoinNeighbours(t *testing.T) {
	if got, want := spans([]int64{1, 2, 3, 7, 9, 10}), []span{{1, 4}, {7, 8}, {9, 11}}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestAFilterChoosesByEverythingItNames(t *testing.T) {
	var props []byte
	for _, kv := range [][2]string{{"TAGS", "paid"}, {"KEYS", "k1 k2"}, {"UNIQ_KEY", "U"}, {"RETRY_TOPIC", "orders"}, {"n", "7"}} {
		props = mq.AppendProperty(props, kv[0], kv[1])
	}
	r := mq.Record{Topic: []byte("%DLQ%g"), Body: []byte("some body"), Properties: props, StoreTime: at(100).UnixMilli(), StoreHost: anyHost}
	l := newDeadLetter(Broker{Name: "b"}, "g", r, StateWaiting)
	for _, tt := range []struct {
		f    DeadLetterFilter
		want bool
	}{
		{DeadLetterFilter{}, true},
		{DeadLetterFilter{Tag: "paid", Key: "k2", Expression: "n > 6", Origin: "orders", Text: "body", From: at(100), To: at(100), ID: l.ID}, true},
		{DeadLetterFilter{Key: "U"}, true},
		{DeadLetterFilter{Tag: "pai"}, false},
		{DeadLetterFilter{Key: "k"}, false},
		{DeadLetterFilter{Expression: "n > 7"}, false},
		{DeadLetterFilter{Origin: "%DLQ%g"}, false},
		{DeadLetterFilter{Text: "nobody"}, false},
		{DeadLetterFilter{From: at(101)}, false},
		{DeadLetterFilter{To: at(99)}, false},
		{DeadLetterFilter{ID: "X"}, false},
	} {
		c, err := tt.f.chooser()
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.wants(l, unpack); got != tt.want || err != nil {
			t.Errorf("%+v: %v, %v", tt.f, got, err)
		}
	}
	l.State = StateSent
	for handled, want := range map[bool]bool{false: false, true: true} {
		c, _ := DeadLetterFilter{Handled: handled}.chooser()
		if got, _ := c.wants(l, unpack); got != want {
			t.Errorf("a letter that was sent again is chosen: %v, want %v", got, want)
		}
	}
}

func TestADeadLetterGoesToTheRetryTopicOfTheGroupThatFailed(t *testing.T) {
	for _, tt := range []struct {
		retry, popped, to, want, origin string
	}{
		{"orders", "", ToRetry, "%RETRY%g", "orders"},
		{"orders", "", ToOrigin, "orders", "orders"},
		{"orders", "", "other", "other", "orders"},
		{"orders", "1", ToRetry, "%RETRY%g_orders", "orders"},
		{"%RETRY%g_orders", "", ToRetry, "%RETRY%g_orders", "orders"},
		{"%RETRY%g+orders", "", ToRetry, "%RETRY%g+orders", "orders"},
		{"%RETRY%g+orders", "", ToOrigin, "orders", "orders"},
		{"%RETRY%g", "", ToRetry, "%RETRY%g", "%RETRY%g"},
	} {
		props := mq.AppendProperty(nil, mq.PropRetryTopic, tt.retry)
		props = mq.AppendProperty(props, mq.PropFirstPopTime, tt.popped)
		l := newDeadLetter(Broker{}, "g", mq.Record{Topic: []byte("%DLQ%g"), Properties: props, StoreHost: anyHost}, StateWaiting)
		if got := Destination(l, tt.to); got != tt.want || l.Origin != tt.origin {
			t.Errorf("%+v: goes to %s, is of %s", tt, got, l.Origin)
		}
	}
}

func TestAMessageSentAgainSaysWhereItComesFromAndIsNotDelayedAgain(t *testing.T) {
	var props []byte
	for _, kv := range [][2]string{
		{"RETRY_TOPIC", "orders"}, {"ORIGIN_MESSAGE_ID", "FIRST"}, {"DELAY", "3"}, {"REAL_TOPIC", "%RETRY%g"}, {"REAL_QID", "0"},
		{"WAIT", "false"}, {"colour", "green"}, {"UNIQ_KEY", "U"}, {"TAGS", "t"}, {"KEYS", "k"}, {"CLUSTER", "c"},
	} {
		props = mq.AppendProperty(props, kv[0], kv[1])
	}
	r := mq.Record{
		Topic: []byte("%DLQ%g"), Properties: props, ReconsumeTimes: 3, SysFlag: mq.FlagCommitted | mq.FlagCompressed | mq.FlagStoreHostV6,
		Flag: 5, BornTime: 77, Body: []byte("x"), StoreHost: anyHost,
	}
	l := newDeadLetter(Broker{}, "g", r, StateWaiting)
	m := Revive(l, Destination(l, ToRetry))
	if m.ReconsumeTimes != 0 || m.Flag != 5 || m.BornTime != 77 || m.SysFlag != mq.FlagCompressed || m.QueueID != -1 {
		t.Errorf("got %+v", m)
	}
	want := map[string]string{
		"RETRY_TOPIC": "orders", "ORIGIN_MESSAGE_ID": "FIRST", "colour": "green", "UNIQ_KEY": "U", "TAGS": "t", "KEYS": "k",
		"DLQ_ORIGIN_TOPIC": "orders", "DLQ_ORIGIN_MESSAGE_ID": "FIRST", "GODDARD_REDRIVEN_FROM": l.ID, "GODDARD_REDRIVEN_TIMES": "1",
	}
	if got := mq.PropertyMap(m.Properties); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got  %v\nwant %v", got, want)
	}

	// It dies again, and goes to its topic this time: for that it is new.
	r.Properties = m.Properties
	m = Revive(newDeadLetter(Broker{}, "g", r, StateWaiting), "orders")
	got := mq.PropertyMap(m.Properties)
	if got["GODDARD_REDRIVEN_TIMES"] != "2" || got["DLQ_ORIGIN_MESSAGE_ID"] != "FIRST" || got["RETRY_TOPIC"] != "" || got["ORIGIN_MESSAGE_ID"] != "" {
		t.Errorf("the second time: %v", got)
	}
}
