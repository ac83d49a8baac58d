package wire

import (
	"encoding/binary"
	"strconv"
)

// A Prepared request is one that is sent over and over with nothing in it
// changing but the opaque: all else of the frame is encoded once.
type Prepared struct {
	Code   Code
	before []byte   // the frame up to the opaque
	after  [][]byte // what follows it, in one piece
	header int      // bytes of the header without the opaque
}

// Prepare encodes c, its Chunks left out, with a JSON header. Nothing of c is
// referred to afterwards.
func Prepare(c *Command) *Prepared {
	p := &Prepared{Code: c.Code}
	p.before = c.appendBeforeOpaque(make([]byte, 8))
	after := c.appendAfterOpaque(nil)
	p.header = len(p.before) - 8 + len(after)
	p.after = [][]byte{append(after, c.Body...)}
	return p
}

// AppendTo adds the frame to b, with the length in front.
func (p *Prepared) AppendTo(b []byte, opaque int32) []byte {
	b, rest := p.AppendHead(b, opaque)
	return append(b, rest[0]...)
}

// AppendHead adds the beginning of the frame to b, with the opaque, and returns
// what follows it as one piece, which is not to be changed.
func (p *Prepared) AppendHead(b []byte, opaque int32) (with []byte, rest [][]byte) {
	start := len(b)
	b = append(b, p.before...)
	digits := len(b)
	b = strconv.AppendInt(b, int64(opaque), 10)
	header := p.header + len(b) - digits
	binary.BigEndian.PutUint32(b[start:], uint32(len(b)-start-4+len(p.after[0])))
	binary.BigEndian.PutUint32(b[start+4:], uint32(JSON)<<24|uint32(header))
	return b, p.after
}
