package door

import (
	"context"
	"crypto/tls"
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

// Secure is the state of TLS on a connection of a Listener that has been used;
// nil if the client uses none.
func Secure(nc net.Conn) *tls.ConnectionState {
	c, ours := nc.(*entering)
	if !ours {
		return nil
	}
	over, err := c.in()
	if t, secure := over.(*tls.Conn); err == nil && secure {
		state := t.ConnectionState()
		return &state
	}
	return nil
}

// Raw is the connection below one of a Listener, as that accepted it.
func Raw(nc net.Conn) net.Conn {
	if c, ours := nc.(*entering); ours {
		return c.Conn
	}
	return nc
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
