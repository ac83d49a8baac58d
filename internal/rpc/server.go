package rpc

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/wire"
)

// ServerOptions says how a Server treats its connections. The zero value is
// ready for use.
type ServerOptions struct {
	// IdleTimeout is how long a connection may go without traffic, and how
	// long a frame may take from its first byte to its last. Default 120s.
	IdleTimeout time.Duration `conf:"idle-timeout" rocketmq:"serverChannelMaxIdleTimeSeconds"`

	// WriteTimeout is how long a client may take no bytes of its answers
	// before it is cut. Default 30s.
	WriteTimeout time.Duration `conf:"write-timeout"`

	// WriteBuffer is how many bytes may wait to be written to one client
	// before it is cut, stored batches included. Default 64 MiB.
	WriteBuffer int `conf:"write-buffer"`

	// MaxFrame is the longest frame accepted and sent, in bytes. Default 16
	// MiB, which is also what RocketMQ's clients accept.
	MaxFrame int `conf:"max-frame"`

	// MaxConns is how many connections are open at most; further ones are
	// closed at once. Default 65536.
	MaxConns int `conf:"max-connections"`

	// Drain is how long stopping may take before the connections are closed
	// on requests that are being answered. Requests that arrive meanwhile are
	// answered with GO_AWAY to clients of 5.3.2 and later. Default 3s.
	Drain time.Duration `conf:"drain-timeout"`

	// Door, if set, is what connections come through first. Nil lets plain ones
	// through as they are.
	Door *door.Door

	// Calls, if set, counts the answers and how long they took.
	Calls *meter.Calls

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// WithDefaults fills in what is not set.
func (o ServerOptions) WithDefaults() ServerOptions {
	setDefault(&o.IdleTimeout, 120*time.Second)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.WriteBuffer, 64<<20)
	setDefault(&o.MaxFrame, wire.MaxFrame)
	setDefault(&o.MaxConns, 1<<16)
	setDefault(&o.Drain, 3*time.Second)
	setDefault(&o.Log, slog.New(slog.DiscardHandler))
	return o
}

// validate reports every bad field at once.
func (o ServerOptions) validate() error {
	var errs []error
	positive := func(name string, ok bool) {
		if !ok {
			errs = append(errs, fmt.Errorf("%s must be positive", name))
		}
	}
	positive("idle-timeout", o.IdleTimeout > 0)
	positive("write-timeout", o.WriteTimeout > 0)
	positive("write-buffer", o.WriteBuffer > 0)
	positive("max-frame", o.MaxFrame > 0)
	positive("max-connections", o.MaxConns > 0)
	positive("drain-timeout", o.Drain > 0)
	return errors.Join(errs...)
}

// setDefault sets *v to def if it is zero.
func setDefault[T comparable](v *T, def T) {
	var zero T
	if *v == zero {
		*v = def
	}
}

// A Server accepts connections for a Handler.
type Server struct {
	options  ServerOptions
	settings settings
	handler  Handler
	listener net.Listener
	wg       sync.WaitGroup // the connections' reading goroutines

	mu struct {
		sync.Mutex // guards what follows; a Conn's locks may be taken with it
		conns      map[*Conn]struct{}
		stopping   bool
	}
}

// keepAlive finds peers that vanished without a word within two minutes.
func keepAlive() net.KeepAliveConfig {
	return net.KeepAliveConfig{Enable: true, Idle: time.Minute, Interval: 15 * time.Second, Count: 4}
}

// Listen checks the options and listens on addr, "host:port". Connections wait
// in the socket until Run.
func Listen(addr string, h Handler, o ServerOptions) (*Server, error) {
	o = o.WithDefaults()
	if err := o.validate(); err != nil {
		return nil, fmt.Errorf("rpc: %w", err)
	}
	lc := net.ListenConfig{KeepAliveConfig: keepAlive()}
	ln, err := lc.Listen(context.Background(), "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("rpc: %w", err)
	}
	return newServer(ln, h, o), nil
}

// newServer makes a Server for ln; o is complete.
func newServer(ln net.Listener, h Handler, o ServerOptions) *Server {
	s := &Server{options: o, handler: h, listener: ln, settings: settings{
		idleTimeout: o.IdleTimeout, writeTimeout: o.WriteTimeout,
		maxFrame: o.MaxFrame, writeBuffer: o.WriteBuffer, log: o.Log, calls: o.Calls,
	}}
	s.mu.conns = make(map[*Conn]struct{})
	return s
}

// Addr is where the server listens.
func (s *Server) Addr() netip.AddrPort { return addrPort(s.listener.Addr()) }

// Close gives up a server that will not Run. During Run, end its ctx instead.
func (s *Server) Close() error { return s.listener.Close() }

// Conns is how many connections are open.
func (s *Server) Conns() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.conns)
}

// Run serves until ctx ends. Then it accepts no more, lets each connection
// finish the burst it serves and write the answers that are ready or become
// ready soon, for Drain at most, and returns when every goroutine has ended.
// Requests that arrive meanwhile are answered with GO_AWAY, if their clients know
// that.
func (s *Server) Run(ctx context.Context) error {
	stopAccepting := context.AfterFunc(ctx, func() { s.listener.Close() })
	defer stopAccepting()
	err := s.accept(ctx)
	s.listener.Close()

	s.mu.Lock()
	s.mu.stopping = true
	for c := range s.mu.conns {
		c.leave()
	}
	s.mu.Unlock()
	cut := time.AfterFunc(s.options.Drain, s.cut)
	defer cut.Stop()
	s.wg.Wait()
	return err
}

// cut closes every connection at once.
func (s *Server) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.mu.conns {
		c.close(errStopping)
	}
}

// accept takes connections until ctx ends (nil) or the listener breaks.
func (s *Server) accept(ctx context.Context) error {
	const longest = time.Second
	var wait time.Duration
	var refused logLimit
	for {
		nc, err := s.listener.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				nc.Close()
			}
			return nil
		case errors.Is(err, net.ErrClosed):
			return fmt.Errorf("rpc: %w", err)
		case err != nil:
			// Out of file descriptors, as a rule: those that are open go on.
			wait = min(max(2*wait, 5*time.Millisecond), longest)
			s.options.Log.Error("cannot accept a connection, trying again", "local_address", s.Addr().String(),
				"error", err, "wait", wait)
			select {
			case <-time.After(wait):
			case <-ctx.Done():
			}
			continue
		}
		wait = 0
		if !s.start(nc) {
			nc.Close()
			if skipped, ok := refused.allow(); ok {
				s.options.Log.Warn("refused a connection: too many are open, see max-connections",
					"remote_address", nc.RemoteAddr().String(), "max_connections", s.options.MaxConns, "similar_not_logged", skipped)
			}
		}
	}
}

// start serves a connection on a goroutine of its own; false if there are too
// many.
func (s *Server) start(nc net.Conn) bool {
	c := newConn(nc, false, s.handler, &s.settings)
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.mu.conns) >= s.options.MaxConns || s.mu.stopping {
		return false
	}
	s.mu.conns[c] = struct{}{}
	s.wg.Go(func() { s.serve(c) })
	return true
}

// serve serves one connection until it ends.
func (s *Server) serve(c *Conn) {
	defer func() {
		s.mu.Lock()
		delete(s.mu.conns, c)
		s.mu.Unlock()
	}()
	if d := s.options.Door; d != nil && (d.TLS != nil || d.Proxy) {
		if err := c.enter(d, s.options.IdleTimeout); err != nil {
			c.end(err)
			return
		}
	}
	c.serve()
}
