package node

import (
	"context"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// busyHeap is how many bytes the heap may reach before garbage is collected
	// while there is a lot of it.
	busyHeap = 64 << 20
	// busyCollections a second are a lot, and after quietTime without one there is
	// no garbage worth waiting for.
	busyCollections = 4
	quietTime       = 5 // seconds
	usualPercent    = 100
)

// PaceCollector lets garbage grow to busyHeap while much is made, until ctx ends:
// the heap that lives is small, so that a load whose calls make garbage, as those
// over gRPC do, had it collected ten times a second, which was a sixth of its
// processor time. When it is quiet the memory is given back. It does nothing if GOGC says how
// often to collect; a limit of memory holds as before, and below four times
// busyHeap nothing is changed either.
func PaceCollector(ctx context.Context) {
	if os.Getenv("GOGC") != "" || debug.SetMemoryLimit(-1) < 4*busyHeap {
		return
	}
	p := pace{percent: usualPercent}
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	samples := []metrics.Sample{{Name: "/gc/cycles/automatic:gc-cycles"}, {Name: "/gc/heap/live:bytes"},
		{Name: "/gc/scan/stack:bytes"}, {Name: "/gc/scan/globals:bytes"}}
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		metrics.Read(samples)
		was := p.percent
		p.second(samples[0].Value.Uint64(), samples[1].Value.Uint64(), samples[2].Value.Uint64()+samples[3].Value.Uint64())
		if p.percent == was {
			continue
		}
		debug.SetGCPercent(p.percent)
		if p.percent == usualPercent {
			debug.FreeOSMemory()
		}
	}
}

// A pace is how much the heap may grow until garbage is collected.
type pace struct {
	percent     int // of what lives on the heap, and of stacks and globals
	collections uint64
	quiet       int // seconds
}

// second takes what the last second brought: how often garbage was collected
// since the process began, and how many bytes of the heap and beside it lived
// last.
func (p *pace) second(collections, live, beside uint64) {
	n := collections - p.collections
	p.collections = collections
	if p.quiet++; n > 0 {
		p.quiet = 0
	}
	raised := p.percent > usualPercent
	switch {
	case raised && p.quiet >= quietTime:
		p.percent = usualPercent
	case raised || n >= busyCollections:
		want := usualPercent
		if 0 < live && live < busyHeap {
			want = max(want, int((busyHeap-live)*100/(live+beside)))
		}
		// To set it stops all that runs for a moment, so it has to be worth it.
		if want < p.percent*4/5 || want > p.percent*5/4 {
			p.percent = want
		}
	}
}
