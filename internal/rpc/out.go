package rpc

import (
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/wire"
)

// Sizes of the writing side, in bytes.
const (
	// chunkCopied: stored batches up to this size are copied behind their
	// header, which costs less than a vector element and keeping them alive.
	chunkCopied = 4 << 10
	// outSmall is an out buffer's first size.
	outSmall = 1 << 10
	// outKept is the largest out buffer that is kept for reuse.
	outKept = 1 << 20
	// outHigh is how much another goroutine may still have to write when an
	// accepting side's reader goes on reading.
	outHigh = 256 << 10
	// tlsPiece is the most that goes to a TLS stream under one deadline: TLS
	// cannot go on after a write that timed out half way.
	tlsPiece = 64 << 10
)

// burstPatience is how long answers may wait for the end of the burst that is
// being served; it takes up to twice as long to notice.
const burstPatience = 2 * time.Millisecond

// output is the writing side of a connection.
//
// Its lock guards all fields but those marked as the writer's. Frames are
// encoded under it; nothing blocks while it is held and no other lock is taken.
type output struct {
	sync.Mutex
	closed  error
	next    frames    // encoded, not yet being written
	bytes   int       // of next and flight
	owed    int       // requests served less replies
	writing bool      // someone is the writer
	changed sync.Cond // bytes, writing or closed has

	// burst says that the reading goroutine serves a burst and will write when
	// it is through, so others need not. The watch takes that privilege away
	// from a burst, known by its number, that takes too long.
	burst    bool
	number   uint64
	watch    *time.Timer
	watching bool
	watched  uint64 // number of the burst when watch was set

	// write is writeOut, made once: each answer that is not in a burst starts a
	// goroutine with it, and a method value is an allocation.
	write func()

	// The writer's: whoever set writing may touch them without the lock.
	flight      frames
	vector      [][]byte
	unsent      net.Buffers   // what is left of vector
	direct      *direct       // writes without waiting; nil before it is needed
	deadlineSet time.Duration // when the write deadline was last moved
}

// frames are encoded frames in order. Stored batches are not copied into buf:
// they are spliced in while writing.
type frames struct {
	buf     []byte
	splices []splice
	bytes   int
}

// A splice is a stored batch that belongs behind the first at bytes of buf.
type splice struct {
	at      int
	chunks  [][]byte
	release func()
}

// release gives back the stored batches and empties f, keeping its memory
// unless it has become large.
func (f *frames) release() {
	for _, s := range f.splices {
		if s.release != nil {
			s.release()
		}
	}
	clear(f.splices)
	f.splices, f.bytes = f.splices[:0], 0
	if cap(f.buf) > outKept {
		f.buf = nil
	}
	f.buf = f.buf[:0]
}

// Reply sends the answer to a request; cmd may be reused when it returns, but
// for its Chunks, which belong to the connection until Release is called. It
// never blocks: if more than WriteBuffer bytes wait, the connection is closed.
// If the connection has ended the answer is dropped.
func (c *Conn) Reply(cmd *wire.Command) {
	c.Answered(cmd, 1, c.Answer(cmd))
}

// ReplyHere is Reply that writes on the caller's goroutine what the socket takes
// without waiting. It is for a goroutine that has nothing more urgent to do than
// this answer, which leaves sooner: starting a goroutine for it wakes another
// processor first.
func (c *Conn) ReplyHere(cmd *wire.Command) {
	c.Answered(cmd, 1, c.answer(cmd, reply{here: true}))
}

// ReplyLast is ReplyHere if no other request of the connection waits for its answer,
// and otherwise Reply, so that answers that are ready at the same time leave in one
// write.
func (c *Conn) ReplyLast(cmd *wire.Command) {
	c.Answered(cmd, 1, c.answer(cmd, reply{last: true}))
}

// Answer is Reply that counts nothing and returns what Answered is to be told.
func (c *Conn) Answer(cmd *wire.Command) meter.Result { return c.answer(cmd, reply{}) }

func (c *Conn) answer(cmd *wire.Command, r reply) meter.Result {
	r.owed = true
	err := c.send(cmd, r)
	switch {
	case errors.Is(err, ErrFull):
		c.overflow()
	case errors.Is(err, ErrTooLarge):
		_ = c.send(&wire.Command{
			Code: wire.CodeSystemError, Language: cmd.Language, Version: cmd.Version, Opaque: cmd.Opaque,
			Flag: wire.FlagResponse, Serialization: cmd.Serialization, Remark: "the answer cannot be sent: " + err.Error(),
		}, reply{})
	}
	if err != nil {
		return meter.ResultWriteFailed
	}
	return meter.ResultSuccess
}

// AnswerFrames is Answer of n answers that are encoded already, one behind the
// other, none of them too large. The frames are copied, and written on the caller's
// goroutine as ReplyHere does.
func (c *Conn) AnswerFrames(encoded []byte, n int) meter.Result {
	c.out.Lock()
	c.out.owed -= n
	err := c.out.closed
	switch {
	case err != nil:
	case c.out.bytes+len(encoded) > c.settings.writeBuffer:
		err = ErrFull
	default:
		c.out.next.buf = append(c.out.next.buf, encoded...)
		c.out.next.bytes += len(encoded)
		c.out.bytes += len(encoded)
		c.wakeLocked(true)
	}
	c.out.Unlock()
	if err == nil {
		return meter.ResultSuccess
	}
	if errors.Is(err, ErrFull) {
		c.overflow()
	}
	return meter.ResultWriteFailed
}

// overflow closes a connection that has too many answers waiting.
func (c *Conn) overflow() {
	c.close(faultf("%d bytes of answers wait and the peer does not read them", c.Buffered()))
}

// Answered counts n answers like cmd to requests that arrived together.
func (c *Conn) Answered(cmd *wire.Command, n int64, r meter.Result) {
	if c.settings.calls == nil || n == 0 {
		return
	}
	call := meter.Call{Request: int32(cmd.Asked), Response: int32(cmd.Code), Waited: cmd.Waited, Result: r}
	c.settings.calls.Observe(call, c.clock()-time.Duration(cmd.Arrived), n)
}

// Oneway sends a request that has no answer. The memory rules are Reply's. An
// error says that it was not sent; nil does not say that it arrived.
func (c *Conn) Oneway(cmd *wire.Command) error {
	cmd.Flag = cmd.Flag&^wire.FlagResponse | wire.FlagOneway
	if c.settings.hook != nil {
		c.settings.hook(cmd)
	}
	return c.send(cmd, reply{})
}

// reply says how a frame is sent that is one; zero if it is not.
type reply struct {
	owed bool // it answers a request
	here bool // the caller's goroutine may write,
	last bool // or may if nothing else is owed
}

// send queues a frame and makes sure that somebody will write it.
func (c *Conn) send(cmd *wire.Command, r reply) error {
	release := cmd.Release // the answer may be here, and cmd used again, before this returns
	c.out.Lock()
	if r.owed {
		c.out.owed--
	}
	kept := false
	err := c.out.closed
	if err == nil {
		kept, err = c.appendLocked(cmd)
	}
	if err == nil {
		c.wakeLocked(r.here || r.last && c.out.owed <= 0)
	}
	c.out.Unlock()
	if !kept && release != nil {
		release()
	}
	return err
}

// appendLocked encodes a frame; kept says that the stored batch was not copied.
func (c *Conn) appendLocked(cmd *wire.Command) (kept bool, err error) {
	next := &c.out.next
	if next.buf == nil {
		next.buf = make([]byte, 0, outSmall)
	}
	start, stored := len(next.buf), 0
	for _, chunk := range cmd.Chunks {
		stored += len(chunk)
	}
	next.buf = cmd.AppendTo(next.buf)
	if err := c.admitLocked(start, stored); err != nil {
		return false, err
	}
	if stored > chunkCopied {
		next.splices = append(next.splices, splice{at: len(next.buf), chunks: cmd.Chunks, release: cmd.Release})
		kept = true
	} else {
		for _, chunk := range cmd.Chunks {
			next.buf = append(next.buf, chunk...)
		}
	}
	return kept, nil
}

// admitLocked counts the frame that was encoded at start, stored bytes more
// follow it, or takes it out again if it is too much.
func (c *Conn) admitLocked(start, stored int) error {
	next := &c.out.next
	size := len(next.buf) - start + stored
	if size > c.settings.maxFrame+lengthSize {
		next.buf = next.buf[:start]
		return fmt.Errorf("rpc: %w: %d bytes, the limit is %d", ErrTooLarge, size-lengthSize, c.settings.maxFrame)
	}
	if c.out.bytes+size > c.settings.writeBuffer {
		next.buf = next.buf[:start]
		return fmt.Errorf("rpc: %w (peer %v)", ErrFull, c.remote)
	}
	next.bytes += size
	c.out.bytes += size
	return nil
}

// wakeLocked sees to it that what was appended is written soon.
func (c *Conn) wakeLocked(here bool) {
	switch {
	case c.out.burst:
		c.watchLocked()
	case c.out.writing:
	case here:
		c.writeHereLocked()
	default:
		c.startWriterLocked()
	}
}

// watchLocked sets the watch unless it is set. It is not stopped at the end of
// a burst: letting it run out costs less than moving it for each burst.
func (c *Conn) watchLocked() {
	if c.out.watching {
		return
	}
	c.out.watching, c.out.watched = true, c.out.number
	if c.out.watch == nil {
		c.out.watch = time.AfterFunc(burstPatience, c.endPatience)
		return
	}
	c.out.watch.Reset(burstPatience)
}

// endPatience takes the writing from a burst that has lasted too long.
func (c *Conn) endPatience() {
	c.out.Lock()
	defer c.out.Unlock()
	c.out.watching = false
	if c.out.closed != nil || !c.out.burst || c.out.next.bytes == 0 {
		return
	}
	if c.out.number != c.out.watched {
		c.watchLocked()
		return
	}
	c.out.burst = false
	if !c.out.writing {
		c.startWriterLocked()
	}
}

// startWriterLocked starts a goroutine that writes until nothing waits.
func (c *Conn) startWriterLocked() {
	if c.out.closed != nil {
		return
	}
	c.out.writing = true
	c.wg.Go(c.out.write)
}

// writeOut is the writer when the reading goroutine is not. It leaves the rest
// to a burst that has begun meanwhile.
func (c *Conn) writeOut() {
	c.out.Lock()
	defer c.out.Unlock()
	for c.out.next.bytes > 0 && c.out.closed == nil {
		if c.out.burst {
			c.watchLocked()
			break
		}
		c.writeNextLocked()
	}
	c.out.writing = false
	c.out.changed.Broadcast()
}

// beginBurst makes the reading goroutine the one that will write.
func (c *Conn) beginBurst() {
	c.out.Lock()
	c.out.burst = true
	c.out.number++
	c.out.Unlock()
}

// endBurst writes what is ready, in one write. Blocking here is the
// backpressure: the peer's further requests stay in its socket.
func (c *Conn) endBurst(owed int) {
	c.out.Lock()
	defer c.out.Unlock()
	c.out.burst = false
	c.out.owed += owed
	if c.dialed {
		// Without waiting, so that both ends with full sockets do not lock; a
		// goroutine for each burst took as much time as the write.
		if c.out.next.bytes > 0 {
			c.wakeLocked(true)
		}
		return
	}
	for c.out.writing && c.out.bytes > outHigh && c.out.closed == nil {
		c.out.changed.Wait()
	}
	if c.out.writing || c.out.next.bytes == 0 || c.out.closed != nil {
		return
	}
	c.out.writing = true
	c.writeNextLocked()
	c.out.writing = false
	if c.out.next.bytes > 0 {
		c.startWriterLocked()
	}
}

// writeNextLocked writes what waits, without the lock, and takes the lock
// again. The caller is the writer.
func (c *Conn) writeNextLocked() {
	c.directLocked()
	c.out.next, c.out.flight = c.out.flight, c.out.next
	c.out.Unlock()
	c.landLocked(c.writeFrames(&c.out.flight))
}

// landLocked ends the flight that was written, or failed, and takes the lock.
func (c *Conn) landLocked(err error) {
	size := c.out.flight.bytes
	c.out.flight.release()
	if err == nil {
		c.lastWrite.Store(int64(c.clock()))
	} else {
		c.close(err)
	}
	c.out.Lock()
	c.out.bytes -= size
	c.out.changed.Broadcast()
}

// writeFrames writes f with as few system calls as there can be.
func (c *Conn) writeFrames(f *frames) error {
	if len(f.splices) == 0 {
		return c.writeDirectly(f.buf)
	}
	vector := c.vectorOf(f)
	err := c.writeVector(vector)
	clear(vector)
	return err
}

// vectorOf is what f consists of, in the writer's memory.
func (c *Conn) vectorOf(f *frames) [][]byte {
	vector, at := c.out.vector[:0], 0
	for _, s := range f.splices {
		if s.at > at {
			vector = append(vector, f.buf[at:s.at])
			at = s.at
		}
		vector = append(vector, s.chunks...)
	}
	if at < len(f.buf) {
		vector = append(vector, f.buf[at:])
	}
	c.out.vector = vector
	return vector
}

// writeVector writes slices with writev where the socket can.
func (c *Conn) writeVector(vector [][]byte) error {
	if c.Secure() {
		for _, b := range vector {
			if err := c.writeAll(b); err != nil {
				return err
			}
		}
		return nil
	}
	c.moveWriteDeadline(false)
	for c.out.unsent = vector; ; {
		n, err := c.out.unsent.WriteTo(c.stream)
		if err == nil || !c.goOn(n, err) {
			return c.writeFault(err)
		}
	}
}

// writeAll writes b.
func (c *Conn) writeAll(b []byte) error {
	for len(b) > 0 {
		piece := b
		if c.Secure() && len(b) > tlsPiece {
			piece = b[:tlsPiece]
		}
		c.moveWriteDeadline(false)
		n, err := c.stream.Write(piece)
		b = b[n:]
		if err != nil && !c.goOn(int64(n), err) {
			return c.writeFault(err)
		}
	}
	return nil
}

// goOn reports whether a write that failed made progress before its deadline
// and may be continued.
func (c *Conn) goOn(n int64, err error) bool {
	if n == 0 || c.Secure() || !errors.Is(err, os.ErrDeadlineExceeded) {
		return false
	}
	c.lastWrite.Store(int64(c.clock()))
	c.moveWriteDeadline(true)
	return true
}

// writeFault is err with a slow peer named as such.
func (c *Conn) writeFault(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return faultf("the peer has taken no bytes for %v", c.settings.writeTimeout)
	}
	return err
}

// moveWriteDeadline gives the next write its time. Moving a deadline costs as
// much as encoding an answer, so a recent one stays: a write gets between three
// quarters and the whole of the timeout.
func (c *Conn) moveWriteDeadline(now bool) {
	at := c.clock()
	if !now && at-c.out.deadlineSet < c.settings.writeTimeout/4 {
		return
	}
	c.out.deadlineSet = at
	c.raw.SetWriteDeadline(time.Now().Add(c.settings.writeTimeout))
}

// trimOut drops the out buffers of a quiet connection and reports whether none
// is left.
func (c *Conn) trimOut() bool {
	c.out.Lock()
	defer c.out.Unlock()
	if c.out.writing || c.out.bytes > 0 {
		return false
	}
	c.out.next, c.out.flight, c.out.vector, c.out.unsent = frames{}, frames{}, nil, nil
	return true
}
