package broker

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
	"github.com/goddardmq/goddard/internal/store"
)

// A popped is the answer to a pop.
type popped struct {
	mq.PopBatch
	err    error
	bodies []string
	acks   []mq.Ack
	recs   []mq.Record
	after  time.Duration
}

// pops starts a pop by group G of T and returns where its answer will be.
func (r *rig) pops(q mq.PopRequest) <-chan popped { return r.popsCtx(context.Background(), q) }

func (r *rig) popsCtx(ctx context.Context, q mq.PopRequest) <-chan popped {
	if q.Group == "" {
		q.Group = "G"
	}
	if q.Topic == "" {
		q.Topic = "T"
	}
	if q.MaxMessages == 0 {
		q.MaxMessages = 32
	}
	if q.Invisible == 0 {
		q.Invisible = 10 * time.Second
	}
	answer, began := make(chan popped, 2), time.Now()
	r.Broker.Pop(ctx, q, func(b mq.PopBatch, err error) {
		p := popped{PopBatch: b, err: err, after: time.Since(began)}
		for _, m := range b.Messages {
			rec, _, err := mq.DecodeRecord(slices.Clone(m.Record))
			if err != nil {
				p.err = err
			}
			p.recs, p.bodies = append(p.recs, rec), append(p.bodies, string(rec.Body))
			p.acks = append(p.acks, mq.Ack{Group: q.Group, Topic: q.Topic, Receipt: m.Receipt})
		}
		b.Release()
		answer <- p
	})
	return answer
}

// pop is a pop that does not wait, of any queue.
func (r *rig) pop(bodies ...string) popped {
	r.Helper()
	return r.wantPop(mq.PopRequest{QueueID: -1}, bodies...)
}

func (r *rig) wantPop(q mq.PopRequest, bodies ...string) popped {
	r.Helper()
	p := <-r.pops(q)
	if p.err != nil {
		r.Fatal(p.err)
	}
	got := slices.Sorted(slices.Values(p.bodies))
	if !slices.Equal(got, bodies) {
		r.Errorf("popped %q, want %q", got, bodies)
	}
	return p
}

func (r *rig) acks(acks ...mq.Ack) {
	r.Helper()
	if errs := r.Broker.Ack(context.Background(), acks); errs != nil {
		r.Errorf("acknowledging: %v", errs)
	}
}

// fill makes topic T with some queues and puts bodies into them in turn.
func (r *rig) fill(queues int32, bodies ...string) {
	r.Helper()
	r.topic("T", queues)
	r.more(queues, bodies...)
}

func (r *rig) more(queues int32, bodies ...string) {
	r.Helper()
	for i, body := range bodies {
		m := message("T", body)
		m.QueueID = int32(i) % queues
		r.sent(m)
	}
}

func TestAPopTakesFromAllQueuesAndHidesWhatItTook(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(4, "a", "b", "c", "d", "e")
		p := <-r.pops(mq.PopRequest{QueueID: -1, MaxMessages: 3})
		q := <-r.pops(mq.PopRequest{QueueID: -1, MaxMessages: 3})
		if p.err != nil || q.err != nil || p.Rest != 2 || q.Rest != 0 {
			t.Errorf("%d and %d are left, %v, %v", p.Rest, q.Rest, p.err, q.err)
		}
		all := slices.Sorted(slices.Values(append(p.bodies, q.bodies...)))
		wantStrings(t, "popped", all, "a", "b", "c", "d", "e")
		r.pop()
		r.wantPop(mq.PopRequest{Group: "H", QueueID: 0}, "a", "e")
	})
}

func TestWhatWasPoppedComesBackOnceMore(t *testing.T) {
	for _, v2 := range []bool{false, true} {
		bubble(t, Options{RetryTopicV2: v2}, func(t *testing.T, r *rig) {
			r.fill(2, "a", "b", "c")
			began := time.Now().UnixMilli()
			p := r.pop("a", "b", "c")
			r.pop()
			for _, a := range p.acks {
				if got, err := mq.ParseReceipt(a.Receipt.String()); err != nil || got != a.Receipt {
					t.Errorf("receipt %v is read as %v, %v", a.Receipt, got, err)
				}
			}
			i := slices.Index(p.bodies, "b")
			r.acks(p.acks[i])
			pass(10 * time.Second)
			again := r.pop("a", "c")
			kind, topic := mq.RetryV1, mq.RetryTopicPop("G", "T")
			if v2 {
				kind, topic = mq.RetryV2, mq.RetryTopicPopV2("G", "T")
			}
			for j, rec := range again.recs {
				if rec.ReconsumeTimes != 1 || string(rec.Topic) != topic || again.acks[j].Receipt.Retry != kind {
					t.Errorf("came back as %d in %s, receipt %v", rec.ReconsumeTimes, rec.Topic, again.acks[j].Receipt)
				}
				if at, _ := mq.Property(rec.Properties, mq.PropFirstPopTime); string(at) != strconv.FormatInt(began, 10) {
					t.Errorf("first popped at %s, want %d", at, began)
				}
			}
			r.acks(again.acks[0])
			pass(10 * time.Second)
			third := r.pop(again.bodies[1])
			if third.recs[0].ReconsumeTimes != 2 {
				t.Errorf("tried %d times", third.recs[0].ReconsumeTimes)
			}
			r.acks(third.acks...)
			pass(time.Minute)
			r.pop()
			if n := r.holds.Total(); n != 0 {
				t.Errorf("%d are in hand", n)
			}
		})
	}
}

func TestWhatWasTriedTooOftenGoesToTheDeadLetters(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a")
		g := newGroup("G")
		g.RetryMax = 2
		r.must(r.PutGroup(t.Context(), g))
		for range 3 {
			r.pop("a")
			pass(10 * time.Second)
		}
		r.pop()
		dead := r.records(mq.DLQTopic("G"), 0)
		if len(dead) != 1 || dead[0].ReconsumeTimes != 3 {
			t.Fatalf("dead letters %v", dead)
		}
		if first, _ := mq.Property(dead[0].Properties, mq.PropRetryTopic); string(first) != "T" {
			t.Errorf("the dead letter is of topic %s", first)
		}
	})
}

func TestAChangedTimeMovesTheMessage(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b")
		p := r.pop("a", "b")
		pass(5 * time.Second)
		longer, err := r.ChangeInvisible(t.Context(), p.acks[0], 20*time.Second, false)
		r.must(err)
		if longer.Due() != time.Now().Add(20*time.Second).UnixMilli() {
			t.Errorf("due at %d", longer.Due())
		}
		_, err = r.ChangeInvisible(t.Context(), p.acks[0], time.Second, false)
		r.wantErr(err, mq.ErrNotFound)
		_, err = r.ChangeInvisible(t.Context(), p.acks[1], 0, true)
		r.must(err)
		pass(time.Millisecond)
		if again := r.pop("b"); again.recs[0].ReconsumeTimes != 0 {
			t.Errorf("the suspended message counts %d", again.recs[0].ReconsumeTimes)
		}
		pass(9 * time.Second)
		r.pop()
		pass(11 * time.Second)
		r.pop("a", "b")
	})
}

func TestReceiptsAreChecked(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a")
		p := r.pop("a")
		for want, change := range map[error]func(a *mq.Ack){
			mq.ErrInvalid:          func(a *mq.Ack) { a.Receipt.Broker = "other" },
			mq.ErrTopicNotFound:    func(a *mq.Ack) { a.Topic = "none" },
			mq.ErrMessageIllegal:   func(a *mq.Ack) { a.Receipt.QueueID = 1 },
			mq.ErrOffsetOutOfRange: func(a *mq.Ack) { a.Receipt.Offset = 1 },
		} {
			a := p.acks[0]
			change(&a)
			errs := r.Broker.Ack(t.Context(), []mq.Ack{a, p.acks[0]})
			if len(errs) != 2 || errs[1] != nil {
				t.Fatalf("errors are %v", errs)
			}
			r.wantErr(errs[0], want)
			_, err := r.ChangeInvisible(t.Context(), a, time.Second, false)
			r.wantErr(err, want)
			r.wantErr(r.Bury(t.Context(), a), want)
		}
		r.acks(p.acks[0], p.acks[0])
	})
}

func TestABuriedMessageIsADeadLetterAndNotInHand(t *testing.T) {
	for _, ordered := range []bool{false, true} {
		bubble(t, Options{}, func(t *testing.T, r *rig) {
			r.fill(1, "a", "b")
			q := mq.PopRequest{QueueID: -1, Ordered: ordered}
			p := r.wantPop(q, "a", "b")
			r.must(r.Bury(t.Context(), p.acks[0]))
			r.wantErr(r.Bury(t.Context(), p.acks[0]), mq.ErrNotFound)
			r.acks(p.acks[1])
			wantStrings(t, "dead letters", r.bodies(mq.DLQTopic("G"), 0), "a")
			pass(time.Minute)
			r.wantPop(q)
		})
	}
}

func TestAGroupWithoutOffsetBeginsAsItAsksUnlessTheQueueIsYoung(t *testing.T) {
	for _, c := range []struct {
		fromEnd      bool
		topic        string
		lo, hi, want mq.QueueOffset
	}{
		{false, "T", 3, 9, 3},
		{true, "T", 3, 9, 9},
		{true, "T", 0, mq.YoungQueue + 1, mq.YoungQueue + 1},
		{true, "T", 0, mq.YoungQueue, 0},
		{true, "T", 0, 0, 0},
		{true, "%LMQ%T", 3, 9, 3},
		{true, "%LMQ%T", 3, mq.YoungQueue + 4, mq.YoungQueue + 4},
	} {
		if got := beginAt(c.fromEnd, c.topic, c.lo, c.hi); got != c.want {
			t.Errorf("from the end %v of %s in %d to %d: begins at %d, want %d", c.fromEnd, c.topic, c.lo, c.hi, got, c.want)
		}
	}
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b")
		end := mq.PopRequest{QueueID: 0, FromEnd: true, Group: "end"}
		r.wantPop(end, "a", "b")
		r.more(1, "c")
		r.wantPop(end, "c")
		r.wantPop(mq.PopRequest{QueueID: 0, Group: "begin"}, "a", "b", "c")
		r.wantPop(mq.PopRequest{QueueID: 0, FromEnd: true, Group: "young"}, "a", "b", "c")
	})
}

func TestAPeekTakesNothing(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(2, "a", "b")
		for range 2 {
			r.wantPop(mq.PopRequest{QueueID: -1, Peek: true}, "a", "b")
		}
		if _, err := r.Offset(t.Context(), "G", mq.Queue{Topic: "T"}); err == nil {
			t.Error("peeking left an offset")
		}
		r.pop("a", "b")
	})
}

type odd struct{}

func (odd) Match(code int64) bool { return code&1 == 1 }

func TestAFilterPassesOverTheRest(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		for _, tag := range []string{"a", "b", "c", "d"} { // hash codes from 97 on
			r.sent(message("T", tag, mq.PropTags, tag))
		}
		p := r.wantPop(mq.PopRequest{QueueID: -1, Filter: odd{}}, "a", "c")
		if at, err := r.Offset(t.Context(), "G", mq.Queue{Topic: "T"}); at != 4 || err != nil {
			t.Errorf("the offset is %d, %v", at, err)
		}
		r.sent(message("T", "e", mq.PropTags, "b"))
		r.wantPop(mq.PopRequest{QueueID: -1, Filter: odd{}})
		if at, err := r.Offset(t.Context(), "G", mq.Queue{Topic: "T"}); at != 5 || err != nil {
			t.Errorf("the offset is %d, %v", at, err)
		}
		r.acks(p.acks...)
	})
}

func TestAnOrderedQueueWaitsForItsMessages(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b", "c")
		q := mq.PopRequest{QueueID: -1, Ordered: true, MaxMessages: 2, AttemptID: "1"}
		r.wantPop(q, "a", "b")
		r.wantPop(q, "a", "b") // the same attempt
		p := r.wantPop(q, "a", "b")
		q.AttemptID = "2"
		q.Wait = 30 * time.Second
		next := r.pops(q)
		pass(time.Second)
		if n := r.Waiting(t.Context(), "G", "T", -1); n != 1 {
			t.Errorf("%d pops wait", n)
		}
		r.acks(p.acks[0])
		pass(time.Second)
		longer, err := r.ChangeInvisible(t.Context(), p.acks[1], 2*time.Second, false)
		r.must(err)
		if longer.PopTime != p.PopTime {
			t.Error("the time of the pop changed")
		}
		got := <-next // when b is visible again
		wantStrings(t, "then", got.bodies, "b", "c")
		if got.after != 4*time.Second || got.Messages[0].Tries != 1 || got.Messages[1].Tries != 0 {
			t.Errorf("after %v, tries %d and %d", got.after, got.Messages[0].Tries, got.Messages[1].Tries)
		}
		errs := r.Broker.Ack(t.Context(), []mq.Ack{p.acks[1]}) // of the pop before
		if errs != nil {
			t.Error(errs)
		}
		next = r.pops(q) // the same attempt again
		got = <-next
		wantStrings(t, "again", got.bodies, "b", "c")
		q.AttemptID = "3"
		next = r.pops(q)
		r.acks(got.acks...)
		r.more(1, "d")
		got = <-next
		wantStrings(t, "at last", got.bodies, "d")
		if at, err := r.Offset(t.Context(), "G", mq.Queue{Topic: "T"}); at != 3 || err != nil {
			t.Errorf("the offset is %d, %v", at, err)
		}
	})
}

func TestPopsWaitForMessagesAndForWhatComesBack(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(4)
		wait := mq.PopRequest{QueueID: -1, Wait: time.Minute, MaxMessages: 1}
		var answers []<-chan popped
		for range 3 {
			answers = append(answers, r.pops(wait))
		}
		synctest.Wait()
		m := message("T", "a")
		m.QueueID = 2
		r.sent(m)
		p := <-answers[0] // who waited longest
		wantStrings(t, "popped", p.bodies, "a")
		if n := r.Waiting(t.Context(), "G", "T", -1); n != 2 {
			t.Errorf("%d pops wait, want the others", n)
		}
		pass(10 * time.Second)
		if p = <-answers[1]; p.recs[0].ReconsumeTimes != 1 {
			t.Error("a did not come back")
		}
		r.acks(p.acks...)
		if p = <-answers[2]; p.Status != mq.PopNothing || p.after != time.Minute {
			t.Errorf("status %d after %v", p.Status, p.after)
		}
	})
}

func TestAWokenPopThatLeavesSomethingWakesTheNext(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1)
		gone, leave := context.WithCancel(context.Background())
		wait := mq.PopRequest{QueueID: -1, Wait: time.Minute, MaxMessages: 2}
		r.popsCtx(gone, wait)
		first, second := r.pops(wait), r.pops(wait)
		synctest.Wait()
		leave()
		more := []mq.Message{message("T", "b").Message, message("T", "c").Message}
		m := message("T", "a") // three messages wake the first that wait
		m.More = more
		r.sent(m)
		a, b := <-first, <-second
		if len(a.bodies)+len(b.bodies) != 3 {
			t.Errorf("popped %q and %q", a.bodies, b.bodies)
		}
	})
}

func TestTooManyPopsAreTold(t *testing.T) {
	bubble(t, Options{MaxWaitingPops: 3, MaxWaitingPopsPerQueue: 2}, func(t *testing.T, r *rig) {
		r.fill(2)
		wait := mq.PopRequest{QueueID: -1, Wait: time.Minute}
		r.pops(wait)
		r.pops(wait)
		if p := <-r.pops(wait); p.Status != mq.PopFull {
			t.Errorf("status %d", p.Status)
		}
		wait.QueueID = 1
		r.pops(wait)
		wait.QueueID = 0
		if p := <-r.pops(wait); p.Status != mq.PopFull {
			t.Errorf("status %d", p.Status)
		}
	})
}

func TestHandsAreLimited(t *testing.T) {
	bubble(t, Options{LimitPopped: true, MaxPoppedPerQueue: 1, MaxPopped: 5}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b", "c", "d")
		one := mq.PopRequest{QueueID: -1, MaxMessages: 1}
		p := r.wantPop(one, "a")
		r.wantPop(one, "b")
		r.wantPop(one)
		one.Wait = 5 * time.Second
		next := r.pops(one)
		synctest.Wait()
		r.acks(p.acks...)
		if p := <-next; len(p.bodies) != 1 || p.after != 0 {
			t.Errorf("popped %q after %v", p.bodies, p.after)
		}
		r.wantPop(mq.PopRequest{Group: "H"}, "a", "b", "c", "d")
		p = <-r.pops(mq.PopRequest{Group: "I"})
		r.wantErr(p.err, mq.ErrBusy)
	})
}

func TestNotifySaysThatThereIsSomething(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(2)
		said := make(chan mq.PopStatus, 3)
		q := mq.PopRequest{Group: "G", Topic: "T", QueueID: -1, MaxMessages: 1, Wait: time.Second}
		ask := func() {
			r.Notify(t.Context(), q, func(s mq.PopStatus, err error) {
				r.must(err)
				said <- s
			})
		}
		ask()
		if s := <-said; s != mq.PopNothing {
			t.Errorf("said %d", s)
		}
		ask()
		synctest.Wait()
		r.more(2, "a")
		for range 2 {
			if s := <-said; s != mq.PopFound {
				t.Errorf("said %d", s)
			}
			ask()
		}
		r.pop("a")
	})
}

func TestResettingAndDeletingLetGo(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a", "b")
		p := r.pop("a", "b")
		_, err := r.ResetOffsets(t.Context(), "G", "T", -1, time.Time{}, new(mq.QueueOffset), true)
		r.must(err)
		if n := r.holds.Total(); n != 0 {
			t.Errorf("%d in hand after the reset", n)
		}
		r.acks(p.acks...)
		r.pop("a", "b")
		pass(10 * time.Second)
		r.pop("a", "b")
		r.must(r.DeleteTopic(t.Context(), "T"))
		if n := r.holds.Total(); n != 0 {
			t.Errorf("%d in hand of no topic", n)
		}
		if _, err := r.Topic(t.Context(), mq.RetryTopicPop("G", "T")); err == nil {
			t.Error("what came back is still there")
		}
		r.fill(1, "c")
		r.pop("c")
		r.must(r.DeleteGroup(t.Context(), "G", true))
		if n := r.holds.Total(); n != 0 {
			t.Errorf("%d in hand of no group", n)
		}
	})
}

func TestPopsAreRefusedWhoMayNot(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "a")
		off := newGroup("off")
		off.ConsumeEnable = false
		r.must(r.PutGroup(t.Context(), off))
		r.must(r.PutTopic(t.Context(), mq.Topic{Name: "W", ReadQueues: 1, WriteQueues: 1, Perm: mq.PermWrite}))
		for want, q := range map[error][]mq.PopRequest{
			mq.ErrTopicNotFound:   {{Topic: "none"}},
			mq.ErrDenied:          {{Group: "off"}, {Topic: "W"}},
			mq.ErrQueueOutOfRange: {{QueueID: 1}, {QueueID: -2}},
			mq.ErrInvalid:         {{MaxMessages: 33}, {MaxMessages: -1}, {Invisible: -1}, {Group: "a b"}},
		} {
			for _, q := range q {
				p := <-r.pops(q)
				r.wantErr(p.err, want)
			}
		}
	})
}

// After any kill each message is acknowledged, in hand, or still to be popped.
func TestAKillLosesNoMessageThatWasPopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		r := start(t, Options{}, fs)
		defer func() { r.stop() }()
		r.fill(3)
		want := map[string]bool{}
		for i := range 90 {
			r.more(3, fmt.Sprint(i))
			want[fmt.Sprint(i)] = true
		}
		for range 20 {
			p := <-r.pops(mq.PopRequest{QueueID: -1, MaxMessages: 3})
			if len(p.acks) > 1 {
				r.acks(p.acks[1])
				delete(want, p.bodies[1])
			}
		}
		killed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rand.New(rand.NewPCG(1, 2))})
		after := start(t, Options{}, killed)
		defer after.stop()
		pass(11 * time.Second)
		for {
			p := <-after.pops(mq.PopRequest{QueueID: -1})
			if p.err != nil || len(p.bodies) == 0 {
				break
			}
			after.acks(p.acks...)
			for _, body := range p.bodies {
				if !want[body] {
					t.Errorf("%s was acknowledged or came twice", body)
				}
				delete(want, body)
			}
		}
		if len(want) > 0 {
			t.Errorf("%v did not come", want)
		}
	})
}

func TestAPopBesideAResetKeepsWhatItTookInHand(t *testing.T) {
	const queues = 8
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(queues, slices.Repeat([]string{"a"}, 50*queues)...)
		r.must(r.PutGroup(t.Context(), newGroup("G")))
		for range 20 {
			pass(time.Second)
			var popping sync.WaitGroup
			popping.Go(func() {
				for i := range time.Duration(40) {
					<-r.pops(mq.PopRequest{QueueID: -1, MaxMessages: 4, Invisible: time.Hour + i*time.Millisecond})
				}
			})
			_, err := r.ResetOffsets(t.Context(), "G", "T", -1, time.Time{}, new(mq.QueueOffset), true)
			r.must(err)
			popping.Wait()
			p := r.offsets.find(use{"G", "T"})
			for id := range int32(queues) {
				passed, inHand := p.at(id).committed, r.holds.Count(pop.Use{Group: "G", Topic: "T", Queue: id})
				if int64(passed) != inHand {
					t.Fatalf("the group is at %d in queue %d and has %d in hand", passed, id, inHand)
				}
			}
		}
	})
}

func TestAPopThatIsGonePassesItsWakeOnToOneOfTheSameQueue(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(2)
		gone, leave := context.WithCancel(context.Background())
		wait := mq.PopRequest{QueueID: -1, Wait: time.Minute}
		r.popsCtx(gone, wait)
		other := wait
		other.QueueID = 1
		r.pops(other) // has waited longer than the next, in vain
		next := r.pops(wait)
		synctest.Wait()
		leave()
		r.more(2, "a")
		if p := <-next; len(p.bodies) != 1 || p.after != 0 {
			t.Errorf("popped %q after %v", p.bodies, p.after)
		}
	})
}

func TestANoticeTakesNoMessageFromThoseWhoPop(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1)
		q := mq.PopRequest{Group: "G", Topic: "T", QueueID: -1, MaxMessages: 1, Wait: time.Minute}
		said := make(chan mq.PopStatus, 1)
		r.Notify(t.Context(), q, func(s mq.PopStatus, err error) { said <- s })
		next := r.pops(q)
		synctest.Wait()
		r.more(1, "a")
		if p := <-next; len(p.bodies) != 1 || p.after != 0 {
			t.Errorf("popped %q after %v", p.bodies, p.after)
		}
		if s := <-said; s != mq.PopFound {
			t.Errorf("said %d", s)
		}
	})
}

func TestAPopThatWaitsForAQueueInOrderKeepsToTheSteadyClock(t *testing.T) {
	r := start(t, Options{}, vfs.NewMem()) // a bubble has one clock
	defer r.stop()
	r.fill(1, "a")
	q := mq.PopRequest{Ordered: true, Wait: time.Minute}
	r.wantPop(q, "a")
	r.pops(q)
	r.parking.mu.Lock()
	defer r.parking.mu.Unlock()
	// Round(0) takes the reading of the steady clock away.
	if at := r.parking.mu.deadlines[0].deadline; at == at.Round(0) {
		t.Errorf("it waits until %v, whatever the clock is set to", at)
	}
}

func TestGroupsWhoseRetryTopicsAreNamedAlikeAreWokenEach(t *testing.T) {
	q, a, b := newPopQueues(), &waiting{pop: new(popWaiting)}, &waiting{pop: new(popWaiting)}
	a.pop.request = mq.PopRequest{Group: "a", Topic: "b_c"}
	b.pop.request = mq.PopRequest{Group: "a_b", Topic: "c"}
	alike := mq.RetryTopicPop("a", "b_c")
	for _, w := range []*waiting{a, b} {
		r := &w.pop.request
		w.pop.retries = [2]string{mq.RetryTopicPop(r.Group, r.Topic), mq.RetryTopicPopV2(r.Group, r.Topic)}
		q.add(w)
	}
	if len(q.retries[alike]) != 2 {
		t.Fatalf("%d groups wait for %s, want both", len(q.retries[alike]), alike)
	}
	q.remove(a)
	if all := q.retries[alike]; len(all) != 1 || all[0].first(-1, unordered) != b {
		t.Errorf("%d groups wait for %s, want the other", len(all), alike)
	}
	if q.remove(b); len(q.retries) != 0 {
		t.Errorf("nobody waits, and %v is left", q.retries)
	}
}

// A strict filter counts how often it was asked and wants nothing.
type strict struct{ asked *int }

func (f strict) Match(int64) bool { *f.asked++; return false }

func TestAMessageIsShownToFewFilters(t *testing.T) {
	park := func(asked ...*int) *parking {
		p := newParking(1)
		for _, n := range asked {
			w := &waiting{ctx: t.Context(), pop: new(popWaiting)}
			w.pop.request = mq.PopRequest{Group: "G", Topic: "T", QueueID: -1, Filter: strict{n}}
			p.parkPop(w, 1000, 1000)
		}
		return p
	}
	m := []store.Appended{{Queue: mq.Queue{Topic: "T"}}}
	n := new(int)
	p := park(slices.Repeat([]*int{n}, 500)...)
	if p.appended(m); *n != 1 || p.pops.Load() != 500 {
		t.Errorf("one filter was asked %d times, %d pops wait", *n, p.pops.Load())
	}
	many := make([]*int, 500)
	for i := range many {
		many[i] = new(int)
	}
	p = park(many...)
	p.appended(m)
	total := 0
	for _, n := range many {
		total += *n
	}
	if total != maxRefusals || p.pops.Load() != 499 {
		t.Errorf("%d filters were asked, %d pops wait; want that one looks for itself", total, p.pops.Load())
	}
}
