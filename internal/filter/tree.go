package filter

import (
	"bytes"

	"github.com/goddardmq/goddard/internal/mq"
)

// A node is a part of a compiled expression.
type node interface {
	// eval is what the part comes to for a message's stored properties.
	eval(props []byte) value
}

// A constant is a literal.
type constant struct{ value }

func (c *constant) eval([]byte) value { return c.value }

// A property is the text of a property; NULL if the message lacks it.
type property struct {
	start []byte // how the property's entry begins: the name and what ends it
}

func newProperty(name string) *property {
	entry := mq.AppendProperty(nil, name, "x")
	return &property{entry[:len(name)+1]}
}

// eval searches as mq.Property does, but for bytes instead of by entry, which
// takes a tenth of the time.
func (p *property) eval(props []byte) value {
	found := value{}
	for from := 0; ; {
		i := bytes.Index(props[from:], p.start)
		if i < 0 {
			return found
		}
		at := from + i
		from = at + len(p.start)
		if at > 0 && props[at-1] != mq.PropertyEnd {
			continue // it is part of a value, or of another name
		}
		end := bytes.IndexByte(props[from:], mq.PropertyEnd)
		if end < 0 {
			end = len(props) - from
		}
		if end > 0 {
			found = value{kind: text, s: props[from : from+end]}
		}
	}
}

// A truthOf is a property where a truth is wanted. It is never true: properties
// are text.
type truthOf struct{ of node }

func (n *truthOf) eval(props []byte) value {
	v := n.of.eval(props)
	if v.kind == null || v.kind == failed || v.kind == boolean {
		return v
	}
	return truth(false)
}

// A negative is -x; NULL unless x is a number.
type negative struct{ of node }

func (n *negative) eval(props []byte) value {
	v := n.of.eval(props)
	switch v.kind {
	case integer:
		return value{kind: integer, n: int64(int32(-v.n))}
	case long:
		return value{kind: long, n: -v.n}
	case double:
		return doubleOf(-v.float())
	case failed:
		return v
	}
	return value{}
}

// A negation is NOT x.
type negation struct{ of node }

func (n *negation) eval(props []byte) value {
	v := n.of.eval(props)
	if v.kind == boolean {
		v.n = 1 - v.n
	}
	return v
}

// An either is a OR b OR …, left to right and no further than needed.
type either struct{ of []node }

func (n *either) eval(props []byte) value {
	result := truth(false)
	for _, part := range n.of {
		switch v := part.eval(props); {
		case v.kind == failed || isTrue(v):
			return v
		case v.kind == null:
			result = v
		}
	}
	return result
}

// A both is a AND b AND …, left to right and no further than needed.
type both struct{ of []node }

func (n *both) eval(props []byte) value {
	result := truth(true)
	for _, part := range n.of {
		switch v := part.eval(props); {
		case v.kind == failed || isFalse(v):
			return v
		case v.kind == null:
			result = v
		}
	}
	return result
}

// An equality is l = r, and l IS NULL where r is the constant NULL.
type equality struct{ l, r node }

func (n *equality) eval(props []byte) value {
	l := n.l.eval(props)
	if l.kind == failed {
		return l
	}
	r := n.r.eval(props)
	switch {
	case r.kind == failed:
		return r
	case l.kind == null && r.kind == null:
		return truth(true)
	case l.kind == null:
		return value{}
	case r.kind == null:
		return truth(false)
	}
	o := compare(l, r)
	if !o.ok {
		return value{kind: failed}
	}
	return truth(o.sign == 0)
}

// A comparison is l < r and its relatives.
type comparison struct {
	l, r   node
	symbol string // > >= < <=
}

func (n *comparison) eval(props []byte) value {
	l := n.l.eval(props)
	if l.kind == null || l.kind == failed {
		return l
	}
	r := n.r.eval(props)
	if r.kind == null || r.kind == failed {
		return r
	}
	if l.kind == text && r.kind == text {
		var lok, rok bool
		l, lok = numberIn(l.s, double)
		if r, rok = numberIn(r.s, double); !lok || !rok {
			return value{kind: failed}
		}
	}
	o := compare(l, r)
	if !o.ok {
		return value{kind: failed}
	}
	switch n.symbol {
	case ">":
		return truth(o.sign > 0)
	case ">=":
		return truth(o.sign >= 0)
	case "<":
		return truth(o.sign < 0)
	default:
		return truth(o.sign <= 0)
	}
}

// A membership is a property IN a list of texts, or NOT IN.
type membership struct {
	of   node
	list map[string]struct{}
	not  bool
}

func (n *membership) eval(props []byte) value {
	v := n.of.eval(props)
	if v.kind != text {
		return value{}
	}
	_, found := n.list[string(v.s)]
	return truth(found != n.not)
}

// A search is CONTAINS, STARTSWITH or ENDSWITH, or NOT one of them. It is never
// NULL; what is no text and what is searched for nothing is false either way.
type search struct {
	of   node
	word tokenKind
	text []byte
	not  bool
}

func (n *search) eval(props []byte) value {
	if len(n.text) == 0 {
		return truth(false)
	}
	v := n.of.eval(props)
	if v.kind == failed {
		return v
	}
	if v.kind != text {
		return truth(false)
	}
	var found bool
	switch n.word {
	case tokenContains:
		found = bytes.Contains(v.s, n.text)
	case tokenStartsWith:
		found = bytes.HasPrefix(v.s, n.text)
	default:
		found = bytes.HasSuffix(v.s, n.text)
	}
	return truth(found != n.not)
}
