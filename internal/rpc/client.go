package rpc

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// ClientOptions says how a Client dials and what it does with requests from
// the other side. The zero value is ready for use.
type ClientOptions struct {
	// Handler answers requests that servers start. Nil answers them with
	// REQUEST_CODE_NOT_SUPPORTED.
	Handler Handler

	// DialTimeout bounds connecting, TLS handshake included. Default 3s.
	DialTimeout time.Duration

	// IdleTimeout is how long a connection may go without traffic, and how
	// long a frame may take from its first byte to its last. Default 120s.
	IdleTimeout time.Duration

	// WriteTimeout is how long a server may take no bytes. Default 30s.
	WriteTimeout time.Duration

	// WriteBuffer is how many bytes may wait to be written to one server;
	// requests beyond it fail with ErrFull. Default 64 MiB.
	WriteBuffer int

	// MaxFrame is the longest frame accepted and sent. Default 16 MiB.
	MaxFrame int

	// TLS, if set, is used for every connection. An empty ServerName becomes
	// the host that is dialled.
	TLS *tls.Config

	// Hook, if set, sees each request just before it is encoded, to sign it.
	// Answers do not pass through it.
	Hook func(*wire.Command)

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// A Client keeps one connection per address: dialled when first needed, shared
// by all callers, dialled again when needed after it ended.
type Client struct {
	options  ClientOptions
	settings settings
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	wg       sync.WaitGroup // the connections' reading goroutines

	mu struct {
		sync.Mutex // guards what follows; a Conn's locks may be taken with it
		lines      map[string]*line
		closed     bool
	}
}

// A line is a connection to one address, or the attempt to dial it.
type line struct {
	ready chan struct{} // closed when conn or err is set
	conn  *Conn
	err   error
}

// ended reports whether the line has had a connection that is no more.
func (l *line) ended() bool {
	select {
	case <-l.ready:
		return l.err != nil || l.conn.ctx.Err() != nil
	default:
		return false
	}
}

// NewClient makes a Client; it dials nothing yet.
func NewClient(o ClientOptions) *Client {
	setDefault(&o.DialTimeout, 3*time.Second)
	setDefault(&o.IdleTimeout, 120*time.Second)
	setDefault(&o.WriteTimeout, 30*time.Second)
	setDefault(&o.WriteBuffer, 64<<20)
	setDefault(&o.MaxFrame, wire.MaxFrame)
	setDefault(&o.Log, slog.New(slog.DiscardHandler))
	if o.Handler == nil {
		o.Handler = refusing{}
	}
	c := &Client{options: o, settings: settings{
		idleTimeout: o.IdleTimeout, writeTimeout: o.WriteTimeout,
		maxFrame: o.MaxFrame, writeBuffer: o.WriteBuffer, hook: o.Hook, log: o.Log,
	}}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.mu.lines = make(map[string]*line)
	return c
}

// Close ends all connections and returns when their goroutines have ended. It
// must not be called on a reading goroutine, that is by a Handler or by a done
// function.
func (c *Client) Close() {
	c.mu.Lock()
	c.mu.closed = true
	for _, l := range c.mu.lines {
		select {
		case <-l.ready:
			if l.conn != nil {
				l.conn.Close()
			}
		default:
		}
	}
	c.mu.Unlock()
	c.cancel()
	c.wg.Wait()
}

// Call sends a request to addr, "host:port", and waits for the answer, which
// the caller owns; see Conn.Call. A request whose connection ended before the
// answer came is not sent again: it may have been served.
func (c *Client) Call(ctx context.Context, addr string, cmd *wire.Command) (*wire.Command, error) {
	conn, err := c.Conn(ctx, addr)
	if err != nil {
		if cmd.Release != nil {
			cmd.Release()
		}
		return nil, err
	}
	return conn.Call(ctx, cmd)
}

// Conn is the connection to addr, "host:port", which is dialled if need be.
func (c *Client) Conn(ctx context.Context, addr string) (*Conn, error) {
	l, err := c.line(addr)
	if err != nil {
		return nil, err
	}
	select {
	case <-l.ready:
		return l.conn, l.err
	case <-ctx.Done():
		return nil, fmt.Errorf("rpc: connect to %s: %w", addr, context.Cause(ctx))
	}
}

// line finds the line to addr or begins one.
func (c *Client) line(addr string) (*line, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return nil, fmt.Errorf("rpc: connect to %s: client: %w", addr, ErrClosed)
	}
	l := c.mu.lines[addr]
	if l == nil || l.ended() {
		l = &line{ready: make(chan struct{})}
		c.mu.lines[addr] = l
		c.wg.Go(func() { c.run(addr, l) })
	}
	return l, nil
}

// run dials, tells those who wait and serves the connection until it ends.
func (c *Client) run(addr string, l *line) {
	nc, err := c.dial(addr)
	c.mu.Lock()
	if err == nil && c.mu.closed {
		nc.Close()
		err = fmt.Errorf("rpc: connect to %s: client: %w", addr, ErrClosed)
	}
	if err == nil {
		l.conn = c.newConn(nc)
	}
	l.err = err
	close(l.ready)
	c.mu.Unlock()
	if err == nil {
		l.conn.serve()
	}
	c.mu.Lock()
	if c.mu.lines[addr] == l {
		delete(c.mu.lines, addr)
	}
	c.mu.Unlock()
}

// dial connects to addr.
func (c *Client) dial(addr string) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(c.ctx, c.options.DialTimeout)
	defer cancel()
	d := net.Dialer{KeepAliveConfig: keepAlive()}
	nc, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("rpc: connect to %s: %w", addr, err)
	}
	if c.options.TLS == nil {
		return nc, nil
	}
	config := c.options.TLS
	if config.ServerName == "" && !config.InsecureSkipVerify {
		config = config.Clone()
		config.ServerName, _, _ = net.SplitHostPort(addr)
	}
	secure := tls.Client(nc, config)
	if err := secure.HandshakeContext(ctx); err != nil {
		nc.Close()
		return nil, fmt.Errorf("rpc: connect to %s: TLS handshake: %w", addr, err)
	}
	return secure, nil
}

// newConn makes the dialled socket a Conn.
func (c *Client) newConn(nc net.Conn) *Conn {
	conn := newConn(nc, true, c.options.Handler, &c.settings)
	if secure, ok := nc.(*tls.Conn); ok {
		conn.raw = secure.NetConn()
	}
	return conn
}

// refusing answers requests for which a client has no handler.
type refusing struct{}

// Opened does nothing.
func (refusing) Opened(*Conn) {}

// Serve refuses.
func (refusing) Serve(c *Conn, cmd *wire.Command) {
	if !cmd.Oneway() {
		c.Reply(cmd.ReplyError(wire.CodeRequestCodeNotSupported, "this client answers no requests"))
	}
}

// Flush does nothing.
func (refusing) Flush(*Conn) {}

// Closed does nothing.
func (refusing) Closed(*Conn) {}
