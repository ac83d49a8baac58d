package rpc

import (
	"math"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// A call is found by its opaque until it is taken, however many came and went
// since, also when opaques begin anew.
func TestWaitingCallsAreFoundUntilTaken(t *testing.T) {
	w := waiting{last: math.MaxInt32 - 500}
	calls := map[int32]time.Duration{}
	for i := range time.Duration(1000) {
		c := call{deadline: i, done: func(*wire.Command, error) {}}
		opaque := w.add(c)
		if _, taken := calls[opaque]; taken || opaque < 0 {
			t.Fatalf("call %d has opaque %d", i, opaque)
		}
		calls[opaque] = i
		if i%10 == 0 { // stays
			continue
		}
		if got := w.take(w.find(opaque)); got.deadline != i || got.opaque != opaque {
			t.Fatalf("call %d is %+v", i, got)
		}
		delete(calls, opaque)
		if w.find(opaque) != nil {
			t.Fatalf("call %d is there after it was taken", i)
		}
	}
	if w.n != len(calls) || len(w.slots) > 4*w.n {
		t.Fatalf("%d calls in %d slots, %d wait", w.n, len(w.slots), len(calls))
	}
	for opaque, i := range calls {
		if slot := w.find(opaque); slot == nil || slot.deadline != i {
			t.Fatalf("call %d with opaque %d is %+v", i, opaque, slot)
		}
	}
	w.all(func(slot *call) { w.take(slot) })
	if w.n != 0 || w.find(1) != nil {
		t.Fatalf("%d are left", w.n)
	}
}
