package node

import "testing"

func TestTheCollectorIsPacedWhileThereIsMuchGarbage(t *testing.T) {
	const mib = 1 << 20
	p := pace{percent: usualPercent}
	done := uint64(0)
	for i, second := range []struct {
		collections, live uint64
		want              int
	}{
		{3, 16 * mib, 100},  // few are left alone
		{10, 16 * mib, 300}, // many: the heap may reach busyHeap
		{3, 17 * mib, 300},  // fewer by that
		{3, 18 * mib, 300},  // about as much lives
		{3, 24 * mib, 166},  // more lives
		{3, 200 * mib, 100}, // so much that nothing is to be gained
		{9, 200 * mib, 100},
		{9, 16 * mib, 300},
		{0, 16 * mib, 300},
		{0, 16 * mib, 300},
		{1, 16 * mib, 300}, // a pause is no end
		{0, 16 * mib, 300},
		{0, 16 * mib, 300},
		{0, 16 * mib, 300},
		{0, 16 * mib, 300},
		{0, 16 * mib, 100}, // quiet
		{0, 16 * mib, 100},
		{1, 16 * mib, 100},
	} {
		done += second.collections
		if p.second(done, second.live, 0); p.percent != second.want {
			t.Fatalf("second %d: %d %%, want %d %%", i, p.percent, second.want)
		}
	}
}
