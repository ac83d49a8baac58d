package broker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// tagged wants the messages of one tag.
type tagged int64

func (f tagged) Match(code int64) bool { return code == int64(f) }

// waitFor is a pull that waits on queue 0 of T.
func waitFor(from mq.QueueOffset, wait time.Duration) mq.PullRequest {
	return mq.PullRequest{Queue: mq.Queue{Topic: "T"}, From: from, Wait: wait}
}

// silent fails if there is an answer.
func (r *rig) silent(answer <-chan pulled) {
	r.Helper()
	synctest.Wait()
	select {
	case p := <-answer:
		r.Fatalf("answered at once: status %d, next %d, error %v", p.Status, p.Next, p.err)
	default:
	}
}

func TestPullWakesOnAppend(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		answer := r.pull(waitFor(0, 15*time.Second))
		pass(3 * time.Second)
		r.silent(answer)
		r.sent(message("T", "news"))
		p := <-answer
		if p.err != nil || p.Status != mq.PullFound || p.Next != 1 || string(p.records[0].Body) != "news" || p.after != 3*time.Second {
			t.Errorf("got %+v after %v", p.Batch, p.after)
		}
		answer = r.pull(waitFor(1, 15*time.Second))
		elsewhere := message("T", "elsewhere")
		elsewhere.QueueID = 1
		r.sent(elsewhere)
		r.silent(answer)
		r.sent(message("T", "more"))
		if p := <-answer; p.Next != 2 || len(p.records) != 1 {
			t.Errorf("got %+v", p.Batch)
		}
	})
}

func TestPullWakesOnlyForWhatItsFilterWants(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.sent(message("T", "old", "TAGS", "other"))
		q := waitFor(0, 15*time.Second)
		q.Filter = tagged(mq.TagCode("mine"))
		answer := r.pull(q)
		r.silent(answer)
		r.sent(message("T", "not for us", "TAGS", "other"))
		r.silent(answer)
		r.sent(message("T", "for us", "TAGS", "mine"))
		p := <-answer
		if p.Status != mq.PullFound || p.Next != 3 || len(p.records) != 1 || string(p.records[0].Body) != "for us" {
			t.Errorf("got %+v", p.Batch)
		}
	})
}

// coloured wants the messages whose property color is as it says.
type coloured struct {
	color string
	slow  bool
	asked *atomic.Int32
}

func (f coloured) Match(int64) bool { return true }
func (f coloured) Quick() bool      { return !f.slow }
func (f coloured) MatchProperties(props []byte) bool {
	f.asked.Add(1)
	v, _ := mq.Property(props, "color")
	return string(v) == f.color
}

func TestPullWakesOnlyForWhatItsPropertyFilterWants(t *testing.T) {
	for name, slow := range map[string]bool{"quick": false, "slow": true} {
		t.Run(name, func(t *testing.T) {
			bubble(t, Options{}, func(t *testing.T, r *rig) {
				r.topic("T", 1)
				r.sent(message("T", "old", "color", "blue"))
				q := waitFor(0, 15*time.Second)
				f := coloured{"red", slow, new(atomic.Int32)}
				q.Filter = f
				answer := r.pull(q)
				r.silent(answer)
				r.sent(message("T", "not for us", "color", "blue"))
				r.sent(message("T", "nor this"))
				r.silent(answer)
				r.sent(message("T", "for us", "color", "red"))
				p := <-answer
				if p.Status != mq.PullFound || p.Next != 4 || len(p.records) != 1 || string(p.records[0].Body) != "for us" {
					t.Errorf("got %+v", p.Batch)
				}
				// The old one, then each once: when it arrives or when it is read;
				// what was quickly passed over is read together with what matches.
				if n := f.asked.Load(); !slow && n != 7 || slow && n != 4 {
					t.Errorf("the filter was asked %d times", n)
				}
			})
		})
	}
}

func TestPullAnswersWhenItsTimeIsUp(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.sent(message("T", "x", "TAGS", "other"))
		long, short := r.pull(waitFor(1, 20*time.Second)), r.pull(waitFor(1, 5*time.Second))
		if p := <-short; p.Status != mq.PullNoNew || p.Next != 1 || p.Max != 1 || p.after != 5*time.Second {
			t.Errorf("short: %+v after %v", p.Batch, p.after)
		}
		if p := <-long; p.Status != mq.PullNoNew || p.after != 20*time.Second {
			t.Errorf("long: %+v after %v", p.Batch, p.after)
		}
		q := waitFor(0, 5*time.Second)
		q.Filter = tagged(mq.TagCode("mine"))
		if p := <-r.pull(q); p.Status != mq.PullNoMatch || p.Next != 1 || p.after != 5*time.Second {
			t.Errorf("filtered: %+v after %v", p.Batch, p.after)
		}
	})
}

func TestPullAnswersAtOnceWhenThereIsNothingToWaitFor(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		for range 3 {
			r.sent(message("T", "x"))
		}
		for _, test := range []struct {
			name   string
			queue  int32
			from   mq.QueueOffset
			wait   time.Duration
			status mq.PullStatus
			next   mq.QueueOffset
		}{
			{"without leave to wait", 0, 3, 0, mq.PullNoNew, 3},
			{"beyond the end", 0, 9, time.Minute, mq.PullOffsetIllegal, 3},
			{"before the start", 0, -1, time.Minute, mq.PullOffsetIllegal, 0},
			{"in the middle", 0, 1, time.Minute, mq.PullFound, 3},
			{"in a queue that never was, at 0", 1, 0, 0, mq.PullNoQueue, 0},
			{"in a queue that never was, at 5", 1, 5, time.Minute, mq.PullNoQueue, 0},
		} {
			q := waitFor(test.from, test.wait)
			q.Queue.ID = test.queue
			if p := <-r.pull(q); p.err != nil || p.Status != test.status || p.Next != test.next || p.after != 0 {
				t.Errorf("%s: status %d, next %d, error %v after %v", test.name, p.Status, p.Next, p.err, p.after)
			}
		}
	})
}

func TestPullRefuses(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		r.must(r.PutTopic(t.Context(), mq.Topic{Name: "WriteOnly", ReadQueues: 1, WriteQueues: 1, Perm: mq.PermWrite}))
		off, noBroadcast := newGroup("Off"), newGroup("NoBroadcast")
		off.ConsumeEnable, noBroadcast.ConsumeBroadcast = false, false
		r.must(r.PutGroup(t.Context(), off))
		r.must(r.PutGroup(t.Context(), noBroadcast))
		m := consumer("c", &peer{}, "NoBroadcast")
		m.Consumers[0].Model = "BROADCASTING"
		if _, err := r.Join(t.Context(), m); err != nil {
			t.Fatal(err)
		}
		for _, test := range []struct {
			name, group, topic string
			queue              int32
			want               error
		}{
			{"an unknown topic", "G", "U", 0, mq.ErrTopicNotFound},
			{"a topic that cannot be read", "G", "WriteOnly", 0, mq.ErrDenied},
			{"a queue too many", "G", "T", 2, mq.ErrQueueOutOfRange},
			{"a negative queue", "G", "T", -1, mq.ErrQueueOutOfRange},
			{"a group that may not consume", "Off", "T", 0, mq.ErrDenied},
			{"a group that may not broadcast", "NoBroadcast", "T", 0, mq.ErrDenied},
			{"a bad group name", "a b", "T", 0, mq.ErrInvalid},
		} {
			p := <-r.pull(mq.PullRequest{Group: test.group, Queue: mq.Queue{Topic: test.topic, ID: test.queue}})
			if !errors.Is(p.err, test.want) {
				t.Errorf("%s: got %v, want %v", test.name, p.err, test.want)
			}
		}
		r.must(r.SetSettings(t.Context(), map[string]string{"autoCreateSubscriptionGroup": "false", "brokerPermission": "2"}))
		r.wantErr((<-r.pull(waitFor(0, 0))).err, mq.ErrDenied)
		r.must(r.SetSettings(t.Context(), map[string]string{"brokerPermission": "6"}))
		r.wantErr((<-r.pull(mq.PullRequest{Group: "New", Queue: mq.Queue{Topic: "T"}})).err, mq.ErrGroupNotFound)
	})
}

func TestPullStoresTheCommittedOffset(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.sent(message("T", "x"))
		q, one := waitFor(1, time.Minute), mq.QueueOffset(1)
		q.Commit = &one
		r.pull(q)
		synctest.Wait()
		if at, err := r.Offset(t.Context(), "G", q.Queue); at != 1 || err != nil {
			t.Errorf("committed %d, %v", at, err)
		}
	})
}

// A request beyond a limit is answered at once, unless room can be made by
// forgetting those whose client is gone.
func TestPullsBeyondTheLimitAreAnsweredAtOnce(t *testing.T) {
	bubble(t, Options{MaxWaitingPulls: 3, MaxWaitingPullsPerQueue: 2}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		ctx, gone := context.WithCancel(t.Context())
		first, second := r.pullCtx(ctx, waitFor(0, time.Minute)), r.pull(waitFor(0, time.Minute))
		r.silent(first)
		if p := <-r.pull(waitFor(0, time.Minute)); p.Status != mq.PullNoQueue || p.after != 0 {
			t.Errorf("third on the queue: %+v after %v", p.Batch, p.after)
		}
		other := waitFor(0, time.Minute)
		other.Queue.ID = 1
		r.silent(r.pull(other))
		other.Queue.ID = 2
		if p := <-r.pull(other); p.after != 0 {
			t.Errorf("fourth of all: %+v after %v", p.Batch, p.after)
		}
		gone()
		third := r.pull(waitFor(0, time.Minute))
		r.silent(third)
		r.sent(message("T", "news"))
		if p := <-second; len(p.records) != 1 {
			t.Errorf("second: %+v", p.Batch)
		}
		if p := <-third; len(p.records) != 1 {
			t.Errorf("third: %+v", p.Batch)
		}
		r.silent(first)
	})
}

func TestShortPollingCutsTheWait(t *testing.T) {
	off := false
	bubble(t, Options{LongPolling: &off}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		if p := <-r.pull(waitFor(0, time.Minute)); p.after != time.Second {
			t.Errorf("answered after %v", p.after)
		}
	})
}

func TestWaitingPullsAreAnsweredAtTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Options{}, vfs.NewMem())
		r.topic("T", 1)
		r.sent(message("T", "x"))
		answer := r.pull(waitFor(1, time.Hour))
		r.silent(answer)
		r.stop()
		if p := <-answer; p.err != nil || p.Status != mq.PullNoNew || p.Next != 1 {
			t.Errorf("got %+v, %v", p.Batch, p.err)
		}
	})
}

// A reset while a client waits reaches it at once, and only once; what it
// commits before it has heard is passed over.
func TestResetReachesTheNextPull(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		for range 3 {
			r.sent(message("T", "x"))
		}
		q := mq.Queue{Topic: "T"}
		r.must(r.SetOffset(t.Context(), "G", q, 3))
		answer := r.pull(waitFor(3, time.Minute))
		r.silent(answer)
		one := mq.QueueOffset(1)
		if _, err := r.ResetOffsets(t.Context(), "G", "T", 0, time.Time{}, &one, false); err != nil {
			t.Fatal(err)
		}
		if p := <-answer; p.Status != mq.PullOffsetIllegal || p.Next != 1 || p.after != 0 {
			t.Errorf("the waiting pull got %+v after %v", p.Batch, p.after)
		}
		if _, err := r.ResetOffsets(t.Context(), "G", "T", -1, time.UnixMilli(0), nil, false); err != nil {
			t.Fatal(err)
		}
		r.must(r.SetOffset(t.Context(), "G", q, 3))
		if at, _ := r.Offset(t.Context(), "G", q); at != 0 {
			t.Errorf("committed %d while the reset had not been heard of", at)
		}
		r.restart(Options{})
		if p := <-r.pull(waitFor(3, time.Minute)); p.Status != mq.PullOffsetIllegal || p.Next != 0 {
			t.Errorf("the next pull got %+v", p.Batch)
		}
		if p := <-r.pull(waitFor(0, time.Minute)); p.Status != mq.PullFound || p.Count != 3 {
			t.Errorf("the one after it got %+v", p.Batch)
		}
		r.must(r.SetOffset(t.Context(), "G", q, 3))
		if at, _ := r.Offset(t.Context(), "G", q); at != 3 {
			t.Errorf("committed %d", at)
		}
	})
}

func TestManyWaitersAllHearOfWhatTheyWant(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 16)
		var answers []<-chan pulled
		for i := range 400 {
			q := waitFor(0, time.Hour)
			q.Queue.ID = int32(i % 16)
			q.Group = fmt.Sprint("G", i/16)
			answers = append(answers, r.pull(q))
		}
		for i := range 16 {
			s := message("T", fmt.Sprint(i))
			s.QueueID = int32(i)
			r.sent(s)
		}
		for i, answer := range answers {
			if p := <-answer; len(p.records) != 1 || string(p.records[0].Body) != fmt.Sprint(i%16) {
				t.Errorf("waiter %d got %+v", i, p.Batch)
			}
		}
		if n := r.parking.count.Load(); n != 0 {
			t.Errorf("%d are still parked", n)
		}
	})
}

// Producers and waiting consumers at the same time: whoever waits for a message
// gets it at once. In a bubble a lost wake-up shows as time that passed.
func TestNoWakeUpIsLost(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		const queues, messages = 4, 500
		r.topic("T", queues)
		began := time.Now()
		var all sync.WaitGroup
		for id := range int32(queues) {
			all.Go(func() {
				for range messages {
					s := message("T", "x")
					s.QueueID = id
					r.sent(s)
				}
			})
			for i := range 3 {
				all.Go(func() {
					q := mq.PullRequest{Group: fmt.Sprint("G", i), Queue: mq.Queue{Topic: "T", ID: id}, Wait: time.Minute}
					for q.From < messages {
						p := <-r.pull(q)
						if p.err != nil || p.Status != mq.PullFound {
							t.Errorf("at %d: status %d, %v", q.From, p.Status, p.err)
							return
						}
						q.From = p.Next
					}
				})
			}
		}
		all.Wait()
		if took := time.Since(began); took != 0 {
			t.Errorf("somebody waited for %v", took)
		}
	})
}

// The sender's goroutine answers pulls that its message has woken, so nobody
// else has to be woken for them.
func TestSendAnswersWaitingPullsItself(t *testing.T) {
	b, err := New(Options{Name: "b", Store: store.Options{Dir: "data", FS: vfs.NewMem()}})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close() // Run was never called: there are no workers
	if err := b.PutTopic(t.Context(), mq.Topic{Name: "T", ReadQueues: 1, WriteQueues: 1, Perm: mq.PermRead | mq.PermWrite}); err != nil {
		t.Fatal(err)
	}
	send := func() {
		done := make(chan struct{})
		b.Send(&mq.SendBatch{Sends: []mq.Send{message("T", "news")}, Done: func(*mq.SendBatch) { close(done) }})
		<-done
	}
	send()
	answers := 0
	pull := func(from mq.QueueOffset) {
		r := waitFor(from, time.Minute)
		r.Group = mq.GroupTools
		b.Pull(t.Context(), r, func(batch mq.Batch, err error) {
			if err != nil || batch.Status != mq.PullFound {
				t.Errorf("got status %d, %v", batch.Status, err)
			}
			release(batch)
			answers++
		})
	}
	pull(0) // from here on new messages are kept in memory
	for range helpAtMost {
		pull(1)
	}
	if answers != 1 {
		t.Fatalf("%d pulls were answered before there was something new", answers-1)
	}
	send()
	if answers != 1+helpAtMost {
		t.Errorf("Send left %d of %d pulls waiting", 1+helpAtMost-answers, helpAtMost)
	}
}

func TestManyWaitingPullsAreSharedOut(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		var all []<-chan pulled
		for range 5 * helpAtMost {
			all = append(all, r.pull(waitFor(0, time.Minute)))
		}
		pass(time.Second)
		r.sent(message("T", "news"))
		for _, answer := range all {
			if p := <-answer; p.err != nil || p.Status != mq.PullFound || p.after != time.Second {
				t.Fatalf("got %+v after %v", p.Batch, p.after)
			}
		}
	})
}

// Under synchronous flush it is the syncer that publishes, whom others wait for:
// workers answer.
func TestWaitingPullsAreAnsweredWhenTheSyncIsDone(t *testing.T) {
	bubble(t, Options{Store: store.Options{Flush: store.FlushSync}}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		var all []<-chan pulled
		for range 2 * helpAtMost {
			all = append(all, r.pull(waitFor(0, time.Minute)))
		}
		pass(time.Second)
		r.sent(message("T", "news"))
		for _, answer := range all {
			if p := <-answer; p.err != nil || p.Status != mq.PullFound || p.after != time.Second {
				t.Fatalf("got %+v after %v", p.Batch, p.after)
			}
		}
	})
}
