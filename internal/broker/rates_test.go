package broker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// limit gives a group one limit, or, without any, takes away what it has.
func (r *rig) limit(group string, limit ...string) {
	r.Helper()
	g := newGroup(group)
	if len(limit) > 0 {
		g.Attributes = map[string]string{"+" + limit[0]: limit[1]}
	} else if old, err := r.Group(context.Background(), group); err == nil {
		for key := range old.Attributes {
			g.Attributes["-"+key] = ""
		}
	}
	r.must(r.PutGroup(context.Background(), g))
}

// fillQueue stores n messages in queue 0 of a topic.
func (r *rig) fillQueue(topic string, n int) {
	r.Helper()
	batch := make([]mq.Send, n)
	for i := range batch {
		batch[i] = message(topic, fmt.Sprintf("%04d", i))
	}
	for _, s := range r.send(batch...) {
		r.must(s.Err)
	}
}

// consume pulls one after the other for a time and returns how many messages
// that brought, in order.
func (r *rig) consume(q mq.PullRequest, span time.Duration) (bodies []string) {
	r.Helper()
	for end := time.Now().Add(span); time.Now().Before(end); {
		q.Wait = time.Until(end)
		p := <-r.pull(q)
		r.must(p.err)
		for _, rec := range p.records {
			bodies = append(bodies, string(rec.Body))
		}
		if p.Status != mq.PullFound && p.Status != mq.PullNoNew {
			r.Fatalf("answered %+v", p.Batch)
		}
		q.From = p.Next
	}
	return bodies
}

func TestAGroupConsumesAtItsRateAndLosesNothing(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 500)
		r.limit("G", attrRateMessages, "20")
		bodies := r.consume(mq.PullRequest{Queue: mq.Queue{Topic: "T"}}, 10*time.Second)
		if n := len(bodies); n < 215 || n > 220 {
			t.Errorf("%d messages in ten seconds at 20 a second", n)
		}
		for i, b := range bodies {
			if b != fmt.Sprintf("%04d", i) {
				t.Fatalf("message %d is %s", i, b)
			}
		}
		if n := len(r.consume(mq.PullRequest{Group: "H", Queue: mq.Queue{Topic: "T"}}, time.Second)); n != 500 {
			t.Errorf("another group got %d messages", n)
		}
	})
}

func TestBytesAreLimitedAndALargeMessagePasses(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.sent(message("T", string(make([]byte, 30_000))))
		r.fillQueue("T", 400)
		r.limit("G", attrRateBytes, "10000")
		if n := len(r.consume(mq.PullRequest{Queue: mq.Queue{Topic: "T"}}, 1900*time.Millisecond)); n != 1 {
			t.Errorf("%d messages before the large one is paid for", n)
		}
		n := len(r.consume(mq.PullRequest{Queue: mq.Queue{Topic: "T"}, From: 1}, 4*time.Second))
		small := message("T", "0000").Message
		size := storedSize(&small) + 100 // with what the broker adds
		if most := 40_000 / size; n < most/2 || n > 2*most {
			t.Errorf("%d messages of about %d bytes in four seconds at 10000 bytes a second", n, size)
		}
	})
}

func TestATopicsLimitIsForAllGroupsTogether(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.must(r.PutTopic(t.Context(), mq.Topic{
			Name: "T", ReadQueues: 1, WriteQueues: 1, Perm: 6, Attributes: map[string]string{"+" + attrRateMessages: "20"},
		}))
		r.fillQueue("T", 500)
		got := make(chan int, 2)
		for _, group := range []string{"G", "H"} {
			go func() {
				got <- len(r.consume(mq.PullRequest{Group: group, Queue: mq.Queue{Topic: "T"}, MaxMessages: 4}, 10*time.Second))
			}()
		}
		a, b := <-got, <-got
		if a+b < 210 || a+b > 220 || a < 90 || b < 90 {
			t.Errorf("the groups got %d and %d messages", a, b)
		}
	})
}

func TestMembersShareALimitFairly(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		for q := range int32(4) {
			for i := range 200 {
				s := message("T", fmt.Sprint(i))
				s.QueueID = q
				r.sent(s)
			}
		}
		r.limit("G", attrRateMessages, "40")
		<-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}, MaxMessages: 40}) // what an idle bucket holds
		got := make(chan int, 4)
		for q := range int32(4) {
			go func() {
				got <- len(r.consume(mq.PullRequest{Queue: mq.Queue{Topic: "T", ID: q}, MaxMessages: 2}, 10*time.Second))
			}()
		}
		sum := 0
		for range 4 {
			n := <-got
			sum += n
			if n < 95 || n > 105 {
				t.Errorf("a member got %d of 400", n)
			}
		}
		if sum < 390 || sum > 402 {
			t.Errorf("%d messages in all", sum)
		}
	})
}

func TestAPullWaitsForItsShareNoLongerThanItMay(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 10)
		r.limit("G", attrRateMessages, "1")
		q := mq.PullRequest{Queue: mq.Queue{Topic: "T"}, MaxMessages: 1}
		if p := <-r.pull(q); p.Count != 1 {
			t.Fatalf("got %+v", p.Batch)
		}
		q.From = 1
		if p := <-r.pull(q); p.Status != mq.PullNoNew || p.Next != 1 || p.Max != 10 || p.after != 0 {
			t.Errorf("one that may not wait got %+v after %v", p.Batch, p.after)
		}
		q.Wait = 300 * time.Millisecond
		if p := <-r.pull(q); p.Status != mq.PullNoNew || p.Next != 1 || p.after != q.Wait {
			t.Errorf("one that may wait a little got %+v after %v", p.Batch, p.after)
		}
		q.Wait = 5 * time.Second
		if p := <-r.pull(q); p.Status != mq.PullFound || p.Count != 1 || p.after != 700*time.Millisecond {
			t.Errorf("one that may wait long got %+v after %v", p.Batch, p.after)
		}
	})
}

func TestALimitChangesWhilePullsWaitForIt(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 10)
		r.limit("G", attrRateBytes, "1")
		q := mq.PullRequest{Queue: mq.Queue{Topic: "T"}, MaxMessages: 1, Wait: time.Minute}
		<-r.pull(q)
		q.From = 1
		p := r.pull(q)
		pass(5 * time.Second)
		if bodies, _ := got(t, p); bodies != nil {
			t.Fatalf("got %q", bodies)
		}
		if n := r.RuntimeInfo(t.Context())["throttledPulls"]; n != "1" {
			t.Errorf("%s pulls wait for their share", n)
		}
		r.limit("G")
		if a := <-p; a.Count != 1 || a.after != 5*time.Second {
			t.Errorf("without the limit got %+v after %v", a.Batch, a.after)
		}
		if r.rates.active.Load() != 0 {
			t.Error("the limit is still there")
		}
	})
}

func TestAPullThatFindsNothingWaitsForMessagesNotForItsShare(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.limit("G", attrRateMessages, "1")
		p := r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}, Wait: 10 * time.Second})
		pass(3 * time.Second)
		r.fillQueue("T", 3)
		a := <-p
		if a.Count != 1 || a.after != 3*time.Second {
			t.Errorf("got %+v after %v", a.Batch, a.after)
		}
		// The next message is there, its share is not.
		if a = <-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}, From: 1, Wait: 10 * time.Second}); a.Count != 1 || a.after != time.Second {
			t.Errorf("got %+v after %v", a.Batch, a.after)
		}
	})
}

func TestLimitsSurviveARestartAndBadOnesAreRefused(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 10)
		r.limit("G", attrRateMessages, "2")
		r.restart(Options{})
		if p := <-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}}); p.Count != 2 {
			t.Errorf("after a restart got %d messages", p.Count)
		}
		for _, bad := range []string{"", "0", "-1", "many", "1.5", "9999999999999999"} {
			g := newGroup("G")
			g.Attributes = map[string]string{"+" + attrRateBytes: bad}
			r.wantErr(r.PutGroup(t.Context(), g), mq.ErrInvalid)
			r.wantErr(r.PutTopic(t.Context(), mq.Topic{Name: "T", ReadQueues: 1, WriteQueues: 1, Perm: 6, Attributes: g.Attributes}), mq.ErrInvalid)
		}
		r.must(r.DeleteGroup(t.Context(), "G", true))
		if p := <-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}}); p.Count != 10 {
			t.Errorf("a group that was made again got %d messages", p.Count)
		}
	})
}

func TestPullsThatWaitForTheirShareAreAnsweredWhenTheBrokerStops(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 10)
		r.limit("G", attrRateMessages, "1")
		q := mq.PullRequest{Queue: mq.Queue{Topic: "T"}, MaxMessages: 1, Wait: time.Minute}
		<-r.pull(q)
		p := r.pull(q)
		r.stop()
		if a := <-p; a.Status != mq.PullNoNew || a.after != 0 {
			t.Errorf("got %+v after %v", a.Batch, a.after)
		}
	})
}
