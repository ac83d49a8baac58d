package web

import (
	"net/http"
	"net/http/pprof"
	"runtime"
	"sync"
)

const (
	// blockRate is how many nanoseconds of waiting there are to a sample of the
	// block profile: 10,000 a second at most for each goroutine, and what waits
	// for longer is always seen.
	blockRate = 100_000
	// mutexFraction is of how many waits for a mutex one is a sample.
	mutexFraction = 10
)

// A sampler has the runtime record something for as long as somebody looks. What
// is recorded is of the whole process, which serves profiles on one port.
type sampler struct {
	on, off func()
	// mu guards how many look, and keeps them from switching it beside each other.
	mu   sync.Mutex
	many int
}

func (s *sampler) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.many++; s.many == 1 {
		s.on()
	}
}

func (s *sampler) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.many--; s.many == 0 {
		s.off()
	}
}

// during serves a profile; while a request for so many "seconds" of it runs, the
// runtime records it, which it otherwise does not. Without seconds the answer is
// what was recorded so far.
func (s *sampler) during(profile string) http.HandlerFunc {
	h := pprof.Handler(profile)
	return func(w http.ResponseWriter, r *http.Request) {
		if r.FormValue("seconds") != "" {
			s.begin()
			defer s.end()
		}
		h.ServeHTTP(w, r)
	}
}

// blocking records where goroutines wait. The runtime does not tell what its
// rate is: a program that has set one of its own and serves HTTP with this
// package sets it again afterwards.
func blocking() *sampler {
	return &sampler{on: func() { runtime.SetBlockProfileRate(blockRate) }, off: func() { runtime.SetBlockProfileRate(0) }}
}

// contending records where mutexes are held while others wait for them.
func contending() *sampler {
	before := 0
	return &sampler{on: func() { before = runtime.SetMutexProfileFraction(mutexFraction) }, off: func() { runtime.SetMutexProfileFraction(before) }}
}
