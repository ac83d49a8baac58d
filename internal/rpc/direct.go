package rpc

import (
	"io"
	"net"
	"syscall"
)

// maxDirect is how many pieces one direct write has at most; Linux takes no more.
const maxDirect = 1024

// rawSocket is the system's socket of a connection; nil if it is none of the
// system's.
func rawSocket(c net.Conn) syscall.RawConn {
	system, ok := c.(syscall.Conn)
	if !ok || !canDirect {
		return nil
	}
	socket, err := system.SyscallConn()
	if err != nil {
		return nil
	}
	return socket
}

// A directReader reads from a socket with fewer instructions than net.Conn does. It
// is the reading goroutine's.
type directReader struct {
	socket syscall.RawConn
	p      []byte
	n      int
	err    error
	try    func(fd uintptr) bool // made once; false: wait
}

// newDirectReader is nil if the socket is none of the system's.
func newDirectReader(c net.Conn) *directReader {
	socket := rawSocket(c)
	if socket == nil {
		return nil
	}
	r := &directReader{socket: socket}
	r.try = func(fd uintptr) bool {
		var again bool
		r.n, again, r.err = readDirect(fd, r.p)
		return !again
	}
	return r
}

// read is io.Reader's with the connection's deadline; p must not be empty.
func (r *directReader) read(p []byte) (int, error) {
	r.p, r.n, r.err = p, 0, nil
	err := r.socket.Read(r.try)
	r.p = nil
	switch {
	case err != nil:
		return 0, err
	case r.err == nil && r.n == 0:
		return 0, io.EOF
	}
	return r.n, r.err
}

// A direct writes to a socket what that takes without waiting. It is the
// writer's.
type direct struct {
	socket syscall.RawConn
	vector [][]byte
	n      int
	err    error
	try    func(fd uintptr) bool // made once; always true: do not wait
}

// newDirect is nil if the socket is none of the system's.
func newDirect(c net.Conn) *direct {
	socket := rawSocket(c)
	if socket == nil {
		return nil
	}
	d := &direct{socket: socket}
	d.try = func(fd uintptr) bool {
		d.n, d.err = writeDirect(fd, d.vector)
		return true
	}
	return d
}

// write returns how many bytes of v the socket took: all of them, or some and
// nothing was wrong, or an error.
func (d *direct) write(v [][]byte) (int, error) {
	d.vector, d.n, d.err = v[:min(len(v), maxDirect)], 0, nil
	err := d.socket.Write(d.try)
	d.vector = nil
	if err == nil {
		err = d.err
	}
	return d.n, err
}

// directLocked reports whether the socket can be written to directly.
func (c *Conn) directLocked() bool {
	if c.out.direct == nil && c.stream == c.raw && canDirect {
		c.out.direct = newDirect(c.raw)
	}
	return c.out.direct != nil
}

// writeHereLocked writes what waits on the caller's goroutine. What the socket
// does not take is left to a goroutine.
func (c *Conn) writeHereLocked() {
	if !c.directLocked() {
		c.startWriterLocked()
		return
	}
	if c.out.closed != nil {
		return
	}
	c.out.writing = true
	c.wg.Add(1) // a writer like one of the connection's goroutines
	defer c.wg.Done()
	c.out.next, c.out.flight = c.out.flight, c.out.next
	c.out.Unlock()
	c.moveWriteDeadline(false)
	vector := c.vectorOf(&c.out.flight)
	n, err := c.out.direct.write(vector)
	if err == nil && n < c.out.flight.bytes {
		rest := cut(vector, n)
		c.wg.Go(func() { c.writeRest(rest) })
		c.out.Lock()
		return
	}
	clear(vector)
	c.landLocked(err)
	c.writeLaterLocked()
}

// writeDirectly writes b, and waits only for what the socket does not take at once.
func (c *Conn) writeDirectly(b []byte) error {
	if c.out.direct == nil {
		return c.writeAll(b)
	}
	c.moveWriteDeadline(false)
	c.out.vector = append(c.out.vector[:0], b)
	n, err := c.out.direct.write(c.out.vector)
	clear(c.out.vector)
	if err != nil || n == len(b) {
		return c.writeFault(err)
	}
	return c.writeAll(b[n:])
}

// writeRest writes what is left of a flight, and then what waits.
func (c *Conn) writeRest(rest [][]byte) {
	err := c.writeVector(rest)
	clear(c.out.vector)
	c.landLocked(err)
	c.out.Unlock()
	c.writeOut()
}

// writeLaterLocked ends being the writer and leaves what waits to another.
func (c *Conn) writeLaterLocked() {
	c.out.writing = false
	c.out.changed.Broadcast()
	switch {
	case c.out.next.bytes == 0:
	case c.out.burst:
		c.watchLocked()
	default:
		c.startWriterLocked()
	}
}

// cut takes the first n bytes off v.
func cut(v [][]byte, n int) [][]byte {
	for len(v) > 0 && n >= len(v[0]) {
		n -= len(v[0])
		v = v[1:]
	}
	if n > 0 {
		v[0] = v[0][n:]
	}
	return v
}
