//go:build compat

package compat

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collectorpb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/goddardmq/goddard/internal/test/against"
)

// A message that a Java client sends with a traceparent, fails on once and then
// consumes has its spans below the producer's. RocketMQ writes none.
func TestSpansOfAJavaClientsMessage(t *testing.T) {
	var mu sync.Mutex // guards spans
	var spans []*tracepb.Span
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in collectorpb.ExportTraceServiceRequest
		if text, err := io.ReadAll(r.Body); err != nil || proto.Unmarshal(text, &in) != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for _, rs := range in.ResourceSpans {
			for _, ss := range rs.ScopeSpans {
				spans = append(spans, ss.Spans...)
			}
		}
	}))
	t.Cleanup(web.Close)
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", web.URL)
	t.Setenv("GODDARD_TRACE_SAMPLE_RATIO", "0")
	cluster := against.Goddard(t, kit).Cluster(t)
	c := javaClient(t, against.JavaClient5, cluster.NameServer)
	if c == nil {
		skip(t, "no Java client")
	}
	c.run(t, "traced")
	c.report(t, "goddard", "traced")
	var got []string
	for deadline := time.Now().Add(30 * time.Second); time.Now().Before(deadline) && len(got) < 7; time.Sleep(100 * time.Millisecond) {
		mu.Lock()
		got = drawn(spans)
		mu.Unlock()
	}
	want := []string{
		"00f067aa0ba902b7 > send T", "deliver %RETRY%G > ack %RETRY%G", "deliver T > retry %RETRY%G",
		"retry %RETRY%G > deliver %RETRY%G", "retry %RETRY%G > release %RETRY%G", "send T > deliver T", "send T > store T",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// drawn is "parent > span" of each, with T and G for topic and group.
func drawn(spans []*tracepb.Span) []string {
	names := map[string]string{}
	for _, s := range spans {
		operation, topic, _ := strings.Cut(s.Name, " ")
		short := "T"
		if strings.HasPrefix(topic, "%RETRY%") {
			short = "%RETRY%G"
		}
		names[string(s.SpanId)] = operation + " " + short
	}
	var all []string
	for _, s := range spans {
		above := names[string(s.ParentSpanId)]
		if above == "" {
			above = hex.EncodeToString(s.ParentSpanId)
		}
		all = append(all, fmt.Sprint(above, " > ", names[string(s.SpanId)]))
	}
	slices.Sort(all)
	return all
}
