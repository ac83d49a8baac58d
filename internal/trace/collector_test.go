package trace

import (
	"compress/gzip"
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"sync"
	"testing"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
)

// A collector takes spans as OpenTelemetry's does.
type collector struct {
	collectorpb.UnimplementedTraceServiceServer
	grpc, http string // endpoints
	// refuse, if set, is asked before spans are taken; what it returns is the
	// answer's status.
	refuse func(*http.Request) int

	// mu guards what has come.
	mu struct {
		sync.Mutex
		spans   []*tracepb.Span
		service string
		headers []string
		zipped  bool
	}
}

func newCollector(t *testing.T) *collector {
	t.Helper()
	c := &collector{}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := grpc.NewServer()
	collectorpb.RegisterTraceServiceServer(s, c)
	var wg sync.WaitGroup
	wg.Go(func() { s.Serve(l) })
	web := httptest.NewServer(c)
	t.Cleanup(func() {
		s.Stop()
		wg.Wait()
		web.Close()
	})
	c.grpc, c.http = "http://"+l.Addr().String(), web.URL
	return c
}

// Export is OTLP over gRPC.
func (c *collector) Export(ctx context.Context, r *collectorpb.ExportTraceServiceRequest) (*collectorpb.ExportTraceServiceResponse, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	c.take(r, md.Get("x-token"), false)
	return &collectorpb.ExportTraceServiceResponse{}, nil
}

// ServeHTTP is OTLP over HTTP.
func (c *collector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if c.refuse != nil {
		if status := c.refuse(r); status != 0 {
			w.WriteHeader(status)
			return
		}
	}
	if r.URL.Path != "/v1/traces" {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	body := io.Reader(r.Body)
	zipped := r.Header.Get("Content-Encoding") == "gzip"
	if zipped {
		body, _ = gzip.NewReader(r.Body)
	}
	text, err := io.ReadAll(body)
	var in collectorpb.ExportTraceServiceRequest
	if err != nil || proto.Unmarshal(text, &in) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.take(&in, r.Header.Values("X-Token"), zipped)
}

func (c *collector) take(r *collectorpb.ExportTraceServiceRequest, headers []string, zipped bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.headers, c.mu.zipped = headers, zipped
	for _, rs := range r.ResourceSpans {
		c.mu.service = attr(rs.Resource.Attributes, "service.name")
		for _, ss := range rs.ScopeSpans {
			c.mu.spans = append(c.mu.spans, ss.Spans...)
		}
	}
}

// spans are all that have come.
func (c *collector) spans() []*tracepb.Span {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]*tracepb.Span(nil), c.mu.spans...)
}

// attr is an attribute as text; those with several values show the first.
func attr(all []*commonpb.KeyValue, key string) string {
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

func id(b []byte) string { return hex.EncodeToString(b) }
