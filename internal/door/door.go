package door

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"time"
)

// patience bounds a PROXY header and a TLS handshake, each from its first byte.
const patience = 10 * time.Second

// tlsHandshake is the first byte of a TLS connection. None of our protocols
// begins with it: as the first byte of a remoting frame it would announce one of
// 369 MB.
const tlsHandshake = 0x16

// A Door is what a connection comes through on its way to one port.
type Door struct {
	// TLS, if set, lets clients use TLS.
	TLS *tls.Config
	// Only refuses plain connections.
	Only bool
	// Proxy lets proxies say in a PROXY header who their client is; From, if not
	// empty, says which proxies.
	Proxy bool
	From  []netip.Prefix
}

// HTTP is the door for a server that speaks HTTP/1.1 alone.
func (d *Door) HTTP() *Door {
	h := *d
	if h.TLS == nil {
		return &h
	}
	speak := func(c *tls.Config) *tls.Config {
		c = c.Clone()
		c.NextProtos = []string{"http/1.1"}
		return c
	}
	h.TLS = speak(h.TLS)
	if choose := h.TLS.GetConfigForClient; choose != nil {
		h.TLS.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
			c, err := choose(hello)
			if c == nil || err != nil {
				return c, err
			}
			return speak(c), nil
		}
	}
	return &h
}

// A Guest is a connection whose first bytes have been looked at.
type Guest struct {
	// Remote is the client's address: the one that its proxy named, or else the
	// socket's; not valid if that is not TCP.
	Remote netip.AddrPort
	// Rest is what was read and belongs to what follows: the client's protocol,
	// or the TLS handshake if Secure.
	Rest []byte
	// Secure says that the client begins a TLS handshake.
	Secure bool

	raw     net.Conn
	proxied bool
}

// Look reads the first bytes of a connection into buf, of at least MaxHeader
// bytes, takes a PROXY header off and says whether TLS follows. The first byte,
// and the first one behind a header, may take as long as wait; no deadline is left on nc.
// A *RefusalError is for operators to read; os.ErrDeadlineExceeded says that the
// client sent nothing.
func (d *Door) Look(nc net.Conn, buf []byte, wait time.Duration) (Guest, error) {
	defer nc.SetReadDeadline(time.Time{})
	g := Guest{Remote: AddrPort(nc.RemoteAddr()), raw: nc}
	a := arrival{nc: nc, buf: buf}
	if err := a.first(wait); err != nil {
		return g, err
	}
	h, err := d.header(&a, g.Remote)
	if err != nil {
		return g, err
	}
	if h.source.IsValid() {
		g.Remote, g.proxied = h.source, true
	}
	if h.size > 0 {
		a.n = copy(a.buf, a.buf[h.size:a.n])
		if err := a.first(wait); err != nil {
			return g, err
		}
	}
	g.Rest, g.Secure = a.buf[:a.n], a.buf[0] == tlsHandshake
	switch {
	case g.Secure && d.TLS == nil:
		return g, refusef("the peer sent a TLS handshake, but TLS is not configured for this port (tls-cert and tls-key, grpc-tls)")
	case !g.Secure && d.Only:
		return g, refusef("the peer did not begin a TLS handshake and plain connections are not accepted here (tls-only, grpc-tls)")
	}
	return g, nil
}

// header reads the PROXY header of a connection from an address, if it has one.
func (d *Door) header(a *arrival, from netip.AddrPort) (header, error) {
	does, maybe := beginsHeader(a.buf[:a.n])
	if !maybe {
		return header{}, nil
	}
	if !d.Proxy {
		if does {
			return header{}, refusef("the peer sent a PROXY header, but proxy-protocol is off")
		}
		return header{}, nil
	}
	a.nc.SetReadDeadline(time.Now().Add(patience))
	for {
		h, more, err := parseHeader(a.buf[:a.n])
		if err != nil {
			return h, err
		}
		if !more {
			if h.size > 0 && !d.trusts(from.Addr()) {
				return h, refusef("the peer sent a PROXY header, but proxy-protocol-from does not name its address %v", from.Addr())
			}
			return h, nil
		}
		if err := a.read(); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				err = refusef("a PROXY header was not complete %v after its first byte: %q", patience, a.buf[:min(a.n, proxyV1Max)])
			}
			return h, err
		}
	}
}

// trusts reports whether an address may send PROXY headers.
func (d *Door) trusts(from netip.Addr) bool {
	return len(d.From) == 0 || slices.ContainsFunc(d.From, func(p netip.Prefix) bool { return p.Contains(from) })
}

// An arrival is what has come of a connection.
type arrival struct {
	nc  net.Conn
	buf []byte
	n   int
}

// first waits for the first byte.
func (a *arrival) first(wait time.Duration) error {
	a.nc.SetReadDeadline(time.Now().Add(wait))
	for a.n == 0 {
		if err := a.read(); err != nil {
			return err
		}
	}
	return nil
}

// read reads what there is, but for an error behind it.
func (a *arrival) read() error {
	n, err := a.nc.Read(a.buf[a.n:])
	a.n += n
	if n > 0 {
		return nil
	}
	return err
}

// Handshake answers a guest's TLS handshake.
func (d *Door) Handshake(ctx context.Context, g Guest) (*tls.Conn, error) {
	limit := time.Now().Add(patience)
	g.raw.SetReadDeadline(limit)
	g.raw.SetWriteDeadline(limit)
	defer g.raw.SetReadDeadline(time.Time{})
	defer g.raw.SetWriteDeadline(time.Time{})
	secure := tls.Server(g.Conn(), d.TLS)
	ctx, cancel := context.WithDeadline(ctx, limit)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, refusef("TLS handshake: %v", err)
	}
	return secure, nil
}

// Enter is Look and, if the client wants it, Handshake. The connection that it
// returns reads everything that follows and has the client's address.
func (d *Door) Enter(ctx context.Context, nc net.Conn, wait time.Duration) (net.Conn, error) {
	g, err := d.Look(nc, make([]byte, MaxHeader), wait)
	if err != nil {
		return nil, err
	}
	if !g.Secure {
		return g.Conn(), nil
	}
	return d.Handshake(ctx, g)
}

// Conn is the guest's connection as a library may read it: it begins with Rest
// and comes from Remote. Rest is copied.
func (g Guest) Conn() net.Conn {
	c := &conn{Conn: g.raw, rest: slices.Clone(g.Rest), remote: g.raw.RemoteAddr()}
	if g.proxied {
		c.remote = net.TCPAddrFromAddrPort(g.Remote)
	}
	return c
}

// A conn gives back bytes that were read before reading on.
type conn struct {
	net.Conn
	rest   []byte
	remote net.Addr
}

// Read reads what was given back first.
func (c *conn) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		return c.Conn.Read(b)
	}
	n := copy(b, c.rest)
	if c.rest = c.rest[n:]; len(c.rest) == 0 {
		c.rest = nil
	}
	return n, nil
}

// RemoteAddr is the client's address.
func (c *conn) RemoteAddr() net.Addr { return c.remote }

// CloseWrite ends the sending direction, if the socket can.
func (c *conn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

// AddrPort is an address with IPv4 in its short form; not valid if it is not TCP.
func AddrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	return unmapped(t.AddrPort())
}
