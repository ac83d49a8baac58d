package metrics

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/test/otlp"
)

// exporting makes an exporter of a fake that sends to a collector.
func exportingTo(t *testing.T, f *fake, o Options) *exporter {
	t.Helper()
	m := serve(t, o, f)
	if err := m.o.Validate(); err != nil {
		t.Fatal(err)
	}
	c, err := m.o.dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Shutdown(context.Background()) })
	from, err := m.o.describe(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	began := time.Now()
	return &exporter{m: m, client: c, resource: from, began: began, last: began, seen: map[string]*seen{}}
}

// metricOf is what of a family came.
func metricOf(t *testing.T, r otlp.Received, name string) *metricpb.Metric {
	t.Helper()
	for _, m := range r.Metrics {
		if m.Name == name {
			return m
		}
	}
	t.Fatalf("%s did not come, but %d others", name, len(r.Metrics))
	return nil
}

func TestMetricsReachACollectorByBothProtocols(t *testing.T) {
	t.Setenv("OTEL_SERVICE_NAME", "orders-broker")
	c := otlp.New(t)
	for typ, target := range map[string]string{exportGRPC: c.GRPC, exportHTTP: c.HTTP} {
		f := newFake(3, 1)
		x := exportingTo(t, f, Options{Label: "zone:z", ExporterType: typ, Target: target, Header: "x-token:secret"})
		x.send(t.Context())
		r := c.Take()
		if got := strings.Join(r.Headers, ","); got != "secret" || r.Service != "orders-broker" || r.Scope != "broker-meter" || r.Zipped != (typ == exportHTTP) {
			t.Errorf("%s: headers %q, service %q, scope %q, zipped %v", typ, got, r.Service, r.Scope, r.Zipped)
		}
		in := metricOf(t, r, "rocketmq_messages_in_total").GetSum()
		if in == nil || !in.IsMonotonic || in.AggregationTemporality != metricpb.AggregationTemporality_AGGREGATION_TEMPORALITY_CUMULATIVE || len(in.DataPoints) != 6 {
			t.Errorf("%s: messages in are %v", typ, in)
		}
		p := in.DataPoints[0]
		for name, want := range map[string]string{"topic": f.topic(0), "zone": "z", "cluster": "DefaultCluster", "node_id": "broker-a", "is_system": "false"} {
			if got := otlp.Attribute(p.Attributes, name); got != want {
				t.Errorf("%s: %s is %q, want %q", typ, name, got, want)
			}
		}
		latency := metricOf(t, r, "rocketmq_rpc_latency")
		if h := latency.GetHistogram().DataPoints[0]; latency.Unit != "milliseconds" || h.Count != 2 || h.GetSum() != 8 || len(h.BucketCounts) != len(h.ExplicitBounds)+1 {
			t.Errorf("%s: latency is %v", typ, latency)
		}
		if up := metricOf(t, r, "rocketmq_proxy_up"); otlp.Attribute(up.GetGauge().DataPoints[0].Attributes, "node_type") != "proxy" {
			t.Errorf("%s: the proxy is %v", typ, up)
		}
	}
}

// What is sent in delta is what was gained since the last time, whether that
// arrived or not.
func TestInDeltaOnlyGainsAreSent(t *testing.T) {
	c := otlp.New(t)
	f := newFake(1, 0)
	x := exportingTo(t, f, Options{ExporterType: exportHTTP, Target: c.HTTP, InDelta: true, Interval: time.Hour})
	gains := func() (messages int64, sizes uint64) {
		x.send(t.Context())
		r := c.Take()
		in := metricOf(t, r, "rocketmq_messages_in_total").GetSum()
		if in.AggregationTemporality != metricpb.AggregationTemporality_AGGREGATION_TEMPORALITY_DELTA || otlp.Attribute(in.DataPoints[0].Attributes, "aggregation") != "delta" {
			t.Errorf("messages in are %v, want them in delta", in)
		}
		for _, p := range in.DataPoints {
			messages += p.GetAsInt()
		}
		for _, p := range metricOf(t, r, "rocketmq_message_size").GetHistogram().DataPoints {
			sizes += p.Count
		}
		return messages, sizes
	}
	for i, want := range []int64{2, 0, 3} {
		if i == 2 {
			for range 3 {
				f.counts[0].Count(meter.KindNormal, 10, 1)
			}
		}
		if messages, sizes := gains(); messages != want || sizes != uint64(want) {
			t.Errorf("time %d: %d messages and %d sizes were gained, want %d", i, messages, sizes, want)
		}
	}
}

// A collector has a limit to what it takes at once.
func TestMuchIsSentInParts(t *testing.T) {
	c := otlp.New(t)
	requests := 0
	c.Refuse = func(*http.Request) int { requests++; return 0 }
	x := exportingTo(t, newFake(5000, 0), Options{ExporterType: exportHTTP, Target: c.HTTP, MaxSeries: 5000, Interval: time.Hour})
	x.send(t.Context())
	points := 0
	for _, m := range c.Take().Metrics {
		if s := m.GetSum(); s != nil && m.Name == "rocketmq_messages_in_total" {
			points += len(s.DataPoints)
		}
	}
	if points != 10_000 || requests < 10 {
		t.Errorf("%d points came in %d requests, want 10000 in ten or more", points, requests)
	}
}

func TestWhatACollectorRefusesIsLoggedOnceAMinute(t *testing.T) {
	c := otlp.New(t)
	c.Refuse = func(*http.Request) int { return http.StatusForbidden }
	var log bytes.Buffer
	x := exportingTo(t, newFake(1, 0), Options{ExporterType: exportHTTP, Target: c.HTTP, Interval: time.Hour, Log: slog.New(slog.NewTextHandler(&log, nil))})
	x.send(t.Context())
	x.send(t.Context())
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "403") {
		t.Errorf("log: %s", &log)
	}
}

// What was counted until the end is sent at the end.
func TestTheLastMetricsAreSentWhenItEnds(t *testing.T) {
	c := otlp.New(t)
	o := Options{ExporterType: exportGRPC, Target: c.GRPC, Interval: time.Hour, Cluster: "c", Broker: "b"}
	m, err := New(o, Parts{Broker: newFake(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx); err != nil {
		t.Fatal(err)
	}
	metricOf(t, c.Take(), "rocketmq_messages_in_total")
}

func TestMetricsCanBeLogged(t *testing.T) {
	var log bytes.Buffer
	m, err := New(Options{ExporterType: exportLog, Cluster: "c", Log: slog.New(slog.NewTextHandler(&log, nil))}, Parts{Broker: newFake(1, 1)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := m.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if want := "metric=rocketmq_messages_in_total topic=orders-of-region-000000 message_type=normal is_system=false value=1"; !strings.Contains(log.String(), want) {
		t.Errorf("the log lacks %s:\n%s", want, &log)
	}
}
