package limit

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// A Visit is one connection. It is an mq.Visit.
type Visit struct {
	t       *Table
	addr    netip.Addr
	address *subject[netip.Addr]
	own     *meter // of the rule on each connection; guarded by the table's lock
	// found are the meters that were last found to apply.
	found atomic.Pointer[applying]
	end   sync.Once
	ended bool // guarded by the table's lock
}

// applying is what applies to a visit in a generation, to a user. The first of
// the meters apply whoever the user is.
type applying struct {
	generation *generation
	user       string
	meters     []*meter
	anybodys   int      // how many of them do
	consume    []*meter // those that limit consumption
}

var _ mq.Visit = (*Visit)(nil)

// Connect counts a connection, unless it is one too many.
func (t *Table) Connect(by mq.Caller) (*Visit, error) {
	v := &Visit{t: t, addr: by.Addr.Addr().Unmap().WithZone("")}
	t.mu.Lock()
	defer t.mu.Unlock()
	mine := t.mu.addresses.get(own(v.addr))
	check := func(one *rule, open int64) error {
		if one == nil {
			return nil
		}
		if most := one.allowed.Load()[connections]; most > 0 && open >= most {
			one.refused[connections].Add(1)
			return tooManyConnections(one, v.addr, most)
		}
		return nil
	}
	err := check(t.mu.rules[key{mq.LimitBroker, ""}], t.mu.open)
	exact := false
	for _, one := range t.mu.networks {
		if err == nil && one.network.Contains(v.addr) {
			exact = exact || one.network.IsSingleIP()
			err = check(one, one.open)
		}
	}
	if err == nil && !exact {
		err = check(t.mu.rules[key{mq.LimitAddress, each}], mine.conns)
	}
	if err != nil {
		return nil, err
	}
	t.countLocked(v, mine, 1)
	t.mu.addresses.enter(mine)
	v.address = mine
	return v, nil
}

// countLocked counts a connection, or one less.
func (t *Table) countLocked(v *Visit, mine *subject[netip.Addr], n int32) {
	t.mu.open += int64(n)
	for _, one := range t.mu.networks {
		if one.network.Contains(v.addr) {
			one.open += int64(n)
		}
	}
	if mine.open == nil {
		mine.open = map[netip.Addr]int32{}
	}
	if mine.open[v.addr] += n; mine.open[v.addr] <= 0 {
		delete(mine.open, v.addr)
	}
}

// End implements mq.Visit.
func (v *Visit) End() {
	v.end.Do(func() {
		t := v.t
		t.mu.Lock()
		defer t.mu.Unlock()
		t.countLocked(v, v.address, -1)
		t.mu.addresses.leave(v.address)
		delete(t.mu.visits, v)
		v.ended = true
	})
}

// Request implements mq.Visit.
func (v *Visit) Request(by mq.Caller, vital bool) error {
	now := v.t.now.Load()
	if now == nil {
		return nil
	}
	return v.take(v.meters(now, by.User), requests, 1, vital)
}

// Identified implements mq.Visit.
func (v *Visit) Identified(user string, vital bool) error {
	now := v.t.now.Load()
	if now == nil || user == "" {
		return nil
	}
	a := v.applying(now, user)
	err := v.take(a.meters[a.anybodys:], requests, 1, vital)
	if err != nil {
		giveBack(a.meters[:a.anybodys], requests, 1, time.Now())
	}
	return err
}

// Limited reports whether what v sends may be limited by its sender.
func (v *Visit) Limited() bool { return v.t.now.Load() != nil }

// Send counts messages of so many bytes to a topic, whose meter is nil if it
// has no limit of its own. ErrBusy if a limit refuses them.
func (v *Visit) Send(topic *Topic, messages, bytes int64) error {
	var meters []*meter
	if a := v.current(); a != nil {
		meters = a.meters
	}
	if err := v.take(meters, sendMessages, messages, false); err != nil {
		return err
	}
	err := v.take(meters, sendBytes, bytes, false)
	if err == nil && topic != nil {
		if err = topic.take(messages, bytes); err != nil {
			giveBack(meters, sendBytes, bytes, time.Now())
		}
	}
	if err != nil {
		giveBack(meters, sendMessages, messages, time.Now())
	}
	return err
}

// take takes from all meters or from none.
func (v *Visit) take(meters []*meter, k kind, n int64, vital bool) error {
	if len(meters) == 0 {
		return nil
	}
	now := time.Now()
	for i, m := range meters {
		m.mu.Lock()
		var wait time.Duration
		if vital {
			m.mu.force(k, n, now)
		} else {
			wait = m.mu.take(k, n, now)
		}
		m.mu.Unlock()
		if wait > 0 {
			giveBack(meters[:i], k, n, now)
			m.rule.refused[k].Add(1)
			return tooMuch(m, k, wait)
		}
	}
	return nil
}

func giveBack(meters []*meter, k kind, n int64, now time.Time) {
	for _, m := range meters {
		m.mu.Lock()
		m.mu.giveBack(k, n, now)
		m.mu.Unlock()
	}
}

// meters are those that apply to a user of this connection, or to nobody.
func (v *Visit) meters(now *generation, user string) []*meter {
	if user == "" {
		if a := v.found.Load(); a != nil && a.generation == now {
			return a.meters[:a.anybodys]
		}
	}
	return v.applying(now, user).meters
}

// current is what applies to whoever asked last over this connection; nil
// without rules.
func (v *Visit) current() *applying {
	now := v.t.now.Load()
	if now == nil {
		return nil
	}
	user := ""
	if a := v.found.Load(); a != nil {
		user = a.user
	}
	return v.applying(now, user)
}

// applying is what applies to a user of this connection.
func (v *Visit) applying(now *generation, user string) *applying {
	if a := v.found.Load(); a != nil && a.generation == now && a.user == user {
		return a
	}
	return v.t.find(v, user)
}

// find looks for the meters that apply.
func (t *Table) find(v *Visit, user string) *applying {
	at := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	a := &applying{generation: t.now.Load(), user: user}
	add := func(one *rule, m **meter, name string) {
		if one == nil {
			return
		}
		if one.alone != nil {
			a.meters = append(a.meters, one.alone)
			return
		}
		if *m == nil || (*m).rule != one {
			*m = &meter{rule: one, name: name}
			(*m).set(*one.allowed.Load(), at)
		}
		a.meters = append(a.meters, *m)
	}
	add(t.mu.rules[key{mq.LimitBroker, ""}], nil, "")
	exact := false
	for _, one := range t.mu.networks {
		if one.network.Contains(v.addr) {
			exact = exact || one.network.IsSingleIP()
			add(one, nil, "")
		}
	}
	if !exact {
		add(t.mu.rules[key{mq.LimitAddress, each}], &v.address.meter, v.address.id.String())
	}
	if one := t.mu.rules[key{mq.LimitConnection, ""}]; one != nil {
		add(one, &v.own, v.addr.String())
		if !v.ended { // what it asked for may outlive it a little
			t.mu.visits[v] = struct{}{}
		}
	}
	a.anybodys = len(a.meters)
	if user != "" {
		if one := t.mu.rules[key{mq.LimitUser, user}]; one != nil {
			add(one, nil, "")
		} else if one := t.mu.rules[key{mq.LimitUser, each}]; one != nil {
			add(one, &t.mu.users.get(user).meter, user)
		}
	}
	for _, m := range a.meters {
		if allowed := m.rule.allowed.Load(); allowed[consumeMessages] > 0 || allowed[consumeBytes] > 0 {
			a.consume = append(a.consume, m)
		}
	}
	// A request that is nobody's does not make the sends of others on the
	// connection so.
	if old := v.found.Load(); user != "" || old == nil || old.user == "" {
		v.found.Store(a)
	}
	return a
}
