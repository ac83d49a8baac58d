// Package wire is RocketMQ's remoting protocol as bytes: frames, the two header
// serializations, request and response codes, headers and JSON bodies.
//
// Codes and headers are printed from protocol.def by go generate; the frame is
// described in docs/PROTOCOL.md. The package does no I/O and keeps no state.
package wire

import "bytes"

// MaxFrame is the most bytes that may follow the length of a frame.
const MaxFrame = 16 << 20

// A Code is a request code or, in a response, the outcome.
type Code int32

// A Serialization is how a header is written.
type Serialization uint8

// The two serializations.
const (
	JSON   Serialization = 0
	Binary Serialization = 1
)

// Bits of Command.Flag.
const (
	FlagResponse int32 = 1
	FlagOneway   int32 = 2
)

// A Command is one frame, in either direction.
//
// In a decoded Command, Fields and Body alias the frame (or the decoder's
// scratch memory): see Decoder.
type Command struct {
	Code          Code
	Language      Language
	Version       int32
	Opaque        int32
	Flag          int32
	Remark        string
	Fields        Fields
	Body          []byte
	Serialization Serialization

	// Asked, of an answer, is the code of its request; Arrived is when that
	// came, in nanoseconds of its connection's clock; Waited says that it waited
	// for something to come. They are not on the wire.
	Asked   Code
	Arrived int64
	Waited  bool

	// Chunks follow Body when a command is written, without being copied;
	// Release, if set, is called once they are no longer needed. Not set by
	// the decoder.
	Chunks  [][]byte
	Release func()
}

// Response reports whether c answers a request.
func (c *Command) Response() bool { return c.Flag&FlagResponse != 0 }

// Oneway reports whether the sender of c wants no answer.
func (c *Command) Oneway() bool { return c.Flag&FlagOneway != 0 }

// NewRequest makes a request of Goddard's own, with a JSON header. h may be nil.
func NewRequest(code Code, h Header) *Command {
	c := &Command{Code: code, Language: LanguageGo, Version: VersionCurrent}
	if h != nil {
		c.Fields = h.AppendFields(nil)
	}
	return c
}

// Reply makes the answer to c: of the same opaque and serialization. h may be nil.
func (c *Command) Reply(code Code, h Header) *Command {
	r := new(Command)
	r.SetReply(c, code, h)
	return r
}

// ReplyError makes an answer that is an error, with a text that says what to do.
func (c *Command) ReplyError(code Code, remark string) *Command {
	r := c.Reply(code, nil)
	r.Remark = remark
	return r
}

// SetReply turns c, whatever it was, into the answer to request that
// request.Reply would make. It reuses the memory of c.Fields, which must be
// c's own: not those of a decoded command.
func (c *Command) SetReply(request *Command, code Code, h Header) {
	*c = Command{
		Code: code, Language: LanguageGo, Version: VersionCurrent,
		Opaque: request.Opaque, Flag: FlagResponse, Serialization: request.Serialization,
		Fields: c.Fields[:0], Asked: request.Code, Arrived: request.Arrived, Waited: request.Waited,
	}
	if h != nil {
		c.Fields = h.AppendFields(c.Fields)
	}
}

// Clone copies c with all that it refers to, so that it outlives the frame it
// was decoded from. Chunks become part of Body; Release stays with c.
func (c *Command) Clone() *Command {
	d := *c
	d.Fields = c.Fields.clone()
	d.Chunks, d.Release = nil, nil
	d.Body = bytes.Clone(c.Body)
	for _, chunk := range c.Chunks {
		d.Body = append(d.Body, chunk...)
	}
	return &d
}

// A Header is a typed set of extFields; the types are printed from protocol.def.
type Header interface {
	// AppendFields adds what is set to f.
	AppendFields(f Fields) Fields
	// DecodeFields reads f; unknown keys are passed over. A missing or
	// malformed required field is an error that names it.
	DecodeFields(f Fields) error
}
