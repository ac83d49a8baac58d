package wire

import (
	"bytes"
	"encoding/binary"
)

// DecodeHead reads of a frame, whose length has been taken off, who it answers
// and how it went: Code, Opaque, Flag and Body, which aliases the frame. c is
// overwritten. False says that this frame takes a Decoder, which then also says
// whether there is anything wrong with it: strings with escapes, binary headers
// and everything unusual are left to that. What is passed over is not checked.
func (c *Command) DecodeHead(frame []byte) bool {
	if len(frame) < 4 {
		return false
	}
	mark := binary.BigEndian.Uint32(frame)
	size := int(mark & 0xFFFFFF)
	if Serialization(mark>>24) != JSON || size > len(frame)-4 {
		return false
	}
	*c = Command{}
	if body := frame[4+size:]; len(body) > 0 {
		c.Body = body
	}
	return c.headOfJSON(frame[4 : 4+size])
}

// headOfJSON goes over the members of a header.
func (c *Command) headOfJSON(h []byte) bool {
	if len(h) == 0 || h[0] != '{' {
		return false
	}
	seen := 0
	for h = h[1:]; len(h) > 0; h = h[1:] {
		field, rest, ok := c.usualMember(h)
		if !ok {
			if field, rest, ok = c.anyMember(h); !ok {
				return false
			}
		}
		seen |= field
		if h = rest; len(h) == 0 {
			return false
		}
		if h[0] == '}' {
			return seen == headFields && len(h) == 1
		}
		if h[0] != ',' {
			return false
		}
	}
	return false
}

// The members that a head needs, as bits of a mask.
const (
	headCode = 1 << iota
	headFlag
	headOpaque
	headFields = headCode | headFlag | headOpaque
)

// usualMember takes a member off that peers of either kind write, if it is
// written in their way: comparing with what is expected takes half of the time
// that finding out where keys end does.
func (c *Command) usualMember(h []byte) (field int, rest []byte, ok bool) {
	if len(h) < 2 {
		return 0, h, false
	}
	switch h[1] { // h[0] is the quote
	case 'c':
		if rest, ok = after(h, `"code":`); ok {
			var n int32
			n, rest, ok = cutNumber(rest)
			c.Code = Code(n)
			return headCode, rest, ok
		}
	case 'e':
		if rest, ok = after(h, `"extFields":`); ok {
			rest, ok = passOverFlat(rest)
		}
	case 'f':
		if rest, ok = after(h, `"flag":`); ok {
			c.Flag, rest, ok = cutNumber(rest)
			return headFlag, rest, ok
		}
	case 'o':
		if rest, ok = after(h, `"opaque":`); ok {
			c.Opaque, rest, ok = cutNumber(rest)
			return headOpaque, rest, ok
		}
	case 's':
		rest, ok = after(h, `"serializeTypeCurrentRPC":"JSON"`)
	case 'v':
		if rest, ok = after(h, `"version":`); ok {
			_, rest, ok = cutNumber(rest)
		}
	}
	return 0, rest, ok
}

// after is what follows text at the beginning of h.
func after(h []byte, text string) (rest []byte, ok bool) {
	if len(h) < len(text) || string(h[:len(text)]) != text {
		return h, false
	}
	return h[len(text):], true
}

// anyMember takes a member off, whatever it is.
func (c *Command) anyMember(h []byte) (field int, rest []byte, ok bool) {
	key, rest, ok := cutString(h)
	if !ok || len(rest) < 2 || rest[0] != ':' || bytes.IndexByte(key, '\\') >= 0 {
		return 0, h, false
	}
	rest = rest[1:]
	switch string(key) {
	case "code":
		var n int32
		n, rest, ok = cutNumber(rest)
		c.Code = Code(n)
		return headCode, rest, ok
	case "flag":
		c.Flag, rest, ok = cutNumber(rest)
		return headFlag, rest, ok
	case "opaque":
		c.Opaque, rest, ok = cutNumber(rest)
		return headOpaque, rest, ok
	}
	rest, ok = passOver(rest)
	return 0, rest, ok
}

// cutString takes the string off that h begins with, unless it has escapes.
func cutString(h []byte) (s, rest []byte, ok bool) {
	if len(h) == 0 || h[0] != '"' {
		return nil, h, false
	}
	h = h[1:]
	end := bytes.IndexByte(h, '"')
	// The quote after a backslash may not be the end.
	if end < 0 || end > 0 && h[end-1] == '\\' {
		return nil, h, false
	}
	return h[:end], h[end+1:], true
}

// cutNumber takes a whole number off that is below a thousand million and not negative.
func cutNumber(h []byte) (n int32, rest []byte, ok bool) {
	i := 0
	for i < len(h) && '0' <= h[i] && h[i] <= '9' {
		if i == 9 {
			return 0, h, false
		}
		n = 10*n + int32(h[i]-'0')
		i++
	}
	return n, h[i:], i > 0
}

// passOver takes one value off, whatever it is.
func passOver(h []byte) (rest []byte, ok bool) {
	if rest, ok := passOverFlat(h); ok {
		return rest, true
	}
	for depth := 0; len(h) > 0; {
		switch h[0] {
		case '"':
			if _, h, ok = cutString(h); !ok {
				return h, false
			}
			if depth == 0 {
				return h, true
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return h[1:], true
			}
			if depth < 0 {
				return h, true
			}
		case ',':
			if depth == 0 {
				return h, true
			}
		}
		h = h[1:]
	}
	return h, false
}

// passOverFlat takes an object off that has no objects in it, which is what all
// extFields are. Looking four times for one byte is quicker than looking at each byte.
func passOverFlat(h []byte) (rest []byte, ok bool) {
	if len(h) == 0 || h[0] != '{' {
		return h, false
	}
	end := bytes.IndexByte(h, '}')
	if end < 0 {
		return h, false
	}
	inside := h[1:end]
	if bytes.IndexByte(inside, '{') >= 0 || bytes.IndexByte(inside, '\\') >= 0 || bytes.Count(inside, []byte{'"'})%2 != 0 {
		return h, false
	}
	return h[end+1:], true
}
