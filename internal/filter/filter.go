package filter

import (
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
)

// Limits of an expression.
const (
	MaxBytes = 64 << 10
	maxDepth = 256 // levels of nesting
	// quickNodes is how many parts an expression may have that is evaluated
	// while others wait: some microseconds.
	quickNodes = 32
)

// An Expression is a compiled SQL-92 expression. It is immutable.
type Expression struct {
	root  node
	nodes int
}

var _ mq.PropertyFilter = (*Expression)(nil)

// Compile reads an expression. An error is a *SyntaxError with the position of
// what is wrong, or says that the expression is too long; either wraps
// mq.ErrSubscription.
func Compile(expression string) (*Expression, error) {
	if len(expression) > MaxBytes {
		return nil, fmt.Errorf("%w: SQL92 expression of %d bytes, at most %d are allowed; tag the messages when sending them, or subscribe to more topics",
			mq.ErrSubscription, len(expression), MaxBytes)
	}
	p := parser{lexer: lexer{src: expression}}
	if err := p.advance(); err != nil {
		return nil, err
	}
	at := p.token.at
	root, err := p.or()
	if err != nil {
		return nil, err
	}
	if root, err = p.asTruth(root, at); err != nil {
		return nil, err
	}
	if p.token.kind != tokenEnd {
		err := p.wrong(p.token.at, fmt.Sprintf("the expression is complete before %v; expected AND, OR or the end", p.token))
		err.Complete = true
		return nil, err
	}
	return &Expression{root, p.nodes}, nil
}

// MatchProperties reports whether the expression is true for a message with
// these stored properties.
func (e *Expression) MatchProperties(props []byte) bool { return isTrue(e.root.eval(props)) }

// Match lets every tag through: tags say nothing about other properties.
func (e *Expression) Match(int64) bool { return true }

// Quick reports whether MatchProperties takes no more than some microseconds.
func (e *Expression) Quick() bool { return e.nodes <= quickNodes }
