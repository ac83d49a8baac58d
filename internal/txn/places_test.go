package txn

import (
	"math/rand/v2"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

// Whether a half message was read before or after anybody spoke of it, one ends it,
// and what the core knows is what was said.
func TestAHalfMessageIsEndedOnceWhereverItIs(t *testing.T) {
	for seed := range uint64(50) {
		m := &model{T: t, rng: rand.New(rand.NewPCG(seed, 1)), core: newCore(0)}
		for range 400 {
			m.step()
			m.compare()
		}
	}
}

// A model says what becomes of half messages from their offset on.
type model struct {
	*testing.T
	rng  *rand.Rand
	core *core
	said []verdict // of each half message that is stored
}

func (m *model) step() {
	if m.rng.IntN(3) == 0 || len(m.said) == 0 {
		m.said = append(m.said, mayEnd)
		return
	}
	i := len(m.said) - 1 - m.rng.IntN(min(len(m.said), 20))
	at := mq.QueueOffset(i)
	switch what := m.rng.IntN(8); {
	case what < 3:
		if _, v := m.core.end(at); v != m.said[i] {
			m.Fatalf("half message %d: verdict %d, want %d", at, v, m.said[i])
		}
		m.said[i] = max(m.said[i], isEnding)
	case what < 4 && m.said[i] == isEnding:
		m.core.failed(at)
		m.said[i] = mayEnd
	case what < 6 && m.said[i] == isEnding:
		m.core.ended(at, earlyOwn)
		m.said[i] = isEnded
	case what < 7 && m.said[i] != isEnded:
		m.core.ended(at, earlyEnd)
		m.said[i] = isEnded
	case what == 7:
		_, read := m.core.pass(mq.QueueOffset(len(m.said)), 5)
		for range read {
			m.core.add(m.core.next, half{})
		}
	}
}

func (m *model) compare() {
	known := true
	for i, v := range m.said {
		at := mq.QueueOffset(i)
		if at >= m.core.next {
			known = known && v != isEnded
		} else if _, pending := m.core.pending(at); pending != (v == mayEnd) {
			m.Fatalf("half message %d: pending %v, want verdict %d", at, pending, v)
		}
	}
	if m.core.known() != known {
		m.Fatalf("every half message of an end is known: %v, want %v", m.core.known(), known)
	}
}

func TestWhatIsVeryFarAheadIsEndedOnceToo(t *testing.T) {
	c := newCore(0)
	const at = maxAhead + 1
	for i, want := range []verdict{mayEnd, isEnding} {
		if _, v := c.end(at); v != want {
			t.Errorf("end %d: verdict %d, want %d", i, v, want)
		}
	}
	c.failed(at)
	if _, v := c.end(at); v != mayEnd {
		t.Errorf("after a failure: verdict %d", v)
	}
	c.ended(at, earlyOwn)
	if _, v := c.end(at); v != isEnded || c.known() {
		t.Errorf("when it is ended: verdict %d, known %v", v, c.known())
	}
	c.skip(at + 1)
	if !c.known() || len(c.ending) > 0 {
		t.Error("what was deleted is remembered")
	}
}
