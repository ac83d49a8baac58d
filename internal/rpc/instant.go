package rpc

// writeInstantlyLocked writes what waits as far as the socket takes it without
// waiting, and reports whether that was all. The rest is for a writer. So a
// dialled connection's reading goroutine can send the requests that answers have
// led to, without a goroutine, and the processor to run it, for each burst.
func (c *Conn) writeInstantlyLocked() bool {
	if c.out.instant == nil || len(c.out.next.splices) > 0 || c.out.closed != nil {
		return false
	}
	c.out.writing = true
	c.out.next, c.out.flight = c.out.flight, c.out.next
	c.out.Unlock()
	c.moveWriteDeadline(false)
	flight := &c.out.flight
	n := c.out.instant.write(flight.buf)
	if n > 0 {
		c.lastWrite.Store(int64(c.clock()))
	}
	flight.written, flight.bytes = n, flight.bytes-n
	all := flight.bytes == 0
	if all {
		flight.release()
	}
	c.out.Lock()
	c.out.writing = false
	c.out.bytes -= n
	c.out.changed.Broadcast()
	return all && c.out.next.bytes == 0
}
