package grpc

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

// tlsHandshake is the first byte of a TLS connection; HTTP/2 begins with a P.
const tlsHandshake = 0x16

// A sniffer lets clients use TLS or not on one port, as the mode allows: a TLS
// connection is told by its first byte.
type sniffer struct {
	tls  credentials.TransportCredentials // of one configuration, so that clients can resume sessions
	mode string
}

// newSniffer makes one; without a configuration its mode must be TLSOff.
func newSniffer(config *tls.Config, mode string) *sniffer {
	return &sniffer{credentials.NewTLS(config), mode}
}

var _ credentials.TransportCredentials = (*sniffer)(nil)

// ServerHandshake implements credentials.TransportCredentials. The connection
// has a deadline.
func (s *sniffer) ServerHandshake(nc net.Conn) (net.Conn, credentials.AuthInfo, error) {
	var first [1]byte
	if _, err := nc.Read(first[:]); err != nil {
		return nil, nil, err
	}
	nc = &rewound{Conn: nc, head: first[:]}
	secure := first[0] == tlsHandshake
	switch {
	case secure && s.mode == TLSOff:
		return nil, nil, errors.New("the client began a TLS handshake, and grpc-tls is off")
	case !secure && s.mode == TLSOnly:
		return nil, nil, errors.New("the client did not begin a TLS handshake, and grpc-tls is only")
	case secure:
		return s.tls.ServerHandshake(nc)
	}
	return insecure.NewCredentials().ServerHandshake(nc)
}

// ClientHandshake implements credentials.TransportCredentials; this side never
// dials.
func (*sniffer) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, fmt.Errorf("BUG: the server's credentials were used to dial")
}

// Info implements credentials.TransportCredentials.
func (*sniffer) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials.
func (s *sniffer) Clone() credentials.TransportCredentials { return &sniffer{s.tls, s.mode} }

// OverrideServerName implements credentials.TransportCredentials.
func (*sniffer) OverrideServerName(string) error { return nil }

// A rewound connection gives back bytes that were read before reading on.
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
