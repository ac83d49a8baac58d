package broker

import (
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/limit"
	"github.com/goddardmq/goddard/internal/mq"
)

// pullOver asks for messages of queue 0 of T over a connection.
func pullOver(v mq.Visit) mq.PullRequest {
	return mq.PullRequest{Queue: mq.Queue{Topic: "T"}, MaxMessages: 4, Via: v}
}

// tells makes a user known to be the one of a connection.
func (r *rig) tells(v mq.Visit, user string) {
	r.Helper()
	r.must(v.Request(mq.Caller{User: user}, false))
}

// use is what became of a limit.
func (r *rig) limitUse(scope, name string) mq.LimitUse {
	r.Helper()
	for _, u := range r.Limits(r.Context()) {
		if u.Scope == scope && u.Name == name {
			return u
		}
	}
	r.Fatalf("no limit on %s %s", scope, name)
	return mq.LimitUse{}
}

func TestClientsPullAtTheRateOfTheirAddressAndHoldUpNoOthers(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 500)
		r.must(r.PutLimit(t.Context(), mq.LimitRule{Scope: mq.LimitAddress, Name: "10.0.0.1", ConsumeMessages: 20}))
		slow, same, free := r.visitor("10.0.0.1"), r.visitor("10.0.0.1"), r.visitor("10.0.0.2")
		got := make(chan int, 2)
		for _, v := range []mq.Visit{slow, same} {
			go func() { got <- len(r.consume(pullOver(v), 10*time.Second)) }()
		}
		<-time.After(5 * time.Second)
		if p := <-r.pull(pullOver(free)); p.Count != 4 { // of the same group, and may not wait
			t.Errorf("another address got %d messages", p.Count)
		}
		a, b := <-got, <-got
		if a+b < 210 || a+b > 220 || a < 90 || b < 90 {
			t.Errorf("two connections of an address got %d and %d messages in ten seconds at 20 a second", a, b)
		}
		if p := <-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}, MaxMessages: 100}); p.Count != 100 {
			t.Errorf("the process itself got %d messages", p.Count)
		}
		u := r.limitUse(mq.LimitAddress, "10.0.0.1")
		if n := u.Used.ConsumeMessages; n < 16 || n > 24 || u.Used.ConsumeBytes < 100*n {
			t.Errorf("used within the last second: %+v", u.Used)
		}
		if u.Refused.ConsumeMessages < 20 || u.Refused.ConsumeBytes != 0 {
			t.Errorf("had to wait: %+v", u.Refused)
		}
	})
}

func TestUsersPopAtTheirRateWhereverTheyAre(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 500)
		r.must(r.PutLimit(t.Context(), mq.LimitRule{Scope: mq.LimitUser, Name: "*", ConsumeMessages: 20}))
		got := make(chan int, 2)
		for _, addr := range []string{"10.0.0.1", "10.0.0.2"} {
			v := r.visitor(addr)
			r.tells(v, "ann")
			go func() { got <- r.consumePops(mq.PopRequest{QueueID: -1, MaxMessages: 4, Via: v}, 10*time.Second) }()
		}
		<-time.After(5 * time.Second)
		bob := r.visitor("10.0.0.1")
		r.tells(bob, "bob")
		if p := <-r.pops(mq.PopRequest{QueueID: -1, MaxMessages: 4, Via: bob}); len(p.bodies) != 4 {
			t.Errorf("another user of the group got %q", p.bodies)
		}
		a, b := <-got, <-got
		if a+b < 210 || a+b > 220 || a < 90 || b < 90 {
			t.Errorf("two connections of a user got %d and %d messages in ten seconds at 20 a second", a, b)
		}
		if u := r.limitUse(mq.LimitUser, "*"); u.Subjects != 2 || u.Busiest != "ann" {
			t.Errorf("the busiest is %q of %d", u.Busiest, u.Subjects)
		}
	})
}

func TestBytesOfANetworkArePaidForByPullsAndPops(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		r.sent(message("T", string(make([]byte, 30_000))))
		r.fillQueue("T", 4)
		r.must(r.PutLimit(t.Context(), mq.LimitRule{Scope: mq.LimitAddress, Name: "10.0.0.0/8", ConsumeBytes: 10_000}))
		if p := <-r.pull(pullOver(r.visitor("10.0.0.1"))); p.Count != 1 {
			t.Fatalf("pulled %d messages", p.Count)
		}
		p := <-r.pops(mq.PopRequest{QueueID: -1, MaxMessages: 1, Wait: time.Minute, Via: r.visitor("10.9.9.9")})
		if len(p.bodies) != 1 || p.after < 2*time.Second || p.after > 2200*time.Millisecond {
			t.Errorf("popped %d messages after %v", len(p.bodies), p.after)
		}
		if u := r.limitUse(mq.LimitAddress, "10.0.0.0/8"); u.Refused.ConsumeBytes != 1 || u.Refused.ConsumeMessages != 0 {
			t.Errorf("had to wait: %+v", u.Refused)
		}
	})
}

func TestAClientKeepsItsLimitAndItsGroups(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 500)
		v := r.visitor("10.0.0.1")
		r.must(r.PutLimit(t.Context(), mq.LimitRule{Scope: mq.LimitAddress, Name: "*", ConsumeMessages: 30}))
		r.limit("G", attrRateMessages, "10")
		got := make(chan int, 1)
		go func() { got <- len(r.consume(pullOver(v), 10*time.Second)) }()
		h := pullOver(v)
		h.Group = "H"
		other := len(r.consume(h, 10*time.Second))
		if n := <-got; n < 100 || n > 110 {
			t.Errorf("%d messages in ten seconds at 10 a second of the group", n)
		} else if n+other < 310 || n+other > 330 {
			t.Errorf("%d messages in ten seconds at 30 a second of the address", n+other)
		}
	})
}

func TestALimitOnAClientThatIsSetOrLiftedChangesWhatWaits(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 10)
		r.limit("G", attrRateMessages, "1")
		<-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}, MaxMessages: 1})
		a, b := r.visitor("10.0.0.1"), r.visitor("10.0.0.2")
		q := pullOver(a)
		q.MaxMessages, q.Wait = 1, time.Minute
		first := r.pull(q)
		synctest.Wait()
		q.Via = b
		second := r.pull(q)
		synctest.Wait()
		// The first in line is slowed more than the group now, the second is not.
		one := mq.LimitRule{Scope: mq.LimitAddress, Name: "10.0.0.1", ConsumeBytes: 1}
		r.must(r.PutLimit(t.Context(), one))
		visitOf(a).Owe(1, 1000)
		if p := <-second; p.Count != 1 || p.after != time.Second {
			t.Errorf("the second got %d after %v", p.Count, p.after)
		}
		<-time.After(9 * time.Second)
		if info := r.RuntimeInfo(t.Context()); info["throttledPulls"] != "1" {
			t.Errorf("%s pulls wait for their share", info["throttledPulls"])
		}
		r.must(r.DeleteLimit(t.Context(), one.Scope, one.Name))
		if p := <-first; p.Count != 1 || p.after != 10*time.Second {
			t.Errorf("the first got %d after %v", p.Count, p.after)
		}
	})
}

func TestAPullWaitsForItsClientsShareNoLongerThanItMay(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 10)
		r.must(r.PutLimit(t.Context(), mq.LimitRule{Scope: mq.LimitConnection, ConsumeMessages: 1}))
		q := pullOver(r.visitor("10.0.0.1"))
		if p := <-r.pull(q); p.Count != 1 {
			t.Errorf("got %d", p.Count)
		}
		if p := <-r.pull(q); p.Status != mq.PullNoNew || p.Next != 0 || p.after != 0 {
			t.Errorf("one that may not wait: %+v after %v", p.Batch, p.after)
		}
		q.Wait = 300 * time.Millisecond
		if p := <-r.pull(q); p.Status != mq.PullNoNew || p.Next != 0 || p.after != q.Wait {
			t.Errorf("one that may wait a little: %+v after %v", p.Batch, p.after)
		}
		pop := mq.PopRequest{QueueID: -1, Wait: 5 * time.Second, Via: q.Via}
		if p := <-r.pops(pop); len(p.bodies) != 1 || p.after != 700*time.Millisecond {
			t.Errorf("a pop that may wait long: %q after %v", p.bodies, p.after)
		}
		if p := <-r.pops(mq.PopRequest{QueueID: -1, MaxMessages: 2, Via: r.visitor("10.0.0.1")}); len(p.bodies) != 1 {
			t.Errorf("another connection got %q", p.bodies)
		}
	})
}

func TestWhatOnePullOfAClientGivesBackIsAnothersAtOnce(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.fillQueue("T", 10)
		r.must(r.PutLimit(t.Context(), mq.LimitRule{Scope: mq.LimitUser, Name: "ann", ConsumeBytes: 1 << 20}))
		a, b := r.visitor("10.0.0.1"), r.visitor("10.0.0.2")
		r.tells(a, "ann")
		r.tells(b, "ann")
		s, _, _ := r.rates.take(use{"G", "T"}, visitOf(a), 32, false)
		q := pullOver(b)
		q.Wait = time.Minute
		p := r.pull(q)
		synctest.Wait()
		if n := r.throttle.count.Load(); n != 1 {
			t.Errorf("%d requests wait while another has all bytes", n)
		}
		r.settle(&s, 1, 100)
		if p := <-p; p.Count != 4 || p.after != 0 {
			t.Errorf("got %d after %v", p.Count, p.after)
		}
	})
}

func TestWhatIsDeliveredAtMostOnceIsPaidForByItsClient(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		v := visitOf(r.visitor("10.0.0.1"))
		r.must(r.PutLimit(t.Context(), mq.LimitRule{Scope: mq.LimitAddress, Name: "*", ConsumeMessages: 5}))
		r.owe(&waiting{request: pullOver(v)}, 15, 1500)
		if s, wait := v.Take(1, true); wait < 2*time.Second || s.Messages != 0 {
			t.Errorf("%d messages after %v", s.Messages, wait)
		}
	})
}

func TestLimitsOnConsumptionCostNothingWhereThereAreNone(t *testing.T) {
	for name, rules := range map[string][]mq.LimitRule{
		"no limits":                nil,
		"limits on something else": {{Scope: mq.LimitAddress, Name: "*", Requests: 1 << 40, SendBytes: 1 << 40}},
	} {
		limits := limit.New(limit.Broker)
		for _, rule := range rules {
			if err := limits.Put(rule); err != nil {
				t.Fatal(err)
			}
		}
		v, err := limits.Connect(mq.Caller{Addr: netip.MustParseAddrPort("10.0.0.1:1")})
		if err != nil {
			t.Fatal(err)
		}
		r, rates := mq.PullRequest{Via: v}, newRates()
		got := testing.AllocsPerRun(1000, func() {
			if rates.limited(use{"G", "T"}, visitOf(r.Via)) {
				t.Fatal("it is limited")
			}
		})
		if got != 0 {
			t.Errorf("%s: a pull costs %v allocations", name, got)
		}
	}
}

func BenchmarkLimitPull(b *testing.B) {
	for name, rules := range map[string][]mq.LimitRule{
		"none": nil, "sends": {{Scope: mq.LimitAddress, Name: "*", SendMessages: 1 << 40}}, "address": {{Scope: mq.LimitAddress, Name: "*", ConsumeMessages: 1 << 40, ConsumeBytes: 1 << 40}},
	} {
		b.Run(name, func(b *testing.B) {
			limits := limit.New(limit.Broker)
			for _, r := range rules {
				if err := limits.Put(r); err != nil {
					b.Fatal(err)
				}
			}
			v, err := limits.Connect(mq.Caller{Addr: netip.MustParseAddrPort("10.0.0.1:1")})
			if err != nil {
				b.Fatal(err)
			}
			r, rates := mq.PullRequest{Via: v}, newRates()
			b.ReportAllocs()
			for b.Loop() {
				if by := visitOf(r.Via); rates.limited(use{"G", "T"}, by) {
					s, _, _ := rates.take(use{"G", "T"}, by, 32, false)
					s.settle(32, 32_000)
				}
			}
		})
	}
}
