package rpc

import (
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// Prepare encodes a request that is to be sent many times on c, by GoPrepared,
// and signs it, all once.
func (c *Conn) Prepare(cmd *wire.Command) *wire.Prepared {
	cmd.Flag &^= wire.FlagResponse | wire.FlagOneway
	if c.settings.hook != nil {
		c.settings.hook(cmd)
	}
	return wire.Prepare(cmd)
}

// GoPrepared is GoBrief of a request that Prepare has made.
func (c *Conn) GoPrepared(p *wire.Prepared, timeout time.Duration, done func(resp *wire.Command, err error)) {
	opaque, err := c.await(timeout, true, done)
	if err != nil {
		done(nil, err)
		return
	}
	if err := c.sendPrepared(p, opaque); err != nil {
		if _, ok := c.take(opaque); ok {
			done(nil, err)
		}
	}
}

// sendPrepared is send for a prepared request.
func (c *Conn) sendPrepared(p *wire.Prepared, opaque int32) error {
	c.out.Lock()
	defer c.out.Unlock()
	if c.out.closed != nil {
		return c.out.closed
	}
	next := &c.out.next
	if next.buf == nil {
		next.buf = make([]byte, 0, outSmall)
	}
	start := len(next.buf)
	var rest [][]byte
	next.buf, rest = p.AppendHead(next.buf, opaque)
	if err := c.admitLocked(start, len(rest[0])); err != nil {
		return err
	}
	if len(rest[0]) > chunkCopied {
		next.splices = append(next.splices, splice{at: len(next.buf), chunks: rest})
	} else {
		next.buf = append(next.buf, rest[0]...)
	}
	c.wakeLocked(true)
	return nil
}
