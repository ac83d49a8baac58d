package grpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/mq"
)

// An entrance lets connections through the server's door, as grpc wants it.
type entrance struct {
	door   *door.Door
	broker mq.Broker
	tls    credentials.TransportCredentials // of one configuration, so that clients can resume sessions
	log    *slog.Logger
	logged *atomic.Int64 // when a refusal was last logged, Unix seconds
}

// newEntrance makes one.
func newEntrance(o *Options) *entrance {
	return &entrance{o.Door, o.Broker, credentials.NewTLS(o.Door.TLS), o.Log, new(atomic.Int64)}
}

var _ credentials.TransportCredentials = (*entrance)(nil)

// ServerHandshake implements credentials.TransportCredentials.
func (e *entrance) ServerHandshake(nc net.Conn) (net.Conn, credentials.AuthInfo, error) {
	g, err := e.door.Look(nc, make([]byte, door.MaxHeader), handshakeTimeout)
	if err != nil {
		var refused *door.RefusalError
		if errors.As(err, &refused) {
			e.warn(nc, err)
		} else if errors.Is(err, os.ErrDeadlineExceeded) {
			err = fmt.Errorf("the client sent nothing for %v", handshakeTimeout)
		}
		return nil, nil, err
	}
	nc.SetDeadline(time.Now().Add(handshakeTimeout)) // for TLS and HTTP/2's preface; grpc takes it away
	creds := insecure.NewCredentials()
	if g.Secure {
		creds = e.tls
	}
	in, info, err := creds.ServerHandshake(g.Conn())
	if err != nil {
		e.warn(nc, fmt.Errorf("TLS handshake: %w", err))
		return nil, nil, err
	}
	v := &visitor{AuthInfo: info, conn: nc}
	v.visit, v.refused = e.broker.Connect(mq.Caller{Addr: addrPort(in.RemoteAddr())})
	end := func() { v.visit.End() }
	if v.refused != nil { // its first calls are told
		cut := time.AfterFunc(refusedTime, func() { nc.Close() })
		end = func() { cut.Stop() }
	}
	return &visiting{Conn: in, end: end}, v, nil
}

// A visitor is a connection's client, as calls find it in their context.
type visitor struct {
	credentials.AuthInfo
	visit   mq.Visit
	refused error // why each of its calls is; visit is nil then
	conn    net.Conn
	asides  atomic.Int64 // open streams of health and reflection
}

// refusedTime is how long a connection whose calls are refused is open, so that
// they learn why.
const refusedTime = 5 * time.Second

// A visiting connection ends its visit when it is closed.
type visiting struct {
	net.Conn
	end   func()
	ended sync.Once // grpc may close a connection twice
}

// Close closes it.
func (v *visiting) Close() error {
	v.ended.Do(v.end)
	return v.Conn.Close()
}

// warn tells operators why a connection is closed, once a second.
func (e *entrance) warn(nc net.Conn, err error) {
	if now := time.Now().Unix(); e.logged.Swap(now) != now {
		e.log.Warn("connection closed", "remote_address", nc.RemoteAddr().String(), "local_address", nc.LocalAddr().String(), "reason", err)
	}
}

// ClientHandshake implements credentials.TransportCredentials; this side never
// dials.
func (*entrance) ClientHandshake(context.Context, string, net.Conn) (net.Conn, credentials.AuthInfo, error) {
	return nil, nil, fmt.Errorf("BUG: the server's credentials were used to dial")
}

// Info implements credentials.TransportCredentials.
func (*entrance) Info() credentials.ProtocolInfo {
	return credentials.ProtocolInfo{SecurityProtocol: "tls"}
}

// Clone implements credentials.TransportCredentials.
func (e *entrance) Clone() credentials.TransportCredentials { c := *e; return &c }

// OverrideServerName implements credentials.TransportCredentials.
func (*entrance) OverrideServerName(string) error { return nil }
