package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// A lane makes one call after the other, or one each time it is due. Its
// connection's lock guards it.
type lane struct {
	conn   *conn
	queue  *v2.MessageQueue
	number int
	calls  int
	from   time.Time // of what is under way

	messages, bytes, errors int64
	err                     error
	took                    []int64 // microseconds
	last                    time.Time
	stopped                 bool
}

// begin makes the lane's next call, which counts from then.
func (l *lane) begin(from time.Time) *call {
	l.from = from
	l.calls++
	if l.conn.load.kind == "send" {
		return l.call("SendMessage", l.message())
	}
	return l.call("ReceiveMessage", &v2.ReceiveMessageRequest{
		Group: l.conn.load.groupName(), MessageQueue: l.queue, FilterExpression: everything(), BatchSize: int32(l.conn.load.batch),
		InvisibleDuration: durationpb.New(time.Minute), LongPollingTimeout: durationpb.New(5 * time.Second),
	})
}

func (l *lane) message() *v2.SendMessageRequest {
	return &v2.SendMessageRequest{Messages: []*v2.Message{{
		Topic: &v2.Resource{Name: l.conn.load.topic}, Body: l.conn.load.body,
		SystemProperties: &v2.SystemProperties{
			MessageId: fmt.Sprintf("01%016X%04X%012X", l.from.UnixNano(), l.number, l.calls), MessageType: v2.MessageType_NORMAL,
			BodyEncoding: v2.Encoding_IDENTITY, BornTimestamp: timestamppb.New(l.from), BornHost: "127.0.0.1",
		},
	}}}
}

func (l *lane) call(method string, m proto.Message) *call {
	b, err := proto.MarshalOptions{}.MarshalAppend(make([]byte, 5, 5+proto.Size(m)), m)
	if err != nil {
		panic(err) // of messages made here
	}
	binary.BigEndian.PutUint32(b[1:], uint32(len(b)-5))
	return &call{lane: l, method: method, request: b}
}

// errNothingLeft stops a lane without being a failure.
var errNothingLeft = errors.New("nothing left")

// answered takes an answer and returns the call that follows.
func (l *lane) answered(method string, messages [][]byte, err error) *call {
	n := int64(1)
	switch {
	case err != nil:
	case method == "SendMessage":
		a := new(v2.SendMessageResponse)
		err = errors.Join(proto.Unmarshal(messages[0], a), statusError(a.GetStatus()))
		l.bytes += int64(len(l.conn.load.body))
	case method == "ReceiveMessage":
		var ack *v2.AckMessageRequest
		if ack, err = l.received(messages); err == nil {
			return l.call("AckMessage", ack)
		}
	default:
		a := new(v2.AckMessageResponse)
		err = errors.Join(proto.Unmarshal(messages[0], a), statusError(a.GetStatus()))
		n = int64(len(a.GetEntries()))
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
		l.last = now
		l.messages += n
		l.took = append(l.took, now.Sub(l.from).Microseconds())
	}
	return l.more()
}

// received makes the acknowledgement of what a receive has brought.
func (l *lane) received(messages [][]byte) (*v2.AckMessageRequest, error) {
	ack := &v2.AckMessageRequest{Group: l.conn.load.groupName(), Topic: l.queue.Topic}
	for _, b := range messages {
		a := new(v2.ReceiveMessageResponse)
		if err := proto.Unmarshal(b, a); err != nil {
			return nil, err
		}
		if a.GetStatus().GetCode() == v2.Code_MESSAGE_NOT_FOUND {
			return nil, errNothingLeft
		}
		if a.GetStatus() != nil {
			if err := statusError(a.GetStatus()); err != nil {
				return nil, err
			}
		}
		if m := a.GetMessage(); m != nil {
			l.bytes += int64(len(m.Body))
			ack.Entries = append(ack.Entries, &v2.AckMessageEntry{MessageId: m.SystemProperties.MessageId, ReceiptHandle: m.SystemProperties.GetReceiptHandle()})
		}
	}
	if len(ack.Entries) == 0 {
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
