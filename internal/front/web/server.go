package web

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/door"
)

const (
	// headerTimeout bounds a request's headers, bodyTimeout its whole.
	headerTimeout, bodyTimeout = 10 * time.Second, time.Minute
	// answerTimeout bounds a request and its answer, unless the handler sets
	// deadlines of its own.
	answerTimeout = time.Minute
	// idleTimeout is how long a connection may wait for its next request.
	idleTimeout = 2 * time.Minute
	// maxHeaders bounds the headers of one request, in bytes.
	maxHeaders = 16 << 10
)

// A Server answers HTTP on one address.
type Server struct {
	o        Options
	listener net.Listener
	mux      *http.ServeMux
	http     *http.Server
}

// Listen checks the options and listens on addr, "host:port". Connections wait
// in the socket until Run.
func Listen(addr string, o Options) (*Server, error) {
	o = o.WithDefaults()
	if err := o.check(); err != nil {
		return nil, err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("web: %w", err)
	}
	s := &Server{o: o, mux: http.NewServeMux()}
	room := newRoom(o.MaxConns)
	s.listener = o.Door.HTTP().Listener(&limited{Listener: ln, room: room}, headerTimeout, func(nc net.Conn, err error) {
		o.Log.Debug("HTTP connection closed", "remote_address", nc.RemoteAddr().String(), "reason", err)
	})
	s.http = &http.Server{
		Handler: s.secured(s.mux), ConnContext: func(ctx context.Context, nc net.Conn) context.Context { return context.WithValue(ctx, connKey{}, nc) },
		ReadHeaderTimeout: headerTimeout, ReadTimeout: bodyTimeout, WriteTimeout: answerTimeout, IdleTimeout: idleTimeout,
		ConnState:      room.changed,
		MaxHeaderBytes: maxHeaders, ErrorLog: slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
	}
	s.handleHealth()
	if !o.NoProfiles {
		s.handleProfiles()
	}
	return s, nil
}

// connKey is the key of a request's connection in its context.
type connKey struct{}

// secured lets handlers see whether the client uses TLS, which the door has
// answered: http.Server knows nothing of it.
func (s *Server) secured(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if nc, ok := r.Context().Value(connKey{}).(net.Conn); ok {
			r.TLS = door.Secure(nc)
		}
		next.ServeHTTP(w, r)
	})
}

// Handle has h answer what matches pattern, as http.ServeMux has it. A handler
// whose answer takes longer than its request bounds that itself. Call it
// before Run.
func (s *Server) Handle(pattern string, h http.Handler) { s.mux.Handle(pattern, h) }

// Addr is where the server listens.
func (s *Server) Addr() netip.AddrPort {
	tcp, ok := s.listener.Addr().(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	at := tcp.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap().WithZone(""), at.Port())
}

// Close gives up a server that will not Run. During Run, end its ctx instead.
func (s *Server) Close() error { return s.listener.Close() }

// Run serves until ctx ends. Requests then see their contexts end, and have
// Drain to finish. It returns when every goroutine of its own has ended.
func (s *Server) Run(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	s.http.BaseContext = func(net.Listener) context.Context { return ctx }
	var err error
	var serving sync.WaitGroup
	serving.Go(func() {
		defer cancel()
		err = s.http.Serve(s.listener)
	})
	<-ctx.Done()
	drain, end := context.WithTimeout(context.WithoutCancel(ctx), s.o.Drain)
	defer end()
	if s.http.Shutdown(drain) != nil {
		_ = s.http.Close() // what does not end by itself is cut
	}
	serving.Wait()
	if !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("web: %w", err)
	}
	return nil
}
