package grpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	protocodec "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	reflectionv1alpha "google.golang.org/grpc/reflection/grpc_reflection_v1alpha"

	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// handshakeTimeout bounds TLS and HTTP/2's preface.
	handshakeTimeout = 10 * time.Second
	// A client that vanished without a word is noticed within both together.
	pingAfter, pingWait = 30 * time.Second, 20 * time.Second
	// leastPing is how often clients may ping; theirs do it each minute at
	// most, also without calls.
	leastPing = time.Second
	// maxHeaders bounds the headers of one call, in bytes.
	maxHeaders = 16 << 10
	// ioBuffer is what a connection reads at a time, in bytes.
	ioBuffer = 16 << 10
	// outBuffer is what a connection writes at a time, in bytes: an answer to a
	// receive of 32 messages of 1 KiB is one write.
	outBuffer = 64 << 10
	// streamWindow is how many bytes a call may send before its message is let in,
	// and connWindow is how many bytes may be on the way on a connection.
	streamWindow, connWindow = 64 << 10, 16 << 20
	// sweepInterval is how often vanished clients and receipts to be renewed
	// are looked for.
	sweepInterval = 5 * time.Second
)

// A Server answers the clients on one address.
type Server struct {
	o        Options
	broker   mq.Broker
	admin    mq.Admin
	log      *slog.Logger
	listener net.Listener
	grpc     *grpc.Server
	health   *health.Server
	table    map[string]*operation
	counts   map[string]*count
	clients  *clients
	filters  *filters
	nodes    *nodes
	renewing *renewing
	// bodyLimit is what maxBody found last.
	bodyLimit atomic.Pointer[bodyLimit]
	asides    *shares       // open streams of health and reflection
	calls     *shares       // under way
	decoding  chan struct{} // has an entry for each long request that is being decoded, which takes its bytes twice
	requests  *shares       // bytes of requests that are received and handled
	arriving  *timeouts     // of requests
	leaving   *timeouts     // of what streams send
	unread    atomic.Int64  // bytes of messages that clients have not read
	conns     atomic.Int64  // open
	stopping  chan struct{} // closed when waiting calls shall end
	// life ends, by end, when the server stops; what it does with other nodes for
	// clients ends with it.
	life context.Context
	end  context.CancelFunc

	// work counts what outlives the call that began it; Run waits for it.
	work sync.WaitGroup
	// mu guards the start of such work; nothing is called while it is held.
	mu struct {
		sync.Mutex
		closed bool
	}
}

// Listen checks the options and listens on addr, "host:port". Connections wait
// in the socket until Run.
func Listen(addr string, o Options) (*Server, error) {
	lc := net.ListenConfig{KeepAlive: -1} // HTTP/2 pings
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("grpc: %w", err)
	}
	s, err := New(ln, o)
	if err != nil {
		return nil, errors.Join(err, ln.Close())
	}
	return s, nil
}

// New makes a server for a listener, which becomes its own unless there is an
// error.
func New(ln net.Listener, o Options) (*Server, error) {
	o = o.WithDefaults()
	if err := o.complete(); err != nil {
		return nil, err
	}
	s := &Server{
		o: o, broker: o.Broker, admin: o.Admin, log: o.Log, table: map[string]*operation{}, counts: map[string]*count{},
		clients: newClients(), filters: newFilters(o.NoPropertyFilter), renewing: newRenewing(o.MaxRenewals),
		health: health.NewServer(), stopping: make(chan struct{}), nodes: newNodes(),
		asides: newShares(maxAsides), calls: newShares(int64(o.MaxCalls)), requests: newShares(o.MaxIncoming), decoding: make(chan struct{}, runtime.GOMAXPROCS(0)),
	}
	s.arriving = newTimeouts(o.RequestTimeout, func(c *call) { s.start(c.late) })
	s.leaving = newTimeouts(o.ReadTimeout, func(c *call) { s.start(c.cut) })
	s.life, s.end = context.WithCancel(context.Background())
	for i := range operations {
		s.table[operations[i].name] = &operations[i]
		s.counts[operations[i].name] = &count{took: meter.NewHistogram(meter.RPCBounds)}
	}
	s.listener = &limited{Listener: ln, s: s}
	s.grpc = grpc.NewServer(
		grpc.Creds(newEntrance(&o)), grpc.ForceServerCodecV2(codec{encoding.GetCodecV2(protocodec.Name)}),
		grpc.MaxSendMsgSize(o.MaxMessage), grpc.StaticStreamWindowSize(streamWindow), grpc.StaticConnWindowSize(connWindow),
		grpc.MaxConcurrentStreams(uint32(o.MaxStreams)), grpc.MaxHeaderListSize(maxHeaders),
		grpc.ConnectionTimeout(handshakeTimeout), grpc.ReadBufferSize(ioBuffer), grpc.WriteBufferSize(outBuffer),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: leastPing, PermitWithoutStream: true}),
		grpc.KeepaliveParams(keepalive.ServerParameters{MaxConnectionIdle: o.IdleTimeout, Time: pingAfter, Timeout: pingWait}),
		grpc.StreamInterceptor(s.stream), grpc.WaitForHandlers(true),
	)
	s.grpc.RegisterService(s.served(rmq.MessagingService_ServiceDesc), messaging{Server: s})
	s.grpc.RegisterService(s.served(rmq.Admin_ServiceDesc), operating{Server: s})
	s.grpc.RegisterService(s.served(healthpb.Health_ServiceDesc), s.health)
	about := reflection.ServerOptions{Services: s.grpc, DescriptorResolver: rmq.Files()}
	reflectionv1.RegisterServerReflectionServer(s.grpc, reflection.NewServerV1(about))
	reflectionv1alpha.RegisterServerReflectionServer(s.grpc, reflection.NewServer(about))
	return s, nil
}

// messaging answers MessagingService.
type messaging struct {
	rmq.UnimplementedMessagingServiceServer
	*Server
}

// operating answers Admin.
type operating struct {
	rmq.UnimplementedAdminServer
	*Server
}

// Addr is where the server listens; not valid if that is no IP address.
func (s *Server) Addr() netip.AddrPort { return addrPort(s.listener.Addr()) }

// addrPort is an address as an IP address without a zone and a port, if it is one.
func addrPort(a net.Addr) netip.AddrPort {
	at := door.AddrPort(a)
	return netip.AddrPortFrom(at.Addr().WithZone(""), at.Port())
}

// Conns is how many connections are open.
func (s *Server) Conns() int { return int(s.conns.Load()) }

// EachCall calls f for every call that there is: how often it began, how often
// it was refused, and how long it took in milliseconds if it does not stream.
func (s *Server) EachCall(f func(call string, began, refused int64, took *meter.Histogram)) {
	for name, n := range s.counts {
		f(name[strings.LastIndexByte(name, '/')+1:], n.calls.Load(), n.refused.Load(), n.took)
	}
}

// Close gives up a server that will not Run. During Run, end its ctx instead.
func (s *Server) Close() error {
	s.end()
	s.closeNodes()
	return s.listener.Close()
}

// Run serves until ctx ends. Then it accepts no more, answers what waits, lets
// calls finish for Drain at most, gives back what was renewed for clients, and
// returns when every goroutine has ended. The broker goes on until then.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var loops sync.WaitGroup
	var err error
	loops.Go(func() {
		defer cancel()
		err = s.grpc.Serve(s.listener)
	})
	loops.Go(func() { s.sweep(ctx) })
	<-ctx.Done()
	s.health.Shutdown()
	close(s.stopping)
	s.end()
	cut := time.AfterFunc(s.o.Drain, s.grpc.Stop)
	s.grpc.GracefulStop()
	cut.Stop()
	loops.Wait()
	s.mu.Lock()
	s.mu.closed = true
	s.mu.Unlock()
	s.work.Wait()
	s.closeNodes()
	s.giveUpRenewed()
	s.clients.each(func(c *client) { s.leave(c) })
	if err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		return fmt.Errorf("grpc: %w", err)
	}
	return nil
}

// start runs f on a goroutine of the server's, unless that has ended.
func (s *Server) start(f func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mu.closed {
		s.work.Go(f)
	}
}

// sweep forgets clients that vanished and renews receipts until ctx ends.
func (s *Server) sweep(ctx context.Context) {
	tick := time.NewTicker(sweepInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.expireClients(now)
			s.renew(ctx, now)
		}
	}
}

// A limited listener closes connections beyond MaxConns at once.
type limited struct {
	net.Listener
	s      *Server
	logged atomic.Int64 // when a refusal was last logged, Unix seconds
}

// Accept takes the next connection that there is room for.
func (l *limited) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.s.conns.Add(1) <= int64(l.s.o.MaxConns) {
			return &counted{Conn: nc, open: &l.s.conns}, nil
		}
		l.s.conns.Add(-1)
		nc.Close()
		if now := time.Now().Unix(); l.logged.Swap(now) != now {
			l.s.log.Warn("refused a connection: too many are open, see grpc-max-connections",
				"remote_address", nc.RemoteAddr().String(), "max_connections", l.s.o.MaxConns)
		}
	}
}

// A counted connection is counted until it is closed.
type counted struct {
	net.Conn
	open *atomic.Int64
	once sync.Once
}

// Close closes it.
func (c *counted) Close() error {
	c.once.Do(func() { c.open.Add(-1) })
	return c.Conn.Close()
}
