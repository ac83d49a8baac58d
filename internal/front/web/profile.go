package web

import (
	"net/http"
	"net/http/pprof"
	"strings"
)

// handleProfiles serves the runtime's profiles where `go tool pprof` looks for
// them. They show code and timing, and some of them cost a processor while
// they run, so they are guarded. What costs something to record is recorded
// only while a request with "seconds" runs.
func (s *Server) handleProfiles() {
	for path, h := range map[string]http.HandlerFunc{
		"/debug/pprof/":        pprof.Index,
		"/debug/pprof/profile": pprof.Profile,
		"/debug/pprof/symbol":  pprof.Symbol,
		"/debug/pprof/trace":   pprof.Trace,
		"/debug/pprof/block":   blocking().during("block"),
		"/debug/pprof/mutex":   contending().during("mutex"),
	} {
		s.mux.Handle("GET "+path, s.Guarded("UPDATE", "Cluster:*", h))
	}
}

// isLocalhost says whether a Host header names this machine to itself.
func isLocalhost(host string) bool {
	name, _, _ := strings.Cut(host, ":")
	return strings.EqualFold(name, "localhost")
}
