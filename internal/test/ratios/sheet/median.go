package sheet

import (
	"maps"
	"slices"
)

// A Spread is the middle and the ends of some values.
type Spread struct {
	Median, Min, Max float64
	N                int // values; with none the rest means nothing
}

// SpreadOf sorts values by size; the median of an even number is the mean of the
// middle two.
func SpreadOf(values []float64) Spread {
	v := slices.Sorted(slices.Values(values))
	n := len(v)
	if n == 0 {
		return Spread{}
	}
	return Spread{Median: (v[(n-1)/2] + v[n/2]) / 2, Min: v[0], Max: v[n-1], N: n}
}

// Over is the ratio of the medians of a to b; its ends are those of the ratios
// within each round that has both, for the rounds differ more from one another
// than the servers do within one. N is 0 if there is no such round.
func Over(a, b map[int]float64) Spread {
	var each, as, bs []float64
	for round, v := range a {
		if w := b[round]; w > 0 {
			each, as, bs = append(each, v/w), append(as, v), append(bs, w)
		}
	}
	s := SpreadOf(each)
	if s.N > 0 {
		s.Median = SpreadOf(as).Median / SpreadOf(bs).Median
	}
	return s
}

// All are the values of all rounds.
func All(byRound map[int]float64) []float64 { return slices.Collect(maps.Values(byRound)) }
