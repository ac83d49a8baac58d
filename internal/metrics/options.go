package metrics

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"net/url"
	"strings"
	"time"
)

// Options says what is shown, and to whom. The zero value of every tagged field
// is its default.
type Options struct {
	// ExporterType says who gets metrics: PROM answers Prometheus at /metrics and
	// /metrics/exporter of http-port; OTLP_GRPC and OTLP_HTTP send them to an
	// OpenTelemetry collector as well, LOG writes them to the log as well, and
	// DISABLE shows none. See docs/METRICS.md. RocketMQ's default is DISABLE.
	// Default PROM.
	ExporterType string `conf:"metrics-exporter-type" rocketmq:"metricsExporterType"`

	// PromPort is a port of its own at which Prometheus is answered beside
	// http-port, as with RocketMQ, whose default is 5557. Default none.
	PromPort int `conf:"metrics-prom-exporter-port" rocketmq:"metricsPromExporterPort"`

	// PromHost is the address of that port. It follows the setting listen.
	PromHost string `conf:"metrics-prom-exporter-host" rocketmq:"metricsPromExporterHost"`

	// Open answers Prometheus without asking who it is where authentication is
	// on; otherwise it signs in (HTTP basic authentication) as a user who may GET
	// the cluster. Default false.
	Open bool `conf:"metrics-open"`

	// Target is where an OpenTelemetry collector takes metrics, as a URL:
	// http://127.0.0.1:4317; without a scheme, https. Required for OTLP_GRPC and
	// OTLP_HTTP. Default none.
	Target string `conf:"metrics-grpc-exporter-target" rocketmq:"metricsGrpcExporterTarget"`

	// Header are headers for the collector, as name:value, separated by commas.
	// They may name a token, so they are never shown. Default none.
	Header string `conf:"metrics-grpc-exporter-header" rocketmq:"metricsGrpcExporterHeader" secret:"true"`

	// Timeout is how long the collector may take. Default 3s.
	Timeout time.Duration `conf:"metrics-grpc-exporter-timeout" rocketmq:"metricGrpcExporterTimeOutInMills"`

	// Interval is how often metrics are sent to the collector. Default 60s.
	Interval time.Duration `conf:"metrics-grpc-exporter-interval" rocketmq:"metricGrpcExporterIntervalInMills"`

	// LogInterval is how often they are written to the log. Default 10s.
	LogInterval time.Duration `conf:"metrics-logging-exporter-interval" rocketmq:"metricLoggingExporterIntervalInMills"`

	// InDelta sends to the collector what counters and histograms gained since
	// the last time, instead of what they are. Default false.
	InDelta bool `conf:"metrics-in-delta" rocketmq:"metricsInDelta"`

	// Label are labels for everything that is shown, as name:value, separated by
	// commas. Default none.
	Label string `conf:"metrics-label" rocketmq:"metricsLabel"`

	// MaxSeries bounds the topics, and the groups in topics, that have series of
	// their own in each family, and an eighth of it those of histograms; the
	// others are summed as _other. RocketMQ's default is 50000. Default 1000.
	MaxSeries int `conf:"metrics-max-series" rocketmq:"metricsOtelCardinalityLimit"`

	// Cluster, Broker and Version name this server; Broker is empty for a name
	// server by itself.
	Cluster, Broker, Version, RocketMQVersion string

	// Addr is the broker's address, for the exporter's labels.
	Addr netip.AddrPort

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// Values of Options.ExporterType.
const (
	exportProm    = "PROM"
	exportGRPC    = "OTLP_GRPC"
	exportHTTP    = "OTLP_HTTP"
	exportLog     = "LOG"
	exportDisable = "DISABLE"
)

// Disabled reports whether nothing is shown at all.
func (o Options) Disabled() bool { return o.WithDefaults().ExporterType == exportDisable }

// WithDefaults fills in what is not set.
func (o Options) WithDefaults() Options {
	setDefault(&o.ExporterType, exportProm)
	setDefault(&o.Timeout, 3*time.Second)
	setDefault(&o.Interval, time.Minute)
	setDefault(&o.LogInterval, 10*time.Second)
	setDefault(&o.MaxSeries, 1000)
	setDefault(&o.Log, slog.New(slog.DiscardHandler))
	return o
}

// setDefault sets *v to def if it is zero.
func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// maxSeries bounds Options.MaxSeries: what RocketMQ's library can.
const maxSeries = 50_000

// Validate reports every bad field at once, each by the name the operator typed.
func (o Options) Validate() error {
	o = o.WithDefaults()
	var errs []error
	check := func(ok bool, format string, args ...any) {
		if !ok {
			errs = append(errs, fmt.Errorf(format, args...))
		}
	}
	switch o.ExporterType {
	case exportProm, exportLog, exportDisable:
	case exportGRPC, exportHTTP:
		u, err := url.Parse(o.target())
		check(o.Target != "" && err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Hostname() != "",
			"metrics-grpc-exporter-target = %q: want a URL such as http://127.0.0.1:4317, or https:// for TLS", o.Target)
	default:
		check(false, "metrics-exporter-type = %q: want PROM, OTLP_GRPC, OTLP_HTTP, LOG or DISABLE", o.ExporterType)
	}
	check(o.PromPort >= 0 && o.PromPort <= 65535, "metrics-prom-exporter-port = %d: want a port, 1 to 65535", o.PromPort)
	check(o.Timeout >= 10*time.Millisecond, "metrics-grpc-exporter-timeout = %v: want 10ms or more", o.Timeout)
	check(o.Interval >= time.Second, "metrics-grpc-exporter-interval = %v: want 1s or more", o.Interval)
	check(o.LogInterval >= time.Second, "metrics-logging-exporter-interval = %v: want 1s or more", o.LogInterval)
	check(o.MaxSeries >= 1 && o.MaxSeries <= maxSeries, "metrics-max-series = %d: want 1 to %d", o.MaxSeries, maxSeries)
	_, err := pairs("metrics-label", o.Label)
	errs = append(errs, err)
	if _, err = pairs("metrics-grpc-exporter-header", o.Header); err != nil { // without the text, which is a secret
		err = errors.New("metrics-grpc-exporter-header: want name:value,name:value with names of letters, digits and _")
	}
	return errors.Join(append(errs, err)...)
}

// target is the collector's URL.
func (o Options) target() string {
	if o.Target == "" || strings.HasPrefix(o.Target, "http") {
		return o.Target
	}
	return "https://" + o.Target
}

// A pair is a name and a value.
type pair struct{ name, value string }

// pairs takes a list of name:value apart. Labels must have names that Prometheus
// accepts, which headers do as well.
func pairs(setting, text string) ([]pair, error) {
	var all []pair
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		name, value, ok := strings.Cut(item, ":")
		if name = strings.TrimSpace(name); !ok || !validName(name, setting == "metrics-label") {
			return nil, fmt.Errorf("%s = %q: want name:value,name:value with names of letters, digits and _", setting, text)
		}
		all = append(all, pair{name, strings.TrimSpace(value)})
	}
	return all, nil
}

func validName(name string, label bool) bool {
	for i, c := range []byte(name) {
		letter := c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '-' && !label
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return name != "" && (!label || !strings.HasPrefix(name, "__"))
}
