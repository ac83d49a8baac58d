package rpc

import (
	"sync"
	"time"
)

// logEvery is the least time between two log lines that a peer can cause.
const logEvery = 100 * time.Millisecond

// A logLimit keeps peers from filling the log. The zero value is ready.
type logLimit struct {
	mu struct {
		sync.Mutex // guards what follows; nothing else is locked with it
		last       time.Time
		skipped    int
	}
}

// allow reports whether a line may be logged and how many were not since the
// last that was.
func (l *logLimit) allow() (skipped int, ok bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	if now.Sub(l.mu.last) < logEvery {
		l.mu.skipped++
		return 0, false
	}
	skipped, l.mu.last, l.mu.skipped = l.mu.skipped, now, 0
	return skipped, true
}
