package rpc

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

func TestCallTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, true, echo(), testSettings())
		start := time.Now()
		go nextCommand(there)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		_, err := c.Call(ctx, &wire.Command{Code: wire.HeartBeat})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Fatalf("err = %v", err)
		}
		if got := time.Since(start); got > 3*time.Second+callTick {
			t.Fatalf("took %v", got)
		}
		if c.awaiting() {
			t.Fatal("the call is still awaited")
		}
	})
}

// Every call runs out at its own time though they share one timer.
func TestCallsTimeOutEachAtItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, true, echo(), testSettings())
		go func() {
			for {
				if _, err := nextCommand(there); err != nil {
					return
				}
			}
		}()
		start, outcomes := time.Now(), make(chan time.Duration, 100)
		for i := range 100 {
			timeout := time.Duration(1 + (i*37+99)%100) // the first is the longest
			timeout *= 50 * time.Millisecond
			c.Go(&wire.Command{}, timeout, func(_ *wire.Command, err error) {
				if !errors.Is(err, ErrTimeout) {
					t.Errorf("err = %v", err)
				}
				if late := time.Since(start) - timeout; late < 0 || late > 2*callTick {
					t.Errorf("a timeout of %v was %v late", timeout, late)
				}
				outcomes <- timeout
			})
		}
		for range 100 {
			<-outcomes
		}
	})
}

// An answer that comes after its call has timed out is dropped.
func TestLateAnswerIsDropped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, true, echo(), testSettings())
		calls := 0
		count := func(*wire.Command, error) { calls++ }
		c.Go(&wire.Command{}, time.Second, count)
		late := readCommand(t, there)
		<-time.After(2 * time.Second)
		there.Write(answer(late.Opaque).AppendTo(nil))
		there.Write(answer(late.Opaque + 1000).AppendTo(nil))
		synctest.Wait()
		if calls != 1 || c.Context().Err() != nil {
			t.Fatalf("done was called %d times, connection: %v", calls, c.Context().Err())
		}
	})
}

// When a connection ends, everything pending on it fails, once, and so does
// everything asked of it later.
func TestPendingCallsFailWhenTheConnectionEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		closed := false
		c, there := pipe(t, true, funcHandler{closed: func(c *Conn) {
			closed = true
			if c.awaiting() {
				t.Error("Closed was called before the calls had failed")
			}
		}}, testSettings())
		fails := 0
		for range 10 {
			c.Go(&wire.Command{}, 0, func(_ *wire.Command, err error) {
				if !errors.Is(err, ErrClosed) {
					t.Errorf("err = %v", err)
				}
				fails++
			})
		}
		synctest.Wait()
		there.Close()
		synctest.Wait()
		if fails != 10 || !closed {
			t.Fatalf("%d of 10 failed, closed: %v", fails, closed)
		}
		if _, err := c.Call(t.Context(), &wire.Command{}); !errors.Is(err, ErrClosed) {
			t.Errorf("Call = %v", err)
		}
		if err := c.Oneway(&wire.Command{}); !errors.Is(err, ErrClosed) {
			t.Errorf("Oneway = %v", err)
		}
		c.Reply(answer(1))
	})
}

// A call whose caller gives up is forgotten.
func TestCallEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, true, echo(), testSettings())
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			nextCommand(there)
			cancel()
		}()
		if _, err := c.Call(ctx, &wire.Command{}); !errors.Is(err, context.Canceled) {
			t.Fatalf("err = %v", err)
		}
		if c.awaiting() {
			t.Fatal("the call is still awaited")
		}
	})
}

// Requests that a done function sends leave together, when all answers that
// had arrived are handed over.
func TestRequestsFromDoneFunctionsAreJoined(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, there := pipe(t, true, echo(), testSettings())
		var answers []byte
		for range 30 {
			c.Go(&wire.Command{}, 0, func(*wire.Command, error) {
				c.Go(&wire.Command{}, 0, func(*wire.Command, error) {})
			})
		}
		for range 30 {
			answers = append(answers, answer(readCommand(t, there).Opaque).AppendTo(nil)...)
		}
		if len(answers) > readSmall {
			t.Fatalf("%d bytes do not fit into one read", len(answers))
		}
		there.Write(answers)
		buf := make([]byte, 64<<10)
		n, err := there.Read(buf)
		if want := 30 * len((&wire.Command{Opaque: 99}).AppendTo(nil)); err != nil || n < want-50 {
			t.Fatalf("the first write has %d bytes, want about %d (%v)", n, want, err)
		}
	})
}

// A side that has full sockets both ways goes on: the dialling side reads
// whatever it has to write.
func TestFullSocketsBothWaysDoNotLock(t *testing.T) {
	addr, _, _ := startServer(t, echo(), ServerOptions{})
	client := NewClient(ClientOptions{WriteBuffer: 1 << 30})
	defer client.Close()
	c, err := client.Conn(t.Context(), addr)
	if err != nil {
		t.Fatal(err)
	}
	const n = 3000
	body := make([]byte, 20<<10)
	outcomes := make(chan error, 2*n)
	for range n {
		c.Go(&wire.Command{Body: body}, 20*time.Second, func(resp *wire.Command, err error) {
			outcomes <- err
			c.Go(&wire.Command{Body: body}, 20*time.Second, func(resp *wire.Command, err error) { outcomes <- err })
		})
	}
	for range 2 * n {
		if err := <-outcomes; err != nil {
			t.Fatal(err)
		}
	}
}

// BenchmarkGo keeps 2,000 requests in flight over loopback to a server in the
// same process.
func BenchmarkGo(b *testing.B) {
	addr, _, _ := startServer(b, echo(), ServerOptions{})
	client := NewClient(ClientOptions{})
	defer client.Close()
	c, err := client.Conn(b.Context(), addr)
	if err != nil {
		b.Fatal(err)
	}
	slots := make(chan struct{}, 2000)
	done := func(_ *wire.Command, err error) {
		if err != nil {
			b.Error(err)
		}
		<-slots
	}
	cmd := wire.Command{Code: wire.HeartBeat, Serialization: wire.Binary, Body: make([]byte, 64)}
	b.ReportAllocs()
	for b.Loop() {
		slots <- struct{}{}
		c.Go(&cmd, time.Minute, done)
	}
	for range cap(slots) {
		slots <- struct{}{}
	}
}
