package main

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// A conn is one HTTP/2 connection that carries many calls at a time. It is
// written for this load alone, so that the generator takes little of the
// processors that it shares with the server: one goroutine reads answers and
// starts the calls that follow, and header blocks are made once or twice.
type conn struct {
	load    *load
	net     net.Conn
	in      *bufio.Reader
	framer  *http2.Framer
	id      string         // the client's
	headers *hpack.Encoder // writes to block
	block   bytes.Buffer
	blocks  map[string][]byte // of headers by method, as long as they are right

	mu struct {
		sync.Mutex // guards what follows, and writing
		out        *bufio.Writer
		next       uint32 // stream
		open       map[uint32]*call
		window     int64   // bytes that the server takes at the moment
		held       []*call // until it takes more
		unread     uint32  // received since we last said so
		free       []*lane // with a fixed rate, those without a call
		late       []time.Time
		over       bool // with a fixed rate, nothing is due any more
		left       int  // lanes that go on
	}
}

// A call is one request and what has come of its answer.
type call struct {
	lane    *lane
	method  string
	request []byte
	answer  []byte

	messages [][]byte // memory for those of the answer
}

// receiveWindow is what the server may send without being told that it was read.
const receiveWindow = 1 << 30

// dial makes a connection, which carries a client's id.
func (l *load) dial(clientID string) (*conn, error) {
	n, err := net.Dial("tcp", l.endpoint)
	if err != nil {
		return nil, err
	}
	c := &conn{load: l, net: n, in: bufio.NewReaderSize(n, 256<<10), id: clientID, blocks: map[string][]byte{}}
	c.headers = hpack.NewEncoder(&c.block)
	c.mu.out = bufio.NewWriterSize(n, 256<<10)
	c.mu.open, c.mu.next, c.mu.window = map[uint32]*call{}, 1, 65535
	c.framer = http2.NewFramer(c.mu.out, c.in)
	c.framer.SetReuseFrames()
	if _, err := c.mu.out.WriteString(http2.ClientPreface); err != nil {
		return nil, err
	}
	return c, errors.Join(
		c.framer.WriteSettings(http2.Setting{ID: http2.SettingHeaderTableSize, Val: 0}, http2.Setting{ID: http2.SettingEnablePush, Val: 0},
			http2.Setting{ID: http2.SettingInitialWindowSize, Val: receiveWindow}, http2.Setting{ID: http2.SettingMaxFrameSize, Val: 1 << 20}),
		c.framer.WriteWindowUpdate(0, receiveWindow), c.mu.out.Flush())
}

// headersOf is the block of headers of a call, which is sent next; the lock is
// held. As clients do, it says a header once and refers to it afterwards.
func (c *conn) headersOf(method string) []byte {
	if block := c.blocks[method]; block != nil {
		return block
	}
	first, next := c.encode(method), c.encode(method)
	if !bytes.Equal(first, next) {
		clear(c.blocks) // what was said newly moves what they refer to
	}
	c.blocks[method] = next
	return first
}

func (c *conn) encode(method string) []byte {
	c.block.Reset()
	for _, h := range [][2]string{{":method", "POST"}, {":scheme", "http"}, {":path", "/apache.rocketmq.v2.MessagingService/" + method},
		{":authority", c.load.endpoint}, {"content-type", "application/grpc"}, {"te", "trailers"}, {"grpc-timeout", "30S"},
		{"x-mq-client-id", c.id}, {"x-mq-language", "GO"}, {"x-mq-client-version", "5.1.3"}, {"x-mq-protocol", "v2"}} {
		if err := c.headers.WriteField(hpack.HeaderField{Name: h[0], Value: h[1]}); err != nil {
			panic(err) // of a buffer
		}
	}
	return bytes.Clone(c.block.Bytes())
}

// start makes a call; the lock is held. What the server does not take yet is
// held back.
func (c *conn) start(k *call) error {
	if c.mu.window < int64(len(k.request)) {
		c.mu.held = append(c.mu.held, k)
		return nil
	}
	c.mu.window -= int64(len(k.request))
	id := c.mu.next
	c.mu.next += 2
	c.mu.open[id] = k
	return errors.Join(
		c.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: c.headersOf(k.method), EndHeaders: true}),
		c.framer.WriteData(id, true, k.request))
}

// read handles answers until no lane goes on.
func (c *conn) read() error {
	for {
		if c.in.Buffered() == 0 {
			c.mu.Lock()
			err, over := c.mu.out.Flush(), c.mu.left == 0
			c.mu.Unlock()
			if err != nil || over {
				return err
			}
		}
		f, err := c.framer.ReadFrame()
		if err != nil {
			return err
		}
		c.mu.Lock()
		err = c.handle(f)
		c.mu.Unlock()
		if err != nil {
			return err
		}
	}
}

// handle takes one frame; the lock is held.
func (c *conn) handle(f http2.Frame) error {
	switch f := f.(type) {
	case *http2.DataFrame:
		if k := c.mu.open[f.StreamID]; k != nil {
			k.answer = append(k.answer, f.Data()...)
		}
		if c.mu.unread += f.Length; c.mu.unread > receiveWindow/2 {
			if err := c.framer.WriteWindowUpdate(0, c.mu.unread); err != nil {
				return err
			}
			c.mu.unread = 0
		}
		if f.StreamEnded() {
			return c.ended(f.StreamID, nil)
		}
	case *http2.HeadersFrame:
		if f.StreamEnded() {
			return c.ended(f.StreamID, f.HeaderBlockFragment())
		}
	case *http2.RSTStreamFrame:
		return c.ended(f.StreamID, nil)
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			c.mu.window += int64(f.Increment)
			return c.release()
		}
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return c.framer.WriteSettingsAck()
		}
	case *http2.PingFrame:
		if !f.IsAck() {
			return c.framer.WritePing(true, f.Data)
		}
	case *http2.GoAwayFrame:
		return fmt.Errorf("the server closes the connection: %v %s", f.ErrCode, f.DebugData())
	}
	return nil
}

// release starts what was held back as far as the server takes it.
func (c *conn) release() error {
	held := c.mu.held
	c.mu.held = nil
	for _, k := range held {
		if err := c.start(k); err != nil {
			return err
		}
	}
	return nil
}

// ended gives an answer to its lane, which may have another call.
func (c *conn) ended(stream uint32, trailer []byte) error {
	k := c.mu.open[stream]
	if k == nil {
		return nil
	}
	delete(c.mu.open, stream)
	var err error
	k.messages, err = split(k.messages[:0], k.answer)
	if err == nil && len(k.messages) == 0 {
		err = fmt.Errorf("%s has no answer: %s", k.method, trailerText(trailer))
	}
	if next := k.lane.answered(k.method, k.messages, err); next != nil {
		return c.start(next)
	}
	return nil
}

// split adds the messages in the body of an answer to messages.
func split(messages [][]byte, body []byte) ([][]byte, error) {
	for len(body) > 0 {
		if len(body) < 5 || uint32(len(body)-5) < binary.BigEndian.Uint32(body[1:]) {
			return nil, io.ErrUnexpectedEOF
		}
		size := 5 + int(binary.BigEndian.Uint32(body[1:]))
		messages = append(messages, body[5:size])
		body = body[size:]
	}
	return messages, nil
}

// trailerText shows why a call failed.
func trailerText(block []byte) string {
	fields, err := hpack.NewDecoder(0, nil).DecodeFull(block)
	return fmt.Sprint(fields, err)
}
