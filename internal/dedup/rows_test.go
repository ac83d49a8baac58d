package dedup

import (
	"runtime"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

func FuzzRow(f *testing.F) {
	f.Add(keyRow("T", 5, 9), make([]byte, 32))
	f.Add([]byte("dedup/keys/T\x00short"), []byte("x"))
	f.Fuzz(func(t *testing.T, key, value []byte) {
		if topic, _, ok := parseKeyRow(key); ok && len(topic)+17 > len(key) {
			t.Errorf("%q has topic %q", key, topic)
		}
		n := 0
		if err := eachEntry(value, func(uint64, mq.LogPos) { n++ }); err == nil && n*entrySize != len(value) {
			t.Errorf("%d bytes hold %d entries", len(value), n)
		}
	})
}

// The figure beside max-dedup-keys: heap per key that is remembered.
func BenchmarkMemoryOfAKey(b *testing.B) {
	const keys = 1_000_000
	for b.Loop() {
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		x := &table{window: keys}
		for i := range int64(keys) {
			x.enter(uint64(i)*0x9E3779B97F4A7C15, mq.LogPos(i), i)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/keys, "bytes/key")
		runtime.KeepAlive(x)
	}
}
