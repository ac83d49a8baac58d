package trace

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strings"
)

// Options says what is written and where to.
type Options struct {
	// Endpoint is where an OpenTelemetry collector takes spans by OTLP, as a URL:
	// http://127.0.0.1:4318, or https:// for TLS. Without it
	// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT and OTEL_EXPORTER_OTLP_ENDPOINT in the
	// environment count; without those no spans are written. See docs/TRACING.md.
	// Default none.
	Endpoint string `conf:"trace-endpoint"`

	// Protocol is how the collector is spoken to: grpc or http/protobuf.
	// OTEL_EXPORTER_OTLP_PROTOCOL in the environment counts as well. Default
	// grpc if the endpoint's port is 4317, otherwise http/protobuf.
	Protocol string `conf:"trace-protocol"`

	// SampleRatio is the share of messages that spans are written of where the
	// message names no span of its producer's, which otherwise decides. 0 leaves
	// it to producers alone. Default 0.001.
	SampleRatio *float64 `conf:"trace-sample-ratio"`

	// Service is service.name, unless OTEL_SERVICE_NAME says otherwise; Version,
	// Cluster and Broker name this broker.
	Service, Version, Cluster, Broker string

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// How a collector is spoken to.
const (
	protocolGRPC = "grpc"
	protocolHTTP = "http/protobuf"
)

const defaultRatio = 0.001

// WithDefaults fills in what was left open.
func (o Options) WithDefaults() Options {
	if o.SampleRatio == nil {
		ratio := defaultRatio
		o.SampleRatio = &ratio
	}
	if u, err := url.Parse(o.Endpoint); err == nil && o.Protocol == "" {
		o.Protocol = protocolHTTP
		if u.Port() == "4317" {
			o.Protocol = protocolGRPC
		}
	}
	if o.Service == "" {
		o.Service = "goddard"
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate reports every bad field at once, each by the name the operator typed.
func (o Options) Validate() error {
	o = o.WithDefaults()
	var errs []error
	if o.Endpoint != "" {
		if u, err := url.Parse(o.Endpoint); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.RawQuery != "" || u.Fragment != "" {
			errs = append(errs, fmt.Errorf("trace-endpoint = %q: want a URL such as http://127.0.0.1:4318, or https:// for TLS", o.Endpoint))
		} else if o.Protocol != protocolGRPC && o.Protocol != protocolHTTP {
			errs = append(errs, fmt.Errorf("trace-protocol = %q: want %s or %s", o.Protocol, protocolGRPC, protocolHTTP))
		}
	}
	if r := *o.SampleRatio; !(r >= 0 && r <= 1) {
		errs = append(errs, fmt.Errorf("trace-sample-ratio = %v: want a share from 0 to 1", r))
	}
	return errors.Join(errs...)
}

// target is the URL that spans are sent to: a collector's is the root, below
// which they have a place.
func (o Options) target() string {
	u, err := url.Parse(o.Endpoint)
	if err != nil || o.Protocol == protocolGRPC {
		return o.Endpoint
	}
	if strings.Trim(u.Path, "/") == "" {
		u.Path = "/v1/traces"
	}
	return u.String()
}
