package wire

import (
	"fmt"
	"math"
	"math/bits"
	"strconv"
	"unsafe"
)

// A Field is one entry of extFields. Key and Value are not to be written to.
type Field struct {
	Key, Value []byte

	// digits holds the text of a number, so that it needs no memory of its own.
	digits [20]byte
}

// Fields are a header's extFields in the order they were written.
type Fields []Field

// An Opt is a value that may be missing where that differs from zero.
type Opt[T any] struct {
	Value T
	Set   bool
}

// Some is an Opt that is set.
func Some[T any](v T) Opt[T] { return Opt[T]{v, true} }

// Or is the value, or def if it is missing.
func (o Opt[T]) Or(def T) T {
	if o.Set {
		return o.Value
	}
	return def
}

// A FieldError says which field of which header is missing or malformed.
type FieldError struct {
	Header string // Go name of the header
	Key    string
	Value  string // empty if the field is missing
}

// Error implements error.
func (e *FieldError) Error() string {
	if e.Value == "" {
		return fmt.Sprintf("%s: field %s is missing", e.Header, e.Key)
	}
	return fmt.Sprintf("%s: field %s has the malformed value %.100q", e.Header, e.Key, e.Value)
}

// Get copies the value of the last field with a key, as in Java's maps.
func (f Fields) Get(key string) (value string, ok bool) {
	for i := len(f) - 1; i >= 0; i-- {
		if string(f[i].Key) == key {
			return string(f[i].Value), true
		}
	}
	return "", false
}

// Add appends a field.
func (f Fields) Add(key, value string) Fields { return f.AddBytes(key, readOnlyBytes(value)) }

// AddBytes appends a field that refers to value.
func (f Fields) AddBytes(key string, value []byte) Fields {
	f, p := f.grow()
	p.Key, p.Value = readOnlyBytes(key), value
	return f
}

// AddInt appends a field with a number.
func (f Fields) AddInt(key string, value int64) Fields {
	f, p := f.grow()
	p.Key, p.Value = readOnlyBytes(key), strconv.AppendInt(p.digits[:0], value, 10)
	return f
}

// AddBool appends a field with true or false.
func (f Fields) AddBool(key string, value bool) Fields { return f.Add(key, strconv.FormatBool(value)) }

// grow makes room for one field without clearing the memory that it reuses.
func (f Fields) grow() (Fields, *Field) {
	if n := len(f); n < cap(f) {
		return f[:n+1], &f[:n+1][n]
	}
	f = append(f, Field{})
	return f, &f[len(f)-1]
}

// clone copies f into memory of its own.
func (f Fields) clone() Fields {
	if f == nil {
		return nil
	}
	size := 0
	for i := range f {
		size += len(f[i].Key) + len(f[i].Value)
	}
	buf := make([]byte, 0, size)
	hold := func(b []byte) []byte {
		buf = append(buf, b...)
		return buf[len(buf)-len(b) : len(buf) : len(buf)]
	}
	c := make(Fields, len(f))
	for i := range f {
		c[i].Key, c[i].Value = hold(f[i].Key), hold(f[i].Value)
	}
	return c
}

// readOnlyBytes is the memory of s, which nobody may write to.
func readOnlyBytes(s string) []byte { return unsafe.Slice(unsafe.StringData(s), len(s)) }

// keepString is v as a string; it is old if they are the same, so that a header
// decoded again and again allocates only what changes.
func keepString(old string, v []byte) string {
	if old == string(v) {
		return old
	}
	return string(v)
}

// missingField names the first field of the mask of those that are missing.
func missingField(header string, mask uint32, names ...string) error {
	return &FieldError{Header: header, Key: names[bits.TrailingZeros32(mask)]}
}

// parseInt64 reads a decimal number; empty counts as zero, as in Java's binary
// headers, which cannot tell empty from missing.
func parseInt64(b []byte) (int64, bool) {
	neg := false
	if len(b) > 0 && (b[0] == '-' || b[0] == '+') {
		neg, b = b[0] == '-', b[1:]
		if len(b) == 0 {
			return 0, false
		}
	}
	if len(b) > 19 {
		return 0, false
	}
	var n uint64
	for _, c := range b {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + uint64(c-'0')
	}
	if neg {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n <= math.MaxInt64
}

func parseInt32(b []byte) (int32, bool) {
	n, ok := parseInt64(b)
	return int32(n), ok && n >= math.MinInt32 && n <= math.MaxInt32
}

// parseBool takes true, in any case, for true and all else for false, as Java does.
func parseBool(b []byte) (value, ok bool) {
	return len(b) == 4 && b[0]|0x20 == 't' && b[1]|0x20 == 'r' && b[2]|0x20 == 'u' && b[3]|0x20 == 'e', true
}
