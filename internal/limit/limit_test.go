package limit

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// caller is a user at an address.
func caller(user, addr string) mq.Caller {
	return mq.Caller{User: user, Addr: netip.AddrPortFrom(netip.MustParseAddr(addr), 4711)}
}

// connected is a connection that ends with the test.
func connected(t *testing.T, table *Table, addr string) *Visit {
	t.Helper()
	v, err := table.Connect(caller("", addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(v.End)
	return v
}

func put(t *testing.T, table *Table, rules ...mq.LimitRule) {
	t.Helper()
	for _, r := range rules {
		if err := table.Put(r); err != nil {
			t.Fatal(err)
		}
	}
}

// done counts what succeeds of n tries.
func done(n int, try func() error) (ok int) {
	for range n {
		if try() == nil {
			ok++
		}
	}
	return ok
}

func TestEachLimitHoldsForThoseItIsOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(Broker)
		a, b, c, d := connected(t, table, "10.0.0.1"), connected(t, table, "10.0.0.1"), connected(t, table, "10.0.0.2"), connected(t, table, "10.9.0.1")
		six, seven := connected(t, table, "2001:db8::1"), connected(t, table, "2001:db8::2")
		put(t, table,
			mq.LimitRule{Scope: mq.LimitAddress, Name: "*", Requests: 10},
			mq.LimitRule{Scope: mq.LimitAddress, Name: "10.0.0.2", Requests: 30},
			mq.LimitRule{Scope: mq.LimitAddress, Name: "10.0.0.0/16", Requests: 25},
			mq.LimitRule{Scope: mq.LimitUser, Name: "*", Requests: 3},
			mq.LimitRule{Scope: mq.LimitUser, Name: "ann", Requests: 5},
		)
		for _, step := range []struct {
			who  string
			v    *Visit
			user string
			want int
		}{
			{"ann, who has a limit of her own", d, "ann", 5},
			{"ann from elsewhere", six, "ann", 0},
			{"bob, as any user", d, "bob", 3},
			{"carl, at the address of both", d, "carl", 2}, // of 10
			{"one connection of an address", a, "", 10},
			{"another one of it", b, "", 0},
			{"an address with more, in a network", c, "", 15}, // of 25
			{"a customer with IPv6", six, "", 10},
			{"his other address", seven, "", 0},
		} {
			if got := done(40, func() error { return step.v.Request(caller(step.user, "::"), false) }); got != step.want {
				t.Errorf("%s: %d requests, want %d", step.who, got, step.want)
			}
		}
		time.Sleep(time.Second)
		if got := done(40, func() error { return a.Request(mq.Caller{}, false) }); got != 10 {
			t.Errorf("a second later: %d requests, want 10", got)
		}
		put(t, table, mq.LimitRule{Scope: mq.LimitConnection, Requests: 2}, mq.LimitRule{Scope: mq.LimitBroker, Requests: 3})
		time.Sleep(time.Second)
		if x, y := done(9, func() error { return c.Request(mq.Caller{}, false) }), done(9, func() error { return d.Request(mq.Caller{}, false) }); x != 2 || y != 1 {
			t.Errorf("two connections of 2 with 3 for all: %d and %d", x, y)
		}
	})
}

func TestARefusalSaysWhichLimitHowMuchAndWhatToDo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(Broker)
		v := connected(t, table, "10.0.0.1")
		put(t, table, mq.LimitRule{Scope: mq.LimitAddress, Name: "*", SendMessages: 10, Connections: 1})
		if err := v.Send(nil, 14, 100); err != nil {
			t.Fatalf("what cannot be split is taken at once and owed: %v", err)
		}
		err := v.Send(nil, 1, 100)
		for _, want := range []string{"address 10.0.0.1", "10 messages a second", "14 were sent", "try again in 500ms", "goddard admin limit set address '*' --send-messages"} {
			if !errors.Is(err, mq.ErrBusy) || !strings.Contains(err.Error(), want) {
				t.Errorf("%q is missing in: %v", want, err)
			}
		}
		time.Sleep(500 * time.Millisecond)
		if err := v.Send(nil, 1, 100); err != nil {
			t.Errorf("when it said: %v", err)
		}
		_, err = table.Connect(caller("", "10.0.0.1"))
		if !errors.Is(err, mq.ErrBusy) || !strings.Contains(err.Error(), "1 connections open") || !strings.Contains(err.Error(), "--connections") {
			t.Errorf("one connection too many: %v", err)
		}
		topic := NewTopic("orders", 0, 1000)
		if err := v.Send(topic, 1, 3000); err == nil {
			t.Error("messages are refused, and bytes taken")
		}
		time.Sleep(time.Second)
		if err := v.Send(topic, 1, 3000); err != nil {
			t.Fatal(err)
		}
		err = v.Send(topic, 1, 1)
		if err == nil || !strings.Contains(err.Error(), "topic orders") || !strings.Contains(err.Error(), "+send.rate.bytes=N") {
			t.Errorf("a topic's limit: %v", err)
		}
		if u := topic.Use(); u.Refused.SendBytes != 1 || u.SendBytes != 1000 {
			t.Errorf("the topic's use: %+v", u)
		}
		all := table.List()
		if len(all) != 1 || all[0].Refused.SendMessages != 2 || all[0].Refused.Connections != 1 || all[0].Used.Connections != 1 {
			t.Errorf("listed: %+v", all)
		}
	})
}

// What one limit refuses takes nothing from the others.
func TestWhatIsRefusedIsNotCharged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(Broker)
		a, b := connected(t, table, "10.0.0.1"), connected(t, table, "10.0.0.2")
		put(t, table, mq.LimitRule{Scope: mq.LimitBroker, SendMessages: 100}, mq.LimitRule{Scope: mq.LimitAddress, Name: "*", SendMessages: 10, SendBytes: 1000})
		done(1000, func() error { return a.Send(nil, 1, 1) })
		if got := done(1000, func() error { return b.Send(nil, 1, 400) }); got != 3 {
			t.Errorf("%d messages of 400 bytes, want 3", got) // 1000 bytes, the last one owed
		}
		time.Sleep(time.Second)
		if used := table.List()[1].Used; used.SendMessages != 13 {
			t.Errorf("all together: %+v, want 13 messages", used)
		}
	})
}

func TestVitalRequestsAreCountedAndNotRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(Broker)
		v := connected(t, table, "10.0.0.1")
		put(t, table, mq.LimitRule{Scope: mq.LimitConnection, Requests: 5})
		if got := done(50, func() error { return v.Request(mq.Caller{}, true) }); got != 50 {
			t.Errorf("%d of 50", got)
		}
		time.Sleep(5 * time.Second)
		if v.Request(mq.Caller{}, false) == nil {
			t.Error("they were not counted")
		}
	})
}

func TestRulesChangeWhileClientsAreConnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(Broker)
		a, b := connected(t, table, "10.0.0.1"), connected(t, table, "10.0.0.1")
		rule := mq.LimitRule{Scope: mq.LimitAddress, Name: "10.0.0.0/8", Connections: 3, Requests: 1}
		put(t, table, rule)
		connected(t, table, "10.0.0.2")
		if _, err := table.Connect(caller("", "10.0.0.3")); err == nil {
			t.Error("connections that were open before a limit was set do not count")
		}
		b.End()
		b.End()
		connected(t, table, "10.0.0.3")
		if got := done(5, func() error { return a.Request(mq.Caller{}, false) }); got != 1 {
			t.Errorf("%d requests, want 1", got)
		}
		rule.Requests = 100
		put(t, table, rule)
		time.Sleep(time.Second)
		if got := done(500, func() error { return a.Request(mq.Caller{}, false) }); got != 100 {
			t.Errorf("%d requests, want 100", got)
		}
		if _, err := table.Delete(rule.Scope, "10.1.2.3/8"); err != nil {
			t.Fatal(err)
		}
		if got := done(500, func() error { return a.Request(mq.Caller{}, false) }); got != 500 {
			t.Errorf("%d requests without a limit", got)
		}
		if _, err := table.Delete(rule.Scope, rule.Name); !errors.Is(err, mq.ErrNotFound) {
			t.Errorf("a limit that is not there: %v", err)
		}
	})
}

func TestWhatWasTakenIsRememberedWithoutAConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(Broker)
		put(t, table, mq.LimitRule{Scope: mq.LimitAddress, Name: "*", Requests: 5})
		got := 0
		for range 20 {
			v, err := table.Connect(caller("", "10.0.0.1"))
			if err != nil {
				t.Fatal(err)
			}
			got += done(1, func() error { return v.Request(mq.Caller{}, false) })
			v.End()
		}
		if got != 5 {
			t.Errorf("%d requests by connections one after the other, want 5", got)
		}
	})
}

func TestAddressesByTheMillionTakeBoundedMemory(t *testing.T) {
	table := New(Broker)
	put(t, table, mq.LimitRule{Scope: mq.LimitAddress, Name: "*", Requests: 5})
	for i := range 3 * maxIdle {
		v, err := table.Connect(mq.Caller{Addr: netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 1)})
		if err != nil {
			t.Fatal(err)
		}
		if err := v.Request(mq.Caller{User: fmt.Sprint(i)}, false); err != nil {
			t.Fatal(err)
		}
		v.End()
	}
	if n := len(table.mu.addresses.all); n != maxIdle {
		t.Errorf("%d addresses are remembered, want %d", n, maxIdle)
	}
}

func TestAShareIsTheLeastThatTheClientsLimitsHaveAndWhatIsLeftOfItComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(Broker)
		v, other := connected(t, table, "10.0.0.1"), connected(t, table, "10.0.0.2")
		if s, wait := v.Take(32, false); s.Messages != 32 || s.Bytes != 0 || wait != 0 || v.Slowed() {
			t.Errorf("without limits %+v after %v", s, wait)
		}
		put(t, table,
			mq.LimitRule{Scope: mq.LimitAddress, Name: "10.0.0.0/8", ConsumeMessages: 20, ConsumeBytes: 5000},
			mq.LimitRule{Scope: mq.LimitAddress, Name: "*", ConsumeMessages: 10, Requests: 1},
			mq.LimitRule{Scope: mq.LimitUser, Name: "ann", ConsumeBytes: 1000},
		)
		if err := v.Request(caller("ann", "10.0.0.1"), false); err != nil {
			t.Fatal(err)
		}
		s, wait := v.Take(32, false)
		if s.Messages != 10 || s.Bytes != 1000 || wait != 0 {
			t.Errorf("got %+v after %v", s, wait)
		}
		s.Settle(4, 400)
		if s, _ = other.Take(32, false); s.Messages != 10 || s.Bytes != 4600 { // 16 of the network
			t.Errorf("another address got %+v", s)
		}
		s.Settle(10, 2600) // 6 messages and 2000 bytes are left of the network
		s, _ = v.Take(32, false)
		if s.Messages != 6 || s.Bytes != 600 {
			t.Errorf("of what is left %+v", s)
		}
		s.Settle(6, 2600) // 600 bytes more than the network has
		if s, wait = v.Take(1, false); s.Messages != 0 || wait != 170*time.Millisecond {
			t.Errorf("somebody who owes got %+v after %v", s, wait)
		}
		v.Take(1, true)
		time.Sleep(time.Second)
		uses := table.List()
		for i, want := range []mq.LimitAmounts{{ConsumeMessages: 10, ConsumeBytes: 3000}, {ConsumeMessages: 20, ConsumeBytes: 5600}, {ConsumeMessages: 10, ConsumeBytes: 3000}} {
			if got := uses[i].Used; got.ConsumeMessages != want.ConsumeMessages || got.ConsumeBytes != want.ConsumeBytes {
				t.Errorf("%s %s: used %+v, want %+v", uses[i].Scope, uses[i].Name, got, want)
			}
		}
		if n := uses[1].Refused; n.ConsumeBytes != 1 || n.ConsumeMessages != 0 {
			t.Errorf("had to wait: %+v", n)
		}
		if _, err := table.Delete(mq.LimitUser, "ann"); err != nil {
			t.Fatal(err)
		}
		if s, wait = v.Take(4, false); s.Messages != 4 || wait != 0 {
			t.Errorf("without the limit on ann %+v after %v", s, wait)
		}
	})
}

func TestBadRulesAreRefused(t *testing.T) {
	table := New(Broker)
	for want, r := range map[string]mq.LimitRule{
		"limits nothing":   {Scope: mq.LimitBroker},
		"want 1 to":        {Scope: mq.LimitBroker, Requests: -1},
		"has no name":      {Scope: mq.LimitConnection, Name: "x", Requests: 1},
		"a user's name":    {Scope: mq.LimitUser, Requests: 1},
		"want an address":  {Scope: mq.LimitAddress, Name: "host", Requests: 1},
		"for addresses":    {Scope: mq.LimitUser, Name: "ann", Connections: 1},
		"want BROKER":      {Scope: "TOPIC", Name: "T", SendMessages: 1},
		"10.0.0.0/99":      {Scope: mq.LimitAddress, Name: "10.0.0.0/99", Requests: 1},
		"for none":         {Scope: mq.LimitBroker, SendBytes: 1 << 41},
		"first request":    {Scope: mq.LimitConnection, Connections: 4},
		"or * for each us": {Scope: mq.LimitUser, Name: strings.Repeat("x", 256), Requests: 1},
	} {
		if err := table.Put(r); !errors.Is(err, mq.ErrInvalid) || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

func TestARequestAllocatesNothing(t *testing.T) {
	table := New(Broker)
	v := connected(t, table, "10.0.0.1")
	by := caller("ann", "10.0.0.1")
	topic := NewTopic("T", 1<<40, 1<<40)
	request := func() { _, _, _ = v.Request(by, false), v.Send(topic, 1, 100), v.Slowed() }
	if n := testing.AllocsPerRun(100, request); n != 0 {
		t.Errorf("%v allocations without rules", n)
	}
	// What is found takes no lock that others hold.
	table.mu.Lock()
	request()
	table.mu.Unlock()
	put(t, table, mq.LimitRule{Scope: mq.LimitAddress, Name: "*", Requests: 1 << 40, SendMessages: 1 << 40}, mq.LimitRule{Scope: mq.LimitUser, Name: "ann", Requests: 1 << 40})
	request()
	if n := testing.AllocsPerRun(100, request); n != 0 {
		t.Errorf("%v allocations with rules", n)
	}
	table.mu.Lock()
	request()
	table.mu.Unlock()
}

func TestConnectionsRequestsAndRulesAtOnce(t *testing.T) {
	table := New(Broker)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			for j := range 300 {
				v, err := table.Connect(caller("", fmt.Sprintf("10.0.%d.%d", i, j%7)))
				if err != nil {
					t.Error(err)
					return
				}
				_ = v.Request(mq.Caller{User: fmt.Sprint(j % 3)}, false)
				_ = v.Send(nil, 1, 10)
				s, _ := v.Take(4, false)
				s.Settle(2, 20)
				if i == 0 {
					name := []string{"*", "10.0.0.0/8", "10.0.1.1"}[j%3]
					_ = table.Put(mq.LimitRule{Scope: mq.LimitAddress, Name: name, Requests: 10, ConsumeMessages: 10})
					table.List()
					if j%5 == 0 {
						_, _ = table.Delete(mq.LimitAddress, name)
					}
				}
				v.End()
			}
		})
	}
	all.Wait()
	if table.mu.open != 0 {
		t.Errorf("%d connections are left", table.mu.open)
	}
	for _, one := range table.mu.networks {
		if one.open != 0 {
			t.Errorf("%s has %d connections left", one.name, one.open)
		}
	}
}

func BenchmarkRequest(b *testing.B) {
	for name, rules := range map[string][]mq.LimitRule{
		"none":    nil,
		"address": {{Scope: mq.LimitAddress, Name: "*", Requests: 1 << 40}},
		"broker":  {{Scope: mq.LimitBroker, Requests: 1 << 40}},
	} {
		b.Run(name, func(b *testing.B) {
			table := New(Broker)
			for _, r := range rules {
				if err := table.Put(r); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportAllocs()
			b.RunParallel(func(p *testing.PB) {
				v, err := table.Connect(caller("", "10.0.0.1"))
				if err != nil {
					b.Fatal(err)
				}
				defer v.End()
				for p.Next() {
					if err := v.Request(mq.Caller{}, false); err != nil {
						b.Fatal(err)
					}
				}
			})
		})
	}
}

// Requests with a wrong signature are counted as nobody's; between them the sends
// of the connection are still their user's.
func TestNobodysRequestsDoNotHideWhoSends(t *testing.T) {
	table := New(Broker)
	v := connected(t, table, "10.0.0.1")
	put(t, table, mq.LimitRule{Scope: mq.LimitUser, Name: "ann", SendMessages: 5})
	send := func() error {
		v.Request(caller("ann", "10.0.0.1"), false)
		v.Request(caller("", "10.0.0.1"), false)
		return v.Send(nil, 1, 1)
	}
	if got := done(40, send); got != 5 {
		t.Errorf("%d messages were sent, want the 5 of the user's limit", got)
	}
}

// Whoever is identified after the request was counted counts for his own limit as
// well, and what that refuses counts for nobody.
func TestARequestIsCountedFirstAndThenAsItsUsers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		table := New(Broker)
		v := connected(t, table, "10.0.0.1")
		put(t, table, mq.LimitRule{Scope: mq.LimitAddress, Name: "*", Requests: 10}, mq.LimitRule{Scope: mq.LimitUser, Name: "*", Requests: 4})
		request := func() error {
			if err := v.Request(mq.Caller{}, false); err != nil {
				return err
			}
			return v.Identified("ann", false)
		}
		if got := done(40, request); got != 4 {
			t.Errorf("%d requests of a user, want 4", got)
		}
		if got := done(40, func() error { return v.Request(mq.Caller{}, false) }); got != 6 {
			t.Errorf("%d requests are left for the address, want 6", got)
		}
		if err := v.Identified("", false); err != nil {
			t.Errorf("nobody is limited as a user: %v", err)
		}
	})
}
