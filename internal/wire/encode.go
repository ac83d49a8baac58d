package wire

import (
	"encoding/binary"
	"math"
	"math/bits"
	"strconv"
)

// AppendTo adds the frame to b, with the length in front. The length counts
// Chunks too, but they are not added: they are to be written right behind. A
// command that does not fit into a binary header, such as one with a code over
// 32767, gets a JSON header.
func (c *Command) AppendTo(b []byte) []byte {
	start := len(b)
	mark := uint32(JSON) << 24
	b = append(b, 0, 0, 0, 0, 0, 0, 0, 0)
	if c.Serialization == Binary && c.fitsBinary() {
		mark = uint32(Binary) << 24
		b = c.appendBinary(b)
	} else {
		b = c.appendJSON(b)
	}
	header := len(b) - start - 8
	b = append(b, c.Body...)
	size := len(b) - start - 4
	for _, chunk := range c.Chunks {
		size += len(chunk)
	}
	binary.BigEndian.PutUint32(b[start:], uint32(size))
	binary.BigEndian.PutUint32(b[start+4:], mark|uint32(header))
	return b
}

func (c *Command) fitsBinary() bool {
	if c.Code != Code(int16(c.Code)) || c.Version != int32(int16(c.Version)) {
		return false
	}
	for i := range c.Fields {
		if len(c.Fields[i].Key) > math.MaxInt16 {
			return false
		}
	}
	return true
}

func (c *Command) appendBinary(b []byte) []byte {
	be := binary.BigEndian
	b = be.AppendUint16(b, uint16(c.Code))
	b = append(b, byte(c.Language))
	b = be.AppendUint16(b, uint16(c.Version))
	b = be.AppendUint32(b, uint32(c.Opaque))
	b = be.AppendUint32(b, uint32(c.Flag))
	b = be.AppendUint32(b, uint32(len(c.Remark)))
	b = append(b, c.Remark...)
	ext := len(b)
	b = append(b, 0, 0, 0, 0)
	for i := range c.Fields {
		f := &c.Fields[i]
		b = be.AppendUint16(b, uint16(len(f.Key)))
		b = append(b, f.Key...)
		b = be.AppendUint32(b, uint32(len(f.Value)))
		b = append(b, f.Value...)
	}
	be.PutUint32(b[ext:], uint32(len(b)-ext-4))
	return b
}

// appendJSON writes the keys in the order of Java's peers, which leave out what
// is null.
func (c *Command) appendJSON(b []byte) []byte {
	b = c.appendBeforeOpaque(b)
	b = strconv.AppendInt(b, int64(c.Opaque), 10)
	return c.appendAfterOpaque(b)
}

func (c *Command) appendBeforeOpaque(b []byte) []byte {
	b = append(b, `{"code":`...)
	b = strconv.AppendInt(b, int64(c.Code), 10)
	if len(c.Fields) > 0 {
		b = append(b, `,"extFields":{`...)
		for i := range c.Fields {
			if i > 0 {
				b = append(b, ',')
			}
			b = appendQuoted(b, c.Fields[i].Key)
			b = append(b, ':')
			b = appendQuoted(b, c.Fields[i].Value)
		}
		b = append(b, '}')
	}
	b = append(b, `,"flag":`...)
	b = strconv.AppendInt(b, int64(c.Flag), 10)
	b = append(b, `,"language":"`...)
	b = append(b, c.Language.String()...)
	return append(b, `","opaque":`...)
}

func (c *Command) appendAfterOpaque(b []byte) []byte {
	if c.Remark != "" {
		b = append(b, `,"remark":`...)
		b = appendQuoted(b, readOnlyBytes(c.Remark))
	}
	b = append(b, `,"serializeTypeCurrentRPC":"JSON","version":`...)
	b = strconv.AppendInt(b, int64(c.Version), 10)
	return append(b, '}')
}

// appendQuoted adds v as a JSON string. What is not ASCII stays as it is.
func appendQuoted(b, v []byte) []byte {
	b = append(b, '"')
	b = appendEscapedText(b, v)
	return append(b, '"')
}

// appendEscapedText adds v as it stands within a JSON string.
func appendEscapedText(b, v []byte) []byte {
	const digits = "0123456789abcdef"
	done := 0
	for i := toEscape(v, 0); i < len(v); i = toEscape(v, done) {
		b = append(b, v[done:i]...)
		done = i + 1
		switch c := v[i]; c {
		case '"', '\\':
			b = append(b, '\\', c)
		case '\n':
			b = append(b, '\\', 'n')
		case '\r':
			b = append(b, '\\', 'r')
		case '\t':
			b = append(b, '\\', 't')
		default:
			b = append(b, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		}
	}
	return append(b, v[done:]...)
}

// toEscape is where the first byte that a JSON string cannot hold as it is lies
// in v from i on; len(v) if there is none.
func toEscape(v []byte, i int) int {
	for ; i+8 <= len(v); i += 8 {
		w := binary.LittleEndian.Uint64(v[i:])
		quote, escape := w^'"'*ones, w^'\\'*ones
		// The lowest bit that is left stands for the first such byte.
		if found := ((quote-ones)&^quote | (escape-ones)&^escape | (w-' '*ones)&^w) & high; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(v) && v[i] >= ' ' && v[i] != '"' && v[i] != '\\' {
		i++
	}
	return i
}
