package rpc

import (
	"context"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

const (
	// callTimeout bounds a call whose caller set no bound.
	callTimeout = time.Minute
	// callTick is the least time between two looks for calls that are overdue.
	callTick = 5 * time.Millisecond
)

// calls are the requests sent on a connection that await their answers.
//
// Its lock guards all fields; neither a done function nor anything that takes
// another lock is called while it is held.
type calls struct {
	sync.Mutex
	closed  error
	waiting waiting
	timer   *time.Timer
	due     time.Duration // when timer runs out; valid while armed
	armed   bool
	brief   bool // there was a call that wants brief answers
}

// Go sends a request and returns; cmd may be reused (see Reply) when it does.
// It sets cmd's Opaque and Flag. done is called exactly once and must not
// block: with the answer on the reading goroutine, where the answer stays valid
// until done returns; with an error wrapping ErrTimeout or ErrClosed on some
// goroutine; or before Go returns if the request could not be sent. A timeout
// of 0 means a minute; an answer that comes later is dropped.
func (c *Conn) Go(cmd *wire.Command, timeout time.Duration, done func(resp *wire.Command, err error)) {
	c.start(cmd, timeout, false, done)
}

// GoBrief is Go for those who want to know of a success nothing but that: of an
// answer with the code SUCCESS only Code, Opaque, Flag and Body are read. Other
// answers come whole.
func (c *Conn) GoBrief(cmd *wire.Command, timeout time.Duration, done func(resp *wire.Command, err error)) {
	c.start(cmd, timeout, true, done)
}

func (c *Conn) start(cmd *wire.Command, timeout time.Duration, brief bool, done func(*wire.Command, error)) {
	opaque, err := c.await(timeout, brief, done)
	if err != nil {
		if cmd.Release != nil {
			cmd.Release()
		}
		done(nil, err)
		return
	}
	cmd.Opaque = opaque
	cmd.Flag &^= wire.FlagResponse | wire.FlagOneway
	if c.settings.hook != nil {
		c.settings.hook(cmd)
	}
	if err := c.send(cmd, reply{here: true}); err != nil {
		if _, ok := c.take(opaque); ok {
			done(nil, err)
		}
	}
}

// Call sends a request and waits for the answer, which the caller owns. The
// wait ends with ctx, with the connection or, if ctx has no deadline, after a
// minute. It must not be called on the reading goroutine, which would have to
// read the answer.
func (c *Conn) Call(ctx context.Context, cmd *wire.Command) (*wire.Command, error) {
	timeout := callTimeout
	if deadline, ok := ctx.Deadline(); ok {
		timeout = max(time.Until(deadline), 1)
	}
	type outcome struct {
		resp *wire.Command
		err  error
	}
	answer := make(chan outcome, 1)
	c.Go(cmd, timeout, func(resp *wire.Command, err error) {
		if err == nil {
			resp = resp.Clone()
		}
		answer <- outcome{resp, err}
	})
	select {
	case o := <-answer:
		return o.resp, o.err
	case <-ctx.Done():
		c.take(cmd.Opaque)
		return nil, fmt.Errorf("rpc: %v to %v: %w", cmd.Code, c.remote, context.Cause(ctx))
	}
}

// await enters a request and returns its opaque.
func (c *Conn) await(timeout time.Duration, brief bool, done func(*wire.Command, error)) (int32, error) {
	if timeout <= 0 {
		timeout = callTimeout
	}
	deadline := c.clock() + timeout
	c.calls.Lock()
	defer c.calls.Unlock()
	if c.calls.closed != nil {
		return 0, c.calls.closed
	}
	opaque := c.calls.waiting.add(call{deadline: deadline, brief: brief, done: done})
	c.calls.brief = c.calls.brief || brief
	if !c.calls.armed || deadline < c.calls.due-callTick {
		c.armLocked(deadline, timeout)
	}
	return opaque, nil
}

// armLocked sets the timer to run out at due, which is in wait.
func (c *Conn) armLocked(due, wait time.Duration) {
	c.calls.due, c.calls.armed = due, true
	if c.calls.timer == nil {
		c.calls.timer = time.AfterFunc(wait, c.expire)
		return
	}
	c.calls.timer.Reset(wait)
}

// take removes a request that awaits its answer; ok says that it still did.
func (c *Conn) take(opaque int32) (call, bool) {
	c.calls.Lock()
	defer c.calls.Unlock()
	slot := c.calls.waiting.find(opaque)
	if slot == nil {
		return call{}, false
	}
	return c.calls.waiting.take(slot), true
}

// answered hands an answer to whoever awaits it; nobody awaits a late one.
func (c *Conn) answered(resp *wire.Command) {
	if waiting, ok := c.take(resp.Opaque); ok {
		waiting.done(resp, nil)
	}
}

// answeredBriefly is answered for a frame whose head will do. False says that it
// is to be decoded.
func (c *Conn) answeredBriefly(frame []byte) bool {
	if !c.in.head.DecodeHead(frame) || !c.in.head.Response() || c.in.head.Code != wire.CodeSuccess {
		return false
	}
	c.calls.Lock()
	slot := c.calls.waiting.find(c.in.head.Opaque)
	if slot == nil || !slot.brief {
		c.calls.Unlock()
		return false
	}
	done := c.calls.waiting.take(slot).done
	c.calls.Unlock()
	done(&c.in.head, nil)
	return true
}

// wantBrief reports whether there was ever a call that wants brief answers.
func (c *Conn) wantBrief() bool {
	c.calls.Lock()
	defer c.calls.Unlock()
	return c.calls.brief
}

// awaiting reports whether answers are awaited.
func (c *Conn) awaiting() bool {
	c.calls.Lock()
	defer c.calls.Unlock()
	return c.calls.waiting.n > 0
}

// expire fails the calls that are overdue and sets the timer for the next.
// All have about the same timeout as a rule, so going through the table is
// rare: the timer runs out once per timeout, not once per call.
func (c *Conn) expire() {
	c.calls.Lock()
	if c.calls.closed != nil {
		c.calls.Unlock()
		return
	}
	c.calls.armed = false
	now, next := c.clock(), time.Duration(math.MaxInt64)
	var overdue []call
	c.calls.waiting.all(func(slot *call) {
		if slot.deadline <= now {
			overdue = append(overdue, c.calls.waiting.take(slot))
		} else {
			next = min(next, slot.deadline)
		}
	})
	if c.calls.waiting.n > 0 {
		wait := max(next-now, callTick)
		c.armLocked(now+wait, wait)
	}
	c.wg.Add(1)
	c.calls.Unlock()
	defer c.wg.Done()
	err := fmt.Errorf("rpc: %w (peer %v)", ErrTimeout, c.remote)
	for _, waiting := range overdue {
		waiting.done(nil, err)
	}
}

// failCalls ends all calls when the connection has ended.
func (c *Conn) failCalls(err error) {
	c.calls.Lock()
	c.calls.closed = err
	left := c.calls.waiting
	c.calls.waiting = waiting{}
	if c.calls.timer != nil {
		c.calls.timer.Stop()
	}
	c.calls.Unlock()
	left.all(func(slot *call) { slot.done(nil, err) })
}
