package metrics

import (
	"cmp"
	"slices"
	"time"
)

// other is the value of labels that stand for all topics or groups which have no
// series of their own.
const other = "_other"

const (
	// tenure is how long counters stay on a shelf before another's may take their
	// place.
	tenure = 10 * time.Minute
	// lead is how many times busier what takes a place must be than what had it.
	lead = 2
	// swaps bounds how many places change hands in a round.
	swaps = 64
)

// A shelf decides which of many have series of their own, and what the others
// sum up to. Who is on it stays there as long as it exists, unless something
// else is lead times as busy; so series do not come and go with every scrape.
//
// Counters are shown from where they were when they came onto the shelf, unless
// nobody had been told of them, and what one had shown when it left is not
// counted among the others again. So none falls, and together they are what
// there was.
type shelf[K comparable] struct {
	limit   int
	tenure  time.Duration
	members map[K]*member
	invited map[K]bool // have a place from the next round on
	full    bool       // something was without a place, now or before
	left    []int64    // what those had shown that are gone
	round   int

	// Of the round that is going on:
	now     time.Time
	rest    int // how many have no place
	sum     []int64
	wanting []candidate[K] // the busiest of them, and a few more
	floor   float64        // who is not busier is not among them
}

// A member has series of its own.
type member struct {
	base  []int64 // what was counted before; nil if nothing
	shown []int64
	busy  float64
	since time.Time
	round int // in which it was last seen
}

// A candidate has not.
type candidate[K comparable] struct {
	key  K
	busy float64
}

func newShelf[K comparable](limit int, tenure time.Duration) *shelf[K] {
	return &shelf[K]{limit: limit, tenure: tenure, members: map[K]*member{}, invited: map[K]bool{}}
}

// begin starts a round.
func (s *shelf[K]) begin(now time.Time) {
	s.now, s.rest, s.wanting, s.floor = now, 0, s.wanting[:0], 0
	s.round++
	clear(s.sum)
}

// add takes the counters of something and how busy it is. The values may be nil
// and are not kept. What it returns is to be shown; ok is false for what has no
// place.
func (s *shelf[K]) add(key K, values []int64, busy float64) (shown []int64, ok bool) {
	s.gone(values)
	m := s.members[key]
	if m == nil && (s.invited[key] || len(s.members)+len(s.invited) < s.limit) {
		m = s.enter(key, values)
	}
	if m == nil {
		s.full = true
		s.rest++
		s.want(key, busy)
		return nil, false
	}
	m.busy, m.round = busy, s.round
	s.show(m, values)
	return m.shown, true
}

// gone takes counters that belong to nothing any more.
func (s *shelf[K]) gone(values []int64) { s.sum = plus(s.sum, values) }

func (s *shelf[K]) enter(key K, values []int64) *member {
	m := &member{since: s.now}
	if s.full {
		m.base = slices.Clone(values)
	}
	delete(s.invited, key)
	s.members[key] = m
	return m
}

// show notes what a member shows. What was made anew under its name begins anew.
func (s *shelf[K]) show(m *member, values []int64) {
	for i, v := range values {
		if before := at(m.base, i) + at(m.shown, i); v < before {
			s.left, m.base, m.shown = plus(s.left, m.shown), nil, nil
			break
		}
	}
	m.shown = append(m.shown[:0], values...)
	for i := range m.base {
		m.shown[i] -= m.base[i]
	}
	for i, v := range m.shown {
		s.sum[i] -= v
	}
}

// want remembers the busiest of those without a place.
func (s *shelf[K]) want(key K, busy float64) {
	if busy <= s.floor {
		return
	}
	s.wanting = append(s.wanting, candidate[K]{key, busy})
	if len(s.wanting) == 4*swaps {
		s.cut()
	}
}

// cut leaves the busiest of those that want a place, in order.
func (s *shelf[K]) cut() {
	slices.SortFunc(s.wanting, func(a, b candidate[K]) int { return cmp.Compare(b.busy, a.busy) })
	if len(s.wanting) > swaps {
		s.wanting = s.wanting[:swaps]
		s.floor = s.wanting[swaps-1].busy
	}
}

// end ends a round: what is gone leaves, and places change hands. It returns
// what all without a place sum up to.
func (s *shelf[K]) end() []int64 {
	for key, m := range s.members {
		if m.round != s.round {
			s.leave(key, m)
		}
	}
	clear(s.invited)
	rest := slices.Clone(s.sum)
	for i := range s.left {
		if i < len(rest) {
			rest[i] -= s.left[i]
		}
	}
	s.swap()
	return rest
}

func (s *shelf[K]) leave(key K, m *member) {
	s.left = plus(s.left, m.shown)
	delete(s.members, key)
}

// swap invites those who are much busier than members, which leave.
func (s *shelf[K]) swap() {
	if len(s.wanting) == 0 {
		return
	}
	type place struct {
		key K
		*member
	}
	var free []place
	for key, m := range s.members {
		if s.now.Sub(m.since) >= s.tenure {
			free = append(free, place{key, m})
		}
	}
	slices.SortFunc(free, func(a, b place) int { return cmp.Compare(a.busy, b.busy) })
	s.cut()
	for i, c := range s.wanting {
		if i == len(free) || c.busy < lead*free[i].busy {
			return
		}
		s.leave(free[i].key, free[i].member)
		s.invited[c.key] = true
	}
}

// plus adds values to sum, which grows to their number.
func plus(sum, values []int64) []int64 {
	for len(sum) < len(values) {
		sum = append(sum, 0)
	}
	for i, v := range values {
		sum[i] += v
	}
	return sum
}

func at(values []int64, i int) int64 {
	if i < len(values) {
		return values[i]
	}
	return 0
}
