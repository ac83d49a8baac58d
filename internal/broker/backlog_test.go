package broker

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
)

// backlog is how far group G is behind in T, or with what came back to it.
func (r *rig) backlog(retry bool) meter.Backlog {
	r.Helper()
	synctest.Wait() // what is under way is done
	var found meter.Backlog
	err := r.EachBacklog(context.Background(), func(b *meter.Backlog) {
		if b.Group == "G" && b.Topic == "T" && b.Retry == retry {
			found = *b
		}
	})
	if err != nil {
		r.Fatal(err)
	}
	return found
}

// wantBacklog compares numbers, and ages in seconds: -1 for none.
func (r *rig) wantBacklog(retry bool, lag, inFlight, ready int64, oldest, unread int) {
	r.Helper()
	b := r.backlog(retry)
	age := func(at time.Time) int {
		if at.IsZero() {
			return -1
		}
		return int(time.Since(at).Round(time.Second) / time.Second)
	}
	if b.Lag != lag || b.InFlight != inFlight || b.Ready != ready {
		r.Errorf("the group is %d behind, has %d in flight and %d are ready; want %d, %d, %d", b.Lag, b.InFlight, b.Ready, lag, inFlight, ready)
	}
	if o, u := age(b.Oldest), age(b.Unread); o != oldest || u != unread {
		r.Errorf("the oldest is %d s old and the first unread %d s; want %d and %d", o, u, oldest, unread)
	}
}

func TestThePullersBacklogIsWhatIsNotCommitted(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		q := mq.Queue{Topic: "T"}
		for _, body := range []string{"a", "b", "c"} {
			r.sent(message("T", body))
			time.Sleep(10 * time.Second)
		}
		zero := mq.QueueOffset(0)
		<-r.pull(mq.PullRequest{Queue: q, MaxMessages: 2, Commit: &zero})
		r.wantBacklog(false, 3, 2, 1, 30, 10)
		if err := r.SetOffset(context.Background(), "G", q, 1); err != nil {
			t.Fatal(err)
		}
		r.wantBacklog(false, 2, 1, 1, 20, 10)
		// Time goes on where nothing else does.
		time.Sleep(time.Minute)
		r.wantBacklog(false, 2, 1, 1, 80, 70)
		r.sent(message("T", "d"))
		r.wantBacklog(false, 3, 1, 2, 80, 70)
		if err := r.SetOffset(context.Background(), "G", q, 4); err != nil {
			t.Fatal(err)
		}
		r.wantBacklog(false, 0, 0, 0, -1, -1)
	})
}

func TestThePoppersBacklogCountsWhatIsInHandAndWhatCameBack(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.sent(message("T", "a"))
		time.Sleep(10 * time.Second)
		r.sent(message("T", "b"))
		r.wantPop(mq.PopRequest{QueueID: 0, MaxMessages: 1, Invisible: 20 * time.Second}, "a")
		r.wantBacklog(false, 2, 1, 1, 10, 0)
		time.Sleep(30 * time.Second) // a comes back
		r.wantBacklog(false, 1, 0, 1, 30, 30)
		p := r.pop("a", "b")
		r.wantBacklog(false, 1, 1, 0, 30, -1)
		r.wantBacklog(true, 1, 1, 0, 10, -1)
		if errs := r.Ack(context.Background(), p.acks); errs != nil {
			t.Fatal(errs)
		}
		r.wantBacklog(false, 0, 0, 0, -1, -1)
		r.wantBacklog(true, 0, 0, 0, -1, -1)
	})
}

func TestWhatIsTakenInOrderIsInHandAndNotReady(t *testing.T) {
	for name, request := range map[string]mq.PopRequest{
		"by queue":         {QueueID: 0, MaxMessages: 2, Invisible: 20 * time.Second, Ordered: true},
		"by message group": {QueueID: 0, MaxMessages: 2, Invisible: 20 * time.Second, Ordered: true, ByGroup: true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, r *rig) {
				for _, body := range []string{"a", "b", "c"} {
					r.sent(message("T", body))
				}
				r.wantPop(request, "a", "b")
				want := func(inHand int64, age int) {
					t.Helper()
					r.wantBacklog(false, 3, inHand, 3-inHand, age, age)
					stats, err := r.ConsumeStats(context.Background(), "G", []string{"T"})
					if err != nil || stats.Queues[0].InOrder != inHand {
						t.Errorf("%+v, %v; want %d in hand in order", stats.Queues, err, inHand)
					}
				}
				want(2, 0)
				time.Sleep(30 * time.Second) // both are visible again
				want(0, 30)
			})
		})
	}
}

// What a topic and a group's use of it had counted goes on counting when they
// are gone, so that sums do not fall.
func TestCountsOutliveTheirTopic(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.sent(message("T", "a"))
		r.pop("a")
		counts := func() (stored, handed int64) {
			r.EachTopic(func(t *meter.Topic) {
				if h := t.In.Sizes(meter.KindNormal); h != nil {
					stored += h.Count()
				}
			})
			r.EachUse(func(u *meter.Use) { handed += u.Messages })
			return stored, handed
		}
		if err := r.DeleteTopic(context.Background(), "T"); err != nil {
			t.Fatal(err)
		}
		if stored, handed := counts(); stored != 1 || handed != 1 {
			t.Errorf("%d messages were stored and %d handed out, want 1 and 1", stored, handed)
		}
	})
}

// A message that waits counts where it waits, and for its topic when it comes.
func TestADelayedMessageCountsOnceForItsTopic(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.sent(message("T", "level", "DELAY", "1"))
		r.sent(message("T", "time", "TIMER_DELAY_SEC", "2"))
		time.Sleep(5 * time.Second)
		r.EachTopic(func(topic *meter.Topic) {
			h := topic.In.Sizes(meter.KindDelay)
			switch topic.Name {
			case "T":
				if h == nil || h.Count() != 2 || topic.TimerIn != 1 || topic.TimerOut != 1 || topic.Delay.Sum() != 2 {
					t.Errorf("topic T counts %+v, want two delayed messages, one of them with a time of its own, 2 s from its birth", topic)
				}
			case mq.TopicSchedule, mq.TopicTimer:
				if h == nil || h.Count() != 1 || !topic.System {
					t.Errorf("topic %s counts %+v, want one delayed message", topic.Name, topic)
				}
			}
		})
	})
}

func TestRefusedMessagesCountByReason(t *testing.T) {
	bubble(t, Options{MaxMessageSize: 10}, func(t *testing.T, r *rig) {
		r.send(message("T", "more than ten bytes"))
		s := message("none", "x")
		s.DefaultTopic = "none"
		r.send(s)
		f := r.Figures()
		if f.Rejected["too_large"] != 1 || f.Rejected["no_topic"] != 1 || f.Rejected["other"] != 0 {
			t.Errorf("refused are %v", f.Rejected)
		}
	})
}
