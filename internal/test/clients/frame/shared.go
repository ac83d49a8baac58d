package frame

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// A Letter is a message as both protocols know it.
type Letter struct {
	Body, ID, Tag string
	Order         string // messages of one are consumed in order
	Properties    map[string]string
	At            time.Time // when it is to be delivered, if not at once
	Attempt       int       // 1 at the first delivery

	came time.Time
}

// A Verdict is what becomes of a transaction.
type Verdict int

// Open transactions are asked for.
const (
	Open Verdict = iota
	Commit
	Rollback
)

// Terms are what a group wants: the messages with tags, or by an SQL
// expression; in order; how often it tries, if the group does not say.
type Terms struct {
	Tags, SQL string
	Ordered   bool
	Attempts  int
}

// A Transport is one of the two protocols, with the scenario's topic and group.
type Transport interface {
	// Send sends and sets the message's id.
	Send(m *Letter)
	// SendIn sends in a transaction, and asks about those that are left open.
	SendIn(check func(Letter) Verdict) func(m *Letter, v Verdict)
	// Consume starts a member of the group, which says whether it is done with a message.
	Consume(t Terms, done func(Letter) bool)
}

// A letterbox is what was consumed, in order.
type letterbox struct {
	*Scenario
	mu  sync.Mutex // guards got
	got []Letter
}

func (b *letterbox) take(m Letter) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	m.came = time.Now()
	b.got = append(b.got, m)
	return true
}

func (b *letterbox) all() []Letter {
	b.mu.Lock()
	defer b.mu.Unlock()
	return slices.Clone(b.got)
}

func (b *letterbox) bodies() []string {
	bodies := []string{}
	for _, m := range b.all() {
		bodies = append(bodies, m.Body)
	}
	return bodies
}

// awaitExactly waits for these bodies, and a little for one too many.
func (b *letterbox) awaitExactly(seconds int, want []string) {
	slices.Sort(want)
	b.Eventually(seconds, fmt.Sprint("these come: ", want), func() bool { return len(b.all()) >= len(want) })
	time.Sleep(500 * time.Millisecond)
	SameAll(slices.Sorted(slices.Values(b.bodies())), want, "received bodies")
}

func sendMany(t Transport, label string, count int) []string {
	var bodies []string
	for i := range count {
		m := Letter{Body: fmt.Sprintf("%s-%04d", label, i)}
		t.Send(&m)
		bodies = append(bodies, m.Body)
	}
	return bodies
}

// Push is the plainest use of a client. Topic and group are there already.
func Push(s *Scenario, t Transport) {
	want := sendMany(t, "early", 10)
	box := &letterbox{Scenario: s}
	t.Consume(Terms{Tags: "*"}, box.take)
	box.awaitExactly(40, append(want, sendMany(t, "late", 10)...))
}

// TagFilter: who waits must let the wrong tag pass and wake for the right one.
func TagFilter(s *Scenario, t Transport) {
	var want []string
	send := func(i int) {
		m := Letter{Tag: "Tag" + string(rune('A'+i%4))}
		m.Body = fmt.Sprint(m.Tag, "-", i)
		if t.Send(&m); i%2 == 0 {
			want = append(want, m.Body)
		}
	}
	for i := range 60 {
		send(i)
	}
	sendMany(t, "no tag", 5)
	box := &letterbox{Scenario: s}
	t.Consume(Terms{Tags: "TagA || TagC"}, box.take)
	box.awaitExactly(40, want)
	send(101)
	send(102)
	box.awaitExactly(20, want)
}

// SQLFilter selects by properties, of which not every message has all.
func SQLFilter(s *Scenario, t Transport) {
	var want []string
	for i := range 60 {
		m := Letter{Body: fmt.Sprint("number-", i), Tag: "Tag" + string(rune('A'+i%3)), Properties: map[string]string{"n": fmt.Sprint(i)}}
		if i%2 == 0 {
			m.Properties["color"] = []string{"red", "it's blue"}[i/2%2]
		}
		if t.Send(&m); i >= 10 && i <= 40 && i%4 != 0 && i%3 != 2 {
			want = append(want, m.Body)
		}
	}
	sendMany(t, "no properties", 5)
	box := &letterbox{Scenario: s}
	t.Consume(Terms{SQL: "n BETWEEN 10 AND 40 AND (color = 'it''s blue' OR color IS NULL) and TAGS in ('TagA', 'TagB')"}, box.take)
	box.awaitExactly(40, want)
}

// SendOrders sends bodies such as a-0001, in the order that is their first
// letter, and returns them.
func SendOrders(t Transport, orders string, each int) []string {
	var bodies []string
	for i := range each {
		for _, order := range orders {
			m := Letter{Body: fmt.Sprintf("%c-%04d", order, i), Order: string(order)}
			t.Send(&m)
			bodies = append(bodies, m.Body)
		}
	}
	return bodies
}

// InOrder fails unless such bodies came in order for every letter, the first
// time that they came.
func (s *Scenario) InOrder(bodies []string) {
	seen, last := map[string]bool{}, map[string]string{}
	for _, body := range bodies {
		order, _, _ := strings.Cut(body, "-")
		if seen[body] {
			continue
		}
		if seen[body] = true; body < last[order] {
			s.Fail("%s came behind %s", body, last[order])
		}
		last[order] = body
	}
}

// Ordered: messages of each order come in that.
func Ordered(s *Scenario, t Transport) {
	want := SendOrders(t, "abcdefgh", 25)
	box := &letterbox{Scenario: s}
	t.Consume(Terms{Tags: "*", Ordered: true}, box.take)
	s.Eventually(60, "all come", func() bool {
		return len(slices.Compact(slices.Sorted(slices.Values(box.bodies())))) == len(want)
	})
	s.InOrder(box.bodies())
	for _, m := range box.all() {
		Same(m.Order, m.Body[:1], "order")
	}
}

// OrderedToDeadLetters sets aside what cannot be consumed after two attempts, and
// what is behind it comes in order.
func OrderedToDeadLetters(s *Scenario, t Transport) {
	const poison = "a-0000"
	want := SendOrders(t, "ab", 3)
	bad, box := &letterbox{Scenario: s}, &letterbox{Scenario: s}
	t.Consume(Terms{Tags: "*", Ordered: true, Attempts: 2}, func(m Letter) bool {
		if m.Body == poison {
			return !bad.take(m)
		}
		return box.take(m)
	})
	box.awaitExactly(60, slices.DeleteFunc(want, func(b string) bool { return b == poison }))
	s.InOrder(box.bodies())
	// The client of the gRPC protocol goes on with what is behind before it tries again.
	s.Eventually(20, "two attempts", func() bool { return len(bad.all()) >= 2 })
	s.Ask("look")
	Same(len(bad.all()), 2, "attempts")
}

// ToDeadLetters fails three times on a message, which it returns.
func ToDeadLetters(s *Scenario, t Transport) Letter {
	sent := Letter{Body: "poison", Tag: "tag", Properties: map[string]string{"colour": "green"}}
	t.Send(&sent)
	box := &letterbox{Scenario: s}
	t.Consume(Terms{Tags: "tag", Attempts: 3}, func(m Letter) bool { return !box.take(m) })
	s.Eventually(60, "three attempts", func() bool { return len(box.all()) >= 3 })
	for i, m := range box.all() {
		Same(m.Attempt, i+1, "delivery attempt")
		Same(m.ID, sent.ID, "id")
		Same(m.Tag, "tag", "tag")
		Same(m.Properties["colour"], "green", "property")
	}
	return sent
}

// Delay: the original counts in seconds and may be one early or some late.
func Delay(s *Scenario, t Transport) {
	box := &letterbox{Scenario: s}
	t.Consume(Terms{Tags: "*"}, box.take)
	now := time.Now()
	due := map[string]time.Time{"after-6": now.Add(6 * time.Second), "after-3": now.Add(3 * time.Second)}
	for body, at := range due {
		t.Send(&Letter{Body: body, At: at})
	}
	box.awaitExactly(40, []string{"after-3", "after-6"})
	for _, m := range box.all() {
		late := m.came.Sub(due[m.Body])
		s.Note("%s came %v behind its time", m.Body, late.Round(time.Millisecond))
		if late < -1100*time.Millisecond || late > 10*time.Second {
			s.Fail("%s came %v behind its time", m.Body, late)
		}
	}
}

// Transaction delivers what is committed, and nothing of what is rolled back.
func Transaction(s *Scenario, t Transport) {
	box := &letterbox{Scenario: s}
	send := t.SendIn(func(Letter) Verdict { return Open })
	t.Consume(Terms{Tags: "*"}, box.take)
	yes := Letter{Body: "yes"}
	send(&Letter{Body: "no"}, Rollback)
	send(&yes, Commit)
	box.awaitExactly(30, []string{"yes"})
	Same(box.all()[0].ID, yes.ID, "id")
}

// TransactionCheck leaves transactions open, and is asked for them.
func TransactionCheck(s *Scenario, t Transport) {
	asked, box := &letterbox{Scenario: s}, &letterbox{Scenario: s}
	count := func(body string) (n int) {
		for _, b := range asked.bodies() {
			if b == body {
				n++
			}
		}
		return n
	}
	send := t.SendIn(func(m Letter) Verdict {
		asked.take(m)
		switch {
		case m.Body == "no":
			return Rollback
		case count("later") < 2:
			return Open
		}
		return Commit
	})
	t.Consume(Terms{Tags: "*"}, box.take)
	later := Letter{Body: "later"}
	send(&later, Open)
	send(&Letter{Body: "no"}, Open)
	box.awaitExactly(40, []string{"later"})
	Same(box.all()[0].ID, later.ID, "id")
	Same(count("later"), 2, "checks of what was committed")
	Same(count("no"), 1, "checks of what was rolled back")
}
