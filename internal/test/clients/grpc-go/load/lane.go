package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/encoding/protowire"
)

// A lane makes one call after the other, or one each time it is due. Its
// connection's lock guards it.
type lane struct {
	conn    *conn
	receive []byte // the request
	number  int
	calls   int
	from    time.Time // of what is under way

	messages, bytes, errors int64
	err                     error
	took                    []int64 // microseconds
	ended                   time.Time
	stopped                 bool

	// Memory that is used again: of the last call and of what requests are made of.
	last              call
	id, time, scratch []byte
}

// begin makes the lane's next call, which counts from then.
func (l *lane) begin(from time.Time) *call {
	l.from = from
	l.calls++
	if l.conn.load.kind == "send" {
		return l.call("SendMessage", l.message)
	}
	return l.call("ReceiveMessage", func(b []byte) []byte { return append(b, l.receive...) })
}

// message appends a request to send a message.
func (l *lane) message(b []byte) []byte {
	load := l.conn.load
	l.id = fmt.Appendf(l.id[:0], "01%016X%04X%012X", l.from.UnixNano(), l.number, l.calls)
	system := appendBytes(l.scratch[:0], 3, l.id)
	system = appendNumber(system, 5, uint64(v2.Encoding_IDENTITY))
	system = appendNumber(system, 6, uint64(v2.MessageType_NORMAL))
	l.time = appendNumber(appendNumber(l.time[:0], 1, uint64(l.from.Unix())), 2, uint64(l.from.Nanosecond()))
	system = appendBytes(system, 7, l.time)
	system = appendBytes(system, 8, []byte("127.0.0.1"))
	l.scratch = system
	size := sizeBytes(load.topicField) + sizeBytes(system) + sizeBytes(load.body)
	b = protowire.AppendVarint(protowire.AppendTag(b, 1, protowire.BytesType), uint64(size))
	return appendBytes(appendBytes(appendBytes(b, 1, load.topicField), 3, system), 4, load.body)
}

// call is the lane's next call. Its memory is that of the last.
func (l *lane) call(method string, request func([]byte) []byte) *call {
	k := &l.last
	k.lane, k.method, k.answer = l, method, k.answer[:0]
	k.request = request(append(k.request[:0], 0, 0, 0, 0, 0))
	binary.BigEndian.PutUint32(k.request[1:], uint32(len(k.request)-5))
	return k
}

// errNothingLeft stops a lane without being a failure.
var errNothingLeft = errors.New("nothing left")

// answered takes an answer and returns the call that follows.
func (l *lane) answered(method string, messages [][]byte, err error) *call {
	n := int64(1)
	switch {
	case err != nil:
	case method == "SendMessage":
		err = stateError(field(messages[0], 1))
		l.bytes += int64(len(l.conn.load.body))
	case method == "ReceiveMessage":
		var ack []byte
		if ack, err = l.received(messages); err == nil {
			return l.call("AckMessage", func(b []byte) []byte { return append(b, ack...) })
		}
	default:
		err = stateError(field(messages[0], 1))
		n = count(messages[0], 2)
	}
	switch now := time.Now(); {
	case errors.Is(err, errNothingLeft):
		return l.stop()
	case err != nil:
		l.errors++
		if l.err = err; l.errors > 100 {
			return l.stop()
		}
	default:
		l.ended = now
		l.messages += n
		l.took = append(l.took, now.Sub(l.from).Microseconds())
	}
	return l.more()
}

// received makes the acknowledgement of what a receive has brought.
func (l *lane) received(messages [][]byte) (ack []byte, err error) {
	load := l.conn.load
	ack = appendBytes(appendBytes(l.scratch[:0], 1, load.groupField), 2, load.topicField)
	count := 0
	for _, b := range messages {
		if state := field(b, 1); state != nil {
			if code(state) == v2.Code_MESSAGE_NOT_FOUND {
				return nil, errNothingLeft
			}
			if err := stateError(state); err != nil {
				return nil, err
			}
		}
		if m := field(b, 2); m != nil {
			l.bytes += int64(len(field(m, 4)))
			system := field(m, 3)
			id, handle := field(system, 3), field(system, 12)
			ack = protowire.AppendVarint(protowire.AppendTag(ack, 3, protowire.BytesType), uint64(sizeBytes(id)+sizeBytes(handle)))
			ack = appendBytes(appendBytes(ack, 1, id), 2, handle)
			count++
		}
	}
	l.scratch = ack
	if count == 0 {
		return nil, errNothingLeft
	}
	return ack, nil
}

// more returns the next call: at once, or one that is late, or none yet.
func (l *lane) more() *call {
	c := l.conn
	switch {
	case c.load.rate == 0 && time.Now().Before(c.load.end):
		return l.begin(time.Now())
	case c.load.rate == 0:
		return l.stop()
	case len(c.mu.late) > 0:
		due := c.mu.late[0]
		c.mu.late = c.mu.late[1:]
		return l.begin(due)
	case !c.mu.over:
		c.mu.free = append(c.mu.free, l)
		return nil
	default:
		return l.stop()
	}
}

func (l *lane) stop() *call {
	if !l.stopped {
		l.stopped = true
		l.conn.mu.left--
	}
	return nil
}

// run puts the load of its lanes on a connection. With a fixed rate each call
// has its time, and a late one counts from then on, so that a server that holds
// up the lanes does not hide the calls behind.
func (c *conn) run(lanes []*lane, number, conns int) error {
	c.mu.Lock()
	c.mu.left = len(lanes)
	var err error
	if c.load.rate == 0 {
		for _, l := range lanes {
			err = errors.Join(err, c.start(l.begin(time.Now())))
		}
	} else {
		c.mu.free = append(c.mu.free, lanes...)
	}
	c.mu.Unlock()
	if err != nil {
		return err
	}
	var pacer sync.WaitGroup
	if c.load.rate > 0 {
		every := time.Duration(float64(conns) / c.load.rate * float64(time.Second))
		pacer.Go(func() { c.pace(every, c.load.begin.Add(every*time.Duration(number)/time.Duration(conns))) })
	}
	err = c.read()
	c.net.Close()
	pacer.Wait()
	return err
}

// pace starts a call each time one is due, and ends the lanes when time is up.
func (c *conn) pace(every time.Duration, due time.Time) {
	for ; due.Before(c.load.end); due = due.Add(every) {
		if early := time.Until(due); early > 0 {
			time.Sleep(early)
		}
		c.mu.Lock()
		var err error
		if n := len(c.mu.free); n > 0 {
			l := c.mu.free[n-1]
			c.mu.free = c.mu.free[:n-1]
			err = errors.Join(c.start(l.begin(due)), c.mu.out.Flush())
		} else {
			c.mu.late = append(c.mu.late, due)
		}
		c.mu.Unlock()
		if err != nil {
			return // which the reader notices as well
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.over = true
	for _, l := range c.mu.free {
		l.stop()
	}
	// The reader looks up when something comes.
	_ = errors.Join(c.framer.WritePing(false, [8]byte{}), c.mu.out.Flush())
}
