package load

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An Alarm waits for points in time. The runtime's own timers round a wait up
// to a whole millisecond when the process has nothing else to do, which would
// be charged to the broker; the kernel's timers do not.
type Alarm struct{ f *os.File }

// NewAlarm makes an alarm; Close gives it back.
func NewAlarm() (*Alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("no timer: %w", err)
	}
	return &Alarm{os.NewFile(uintptr(fd), "timer")}, nil
}

// Wait returns after d, or when close is called.
func (a *Alarm) Wait(d time.Duration) {
	conn, err := a.f.SyscallConn()
	if err != nil {
		return
	}
	spec := unix.ItimerSpec{Value: unix.NsecToTimespec(max(int64(d), 1))}
	var set error
	if conn.Control(func(fd uintptr) { set = unix.TimerfdSettime(int(fd), 0, &spec, nil) }) != nil || set != nil {
		return
	}
	var expired [8]byte
	// Only close makes this fail, and then the wait is over as well.
	_, _ = a.f.Read(expired[:])
}

// Close ends a wait.
func (a *Alarm) Close() { a.f.Close() }
