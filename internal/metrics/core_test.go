package metrics

import (
	"fmt"
	"testing"
	"time"
)

// A shop is things with one counter each, shown on a shelf.
type shop struct {
	s      *shelf[string]
	counts map[string]int64
	busy   map[string]float64
	gone   int64
	now    time.Time
}

func newShop(limit int) *shop {
	return &shop{s: newShelf[string](limit, tenure), counts: map[string]int64{}, busy: map[string]float64{}, now: time.Unix(0, 0)}
}

// round returns what is shown of each, and of the others.
func (x *shop) round() (shown map[string]int64, rest int64) {
	shown = map[string]int64{}
	x.s.begin(x.now)
	for name, n := range x.counts {
		if v, ok := x.s.add(name, []int64{n}, x.busy[name]); ok {
			shown[name] = v[0]
		}
	}
	x.s.gone([]int64{x.gone})
	return shown, x.s.end()[0]
}

func TestThingsBeyondTheLimitAreSummed(t *testing.T) {
	x := newShop(3)
	for i := range 10 {
		x.counts[fmt.Sprint(i)] = 5
	}
	shown, rest := x.round()
	if len(shown) != 3 || rest != 35 {
		t.Errorf("shown are %v and %d of the others, want 3 of 5 and 35", shown, rest)
	}
	again, _ := x.round()
	for name := range shown {
		if _, ok := again[name]; !ok {
			t.Errorf("%s had a series and has none any more", name)
		}
	}
}

// Whatever comes, goes and gets busy: nothing falls while it is shown, and the
// sum is what was counted.
func TestNoCounterFalls(t *testing.T) {
	x := newShop(4)
	var before map[string]int64
	var beforeRest, ended int64
	for i := range 200 {
		x.now = x.now.Add(time.Minute)
		name := fmt.Sprint("t", i%13)
		x.counts[name] += int64(i)
		clear(x.busy)
		x.busy[name], x.busy[fmt.Sprint("t", i%5)] = float64(i*i), 1
		if i%17 == 16 {
			gone := fmt.Sprint("t", (i*3)%13)
			x.gone += x.counts[gone]
			delete(x.counts, gone)
		}
		shown, rest := x.round()
		if rest < beforeRest {
			t.Fatalf("round %d: the others fell from %d to %d", i, beforeRest, rest)
		}
		all, showing := x.gone, rest
		for name, v := range shown {
			showing += v
			if was, ok := before[name]; ok && v < was {
				t.Fatalf("round %d: %s fell from %d to %d", i, name, was, v)
			}
		}
		for name, was := range before {
			if _, ok := shown[name]; !ok {
				ended += was
			}
		}
		for _, n := range x.counts {
			all += n
		}
		if showing+ended != all {
			t.Fatalf("round %d: %d is shown and %d was, of %d", i, showing, ended, all)
		}
		before, beforeRest = shown, rest
	}
}

func TestAPlaceChangesHandsOnlyToSomethingMuchBusierAndNotSoon(t *testing.T) {
	x := newShop(1)
	x.counts["old"], x.busy["old"] = 1, 10
	x.round()
	x.counts["new"], x.busy["new"] = 1, 19
	step := func(d time.Duration) string {
		x.now = x.now.Add(d)
		x.round()
		x.now = x.now.Add(time.Second)
		shown, _ := x.round()
		for name := range shown {
			return name
		}
		return ""
	}
	if got := step(time.Hour); got != "old" {
		t.Errorf("something not twice as busy took the place of %q", got)
	}
	x.busy["new"] = 20
	if got := step(time.Minute); got != "new" {
		t.Errorf("%q is shown, want what is twice as busy", got)
	}
	x.busy["old"] = 1000
	if got := step(tenure - 2*time.Second); got != "new" {
		t.Errorf("%q took the place before its time", got)
	}
	if got := step(time.Minute); got != "old" {
		t.Errorf("%q is shown, want what is busier", got)
	}
}

// What is made anew under an old name starts again, as a restarted counter does.
func TestAThingMadeAnewStartsAgain(t *testing.T) {
	x := newShop(2)
	x.counts["a"] = 100
	x.round()
	x.gone, x.counts["a"] = 100, 3
	shown, rest := x.round()
	if shown["a"] != 3 || rest != 0 {
		t.Errorf("%d is shown and %d of others, want 3 and 0", shown["a"], rest)
	}
}
