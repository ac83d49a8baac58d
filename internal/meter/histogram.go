package meter

import (
	"math"
	"sync/atomic"
)

// A Histogram counts values by size. Adding to it takes no lock and makes no
// garbage.
type Histogram struct {
	bounds []int64
	counts []atomic.Int64 // one more than bounds
	sum    atomic.Int64
}

// NewHistogram makes a histogram of values up to each of the bounds, which
// rise, and of those above the last. The bounds are kept.
func NewHistogram(bounds []int64) *Histogram {
	return &Histogram{bounds: bounds, counts: make([]atomic.Int64, len(bounds)+1)}
}

// Observe counts a value.
func (h *Histogram) Observe(v int64) { h.ObserveMany(v, 1) }

// ObserveMany counts a value n times.
func (h *Histogram) ObserveMany(v, n int64) {
	i := 0
	for i < len(h.bounds) && v > h.bounds[i] {
		i++
	}
	h.counts[i].Add(n)
	h.sum.Add(v * n)
}

// Count is how many values there were.
func (h *Histogram) Count() int64 {
	var n int64
	for i := range h.counts {
		n += h.counts[i].Load()
	}
	return n
}

// Sum is the sum of all values.
func (h *Histogram) Sum() int64 { return h.sum.Load() }

// Merge adds what other counts, which has the same bounds or is nil.
func (h *Histogram) Merge(other *Histogram) {
	if other == nil {
		return
	}
	for i := range h.counts {
		h.counts[i].Add(other.counts[i].Load())
	}
	h.sum.Add(other.sum.Load())
}

// A Distribution is a histogram at a time.
type Distribution struct {
	Bounds []int64
	Counts []int64 // of each bound alone, and of what is above the last
	Sum    int64
}

// Read is the histogram now.
func (h *Histogram) Read() Distribution {
	var d Distribution
	d.Add(h)
	return d
}

// Add adds what h counts. A Distribution is of one set of bounds.
func (d *Distribution) Add(h *Histogram) {
	if d.Counts == nil {
		d.Bounds, d.Counts = h.bounds, make([]int64, len(h.counts))
	}
	for i := range h.counts {
		d.Counts[i] += h.counts[i].Load()
	}
	d.Sum += h.sum.Load()
}

// Count is how many values there were.
func (d Distribution) Count() int64 {
	var n int64
	for _, c := range d.Counts {
		n += c
	}
	return n
}

// Quantile is the bound below which a share of the values lies: 0 if there are
// none, the last bound if it is above all of them.
func (d Distribution) Quantile(share float64) int64 {
	want := int64(math.Ceil(share * float64(d.Count())))
	for i, n := range d.Counts {
		if want -= n; want <= 0 && (n > 0 || i == 0) {
			return d.Bounds[min(i, len(d.Bounds)-1)]
		}
	}
	return d.Bounds[len(d.Bounds)-1]
}
