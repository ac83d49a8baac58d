package rpc

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// Sizes of the reading side.
const (
	// lengthSize is the size of the length in front of a frame.
	lengthSize = 4
	// markSize is the size of the header mark a frame begins with.
	markSize = 4
	// readSmall is the read buffer of an idle connection.
	readSmall = 4 << 10
	// readLarge is what the read buffer grows to while reads fill it. A longer
	// frame makes it larger, as its bytes arrive.
	readLarge = 512 << 10
	// burstFrames bounds what one burst hands over, so that what it touches stays
	// in a processor's cache, and the first answers leave before the last requests
	// of a deep pipeline are looked at.
	burstFrames = 128
)

// trimAfter is how often an active connection looks for memory it no longer
// needs; after that long without traffic it drops all it can.
const trimAfter = 2 * time.Second

// input is the reading side of a connection. Only the reading goroutine
// touches it.
type input struct {
	buf  []byte
	r, w int // buf[r:w] has been read and not been cut
	peak int // highest w since the last trim

	// cmds holds the burst's commands. Growing it leaves those handed over
	// before in the old array, where they stay valid.
	cmds    []wire.Command
	decoder wire.Decoder
	head    wire.Command // of a brief answer

	frames    uint64        // cut so far
	lastFrame time.Duration // clock when the last was complete
	partial   time.Duration // clock when the frame in buf began; <0 if none
	trimming  bool          // the read deadline is a trim, not the idle timeout

	direct *directReader // nil if the stream is not the system's socket
}

// read reads and serves until the connection ends, and says why.
func (c *Conn) read() error {
	if c.in.w > 0 { // the door has left something
		if err := c.serveArrived(); err != nil {
			return err
		}
	}
	if c.stream == c.raw {
		c.in.direct = newDirectReader(c.raw)
	}
	for {
		n, err := c.receive(c.in.buf[c.in.w:])
		if n > 0 {
			c.in.w += n
			if err := c.serveArrived(); err != nil {
				return err
			}
		}
		if err != nil && errors.Is(err, os.ErrDeadlineExceeded) {
			err = c.upkeep()
		}
		if err != nil {
			return err
		}
	}
}

// receive reads from the stream.
func (c *Conn) receive(p []byte) (int, error) {
	if c.in.direct != nil {
		return c.in.direct.read(p)
	}
	return c.stream.Read(p)
}

// serveArrived serves every complete frame in the buffer and makes room.
func (c *Conn) serveArrived() error {
	before := c.in.frames
	for more := true; more; {
		var err error
		if more, err = c.burst(); err != nil {
			return err
		}
	}
	now := c.clock()
	if c.in.frames != before {
		c.in.lastFrame, c.in.partial = now, -1
	}
	if c.in.r < c.in.w && c.in.partial < 0 {
		c.in.partial = now
	}
	c.in.makeRoom()
	if !c.in.trimming && (c.in.frames != before || len(c.in.buf) > readSmall) {
		c.in.trimming = true
		c.setReadDeadline(time.Now().Add(min(trimAfter, c.settings.idleTimeout)))
	}
	return nil
}

// burst hands over up to burstFrames frames and writes their answers; more
// says that complete frames may be left. What the handler got is valid until
// its Flush has returned, so nothing moves in the buffer before.
func (c *Conn) burst() (more bool, err error) {
	frame, err := c.in.cut(c.settings.maxFrame)
	if frame == nil {
		return false, err
	}
	c.beginBurst()
	arrived := int64(c.clock())
	served, owed, brief := false, 0, c.dialed && c.wantBrief()
	for n := 1; frame != nil; n++ {
		if !brief || !c.answeredBriefly(frame) {
			c.in.cmds = append(c.in.cmds, wire.Command{})
			cmd := &c.in.cmds[len(c.in.cmds)-1]
			if err = c.in.decoder.Decode(frame, cmd); err != nil {
				err = c.in.undecodable(err)
				break
			}
			cmd.Arrived = arrived
			if cmd.Response() {
				c.answered(cmd)
			} else {
				if !cmd.Oneway() {
					owed++
				}
				c.modern = c.modern || cmd.Version > wire.V5_3_1
				served = true
				c.handler.Serve(c, cmd)
			}
		}
		if more = n == burstFrames; more {
			break
		}
		if frame, err = c.in.cut(c.settings.maxFrame); err != nil {
			break
		}
	}
	if served {
		c.handler.Flush(c)
	}
	c.endBurst(owed)
	c.in.decoder.Reset()
	c.in.cmds = c.in.cmds[:0]
	return more, err
}

// cut takes the next frame, without its length, out of the buffer; nil if it
// is not complete. What cannot be a frame is an error as soon as its first
// eight bytes are there.
func (in *input) cut(maxFrame int) ([]byte, error) {
	have := in.buf[in.r:in.w]
	if len(have) < lengthSize {
		return nil, nil
	}
	size := int(int32(binary.BigEndian.Uint32(have)))
	if size < markSize || size > maxFrame {
		return nil, in.notFrame(have, fmt.Sprintf("a frame of %d bytes, the limit is %d", size, maxFrame))
	}
	if len(have) >= lengthSize+markSize {
		mark := binary.BigEndian.Uint32(have[lengthSize:])
		if kind, header := mark>>24, int(mark&0xffffff); kind > uint32(wire.Binary) || header > size-markSize {
			return nil, in.notFrame(have, fmt.Sprintf("a frame of %d bytes with header mark %08x", size, mark))
		}
	}
	if len(have) < lengthSize+size {
		return nil, nil
	}
	in.r += lengthSize + size
	in.frames++
	return have[lengthSize : lengthSize+size : lengthSize+size], nil
}

// notFrame is the reason to close when head cannot begin a frame.
func (in *input) notFrame(head []byte, what string) error {
	if in.frames > 0 {
		return faultf("the peer sent %s", what)
	}
	return faultf("the peer sent %s; this port speaks the RocketMQ remoting protocol", foreign(head, what))
}

// undecodable is the reason to close after a frame that Decode refused.
func (in *input) undecodable(err error) error {
	if in.frames > 1 {
		return faultf("the peer sent a frame that cannot be decoded: %v", err)
	}
	return faultf("the peer sent a frame that cannot be decoded (%v); this port speaks the RocketMQ remoting protocol", err)
}

// foreign names the protocol that head belongs to; otherwise it says what.
func foreign(head []byte, what string) string {
	for _, p := range []struct{ prefix, name string }{
		{"GET ", "an HTTP request"}, {"POST", "an HTTP request"}, {"PUT ", "an HTTP request"},
		{"HEAD", "an HTTP request"}, {"DELE", "an HTTP request"}, {"OPTI", "an HTTP request"},
		{"CONN", "an HTTP request"}, {"PATC", "an HTTP request"}, {"PRI ", "an HTTP/2 or gRPC preface"},
		{"\x16\x03", "a TLS handshake, but TLS is not configured"},
		{"PROX", "a PROXY header, but proxy-protocol is off"},
		{"\r\n\r\n", "a PROXY header, but proxy-protocol is off"},
		{"SSH-", "an SSH greeting"},
	} {
		if bytes.HasPrefix(head, []byte(p.prefix)) {
			return p.name
		}
	}
	return fmt.Sprintf("%s (it begins with %q)", what, head[:min(len(head), 16)])
}

// makeRoom moves an incomplete frame to the front of the buffer and makes the
// buffer larger if the last read filled it. It never becomes more than four
// times what has arrived, whatever length a frame claims.
func (in *input) makeRoom() {
	in.peak = max(in.peak, in.w)
	left, size := in.buf[in.r:in.w], len(in.buf)
	to := in.buf
	if in.w == size {
		limit := readLarge
		if len(left) >= lengthSize {
			limit = max(limit, lengthSize+int(binary.BigEndian.Uint32(left)))
		}
		if larger := min(4*size, limit); larger > size {
			to = make([]byte, larger)
		}
	} else if in.r == 0 {
		return
	}
	in.w = copy(to, left)
	in.r, in.buf = 0, to
}

// shrink makes the buffer no larger than it need be for want bytes.
func (in *input) shrink(want int) {
	size := readSmall
	for size < max(want, in.w) {
		size *= 2
	}
	if size < len(in.buf) {
		to := make([]byte, size)
		copy(to, in.buf[:in.w])
		in.buf = to
	}
}

// upkeep runs when the read deadline has passed: it ends a connection that is
// idle or stopping, gives back memory and sets the next deadline.
//
// A connection is idle when for IdleTimeout no frame has become complete and,
// unless answers are awaited, nothing was written. A frame must be complete
// within IdleTimeout of its first bytes, so sending byte by byte keeps no
// connection open. Either is noticed up to trimAfter late.
func (c *Conn) upkeep() error {
	if c.stopping.Load() {
		return errStopping
	}
	now, idle := c.clock(), c.settings.idleTimeout
	if c.in.partial >= 0 && now-c.in.partial >= idle {
		return faultf("a frame was not complete %v after its first byte (%d bytes of it have arrived)", idle, c.in.w)
	}
	last := c.in.lastFrame
	if !c.awaiting() {
		last = max(last, time.Duration(c.lastWrite.Load()))
	}
	if now-last >= idle {
		return errIdle
	}
	c.in.trimming = c.trim(now)
	next := last + idle
	if c.in.partial >= 0 {
		next = min(next, c.in.partial+idle)
	}
	if c.in.trimming {
		next = min(next, now+trimAfter)
	}
	c.setReadDeadline(time.Now().Add(next - now))
	return nil
}

// trim gives back memory and reports whether it should be called again.
func (c *Conn) trim(now time.Duration) (again bool) {
	quietNow := now-c.in.lastFrame >= trimAfter
	if quietNow {
		c.in.shrink(0)
		c.in.cmds, c.in.decoder = nil, wire.Decoder{}
		again = !c.trimOut()
	} else {
		if len(c.in.buf) > 4*c.in.peak {
			c.in.shrink(2 * c.in.peak)
		}
		again = true
	}
	c.in.peak = 0
	return again
}
