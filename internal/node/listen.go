package node

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/front/grpc"
	"github.com/goddardmq/goddard/internal/front/web"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A frontDoor serves the broker's listeners. The handler comes once the broker
// is open, which may be after its port is known and before anything is served.
type frontDoor struct{ rpc.Handler }

// fastDistance is how far below the broker's port clients look for the second
// one.
const fastDistance = 2

// listen opens the broker's ports.
func (n *Node) listen() error {
	n.c.RPC.Log = n.c.Log
	var err error
	n.listener, err = rpc.Listen(hostPort(n.c.Listen, n.c.ListenPort), n.handler, n.c.RPC)
	if err != nil {
		return listenError("broker", n.c.Listen, n.c.ListenPort, "listen-port", err)
	}
	if n.c.FastPort <= 0 {
		return nil
	}
	n.fast, err = rpc.Listen(hostPort(n.c.Listen, n.c.FastPort), n.handler, n.c.RPC)
	if err != nil {
		return listenError("broker's second port", n.c.Listen, n.c.FastPort, "fast-port", err)
	}
	return nil
}

// listenAnywhere takes any free port, and the second one where clients look
// for it if that happens to be free as well.
func (n *Node) listenAnywhere() error {
	n.c.RPC.Log = n.c.Log
	var err error
	n.listener, err = rpc.Listen(hostPort(n.c.Listen, 0), n.handler, n.c.RPC)
	if err != nil {
		return listenError("broker", n.c.Listen, 0, "listen-port", err)
	}
	if n.c.FastPort == 0 {
		second := int(n.listener.Addr().Port()) - fastDistance
		if fast, err := rpc.Listen(hostPort(n.c.Listen, second), n.handler, n.c.RPC); err == nil {
			n.fast = fast
		}
	}
	return nil
}

// openDoor opens what connections come through, and reads how this process
// connects to others.
func (n *Node) openDoor() error {
	var err error
	if n.door, err = n.c.Door.Open(n.c.Log); err != nil {
		return err
	}
	n.c.RPC.Door = n.door
	n.peers, err = n.c.Peers.Config()
	return err
}

// listenGRPC opens the port for gRPC clients.
func (n *Node) listenGRPC(name string) error {
	if n.c.GRPCPort < 0 {
		return nil
	}
	o := n.c.GRPC
	o.Broker, o.Admin, o.Name, o.Version, o.ClientVersion = n.broker, announcer{n.broker, n}, name, n.c.Version, wire.VersionCurrent
	o.Access, o.Cluster = n.access, n.broker.Settings(context.Background())["brokerClusterName"]
	o.Drain, o.Log, o.Peers = n.c.RPC.Drain, n.c.Log, n.peers
	if o.Advertised == "" {
		o.Advertised = n.c.Advertise
		if h, _, err := net.SplitHostPort(o.Advertised); err == nil {
			o.Advertised = h // the port in it is the other protocol's
		}
	}
	var err error
	if o.Door, err = n.grpcDoor(); err != nil {
		return fmt.Errorf("the certificate for gRPC clients: %w; give tls-cert and tls-key, or set grpc-tls = off", err)
	}
	n.grpc, err = grpc.Listen(hostPort(n.c.Listen, n.c.GRPCPort), o)
	if err != nil {
		return listenError("gRPC protocol", n.c.Listen, n.c.GRPCPort, "grpc-port", err)
	}
	return nil
}

// listenHTTP opens the port for HTTP.
func (n *Node) listenHTTP() error {
	if n.c.HTTPPort < 0 || n.c.Role == RoleNamesrv && n.c.HTTPPort == 0 {
		return nil
	}
	var err error
	n.http, err = web.Listen(hostPort(n.c.Listen, n.c.HTTPPort), n.httpOptions())
	if err != nil {
		return listenError("HTTP", n.c.Listen, n.c.HTTPPort, "http-port", err)
	}
	return nil
}

// httpOptions are those of every HTTP port.
func (n *Node) httpOptions() web.Options {
	o := n.c.HTTP
	o.Ready, o.Door, o.Drain, o.Log = n.ready, n.door, n.c.RPC.Drain, n.c.Log
	if access := n.httpAccess(); access != nil {
		o.Access = access
	}
	return o
}

// grpcDoor is the door for gRPC clients, who use TLS unless they are told
// otherwise: with the configured certificate, or one of our own making.
func (n *Node) grpcDoor() (*door.Door, error) {
	d := *n.door
	d.Only = n.c.GRPC.TLSMode == grpc.TLSOnly
	switch {
	case n.c.GRPC.TLSMode == grpc.TLSOff:
		d.TLS = nil
	case d.TLS != nil:
	case n.c.FS != nil:
		var err error
		if d.TLS, err = memoryCertificate(n.c.certificateNames()); err != nil {
			return nil, err
		}
	default:
		own, err := ownCertificate(filepath.Join(n.c.Data, tlsDir), n.c.certificateNames(), n.c.Door, n.c.Log)
		if err != nil {
			return nil, err
		}
		d.TLS = own.Config()
	}
	return &d, nil
}

// listenError says what to do about a port that cannot be had.
func listenError(who, host string, port int, setting string, err error) error {
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return fmt.Errorf("port %d of the %s is taken by another program on %s; stop that program, or choose another port with --%s",
			port, who, host, setting)
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return fmt.Errorf("this machine has no address %s; give one of its own, or 0.0.0.0 for all, with --listen", host)
	case errors.Is(err, syscall.EACCES):
		return fmt.Errorf("this user may not listen on port %d; choose one above 1023 with --%s", port, setting)
	}
	return err
}

// dataError says what to do about a data directory that cannot be used.
func dataError(dir string, err error) error {
	switch {
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("this user may not read and write the data directory %s; change its owner, or choose another directory with --data", dir)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("%s is a file and no directory; choose another place for the data with --data", dir)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("the data directory %s is on a file system that is read-only; choose another directory with --data", dir)
	}
	return err
}

// storeHost is the broker's address as it stands in messages and their ids,
// where it has to be an IP address: the advertised one, the one listened on,
// or the first of the machine that others may reach.
func (n *Node) storeHost() netip.AddrPort {
	port := n.c.ListenPort
	if n.listener != nil {
		port = int(n.listener.Addr().Port())
	}
	host := n.c.Advertise
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	for _, text := range []string{host, n.c.Listen} {
		addr, err := netip.ParseAddr(strings.Trim(text, "[]"))
		if err == nil && !addr.IsUnspecified() {
			return netip.AddrPortFrom(addr.Unmap(), uint16(port))
		}
	}
	addrs, err := net.InterfaceAddrs()
	if err == nil && n.c.Listen != "localhost" {
		for _, a := range addrs {
			prefix, err := netip.ParsePrefix(a.String())
			if err == nil && prefix.Addr().Is4() && prefix.Addr().IsGlobalUnicast() {
				return netip.AddrPortFrom(prefix.Addr(), uint16(port))
			}
		}
	}
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(port))
}
