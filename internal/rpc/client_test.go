package rpc

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// Callers that need an address at the same time share one connection.
func TestConcurrentCallersShareAConnection(t *testing.T) {
	var opened atomic.Int64
	h := funcHandler{opened: func(*Conn) { opened.Add(1) }, serve: echo().Serve}
	addr, _, _ := startServer(t, h, ServerOptions{})
	client := NewClient(ClientOptions{})
	defer client.Close()
	var wg sync.WaitGroup
	for range 50 {
		wg.Go(func() {
			resp, err := client.Call(t.Context(), addr, &wire.Command{Body: []byte("x")})
			if err != nil || string(resp.Body) != "x" {
				t.Errorf("Call = %v, %v", resp, err)
			}
		})
	}
	wg.Wait()
	if got := opened.Load(); got != 1 {
		t.Fatalf("%d connections", got)
	}
}

// A connection that ended is dialled again when it is needed.
func TestClientDialsAgain(t *testing.T) {
	addr, _, stop := startServer(t, echo(), ServerOptions{})
	client := NewClient(ClientOptions{DialTimeout: time.Second})
	defer client.Close()
	first, err := client.Conn(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	stop()
	<-first.Done()
	if _, err := client.Call(t.Context(), addr, &wire.Command{}); err == nil || !strings.Contains(err.Error(), addr) {
		t.Fatalf("call to a stopped server = %v", err)
	}
	s, err := Listen(addr, echo(), ServerOptions{})
	if err != nil {
		t.Skipf("the port was taken meanwhile: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { s.Run(ctx) })
	if _, err := client.Call(t.Context(), addr, &wire.Command{}); err != nil {
		t.Error(err)
	}
	cancel()
	wg.Wait()
}

// The hook sees requests, not answers, before they are encoded.
func TestHookSignsRequests(t *testing.T) {
	conns := make(chan *Conn, 1)
	h := funcHandler{opened: func(c *Conn) { conns <- c }, serve: func(c *Conn, cmd *wire.Command) {
		signature, _ := cmd.Fields.Get("Signature")
		c.Reply(&wire.Command{Opaque: cmd.Opaque, Flag: wire.FlagResponse, Body: []byte(signature)})
	}}
	addr, _, _ := startServer(t, h, ServerOptions{})
	hooked := 0
	client := NewClient(ClientOptions{Handler: echo(), Hook: func(cmd *wire.Command) {
		hooked++
		cmd.Fields = cmd.Fields.Add("Signature", "mine")
	}})
	defer client.Close()
	resp, err := client.Call(t.Context(), addr, &wire.Command{})
	if err != nil || string(resp.Body) != "mine" {
		t.Fatalf("Call = %v, %v", resp, err)
	}
	if _, err := (<-conns).Call(t.Context(), &wire.Command{}); err != nil {
		t.Fatal(err)
	}
	if hooked != 1 {
		t.Fatalf("the hook was called %d times", hooked)
	}
}

// A closed client has no goroutines and accepts no calls.
func TestClosedClientFailsCalls(t *testing.T) {
	started := make(chan struct{})
	addr, _, _ := startServer(t, funcHandler{serve: func(*Conn, *wire.Command) { close(started) }}, ServerOptions{})
	client := NewClient(ClientOptions{})
	outcome := make(chan error, 1)
	go func() {
		_, err := client.Call(context.Background(), addr, &wire.Command{})
		outcome <- err
	}()
	<-started
	client.Close()
	if err := <-outcome; !errors.Is(err, ErrClosed) {
		t.Errorf("pending call = %v", err)
	}
	if _, err := client.Call(context.Background(), addr, &wire.Command{}); !errors.Is(err, ErrClosed) {
		t.Errorf("later call = %v", err)
	}
}

// Connecting is bounded by the caller's context and by DialTimeout.
func TestDialIsBounded(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	// A TLS handshake that is never answered stands for an unreachable host.
	client := NewClient(ClientOptions{DialTimeout: 200 * time.Millisecond, TLS: new(tls.Config)})
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := client.Conn(ctx, ln.Addr().String()); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Conn = %v", err)
	}
	start := time.Now()
	if _, err := client.Conn(t.Context(), ln.Addr().String()); err == nil || time.Since(start) > 3*time.Second {
		t.Errorf("Conn = %v after %v", err, time.Since(start))
	}
}
