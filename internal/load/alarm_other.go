//go:build !linux

package load

import (
	"sync"
	"time"
)

// An Alarm waits for points in time.
type Alarm struct {
	once   sync.Once
	closed chan struct{}
}

// NewAlarm makes an alarm; Close gives it back.
func NewAlarm() (*Alarm, error) { return &Alarm{closed: make(chan struct{})}, nil }

// Wait returns after d, or when close is called.
func (a *Alarm) Wait(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-a.closed:
	}
}

// Close ends a wait.
func (a *Alarm) Close() { a.once.Do(func() { close(a.closed) }) }
