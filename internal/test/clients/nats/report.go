package main

import (
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A report is what came of a load; latencies are in microseconds.
type report struct {
	Kind      string   `json:"kind"`
	Topic     string   `json:"topic"`
	Seconds   float64  `json:"seconds"`
	Messages  int64    `json:"messages"`
	Bytes     int64    `json:"bytes"`
	Errors    int64    `json:"errors"`
	LastError string   `json:"last_error,omitempty"`
	Rate      float64  `json:"messages_per_second"`
	MiBRate   float64  `json:"mib_per_second"`
	Warmup    int64    `json:"warmup_messages,omitempty"`
	Latency   *latency `json:"latency_us,omitempty"`
}

type latency struct {
	Mean  float64 `json:"mean"`
	P50   int64   `json:"p50"`
	P90   int64   `json:"p90"`
	P99   int64   `json:"p99"`
	P999  int64   `json:"p99_9"`
	P9999 int64   `json:"p99_99"`
	Max   int64   `json:"max"`
}

// A meter counts what happens from the end of the warm-up to the end of the time.
type meter struct {
	begin, end time.Time

	mu struct {
		sync.Mutex // guards what follows
		n, bytes   int64
		warm       int64 // messages before begin
		errors     int64
		last       error
		all        *hdrhistogram.Histogram
		latest     time.Time
	}
}

const longest = time.Minute

func newMeter(b *bench) *meter {
	begin := time.Now().Add(b.warmup)
	m := &meter{begin: begin, end: begin.Add(b.span)}
	m.mu.all = hdrhistogram.New(1, longest.Microseconds(), 3)
	return m
}

func (m *meter) over() bool { return !time.Now().Before(m.end) }

// took counts messages that ended now.
func (m *meter) took(d time.Duration, n, bytes int64) {
	now := time.Now()
	if now.After(m.end) {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if now.Before(m.begin) {
		m.mu.warm += n
		return
	}
	m.mu.n += n
	m.mu.bytes += bytes
	m.mu.latest = now
	// Within bounds, so it cannot fail.
	_ = m.mu.all.RecordValue(min(max(d.Microseconds(), 1), longest.Microseconds()))
}

func (m *meter) failed(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.errors++
	m.mu.last = err
}

// report counts until the end of the time, or until the last message if the load
// was over before.
func (m *meter) report(kind, topic string, counted bool) *report {
	m.mu.Lock()
	defer m.mu.Unlock()
	end := m.end
	if counted && m.mu.latest.Before(end) {
		end = m.mu.latest
	}
	seconds := max(end.Sub(m.begin).Seconds(), 1e-6)
	r := &report{Kind: kind, Topic: topic, Seconds: seconds, Messages: m.mu.n, Bytes: m.mu.bytes, Errors: m.mu.errors, Warmup: m.mu.warm,
		Rate: float64(m.mu.n) / seconds, MiBRate: float64(m.mu.bytes) / (1 << 20) / seconds}
	if m.mu.last != nil {
		r.LastError = m.mu.last.Error()
	}
	if h := m.mu.all; h.TotalCount() > 0 {
		r.Latency = &latency{h.Mean(), h.ValueAtQuantile(50), h.ValueAtQuantile(90), h.ValueAtQuantile(99), h.ValueAtQuantile(99.9), h.ValueAtQuantile(99.99), h.Max()}
	}
	return r
}
