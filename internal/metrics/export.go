package metrics

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

const (
	// batchPoints bounds what is sent to a collector at once.
	batchPoints   = 2000
	complainEvery = time.Minute
)

// A client sends metrics to a collector.
type client interface {
	Export(ctx context.Context, rm *metricdata.ResourceMetrics) error
	Shutdown(ctx context.Context) error
}

// dial opens a way to the collector, which need not be there.
func (o Options) dial(ctx context.Context) (client, error) {
	all, err := pairs("metrics-grpc-exporter-header", o.Header)
	if err != nil {
		return nil, err
	}
	headers := map[string]string{}
	for _, p := range all {
		headers[p.name] = p.value
	}
	if o.ExporterType == exportHTTP {
		url := o.target()
		if rest := url[strings.Index(url, "://")+3:]; !strings.Contains(strings.TrimSuffix(rest, "/"), "/") {
			url = strings.TrimSuffix(url, "/") + "/v1/metrics"
		}
		return otlpmetrichttp.New(ctx, otlpmetrichttp.WithEndpointURL(url), otlpmetrichttp.WithHeaders(headers),
			otlpmetrichttp.WithTimeout(o.Timeout), otlpmetrichttp.WithCompression(otlpmetrichttp.GzipCompression))
	}
	return otlpmetricgrpc.New(ctx, otlpmetricgrpc.WithEndpointURL(o.target()), otlpmetricgrpc.WithHeaders(headers),
		otlpmetricgrpc.WithTimeout(o.Timeout), otlpmetricgrpc.WithCompressor("gzip"))
}

// export sends metrics on until ctx ends, and then once more.
func (m *Metrics) export(ctx context.Context) error {
	switch m.o.ExporterType {
	case exportGRPC, exportHTTP:
	case exportLog:
		every(ctx, m.o.LogInterval, func(ctx context.Context) { m.log(ctx) })
		return nil
	default:
		return nil
	}
	c, err := m.o.dial(ctx)
	if err != nil {
		return fmt.Errorf("metrics-grpc-exporter-target = %q: %w", m.o.Target, err)
	}
	from, err := m.o.describe(ctx)
	if err != nil {
		return fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	x := exporter{m: m, client: c, resource: from, began: time.Now(), seen: map[string]*seen{}}
	x.last = x.began
	every(ctx, m.o.Interval, x.send)
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.o.Timeout)
	defer cancel()
	return c.Shutdown(last)
}

// every calls f again and again until ctx ends, and then a last time.
func every(ctx context.Context, interval time.Duration, f func(context.Context)) {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			f(ctx)
		case <-ctx.Done():
			f(context.WithoutCancel(ctx))
			return
		}
	}
}

// describe is where the metrics come from.
func (o Options) describe(ctx context.Context) (*resource.Resource, error) {
	return resource.New(ctx, resource.WithAttributes(
		semconv.ServiceName("goddard"), semconv.ServiceVersion(o.Version), semconv.ServiceInstanceID(o.Broker),
	), resource.WithFromEnv())
}

// log writes a line for each value.
func (m *Metrics) log(ctx context.Context) {
	for _, f := range m.gather(ctx, time.Now()) {
		for _, p := range f.points {
			args := []any{"metric", f.name}
			for i, v := range p.labels {
				args = append(args, f.labels[i], v)
			}
			if p.dist != nil {
				args = append(args, "count", p.dist.Count(), "sum", f.scaled(p.dist.Sum))
			} else {
				args = append(args, "value", p.value)
			}
			m.o.Log.Info("metrics", args...)
		}
	}
}

// An exporter is what export works with.
type exporter struct {
	m           *Metrics
	client      client
	resource    *resource.Resource
	began, last time.Time // the first and the last time that counts are from
	complained  time.Time
	// seen is what series were when they were sent last, by name and labels, for
	// who wants to know what they gained.
	seen  map[string]*seen
	round int
}

type seen struct {
	value  int64
	counts []int64
	sum    int64
	round  int
}

// send gathers and sends everything.
func (x *exporter) send(ctx context.Context) {
	now := time.Now()
	var errs []error
	batch, points := []metricdata.Metrics(nil), 0
	flush := func() {
		if points == 0 {
			return
		}
		errs = append(errs, x.client.Export(ctx, &metricdata.ResourceMetrics{
			Resource: x.resource,
			ScopeMetrics: []metricdata.ScopeMetrics{{
				Scope: instrumentation.Scope{Name: scope, Version: x.m.o.Version}, Metrics: batch,
			}},
		}))
		batch, points = nil, 0
	}
	x.round++
	for _, f := range x.m.gather(ctx, now) {
		for rest := f; len(rest.points) > 0; {
			n := min(len(rest.points), batchPoints-points)
			part := family{rest.definition, rest.points[:n]}
			rest.points = rest.points[n:]
			batch = append(batch, x.metric(&part, now))
			if points += n; points == batchPoints {
				flush()
			}
		}
	}
	flush()
	for name, s := range x.seen {
		if s.round != x.round {
			delete(x.seen, name)
		}
	}
	x.last = now
	if err := errors.Join(errs...); err != nil && now.Sub(x.complained) >= complainEvery {
		x.m.o.Log.Warn("metrics could not be sent", "metrics-grpc-exporter-target", x.m.o.Target, "reason", err)
		x.complained = now
	}
}

// metric is a family as OpenTelemetry has it.
func (x *exporter) metric(f *family, now time.Time) metricdata.Metrics {
	out := metricdata.Metrics{Name: f.name, Description: f.help, Unit: f.unit}
	temporality, start := metricdata.CumulativeTemporality, x.began
	if x.m.o.InDelta {
		temporality, start = metricdata.DeltaTemporality, x.last
	}
	switch f.kind {
	case Gauge:
		g := metricdata.Gauge[float64]{}
		for i := range f.points {
			g.DataPoints = append(g.DataPoints, metricdata.DataPoint[float64]{Attributes: x.attributes(f, &f.points[i]), Time: now, Value: f.points[i].value})
		}
		out.Data = g
	case Counter:
		s := metricdata.Sum[int64]{Temporality: temporality, IsMonotonic: true}
		for i := range f.points {
			p := &f.points[i]
			s.DataPoints = append(s.DataPoints, metricdata.DataPoint[int64]{
				Attributes: x.attributes(f, p), StartTime: start, Time: now, Value: x.gained(f, p),
			})
		}
		out.Data = s
	case Histogram:
		h := metricdata.Histogram[float64]{Temporality: temporality}
		for i := range f.points {
			h.DataPoints = append(h.DataPoints, x.histogram(f, &f.points[i], start, now))
		}
		out.Data = h
	}
	return out
}

// gained is a counter or, where that is wanted, what it gained since it was sent.
func (x *exporter) gained(f *family, p *point) int64 {
	value := int64(p.value)
	if !x.m.o.InDelta {
		return value
	}
	before := x.before(f, p)
	gain := value - before.value
	if gain < 0 {
		gain = value
	}
	before.value = value
	return gain
}

// before is what was sent of a series last.
func (x *exporter) before(f *family, p *point) *seen {
	key := f.name + "\x00" + strings.Join(p.labels, "\x00")
	s := x.seen[key]
	if s == nil {
		s = &seen{}
		x.seen[key] = s
	}
	s.round = x.round
	return s
}

// histogram is gained of a histogram.
func (x *exporter) histogram(f *family, p *point, start, now time.Time) metricdata.HistogramDataPoint[float64] {
	counts, sum := append([]int64(nil), p.dist.Counts...), p.dist.Sum
	if x.m.o.InDelta {
		before := x.before(f, p)
		if fell(before.counts, counts) {
			before.counts, before.sum = nil, 0
		}
		for i, n := range before.counts {
			counts[i] -= n
		}
		sum -= before.sum
		before.counts, before.sum = p.dist.Counts, p.dist.Sum
	}
	h := metricdata.HistogramDataPoint[float64]{Attributes: x.attributes(f, p), StartTime: start, Time: now, Sum: f.scaled(sum)}
	for _, b := range p.dist.Bounds {
		h.Bounds = append(h.Bounds, f.scaled(b))
	}
	for _, n := range counts {
		h.BucketCounts = append(h.BucketCounts, uint64(n))
		h.Count += uint64(n)
	}
	return h
}

// fell reports whether one of some counts is less than it was.
func fell(before, now []int64) bool {
	for i, n := range before {
		if now[i] < n {
			return true
		}
	}
	return false
}

// attributes are the labels of a value; those that are questions are booleans, as
// RocketMQ's are.
func (x *exporter) attributes(f *family, p *point) attribute.Set {
	all := make([]attribute.KeyValue, 0, len(x.m.common)+len(p.labels))
	for _, l := range x.m.commonOf(f.definition) {
		all = append(all, attribute.String(l.name, l.value))
	}
	for i, v := range p.labels {
		if name := f.labels[i]; strings.HasPrefix(name, "is_") {
			all = append(all, attribute.Bool(name, v == "true"))
		} else {
			all = append(all, attribute.String(name, v))
		}
	}
	return attribute.NewSet(all...)
}
