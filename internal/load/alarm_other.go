//go:build !linux

package load

import (
	"sync"
	"time"
)

// An alarm waits for points in time.
type alarm struct {
	once   sync.Once
	closed chan struct{}
}

func newAlarm() (*alarm, error) { return &alarm{closed: make(chan struct{})}, nil }

// wait returns after d, or when close is called.
func (a *alarm) wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.closed:
	}
}

// close ends a wait.
func (a *alarm) close() { a.once.Do(func() { close(a.closed) }) }
