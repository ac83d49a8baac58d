package grpc

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// A step is something that happens to renewals at a time, in seconds, and what
// is to be seen of it.
type step struct {
	at   int64
	do   string // "receive h", "fail h", "gone h", "take h", "leave client"
	want string
}

// renewalScript plays steps for messages that are hidden for a minute at first.
// A step without something to do asks what is due; each renewal that is ordered
// is carried out at once, unless failing names it.
func renewalScript(t *testing.T, steps []step) {
	t.Helper()
	r := newRenewals(100)
	failing := map[string]bool{}
	key := func(h string) renewalKey { return renewalKey{h[:1], "G", h} }
	for i, s := range steps {
		now := s.at * 1000
		verb, what, _ := strings.Cut(s.do, " ")
		got := ""
		switch verb {
		case "receive":
			r.add(key(what), mq.Ack{Receipt: mq.Receipt{PopTime: now, Invisible: 60000}})
		case "failing":
			failing[what] = !failing[what]
		case "take":
			was, ok, busy := r.take(key(what))
			got = fmt.Sprintf("%v until %d, busy %v", ok, was.ack.Receipt.Due()/1000, busy)
		case "leave":
			got = fmt.Sprint(len(r.takeClient(what)))
		case "":
			got = due(r, now, failing)
		}
		if got != s.want {
			t.Fatalf("step %d, at %ds, %q: got %q, want %q", i, s.at, s.do, got, s.want)
		}
	}
}

// due carries out what is due and says what that was.
func due(r *renewals, now int64, failing map[string]bool) string {
	var all []string
	for _, o := range r.due(now) {
		switch {
		case o.giveUp:
			all = append(all, o.key.handle+" given up")
			continue
		case !r.begin(o.key):
			all = append(all, o.key.handle+" not wanted")
			continue
		case failing[o.key.handle]:
			r.notRenewed(o.key, false)
			all = append(all, o.key.handle+" failed")
			continue
		}
		next := o.ack.Receipt
		next.PopTime, next.Invisible = now, o.extend.Milliseconds()
		r.renewed(o.key, next)
		all = append(all, fmt.Sprintf("%s for %v", o.key.handle, o.extend))
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func TestAMessageIsRenewedTenSecondsBeforeItsTimeIsUpForLongerEachTime(t *testing.T) {
	renewalScript(t, []step{
		{0, "receive a1", ""},
		{50, "", ""},
		{51, "", "a1 for 1m0s"},
		{100, "", ""},
		{102, "", "a1 for 3m0s"},
		{273, "", "a1 for 5m0s"},
		{564, "", "a1 for 10m0s"},
		{1155, "", "a1 for 30m0s"},
		{2946, "", "a1 for 1h0m0s"},
		{6537, "", "a1 for 1h0m0s"},
		{6540, "take a1", "true until 10137, busy false"},
		{10128, "", ""},
	})
}

func TestAMessageIsGivenUpThreeHoursAfterItWasReceived(t *testing.T) {
	renewalScript(t, []step{
		{0, "receive a1", ""},
		{51, "", "a1 for 1m0s"}, {102, "", "a1 for 3m0s"}, {273, "", "a1 for 5m0s"}, {564, "", "a1 for 10m0s"},
		{1155, "", "a1 for 30m0s"}, {2946, "", "a1 for 1h0m0s"}, {6537, "", "a1 for 1h0m0s"},
		{10130, "", "a1 for 1h0m0s"},
		{13721, "", "a1 given up"},
		{13722, "take a1", "false until 0, busy false"},
	})
}

func TestAMessageIsGivenUpAfterThreeTriesThatFailed(t *testing.T) {
	renewalScript(t, []step{
		{0, "receive a1", ""},
		{0, "failing a1", ""},
		{51, "", "a1 failed"},
		{52, "", "a1 failed"},
		{53, "failing a1", ""},
		{53, "", "a1 for 1m0s"}, // which counts anew
		{53, "failing a1", ""},
		{104, "", "a1 failed"}, {105, "", "a1 failed"}, {106, "", "a1 failed"},
		{107, "", "a1 given up"},
	})
}

func TestWhatAClientThatLeftHadIsNotRenewed(t *testing.T) {
	renewalScript(t, []step{
		{0, "receive a1", ""}, {0, "receive a2", ""}, {0, "receive b1", ""},
		{10, "leave a", "2"},
		{51, "", "b1 for 1m0s"},
	})
}

func TestARenewalThatIsUnderWayCannotBeTaken(t *testing.T) {
	r := newRenewals(1)
	key := renewalKey{"a", "G", "h"}
	r.add(key, mq.Ack{Receipt: mq.Receipt{PopTime: 0, Invisible: 60000}})
	if !r.full() || len(r.due(55000)) != 1 || !r.begin(key) || r.begin(key) || len(r.due(56000)) != 0 {
		t.Error("it is ordered once, and there is no room for others")
	}
	if _, ok, busy := r.take(key); ok || !busy {
		t.Error("it was taken while it was under way")
	}
	r.notRenewed(key, true)
	if _, ok, busy := r.take(key); ok || busy || r.full() {
		t.Error("what is not in hand any more is renewed on")
	}
}

func TestAnAcknowledgementUsesTheLatestReceipt(t *testing.T) {
	rig := newRig(t)
	now := time.Now()
	old := inHand(5 * time.Second)
	key := renewalKey{"c", "G", old.String()}
	rig.talk("c", consumer("G", 2, "T"))
	rig.server.renewing.add(key, mq.Ack{Group: "G", Topic: "T", Receipt: old.Receipt})
	rig.server.renew(rig.ctx("c"), now)
	if c := rig.fake.changed; len(c) != 1 || c[0].d != time.Minute {
		t.Fatalf("renewed %+v", c)
	}
	was, ok := rig.server.renewing.take(key)
	latest := was.ack.Receipt
	if !ok || latest.Invisible != 60000 {
		t.Errorf("latest %+v", latest)
	}
}

func TestAMessageWhoseAcknowledgementFailsIsRenewedOn(t *testing.T) {
	rig := newRig(t)
	h := inHand(5 * time.Second)
	key := renewalKey{"c", "G", h.String()}
	rig.talk("c", consumer("G", 2, "T"))
	rig.server.renewing.add(key, mq.Ack{Group: "G", Topic: "T", Receipt: h.Receipt})
	ack := func(fails error) *rmq.Status {
		rig.fake.look(func() { rig.fake.err = fails })
		resp, err := rig.AckMessage(rig.ctx("c"), &rmq.AckMessageRequest{
			Topic: res("T"), Group: res("G"), Entries: []*rmq.AckMessageEntry{{ReceiptHandle: h.String()}},
		})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Entries[0].Status
	}
	if s := ack(mq.ErrBusy); s.Code == rmq.Code_OK || !rig.server.renewing.has(key) {
		t.Errorf("the broker is busy: %v, and the message is not renewed", s)
	}
	if s := ack(mq.ErrNotFound); s.Code != rmq.Code_INVALID_RECEIPT_HANDLE || rig.server.renewing.has(key) {
		t.Errorf("nothing is in hand: %v, and it is renewed", s)
	}
	rig.server.renewing.add(key, mq.Ack{Group: "G", Topic: "T", Receipt: h.Receipt})
	if s := ack(nil); s.Code != rmq.Code_OK || rig.server.renewing.has(key) {
		t.Errorf("acknowledged: %v, and it is renewed", s)
	}
}

// has reports whether a message is renewed.
func (r *renewing) has(key renewalKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.core.all[key] != nil
}

func TestAnAcknowledgementDoesNotWaitForTheRenewalOfOthers(t *testing.T) {
	rig := newRig(t)
	rig.talk("c", consumer("G", 2, "T"))
	keys := map[mq.QueueOffset]renewalKey{}
	for i := range mq.QueueOffset(2) {
		h := inHand(5 * time.Second)
		h.Offset = i
		keys[i] = renewalKey{"c", "G", h.String()}
		rig.server.renewing.add(keys[i], mq.Ack{Group: "G", Topic: "T", Receipt: h.Receipt})
	}
	begun, goOn, done := make(chan mq.QueueOffset), make(chan bool), make(chan bool)
	rig.fake.changing = func(a mq.Ack) { begun <- a.Receipt.Offset; <-goOn }
	go func() {
		rig.server.renew(rig.ctx("c"), time.Now())
		close(done)
	}()
	first := <-begun
	if _, ok := rig.server.renewing.take(keys[1-first]); !ok { // waits without end if it is held up
		t.Error("the other is not renewed")
	}
	close(goOn)
	<-done
	rig.fake.changing = nil
	if n := len(rig.fake.changed); n != 1 {
		t.Errorf("%d were renewed, want what is still in hand", n)
	}
}

func TestFiltersCanBeCompared(t *testing.T) {
	for kind, text := range map[rmq.FilterType]string{rmq.FilterType_TAG: "a || b", rmq.FilterType_SQL: "a = 'b'"} {
		w, err := newFilters(false).of(&rmq.FilterExpression{Type: kind, Expression: text})
		if err != nil || !reflect.TypeOf(w.filter).Comparable() {
			t.Errorf("%s: %T, %v", text, w.filter, err)
		}
	}
}
