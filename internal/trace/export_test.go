package trace

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// exported sends one message's spans to an endpoint and ends.
func exported(t *testing.T, o Options) {
	t.Helper()
	tr, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	sends := []mq.Send{message("T", "hello", "traceparent", traceparent)}
	tr.Send(sends, time.Now())()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := tr.Run(ctx); err != nil {
		t.Error(err)
	}
}

func TestSpansReachACollectorByBothProtocols(t *testing.T) {
	t.Setenv("OTEL_EXPORTER_OTLP_HEADERS", "x-token=secret")
	t.Setenv("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip")
	t.Setenv("OTEL_SERVICE_NAME", "orders-broker")
	c := newCollector(t)
	for _, o := range []Options{{Endpoint: c.http}, {Endpoint: c.grpc, Protocol: "grpc"}} {
		exported(t, o)
		spans := c.spans()
		want(t, spans, "- > send T", "send T > store T")
		c.mu.Lock()
		if got := strings.Join(c.mu.headers, ","); got != "secret" || c.mu.service != "orders-broker" || c.mu.zipped != (o.Protocol == "") {
			t.Errorf("%s: headers %q, service %q, zipped %v", o.Endpoint, got, c.mu.service, c.mu.zipped)
		}
		c.mu.spans = nil
		c.mu.Unlock()
	}
}

func TestSpansThatACollectorRefusesAreCountedAndLogged(t *testing.T) {
	c := newCollector(t)
	c.refuse = func(*http.Request) int { return http.StatusForbidden }
	var log bytes.Buffer
	tr, err := New(Options{Endpoint: c.http, Log: slog.New(slog.NewTextHandler(&log, nil))})
	if err != nil {
		t.Fatal(err)
	}
	tr.Send([]mq.Send{message("T", "hello", "traceparent", traceparent)}, time.Now())()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	tr.Run(ctx)
	if tr.Dropped() != 2 || strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "count=2") || !strings.Contains(log.String(), "403") {
		t.Errorf("%d dropped, log: %s", tr.Dropped(), &log)
	}
}

func TestBadOptionsAreErrorsThatNameTheKey(t *testing.T) {
	ratio := 1.5
	for _, tt := range []struct {
		o    Options
		want string
	}{
		{Options{Endpoint: "localhost:4317"}, `trace-endpoint = "localhost:4317": want a URL`},
		{Options{Endpoint: "http://"}, `trace-endpoint = "http://": want a URL`},
		{Options{Endpoint: "ftp://a"}, `trace-endpoint = "ftp://a": want a URL`},
		{Options{Endpoint: "http://a:b"}, `trace-endpoint = "http://a:b": want a URL`},
		{Options{Endpoint: "http://a", Protocol: "http/json"}, `trace-protocol = "http/json": want grpc or http/protobuf`},
		{Options{SampleRatio: &ratio}, `trace-sample-ratio = 1.5: want a share from 0 to 1`},
	} {
		if _, err := New(tt.o); err == nil || !strings.HasPrefix(err.Error(), tt.want) {
			t.Errorf("%+v: got %v, want %s…", tt.o, err, tt.want)
		}
	}
}

func TestEndpointOfACollectorGetsTheProtocolAndPlaceThatItsPortAsksFor(t *testing.T) {
	for endpoint, wanted := range map[string]string{
		"http://a:4317":         "grpc http://a:4317",
		"http://a:4318":         "http/protobuf http://a:4318/v1/traces",
		"https://a/":            "http/protobuf https://a/v1/traces",
		"https://a/otlp/traces": "http/protobuf https://a/otlp/traces",
	} {
		o := Options{Endpoint: endpoint}.WithDefaults()
		if got := o.Protocol + " " + o.target(); got != wanted {
			t.Errorf("%s: %s, want %s", endpoint, got, wanted)
		}
	}
}
