package lite

import (
	"fmt"
	"slices"
	"testing"
)

// A script is a registry in which waits are named by strings.
type script struct {
	*testing.T
	*Registry[string]
}

func newScript(t *testing.T) script { return script{t, NewRegistry[string]()} }

func (s script) add(client string, names ...string) {
	s.Helper()
	if _, _, err := s.Add(Member{"G", client}, nil, names, false, 0, Limits{}); err != nil {
		s.Fatal(err)
	}
}

// ready takes out all that is ready for a client.
func (s script) ready(client string, want ...string) {
	s.Helper()
	var got []string
	for name, ok := s.Next(Member{"G", client}); ok; name, ok = s.Next(Member{"G", client}) {
		got = append(got, name)
	}
	if !slices.Equal(got, want) {
		s.Errorf("%q is ready for %s, want %q", got, client, want)
	}
}

func (s script) woken(got []string, want ...string) {
	s.Helper()
	if !slices.Equal(got, want) {
		s.Errorf("%q is woken, want %q", got, want)
	}
}

func (s script) wait(client, w string) {
	s.Helper()
	if waits, full := s.Wait(Member{"G", client}, w, 2); !waits || full {
		s.Errorf("%s does not wait for %s", w, client)
	}
}

func TestWhatIsNewIsReadyOnceAndInOrder(t *testing.T) {
	s := newScript(t)
	s.add("a", "x", "y")
	s.add("a", "y", "z")
	s.ready("a", "x", "y", "z")
	s.woken(s.Appended("y"))
	s.woken(s.Appended("x"))
	s.woken(s.Appended("y"))
	s.woken(s.Appended("nobody's"))
	if waits, full := s.Wait(Member{"G", "a"}, "w", 1); waits || full {
		t.Error("a client waits for which something is ready")
	}
	s.Remove(Member{"G", "a"}, []string{"x"})
	s.ready("a", "y")
}

func TestAMessageWakesOneOfEachGroupInTurn(t *testing.T) {
	s := newScript(t)
	s.add("a", "x")
	s.add("b", "x")
	if _, _, err := s.Add(Member{"H", "a"}, nil, []string{"x"}, false, 0, Limits{}); err != nil {
		t.Fatal(err)
	}
	s.Next(Member{"H", "a"})
	s.ready("a", "x")
	s.ready("b", "x")
	s.wait("a", "a1")
	s.wait("b", "b1")
	if _, full := s.Wait(Member{"H", "a"}, "h", 1); full {
		t.Error("full")
	}
	first := s.Appended("x")
	if len(first) != 2 || first[1] != "h" {
		t.Errorf("woken are %q", first)
	}
	second := s.Appended("x")
	both := []string{first[0], second[0]}
	slices.Sort(both)
	s.woken(both, "a1", "b1")
	s.woken(s.Appended("x"))
}

func TestWhatIsInHandIsReadyAgainWhenItIsDueOrFree(t *testing.T) {
	s := newScript(t)
	s.add("a", "x", "y", "z")
	s.ready("a", "x", "y", "z")
	if !s.Hold("x", "G", 30, 1) || s.Hold("y", "G", 40, 1) || !s.Hold("z", "G", 20, 1) || s.Hold("q", "G", 1, 1) {
		t.Error("which of them is due first is not told")
	}
	s.Hold("z", "G", 50, 1)
	s.wait("a", "w")
	woken, next := s.Due(29)
	if s.woken(woken); next != 30 {
		t.Errorf("next is due at %d", next)
	}
	woken, next = s.Due(30)
	if s.woken(woken, "w"); next != 40 {
		t.Errorf("next is due at %d", next)
	}
	s.ready("a", "x")
	s.woken(s.Free("y", "G", false))
	s.wait("a", "w")
	s.woken(s.Free("z", "G", true), "w")
	s.ready("a", "z")
	if _, next := s.Due(100); next != 0 {
		t.Errorf("something is due at %d", next)
	}
	s.Hold("x", "G", 200, 1)
	s.Clear(Member{"G", "a"})
	if woken, next := s.Due(300); len(woken) != 0 || next != 0 {
		t.Errorf("woken %q, next %d for a client that is gone", woken, next)
	}
}

func TestWakesOfOneThatIsGoneAreOthers(t *testing.T) {
	s := newScript(t)
	s.add("a", "x")
	s.add("b", "x")
	s.ready("a", "x")
	s.ready("b", "x")
	s.wait("a", "dead")
	s.Appended("x")
	s.ready("b", "x")
	s.wait("b", "alive")
	s.woken(s.Pass(Member{"G", "a"}), "alive")
	s.woken(s.Pass(Member{"G", "nobody"}))
	s.ready("b", "x")
	s.wait("b", "left")
	s.Leave(Member{"G", "b"}, "left")
}

func TestNothingIsLeftOfClientsThatAreGone(t *testing.T) {
	s := newScript(t)
	for i := range 100 {
		s.add(fmt.Sprint("c", i%7), fmt.Sprint("q", i%13))
		s.Hold(fmt.Sprint("q", i%13), "G", int64(i), 1)
	}
	if s.Subscriptions() != 91 || len(s.clients) != 7 {
		t.Errorf("%d subscriptions of %d clients", s.Subscriptions(), len(s.clients))
	}
	if gone := s.Expire(1); len(gone) != 7 {
		t.Errorf("%d clients are gone", len(gone))
	}
	if s.Subscriptions() != 0 || len(s.queues) != 0 || len(s.alarms) != 0 || len(s.clients) != 0 {
		t.Errorf("left are %d subscriptions, %d queues, %d alarms, %d clients", s.Subscriptions(), len(s.queues), len(s.alarms), len(s.clients))
	}
}

func TestALiteTopicIsOverWhenItsTimeWithoutTrafficIs(t *testing.T) {
	const minute = 60_000
	for _, c := range []struct {
		last, ttl, now int64
		over           bool
		next           int64
	}{
		{1000, 20 * minute, 1000, false, 1000 + 20*minute},
		{1000, 20 * minute, 1000 + 20*minute, true, 1000 + 20*minute},
		{1000, minute, 1000 + minute, false, 1000 + minTTL}, // no shorter time is kept
		{0, -1, 5, false, 5 + idleCheck},
	} {
		if over, next := Expiry(c.last, c.ttl, c.now); over != c.over || next != c.next {
			t.Errorf("%+v: over %v, next %d", c, over, next)
		}
	}
}
