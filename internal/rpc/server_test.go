package rpc

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/wire"
)

// A server asks its client something on the client's own connection.
func TestServerStartsRequests(t *testing.T) {
	conns := make(chan *Conn, 1)
	addr, _, _ := startServer(t, funcHandler{opened: func(c *Conn) { conns <- c }}, ServerOptions{})
	for _, h := range []Handler{nil, echo()} {
		client := NewClient(ClientOptions{Handler: h})
		if _, err := client.Conn(t.Context(), addr); err != nil {
			t.Fatal(err)
		}
		want := wire.CodeSuccess
		if h == nil {
			want = wire.CodeRequestCodeNotSupported
		}
		c := <-conns
		resp, err := c.Call(t.Context(), &wire.Command{Code: wire.HeartBeat, Body: []byte("x")})
		if err != nil || resp.Code != want {
			t.Fatalf("the client answered %+v, %v, want code %d", resp, err, want)
		}
		client.Close()
	}
}

func TestOnewayIsServedAndNotAnswered(t *testing.T) {
	addr, _, _ := startServer(t, echo(), ServerOptions{})
	nc := dial(t, addr)
	oneway := &wire.Command{Code: wire.HeartBeat, Opaque: 1, Flag: wire.FlagOneway}
	nc.Write(append(oneway.AppendTo(nil), request(2, "")...))
	if got := readCommand(t, nc); got.Opaque != 2 {
		t.Fatalf("opaque %d was answered first", got.Opaque)
	}
}

// Stopping waits for answers that are on their way, not for parked requests.
func TestStopLetsAnswersOut(t *testing.T) {
	served := make(chan struct{}, 2)
	var later sync.WaitGroup
	h := funcHandler{serve: func(c *Conn, cmd *wire.Command) {
		opaque := cmd.Opaque
		served <- struct{}{}
		if opaque == 1 {
			return // parked for ever
		}
		later.Go(func() {
			<-time.After(100 * time.Millisecond)
			c.Reply(answer(opaque))
		})
	}}
	addr, _, stop := startServer(t, h, ServerOptions{})
	nc := dial(t, addr)
	nc.Write(append(request(1, ""), request(2, "")...))
	<-served
	<-served
	stopped := make(chan time.Duration, 1)
	go func() {
		start := time.Now()
		stop()
		stopped <- time.Since(start)
	}()
	if got := readCommand(t, nc); got.Opaque != 2 {
		t.Fatalf("opaque %d", got.Opaque)
	}
	wantClosed(t, nc)
	nc.Close()
	if got := <-stopped; got > 2*time.Second {
		t.Fatalf("stopping took %v", got)
	}
	later.Wait()
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Fatal("a stopped server accepts connections")
	}
}

// What a server that stops does not serve any more it says so of, to clients that
// know the code; answers that it owes still come.
func TestRequestsThatComeTooLateAreToldToGoAway(t *testing.T) {
	for version, told := range map[int32]bool{wire.V5_5_0: true, wire.V5_3_1: false} {
		synctest.Test(t, func(t *testing.T) {
			late := func(opaque int32) []byte {
				return (&wire.Command{Code: wire.SendMessage, Language: wire.LanguageJava, Version: version, Opaque: opaque}).AppendTo(nil)
			}
			h := funcHandler{serve: func(c *Conn, cmd *wire.Command) {
				opaque := cmd.Opaque
				time.AfterFunc(quiet/2, func() { c.Reply(answer(opaque)) })
			}}
			c, there := pipe(t, false, h, testSettings())
			there.Write(late(1))
			synctest.Wait()
			c.leave()
			synctest.Wait()
			go there.Write(late(2))
			if told {
				if got := readCommand(t, there); got.Opaque != 2 || got.Code != wire.CodeGoAway || !strings.Contains(got.Remark, "stopping") {
					t.Errorf("answered %+v", got)
				}
			}
			if got := readCommand(t, there); got.Opaque != 1 || got.Code != wire.CodeSuccess {
				t.Errorf("the answer that was owed is %+v", got)
			}
			if _, err := there.Read(make([]byte, 1)); err == nil {
				t.Error("the connection goes on")
			}
			there.Close()
		})
	}
}

// A client that does not read cannot hold up a stop beyond Drain.
func TestStopIsBounded(t *testing.T) {
	chunk := make([]byte, 8<<20)
	served := make(chan struct{}, 1)
	h := funcHandler{serve: func(c *Conn, cmd *wire.Command) {
		c.Reply(answer(cmd.Opaque, chunk))
		served <- struct{}{}
	}}
	addr, _, stop := startServer(t, h, ServerOptions{Drain: 300 * time.Millisecond})
	nc := dial(t, addr)
	nc.Write(request(1, ""))
	<-served
	start := time.Now()
	stop()
	if got := time.Since(start); got > 3*time.Second {
		t.Fatalf("stopping took %v", got)
	}
}

func TestConnectionsBeyondTheLimitAreRefused(t *testing.T) {
	var log logBook
	addr, s, stop := startServer(t, echo(), ServerOptions{MaxConns: 2, Log: log.logger()})
	var open []net.Conn
	for range 2 {
		nc := dial(t, addr)
		nc.Write(request(1, ""))
		readCommand(t, nc)
		open = append(open, nc)
	}
	for range 20 {
		wantClosed(t, dial(t, addr))
	}
	open[0].Write(request(2, ""))
	readCommand(t, open[0])
	if got := s.Conns(); got != 2 {
		t.Errorf("%d connections", got)
	}
	stop()
	if got := strings.Count(log.String(), "too many are open"); got < 1 || got > 10 {
		t.Errorf("%d log lines about 20 refusals", got)
	}
}

// certificate is a self-signed one for 127.0.0.1 and the pool that trusts it.
func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(leaf)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// One port takes TLS and plain connections, or TLS alone.
func TestTLSAndPlainShareAPort(t *testing.T) {
	cert, pool := certificate(t)
	body := strings.Repeat("x", 300<<10)
	for _, only := range []bool{false, true} {
		addr, _, _ := startServer(t, echo(), ServerOptions{Door: &door.Door{TLS: &tls.Config{Certificates: []tls.Certificate{cert}}, Only: only}})
		for _, config := range []*tls.Config{nil, {RootCAs: pool}} {
			client := NewClient(ClientOptions{TLS: config})
			resp, err := client.Call(t.Context(), addr, &wire.Command{Body: []byte(body), Chunks: [][]byte{[]byte(body)}})
			switch {
			case only && config == nil:
				if !errors.Is(err, ErrClosed) {
					t.Errorf("plain call to a TLS-only port: %v", err)
				}
			case err != nil:
				t.Errorf("TLS only %v, TLS client %v: %v", only, config != nil, err)
			case string(resp.Body) != body+body:
				t.Errorf("%d bytes came back", len(resp.Body))
			}
			client.Close()
		}
	}
	if _, err := Listen("127.0.0.1:0", echo(), ServerOptions{MaxConns: -1}); err == nil ||
		!strings.Contains(err.Error(), "max-connections") {
		t.Errorf("Listen with bad options = %v", err)
	}
}

// A PROXY header gives the peer's address, in one piece or byte by byte.
func TestProxyHeaderGivesThePeersAddress(t *testing.T) {
	conns := make(chan *Conn, 1)
	h := funcHandler{opened: func(c *Conn) { conns <- c }, serve: echo().Serve}
	addr, _, _ := startServer(t, h, ServerOptions{Door: &door.Door{Proxy: true}})
	const proxyV2 = "\r\n\r\n\x00\r\nQUIT\n"
	v2 := func(kind, family byte, body ...byte) string {
		head := append([]byte(proxyV2), 0x20|kind, family)
		return string(append(binary.BigEndian.AppendUint16(head, uint16(len(body))), body...))
	}
	four := []byte{192, 0, 2, 7, 10, 0, 0, 1, 0x12, 0x67, 0x2a, 0x9f}
	sixteen := append(netip.MustParseAddr("2001:db8::7").AsSlice(), make([]byte, 16)...)
	sixteen = append(sixteen, 0x12, 0x67, 0x2a, 0x9f)
	for _, c := range []struct{ name, head, want string }{
		{"v1", "PROXY TCP4 192.0.2.7 10.0.0.1 4711 10911\r\n", "192.0.2.7:4711"},
		{"v1 six", "PROXY TCP6 2001:db8::7 ::1 4711 10911\r\n", "[2001:db8::7]:4711"},
		{"v1 unknown", "PROXY UNKNOWN\r\n", "own"},
		{"v2", v2(1, 0x11, four...), "192.0.2.7:4711"},
		{"v2 with more", v2(1, 0x11, append(four, 4, 0, 1, 0)...), "192.0.2.7:4711"},
		{"v2 six", v2(1, 0x21, sixteen...), "[2001:db8::7]:4711"},
		{"v2 local", v2(0, 0), "own"},
		{"none", "", "own"},
		{"v1 malformed", "PROXY TCP4 nobody\r\n", ""},
		{"v1 endless", "PROXY " + strings.Repeat("x", 200), ""},
		{"v2 short", v2(1, 0x11, 1, 2), ""},
		{"v2 version", strings.Replace(v2(0, 0), "\x20", "\x30", 1), ""},
		{"v2 huge", proxyV2 + "\x21\x11\xff\xff", ""},
	} {
		for _, piece := range []int{1, 1000} {
			t.Run(fmt.Sprintf("%s by %d", c.name, piece), func(t *testing.T) {
				nc := dial(t, addr)
				for rest := []byte(c.head + string(request(1, "x"))); len(rest) > 0; {
					n := min(piece, len(rest))
					nc.Write(rest[:n])
					rest = rest[n:]
				}
				if c.want == "" {
					wantClosed(t, nc)
					return
				}
				readCommand(t, nc)
				want := c.want
				if want == "own" {
					want = nc.LocalAddr().String()
				}
				if got := (<-conns).RemoteAddr().String(); got != want {
					t.Errorf("RemoteAddr = %s, want %s", got, want)
				}
			})
		}
	}
}

// An idle connection costs one goroutine and little memory, after traffic as
// before; the figure in the package comment is this test's with n = 9000.
func TestIdleConnectionsAreCheap(t *testing.T) {
	const n, limit = 1000, 16 << 10
	addr, _, _ := startServer(t, echo(), ServerOptions{})
	measure := func() (bytes uint64, goroutines int) {
		var m runtime.MemStats
		runtime.GC()
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc + m.StackInuse, runtime.NumGoroutine()
	}
	bytes, goroutines := measure()
	for range n {
		nc := dial(t, addr)
		nc.Write(request(1, strings.Repeat("x", 500)))
		readCommand(t, nc)
	}
	<-time.After(trimAfter + trimAfter/4)
	bytes2, goroutines2 := measure()
	per := int64(bytes2-bytes) / n
	t.Logf("%d bytes per idle connection, both ends", per)
	if per > limit {
		t.Errorf("an idle connection costs %d bytes, want at most %d", per, limit)
	}
	if got := goroutines2 - goroutines; got > n+10 {
		t.Errorf("%d goroutines for %d connections", got, n)
	}
}

// Clients that send byte by byte do not delay others.
func TestDribblersDoNotDelayOthers(t *testing.T) {
	addr, s, _ := startServer(t, echo(), ServerOptions{})
	var dribblers []net.Conn
	frame := request(1, "dribble")
	for range 100 {
		dribblers = append(dribblers, dial(t, addr))
	}
	nc := dial(t, addr)
	var took []time.Duration
	for i := range frame {
		for _, d := range dribblers {
			if _, err := d.Write(frame[i : i+1]); err != nil {
				t.Fatal(err)
			}
		}
		start := time.Now()
		nc.Write(request(int32(i), ""))
		if got := readCommand(t, nc); got.Opaque != int32(i) {
			t.Fatalf("opaque %d", got.Opaque)
		}
		took = append(took, time.Since(start))
	}
	slices.Sort(took)
	if median := took[len(took)/2]; median > 20*time.Millisecond {
		t.Errorf("a request beside dribblers takes %v", median)
	}
	for _, d := range dribblers {
		if got := readCommand(t, d); string(got.Body) != "dribble" {
			t.Fatalf("a dribbler was answered %q", got.Body)
		}
	}
	if got := s.Conns(); got != 101 {
		t.Errorf("%d connections", got)
	}
}

// A failing Accept is tried again.
func TestAcceptGoesOnAfterErrors(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var log logBook
	s := newServer(&failing{Listener: ln, left: 3}, echo(), ServerOptions{Log: log.logger()}.WithDefaults())
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	nc := dial(t, ln.Addr().String())
	nc.Write(request(1, ""))
	readCommand(t, nc)
	cancel()
	wg.Wait()
	if got := strings.Count(log.String(), "trying again"); got != 3 {
		t.Errorf("%d log lines about 3 failures", got)
	}
}

// A failing listener's first Accepts fail.
type failing struct {
	net.Listener
	left int
}

func (f *failing) Accept() (net.Conn, error) {
	if f.left > 0 {
		f.left--
		return nil, errors.New("too many open files")
	}
	return f.Listener.Accept()
}

// A half-closed client still gets its answers.
func TestHalfClosedClientIsAnswered(t *testing.T) {
	addr, _, _ := startServer(t, echo(), ServerOptions{})
	nc := dial(t, addr)
	nc.Write(request(1, "last words"))
	nc.(*net.TCPConn).CloseWrite()
	if got := readCommand(t, nc); string(got.Body) != "last words" {
		t.Fatalf("body %q", got.Body)
	}
	if _, err := nc.Read(make([]byte, 1)); err != io.EOF {
		t.Fatalf("err = %v", err)
	}
}
