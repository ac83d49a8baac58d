package main

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// An alarm waits by the kernel's timers: those of the runtime round a wait up to
// a whole millisecond when the process has nothing else to do, which would be
// charged to the server.
type alarm struct{ f *os.File }

func newAlarm() (*alarm, error) {
	fd, err := unix.TimerfdCreate(unix.CLOCK_MONOTONIC, unix.TFD_NONBLOCK|unix.TFD_CLOEXEC)
	if err != nil {
		return nil, err
	}
	return &alarm{os.NewFile(uintptr(fd), "timer")}, nil
}

func (a *alarm) wait(d time.Duration) {
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
	_, _ = a.f.Read(expired[:])
}

func (a *alarm) close() { a.f.Close() }
