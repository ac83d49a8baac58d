package wire

import (
	"bytes"
	"errors"
	"fmt"
)

// errBodyCut is the error of a body that ends too early.
var errBodyCut = errors.New("text ends too early")

// A normalizer turns the JSON of Java's peers into standard JSON: keys that are
// not strings are quoted, strings in single quotes get double ones, white space
// and commas before a closing bracket go. Whether what is left is valid is for
// encoding/json to say.
type normalizer struct {
	out, in []byte
	i       int
	// inKey is set inside a key that is an object. Such keys do not nest,
	// because quoting quotes doubles them each time.
	inKey bool
}

// appendStandardJSON adds the standard form of in to dst.
func appendStandardJSON(dst, in []byte) ([]byte, error) {
	n := normalizer{out: dst, in: in}
	if err := n.value(0); err != nil {
		return nil, fmt.Errorf("byte %d: %w", n.i, err)
	}
	if n.space(); n.i < len(n.in) {
		return nil, fmt.Errorf("byte %d: more text than one value", n.i)
	}
	return n.out, nil
}

func (n *normalizer) space() {
	for n.i < len(n.in) && (n.in[n.i] == ' ' || n.in[n.i] == '\n' || n.in[n.i] == '\t' || n.in[n.i] == '\r') {
		n.i++
	}
}

// peek is the next byte that is not white space, 0 at the end.
func (n *normalizer) peek() byte {
	if n.space(); n.i < len(n.in) {
		return n.in[n.i]
	}
	return 0
}

func (n *normalizer) value(depth int) error {
	if depth > maxDepth {
		return fmt.Errorf("nested deeper than %d", maxDepth)
	}
	switch c := n.peek(); c {
	case 0:
		return errBodyCut
	case '{':
		return n.list('}', func() error { return n.member(depth + 1) })
	case '[':
		return n.list(']', func() error { return n.value(depth + 1) })
	case '"', '\'':
		return n.string(c)
	default:
		word, err := n.word()
		n.out = append(n.out, word...)
		return err
	}
}

// list goes over what stands between brackets, separated by commas.
func (n *normalizer) list(end byte, item func() error) error {
	n.out = append(n.out, n.in[n.i])
	n.i++
	for first := true; ; first = false {
		switch c := n.peek(); {
		case c == 0:
			return errBodyCut
		case c == end:
			n.out = append(n.out, end)
			n.i++
			return nil
		case !first && c != ',':
			return fmt.Errorf("unexpected %q", c)
		case !first:
			n.i++
			if n.peek() == end {
				continue
			}
			n.out = append(n.out, ',')
		}
		if err := item(); err != nil {
			return err
		}
	}
}

// member goes over a key and its value.
func (n *normalizer) member(depth int) error {
	switch c := n.peek(); c {
	case '"', '\'':
		if err := n.string(c); err != nil {
			return err
		}
	case '{', '[':
		if n.inKey {
			return errors.New("an object as key within a key")
		}
		start := len(n.out)
		n.inKey = true
		if err := n.value(depth); err != nil {
			return err
		}
		n.inKey = false
		key := bytes.Clone(n.out[start:])
		n.out = appendQuoted(n.out[:start], key)
	default:
		word, err := n.word()
		if err != nil {
			return err
		}
		n.out = appendQuoted(n.out, word)
	}
	if n.peek() != ':' {
		return errors.New(": expected after a key")
	}
	n.i++
	n.out = append(n.out, ':')
	return n.value(depth)
}

// word is a number, a literal or a key without quotes.
func (n *normalizer) word() ([]byte, error) {
	start := n.i
	for n.i < len(n.in) && wordByte(n.in[n.i]) {
		n.i++
	}
	if n.i == len(n.in) && n.i == start {
		return nil, errBodyCut
	}
	if n.i == start {
		return nil, fmt.Errorf("unexpected %q", n.in[start])
	}
	return n.in[start:n.i], nil
}

func wordByte(c byte) bool {
	return numberByte(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
}

// string goes over a string in quotes of either kind.
func (n *normalizer) string(quote byte) error {
	n.out = append(n.out, '"')
	for n.i++; n.i < len(n.in); n.i++ {
		switch c := n.in[n.i]; {
		case c == quote:
			n.out = append(n.out, '"')
			n.i++
			return nil
		case c == '\\' && n.i+1 < len(n.in):
			n.i++
			if e := n.in[n.i]; e == '\'' {
				n.out = append(n.out, e)
			} else {
				n.out = append(n.out, c, e)
			}
		case c == '"': // in single quotes
			n.out = append(n.out, '\\', c)
		case c < ' ':
			quoted := appendQuoted(nil, n.in[n.i:n.i+1])
			n.out = append(n.out, quoted[1:len(quoted)-1]...)
		default:
			n.out = append(n.out, c)
		}
	}
	return errBodyCut
}
