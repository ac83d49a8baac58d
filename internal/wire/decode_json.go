package wire

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// maxDepth is how deep values that are passed over may nest.
const maxDepth = 32

// A scanner goes over the text of a JSON header.
type scanner struct {
	b []byte
	i int
	d *Decoder // for unescaped strings
}

func (s *scanner) errorf(format string, args ...any) error {
	return fmt.Errorf("byte %d: %w", s.i, fmt.Errorf(format, args...))
}

// decodeJSON reads a header of the first serialization.
func (d *Decoder) decodeJSON(h []byte, c *Command) error {
	s := scanner{b: h, d: d}
	c.Language = LanguageOther
	err := s.object(func(key []byte) error { return s.member(key, c) })
	if err != nil {
		return err
	}
	if s.space(); s.i < len(s.b) {
		return s.errorf("text after the header")
	}
	return nil
}

// member reads the value of a key of the header itself.
func (s *scanner) member(key []byte, c *Command) (err error) {
	switch string(key) {
	case "code":
		var n int32
		n, err = s.int32()
		c.Code = Code(n)
	case "version":
		c.Version, err = s.int32()
	case "opaque":
		c.Opaque, err = s.int32()
	case "flag":
		c.Flag, err = s.int32()
	case "language":
		var v []byte
		v, _, err = s.value()
		c.Language = parseLanguage(v)
	case "remark":
		var v []byte
		v, _, err = s.value()
		c.Remark = string(v)
	case "extFields":
		err = s.extFields()
	default:
		err = s.skip(0)
	}
	return err
}

// extFields reads the object of the header's fields, or null.
func (s *scanner) extFields() error {
	if s.space(); s.i < len(s.b) && s.b[s.i] == 'n' {
		return s.literal("null")
	}
	if !s.next('{') {
		return s.errorf("{ expected")
	}
	if s.next('}') {
		return nil
	}
	for {
		if plain, err := s.plainField(); err != nil {
			return err
		} else if !plain {
			if err := s.field(); err != nil {
				return err
			}
		}
		if s.next(',') {
			continue
		}
		if s.next('}') {
			return nil
		}
		return s.errorf(", or } expected")
	}
}

// plainField reads a key and its value as most clients write them: a string
// without an escape, a colon and a string. If there is something else nothing is
// read. Fields are most of a header, and two thirds of what decoding costs.
func (s *scanner) plainField() (plain bool, err error) {
	b, start := s.b, s.i+1
	if start+4 >= len(b) || b[s.i] != '"' {
		return false, nil
	}
	end := start + 1 // of a key of one letter
	if b[end] != '"' || b[start] == '\\' || b[start] == '"' {
		if end = quoteOrEscape(b, start); end+2 >= len(b) || b[end] != '"' {
			return false, nil
		}
	}
	if b[end+1] != ':' || b[end+2] != '"' {
		return false, nil
	}
	from := end + 3
	to := quoteOrEscape(b, from)
	if to < len(b) && b[to] == '"' {
		s.i = to + 1
		s.d.add(b[start:end:end], b[from:to:to])
		return true, nil
	}
	s.i = end + 2
	value, err := s.string()
	if err != nil {
		return false, err
	}
	s.d.add(b[start:end:end], value)
	return true, nil
}

// field reads a key and its value however they are written.
func (s *scanner) field() error {
	key, err := s.key()
	if err != nil {
		return err
	}
	value, null, err := s.value()
	if err == nil && !null {
		s.d.add(key, value)
	}
	return err
}

// parseLanguage is ParseLanguage of bytes, and of ordinals.
func parseLanguage(v []byte) Language {
	for l, n := range languageNames {
		if string(v) == n {
			return Language(l)
		}
	}
	if n, ok := parseInt32(v); ok && len(v) > 0 && n >= 0 && int(n) < len(languageNames) {
		return Language(n)
	}
	return LanguageOther
}

// object reads an object and calls member at the value of each key.
func (s *scanner) object(member func(key []byte) error) error {
	if !s.next('{') {
		return s.errorf("{ expected")
	}
	if s.next('}') {
		return nil
	}
	for {
		key, err := s.key()
		if err != nil {
			return err
		}
		if err := member(key); err != nil {
			return err
		}
		if s.next(',') {
			continue
		}
		if s.next('}') {
			return nil
		}
		return s.errorf(", or } expected")
	}
}

// key reads the key of a member and the colon behind it.
func (s *scanner) key() ([]byte, error) {
	if s.space(); s.i >= len(s.b) || s.b[s.i] != '"' {
		return nil, s.errorf("key expected")
	}
	key, err := s.string()
	if err != nil {
		return nil, err
	}
	if !s.next(':') {
		return nil, s.errorf(": expected")
	}
	return key, nil
}

// space passes over white space.
func (s *scanner) space() {
	for s.i < len(s.b) {
		switch s.b[s.i] {
		case ' ', '\n', '\t', '\r':
			s.i++
		default:
			return
		}
	}
}

// next passes over white space and then c, if it is there. Mostly it is, without
// any white space.
func (s *scanner) next(c byte) bool {
	if s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return s.nextBehindSpace(c)
}

func (s *scanner) nextBehindSpace(c byte) bool {
	if s.space(); s.i < len(s.b) && s.b[s.i] == c {
		s.i++
		return true
	}
	return false
}

// value reads a string, or the text of anything else.
func (s *scanner) value() (v []byte, null bool, err error) {
	if s.space(); s.i < len(s.b) && s.b[s.i] == '"' {
		v, err = s.string()
		return v, false, err
	}
	start := s.i
	if err := s.skip(0); err != nil {
		return nil, false, err
	}
	v = s.b[start:s.i:s.i]
	if v[0] == 'n' {
		return nil, true, nil
	}
	return v, false, nil
}

// int32 reads a number, or one in quotes; null is 0.
func (s *scanner) int32() (int32, error) {
	n, i := int32(0), s.i
	for ; i < len(s.b) && i < s.i+9 && s.b[i]-'0' <= 9; i++ {
		n = 10*n + int32(s.b[i]-'0')
	}
	if i > s.i && i < len(s.b) && !numberByte(s.b[i]) {
		s.i = i
		return n, nil
	}
	v, _, err := s.value()
	if err != nil {
		return 0, err
	}
	n, ok := parseInt32(v)
	if !ok {
		return 0, s.errorf("%.30q is not a 32-bit number", v)
	}
	return n, nil
}

// skip passes over one value of any kind.
func (s *scanner) skip(depth int) error {
	s.space()
	if s.i >= len(s.b) {
		return errCut
	}
	if depth > maxDepth {
		return s.errorf("nested deeper than %d", maxDepth)
	}
	switch c := s.b[s.i]; {
	case c == '"':
		_, err := s.string()
		return err
	case c == '{':
		return s.object(func([]byte) error { return s.skip(depth + 1) })
	case c == '[':
		return s.skipArray(depth)
	case c == 't':
		return s.literal("true")
	case c == 'f':
		return s.literal("false")
	case c == 'n':
		return s.literal("null")
	case c == '-' || c >= '0' && c <= '9':
		for s.i++; s.i < len(s.b) && numberByte(s.b[s.i]); {
			s.i++
		}
		return nil
	default:
		return s.errorf("unexpected %q", c)
	}
}

func (s *scanner) skipArray(depth int) error {
	s.i++
	if s.next(']') {
		return nil
	}
	for {
		if err := s.skip(depth + 1); err != nil {
			return err
		}
		if s.next(',') {
			continue
		}
		if s.next(']') {
			return nil
		}
		return s.errorf(", or ] expected")
	}
}

func (s *scanner) literal(word string) error {
	if !bytes.HasPrefix(s.b[s.i:], readOnlyBytes(word)) {
		return s.errorf("%s expected", word)
	}
	s.i += len(word)
	return nil
}

func numberByte(c byte) bool {
	return c >= '0' && c <= '9' || c == '.' || c == 'e' || c == 'E' || c == '+' || c == '-'
}

// string reads the string that begins at s.i. Without escapes it is part of the
// header itself.
func (s *scanner) string() ([]byte, error) {
	start := s.i + 1
	end := quoteOrEscape(s.b, start)
	switch {
	case end == len(s.b):
		return nil, errCut
	case s.b[end] == '\\':
		return s.unescape(start, end)
	}
	s.i = end + 1
	return s.b[start:end:end], nil
}

// ones times a byte is that byte eight times; high is the highest bit of each of
// eight bytes.
const (
	ones = 0x0101010101010101
	high = 0x8080808080808080
)

// quoteOrEscape is where the first of both is in b from i on; len(b) if there is
// none. It looks at eight bytes at a time: most strings are too short for
// bytes.IndexByte to be worth it.
func quoteOrEscape(b []byte, i int) int {
	for ; i+8 <= len(b); i += 8 {
		w := binary.LittleEndian.Uint64(b[i:])
		quote, escape := w^'"'*ones, w^'\\'*ones
		// The lowest bit that is left stands for the first byte that was zero.
		if found := ((quote-ones)&^quote | (escape-ones)&^escape) & high; found != 0 {
			return i + bits.TrailingZeros64(found)/8
		}
	}
	for i < len(b) && b[i] != '"' && b[i] != '\\' {
		i++
	}
	return i
}

// unescape reads on from the first escape of the string that began at start.
func (s *scanner) unescape(start, esc int) ([]byte, error) {
	buf := s.d.scratch
	first := len(buf)
	buf = append(buf, s.b[start:esc]...)
	for i := esc; i < len(s.b); {
		switch c := s.b[i]; c {
		case '"':
			s.i, s.d.scratch = i+1, buf
			return buf[first:len(buf):len(buf)], nil
		case '\\':
			var n int
			if buf, n = appendEscaped(buf, s.b[i:]); n == 0 {
				s.i = i
				return nil, s.errorf("malformed escape")
			}
			i += n
		default:
			run := i
			i = quoteOrEscape(s.b, i)
			buf = append(buf, s.b[run:i]...)
		}
	}
	return nil, errCut
}

// appendEscaped adds what the escape at the start of b stands for and says how
// long it is; 0 if it is malformed.
func appendEscaped(buf, b []byte) ([]byte, int) {
	if len(b) < 2 {
		return buf, 0
	}
	switch b[1] {
	case '"', '\\', '/', '\'':
		return append(buf, b[1]), 2
	case 'b':
		return append(buf, '\b'), 2
	case 'f':
		return append(buf, '\f'), 2
	case 'n':
		return append(buf, '\n'), 2
	case 'r':
		return append(buf, '\r'), 2
	case 't':
		return append(buf, '\t'), 2
	case 'v':
		return append(buf, '\v'), 2
	case 'u':
	default:
		return buf, 0
	}
	if len(b) >= 6 && b[2] == '0' && b[3] == '0' && b[4] == '0' && (b[5] == '1' || b[5] == '2') {
		return append(buf, b[5]-'0'), 6 // between properties
	}
	r, ok := hex4(b[2:])
	if !ok {
		return buf, 0
	}
	if r < utf8.RuneSelf {
		return append(buf, byte(r)), 6
	}
	if utf16.IsSurrogate(r) && len(b) >= 12 && b[6] == '\\' && b[7] == 'u' {
		if low, ok := hex4(b[8:]); ok {
			if pair := utf16.DecodeRune(r, low); pair != utf8.RuneError {
				return utf8.AppendRune(buf, pair), 12
			}
		}
	}
	return utf8.AppendRune(buf, r), 6
}

func hex4(b []byte) (r rune, ok bool) {
	if len(b) < 4 {
		return 0, false
	}
	for _, c := range b[:4] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
