// Package load puts a RocketMQ cluster under load and measures what comes back.
// It is the engine of `goddard bench` and works against any broker.
//
// Latencies under a fixed rate count from the moment a request was due, not
// from when it could be sent: a broker that stalls is charged for every request
// that had to wait (no coordinated omission).
package load

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Common is what all loads share.
type Common struct {
	// Topic is written or read; it is created on first use where the broker
	// allows that.
	Topic string
	// Duration ends the run. Default 10s.
	Duration time.Duration
	// Warmup comes before it and is not measured. Default 2s.
	Warmup time.Duration
	// Progress receives a line each second. Nil discards it.
	Progress io.Writer

	// over is closed when there is nothing left to do before the time is over;
	// nil where that cannot be.
	over chan struct{}
}

func (c *Common) setDefaults() {
	if c.Duration == 0 {
		c.Duration = 10 * time.Second
	}
	if c.Progress == nil {
		c.Progress = io.Discard
	}
}

// A Report is what a run measured; its JSON is the output of --json.
type Report struct {
	Kind      string  `json:"kind"`
	Topic     string  `json:"topic"`
	Seconds   float64 `json:"seconds"`
	Messages  int64   `json:"messages"`
	Bytes     int64   `json:"bytes"`
	Errors    int64   `json:"errors"`
	LastError string  `json:"last_error,omitempty"`
	Rate      float64 `json:"messages_per_second"`
	MiBRate   float64 `json:"mib_per_second"`
	// WarmupMessages came before and are in no other figure.
	WarmupMessages int64 `json:"warmup_messages,omitempty"`
	// WantedRate is the fixed rate asked for, 0 if as fast as possible.
	WantedRate float64  `json:"wanted_rate,omitempty"`
	Latency    *Latency `json:"latency_us,omitempty"`
	// Delivered is what came back of delayed messages. Its latency is how late
	// they came, its rate counts from the first to the last.
	Delivered *Report `json:"delivered,omitempty"`
}

// Latency holds percentiles in microseconds.
type Latency struct {
	Mean  float64 `json:"mean"`
	P50   int64   `json:"p50"`
	P90   int64   `json:"p90"`
	P99   int64   `json:"p99"`
	P999  int64   `json:"p99_9"`
	P9999 int64   `json:"p99_99"`
	Max   int64   `json:"max"`
}

// String is the report for people.
func (r *Report) String() string {
	s := fmt.Sprintf("%s %s: %d messages in %.1f s, %.0f msg/s, %.1f MiB/s, %d errors",
		r.Kind, r.Topic, r.Messages, r.Seconds, r.Rate, r.MiBRate, r.Errors)
	if r.LastError != "" {
		s += "\nlast error: " + r.LastError
	}
	if l := r.Latency; l != nil {
		s += fmt.Sprintf("\nlatency in µs: mean %.0f, p50 %d, p90 %d, p99 %d, p99.9 %d, p99.99 %d, max %d",
			l.Mean, l.P50, l.P90, l.P99, l.P999, l.P9999, l.Max)
	}
	if r.Delivered != nil {
		s += "\n" + r.Delivered.String()
	}
	return s
}

// A meter counts what happens in a run. One per connection keeps the hot path
// free of contention; they are added up at the end.
type meter struct {
	messages, bytes, errors atomic.Int64
	// mu guards the histogram and the last error.
	mu struct {
		sync.Mutex
		latency *hdrhistogram.Histogram
		lastErr error
	}
}

// maxLatency bounds the histogram; what takes longer counts as this.
const maxLatency = 60 * time.Second

func newMeter() *meter {
	m := &meter{}
	m.mu.latency = hdrhistogram.New(1, maxLatency.Microseconds(), 3)
	return m
}

// took records n messages of so many bytes altogether that took d.
func (m *meter) took(d time.Duration, n, bytes int64) {
	us := min(max(d.Microseconds(), 1), maxLatency.Microseconds())
	m.mu.Lock()
	m.messages.Add(n) // within the lock, so that a report has both or none
	m.bytes.Add(bytes)
	// Within bounds by the line above, so this cannot fail.
	_ = m.mu.latency.RecordValue(us)
	m.mu.Unlock()
}

func (m *meter) failed(err error, n int64) {
	m.errors.Add(n)
	m.mu.Lock()
	m.mu.lastErr = err
	m.mu.Unlock()
}

// reset forgets what was counted so far.
func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.messages.Store(0)
	m.bytes.Store(0)
	m.errors.Store(0)
	m.mu.lastErr = nil
	m.mu.latency.Reset()
}

type meters []*meter

func (ms meters) messages() (n int64) {
	for _, m := range ms {
		n += m.messages.Load()
	}
	return n
}

// report adds the meters up.
func (ms meters) report(kind, topic string, took time.Duration) *Report {
	r := &Report{Kind: kind, Topic: topic, Seconds: took.Seconds()}
	all := hdrhistogram.New(1, maxLatency.Microseconds(), 3)
	for _, m := range ms {
		m.mu.Lock()
		r.Messages += m.messages.Load()
		r.Bytes += m.bytes.Load()
		r.Errors += m.errors.Load()
		all.Merge(m.mu.latency)
		if m.mu.lastErr != nil {
			r.LastError = m.mu.lastErr.Error()
		}
		m.mu.Unlock()
	}
	r.Rate = float64(r.Messages) / took.Seconds()
	r.MiBRate = float64(r.Bytes) / (1 << 20) / took.Seconds()
	if all.TotalCount() > 0 {
		r.Latency = &Latency{
			Mean: all.Mean(), P50: all.ValueAtQuantile(50), P90: all.ValueAtQuantile(90),
			P99: all.ValueAtQuantile(99), P999: all.ValueAtQuantile(99.9), P9999: all.ValueAtQuantile(99.99), Max: all.Max(),
		}
	}
	return r
}

// measure lets a load run through warm-up and duration, prints progress, and
// reports. stop is called when the time is over, or c.over closed; the load has
// until wait returns to finish.
func measure(ctx context.Context, c *Common, kind string, ms meters, stop context.CancelFunc, wait func()) (*Report, error) {
	defer wait()
	defer stop()
	if !pass(ctx, c, "warming up", ms, c.Warmup) {
		return nil, context.Cause(ctx)
	}
	var warm int64
	if c.Warmup > 0 { // without one everything counts
		warm = ms.messages()
		for _, m := range ms {
			m.reset()
		}
	}
	start := time.Now()
	whole := pass(ctx, c, kind, ms, c.Duration)
	r := ms.report(kind, c.Topic, time.Since(start))
	r.WarmupMessages = warm
	if !whole && !errors.Is(context.Cause(ctx), context.Canceled) {
		return nil, context.Cause(ctx)
	}
	return r, nil
}

// pass waits, with a progress line each second, and reports whether it waited
// to the end of the time or of the load.
func pass(ctx context.Context, c *Common, what string, ms meters, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	end := time.NewTimer(d)
	defer end.Stop()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	start, before := time.Now(), ms.messages()
	for {
		select {
		case <-ctx.Done():
			return false
		case <-end.C:
			return true
		case <-c.over:
			return true
		case <-tick.C:
			n := ms.messages()
			fmt.Fprintf(c.Progress, "%s %3.0f s of %.0f: %d msg/s\n", what, time.Since(start).Seconds(), d.Seconds(), n-before)
			before = n
		}
	}
}
