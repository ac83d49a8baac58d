package broker

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestOneWaitingPopOfEachGroupGetsAMessageAtMostOnce(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(2)
		q := mq.PopRequest{QueueID: -1, Wait: 20 * time.Second}
		other := q
		other.Group = "H"
		a, b, h := r.pops(q), r.pops(q), r.pops(other)
		pull := r.waits("H", "T", 0, 0, 0) // another member of H, which pulls
		synctest.Wait()
		if res := r.sent(atMostOnce("T", "x")); res.Offset != -1 || res.Pos != -1 {
			t.Errorf("the sender was answered %+v", res)
		}
		pass(time.Second)
		p := <-a // who waited longest
		wantStrings(t, "popped", p.bodies, "x")
		pulledBodies, _ := got(t, pull)
		if n := len(pulledBodies) + len(h); n != 1 {
			t.Errorf("%d members of H got the message", n)
		}
		if q := <-b; q.Status != mq.PopNothing {
			t.Errorf("another member got %q", q.bodies)
		}
		if n := r.holds.Total(); n != 0 {
			t.Errorf("%d in hand", n)
		}
		wantStrings(t, "stored", append(r.bodies("T", 0), r.bodies("T", 1)...))
	})
}

func TestWhatIsDoneWithAMessageAtMostOnceIsDone(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		bubble(t, Options{}, func(t *testing.T, r *rig) {
			r.fill(1)
			next := r.pops(mq.PopRequest{QueueID: -1, Wait: time.Minute, Ordered: ordered})
			synctest.Wait()
			s := atMostOnce("T", "x")
			s.More = []mq.Message{atMostOnce("T", "y").Message}
			r.sent(s)
			p := <-next
			wantStrings(t, "popped", p.bodies, "x", "y")
			first := p.acks[0].Receipt
			if first == p.acks[1].Receipt || !first.Passing() || p.recs[0].QueueOffset != first.Offset || p.recs[0].Pos != -1 || !p.recs[0].Intact() {
				t.Errorf("receipts %v and %v, record %+v", first, p.acks[1].Receipt, p.recs[0])
			}
			if again, err := mq.ParseReceipt(first.String()); err != nil || again != first {
				t.Errorf("the receipt reads as %+v, %v", again, err)
			}
			later, err := r.ChangeInvisible(t.Context(), p.acks[0], time.Second, false)
			r.must(err)
			if later.Invisible != 1000 || !later.Passing() {
				t.Errorf("a changed receipt is %+v", later)
			}
			r.must(r.Bury(t.Context(), p.acks[1]))
			r.acks(p.acks...)
			pass(time.Minute)
			r.wantPop(mq.PopRequest{QueueID: -1, Ordered: ordered})
			wantStrings(t, "retry and dead-letter topics", append(r.topicNames(mq.RetryPrefix), r.topicNames(mq.DLQPrefix)...))
		})
	}
}

func TestMessagesAtMostOnceLeaveStoredOnesAlone(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1)
		q := mq.PopRequest{QueueID: -1, Wait: time.Minute}
		seen := map[string]int{}
		for i := range 10 {
			next := r.pops(q)
			synctest.Wait()
			if i%2 == 0 {
				r.sent(atMostOnce("T", "passing"))
			} else {
				r.more(1, fmt.Sprint(i))
			}
			p := <-next
			for k, body := range p.bodies {
				seen[body]++
				if body == "3" && seen[body] == 1 {
					continue // and comes back
				}
				r.acks(p.acks[k])
			}
		}
		pass(11 * time.Second)
		r.pop("3")
		if seen["passing"] != 5 || len(seen) != 6 {
			t.Errorf("popped %v", seen)
		}
		if at, err := r.Offset(t.Context(), "G", mq.Queue{Topic: "T"}); at != 5 || err != nil {
			t.Errorf("the offset is %d, %v", at, err)
		}
	})
}

func TestAMessageAtMostOncePassesOverPopsThatDoNotWantIt(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1)
		q := mq.PopRequest{QueueID: -1, Wait: time.Second, Filter: tagged(mq.TagCode([]byte("a")))}
		p := r.pops(q)
		r.Notify(t.Context(), mq.PopRequest{Group: "G", Topic: "T", QueueID: -1, MaxMessages: 1, Wait: time.Second}, func(s mq.PopStatus, err error) {
			if err != nil || s != mq.PopNothing {
				t.Errorf("who only looks was told %d, %v", s, err)
			}
		})
		synctest.Wait()
		r.sent(atMostOnce("T", "x", mq.PropTags, "b"))
		if p := <-p; p.Status != mq.PopNothing {
			t.Errorf("got %q", p.bodies)
		}
		if n := r.passed.dropped.Load(); n != 1 {
			t.Errorf("%d were dropped", n)
		}
	})
}

func TestMessagesAtMostOnceCountAgainstTheGroupsRate(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1)
		r.limit("G", attrRateMessages, "1")
		next := r.pops(mq.PopRequest{QueueID: -1, Wait: time.Minute})
		synctest.Wait()
		r.sent(atMostOnce("T", "x"))
		<-next
		r.more(1, "a")
		if p := <-r.pops(mq.PopRequest{QueueID: -1, Wait: time.Minute}); len(p.bodies) != 1 || p.after != time.Second {
			t.Errorf("popped %q after %v", p.bodies, p.after)
		}
	})
}
