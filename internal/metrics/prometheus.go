package metrics

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	dto "github.com/prometheus/client_model/go"
	"google.golang.org/protobuf/proto"
)

// scope is the label otel_scope_name of what RocketMQ's broker shows.
const scope = "broker-meter"

// scrapeTimeout bounds one scrape, and maxScrapes how many happen at a time.
const (
	scrapeTimeout = 30 * time.Second
	maxScrapes    = 4
)

// Handler answers /metrics.
func (m *Metrics) Handler() http.Handler {
	runtime := prometheus.NewRegistry()
	runtime.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m.answer(prometheus.Gatherers{gatherer(m.show), runtime})
}

// ExporterHandler answers /metrics/exporter, under the names of rocketmq-exporter.
func (m *Metrics) ExporterHandler() http.Handler { return m.answer(gatherer(m.showExporter)) }

func (m *Metrics) answer(g prometheus.Gatherer) http.Handler {
	return promhttp.HandlerFor(g, promhttp.HandlerOpts{MaxRequestsInFlight: maxScrapes, Timeout: scrapeTimeout})
}

// A gatherer is a prometheus.Gatherer.
type gatherer func() []*dto.MetricFamily

// Gather implements prometheus.Gatherer.
func (g gatherer) Gather() ([]*dto.MetricFamily, error) { return g(), nil }

// show is what /metrics shows of ours.
func (m *Metrics) show() []*dto.MetricFamily {
	families := m.gather(context.Background(), time.Now())
	all := make([]*dto.MetricFamily, 0, len(families)+1)
	for i := range families {
		all = append(all, families[i].proto(m.labelsOf(families[i].definition)))
	}
	return append(all, m.targetInfo())
}

// targetInfo is OpenTelemetry's description of where it all comes from.
func (m *Metrics) targetInfo() *dto.MetricFamily {
	return &dto.MetricFamily{
		Name: proto.String("target_info"), Help: proto.String("Target metadata"), Type: dto.MetricType_GAUGE.Enum(),
		Metric: []*dto.Metric{{
			Label: []*dto.LabelPair{label("service_name", "goddard"), label("service_version", m.o.Version)},
			Gauge: &dto.Gauge{Value: proto.Float64(1)},
		}},
	}
}

// labelsOf are the labels that all values of a family have.
func (m *Metrics) labelsOf(d *definition) []*dto.LabelPair {
	var all []*dto.LabelPair
	if d.origin == ofExporter {
		return nil
	}
	for _, p := range m.common {
		if p.name == "node_type" && d.origin == ofProxy {
			p.value = "proxy"
		}
		all = append(all, label(p.name, p.value))
	}
	if d.origin != ofGoddard {
		all = append(all, label("otel_scope_name", scope))
	}
	return all
}

func label(name, value string) *dto.LabelPair {
	return &dto.LabelPair{Name: proto.String(name), Value: proto.String(value)}
}

// proto is the family as Prometheus's library has it.
func (f *family) proto(common []*dto.LabelPair) *dto.MetricFamily {
	types := map[Kind]dto.MetricType{Gauge: dto.MetricType_GAUGE, Counter: dto.MetricType_COUNTER, Histogram: dto.MetricType_HISTOGRAM}
	out := &dto.MetricFamily{
		Name: proto.String(f.prom()), Help: proto.String(f.help), Type: types[f.kind].Enum(),
		Metric: make([]*dto.Metric, 0, len(f.points)),
	}
	for i := range f.points {
		out.Metric = append(out.Metric, f.metric(&f.points[i], common))
	}
	return out
}

func (f *family) metric(p *point, common []*dto.LabelPair) *dto.Metric {
	m := &dto.Metric{Label: make([]*dto.LabelPair, 0, len(common)+len(p.labels))}
	m.Label = append(m.Label, common...)
	for i, v := range p.labels {
		m.Label = append(m.Label, label(f.labels[i], v))
	}
	slices.SortFunc(m.Label, func(a, b *dto.LabelPair) int { return cmp.Compare(a.GetName(), b.GetName()) })
	switch f.kind {
	case Counter:
		m.Counter = &dto.Counter{Value: proto.Float64(p.value)}
	case Histogram:
		m.Histogram = f.histogram(p)
	default:
		m.Gauge = &dto.Gauge{Value: proto.Float64(p.value)}
	}
	return m
}

func (f *family) histogram(p *point) *dto.Histogram {
	h := &dto.Histogram{
		SampleCount: proto.Uint64(uint64(p.dist.Count())), SampleSum: proto.Float64(f.scaled(p.dist.Sum)),
		Bucket: make([]*dto.Bucket, 0, len(p.dist.Bounds)),
	}
	var n int64
	for i, bound := range p.dist.Bounds {
		n += p.dist.Counts[i]
		h.Bucket = append(h.Bucket, &dto.Bucket{CumulativeCount: proto.Uint64(uint64(n)), UpperBound: proto.Float64(f.scaled(bound))})
	}
	return h
}
