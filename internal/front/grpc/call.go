package grpc

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net/netip"
	"sync/atomic"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/gzip" // which clients may use
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

// A call is a call's stream as handlers see it. It has its caller in its context
// and lets pass what that may ask for. What it receives has its share of
// MaxIncoming until the next message or the end, and its time; what it sends
// has to be read.
type call struct {
	grpc.ServerStream
	ctx    context.Context // with the caller
	server *Server
	method string
	// single says that the client sends one message.
	single bool
	// open says that nobody is asked for permission: health and reflection.
	open bool
	raw  incomingStream
	from netip.Addr
	// visitor has the connection; nil without one.
	visitor *visitor
	// seen says that a message was compared with what a node vouched for.
	seen bool
	// received are the bytes of a message that refers to them, until the call ends.
	received mem.Buffer
	// held is the call's share. Whoever ends the call and whoever receives may
	// give it back.
	held atomic.Int64
	// arriving is the timeout of the request that is being received, and leaving
	// that of the message that waits for its client.
	arriving, leaving timeout
}

// incomingStream is what grpc's own stream can do. It hands out a message's length
// before the message is let in, which grpc.ServerStream does not.
type incomingStream interface {
	ReadMessageHeader(header []byte) error
	Read(n int) (mem.BufferSlice, error)
	RecvCompress() string
	WriteStatus(*status.Status) error
}

// Lengths in front of a message: a flag, 1 if it is compressed, and how many
// bytes follow (grpc, PROTOCOL-HTTP2.md).
const prefixLength = 5

// ordinaryParts is what the parts of an ordinary request take beside its bytes,
// of which an eighth is added.
const ordinaryParts = 4 << 10

// begin makes a call of a stream. It counts among those under way until end.
func (s *Server) begin(ss grpc.ServerStream, method string, single bool) (*call, error) {
	c := &call{ServerStream: ss, ctx: ss.Context(), server: s, method: method, single: single, open: s.table[method] == nil}
	c.arriving.call, c.leaving.call = c, c
	var ours bool
	if c.raw, ours = grpc.ServerTransportStreamFromContext(c.ctx).(incomingStream); !ours {
		return nil, status.Error(codes.Internal, "BUG: this version of grpc-go hides how long a message is")
	}
	if p, ok := peer.FromContext(c.ctx); ok {
		c.from = addrPort(p.Addr).Addr()
		c.visitor, _ = p.AuthInfo.(*visitor)
	}
	if !s.calls.take(c.from, 1) {
		all, own := s.calls.taken(c.from)
		return nil, status.Errorf(codes.ResourceExhausted,
			"%d calls are under way, %d of them from %v, which can have half of what is free: wait for answers, or raise grpc-max-calls (%d)", all, own, c.from, s.o.MaxCalls)
	}
	return c, nil
}

// end gives back what the call holds.
func (c *call) end() {
	c.release()
	c.server.calls.give(c.from, 1)
	if c.received != nil {
		c.received.Free()
		c.received = nil
	}
}

// Context is the call's context.
func (c *call) Context() context.Context { return c.ctx }

// reserve makes the call's share n bytes, if it is smaller.
func (c *call) reserve(n int64) error {
	more := n - c.held.Load()
	if more <= 0 {
		return nil
	}
	if !c.server.requests.take(c.from, more) {
		all, own := c.server.requests.taken(c.from)
		return refusef(rmq.Code_TOO_MANY_REQUESTS,
			"requests of %d bytes are being received and handled, %d of them from %v, and this one of %d would be more than half of what is free: wait and try again, or raise grpc-max-incoming (%d)",
			all, own, c.from, n, c.server.o.MaxIncoming)
	}
	c.held.Add(more)
	return nil
}

// release gives the call's share back.
func (c *call) release() {
	if n := c.held.Swap(0); n > 0 {
		c.server.requests.give(c.from, n)
	}
}

// RecvMsg receives a message, if there is room for it and its sender may ask for
// what it says. io.EOF says that there is none.
func (c *call) RecvMsg(m any) error {
	c.release()
	if err := c.receive(m); err != nil {
		c.release()
		return err
	}
	if c.open {
		return nil
	}
	return c.server.authorize(c.ctx, c.method, m)
}

// receive receives a message.
func (c *call) receive(m any) error {
	into, ok := m.(proto.Message)
	if !ok {
		return status.Errorf(codes.Internal, "BUG: %T is no message", m)
	}
	body, packed, err := c.read()
	if err != nil {
		return err
	}
	defer body.Free()
	if body.Len() > ioBuffer {
		c.server.decoding <- struct{}{}
		defer func() { <-c.server.decoding }()
	}
	if packed {
		b, err := c.unpack(body)
		if err != nil {
			return err
		}
		return c.decode(b, into)
	}
	whole := body.MaterializeToBuffer(mem.DefaultBufferPool())
	if _, refers := into.(*rmq.SendMessageRequest); refers {
		c.received = whole
	} else {
		defer whole.Free()
	}
	return c.decode(whole.ReadOnlyData(), into)
}

// read reads the bytes of a message and, if it is the only one, to the end of what
// the client sends. packed says that they are compressed.
func (c *call) read() (body mem.BufferSlice, packed bool, err error) {
	defer c.server.arriving.stop(&c.arriving)
	if c.single { // who talks at length may be silent between two messages
		c.server.arriving.start(&c.arriving)
	}
	var prefix [prefixLength]byte
	if err := c.raw.ReadMessageHeader(prefix[:]); err != nil {
		if c.single && errors.Is(err, io.EOF) {
			err = status.Error(codes.InvalidArgument, "the call has no request")
		}
		return nil, false, err
	}
	if !c.single {
		c.server.arriving.start(&c.arriving)
	}
	size := binary.BigEndian.Uint32(prefix[1:])
	if int64(size) > int64(c.server.o.MaxMessage) {
		return nil, false, status.Errorf(codes.ResourceExhausted, "the request has %d bytes, at most %d are accepted: send less at a time, or raise grpc-max-message", size, c.server.o.MaxMessage)
	}
	// What an ordinary message takes when it is decoded is not asked for again.
	if err := c.reserve(int64(size) + int64(size)/8 + ordinaryParts); err != nil {
		return nil, false, err
	}
	if body, err = c.raw.Read(int(size)); err == nil && c.single {
		err = c.last()
	}
	if err != nil {
		body.Free()
		return nil, false, err
	}
	return body, prefix[0] != 0, nil
}

// last waits for the end of what the client sends.
func (c *call) last() error {
	switch err := c.raw.ReadMessageHeader(make([]byte, 1)); {
	case err == nil:
		return status.Error(codes.InvalidArgument, "the call has more than one request")
	case errors.Is(err, io.EOF):
		return nil
	default:
		return err
	}
}

// late ends a call whose request did not arrive in time, by which its reader
// learns of it.
func (c *call) late() {
	_ = c.raw.WriteStatus(status.Newf(codes.DeadlineExceeded,
		"the request did not arrive completely within %v (grpc-request-timeout): send faster, or less at a time", c.server.o.RequestTimeout))
}

// unpack decompresses a message, as far as there is room for it.
func (c *call) unpack(body mem.BufferSlice) ([]byte, error) {
	by := encoding.GetCompressor(c.raw.RecvCompress())
	if by == nil {
		return nil, status.Error(codes.Internal, "the request is compressed and does not say how: send grpc-encoding")
	}
	packed := body.Reader()
	defer func() { _ = packed.Close() }()
	in, err := by.Decompress(packed)
	if err != nil {
		return nil, status.Errorf(codes.Internal, "the request cannot be decompressed: %v", err)
	}
	var b bytes.Buffer
	for most := int64(c.server.o.MaxMessage); ; {
		n, err := io.CopyN(&b, in, ioBuffer)
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, status.Errorf(codes.Internal, "the request cannot be decompressed: %v", err)
		}
		if int64(b.Len()) > most {
			return nil, status.Errorf(codes.ResourceExhausted, "the request has more than %d bytes when it is decompressed: send less at a time, or raise grpc-max-message", most)
		}
		if n < ioBuffer {
			return b.Bytes(), nil
		}
		if err := c.reserve(int64(body.Len() + b.Cap())); err != nil {
			return nil, err
		}
	}
}

// decode reads a message from its bytes.
func (c *call) decode(b []byte, into proto.Message) error {
	if err := c.unchanged(b); err != nil {
		return err
	}
	switch m := into.(type) {
	case *rmq.AckMessageRequest:
		if done, err := decodeAck(b, m, c.reserve); done || err != nil {
			return err
		}
	case *rmq.SendMessageRequest:
		if decodeSend(b, m) {
			return nil // there is room for it already
		}
	}
	if err := c.reserve(weigh(b, into.ProtoReflect().Descriptor())); err != nil {
		return err
	}
	if err := proto.Unmarshal(b, into); err != nil {
		return status.Errorf(codes.Internal, "the request cannot be read: %v", err)
	}
	return nil
}

// SendMsg sends a message. A client that does not make room for it in time loses
// its connection: nothing else ends a stream that has something left to send.
func (c *call) SendMsg(m any) error {
	c.server.leaving.start(&c.leaving)
	defer c.server.leaving.stop(&c.leaving)
	if d, ok := m.(*delivery); ok {
		return c.deliver(d)
	}
	return c.ServerStream.SendMsg(m)
}

// deliver sends what waits in a delivery.
func (c *call) deliver(d *delivery) error {
	piece := d.take()
	defer piece.Free()
	for at := 0; at < piece.Len(); {
		end := at + prefixLength + int(binary.BigEndian.Uint32(piece.ReadOnlyData()[at+1:]))
		// grpc frees what it was given when that is written.
		if err := c.ServerStream.SendMsg(encoded{piece.Slice(at+prefixLength, end)}); err != nil {
			return err
		}
		d.sent++
		at = end
	}
	return nil
}

// encoded is a message that is encoded already.
type encoded struct{ mem.Buffer }

// codec passes on what is encoded already.
type codec struct{ encoding.CodecV2 }

// Marshal implements encoding.CodecV2.
func (c codec) Marshal(v any) (mem.BufferSlice, error) {
	if e, ok := v.(encoded); ok {
		return mem.BufferSlice{e.Buffer}, nil
	}
	return c.CodecV2.Marshal(v)
}

// cut closes the connection of a client that does not read.
func (c *call) cut() {
	if c.visitor == nil {
		return
	}
	c.server.log.Warn("connection closed: its client has not read a stream for as long as grpc-read-timeout allows",
		"call", c.method, "remote_address", c.from, "client_id", callerOf(c.ctx).clientID, "timeout", c.server.o.ReadTimeout)
	_ = c.visitor.conn.Close()
}
