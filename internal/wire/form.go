package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
)

// A Form is a frame with a JSON header of which only opaque and the values of its
// first fields are open. Filling it in costs a third of encoding a Command.
type Form struct {
	// parts is the frame cut at what is open: the values in their order, opaque
	// last.
	parts [][]byte
}

// NewForm makes a form of c with the values of its first open fields, which must
// be empty, left open.
func NewForm(c *Command, open int) *Form {
	blank := *c
	blank.Serialization, blank.Opaque = JSON, 0
	rest := blank.AppendTo(nil)
	f := &Form{}
	cut := func(before string, gap int) {
		i := bytes.Index(rest, []byte(before))
		if i < 0 {
			panic(fmt.Sprintf("BUG: no %s in %q", before, rest))
		}
		end := i + len(before)
		f.parts = append(f.parts, rest[:end:end])
		rest = rest[end+gap:]
	}
	for i := range c.Fields[:open] {
		key := appendQuoted(nil, c.Fields[i].Key)
		cut(string(key)+`:"`, 0)
	}
	cut(`,"opaque":`, len("0"))
	f.parts = append(f.parts, rest)
	return f
}

// AppendTo adds the frame with these values to b.
func (f *Form) AppendTo(b []byte, opaque int32, values [][]byte) []byte {
	start := len(b)
	last := len(f.parts) - 2
	for i, part := range f.parts[:last] {
		b = append(b, part...)
		b = appendEscapedText(b, values[i])
	}
	b = append(b, f.parts[last]...)
	b = strconv.AppendInt(b, int64(opaque), 10)
	b = append(b, f.parts[last+1]...)
	size := len(b) - start - 4
	binary.BigEndian.PutUint32(b[start:], uint32(size))
	binary.BigEndian.PutUint32(b[start+4:], uint32(JSON)<<24|uint32(size-4))
	return b
}
