package rpc

import (
	"bytes"
	"context"
	"io"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/wire"
)

func answer(opaque int32, chunks ...[]byte) *wire.Command {
	return &wire.Command{Code: wire.CodeSuccess, Opaque: opaque, Flag: wire.FlagResponse, Body: []byte("b"), Chunks: chunks}
}

// An answer from another goroutine is not held up by a handler that blocks.
func TestReplyLeavesWhileTheBurstBlocks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := funcHandler{serve: func(c *Conn, cmd *wire.Command) {
			if cmd.Opaque == 1 {
				<-time.After(time.Minute)
			}
		}}
		c, there := pipe(t, false, h, testSettings())
		there.Write(request(1, ""))
		synctest.Wait()
		start := time.Now()
		for i := range int32(3) {
			c.Reply(answer(10 + i))
			if got := readCommand(t, there); got.Opaque != 10+i {
				t.Fatalf("opaque %d", got.Opaque)
			}
		}
		if got := time.Since(start); got > 2*burstPatience {
			t.Fatalf("three answers took %v", got)
		}
	})
}

// Answers from another goroutine, outside of bursts, leave at once and those
// that pile up leave together.
func TestRepliesFromElsewhereAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, false, echo(), testSettings())
		synctest.Wait()
		for i := range int32(100) {
			c.Reply(answer(i))
		}
		synctest.Wait() // the writer is stuck in its first write
		reads := 0
		buf, all := make([]byte, 64<<10), new(bytes.Buffer)
		for want := 100 * len(answer(1).AppendTo(nil)); all.Len() < want-100; reads++ {
			n, err := there.Read(buf)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(buf[:n])
		}
		if reads > 2 {
			t.Fatalf("100 answers came in %d writes", reads)
		}
	})
}

// Answers that come encoded stand in line with the others, and close the
// connection of a peer that takes none.
func TestEncodedAnswersStandInLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		settings := testSettings()
		settings.writeBuffer = 1000
		c, there := pipe(t, false, echo(), settings)
		c.Reply(answer(0))
		frames := answer(2).AppendTo(answer(1).AppendTo(nil))
		if got := c.AnswerFrames(frames, 2); got != meter.ResultSuccess {
			t.Fatal(got)
		}
		clear(frames) // they were copied
		c.Reply(answer(3))
		for i := range int32(4) {
			if got := readCommand(t, there); got.Opaque != i {
				t.Fatalf("opaque %d, not %d", got.Opaque, i)
			}
		}
		synctest.Wait()
		if got := c.Buffered(); got != 0 {
			t.Errorf("%d bytes are left", got)
		}
		if got := c.AnswerFrames(make([]byte, 1001), 1); got != meter.ResultWriteFailed {
			t.Error(got)
		}
		wantFault(t, c, "bytes of answers wait")
		if got := c.AnswerFrames(make([]byte, 10), 1); got != meter.ResultWriteFailed {
			t.Error(got)
		}
	})
}

// Stored batches are written behind their headers, in order, and given back
// once each; large ones are not copied.
func TestChunksAreWrittenInOrderAndReleased(t *testing.T) {
	var released atomic.Int64
	const n = 200
	h := funcHandler{serve: func(c *Conn, cmd *wire.Command) {
		for i := range int32(n) {
			size := int(i) * 100 // from copied to spliced
			resp := answer(i, bytes.Repeat([]byte{byte(i)}, size), []byte("end"))
			resp.Release = func() { released.Add(1) }
			c.Reply(resp)
		}
	}}
	addr, _, stop := startServer(t, h, ServerOptions{})
	nc := dial(t, addr)
	nc.Write(request(1, ""))
	for i := range int32(n) {
		got := readCommand(t, nc)
		want := "b" + strings.Repeat(string([]byte{byte(i)}), int(i)*100) + "end"
		if got.Opaque != i || string(got.Body) != want {
			t.Fatalf("answer %d: opaque %d, %d bytes", i, got.Opaque, len(got.Body))
		}
	}
	nc.Close()
	stop()
	if got := released.Load(); got != n {
		t.Fatalf("%d of %d were released", got, n)
	}
}

// When the connection dies, every stored batch is given back once.
func TestChunksAreReleasedWhenTheConnectionDies(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, false, echo(), testSettings())
		var released atomic.Int64
		reply := func() {
			resp := answer(1, make([]byte, 1<<20))
			resp.Release = func() { released.Add(1) }
			c.Reply(resp)
		}
		for range 10 {
			reply()
		}
		synctest.Wait()
		if got := released.Load(); got != 0 {
			t.Fatalf("%d were released before they were written", got)
		}
		there.Close()
		<-c.Done()
		reply()
		synctest.Wait()
		if got := released.Load(); got != 11 {
			t.Fatalf("%d of 11 were released", got)
		}
		if got := c.Buffered(); got > 10*(1<<20+200) {
			t.Fatalf("%d bytes buffered", got)
		}
	})
}

// A client that sends and never reads is not read from either, and is cut when
// it has taken nothing for the write timeout.
func TestSlowReaderIsCut(t *testing.T) {
	var served atomic.Int64
	chunk := make([]byte, 1<<20)
	h := funcHandler{serve: func(c *Conn, cmd *wire.Command) {
		served.Add(1)
		c.Reply(answer(cmd.Opaque, chunk))
	}}
	var log logBook
	addr, s, stop := startServer(t, h, ServerOptions{WriteTimeout: 300 * time.Millisecond, Log: log.logger()})
	nc := dial(t, addr)
	for i := range int32(10000) {
		if _, err := nc.Write(request(i, strings.Repeat("x", 20000))); err != nil {
			break
		}
	}
	stop()
	if got := served.Load(); got > 64 {
		t.Errorf("%d requests of a client that does not read were served", got)
	}
	if got := log.String(); !strings.Contains(got, "the peer has taken no bytes for 300ms") {
		t.Errorf("the log says %q", got)
	}
	if got := s.Conns(); got != 0 {
		t.Errorf("%d connections left", got)
	}
}

// Answers from elsewhere to a client that does not read are bounded.
func TestWriteBufferIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSettings()
		s.writeBuffer = 1 << 20
		c, _ := pipe(t, false, echo(), s)
		most := 0
		for i := 0; i < 1000 && c.Context().Err() == nil; i++ {
			c.Reply(answer(1, make([]byte, 10000)))
			most = max(most, c.Buffered())
		}
		wantFault(t, c, "the peer does not read them")
		if most > 1<<20 {
			t.Fatalf("%d bytes were buffered", most)
		}
	})
}

// Requests that would overflow the buffer fail; the connection stays.
func TestRequestsFailWhenTheBufferIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := testSettings()
		s.writeBuffer = 1 << 20
		c, there := pipe(t, true, echo(), s)
		var err error
		for i := 0; i < 200 && err == nil; i++ {
			err = c.Oneway(&wire.Command{Body: make([]byte, 10000)})
		}
		if err == nil || !strings.Contains(err.Error(), ErrFull.Error()) {
			t.Fatalf("err = %v", err)
		}
		go io.Copy(io.Discard, there)
		synctest.Wait()
		if err := c.Oneway(&wire.Command{}); err != nil {
			t.Fatal(err)
		}
	})
}

// An answer that no client would accept is replaced by an error.
func TestTooLargeAnswerBecomesAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, false, echo(), testSettings())
		c.Reply(answer(3, make([]byte, wire.MaxFrame)))
		got := readCommand(t, there)
		if got.Opaque != 3 || got.Code != wire.CodeSystemError || !strings.Contains(got.Remark, "the limit is 16777216") {
			t.Fatalf("answer: %v %q", got.Code, got.Remark)
		}
	})
}

// Progress keeps a slow connection alive: only a peer that takes nothing is cut.
func TestSlowProgressIsProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, false, echo(), testSettings())
		c.Reply(answer(1, make([]byte, 50<<10)))
		buf := make([]byte, 1<<10)
		for range 20 {
			<-time.After(20 * time.Second)
			if _, err := there.Read(buf); err != nil {
				t.Fatalf("cut: %v", context.Cause(c.Context()))
			}
		}
	})
}
