package rpc

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/wire"
)

// Conditions that end a call.
var (
	// ErrClosed is wrapped by the error of every request whose connection
	// ended, together with the reason.
	ErrClosed = errors.New("connection is closed")
	// ErrTimeout is the error of a request that was not answered in time. It
	// is a context.DeadlineExceeded.
	ErrTimeout = fmt.Errorf("no answer in time: %w", context.DeadlineExceeded)
	// ErrFull is wrapped by the error of a request that was not sent because
	// too much waits to be written to a peer that reads too slowly.
	ErrFull = errors.New("too many bytes wait to be written, the peer reads too slowly")
	// ErrTooLarge is wrapped by the error of a request that was not sent
	// because its frame is longer than the protocol's limit.
	ErrTooLarge = errors.New("frame is too large")
)

// Reasons for a connection's end that need no attention.
var (
	errEnded    = errors.New("closed on this side")
	errIdle     = errors.New("idle for too long")
	errStopping = errors.New("this side is shutting down")
)

// A fault is a reason for a connection's end that an operator should read.
type fault struct{ text string }

func (f *fault) Error() string { return f.text }

// faultf makes a fault.
func faultf(format string, args ...any) error {
	return &fault{text: fmt.Sprintf(format, args...)}
}

// A Handler answers the requests of connections. All its methods are called on
// a connection's reading goroutine, so they hold up nothing but that connection.
type Handler interface {
	// Opened is called once, before anything else; it may set c.Session.
	Opened(c *Conn)
	// Serve is called for each request, oneway ones included. cmd and what it
	// refers to stay valid until Flush returns. Answers go through c.Reply, at
	// once or later from any goroutine.
	Serve(c *Conn, cmd *wire.Command)
	// Flush is called when everything that had arrived has been served.
	Flush(c *Conn)
	// Closed is called once, last, when every call pending on c has failed.
	Closed(c *Conn)
}

// A Conn is one connection, seen from either end: both sides may send requests
// on it. Its methods are safe for concurrent use.
type Conn struct {
	// Session is the handler's own. Only the reading goroutine may set it.
	Session any

	raw      net.Conn // the socket
	stream   net.Conn // raw or TLS over it; fixed before Opened
	dialed   bool     // this side dialled
	handler  Handler
	settings *settings
	local    netip.AddrPort
	remote   netip.AddrPort
	born     time.Time // what clock counts from
	ctx      context.Context
	cancel   context.CancelCauseFunc
	// wg counts writer goroutines and timeouts being reported; the reading
	// goroutine waits for them.
	wg        sync.WaitGroup
	stopping  atomic.Bool
	away      atomic.Bool  // requests are told to go away while it stops
	modern    bool         // the peer has sent a request that says it knows GO_AWAY; the reading goroutine's
	lastWrite atomic.Int64 // clock of the last successful write

	in    input // the reading goroutine's
	out   output
	calls calls
}

// settings is what a Server's or Client's connections have in common.
type settings struct {
	idleTimeout  time.Duration
	writeTimeout time.Duration
	maxFrame     int
	writeBuffer  int
	hook         func(*wire.Command)
	log          *slog.Logger
	calls        *meter.Calls // nil if they are not counted
	faults       logLimit
}

// newConn wraps a socket that nothing has been read from. serve must be called.
func newConn(nc net.Conn, dialed bool, h Handler, s *settings) *Conn {
	c := &Conn{
		raw: nc, stream: nc, dialed: dialed, handler: h, settings: s,
		local: addrPort(nc.LocalAddr()), remote: addrPort(nc.RemoteAddr()),
		born: time.Now(),
	}
	c.ctx, c.cancel = context.WithCancelCause(context.Background())
	c.in.buf, c.in.partial = make([]byte, readSmall), -1
	c.out.changed.L = &c.out
	c.out.write = c.writeOut
	c.out.deadlineSet = -s.writeTimeout
	return c
}

// addrPort is a's address with IPv4 in its short form; zero if it has none.
func addrPort(a net.Addr) netip.AddrPort {
	t, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.AddrPort{}
	}
	ap := t.AddrPort()
	return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port())
}

// LocalAddr is this end's address; zero if the socket is not TCP.
func (c *Conn) LocalAddr() netip.AddrPort { return c.local }

// RemoteAddr is the peer's address, or the one its proxy said it has.
func (c *Conn) RemoteAddr() netip.AddrPort { return c.remote }

// Secure reports whether the connection is encrypted. It is known once the connection
// is opened.
func (c *Conn) Secure() bool { return c.stream != c.raw }

// Context ends when the connection does; its cause says why.
func (c *Conn) Context() context.Context { return c.ctx }

// Done is closed when the connection has ended.
func (c *Conn) Done() <-chan struct{} { return c.ctx.Done() }

// Close ends the connection at once; what waits to be written is lost. It does
// not wait for the goroutines: they belong to the Server or Client.
func (c *Conn) Close() { c.close(errEnded) }

// Finish ends the connection when the burst that is being served is done and
// the answers that it owes are written.
func (c *Conn) Finish() { c.stop() }

// Buffered is how many bytes wait to be written or are being written, stored
// batches included.
func (c *Conn) Buffered() int {
	c.out.Lock()
	defer c.out.Unlock()
	return c.out.bytes
}

// clock is the monotonic time that deadlines of this connection are kept in.
func (c *Conn) clock() time.Duration { return time.Since(c.born) }

// close ends the connection for a reason; the first one stays.
func (c *Conn) close(cause error) {
	err := fmt.Errorf("rpc: %w (peer %v): %w", ErrClosed, c.raw.RemoteAddr(), cause)
	c.out.Lock()
	first := c.out.closed == nil
	if first {
		c.out.closed = err
		c.out.changed.Broadcast()
	}
	c.out.Unlock()
	if !first {
		return
	}
	c.cancel(err)
	c.raw.Close()
}

// stop asks the reading goroutine to finish the burst it serves, to let
// pending answers out and to end the connection.
func (c *Conn) stop() {
	c.stopping.Store(true)
	c.setReadDeadline(time.Now())
}

// setReadDeadline is the only way to move the deadline until sayGoodbye, lest
// stop's be undone.
func (c *Conn) setReadDeadline(at time.Time) {
	c.raw.SetReadDeadline(at)
	if c.stopping.Load() {
		c.raw.SetReadDeadline(time.Unix(1, 0))
	}
}

// serve reads the connection until it ends. The caller's goroutine becomes the
// reading goroutine; when serve returns no other is left.
func (c *Conn) serve() {
	c.setReadDeadline(time.Now().Add(c.settings.idleTimeout))
	c.handler.Opened(c)
	err := c.read()
	if errors.Is(err, errStopping) {
		c.drain()
	}
	c.end(err)
	c.handler.Closed(c)
}

// end closes the connection, waits for its goroutines and gives back what they
// left. It runs on the reading goroutine.
func (c *Conn) end(cause error) {
	c.close(cause)
	c.failCalls(context.Cause(c.ctx))
	c.wg.Wait()
	c.out.Lock()
	left, watch := c.out.next, c.out.watch
	c.out.next = frames{}
	c.out.Unlock()
	left.release()
	if watch != nil {
		watch.Stop()
	}
	c.logEnd()
}

// logEnd says why the connection ended: to operators if it was a fault.
func (c *Conn) logEnd() {
	cause := context.Cause(c.ctx)
	var f *fault
	if !errors.As(cause, &f) {
		c.settings.log.Debug("connection ended", "remote_address", c.remote.String(), "reason", cause)
		return
	}
	if skipped, ok := c.settings.faults.allow(); ok {
		c.settings.log.Warn("connection closed", "remote_address", c.remote.String(),
			"local_address", c.local.String(), "reason", f.text, "similar_not_logged", skipped)
	}
}

// quiet is how long drain waits after the last answer for the next: requests
// that are parked for longer must not hold up a shutdown.
const quiet = 200 * time.Millisecond

// drain waits until the answers still owed are written, or none has been for a
// while, and says goodbye. Where a server stops it turns requests away meanwhile,
// for quiet at least. The server bounds it by closing the connection.
func (c *Conn) drain() {
	tick := time.NewTicker(quiet / 20)
	defer tick.Stop()
	away := c.away.Load() && c.modern
	start := c.clock()
	for moved, least := start, math.MaxInt; ; {
		c.out.Lock()
		waiting, owed := c.out.bytes, c.out.owed
		c.out.Unlock()
		now := c.clock()
		if owed < least {
			moved, least = now, owed
		}
		if waiting == 0 && (owed <= 0 || now-moved >= quiet) && (!away || now-start >= quiet) {
			break
		}
		if away {
			if !c.turnAway(quiet / 20) {
				return
			}
			continue
		}
		select {
		case <-tick.C:
		case <-c.ctx.Done():
			return
		}
	}
	c.sayGoodbye()
}

// sayGoodbye ends the sending direction and reads on for a moment: closing a
// socket that holds unread bytes resets it, and a reset throws away answers
// that the peer has not read yet.
func (c *Conn) sayGoodbye() {
	half, ok := c.stream.(interface{ CloseWrite() error })
	if !ok {
		return
	}
	until := time.Now().Add(quiet)
	c.raw.SetWriteDeadline(until)
	c.raw.SetReadDeadline(until)
	if half.CloseWrite() == nil {
		io.Copy(io.Discard, c.stream)
	}
}
