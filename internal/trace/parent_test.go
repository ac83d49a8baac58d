package trace

import (
	"context"
	"testing"

	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/trace"
)

var parents = []string{
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-03",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-07",
	"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
	"01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
	"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
	"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
	"00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
	"00-zzf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
	"", "garbage",
}

// agrees compares our reading with that of OpenTelemetry's library.
func agrees(t *testing.T, text string) {
	t.Helper()
	theirs := trace.SpanContextFromContext(propagation.TraceContext{}.Extract(context.Background(), propagation.MapCarrier{"traceparent": text}))
	p, ok := parseParent([]byte(text))
	// What the library refuses beyond W3C's text are flags that are not known.
	known := len(text) < parentSize || text[flagsAt] == '0' && text[flagsAt+1] <= '3'
	if ok != theirs.IsValid() && known {
		t.Fatalf("%q: we say %v, OpenTelemetry says %v", text, ok, theirs.IsValid())
	}
	if ok && theirs.IsValid() && (p.trace != theirs.TraceID() || p.span != theirs.SpanID() || p.sampled != theirs.IsSampled()) {
		t.Fatalf("%q: we read %v, OpenTelemetry %v", text, p, theirs)
	}
}

func TestTraceparentIsReadAsOpenTelemetryReadsIt(t *testing.T) {
	valid := 0
	for _, text := range parents {
		agrees(t, text)
		if _, ok := parseParent([]byte(text)); ok {
			valid++
		}
	}
	if valid != 5 {
		t.Errorf("%d are valid, want 5", valid)
	}
}

func FuzzTraceparent(f *testing.F) {
	for _, text := range parents {
		f.Add(text)
	}
	f.Fuzz(agrees)
}

func TestTracestateIsPassedOnOnlyIfItIsSound(t *testing.T) {
	for text, want := range map[string]string{
		"a=1,b=2": "a=1,b=2", "": "", "not a state": "", "a=1,a=2": "",
	} {
		if got := parseState([]byte(text)); got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
	if got := parseState(make([]byte, maxState+1)); got != "" {
		t.Errorf("a long one becomes %q", got)
	}
}
