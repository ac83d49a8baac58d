package rpc

import (
	"errors"
	"syscall"

	"golang.org/x/sys/unix"
)

const canWriteDirect = true

// writeDirect writes as much of v as the socket takes at once.
func writeDirect(fd uintptr, v [][]byte) (n int, err error) {
	for {
		if len(v) == 1 {
			n, err = syscall.Write(int(fd), v[0])
		} else {
			n, err = unix.Writev(int(fd), v)
		}
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		default:
			return max(n, 0), err
		}
	}
}
