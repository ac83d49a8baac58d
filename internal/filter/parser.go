package filter

import (
	"fmt"
	"math"
	"strconv"
)

// A parser builds the tree of an expression, by recursive descent:
//
//	or         = and { OR and }
//	and        = equality { AND equality }
//	equality   = comparison { ("=" | "<>") comparison | IS [NOT] NULL }
//	comparison = unary { (">" | ">=" | "<" | "<=") unary
//	           | [NOT] (CONTAINS | STARTSWITH | ENDSWITH) text
//	           | [NOT] BETWEEN unary AND unary | [NOT] IN "(" text { "," text } ")" }
//	unary      = "+" unary | "-" unary | NOT unary | primary
//	primary    = number | text | TRUE | FALSE | NULL | name | "(" or ")"
//
// NOT binds more tightly than a comparison: NOT a = 1 is (NOT a) = 1.
type parser struct {
	lexer
	token token // not consumed yet
	depth int   // of what encloses it
	links int   // comparisons of what is a comparison itself, as in a = b = c
	nodes int
}

// advance consumes the token.
func (p *parser) advance() error {
	var err error
	p.token, err = p.next()
	return err
}

// made counts a node.
func made[N node](p *parser, n N) N {
	p.nodes++
	return n
}

// expected is the error for a token that cannot stand where it does.
func (p *parser) expected(what string) error {
	return p.wrong(p.token.at, fmt.Sprintf("expected %s, found %v", what, p.token))
}

// deeper enters a level of nesting; the caller leaves it by p.depth--.
func (p *parser) deeper(at int) error {
	if p.depth++; p.depth > maxDepth {
		return p.wrong(at, fmt.Sprintf("parts are nested more than %d deep; write it flatter", maxDepth))
	}
	return nil
}

// link counts a comparison of a comparison.
func (p *parser) link(at int) error {
	if p.links++; p.links > maxDepth {
		return p.wrong(at, fmt.Sprintf("more than %d comparisons follow each other without AND or OR", maxDepth))
	}
	return nil
}

func (p *parser) or() (node, error)  { return p.chain(tokenOr, p.and) }
func (p *parser) and() (node, error) { return p.chain(tokenAnd, p.equality) }

// chain reads truths joined by a word, or a single part of any kind.
func (p *parser) chain(word tokenKind, part func() (node, error)) (node, error) {
	at := p.token.at
	first, err := part()
	if err != nil || p.token.kind != word {
		return first, err
	}
	if first, err = p.asTruth(first, at); err != nil {
		return nil, err
	}
	all := []node{first}
	for p.token.kind == word {
		if err := p.advance(); err != nil {
			return nil, err
		}
		at := p.token.at
		n, err := part()
		if err != nil {
			return nil, err
		}
		if n, err = p.asTruth(n, at); err != nil {
			return nil, err
		}
		all = append(all, n)
	}
	if word == tokenOr {
		return made(p, &either{all}), nil
	}
	return made(p, &both{all}), nil
}

// asTruth makes sure that a part is true or false; at is where it starts.
func (p *parser) asTruth(n node, at int) (node, error) {
	if saysTruth(n) {
		return n, nil
	}
	if name, ok := n.(*property); ok {
		return made(p, &truthOf{name}), nil
	}
	return nil, p.wrong(at, "this is neither true nor false; compare it with something")
}

// saysTruth reports whether a part is true, false or NULL by its form.
func saysTruth(n node) bool {
	switch n := n.(type) {
	case *constant:
		return n.kind == boolean || n.kind == null
	case *property, *negative:
		return false
	}
	return true
}

func (p *parser) equality() (node, error) {
	at := p.token.at
	l, err := p.comparison()
	if err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		link := p.token
		switch {
		case link.is("=") || link.is("<>"):
			l, err = p.equalTo(l, at)
		case link.kind == tokenIs:
			l, err = p.isNull(l)
		default:
			return l, nil
		}
		if err == nil && !first {
			err = p.link(link.at)
		}
		if err != nil {
			return nil, err
		}
	}
}

// equalTo reads what follows l: "=" or "<>" and the other side.
func (p *parser) equalTo(l node, at int) (node, error) {
	symbol := p.token
	if err := p.advance(); err != nil {
		return nil, err
	}
	rightAt := p.token.at
	r, err := p.comparison()
	if err != nil {
		return nil, err
	}
	lc, lconst := l.(*constant)
	rc, rconst := r.(*constant)
	const useIs = "nothing equals NULL; write IS NULL or IS NOT NULL"
	switch {
	case lconst && lc.kind == null:
		return nil, p.wrong(at, useIs)
	case rconst && rc.kind == null:
		return nil, p.wrong(rightAt, useIs)
	case lconst && rconst && lc.kind == boolean && rc.kind != boolean:
		return nil, p.wrong(symbol.at, "TRUE or FALSE cannot be compared with a number or text")
	}
	var n node = made(p, &equality{l, r})
	if symbol.text == "<>" {
		n = made(p, &negation{n})
	}
	return n, nil
}

// isNull reads what follows l: IS NULL or IS NOT NULL.
func (p *parser) isNull(l node) (node, error) {
	if err := p.advance(); err != nil {
		return nil, err
	}
	not := p.token.kind == tokenNot
	if not {
		if err := p.advance(); err != nil {
			return nil, err
		}
	}
	if p.token.kind != tokenNull {
		return nil, p.expected("NULL or NOT NULL behind IS")
	}
	var n node = made(p, &equality{l, &constant{}})
	if not {
		n = made(p, &negation{n})
	}
	return n, p.advance()
}

func (p *parser) comparison() (node, error) {
	at := p.token.at
	l, err := p.unary()
	if err != nil {
		return nil, err
	}
	for first := true; ; first = false {
		link := p.token
		switch {
		case link.kind == tokenSymbol && (link.text[0] == '<' && link.text != "<>" || link.text[0] == '>'):
			l, err = p.compareTo(l, at)
		case link.kind == tokenNot, isTest(link.kind):
			l, err = p.test(l, at)
		default:
			return l, nil
		}
		if err == nil && !first {
			err = p.link(link.at)
		}
		if err != nil {
			return nil, err
		}
	}
}

// compareTo reads what follows l: > >= < or <= and the other side.
func (p *parser) compareTo(l node, at int) (node, error) {
	symbol := p.token.text
	if err := p.advance(); err != nil {
		return nil, err
	}
	rightAt := p.token.at
	r, err := p.unary()
	if err != nil {
		return nil, err
	}
	if err := p.ordered(l, at); err != nil {
		return nil, err
	}
	if err := p.ordered(r, rightAt); err != nil {
		return nil, err
	}
	return made(p, &comparison{l, r, symbol}), nil
}

// ordered makes sure that a part can be less or greater than another; at is
// where it starts.
func (p *parser) ordered(n node, at int) error {
	if c, ok := n.(*constant); saysTruth(n) || ok && c.kind == text {
		return p.wrong(at, "only numbers and properties can be less or greater")
	}
	return nil
}

// isTest reports whether a word begins a test.
func isTest(k tokenKind) bool {
	switch k {
	case tokenContains, tokenStartsWith, tokenEndsWith, tokenBetween, tokenIn:
		return true
	}
	return false
}

// test reads what follows l: a test by word, with or without NOT.
func (p *parser) test(l node, at int) (node, error) {
	not := p.token.kind == tokenNot
	if not {
		if err := p.advance(); err != nil {
			return nil, err
		}
		if !isTest(p.token.kind) {
			return nil, p.expected("IN, BETWEEN, CONTAINS, STARTSWITH or ENDSWITH behind NOT")
		}
	}
	word := p.token.kind
	if err := p.advance(); err != nil {
		return nil, err
	}
	switch word {
	case tokenBetween:
		return p.between(l, at, not)
	case tokenIn:
		return p.in(l, at, not)
	}
	s, err := p.text()
	return made(p, &search{l, word, []byte(s), not}), err
}

// between reads the bounds behind BETWEEN.
func (p *parser) between(l node, at int, not bool) (node, error) {
	lowAt := p.token.at
	low, err := p.unary()
	if err != nil {
		return nil, err
	}
	if p.token.kind != tokenAnd {
		return nil, p.expected("AND between the bounds of BETWEEN")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	highAt := p.token.at
	high, err := p.unary()
	if err != nil {
		return nil, err
	}
	for _, side := range []struct {
		n  node
		at int
	}{{l, at}, {low, lowAt}, {high, highAt}} {
		if err := p.ordered(side.n, side.at); err != nil {
			return nil, err
		}
	}
	if not {
		return made(p, &either{[]node{made(p, &comparison{l, low, "<"}), made(p, &comparison{l, high, ">"})}}), nil
	}
	lc, ok1 := low.(*constant)
	hc, ok2 := high.(*constant)
	if ok1 && ok2 && compare(hc.value, lc.value).sign < 0 {
		return nil, p.wrong(lowAt, "the bounds of BETWEEN are the wrong way round")
	}
	return made(p, &both{[]node{made(p, &comparison{l, low, ">="}), made(p, &comparison{l, high, "<="})}}), nil
}

// in reads the list behind IN.
func (p *parser) in(l node, at int, not bool) (node, error) {
	if _, ok := l.(*property); !ok {
		return nil, p.wrong(at, "what stands before IN must be the name of a property")
	}
	if !p.token.is("(") {
		return nil, p.expected("( behind IN")
	}
	list := map[string]struct{}{}
	for {
		if err := p.advance(); err != nil {
			return nil, err
		}
		s, err := p.text()
		if err != nil {
			return nil, err
		}
		list[s] = struct{}{}
		switch {
		case p.token.is(","):
		case p.token.is(")"):
			return made(p, &membership{l, list, not}), p.advance()
		default:
			return nil, p.expected(", or )")
		}
	}
}

// text reads text in quotes.
func (p *parser) text() (string, error) {
	if p.token.kind != tokenText {
		return "", p.expected("text in quotes ('…')")
	}
	s := unquote(p.token.text)
	return s, p.advance()
}

func (p *parser) unary() (node, error) {
	if err := p.deeper(p.token.at); err != nil {
		return nil, err
	}
	defer func() { p.depth-- }()
	sign := p.token
	if !sign.is("+") && !sign.is("-") && sign.kind != tokenNot {
		return p.primary()
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	at := p.token.at
	n, err := p.unary()
	switch {
	case err != nil || sign.is("+"):
		return n, err
	case sign.is("-"):
		return made(p, &negative{n}), nil
	}
	if n, err = p.asTruth(n, at); err != nil {
		return nil, err
	}
	return made(p, &negation{n}), nil
}

func (p *parser) primary() (node, error) {
	t := p.token
	var n node
	switch t.kind {
	case tokenName:
		n = made(p, newProperty(t.text))
	case tokenText:
		n = made(p, &constant{value{kind: text, s: []byte(unquote(t.text))}})
	case tokenTrue, tokenFalse:
		n = made(p, &constant{truth(t.kind == tokenTrue)})
	case tokenNull:
		n = made(p, &constant{})
	case tokenWhole, tokenFloat:
		v, err := p.numeral(t)
		if err != nil {
			return nil, err
		}
		n = made(p, &constant{v})
	default:
		return p.group()
	}
	return n, p.advance()
}

// group reads an expression in parentheses.
func (p *parser) group() (node, error) {
	if !p.token.is("(") {
		return nil, p.expected("a property, a number, text, TRUE, FALSE, NULL or (")
	}
	if err := p.advance(); err != nil {
		return nil, err
	}
	n, err := p.or()
	if err != nil {
		return nil, err
	}
	if !p.token.is(")") {
		return nil, p.expected(")")
	}
	return n, p.advance()
}

// numeral is the value of a number. One that fits has 32 bits.
func (p *parser) numeral(t token) (value, error) {
	if t.kind == tokenFloat {
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil || f == 0 {
			return value{}, p.wrong(t.at, fmt.Sprintf("the number %v is too large or too small, or 0; 0 is written without a point", t))
		}
		return doubleOf(f), nil
	}
	s := t.text
	if last := s[len(s)-1]; !isDigit(last) {
		s = s[:len(s)-1]
	}
	n, err := strconv.ParseInt(s, 10, 64)
	switch {
	case err != nil:
		return value{}, p.wrong(t.at, fmt.Sprintf("the number %v is too large", t))
	case n <= math.MaxInt32:
		return value{kind: integer, n: n}, nil
	}
	return value{kind: long, n: n}, nil
}
