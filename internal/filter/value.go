package filter

import (
	"bytes"
	"cmp"
	"math"
	"strconv"
)

// A kind is a value's type; the names are ours, the types Java's.
type kind uint8

// The kinds.
const (
	null    kind = iota
	boolean      // value.n is 0 or 1
	integer      // 32 bits, in value.n
	long         // value.n
	double       // the bits of value.n
	text         // value.s
	failed       // a comparison that cannot be made; the message does not match
)

// A value is what a part of an expression comes to.
type value struct {
	kind kind
	n    int64
	s    []byte
}

func truth(b bool) value {
	if b {
		return value{kind: boolean, n: 1}
	}
	return value{kind: boolean}
}

func isTrue(v value) bool  { return v.kind == boolean && v.n == 1 }
func isFalse(v value) bool { return v.kind == boolean && v.n == 0 }

func (v value) float() float64 {
	if v.kind == double {
		return math.Float64frombits(uint64(v.n))
	}
	return float64(v.n)
}

func doubleOf(f float64) value { return value{kind: double, n: int64(math.Float64bits(f))} }

// An order is what a comparison of two values found.
type order struct {
	sign int
	ok   bool // false: they cannot be compared, nor anything around them
}

// compare orders two values that are not NULL, as Java does: text that meets a
// number becomes one of its kind, and kinds that have nothing in common are
// less than one another.
func compare(l, r value) order {
	switch {
	case l.kind == text && r.kind == text:
		return order{bytes.Compare(l.s, r.s), true}
	case l.kind == boolean && r.kind == text:
		return order{} // a cast that fails in Java
	case l.kind == text && r.kind == boolean:
		return order{cmp.Compare(truth(bytes.EqualFold(l.s, []byte("true"))).n, r.n), true}
	case l.kind == boolean && r.kind == boolean:
		return order{cmp.Compare(l.n, r.n), true}
	case l.kind == boolean || r.kind == boolean:
		return order{-1, true}
	case l.kind == text:
		var ok bool
		if l, ok = numberIn(l.s, r.kind); !ok {
			return order{}
		}
	case r.kind == text:
		var ok bool
		if r, ok = numberIn(r.s, l.kind); !ok {
			return order{}
		}
	}
	if l.kind == double || r.kind == double {
		return order{compareDoubles(l.float(), r.float()), true}
	}
	return order{cmp.Compare(l.n, r.n), true}
}

// compareDoubles orders as Java's Double does: -0 before 0, NaN behind all.
func compareDoubles(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	rank := func(f float64) int {
		switch {
		case math.IsNaN(f):
			return 2
		case f == 0 && math.Signbit(f):
			return 0
		}
		return 1
	}
	return cmp.Compare(rank(a), rank(b))
}

// numberIn reads text as a number of a kind.
func numberIn(s []byte, k kind) (value, bool) {
	switch k {
	case double:
		f, ok := parseDouble(s)
		return doubleOf(f), ok
	case integer:
		n, ok := parseLong(s)
		return value{kind: integer, n: n}, ok && n >= math.MinInt32 && n <= math.MaxInt32
	default:
		n, ok := parseLong(s)
		return value{kind: long, n: n}, ok
	}
}

// parseLong reads a whole number: a sign, digits, nothing else.
func parseLong(s []byte) (int64, bool) {
	negative := false
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		negative = s[0] == '-'
		s = s[1:]
	}
	if len(s) == 0 {
		return 0, false
	}
	var n int64 // kept negative, as there is one more of those
	for _, c := range s {
		d := int64(c) - '0'
		if d < 0 || d > 9 || n < (math.MinInt64+d)/10 {
			return 0, false
		}
		n = n*10 - d
	}
	if negative {
		return n, true
	}
	return -n, n != math.MinInt64
}

// parseDouble reads a number as Java's Double does: blanks around it, a letter
// f or d behind it, hexadecimal with a binary exponent, Infinity and NaN.
func parseDouble(s []byte) (float64, bool) {
	if n, ok := parseLong(s); ok && n > -1<<53 && n < 1<<53 && n != 0 {
		return float64(n), true
	}
	for len(s) > 0 && s[0] <= ' ' {
		s = s[1:]
	}
	for len(s) > 0 && s[len(s)-1] <= ' ' {
		s = s[:len(s)-1]
	}
	bare := s
	if len(s) > 0 && (s[0] == '-' || s[0] == '+') {
		bare = s[1:]
	}
	switch string(bare) {
	case "NaN":
		return math.NaN(), true
	case "Infinity":
		if s[0] == '-' {
			return math.Inf(-1), true
		}
		return math.Inf(1), true
	}
	if len(bare) == 0 || bare[0] != '.' && !isDigit(bare[0]) || bytes.IndexByte(bare, '_') >= 0 {
		return 0, false // Go reads more than Java does
	}
	switch s[len(s)-1] {
	case 'f', 'F', 'd', 'D':
		s = s[:len(s)-1]
	}
	f, err := strconv.ParseFloat(string(s), 64)
	return f, err == nil || math.IsInf(f, 0)
}
