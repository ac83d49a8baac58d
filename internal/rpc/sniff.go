package rpc

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"net"
	"net/netip"
	"os"
	"strings"
	"time"
)

// sniffTimeout bounds a PROXY header and a TLS handshake, each from its first
// byte. The first byte itself may take IdleTimeout.
const sniffTimeout = 10 * time.Second

const (
	// tlsHandshake is the first byte of a TLS connection; as the first byte
	// of a frame it would announce one of 369 MB.
	tlsHandshake = 0x16
	// proxyV1 and proxyV2 begin the two versions of the PROXY header.
	proxyV1 = "PROXY "
	proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"
	// proxyV1Max is the longest header of version 1, line end included.
	proxyV1Max = 107
	// proxyV2Fixed is what comes before version 2's addresses.
	proxyV2Fixed = 16
)

// sniff looks at a connection's first bytes: a PROXY header is taken off and
// its source becomes the peer's address, a TLS handshake is answered. It runs
// before Opened and leaves everything else in the buffer.
func (c *Conn) sniff(o *ServerOptions) error {
	c.setReadDeadline(time.Now().Add(o.IdleTimeout))
	defer func() {
		c.raw.SetWriteDeadline(time.Time{})
		c.setReadDeadline(time.Now().Add(o.IdleTimeout))
	}()
	if err := c.fill(1); err != nil {
		return sniffError(err)
	}
	limit := time.Now().Add(sniffTimeout)
	c.setReadDeadline(limit)
	if o.ProxyProtocol {
		if err := c.takeProxyHeader(); err != nil {
			return sniffError(err)
		}
		if err := c.fill(1); err != nil {
			return sniffError(err)
		}
	}
	if o.TLS == nil {
		return nil
	}
	if c.in.buf[0] != tlsHandshake {
		if o.TLSOnly {
			return faultf("the peer did not begin a TLS handshake and plain connections are not accepted here")
		}
		return nil
	}
	c.raw.SetWriteDeadline(limit)
	secure := tls.Server(&rewound{Conn: c.raw, head: bytes.Clone(c.in.buf[:c.in.w])}, o.TLS)
	c.in.w = 0
	ctx, cancel := context.WithDeadline(c.ctx, limit)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return faultf("TLS handshake: %v", err)
	}
	c.stream = secure
	return nil
}

// sniffError gives the end of a deadline its reason.
func sniffError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errIdle
	}
	return err
}

// fill reads until n bytes are in the buffer, which must have room for them.
func (c *Conn) fill(n int) error {
	for c.in.w < n {
		got, err := c.raw.Read(c.in.buf[c.in.w:])
		c.in.w += got
		if err != nil && c.in.w < n {
			return err
		}
	}
	return nil
}

// drop removes the first n bytes of the buffer.
func (c *Conn) drop(n int) {
	c.in.w = copy(c.in.buf, c.in.buf[n:c.in.w])
}

// takeProxyHeader takes a PROXY header of either version off, if there is one.
func (c *Conn) takeProxyHeader() error {
	switch c.in.buf[0] {
	case proxyV1[0]:
		return c.takeProxyV1()
	case proxyV2[0]:
		return c.takeProxyV2()
	}
	return nil
}

// takeProxyV1 takes off a line like "PROXY TCP4 192.0.2.1 192.0.2.2 4711 10911".
func (c *Conn) takeProxyV1() error {
	end := -1
	for n := len(proxyV1); end < 0; n = c.in.w + 1 {
		if err := c.fill(n); err != nil {
			return err
		}
		if !bytes.HasPrefix(c.in.buf[:c.in.w], []byte(proxyV1)) {
			return nil // for the frame cutter to name
		}
		end = bytes.Index(c.in.buf[:min(c.in.w, proxyV1Max)], []byte("\r\n"))
		if end < 0 && c.in.w >= proxyV1Max {
			return faultf("the peer sent a malformed PROXY header: %q", c.in.buf[:min(c.in.w, proxyV1Max)])
		}
	}
	line := string(c.in.buf[:end])
	c.drop(end + 2)
	words := strings.Split(line, " ")
	if words[1] == "UNKNOWN" {
		return nil
	}
	if len(words) != 6 || words[1] != "TCP4" && words[1] != "TCP6" {
		return faultf("the peer sent a malformed PROXY header: %q", line)
	}
	source, err := netip.ParseAddrPort(net.JoinHostPort(words[2], words[4]))
	if err != nil {
		return faultf("the peer sent a malformed PROXY header: %q", line)
	}
	c.remote = netip.AddrPortFrom(source.Addr().Unmap(), source.Port())
	return nil
}

// takeProxyV2 takes off a binary header; addresses that are not IP are left
// out of account, and so is the proxy's own traffic (command LOCAL).
func (c *Conn) takeProxyV2() error {
	if err := c.fill(proxyV2Fixed); err != nil {
		return err
	}
	head := c.in.buf[:proxyV2Fixed]
	size := proxyV2Fixed + int(binary.BigEndian.Uint16(head[14:]))
	if string(head[:len(proxyV2)]) != proxyV2 || head[12]>>4 != 2 || size > len(c.in.buf) {
		return faultf("the peer sent a malformed PROXY header: %q", head)
	}
	if err := c.fill(size); err != nil {
		return err
	}
	command, family, body := head[12]&0xf, head[13]>>4, c.in.buf[proxyV2Fixed:size]
	var source netip.AddrPort
	switch {
	case command == 1 && family == 1 && len(body) >= 12:
		source = netip.AddrPortFrom(netip.AddrFrom4([4]byte(body)), binary.BigEndian.Uint16(body[8:]))
	case command == 1 && family == 2 && len(body) >= 36:
		source = netip.AddrPortFrom(netip.AddrFrom16([16]byte(body)).Unmap(), binary.BigEndian.Uint16(body[32:]))
	case command > 1, command == 1 && (family == 1 || family == 2):
		return faultf("the peer sent a malformed PROXY header: %q", c.in.buf[:size])
	}
	if source.IsValid() {
		c.remote = source
	}
	c.drop(size)
	return nil
}

// A rewound socket gives back bytes that were read before reading on.
type rewound struct {
	net.Conn
	head []byte
}

// Read reads what was given back first.
func (r *rewound) Read(b []byte) (int, error) {
	if len(r.head) == 0 {
		return r.Conn.Read(b)
	}
	n := copy(b, r.head)
	r.head = r.head[n:]
	return n, nil
}
