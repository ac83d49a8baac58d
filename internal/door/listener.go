package door

import (
	"context"
	"net"
	"sync"
	"time"
)

// Listener lets connections through the door, for a server that takes a
// net.Listener. A connection enters when it is first used or asked for its
// address, not within Accept; its first byte may take as long as wait. refused
// is told, on that goroutine, why one may not enter.
func (d *Door) Listener(ln net.Listener, wait time.Duration, refused func(nc net.Conn, err error)) net.Listener {
	return &listener{ln, d, wait, refused}
}

type listener struct {
	net.Listener
	door    *Door
	wait    time.Duration
	refused func(net.Conn, error)
}

// Accept takes the next connection.
func (l *listener) Accept() (net.Conn, error) {
	nc, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &entering{Conn: nc, l: l}, nil
}

// An entering connection is let in at its first use.
type entering struct {
	net.Conn
	l    *listener
	once sync.Once
	over net.Conn // what is read and written; nil if it was refused
	err  error
}

// in is the connection behind the door.
func (c *entering) in() (net.Conn, error) {
	c.once.Do(func() {
		if c.over, c.err = c.l.door.Enter(context.Background(), c.Conn, c.l.wait); c.err != nil {
			c.over = nil
			c.l.refused(c.Conn, c.err)
		}
	})
	return c.over, c.err
}

// Read reads what the client sent, within TLS if it uses that.
func (c *entering) Read(b []byte) (int, error) {
	nc, err := c.in()
	if err != nil {
		return 0, err
	}
	return nc.Read(b)
}

// Write answers the same way.
func (c *entering) Write(b []byte) (int, error) {
	nc, err := c.in()
	if err != nil {
		return 0, err
	}
	return nc.Write(b)
}

// RemoteAddr is the client's address, also behind a proxy.
func (c *entering) RemoteAddr() net.Addr {
	nc, err := c.in()
	if err != nil {
		return c.Conn.RemoteAddr()
	}
	return nc.RemoteAddr()
}
