// Package wire is RocketMQ's remoting protocol as bytes: frames, the two header
// serializations, request and response codes, headers and JSON bodies.
//
// Codes and headers are printed from protocol.def by go generate; the frame is
// described in docs/PROTOCOL.md. The package does no I/O and keeps no state.
package wire

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

// A Field is one entry of extFields.
type Field struct {
	Key, Value []byte
}

// Fields are a header's extFields in the order they were written.
type Fields []Field

// A Header is a typed set of extFields; the types are printed from protocol.def.
type Header interface {
	// AppendFields adds what is set to f.
	AppendFields(f Fields) Fields
	// DecodeFields reads f; unknown keys are passed over. A missing or
	// malformed required field is an error that names it.
	DecodeFields(f Fields) error
}
