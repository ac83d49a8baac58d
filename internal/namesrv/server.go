package namesrv

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/limit"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A Server is a name server.
type Server struct {
	log        *slog.Logger
	rpc        *rpc.Server
	kv         *kvConfig
	settings   settings
	started    time.Time
	notices    *notices
	operations map[wire.Code]operation
	access     *auth.Access
	cluster    string
	limits     *limit.Table
	limiting   sync.Mutex              // lets one change of a limit happen at a time, here and in the file
	options    atomic.Pointer[Options] // replaced under mu

	// mu guards the table and the connections that brokers registered over. Nothing waits, writes to a
	// connection or takes another lock while it is held. Routes are only read,
	// so queries share it; a registration holds it for as long as it takes to
	// enter the broker's topics.
	mu struct {
		sync.RWMutex
		table    *table
		conns    map[connID]*rpc.Conn
		lastConn connID
	}
}

// New opens the key-value configuration and listens; it serves nothing yet.
func New(o Options) (*Server, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("namesrv: %w", err)
	}
	o = o.WithDefaults()
	kv, err := openKVConfig(o.KVConfigPath)
	if err != nil {
		return nil, fmt.Errorf("namesrv: %w", err)
	}
	s := &Server{log: o.Log, kv: kv, started: time.Now(), operations: map[wire.Code]operation{},
		notices: newNotices(o), access: o.Access, cluster: o.Cluster, limits: limit.New(limit.NameServer)}
	for _, op := range operations() {
		s.operations[op.code] = op.serve
	}
	if err := s.settings.open(&o); err != nil {
		return nil, fmt.Errorf("namesrv: %w", err)
	}
	s.loadLimits()
	s.options.Store(&o)
	s.mu.table = newTable(o.rules())
	s.mu.conns = map[connID]*rpc.Conn{}

	port := max(o.Port, 0)
	s.rpc, err = rpc.Listen(net.JoinHostPort(o.Listen, strconv.Itoa(port)), s.Handler(), o.RPC)
	if err != nil {
		return nil, fmt.Errorf("namesrv: %w", err)
	}
	return s, nil
}

// Addr is where the server listens.
func (s *Server) Addr() netip.AddrPort { return s.rpc.Addr() }

// Conns is how many connections are open.
func (s *Server) Conns() int { return s.rpc.Conns() }

// Run serves until ctx ends and returns when every goroutine has ended.
func (s *Server) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	defer wg.Wait()
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	wg.Go(func() { s.scan(ctx) })
	wg.Go(func() { s.notices.run(ctx) })
	return s.rpc.Run(ctx)
}

// scan takes silent brokers out until ctx ends.
func (s *Server) scan(ctx context.Context) {
	tick := time.NewTicker(s.options.Load().ScanInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			s.expire(now)
		}
	}
}

// expire takes out who is silent and closes their connections.
func (s *Server) expire(now time.Time) {
	s.mu.Lock()
	gone, notices := s.mu.table.expire(now)
	var silent []*rpc.Conn
	for _, d := range gone {
		if c := s.mu.conns[d.conn]; c != nil {
			silent = append(silent, c)
		}
	}
	s.mu.Unlock()
	for _, d := range gone {
		s.log.Warn("broker was silent for too long and is no longer served", "broker", d.broker,
			"cluster", d.key.cluster, "addr", d.key.addr, "silent", d.silent.Round(time.Millisecond))
	}
	for _, c := range silent {
		c.Close()
	}
	s.notices.add(notices)
}

// Handler is what serves the server's connections; a connection that another
// listener accepted may be handed to it as well.
func (s *Server) Handler() rpc.Handler { return handler{s} }

// A handler serves connections for a Server.
type handler struct{ s *Server }

// Flush implements rpc.Handler.
func (h handler) Flush(*rpc.Conn) {}

// Serve implements rpc.Handler.
func (h handler) Serve(c *rpc.Conn, cmd *wire.Command) {
	own := sessionOf(c)
	if own.refused != nil {
		h.answer(c, cmd, cmd.ReplyError(wire.CodeSystemBusy, own.refused.Error()))
		c.Finish()
		return
	}
	serve := h.s.operations[cmd.Code]
	resp := h.s.enter(own, cmd)
	switch {
	case resp != nil:
	case serve == nil:
		resp = cmd.ReplyError(wire.CodeRequestCodeNotSupported, fmt.Sprintf(" request type %d not supported", cmd.Code))
	default:
		resp = serve(h.s, c, cmd)
	}
	h.answer(c, cmd, resp)
}

// answer replies unless nobody waits for it.
func (handler) answer(c *rpc.Conn, cmd, resp *wire.Command) {
	if !cmd.Oneway() {
		c.Reply(resp)
	}
}

// Closed implements rpc.Handler: a broker's connection is its life.
func (h handler) Closed(c *rpc.Conn) {
	own := sessionOf(c)
	if own.refused != nil {
		own.farewell.Stop()
		return
	}
	own.visit.End()
	s, id := h.s, own.id
	if id == 0 {
		return
	}
	s.mu.Lock()
	delete(s.mu.conns, id)
	gone, notices := s.mu.table.disconnect(id, time.Now())
	s.mu.Unlock()
	for _, d := range gone {
		s.log.Info("broker closed its connection and is no longer served", "broker", d.broker,
			"cluster", d.key.cluster, "addr", d.key.addr)
	}
	s.notices.add(notices)
}

// connIDLocked numbers a connection that a broker registers over.
func (s *Server) connIDLocked(c *rpc.Conn) connID {
	own := sessionOf(c)
	if own.id == 0 {
		s.mu.lastConn++
		own.id = s.mu.lastConn
		s.mu.conns[own.id] = c
	}
	return own.id
}
