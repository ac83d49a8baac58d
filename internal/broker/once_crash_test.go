package broker

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/store"
)

// After a power cut, whatever the disk kept, a producer that sends everything
// again stores nothing twice, and what was acknowledged lies where it was.
func TestNothingIsStoredTwiceAfterACrash(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(seed, 1))
			fs := vfs.NewCrashableMem()
			o := Options{}
			o.Store.Flush = store.FlushSync
			r := start(t, o, fs)
			defer func() { r.stop() }()
			r.once("T", "3600")
			at := map[string]int64{}
			for i := range 80 {
				key := fmt.Sprint(i)
				at[key] = int64(r.sent(keyed("T", key, key)).Pos)
				if rng.IntN(10) == 0 {
					pass(time.Duration(rng.IntN(3000)) * time.Millisecond)
				}
			}
			crashed := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: rng.IntN(101), RNG: rng})
			after := start(t, o, crashed)
			defer after.stop()
			for key, pos := range at {
				if got := after.sent(keyed("T", key, "again")); int64(got.Pos) != pos {
					t.Errorf("seed %d: key %s lies at %d, was at %d", seed, key, got.Pos, pos)
				}
			}
			if all := after.bodies("T", 0); len(all) != len(at) {
				t.Errorf("seed %d: %d messages are stored, want %d", seed, len(all), len(at))
			}
		})
	}
}
