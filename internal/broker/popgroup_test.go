package broker

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

// byGroup is a pop in order by message group.
func byGroup(most int) mq.PopRequest {
	return mq.PopRequest{QueueID: -1, Ordered: true, ByGroup: true, MaxMessages: most}
}

// keyed puts bodies into queue 0 of T; the first letter is the message group.
func (r *rig) keyed(bodies ...string) {
	r.Helper()
	for _, body := range bodies {
		r.sent(message("T", body, mq.PropShardingKey, body[:1]))
	}
}

// inOrder pops and wants bodies in this order.
func (r *rig) inOrder(q mq.PopRequest, bodies ...string) popped {
	r.Helper()
	p := <-r.pops(q)
	if p.err != nil {
		r.Fatal(p.err)
	}
	wantStrings(r.T, "popped", p.bodies, bodies...)
	return p
}

func (r *rig) wantOffset(want mq.QueueOffset) {
	r.Helper()
	if at, err := r.Offset(r.Context(), "G", mq.Queue{Topic: "T"}); at != want || err != nil {
		r.Errorf("the offset is %d, %v; want %d", at, err, want)
	}
}

func TestAMessageGroupThatFailsHoldsUpNoOther(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.keyed("a1", "b1", "a2", "c1", "b2", "a3")
		p := r.inOrder(byGroup(2), "a1", "b1")
		r.acks(p.acks[1])
		q := r.inOrder(byGroup(32), "c1", "b2")
		r.acks(q.acks...)
		r.inOrder(byGroup(32)) // a1 fails
		r.wantOffset(0)
		for try := range int32(3) {
			pass(11 * time.Second)
			p = r.inOrder(byGroup(1), "a1")
			if p.Messages[0].Tries != try+1 {
				t.Errorf("tried %d times, want %d", p.Messages[0].Tries, try+1)
			}
			r.keyed("d1")
			r.acks(r.inOrder(byGroup(32), "d1").acks...)
		}
		r.acks(p.acks...)
		r.wantOffset(2)
		r.acks(r.inOrder(byGroup(32), "a2", "a3").acks...)
		r.wantOffset(9)
	})
}

func TestAPopByGroupWaitsUntilItsGroupIsFree(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.keyed("a1", "a2")
		p := r.inOrder(byGroup(1), "a1")
		q := byGroup(32)
		q.Wait = time.Minute
		waits := r.pops(q)
		pass(time.Second)
		r.acks(p.acks...)
		got := <-waits
		wantStrings(t, "when a1 is acknowledged", got.bodies, "a2")
		if got.after != time.Second {
			t.Errorf("after %v", got.after)
		}
		waits = r.pops(q)
		got = <-waits
		wantStrings(t, "when its time is over", got.bodies, "a2")
		if got.after != 10*time.Second || got.Messages[0].Tries != 1 {
			t.Errorf("after %v, tried %d times", got.after, got.Messages[0].Tries)
		}
		waits = r.pops(q)
		pass(time.Second)
		longer, err := r.ChangeInvisible(t.Context(), got.acks[0], 3*time.Second, true)
		r.must(err)
		if longer.PopTime != got.PopTime {
			t.Error("the time of the pop changed")
		}
		got = <-waits
		wantStrings(t, "when that is over", got.bodies, "a2")
		if got.after != 4*time.Second || got.Messages[0].Tries != 1 {
			t.Errorf("after %v, tried %d times", got.after, got.Messages[0].Tries)
		}
	})
}

func TestTheSameAttemptGetsItsMessagesOfAGroup(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.keyed("a1", "b1", "a2", "c1")
		q := byGroup(2)
		q.AttemptID = "1"
		r.inOrder(q, "a1", "b1")
		p := r.inOrder(q, "a1", "b1")
		if p.Messages[0].Tries != 0 {
			t.Error("the same attempt counts as a try")
		}
		other := byGroup(2)
		other.AttemptID = "2"
		r.inOrder(other, "c1")
		r.acks(p.acks...)
		r.inOrder(q, "a2")
	})
}

func TestMessagesWithoutAGroupKeepTheirOrder(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1, "1", "2")
		r.keyed("a1")
		p := r.inOrder(byGroup(1), "1")
		r.inOrder(byGroup(32), "a1")
		r.acks(p.acks...)
		r.inOrder(byGroup(32), "2")
	})
}

func TestABuriedMessageLetsItsGroupGoOn(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.keyed("a1", "a2")
		p := r.inOrder(byGroup(1), "a1")
		r.must(r.Bury(t.Context(), p.acks[0]))
		r.wantErr(r.Bury(t.Context(), p.acks[0]), mq.ErrNotFound)
		wantStrings(t, "dead letters", r.bodies(mq.DLQPrefix+"G", 0), "a1")
		r.inOrder(byGroup(32), "a2")
	})
}

func TestAQueueIsFullWhenTooManyOfItsMessagesWait(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		for range 1100 {
			r.keyed("a")
		}
		r.keyed("b")
		p := r.inOrder(byGroup(1), "a")
		r.inOrder(byGroup(1)) // b is too far ahead
		r.acks(p.acks...)
		for range 80 {
			p := <-r.pops(byGroup(1))
			r.acks(p.acks...)
		}
		r.inOrder(byGroup(2), "a", "a")
		r.inOrder(byGroup(1), "b")
	})
}

func TestAParkedGroupIsPassedOverUntilItIsReleased(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		r.keyed("a1", "b1", "a2")
		ctx := t.Context()
		p := r.inOrder(byGroup(1), "a1")
		r.must(r.ParkMessageGroup(ctx, "G", "T", "a"))
		r.acks(r.inOrder(byGroup(32), "b1").acks...)
		pass(11 * time.Second)
		r.keyed("a3", "b2")
		r.acks(r.inOrder(byGroup(32), "b2").acks...)
		r.wantOffset(5) // what is aside holds up nothing
		r.acks(p.acks...)
		all, err := r.MessageGroups(ctx, "G", "T")
		r.must(err)
		if len(all) != 2 || all[0].Key != "a" || all[0].State != mq.GroupParked || all[0].Waiting != 3 || all[1].Waiting != 0 {
			t.Errorf("parked: %+v", all)
		}
		r.wantErr((<-r.pops(mq.PopRequest{QueueID: 0, Ordered: true})).err, mq.ErrInvalid)
		again := r.restart(Options{})
		again.must(again.ReleaseMessageGroup(ctx, "G", "T", "a"))
		again.wantErr(again.ReleaseMessageGroup(ctx, "G", "T", "b"), mq.ErrNotFound)
		again.keyed("a4")
		p = again.inOrder(byGroup(2), "a1", "a2")
		if p.Messages[0].Tries != 1 || p.Messages[1].Tries != 0 {
			t.Errorf("tried %d and %d times", p.Messages[0].Tries, p.Messages[1].Tries)
		}
		again.inOrder(byGroup(32))
		again.acks(p.acks...)
		again.acks(again.inOrder(byGroup(32), "a3", "a4").acks...)
		all, err = again.MessageGroups(ctx, "G", "T")
		again.must(err)
		if len(all) > 0 {
			t.Errorf("still parked: %+v", all)
		}
		again.wantOffset(6)
	})
}

func TestManyMessagesAsideComeBackInOrder(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.must(r.PutGroup(t.Context(), mq.Group{Name: "G", ConsumeEnable: true, RetryQueues: 1}))
		r.must(r.ParkMessageGroup(t.Context(), "G", "T", "a"))
		var want []string
		for i := range 600 {
			want = append(want, fmt.Sprintf("a%03d", i))
		}
		r.keyed(want[:550]...)
		r.inOrder(byGroup(32))
		r.must(r.ReleaseMessageGroup(t.Context(), "G", "T", "a"))
		r.keyed(want[550:]...)
		var got []string
		for range 40 {
			p := <-r.pops(byGroup(17))
			got = append(got, p.bodies...)
			r.acks(p.acks...)
		}
		if !slices.Equal(got, want) {
			t.Errorf("got %d messages: %q", len(got), got)
		}
	})
}

func TestWhatIsParkedCanBeBuried(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		var bad []string
		for i := range 70 {
			bad = append(bad, fmt.Sprintf("a%02d", i))
		}
		r.keyed(bad...)
		r.inOrder(byGroup(1), "a00")
		pass(11 * time.Second)
		all, err := r.MessageGroups(t.Context(), "G", "T")
		r.must(err)
		if len(all) != 1 || all[0].Key != "a" || all[0].State != mq.GroupBlocked || all[0].Tries != 1 || all[0].InHand {
			t.Errorf("blocked: %+v", all)
		}
		r.must(r.ParkMessageGroup(t.Context(), "G", "T", "a"))
		r.inOrder(byGroup(32))
		n, err := r.BuryMessageGroup(t.Context(), "G", "T", "a")
		if r.must(err); n != 70 {
			t.Errorf("%d buried", n)
		}
		wantStrings(t, "dead letters", r.bodies(mq.DLQPrefix+"G", 0), bad...)
		r.keyed("a99")
		r.inOrder(byGroup(32), "a99")
	})
}

func TestAResetLetsGoOfWhatGroupsHave(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.keyed("a1", "b1", "a2")
		p := r.inOrder(byGroup(2), "a1", "b1")
		to := mq.QueueOffset(0)
		_, err := r.ResetOffsets(t.Context(), "G", "T", 0, time.Time{}, &to, true)
		r.must(err)
		r.acks(p.acks[0]) // of before the reset
		pass(time.Millisecond)
		r.acks(r.inOrder(byGroup(32), "a1", "b1", "a2").acks...)
		r.must(r.DeleteGroup(t.Context(), "G", true))
		r.inOrder(byGroup(1), "a1")
		r.inOrder(mq.PopRequest{QueueID: -1, Ordered: true, MaxMessages: 1}, "a1") // as a whole
		r.inOrder(byGroup(1), "a1")
	})
}

// The rows reach the disk and the end of the log does not: what is lost is
// forgotten, and what takes its place is delivered.
func TestAPowerCutCutsWhatGroupsHaveToTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fs := vfs.NewCrashableMem()
		r := start(t, Options{}, fs)
		defer func() { r.stop() }()
		r.topic("T", 1)
		r.keyed("a1", "b1")
		pass(5 * time.Second) // these are on the disk
		r.must(r.PutGroup(t.Context(), mq.Group{Name: "G", ConsumeEnable: true, RetryQueues: 1}))
		r.must(r.ParkMessageGroup(t.Context(), "G", "T", "c"))
		r.keyed("a2", "c1", "c2")
		p := r.inOrder(byGroup(32), "a1", "b1", "a2")
		r.acks(p.acks[1], p.acks[2])
		r.must(r.store.Keys().Set([]byte("x"), nil, true))
		cut := start(t, Options{}, fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 0, RNG: rand.New(rand.NewPCG(1, 2))}))
		defer cut.stop()
		if _, hi, err := cut.store.Bounds(mq.Queue{Topic: "T"}); hi != 2 || err != nil {
			t.Fatalf("the queue ends at %d, %v; the test wants it cut at 2", hi, err)
		}
		all, err := cut.MessageGroups(t.Context(), "G", "T")
		cut.must(err)
		if len(all) != 1 || all[0].Key != "c" || all[0].Waiting != 0 {
			t.Errorf("parked: %+v", all)
		}
		pass(11 * time.Second)
		cut.keyed("d1", "a3", "e1")
		cut.inOrder(byGroup(32), "a1", "d1", "a3", "e1")
		cut.wantOffset(0)
	})
}

// Whatever fails, whenever the broker is killed: of each message group the first
// deliveries are in order, and everything is delivered.
func TestTheOrderOfEachGroupSurvivesFailureExpiryAndKill(t *testing.T) {
	for seed := range uint64(4) {
		synctest.Test(t, func(t *testing.T) { chaosByGroup(t, rand.New(rand.NewPCG(seed, 7))) })
	}
}

func chaosByGroup(t *testing.T, rng *rand.Rand) {
	fs := vfs.NewCrashableMem()
	r := start(t, Options{}, fs)
	defer func() { r.stop() }()
	r.topic("T", 1)
	const groups, each = 7, 40
	for i := range each {
		for g := range groups {
			r.keyed(fmt.Sprintf("%c%02d", 'a'+g, i))
		}
	}
	var done [groups]int // acknowledged of each group
	hand := map[int]bool{}
	for round := 0; done != [groups]int{each, each, each, each, each, each, each}; round++ {
		if round > 5000 {
			t.Fatalf("after %d rounds only %v are done", round, done)
		}
		switch rng.IntN(40) {
		case 0:
			killed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: rng})
			r.stop()
			fs = killed
			r = start(t, Options{}, fs)
		case 1, 2, 3:
			pass(11 * time.Second)
			clear(hand)
		}
		p := <-r.pops(byGroup(1 + rng.IntN(6)))
		if p.err != nil {
			t.Fatal(p.err)
		}
		next := done
		for _, body := range p.bodies {
			g := int(body[0] - 'a')
			var at int
			if _, err := fmt.Sscanf(body[1:], "%d", &at); err != nil {
				t.Fatal(err)
			}
			if at != next[g] || hand[g] {
				t.Fatalf("round %d: %s came, although %d of its group are done or about to be, and in hand is %v", round, body, next[g], hand[g])
			}
			next[g]++
		}
		for i, body := range p.bodies {
			g := int(body[0] - 'a')
			if hand[g] || rng.IntN(4) == 0 { // fails, and what follows it
				hand[g] = true
				continue
			}
			r.acks(p.acks[i])
			done[g]++
		}
	}
}
