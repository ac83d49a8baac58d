package rpc

import (
	"errors"
	"os"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// goAway is what a server that stops says to requests that it does not serve any
// more. Clients above V5_3_1 repeat them on another connection, or to another
// broker; older ones do not know the code and find the connection closed.
const goAway = "please go away: this server is stopping; the request was not served, repeat it on a new connection or at another broker"

// leave is stop for a server that stops: for quiet, or while answers are owed,
// requests are told to go away.
func (c *Conn) leave() {
	c.away.Store(true)
	c.stop()
}

// turnAway reads for d and tells the requests that have arrived to go away. False
// says that the connection has ended. It runs on the reading goroutine.
func (c *Conn) turnAway(d time.Duration) bool {
	c.raw.SetReadDeadline(time.Now().Add(d))
	for {
		n, err := c.stream.Read(c.in.buf[c.in.w:])
		c.in.w += n
		if n > 0 && !c.refuseArrived() {
			return false
		}
		if err != nil {
			return errors.Is(err, os.ErrDeadlineExceeded)
		}
	}
}

// refuseArrived refuses every complete request in the buffer, and takes every
// answer; false says that the peer sent something else.
func (c *Conn) refuseArrived() bool {
	defer c.in.decoder.Reset()
	for {
		frame, err := c.in.cut(c.settings.maxFrame)
		if frame == nil {
			c.in.makeRoom()
			return err == nil
		}
		var cmd wire.Command
		if err := c.in.decoder.Decode(frame, &cmd); err != nil {
			return false
		}
		switch {
		case cmd.Response():
			c.answered(&cmd)
		case !cmd.Oneway() && cmd.Version > wire.V5_3_1:
			cmd.Arrived = int64(c.clock())
			c.out.Lock()
			c.out.owed++
			c.out.Unlock()
			c.Reply(cmd.ReplyError(wire.CodeGoAway, goAway))
		}
	}
}
