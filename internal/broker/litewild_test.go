package broker

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

const everything = "lite.sub.wildcard"

func TestAWildcardGroupGetsAllLiteTopicsAlsoThoseToCome(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("-1", everything, "true")
		r.lite("old", "o1")
		r.wantErr(r.sync("a", nil, mq.LiteAdd, "old"), mq.ErrInvalid)
		r.wants("a", nil, mq.LiteSet)
		waiting := r.startLite(context.Background(), mq.LitePopRequest{ClientID: "a", Wait: time.Minute})
		first := <-waiting
		wantStrings(t, "what was there", first.bodies, "o1")
		waiting = r.startLite(context.Background(), mq.LitePopRequest{ClientID: "a", Wait: time.Minute})
		pass(time.Second)
		r.lite("old", "o2") // o1 is in hand
		pass(time.Second)
		r.lite("new", "n1")
		second := <-waiting
		if wantStrings(t, "what came", second.bodies, "n1"); second.after != 2*time.Second {
			t.Errorf("after %v", second.after)
		}
		r.acks(append(first.acks, second.acks...)...)
		last := r.takes("a", "o2")
		again := <-r.startLite(context.Background(), mq.LitePopRequest{ClientID: "a", Wait: time.Minute})
		if wantStrings(t, "not acknowledged", again.bodies, "o2"); again.after != 10*time.Second || again.Messages[0].Tries != 1 {
			t.Errorf("after %v, %d tries", again.after, again.Messages[0].Tries)
		}
		r.acks(last.acks...) // of the earlier pop: no use
		r.restart(Options{})
		r.wants("b", nil, mq.LiteSet)
		third := <-r.startLite(context.Background(), mq.LitePopRequest{ClientID: "b", Wait: time.Minute})
		wantStrings(t, "after a restart", third.bodies, "o2")
		r.acks(third.acks...)
		r.takes("b")
	})
}

func TestClientsOfAWildcardGroupShareAndOneThatIsGoneLeavesItsShare(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("-1", everything, "true")
		r.wants("a", nil, mq.LiteSet)
		r.wants("b", nil, mq.LiteSet)
		gone, leave := context.WithCancel(context.Background())
		lost := r.startLite(gone, mq.LitePopRequest{ClientID: "a", Wait: time.Minute})
		b := r.startLite(context.Background(), mq.LitePopRequest{ClientID: "b", Wait: time.Minute})
		pass(time.Second)
		leave()
		r.lite("x", "1")
		wantStrings(t, "b", (<-b).bodies, "1")
		select {
		case p := <-lost:
			t.Errorf("who is gone got %q", p.bodies)
		default:
		}
		r.wants("a", nil, mq.LiteClear)
		r.lite("y", "2")
		r.takes("b", "2")
		r.takes("a") // it wants nothing any more
	})
}

func TestDeletingAParentDeletesItsLiteTopicsAndNoOthers(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("-1")
		r.must(r.PutTopic(r.Context(), mq.Topic{Name: "P2", ReadQueues: 1, WriteQueues: 1, Perm: 6, Attributes: map[string]string{"+message.type": "LITE"}}))
		r.lite("x", "1")
		r.sent(message("P2", "other", mq.PropLiteTopic, "x"))
		r.wants("a", nil, mq.LiteSet, "x")
		r.takes("a", "1")
		r.must(r.DeleteTopic(r.Context(), "P"))
		if b := r.bodies(mq.LiteQueue("P", "x"), 0); len(b) != 0 {
			t.Errorf("the lite topic still holds %q", b)
		}
		wantStrings(t, "another's", r.bodies(mq.LiteQueue("P2", "x"), 0), "other")
		r.liteTopic("-1")
		r.lite("x", "2")
		r.wants("a", nil, mq.LiteSet, "x")
		r.takes("a", "2")
	})
}

func TestMaxPoppedCountsWhatIsInHandOfLiteTopics(t *testing.T) {
	bubble(t, Options{MaxPopped: 2}, func(t *testing.T, r *rig) {
		r.liteTopic("-1")
		r.lite("x", "1")
		r.lite("y", "2")
		r.lite("z", "3")
		r.wants("a", nil, mq.LiteSet, "x", "y", "z")
		two := <-r.startLite(context.Background(), mq.LitePopRequest{ClientID: "a", MaxMessages: 2})
		third := <-r.startLite(context.Background(), mq.LitePopRequest{ClientID: "a"})
		r.wantErr(third.err, mq.ErrBusy)
		r.acks(two.acks[0])
		pass(11 * time.Second) // the other is visible again, and in nobody's hand
		p := <-r.startLite(context.Background(), mq.LitePopRequest{ClientID: "a"})
		slices.Sort(p.bodies)
		if p.err != nil || len(p.bodies) != 2 {
			t.Errorf("got %q, %v", p.bodies, p.err)
		}
	})
}
