package meter

import (
	"slices"
	"sync"
	"testing"
	"time"
)

func TestAValueCountsInTheFirstBucketThatHoldsIt(t *testing.T) {
	h := NewHistogram([]int64{1, 10, 100})
	for _, v := range []int64{0, 1, 2, 10, 101, 5000} {
		h.Observe(v)
	}
	h.ObserveMany(50, 3)
	d := h.Read()
	if !slices.Equal(d.Counts, []int64{2, 2, 3, 2}) || d.Sum != 5264 || d.Count() != 9 || h.Count() != 9 {
		t.Errorf("%+v, want 2, 2, 3 and 2 values that sum up to 5264", d)
	}
	other := NewHistogram([]int64{1, 10, 100})
	other.Merge(h)
	other.Merge(nil)
	if got := other.Read(); !slices.Equal(got.Counts, d.Counts) || got.Sum != d.Sum {
		t.Errorf("merged are %+v, want %+v", got, d)
	}
}

func TestCountingMakesNoGarbage(t *testing.T) {
	var counts Counts
	var calls Calls
	call := Call{Request: 310}
	counts.Count(KindNormal, 1, 1)
	calls.Observe(call, time.Millisecond, 1)
	if n := testing.AllocsPerRun(1000, func() {
		counts.Count(KindNormal, 100, 1)
		calls.Observe(call, time.Millisecond, 32)
	}); n != 0 {
		t.Errorf("counting allocates %v times", n)
	}
}

func TestCallsAreToldApartUpToALimit(t *testing.T) {
	var calls Calls
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range maxCalls {
				calls.Observe(Call{Request: int32(i + 1), Waited: g%2 == 0}, time.Millisecond, 1)
			}
		})
	}
	wg.Wait()
	var all int64
	for _, h := range calls.All() {
		all += h.Count()
	}
	if n := len(calls.All()); n > maxCalls+1 || all != 4*maxCalls {
		t.Errorf("%d calls in %d kinds, want %d in at most %d", all, n, 4*maxCalls, maxCalls+1)
	}
	var none *Calls
	none.Observe(Call{}, time.Second, 1) // which is what a server without metrics does
}

func TestAQuantileIsTheUpperEndOfItsBucket(t *testing.T) {
	h := NewHistogram([]int64{0, 10, 100})
	if q := h.Read().Quantile(0.99); q != 0 {
		t.Errorf("of nothing: %d", q)
	}
	h.ObserveMany(5, 98)
	h.Observe(50)
	h.Observe(5000)
	d := h.Read()
	for share, want := range map[float64]int64{0.5: 10, 0.98: 10, 0.99: 100, 1: 100} {
		if q := d.Quantile(share); q != want {
			t.Errorf("%v of the values: %d, want %d", share, q, want)
		}
	}
}
