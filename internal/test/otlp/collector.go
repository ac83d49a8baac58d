// Package otlp is an OpenTelemetry collector for tests: it takes spans and
// metrics by gRPC and by HTTP, and keeps them.
package otlp

import (
	"compress/gzip"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	metricpb "go.opentelemetry.io/proto/otlp/metrics/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	spanpb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// A Collector takes what is sent to it.
type Collector struct {
	GRPC, HTTP string // endpoints
	// Refuse, if set, is asked before anything is taken by HTTP; what it returns,
	// unless 0, is the answer's status.
	Refuse func(*http.Request) int

	// mu guards what has come.
	mu struct {
		sync.Mutex
		Received
	}
}

// Received is what has come, and how the last of it came.
type Received struct {
	Spans   []*spanpb.Span
	Metrics []*metricpb.Metric // those of one request after those of another
	Scope   string             // of the last metrics
	Service string
	Headers []string // of the name x-token
	Zipped  bool     // by HTTP
}

// New starts a collector, which ends with the test.
func New(t testing.TB) *Collector {
	t.Helper()
	c := &Collector{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	tracepb.RegisterTraceServiceServer(s, spans{c: c})
	metricspb.RegisterMetricsServiceServer(s, metrics{c: c})
	var wg sync.WaitGroup
	wg.Go(func() { s.Serve(l) })
	web := httptest.NewServer(c)
	t.Cleanup(func() {
		s.Stop()
		wg.Wait()
		web.Close()
	})
	c.GRPC, c.HTTP = "http://"+l.Addr().String(), web.URL
	return c
}

// Take returns what has come and forgets it.
func (c *Collector) Take() Received {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.mu.Received
	c.mu.Received = Received{}
	return r
}

// spans takes spans by gRPC.
type spans struct {
	tracepb.UnimplementedTraceServiceServer
	c *Collector
}

func (s spans) Export(ctx context.Context, r *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	s.c.takeSpans(r, md.Get("x-token"), false)
	return &tracepb.ExportTraceServiceResponse{}, nil
}

// metrics takes metrics by gRPC.
type metrics struct {
	metricspb.UnimplementedMetricsServiceServer
	c *Collector
}

func (m metrics) Export(ctx context.Context, r *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	m.c.takeMetrics(r, md.Get("x-token"), false)
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

// ServeHTTP takes both by HTTP.
func (c *Collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.Refuse != nil {
		if status := c.Refuse(r); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	body := io.Reader(r.Body)
	zipped := r.Header.Get("Content-Encoding") == "gzip"
	if zipped {
		body, _ = gzip.NewReader(r.Body)
	}
	text, err := io.ReadAll(body)
	headers := r.Header.Values("X-Token")
	switch r.URL.Path {
	case "/v1/traces":
		var in tracepb.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(text, &in)
		}
		c.takeSpans(&in, headers, zipped)
	case "/v1/metrics":
		var in metricspb.ExportMetricsServiceRequest
		if err == nil {
			err = proto.Unmarshal(text, &in)
		}
		c.takeMetrics(&in, headers, zipped)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
	}
}

func (c *Collector) takeSpans(r *tracepb.ExportTraceServiceRequest, headers []string, zipped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rs := range r.ResourceSpans {
		c.cameLocked(rs.Resource, headers, zipped)
		for _, ss := range rs.ScopeSpans {
			c.mu.Spans = append(c.mu.Spans, ss.Spans...)
		}
	}
}

func (c *Collector) takeMetrics(r *metricspb.ExportMetricsServiceRequest, headers []string, zipped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, rm := range r.ResourceMetrics {
		c.cameLocked(rm.Resource, headers, zipped)
		for _, sm := range rm.ScopeMetrics {
			c.mu.Scope = sm.Scope.Name
			c.mu.Metrics = append(c.mu.Metrics, sm.Metrics...)
		}
	}
}

func (c *Collector) cameLocked(from *resourcepb.Resource, headers []string, zipped bool) {
	c.mu.Headers, c.mu.Zipped, c.mu.Service = headers, zipped, Attribute(from.Attributes, "service.name")
}

// Attribute is an attribute as text; those with several values show the first.
func Attribute(all []*commonpb.KeyValue, key string) string {
	for _, kv := range all {
		if kv.Key != key {
			continue
		}
		switch v := kv.Value.Value.(type) {
		case *commonpb.AnyValue_IntValue:
			return strconv.FormatInt(v.IntValue, 10)
		case *commonpb.AnyValue_BoolValue:
			return strconv.FormatBool(v.BoolValue)
		case *commonpb.AnyValue_ArrayValue:
			return v.ArrayValue.Values[0].GetStringValue()
		case *commonpb.AnyValue_StringValue:
			return v.StringValue
		}
	}
	return ""
}
