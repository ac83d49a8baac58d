//go:build unix

package rpc

import (
	"net"
	"syscall"
)

// An instant writes to a socket without ever waiting for it. One goroutine at a
// time may use it.
type instant struct {
	socket  syscall.RawConn
	try     func(fd uintptr) bool // made once, for it is an allocation
	buf     []byte
	written int
}

// newInstant is nil if nc is no socket.
func newInstant(nc net.Conn) *instant {
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		return nil
	}
	socket, err := tcp.SyscallConn()
	if err != nil {
		return nil
	}
	i := &instant{socket: socket}
	i.try = func(fd uintptr) bool {
		n, err := syscall.Write(int(fd), i.buf)
		if err == nil {
			i.written = n
		}
		return true
	}
	return i
}

// write says how many bytes of b the socket took. An error is left to the next
// write, which waits and meets it too.
func (i *instant) write(b []byte) int {
	i.buf, i.written = b, 0
	// It fails when the socket is closed or its deadline is over; then nothing was written.
	_ = i.socket.Write(i.try)
	i.buf = nil
	return i.written
}
