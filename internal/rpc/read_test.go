package rpc

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// Requests that a client sends without waiting are answered in their order.
func TestPipelinedRequestsAreAnsweredInOrder(t *testing.T) {
	addr, _, _ := startServer(t, echo(), ServerOptions{})
	nc := dial(t, addr)
	const n = 20000
	var all []byte
	for i := range int32(n) {
		all = append(all, request(i, fmt.Sprintf("body %d", i))...)
	}
	wrote := make(chan error, 1)
	go func() { _, err := nc.Write(all); wrote <- err }()
	for i := range int32(n) {
		cmd := readCommand(t, nc)
		if want := fmt.Sprintf("body %d", i); cmd.Opaque != i || string(cmd.Body) != want {
			t.Fatalf("answer %d has opaque %d, body %q", i, cmd.Opaque, cmd.Body)
		}
	}
	if err := <-wrote; err != nil {
		t.Fatal(err)
	}
}

// However many requests arrived together, their answers leave in one write.
func TestBurstLeavesInOneWrite(t *testing.T) {
	for _, n := range []int32{1, 7, 40} {
		s := &script{reads: make(chan []byte, 1), keep: true}
		var burst []byte
		for i := range n {
			burst = append(burst, request(i, "")...)
		}
		if len(burst) >= readSmall {
			t.Fatalf("%d requests do not fit into one read", n)
		}
		s.reads <- burst
		close(s.reads)
		newConn(s, false, echo(), testSettings()).serve()
		if got := s.writes.Load(); got != 1 {
			t.Errorf("%d requests were answered in %d writes, want 1", n, got)
		}
		for i := range n {
			if cmd := readCommand(t, &s.got); cmd.Opaque != i {
				t.Fatalf("answer %d has opaque %d", i, cmd.Opaque)
			}
		}
	}
}

// What Serve was given is untouched until Flush returns, while the buffer and
// the table of commands grow.
func TestRequestsStayValidUntilFlush(t *testing.T) {
	var held []*wire.Command
	served := int32(0)
	h := funcHandler{
		serve: func(_ *Conn, cmd *wire.Command) { held = append(held, cmd) },
		flush: func(*Conn) {
			for _, cmd := range held {
				if want := strings.Repeat(string(rune('a'+served%26)), int(served)); cmd.Opaque != served || string(cmd.Body) != want {
					t.Errorf("request %d has become opaque %d with %d bytes", served, cmd.Opaque, len(cmd.Body))
				}
				served++
			}
			held = held[:0]
		},
	}
	const n = 3000
	s := &script{reads: make(chan []byte, 1)}
	var all []byte
	for i := range int32(n) {
		all = append(all, request(i, strings.Repeat(string(rune('a'+i%26)), int(i)))...)
	}
	s.reads <- all
	close(s.reads)
	newConn(s, false, h, testSettings()).serve()
	if served != n {
		t.Fatalf("served %d of %d", served, n)
	}
}

// A burst is bounded, and what is beyond the bound follows at once.
func TestBurstIsBounded(t *testing.T) {
	var bursts []int
	n := 0
	h := funcHandler{
		serve: func(*Conn, *wire.Command) { n++ },
		flush: func(*Conn) { bursts = append(bursts, n); n = 0 },
	}
	s := &script{reads: make(chan []byte, 1)}
	c := newConn(s, false, h, testSettings())
	c.in.buf = make([]byte, readLarge)
	s.reads <- bytes.Repeat(request(1, ""), 2*burstFrames+3)
	close(s.reads)
	c.serve()
	if fmt.Sprint(bursts) != fmt.Sprint([]int{burstFrames, burstFrames, 3}) {
		t.Fatalf("bursts of %v", bursts)
	}
}

// A frame that is cut anywhere and arrives in pieces is served all the same.
func TestFramesArriveInPieces(t *testing.T) {
	one := request(7, "hello")
	for cut := range len(one) {
		s := &script{reads: make(chan []byte, 2), keep: true}
		s.reads <- one[:cut]
		s.reads <- one[cut:]
		close(s.reads)
		newConn(s, false, echo(), testSettings()).serve()
		if cmd := readCommand(t, &s.got); cmd.Opaque != 7 || string(cmd.Body) != "hello" {
			t.Fatalf("cut at %d: %+v", cut, cmd)
		}
	}
}

// The buffer grows with what arrives, not with what a frame claims to be.
func TestBufferGrowsWithArrivingBytes(t *testing.T) {
	s := &script{reads: make(chan []byte, 4)}
	c := newConn(s, false, echo(), testSettings())
	head := binary.BigEndian.AppendUint32(nil, wire.MaxFrame)
	s.reads <- append(append(head, 0, 0, 0, 2), make([]byte, 10000)...)
	close(s.reads)
	c.serve()
	if len(c.in.buf) > 64<<10 {
		t.Fatalf("10 kB of a large frame made a buffer of %d", len(c.in.buf))
	}

	addr, _, _ := startServer(t, echo(), ServerOptions{})
	nc := dial(t, addr)
	body := strings.Repeat("x", 9<<20)
	go nc.Write(request(1, body))
	if got := readCommand(t, nc); string(got.Body) != body {
		t.Fatalf("a frame of 9 MiB came back with %d bytes", len(got.Body))
	}
}

// Bytes that are no frame end the connection at once, with a line in the log
// that says who it was and what is spoken here.
func TestForeignBytesAreRefusedWithAReason(t *testing.T) {
	for _, c := range []struct{ name, bytes, want string }{
		{"http", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "an HTTP request; this port speaks the RocketMQ remoting protocol"},
		{"http2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "gRPC preface; this port"},
		{"tls", "\x16\x03\x01\x02\x00\x01\x00", "TLS is not configured; this port"},
		{"proxy", "PROXY TCP4 1.2.3.4 1.2.3.4 1 2\r\n", "proxy-protocol is off"},
		{"too long", "\x01\x00\x00\x01", "16777217 bytes, the limit is 16777216"},
		{"negative", "\xff\xff\xff\xff", "a frame of -1 bytes"},
		{"too short", "\x00\x00\x00\x03\x00\x00\x00", "a frame of 3 bytes"},
		{"serialization", "\x00\x00\x10\x00\x07\x00\x00\x10", "header mark 07000010"},
		{"header beyond frame", "\x00\x00\x00\x10\x00\x00\x00\x11", "header mark 00000011"},
		{"not json", "\x00\x00\x00\x08\x00\x00\x00\x04abcd", "cannot be decoded"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var log logBook
			addr, _, stop := startServer(t, echo(), ServerOptions{Log: log.logger()})
			nc := dial(t, addr)
			io.WriteString(nc, c.bytes)
			wantClosed(t, nc)
			stop()
			if got := log.String(); !strings.Contains(got, c.want) || !strings.Contains(got, "remote_address="+nc.LocalAddr().String()) {
				t.Errorf("the log says %q, want %q and the address", got, c.want)
			}
		})
	}
}

// What was good before the bad frame is still answered.
func TestGoodFramesBeforeABadOneAreAnswered(t *testing.T) {
	addr, _, _ := startServer(t, echo(), ServerOptions{})
	nc := dial(t, addr)
	nc.Write(append(request(5, "x"), 0xff, 0, 0, 0))
	if got := readCommand(t, nc); got.Opaque != 5 {
		t.Fatalf("opaque %d", got.Opaque)
	}
	wantClosed(t, nc)
}

func TestIdleConnectionIsClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c, there := pipe(t, false, echo(), testSettings())
		<-time.After(100 * time.Second)
		there.Write(request(1, ""))
		readCommand(t, there)
		<-c.Done()
		if got := time.Since(start); got != 220*time.Second {
			t.Fatalf("closed after %v, want 120s after the last request at 100s", got)
		}
	})
}

// One byte a second is no traffic: the frame has to become complete.
func TestByteByByteIsCutAfterTheIdleTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, false, echo(), testSettings())
		there.Write(request(1, "")) // a good beginning
		readCommand(t, there)
		start := time.Now()
		slow := request(2, strings.Repeat("x", 1000))
		for i := range slow {
			if _, err := there.Write(slow[i : i+1]); err != nil {
				break
			}
			<-time.After(time.Second)
		}
		wantFault(t, c, "a frame was not complete 2m0s after its first byte")
		if got := time.Since(start); got > 122*time.Second {
			t.Fatalf("cut after %v", got)
		}
	})
}

// A side that only sends is not idle.
func TestOnewaySenderIsNotIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, true, echo(), testSettings())
		go io.Copy(io.Discard, there)
		for range 20 {
			if err := c.Oneway(&wire.Command{Code: wire.HeartBeat}); err != nil {
				t.Fatal(err)
			}
			<-time.After(30 * time.Second)
		}
		start := time.Now()
		<-c.Done()
		if got := time.Since(start); got > 120*time.Second {
			t.Fatalf("closed %v later", got)
		}
	})
}

// A connection that was busy gives its memory back when it is quiet.
func TestQuietConnectionShrinks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, false, echo(), testSettings())
		body := strings.Repeat("x", 1<<20)
		go there.Write(request(1, body))
		readCommand(t, there)
		<-time.After(2*trimAfter + time.Millisecond)
		synctest.Wait()
		if got := len(c.in.buf) + cap(c.in.cmds); got != readSmall {
			t.Errorf("the reading side holds %d", got)
		}
		if got := cap(c.out.next.buf) + cap(c.out.flight.buf); got != 0 {
			t.Errorf("the writing side holds %d bytes", got)
		}
	})
}

// Giving memory back loses nothing of a frame that is not complete.
func TestShrinkingKeepsAPartialFrame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, false, echo(), testSettings())
		body := strings.Repeat("0123456789", 100<<10)
		frame := request(1, body)
		go there.Write(append(request(0, body), frame[:50000]...))
		readCommand(t, there)
		<-time.After(2*trimAfter + time.Millisecond)
		synctest.Wait()
		if got := len(c.in.buf); got > 64<<10 {
			t.Errorf("50 kB of a frame are kept in %d bytes", got)
		}
		go there.Write(frame[50000:])
		if got := readCommand(t, there); string(got.Body) != body {
			t.Fatalf("%d bytes came back, want %d unchanged", len(got.Body), len(body))
		}
	})
}

// Serving a request and answering it allocates nothing.
func TestServingAllocatesNothing(t *testing.T) {
	resp := wire.Command{Code: wire.CodeSuccess, Flag: wire.FlagResponse, Serialization: wire.Binary}
	h := funcHandler{serve: func(c *Conn, cmd *wire.Command) {
		resp.Opaque = cmd.Opaque
		c.Reply(&resp)
	}}
	c := newConn(&script{}, false, h, testSettings())
	burst := bytes.Repeat((&wire.Command{Code: wire.SendMessage, Serialization: wire.Binary, Body: make([]byte, 64)}).AppendTo(nil), 30)
	allocs := testing.AllocsPerRun(1000, func() {
		c.in.w = copy(c.in.buf, burst)
		if err := c.serveArrived(); err != nil {
			t.Fatal(err)
		}
	})
	if allocs >= 1 {
		t.Fatalf("a burst of 30 requests allocates %v times", allocs)
	}
}

// Whatever bytes arrive, in whatever pieces, the frames cut are those that a
// plain reader of lengths would find, and nothing panics.
func FuzzServeBytes(f *testing.F) {
	f.Add(request(1, "hello"), uint16(3))
	f.Add(append(request(1, ""), request(2, "x")...), uint16(1))
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"), uint16(100))
	f.Add([]byte("\x00\x00\x00\x04\x00\x00\x00\x00"), uint16(5))
	f.Add(bytes.Repeat([]byte{0}, 64), uint16(9))
	f.Fuzz(func(t *testing.T, data []byte, piece uint16) {
		want := 0
		for rest := data; len(rest) >= lengthSize; {
			size := int(int32(binary.BigEndian.Uint32(rest)))
			if size < markSize || size > wire.MaxFrame || len(rest) < lengthSize+size {
				break
			}
			if new(wire.Decoder).Decode(rest[lengthSize:lengthSize+size], new(wire.Command)) != nil {
				break
			}
			want++
			rest = rest[lengthSize+size:]
		}
		s := &script{reads: make(chan []byte, len(data)+1)}
		for rest := data; len(rest) > 0; {
			n := min(len(rest), 1+int(piece))
			s.reads <- rest[:n]
			rest = rest[n:]
		}
		close(s.reads)
		c := newConn(s, false, echo(), testSettings())
		c.serve()
		if got := int(c.in.frames); got != want && got != want+1 {
			t.Fatalf("cut %d frames, want %d, or one more that cannot be decoded", got, want)
		}
	})
}

// BenchmarkServe measures a connection without its socket.
func BenchmarkServe(b *testing.B) {
	resp := wire.Command{Code: wire.CodeSuccess, Flag: wire.FlagResponse, Serialization: wire.Binary}
	h := funcHandler{serve: func(c *Conn, cmd *wire.Command) {
		resp.Opaque = cmd.Opaque
		c.Reply(&resp)
	}}
	c := newConn(&script{}, false, h, testSettings())
	c.in.buf = make([]byte, 64<<10)
	burst := bytes.Repeat((&wire.Command{Code: wire.SendMessage, Serialization: wire.Binary, Body: make([]byte, 64)}).AppendTo(nil), 100)
	b.ReportAllocs()
	for n := 0; n < b.N; n += 100 {
		c.in.w = copy(c.in.buf, burst)
		if err := c.serveArrived(); err != nil {
			b.Fatal(err)
		}
	}
}
