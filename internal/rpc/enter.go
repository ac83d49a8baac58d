package rpc

import (
	"errors"
	"net"
	"os"
	"time"

	"github.com/goddardmq/goddard/internal/door"
)

// enter lets the connection through a door. It runs before Opened and leaves in
// the buffer what belongs to the protocol.
func (c *Conn) enter(d *door.Door, wait time.Duration) error {
	g, err := d.Look(stoppable{c.raw, c}, c.in.buf, wait)
	if err != nil {
		return enterError(err)
	}
	c.remote = g.Remote
	if !g.Secure {
		c.in.w = len(g.Rest)
		return nil
	}
	secure, err := d.Handshake(c.ctx, g)
	if err != nil {
		return enterError(err)
	}
	c.stream = secure
	return nil
}

// enterError is a connection's reason to end that a door has given.
func enterError(err error) error {
	var refused *door.RefusalError
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return errIdle
	case errors.As(err, &refused):
		return faultf("%v", refused)
	}
	return err
}

// A stoppable socket's read deadline does not undo stop.
type stoppable struct {
	net.Conn
	c *Conn
}

// SetReadDeadline moves the deadline, unless the connection is stopping.
func (s stoppable) SetReadDeadline(at time.Time) error {
	s.c.setReadDeadline(at)
	return nil
}

// CloseWrite ends the sending direction, if the socket can.
func (s stoppable) CloseWrite() error {
	half, ok := s.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}
