package broker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// atMostOnce is a message of quality 0.
func atMostOnce(topic, body string, kv ...string) mq.Send {
	return message(topic, body, append([]string{mq.PropQoS, "0"}, kv...)...)
}

// waits starts a pull of a group and returns where its answer will be.
func (r *rig) waits(group, topic string, queue int32, from, committed mq.QueueOffset) <-chan pulled {
	q := mq.PullRequest{Group: group, Queue: mq.Queue{Topic: topic, ID: queue}, From: from, Wait: 15 * time.Second}
	if committed > 0 {
		q.Commit = &committed
	}
	return r.pull(q)
}

// got is the bodies of an answer that is there.
func got(t *testing.T, answer <-chan pulled) (bodies []string, p pulled) {
	t.Helper()
	select {
	case p = <-answer:
	default:
		return nil, p
	}
	for _, rec := range p.records {
		bodies = append(bodies, string(rec.Body))
	}
	return bodies, p
}

func TestOneMemberOfEachGroupGetsAMessageAtMostOnce(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		r.join(consumer("a", &peer{name: "a"}, "G", "T"))
		r.join(consumer("b", &peer{name: "b"}, "H", "T"))
		pulls := []<-chan pulled{r.waits("G", "T", 0, 0, 0), r.waits("G", "T", 1, 0, 0), r.waits("H", "T", 0, 0, 0)}
		res := r.sent(atMostOnce("T", "x"))
		if res.Status != mq.SendOK || res.Offset != -1 || res.Pos != -1 {
			t.Errorf("the sender was answered %+v", res)
		}
		var count []int
		for _, p := range pulls {
			bodies, _ := got(t, p)
			count = append(count, len(bodies))
		}
		if count[0]+count[1] != 1 || count[2] != 1 {
			t.Errorf("the three pulls got %v messages", count)
		}
		wantStrings(t, "stored", r.bodies("T", 0))
		if h, d := r.passed.handed.Load(), r.passed.dropped.Load(); h != 1 || d != 0 {
			t.Errorf("handed out %d, dropped %d", h, d)
		}
	})
}

func TestEveryClientThatBroadcastsGetsAMessageAtMostOnce(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		m := consumer("a", &peer{name: "a"}, "G", "T")
		m.Consumers[0].Model = "BROADCASTING"
		r.join(m)
		one, cancel := context.WithCancel(context.Background())
		defer cancel()
		two, cancel2 := context.WithCancel(context.Background())
		defer cancel2()
		q := mq.PullRequest{Queue: mq.Queue{Topic: "T"}, Wait: 15 * time.Second}
		a, b, b2 := r.pullCtx(one, q), r.pullCtx(two, q), r.pullCtx(two, q)
		r.sent(atMostOnce("T", "x"))
		n := 0
		for _, p := range []<-chan pulled{b, b2} {
			bodies, _ := got(t, p)
			n += len(bodies)
		}
		if bodies, _ := got(t, a); len(bodies) != 1 || n != 1 {
			t.Errorf("one client got %d messages, the other %d", len(bodies), n)
		}
	})
}

func TestAMessageAtMostOnceForNobodyIsDroppedAndCounted(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		p := r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}, Wait: 15 * time.Second, Filter: tagged(mq.TagCode([]byte("a")))})
		r.sent(atMostOnce("T", "x", mq.PropTags, "b"))
		if bodies, _ := got(t, p); bodies != nil {
			t.Errorf("got %q", bodies)
		}
		if n := r.passed.dropped.Load(); n != 1 {
			t.Errorf("%d were dropped", n)
		}
		r.sent(atMostOnce("T", "y", mq.PropTags, "a"))
		bodies, _ := got(t, p)
		wantStrings(t, "with its tag", bodies, "y")
		info := r.RuntimeInfo(t.Context())
		if info["atMostOnceHandedOut"] != "1" || info["atMostOnceDropped"] != "1" {
			t.Errorf("runtime info: %v", info)
		}
	})
}

func TestTheRecordOfAMessageAtMostOnceLeavesOffsetsAlone(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		for range 3 {
			r.sent(message("T", "stored"))
		}
		r.join(consumer("a", &peer{name: "a"}, "G", "T"))
		seen := map[mq.QueueOffset]bool{}
		for i := range 3 {
			p := r.waits("G", "T", 0, 3, 3)
			r.sent(atMostOnce("T", fmt.Sprint(i), mq.PropUniqueKey, "k"))
			bodies, a := got(t, p)
			wantStrings(t, "handed out", bodies, fmt.Sprint(i))
			rec := a.records[0]
			if a.Next != 3 || a.Min != 0 || a.Max != 3 || rec.QueueOffset > -2 || seen[rec.QueueOffset] || rec.Pos != -1 || rec.StoreTime == 0 || !rec.Intact() {
				t.Errorf("answer %+v with record %+v", a.Batch, rec)
			}
			seen[rec.QueueOffset] = true
		}
		m := consumer("b", &peer{name: "b"}, "H", "T")
		m.Consumers[0].Type = "CONSUME_ACTIVELY"
		r.join(m)
		p := r.waits("H", "T", 0, 3, 0)
		r.sent(atMostOnce("T", "x"))
		if _, a := got(t, p); len(a.records) != 1 || a.records[0].QueueOffset != 2 {
			t.Errorf("a consumer that asks itself got %+v", a.records)
		}
	})
}

// A push client that still works on stored messages when it gets one that is
// not, may commit too little afterwards; it learns soon that it may commit all.
func TestAClientThatMayCommitTooLittleHearsSoonThatNothingIsNew(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		for range 3 {
			r.sent(message("T", "stored"))
		}
		r.join(consumer("a", &peer{name: "a"}, "G", "T"))
		p := r.waits("G", "T", 0, 3, 1)
		r.sent(atMostOnce("T", "x"))
		if bodies, _ := got(t, p); len(bodies) != 1 {
			t.Fatalf("got %q", bodies)
		}
		for range 2 { // as long as it is behind
			if a := <-r.waits("G", "T", 0, 3, 1); a.after != catchUpWait || a.Status != mq.PullNoNew || a.Next != 3 {
				t.Errorf("after %v: %+v", a.after, a.Batch)
			}
		}
		if a := <-r.waits("G", "T", 0, 3, 3); a.after != 15*time.Second {
			t.Errorf("a client that has caught up waits %v", a.after)
		}
	})
}

func TestWhatIsDeliveredAtMostOnceIsNeverTriedAgain(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.must(r.SendBack(t.Context(), mq.SendBackRequest{Group: "G", Pos: -1, MaxReconsumes: 16, OriginTopic: "T"}))
		r.sent(atMostOnce(mq.RetryTopic("G"), "x", mq.PropDelay, "3"))
		pass(time.Minute)
		wantStrings(t, "retry topic", r.bodies(mq.RetryTopic("G"), 0))
		wantStrings(t, "dead letters", r.topicNames(mq.DLQPrefix))
	})
}

// topicNames are the topics that begin with prefix.
func (r *rig) topicNames(prefix string) (names []string) {
	all, _ := r.Topics(context.Background())
	for _, t := range all {
		if len(t.Name) >= len(prefix) && t.Name[:len(prefix)] == prefix {
			names = append(names, t.Name)
		}
	}
	return names
}

func TestQualitiesThatCannotBeHadAreRefused(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		mixed := atMostOnce("T", "x")
		mixed.More = []mq.Message{message("T", "y").Message}
		odd := message("T", "x")
		odd.More = []mq.Message{message("T", "y", mq.PropQoS, "7").Message}
		lights := atMostOnce("T", "x")
		lights.More = []mq.Message{atMostOnce("T", "y", mq.PropMultiDispatch, "%LMQ%a").Message}
		for _, s := range []mq.Send{
			message("T", "x", mq.PropQoS, "2"), message("T", "x", mq.PropQoS, "high"), mixed, odd,
			atMostOnce("T", "x", mq.PropDelay, "1"), atMostOnce("T", "x", mq.PropTimerDelaySec, "1"),
			atMostOnce("T", "x", mq.PropTransaction, "true", mq.PropProducerGroup, "P"),
			atMostOnce("T", "x", mq.PropMultiDispatch, "%LMQ%a"), lights,
		} {
			r.wantErr(r.send(s)[0].Err, mq.ErrMessageIllegal)
		}
		r.sent(message("T", "x", mq.PropQoS, "1"))
		wantStrings(t, "stored", r.bodies("T", 0), "x")
	})
}

func TestABatchAtMostOnceIsSharedOutByWhatPullsTake(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		r.join(consumer("a", &peer{name: "a"}, "G", "T"))
		small := r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}, Wait: 15 * time.Second, MaxMessages: 2})
		large := r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T", ID: 1}, Wait: 15 * time.Second, MaxMessages: 2})
		s := atMostOnce("T", "0")
		for i := range 4 {
			s.More = append(s.More, atMostOnce("T", fmt.Sprint(i+1)).Message)
		}
		res := r.sent(s)
		if len(res.MorePos) != 4 || res.MorePos[3] != -1 {
			t.Errorf("answered %+v", res)
		}
		a, _ := got(t, small)
		b, _ := got(t, large)
		if len(a) != 2 || len(b) != 2 {
			t.Errorf("the pulls got %q and %q", a, b)
		}
	})
}

// Such a message asks nobody's leave later, as a stored one does when it is read.
func TestAPullThatWaitsGetsNoMessageAtMostOnceThatItMayNotRead(t *testing.T) {
	for name, forbid := range map[string]func(r *rig){
		"a topic forbidden to the group": func(r *rig) { r.must(r.Forbid(r.Context(), "G", "T", true)) },
		"a suspended group": func(r *rig) {
			g := newGroup("G")
			g.ConsumeEnable = false
			r.must(r.PutGroup(r.Context(), g))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, r *rig) {
				r.topic("T", 1)
				answer := r.waits("G", "T", 0, 0, 0)
				forbid(r)
				r.sent(atMostOnce("T", "x"))
				if bodies, _ := got(t, answer); len(bodies) != 0 {
					t.Errorf("got %v", bodies)
				}
				if n := r.passed.dropped.Load(); n != 1 {
					t.Errorf("dropped %d", n)
				}
			})
		})
	}
}
