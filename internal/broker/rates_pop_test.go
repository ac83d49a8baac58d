package broker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// consumePops pops and acknowledges for a time and returns how many messages
// that brought.
func (r *rig) consumePops(q mq.PopRequest, span time.Duration) (n int) {
	r.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); {
		q.Wait = time.Until(end)
		p := <-r.pops(q)
		r.must(p.err)
		r.acks(p.acks...)
		n += len(p.bodies)
	}
	return n
}

func TestPopsTakeTheirGroupsRateTogetherAndFairly(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 500)
		r.limit("G", attrRateMessages, "20")
		got := make(chan int, 2)
		for range 2 {
			go func() { got <- r.consumePops(mq.PopRequest{QueueID: -1, MaxMessages: 4}, 10*time.Second) }()
		}
		a, b := <-got, <-got
		if a+b < 210 || a+b > 220 || a < 90 || b < 90 {
			t.Errorf("%d and %d messages in ten seconds at 20 a second", a, b)
		}
		if n := r.consumePops(mq.PopRequest{Group: "H", QueueID: -1}, time.Second); n != 500 {
			t.Errorf("another group got %d messages", n)
		}
	})
}

func TestPopsAndPullsOfAGroupShareItsRate(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 500)
		r.limit("G", attrRateMessages, "20")
		got := make(chan int, 2)
		go func() { got <- r.consumePops(mq.PopRequest{QueueID: -1, MaxMessages: 2}, 10*time.Second) }()
		go func() {
			got <- len(r.consume(mq.PullRequest{Queue: mq.Queue{Topic: "T"}, MaxMessages: 2}, 10*time.Second))
		}()
		a, b := <-got, <-got
		if a+b < 210 || a+b > 220 || a < 90 || b < 90 {
			t.Errorf("%d and %d messages in ten seconds at 20 a second", a, b)
		}
	})
}

func TestWhatComesBackToAPoppingGroupIsLimitedToo(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b")
		p := r.pop("a", "b")
		pass(11 * time.Second)
		r.limit("G", attrRateMessages, "1")
		one := <-r.pops(mq.PopRequest{QueueID: -1})
		two := <-r.pops(mq.PopRequest{QueueID: -1, Wait: time.Minute})
		if len(one.bodies) != 1 || len(two.bodies) != 1 || two.after != time.Second {
			t.Errorf("popped %q, and %q after %v", one.bodies, two.bodies, two.after)
		}
		r.acks(p.acks...)
	})
}

func TestBytesOfPopsArePaidFor(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		r.more(2, string(make([]byte, 30_000)), "small")
		r.limit("G", attrRateBytes, "10000")
		p := <-r.pops(mq.PopRequest{QueueID: 0})
		if len(p.bodies) != 1 {
			t.Fatalf("popped %d messages", len(p.bodies))
		}
		p = <-r.pops(mq.PopRequest{QueueID: -1, Wait: time.Minute})
		if len(p.bodies) != 1 || p.after < 2*time.Second || p.after > 2200*time.Millisecond {
			t.Errorf("popped %d messages after %v", len(p.bodies), p.after)
		}
	})
}

func TestAPopWaitsForItsShareNoLongerThanItMay(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b")
		r.limit("G", attrRateMessages, "1")
		q := mq.PopRequest{QueueID: -1, MaxMessages: 1}
		r.wantPop(q, "a")
		if p := <-r.pops(q); p.Status != mq.PopNothing || p.after != 0 {
			t.Errorf("one that may not wait: status %d after %v", p.Status, p.after)
		}
		q.Wait = 300 * time.Millisecond
		if p := <-r.pops(q); p.Status != mq.PopNothing || p.after != q.Wait {
			t.Errorf("one that may wait a little: status %d after %v", p.Status, p.after)
		}
		q.Wait = 5 * time.Second
		later := r.pops(q)
		synctest.Wait()
		if n := r.RuntimeInfo(t.Context())["throttledPops"]; n != "1" {
			t.Errorf("%s pops wait for their share", n)
		}
		if p := <-later; len(p.bodies) != 1 || p.after != 700*time.Millisecond {
			t.Errorf("one that may wait long: %q after %v", p.bodies, p.after)
		}
		if n := r.holds.Total(); n != 2 {
			t.Errorf("%d in hand", n)
		}
	})
}

func TestAPopThatFindsNothingWaitsForMessagesNotForItsShare(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1)
		r.limit("G", attrRateMessages, "1")
		q := mq.PopRequest{QueueID: -1, Wait: 10 * time.Second}
		first, second := r.pops(q), r.pops(q)
		pass(3 * time.Second)
		if n := r.Waiting(t.Context(), "G", "T", -1); n != 2 {
			t.Errorf("%d pops wait for messages", n)
		}
		r.fillQueue("T", 3)
		a, b := <-first, <-second
		if a.after > b.after { // whichever began to wait first
			a, b = b, a
		}
		if len(a.bodies) != 1 || a.after != 3*time.Second || len(b.bodies) != 1 || b.after != 4*time.Second {
			t.Errorf("%q after %v, %q after %v", a.bodies, a.after, b.bodies, b.after)
		}
	})
}

// A message that came for a pop that waits in vain for its share is another's.
func TestAPopThatGivesUpItsTurnLeavesItToTheNext(t *testing.T) {
	for name, leave := range map[string]bool{"its time is up": false, "its client is gone": true} {
		bubble(t, Options{}, func(t *testing.T, r *rig) {
			r.fill(1, "a")
			r.limit("G", attrRateMessages, "1")
			r.pop("a")
			gone, cancel := context.WithCancel(t.Context())
			defer cancel()
			first := r.popsCtx(gone, mq.PopRequest{QueueID: -1, Wait: 500 * time.Millisecond})
			second := r.pops(mq.PopRequest{QueueID: -1, Wait: time.Minute})
			synctest.Wait()
			r.more(1, "b")
			synctest.Wait()
			if leave {
				cancel()
			} else if p := <-first; p.Status != mq.PopNothing {
				t.Errorf("%s: the first got %q", name, p.bodies)
			}
			if p := <-second; len(p.bodies) != 1 || p.after != time.Second {
				t.Errorf("%s: the second got %q after %v", name, p.bodies, p.after)
			}
		})
	}
}

func TestNotifyWaitsForTheShareAndTakesNone(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b")
		r.limit("G", attrRateMessages, "1")
		r.wantPop(mq.PopRequest{QueueID: -1, MaxMessages: 1}, "a")
		began, said := time.Now(), make(chan mq.PopStatus, 1)
		q := mq.PopRequest{Group: "G", Topic: "T", QueueID: -1, MaxMessages: 1, Wait: 10 * time.Second}
		r.Notify(t.Context(), q, func(s mq.PopStatus, err error) {
			r.must(err)
			said <- s
		})
		if s := <-said; s != mq.PopFound || time.Since(began) != time.Second {
			t.Errorf("said %d after %v", s, time.Since(began))
		}
		r.pop("b")
	})
}

func TestALimitThatIsLiftedLetsPopsGo(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b", "c")
		r.limit("G", attrRateBytes, "1")
		q := mq.PopRequest{QueueID: -1, MaxMessages: 1, Wait: time.Minute}
		r.wantPop(q, "a")
		p := r.pops(q)
		pass(5 * time.Second)
		r.limit("G")
		if a := <-p; len(a.bodies) != 1 || a.after != 5*time.Second {
			t.Errorf("popped %q after %v", a.bodies, a.after)
		}
	})
}

func TestPopsThatWaitForTheirShareAreAnsweredWhenTheBrokerStops(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b")
		r.limit("G", attrRateMessages, "1")
		q := mq.PopRequest{QueueID: -1, MaxMessages: 1, Wait: time.Minute}
		r.wantPop(q, "a")
		p := r.pops(q)
		synctest.Wait()
		r.stop()
		if a := <-p; a.err != nil || a.Status != mq.PopNothing || a.after != 0 {
			t.Errorf("status %d, %v after %v", a.Status, a.err, a.after)
		}
	})
}

func TestTooManyPopsThatWaitForTheirShareAreTold(t *testing.T) {
	bubble(t, Options{MaxWaitingPops: 1}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b", "c")
		r.limit("G", attrRateMessages, "1")
		q := mq.PopRequest{QueueID: -1, MaxMessages: 1, Wait: time.Minute}
		r.wantPop(q, "a")
		first := r.pops(q)
		synctest.Wait()
		if p := <-r.pops(q); p.Status != mq.PopFull {
			t.Errorf("status %d", p.Status)
		}
		if p := <-first; len(p.bodies) != 1 {
			t.Errorf("the first got %q", p.bodies)
		}
	})
}

func TestOperatorsSeeWhatIsInHandAndWhoWaits(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b", "c")
		r.wantPop(mq.PopRequest{QueueID: -1, MaxMessages: 2}, "a", "b")
		stats, err := r.ConsumeStats(t.Context(), "G", []string{"T"})
		r.must(err)
		if q := stats.Queues[0]; q.InHand != 2 || q.Committed != 2 || q.End != 3 {
			t.Errorf("got %+v", q)
		}
		r.pop("c")
		r.pops(mq.PopRequest{QueueID: -1, Wait: time.Minute})
		synctest.Wait()
		if info := r.RuntimeInfo(t.Context()); info["messagesInHand"] != "3" || info["waitingPops"] != "1" || info["throttledPops"] != "0" {
			t.Errorf("%s in hand, %s pops wait, %s for their share", info["messagesInHand"], info["waitingPops"], info["throttledPops"])
		}
	})
}
