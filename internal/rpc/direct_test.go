package rpc

import (
	"bytes"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goddardmq/goddard/internal/wire"
)

// deferred is a connection with a request that its handler leaves to the test to
// answer, and the peer's end of it.
func deferred(t *testing.T) (c *Conn, there net.Conn, stop func()) {
	t.Helper()
	conns := make(chan *Conn, 1)
	addr, _, stop := startServer(t, funcHandler{serve: func(c *Conn, _ *wire.Command) { conns <- c }}, ServerOptions{})
	there = dial(t, addr)
	there.Write(request(1, ""))
	return <-conns, there, stop
}

func TestReplyHereIsWrittenWhenItReturns(t *testing.T) {
	c, there, stop := deferred(t)
	defer stop()
	for i := range int32(100) {
		c.ReplyHere(answer(i, []byte("chunk")))
		if n := c.Buffered(); n != 0 && c.out.direct != nil {
			t.Fatalf("%d bytes wait after answer %d, though the socket has room", n, i)
		}
		if got := readCommand(t, there); got.Opaque != i || string(got.Body) != "bchunk" {
			t.Fatalf("got opaque %d, body %q", got.Opaque, got.Body)
		}
	}
}

// The answer to the last request that waits is written at once, others by a goroutine
// that may take several.
func TestReplyLastIsWrittenWhenItReturns(t *testing.T) {
	c, there, stop := deferred(t)
	defer stop()
	for i := range int32(100) {
		owed := 1 + int(i)%2
		c.out.Lock()
		for c.out.burst || c.out.writing {
			c.out.Unlock()
			runtime.Gosched()
			c.out.Lock()
		}
		c.out.owed = owed
		c.out.Unlock()
		c.ReplyLast(answer(i, []byte("chunk")))
		if n := c.Buffered(); n != 0 && owed == 1 && c.out.direct != nil {
			t.Fatalf("%d bytes wait after answer %d, though the socket has room", n, i)
		}
		if got := readCommand(t, there); got.Opaque != i || string(got.Body) != "bchunk" {
			t.Fatalf("got opaque %d, body %q", got.Opaque, got.Body)
		}
	}
}

// A peer that does not read makes nobody wait, and gets everything in order
// when it does.
func TestReplyHereToAFullSocketIsFinishedLater(t *testing.T) {
	c, there, stop := deferred(t)
	defer stop()
	const answers, size = 48, 1 << 20 // more than a loopback socket holds
	chunk := bytes.Repeat([]byte("x"), size)
	var released atomic.Int32
	for i := range int32(answers) {
		cmd := answer(i, chunk[:size/2], chunk[size/2:])
		cmd.Release = func() { released.Add(1) }
		c.ReplyHere(cmd)
	}
	if c.Buffered() == 0 {
		t.Fatal("the socket took everything; the test needs larger answers")
	}
	for i := range int32(answers) {
		if got := readCommand(t, there); got.Opaque != i || len(got.Body) != size+1 {
			t.Fatalf("answer %d: opaque %d, %d bytes", i, got.Opaque, len(got.Body))
		}
	}
	stop()
	if n := released.Load(); n != answers {
		t.Errorf("%d of %d answers were released", n, answers)
	}
}

func TestReplyHereAndReplyMix(t *testing.T) {
	c, there, stop := deferred(t)
	defer stop()
	const each = 2000
	var senders sync.WaitGroup
	for g := range int32(4) {
		senders.Go(func() {
			for i := range int32(each) {
				cmd := answer(g*each+i, []byte("some bytes that are spliced in or copied"))
				if g%2 == 0 {
					c.ReplyHere(cmd)
				} else {
					c.Reply(cmd)
				}
			}
		})
	}
	next := map[int32]int32{}
	for range 4 * each {
		got := readCommand(t, there)
		g := got.Opaque / each
		if got.Opaque%each != next[g] {
			t.Fatalf("sender %d: answer %d follows %d", g, got.Opaque%each, next[g]-1)
		}
		next[g]++
	}
	senders.Wait()
}

func TestReplyHereAfterTheEndIsDropped(t *testing.T) {
	c, _, stop := deferred(t)
	stop()
	released := false
	cmd := answer(1, bytes.Repeat([]byte("x"), 2*chunkCopied))
	cmd.Release = func() { released = true }
	c.ReplyHere(cmd)
	if !released {
		t.Error("the answer was not given back")
	}
}
