package trace

import (
	"encoding/hex"

	"go.opentelemetry.io/otel/trace"
)

// A parent is the span of a producer, as a message names it in W3C's form.
type parent struct {
	trace   [16]byte
	span    [8]byte
	sampled bool
}

// Where the parts of a traceparent lie.
const (
	traceAt, spanAt, flagsAt, parentSize = 3, 36, 53, 55
)

// parseParent reads a traceparent. It takes what W3C's Trace Context tells a
// reader to take: also a version to come, as far as this one goes.
func parseParent(text []byte) (p parent, ok bool) {
	if len(text) < parentSize || text[2] != '-' || text[spanAt-1] != '-' || text[flagsAt-1] != '-' {
		return p, false
	}
	var version, flags [1]byte
	if !unhex(version[:], text[:2]) || !unhex(p.trace[:], text[traceAt:spanAt-1]) ||
		!unhex(p.span[:], text[spanAt:flagsAt-1]) || !unhex(flags[:], text[flagsAt:parentSize]) {
		return p, false
	}
	switch {
	case version[0] == 0xff, version[0] == 0 && len(text) != parentSize, len(text) > parentSize && text[parentSize] != '-':
		return p, false
	}
	p.sampled = flags[0]&byte(trace.FlagsSampled) != 0
	return p, p.trace != [16]byte{} && p.span != [8]byte{}
}

// unhex decodes lower-case hexadecimal digits, which alone are allowed.
func unhex(dst, text []byte) bool {
	for _, c := range text {
		if c >= 'A' && c <= 'F' {
			return false
		}
	}
	n, err := hex.Decode(dst, text)
	return err == nil && n == len(dst)
}

// maxState bounds the tracestate that is passed on, in bytes; W3C asks for 512.
const maxState = 512

// parseState is a tracestate that may be passed on; empty if it may not.
func parseState(text []byte) string {
	if len(text) == 0 || len(text) > maxState {
		return ""
	}
	state, err := trace.ParseTraceState(string(text))
	if err != nil {
		return ""
	}
	return state.String()
}
