package web

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"time"
)

// tlsHandshake is the first byte of a TLS connection; HTTP begins with a letter.
const tlsHandshake = 0x16

// newSniffer lets clients use TLS or not on one port, told by their first byte.
func newSniffer(ln net.Listener, o Options) net.Listener {
	if o.TLS == nil {
		return ln
	}
	c := o.TLS.Clone()
	c.NextProtos = []string{"http/1.1"}
	return &sniffer{ln, c, o.TLSOnly}
}

type sniffer struct {
	net.Listener
	tls  *tls.Config
	only bool
}

// Accept takes the next connection; its first bytes are looked at when it is read.
func (s *sniffer) Accept() (net.Conn, error) {
	nc, err := s.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return &sniffed{Conn: nc, s: s}, nil
}

// A sniffed connection becomes a TLS connection if it begins as one.
type sniffed struct {
	net.Conn
	s    *sniffer
	once sync.Once
	over net.Conn // what is read and written, once known
	err  error
}

// begin looks at the first byte, which has the deadline of the first request.
func (c *sniffed) begin() {
	in := bufio.NewReaderSize(c.Conn, 16)
	head, err := in.Peek(1)
	switch {
	case err != nil:
		c.err = err
	case head[0] == tlsHandshake:
		c.over = tls.Server(buffered{c.Conn, in}, c.s.tls)
	case c.s.only:
		c.err = errors.New("the client did not begin a TLS handshake, and tls-only is set")
	default:
		c.over = buffered{c.Conn, in}
	}
}

// Read reads what the client sent within TLS, if it uses that.
func (c *sniffed) Read(b []byte) (int, error) {
	if c.once.Do(c.begin); c.err != nil {
		return 0, c.err
	}
	return c.over.Read(b)
}

// Write answers the same way.
func (c *sniffed) Write(b []byte) (int, error) {
	if c.once.Do(c.begin); c.err != nil {
		return 0, c.err
	}
	return c.over.Write(b)
}

// SetReadDeadline is here for the handshake, which net/http bounds by it.
func (c *sniffed) SetReadDeadline(t time.Time) error { return c.Conn.SetReadDeadline(t) }

// A buffered connection reads what was peeked at first.
type buffered struct {
	net.Conn
	in *bufio.Reader
}

// Read reads on.
func (b buffered) Read(p []byte) (int, error) { return b.in.Read(p) }
