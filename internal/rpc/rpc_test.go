package rpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// A funcHandler is a Handler of functions; those that are nil do nothing.
type funcHandler struct {
	opened func(*Conn)
	serve  func(*Conn, *wire.Command)
	flush  func(*Conn)
	closed func(*Conn)
}

func (h funcHandler) Opened(c *Conn) {
	if h.opened != nil {
		h.opened(c)
	}
}

func (h funcHandler) Serve(c *Conn, cmd *wire.Command) {
	if h.serve != nil {
		h.serve(c, cmd)
	}
}

func (h funcHandler) Flush(c *Conn) {
	if h.flush != nil {
		h.flush(c)
	}
}

func (h funcHandler) Closed(c *Conn) {
	if h.closed != nil {
		h.closed(c)
	}
}

// echo answers every request with its body.
func echo() Handler {
	return funcHandler{serve: func(c *Conn, cmd *wire.Command) {
		if !cmd.Oneway() {
			c.Reply(&wire.Command{Code: wire.CodeSuccess, Opaque: cmd.Opaque, Flag: wire.FlagResponse, Body: cmd.Body})
		}
	}}
}

// request is the frame of a request.
func request(opaque int32, body string) []byte {
	return (&wire.Command{Code: wire.HeartBeat, Language: wire.LanguageGo, Opaque: opaque, Body: []byte(body)}).AppendTo(nil)
}

// readCommand reads one frame.
func readCommand(t testing.TB, r io.Reader) *wire.Command {
	t.Helper()
	cmd, err := nextCommand(r)
	if err != nil {
		t.Fatalf("read a frame: %v", err)
	}
	return cmd
}

func nextCommand(r io.Reader) (*wire.Command, error) {
	var size [lengthSize]byte
	if _, err := io.ReadFull(r, size[:]); err != nil {
		return nil, err
	}
	frame := make([]byte, binary.BigEndian.Uint32(size[:]))
	if _, err := io.ReadFull(r, frame); err != nil {
		return nil, err
	}
	var d wire.Decoder
	cmd := new(wire.Command)
	return cmd, d.Decode(frame, cmd)
}

// A logBook is a log that tests can read.
type logBook struct {
	mu struct {
		sync.Mutex
		bytes.Buffer
	}
}

func (l *logBook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.Buffer.Write(b)
}

func (l *logBook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.Buffer.String()
}

func (l *logBook) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

// startServer runs a server on loopback until the test ends; stop ends it and
// waits.
func startServer(t testing.TB, h Handler, o ServerOptions) (addr string, s *Server, stop func()) {
	t.Helper()
	s, err := Listen("127.0.0.1:0", h, o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	var wg sync.WaitGroup
	wg.Go(func() { ended <- s.Run(ctx) })
	stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		if err := <-ended; err != nil {
			t.Errorf("Run = %v", err)
		}
	})
	t.Cleanup(stop)
	return s.Addr().String(), s, stop
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	nc, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { nc.Close() })
	nc.SetDeadline(time.Now().Add(20 * time.Second))
	return nc
}

// testSettings are the defaults with small limits.
func testSettings() *settings {
	return &settings{
		idleTimeout: 120 * time.Second, writeTimeout: 30 * time.Second,
		maxFrame: wire.MaxFrame, writeBuffer: 64 << 20, log: slog.New(slog.DiscardHandler),
	}
}

// pipe serves one end of a pipe and returns both ends.
func pipe(t testing.TB, dialed bool, h Handler, s *settings) (*Conn, net.Conn) {
	t.Helper()
	here, there := net.Pipe()
	c := newConn(here, dialed, h, s)
	var wg sync.WaitGroup
	wg.Go(c.serve)
	t.Cleanup(func() {
		there.Close()
		c.Close()
		wg.Wait()
	})
	return c, there
}

// fault fails the test unless c ended with a fault that says text.
func wantFault(t testing.TB, c *Conn, text string) {
	t.Helper()
	<-c.Done()
	var f *fault
	if err := context.Cause(c.Context()); !errors.As(err, &f) || !strings.Contains(f.text, text) {
		t.Fatalf("connection ended with %v, want a fault that says %q", err, text)
	}
}

// wantClosed fails the test unless the peer closes nc without sending more.
func wantClosed(t testing.TB, nc net.Conn) {
	t.Helper()
	if n, err := nc.Read(make([]byte, 1)); n > 0 || err == nil || errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("Read = %d, %v, want a closed connection", n, err)
	}
}

// A script is a socket whose reads are given and whose writes are counted.
type script struct {
	net.Conn
	reads  chan []byte
	writes atomic.Int64
	got    bytes.Buffer
	rest   []byte
	keep   bool
}

func (s *script) Read(b []byte) (int, error) {
	for len(s.rest) == 0 {
		next, ok := <-s.reads
		if !ok {
			return 0, io.EOF
		}
		s.rest = next
	}
	n := copy(b, s.rest)
	s.rest = s.rest[n:]
	return n, nil
}

func (s *script) Write(b []byte) (int, error) {
	s.writes.Add(1)
	if s.keep {
		s.got.Write(b)
	}
	return len(b), nil
}

func (s *script) Close() error                     { return nil }
func (s *script) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (s *script) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (s *script) SetDeadline(time.Time) error      { return nil }
func (s *script) SetReadDeadline(time.Time) error  { return nil }
func (s *script) SetWriteDeadline(time.Time) error { return nil }
