package filter

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/goddardmq/goddard/internal/mq"
)

// A SyntaxError says where an expression is wrong and how. It wraps
// mq.ErrSubscription.
type SyntaxError struct {
	Offset    int    // in bytes, from 0
	Character int    // the same in characters, from 1
	Reason    string // "expected a value, found AND"
	// Complete says that what stands before Offset is an expression by itself.
	Complete bool
}

// Error names the place and the reason.
func (e *SyntaxError) Error() string {
	return fmt.Sprintf("%v: SQL92 expression, character %d: %s", mq.ErrSubscription, e.Character, e.Reason)
}

// Unwrap is mq.ErrSubscription.
func (e *SyntaxError) Unwrap() error { return mq.ErrSubscription }

// A tokenKind tells tokens apart.
type tokenKind uint8

// The tokens. Those from tokenAnd on are reserved words.
const (
	tokenEnd tokenKind = iota
	tokenName
	tokenText
	tokenWhole
	tokenFloat
	tokenSymbol
	tokenAnd
	tokenBetween
	tokenContains
	tokenEndsWith
	tokenFalse
	tokenIn
	tokenIs
	tokenNot
	tokenNull
	tokenOr
	tokenStartsWith
	tokenTrue
)

// reserved are the reserved words, in the order of their tokens.
var reserved = [...]string{
	"AND", "BETWEEN", "CONTAINS", "ENDSWITH", "FALSE", "IN", "IS", "NOT", "NULL", "OR", "STARTSWITH", "TRUE",
}

// A token is a word of an expression.
type token struct {
	kind tokenKind
	text string // as it stands there
	at   int    // offset in bytes
}

// is reports whether the token is a symbol.
func (t token) is(symbol string) bool { return t.kind == tokenSymbol && t.text == symbol }

// String is the token as messages show it.
func (t token) String() string {
	if t.kind == tokenEnd {
		return "the end"
	}
	if len(t.text) > 30 {
		return t.text[:30] + "…"
	}
	return t.text
}

// A lexer cuts an expression into tokens.
type lexer struct {
	src string
	at  int
	// operand says that the last token was a value or closed one, so that a
	// minus cannot follow.
	operand bool
}

// next is the next token.
func (l *lexer) next() (token, error) {
	if err := l.skip(); err != nil {
		return token{}, err
	}
	start := l.at
	if start == len(l.src) {
		return token{tokenEnd, "", start}, nil
	}
	rest := l.src[start:]
	c := rest[0]
	kind, n := tokenSymbol, 1
	switch {
	case isLetter(c):
		kind, n = word(rest)
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]):
		kind, n = number(rest)
	case c == '\'':
		if kind, n = tokenText, quoted(rest); n == 0 {
			return token{}, l.wrong(start, "the text that begins here has no closing quote (')")
		}
	case c == '<' && len(rest) > 1 && (rest[1] == '=' || rest[1] == '>'), c == '>' && len(rest) > 1 && rest[1] == '=':
		n = 2
	case strings.IndexByte("=<>(),+-", c) < 0:
		r, _ := utf8.DecodeRuneInString(rest)
		return token{}, l.wrong(start, fmt.Sprintf("%q means nothing here; comparisons are = <> > >= < <=, text stands in '…'", r))
	}
	l.at += n
	t := token{kind, rest[:n], start}
	l.operand = t.is(")") || kind != tokenSymbol && (kind < tokenAnd || kind == tokenTrue || kind == tokenFalse || kind == tokenNull)
	return t, nil
}

// skip passes over blanks and comments. Two minuses begin a comment if the line
// ends behind them or nothing else can be meant.
func (l *lexer) skip() error {
	for l.at < len(l.src) {
		rest := l.src[l.at:]
		switch {
		case strings.IndexByte(" \t\n\r\f", rest[0]) >= 0:
			l.at++
		case strings.HasPrefix(rest, "--"):
			n := strings.IndexAny(rest, "\r\n")
			switch {
			case n >= 0:
				l.at += n
			case l.operand:
				l.at = len(l.src)
			default:
				return nil
			}
		case strings.HasPrefix(rest, "/*"):
			n := strings.Index(rest[2:], "*/")
			if n < 0 {
				return l.wrong(l.at, "the comment that begins here has no end (*/)")
			}
			l.at += n + len("/**/")
		default:
			return nil
		}
	}
	return nil
}

// wrong is the error for an offset.
func (l *lexer) wrong(at int, reason string) *SyntaxError {
	return &SyntaxError{Offset: at, Character: utf8.RuneCountInString(l.src[:at]) + 1, Reason: reason}
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isLetter(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '$'
}

// word is the kind and the length of the name or reserved word at the start
// of s.
func word(s string) (tokenKind, int) {
	n := 1
	for n < len(s) && (isLetter(s[n]) || isDigit(s[n])) {
		n++
	}
	for i, w := range reserved {
		if len(w) == n && strings.EqualFold(w, s[:n]) {
			return tokenAnd + tokenKind(i), n
		}
	}
	return tokenName, n
}

// number is the kind and the length of the number at the start of s. A whole
// number that begins with 0 is 0.
func number(s string) (tokenKind, int) {
	whole := digits(s)
	n, float := whole, false
	if n < len(s) && s[n] == '.' {
		n += 1 + digits(s[n+1:])
		float = true
	}
	if e := exponent(s[n:]); e > 0 {
		n += e
		float = true
	}
	switch {
	case float:
		return tokenFloat, n
	case s[0] == '0':
		return tokenWhole, 1
	case n < len(s) && (s[n] == 'l' || s[n] == 'L'):
		n++
	}
	return tokenWhole, n
}

func digits(s string) int {
	n := 0
	for n < len(s) && isDigit(s[n]) {
		n++
	}
	return n
}

// exponent is the length of the exponent at the start of s; 0 if none is there.
func exponent(s string) int {
	if s == "" || s[0] != 'e' && s[0] != 'E' {
		return 0
	}
	n := 1
	if n < len(s) && (s[n] == '+' || s[n] == '-') {
		n++
	}
	d := digits(s[n:])
	if d == 0 {
		return 0
	}
	return n + d
}

// quoted is the length of the text in quotes at the start of s, in which two
// quotes stand for one, unless the text would have no end then; 0 if it has none.
func quoted(s string) int {
	end := 0
	for i := 1; i < len(s); i++ {
		if s[i] != '\'' {
			continue
		}
		end = i + 1
		if i++; i == len(s) || s[i] != '\'' {
			break
		}
	}
	return end
}

// unquote is what text in quotes stands for.
func unquote(s string) string {
	return strings.ReplaceAll(s[1:len(s)-1], "''", "'")
}
