package rpc

import (
	"errors"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

const canDirect = true

// readDirect reads what has arrived at a socket; again says that it is nothing.
func readDirect(fd uintptr, p []byte) (n int, again bool, err error) {
	for {
		if len(p) > shortCall {
			n, err = syscall.Read(int(fd), p)
		} else {
			n, err = shortly(syscall.SYS_READ, fd, p)
		}
		if !errors.Is(err, unix.EINTR) {
			return max(n, 0), errors.Is(err, unix.EAGAIN), err
		}
	}
}

// writeDirect writes as much of v as the socket takes at once.
func writeDirect(fd uintptr, v [][]byte) (n int, err error) {
	for {
		switch {
		case len(v) > 1:
			n, err = unix.Writev(int(fd), v)
		case len(v[0]) > shortCall:
			n, err = syscall.Write(int(fd), v[0])
		default:
			n, err = shortly(syscall.SYS_WRITE, fd, v[0])
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

// shortly is a system call with a piece of memory that does not wait.
func shortly(call, fd uintptr, p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	n, _, errno := syscall.RawSyscall(call, fd, uintptr(unsafe.Pointer(&p[0])), uintptr(len(p)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
