package wire

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// maxScratch is how much memory a Decoder keeps over Reset, in fields and bytes.
const maxScratch = 1 << 16

// errCut is the error of a header that ends too early.
var errCut = errors.New("header ends too early")

// A Decoder reads frames. It holds the memory that decoded commands share: what
// Decode returns stays valid until Reset, and as long as the frame does. The
// zero Decoder is ready to use. It is not safe for concurrent use.
type Decoder struct {
	fields  Fields
	scratch []byte // unescaped strings
}

// Reset lets the memory be used again: everything decoded before is invalid.
func (d *Decoder) Reset() {
	d.fields, d.scratch = d.fields[:0], d.scratch[:0]
	if cap(d.fields) > maxScratch/16 {
		d.fields = nil
	}
	if cap(d.scratch) > maxScratch {
		d.scratch = nil
	}
}

// Decode reads the frame whose length has been taken off. c is overwritten. An
// error means that the peer does not speak the protocol; c is then undefined.
func (d *Decoder) Decode(frame []byte, c *Command) error {
	if len(frame) < 4 {
		return fmt.Errorf("frame of %d bytes has no header length", len(frame))
	}
	mark := binary.BigEndian.Uint32(frame)
	size := int(mark & 0xFFFFFF)
	if size > len(frame)-4 {
		return fmt.Errorf("header of %d bytes in a frame of %d", size, len(frame))
	}
	header, body := frame[4:4+size], frame[4+size:]
	*c = Command{Serialization: Serialization(mark >> 24)}
	if len(body) > 0 {
		c.Body = body
	}
	first := len(d.fields)
	var err error
	switch c.Serialization {
	case JSON:
		err = d.decodeJSON(header, c)
	case Binary:
		err = d.decodeBinary(header, c)
	default:
		return fmt.Errorf("header serialization %d is unknown", c.Serialization)
	}
	if err != nil {
		return fmt.Errorf("malformed header: %w", err)
	}
	if n := len(d.fields); n > first {
		c.Fields = d.fields[first:n:n]
	}
	return nil
}

// add adds a field to those of the command being decoded.
func (d *Decoder) add(key, value []byte) {
	var p *Field
	d.fields, p = d.fields.grow()
	p.Key, p.Value = key, value
}

// decodeBinary reads a header of the second serialization.
func (d *Decoder) decodeBinary(h []byte, c *Command) error {
	const fixed = 2 + 1 + 2 + 4 + 4
	if len(h) < fixed {
		return errCut
	}
	be := binary.BigEndian
	c.Code = Code(int16(be.Uint16(h)))
	c.Language = Language(h[2])
	if int(c.Language) >= len(languageNames) {
		c.Language = LanguageOther
	}
	c.Version = int32(int16(be.Uint16(h[3:])))
	c.Opaque = int32(be.Uint32(h[5:]))
	c.Flag = int32(be.Uint32(h[9:]))
	remark, h, ok := take32(h[fixed:])
	if !ok {
		return errCut
	}
	c.Remark = string(remark)
	ext, _, ok := take32(h)
	for ok && len(ext) > 0 {
		var key, value []byte
		if key, ext, ok = take16(ext); !ok {
			break
		}
		if value, ext, ok = take32(ext); ok {
			d.add(key, value)
		}
	}
	if !ok {
		return errCut
	}
	return nil
}

// take16 cuts off bytes that follow their length of two bytes.
func take16(b []byte) (v, rest []byte, ok bool) {
	if len(b) < 2 {
		return nil, nil, false
	}
	n := int(int16(binary.BigEndian.Uint16(b)))
	if n < 0 || n > len(b)-2 {
		return nil, nil, false
	}
	return b[2 : 2+n : 2+n], b[2+n:], true
}

// take32 cuts off bytes that follow their length of four bytes.
func take32(b []byte) (v, rest []byte, ok bool) {
	if len(b) < 4 {
		return nil, nil, false
	}
	n := int(int32(binary.BigEndian.Uint32(b)))
	if n < 0 || n > len(b)-4 {
		return nil, nil, false
	}
	return b[4 : 4+n : 4+n], b[4+n:], true
}
