//go:build linux

package main

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"github.com/goddardmq/goddard/internal/load"
)

// times counts what was done one after the other.
type times struct {
	kind  string
	began time.Time
	n     int64
	bytes int64
	all   *hdrhistogram.Histogram
}

const longest = time.Minute

func newTimes(kind string) *times {
	return &times{kind: kind, began: time.Now(), all: hdrhistogram.New(1, longest.Microseconds(), 3)}
}

func (t *times) took(d time.Duration, bytes int64) {
	t.n++
	t.bytes += bytes
	// Within bounds, so it cannot fail.
	_ = t.all.RecordValue(min(max(d.Microseconds(), 1), longest.Microseconds()))
}

func (t *times) report() *load.Report {
	span := time.Since(t.began).Seconds()
	h := t.all
	return &load.Report{Kind: t.kind, Seconds: span, Messages: t.n, Bytes: t.bytes, Rate: float64(t.n) / span, MiBRate: float64(t.bytes) / (1 << 20) / span,
		Latency: &load.Latency{Mean: h.Mean(), P50: h.ValueAtQuantile(50), P90: h.ValueAtQuantile(90), P99: h.ValueAtQuantile(99),
			P999: h.ValueAtQuantile(99.9), P9999: h.ValueAtQuantile(99.99), Max: h.Max()}}
}
