package limit

import (
	"cmp"
	"container/list"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// maxRules bounds the rules.
	maxRules = 10_000
	// maxIdle bounds the addresses, and the users, that are remembered without
	// being connected.
	maxIdle = 1 << 16
)

// A meter is somebody's account of a rule.
type meter struct {
	rule *rule
	name string // whose, for people
	mu   struct {
		sync.Mutex // guards the account; nothing else is locked with it
		account
	}
}

// A rule is one of an operator's.
type rule struct {
	key
	of      Server
	network netip.Prefix // of a rule on an address or a network
	allowed atomic.Pointer[amounts]
	refused [kinds]atomic.Int64
	alone   *meter // nil if the rule is on each by itself
	open    int64  // connections; guarded by the table's lock
}

func newRule(of Server, k key) *rule {
	r := &rule{of: of, key: k}
	r.allowed.Store(new(amounts))
	if k.name != each && k.scope != mq.LimitConnection {
		r.alone = &meter{rule: r, name: k.name}
	}
	return r
}

func (m *meter) set(allowed amounts, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.set(allowed, at)
}

// A generation is a set of rules. Each change makes another one, known by where
// it lies; so it must not be of no size.
type generation struct{ _ byte }

// A Server is what a table's rules protect.
type Server uint8

// The servers.
const (
	Broker     Server = iota
	NameServer        // which takes no messages
)

// A Table holds the rules and who is connected. Its methods are safe for
// concurrent use.
type Table struct {
	of Server
	// now is the generation; nil without rules.
	now atomic.Pointer[generation]

	// mu guards what follows. Meters are locked while it is held. It is taken
	// when a connection begins or ends, when rules change, and once after that
	// for each connection.
	mu struct {
		sync.Mutex
		rules     map[key]*rule
		networks  []*rule // on addresses and networks
		open      int64
		addresses *subjects[netip.Addr]
		users     *subjects[string]
		visits    map[*Visit]struct{} // with meters of their own
	}
}

// New makes a Table without rules.
func New(of Server) *Table {
	t := &Table{of: of}
	t.mu.rules = map[key]*rule{}
	t.mu.addresses, t.mu.users = newSubjects[netip.Addr](), newSubjects[string]()
	t.mu.visits = map[*Visit]struct{}{}
	return t
}

// Check is the rule as Put keeps it, or what is wrong with it.
func (t *Table) Check(r mq.LimitRule) (mq.LimitRule, error) {
	if t.of == NameServer && (r.SendMessages != 0 || r.SendBytes != 0 || r.ConsumeMessages != 0 || r.ConsumeBytes != 0) {
		return r, fmt.Errorf("%w: a name server takes no messages and gives none; limit requests and connections there, and messages on brokers", mq.ErrInvalid)
	}
	return normal(r)
}

// Put puts a rule in force, or changes it. What clients have left of it stays.
func (t *Table) Put(r mq.LimitRule) error {
	r, err := t.Check(r)
	if err != nil {
		return err
	}
	k := key{r.Scope, r.Name}
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.mu.rules[k]
	if one == nil {
		if len(t.mu.rules) >= maxRules {
			return fmt.Errorf("%w: there are %d limits already; delete some, or limit networks and * instead of single addresses", mq.ErrBusy, maxRules)
		}
		one = t.addLocked(k)
	}
	allowed := amountsOf(&r)
	one.allowed.Store(&allowed)
	t.metersLocked(one, func(m *meter) { m.set(allowed, time.Now()) })
	t.now.Store(new(generation))
	return nil
}

// addLocked makes a rule that is not there yet, and counts what is connected.
func (t *Table) addLocked(k key) *rule {
	one := newRule(t.of, k)
	if k.scope == mq.LimitAddress && k.name != each {
		_, one.network, _ = normalName(k.scope, k.name)
		t.mu.networks = append(t.mu.networks, one)
		for _, s := range t.mu.addresses.all {
			for exact, n := range s.open {
				if one.network.Contains(exact) {
					one.open += int64(n)
				}
			}
		}
	}
	t.mu.rules[k] = one
	return one
}

// metersLocked calls f with every meter of a rule.
func (t *Table) metersLocked(one *rule, f func(*meter)) {
	switch {
	case one.alone != nil:
		f(one.alone)
	case one.scope == mq.LimitAddress:
		t.mu.addresses.meters(f)
	case one.scope == mq.LimitUser:
		t.mu.users.meters(f)
	default:
		for v := range t.mu.visits {
			f(v.own)
		}
	}
}

// Delete ends a rule. ErrNotFound if there is none.
func (t *Table) Delete(scope, name string) (mq.LimitRule, error) {
	name, _, err := normalName(scope, name)
	if err != nil {
		return mq.LimitRule{}, err
	}
	k := key{scope, name}
	t.mu.Lock()
	defer t.mu.Unlock()
	one := t.mu.rules[k]
	if one == nil {
		return mq.LimitRule{}, fmt.Errorf("%w: no limit on %s %s; `goddard admin limit list` shows those there are", mq.ErrNotFound, scope, name)
	}
	delete(t.mu.rules, k)
	t.mu.networks = slices.DeleteFunc(t.mu.networks, func(r *rule) bool { return r == one })
	switch {
	case one.alone != nil:
	case scope == mq.LimitAddress:
		t.mu.addresses.forget()
	case scope == mq.LimitUser:
		t.mu.users.forget()
	default:
		clear(t.mu.visits)
	}
	if t.now.Store(new(generation)); len(t.mu.rules) == 0 {
		t.now.Store(nil)
	}
	return mq.LimitRule{Scope: scope, Name: name}, nil
}

// List is every rule with its use, sorted.
func (t *Table) List() []mq.LimitUse {
	now := time.Now()
	t.mu.Lock()
	defer t.mu.Unlock()
	var all []mq.LimitUse
	for _, one := range t.mu.rules {
		u := one.use()
		var used amounts
		t.metersLocked(one, func(m *meter) {
			m.mu.Lock()
			mine := m.mu.used(now)
			m.mu.Unlock()
			if one.alone == nil {
				u.Subjects++
			}
			if busier(mine, used) {
				used, u.Busiest = mine, m.name
			}
		})
		if one.alone != nil {
			u.Busiest = ""
		}
		switch {
		case one.scope == mq.LimitBroker:
			used[connections] = t.mu.open
		case one.scope == mq.LimitAddress && one.alone != nil:
			used[connections] = one.open
		case one.scope == mq.LimitAddress:
			used[connections] = t.mu.addresses.most()
		}
		u.Used = used.public()
		all = append(all, u)
	}
	slices.SortFunc(all, func(a, b mq.LimitUse) int {
		return cmp.Or(cmp.Compare(a.Scope, b.Scope), cmp.Compare(a.Name, b.Name))
	})
	return all
}

// use is the rule with what it refused.
func (r *rule) use() mq.LimitUse {
	a := *r.allowed.Load()
	u := mq.LimitUse{LimitRule: mq.LimitRule{
		Scope: r.scope, Name: r.name, SendMessages: a[sendMessages], SendBytes: a[sendBytes],
		ConsumeMessages: a[consumeMessages], ConsumeBytes: a[consumeBytes], Requests: a[requests], Connections: a[connections],
	}}
	var refused amounts
	for k := range refused {
		refused[k] = r.refused[k].Load()
	}
	u.Refused = refused.public()
	return u
}

// busier compares by requests, or else by messages.
func busier(a, b amounts) bool {
	return cmp.Or(cmp.Compare(a[requests], b[requests]), cmp.Compare(a[sendMessages]+a[consumeMessages], b[sendMessages]+b[consumeMessages])) > 0
}

// Subjects are those that a rule is on by itself: addresses, users.
type subjects[K comparable] struct {
	all  map[K]*subject[K]
	idle *list.List // of subjects without connections, oldest first
}

type subject[K comparable] struct {
	id    K
	conns int64
	open  map[netip.Addr]int32 // connections by exact address; addresses alone
	meter *meter               // nil until a rule is on it
	place *list.Element        // among the idle
}

func newSubjects[K comparable]() *subjects[K] {
	return &subjects[K]{all: map[K]*subject[K]{}, idle: list.New()}
}

// get is the subject of that id, which it makes if need be. A new one is idle.
func (s *subjects[K]) get(id K) *subject[K] {
	one := s.all[id]
	if one == nil {
		one = &subject[K]{id: id}
		s.all[id] = one
		one.place = s.idle.PushBack(one)
		s.trim()
	} else if one.place != nil {
		s.idle.MoveToBack(one.place)
	}
	return one
}

// trim forgets the oldest of too many.
func (s *subjects[K]) trim() {
	for s.idle.Len() > maxIdle {
		oldest, ok := s.idle.Remove(s.idle.Front()).(*subject[K])
		if !ok {
			panic("BUG: something else is among the idle")
		}
		delete(s.all, oldest.id)
	}
}

// enter counts a connection, leave one less.
func (s *subjects[K]) enter(one *subject[K]) {
	if one.conns++; one.place != nil {
		s.idle.Remove(one.place)
		one.place = nil
	}
}

func (s *subjects[K]) leave(one *subject[K]) {
	if one.conns--; one.conns > 0 {
		return
	}
	if one.meter == nil {
		delete(s.all, one.id)
		return
	}
	one.place = s.idle.PushBack(one)
	s.trim()
}

// meters calls f with the meter of each that has one.
func (s *subjects[K]) meters(f func(*meter)) {
	for _, one := range s.all {
		if one.meter != nil {
			f(one.meter)
		}
	}
}

// forget takes all meters away.
func (s *subjects[K]) forget() {
	for id, one := range s.all {
		if one.meter = nil; one.conns == 0 {
			delete(s.all, id)
		}
	}
	s.idle.Init()
}

// most is the most connections that one has.
func (s *subjects[K]) most() (n int64) {
	for _, one := range s.all {
		n = max(n, one.conns)
	}
	return n
}
