package grpc

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/goddardmq/goddard/internal/filter"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// Limits of expressions.
const (
	maxExpression = 16 << 10 // bytes of a tag expression; filter.MaxBytes of an SQL one
	maxTags       = 1024
	maxRemembered = 4096    // filters that are remembered
	maxFilterText = 4 << 20 // bytes of their expressions
)

// The types of expressions in the broker's words.
const (
	typeTag = "TAG"
	typeSQL = "SQL92"
)

// A want is a parsed expression.
type want struct {
	filter mq.Filter       // nil wants all
	tags   map[string]bool // of a tag expression that does not want all
}

// filters remembers the filters of expressions: clients send theirs with every
// call.
type filters struct {
	noSelectors bool
	// mu guards byText; nothing else is locked and nothing blocks while it is
	// held.
	mu struct {
		sync.Mutex
		byText map[string]*want // type and expression
		bytes  int
	}
}

func newFilters(noSelectors bool) *filters {
	f := &filters{noSelectors: noSelectors}
	f.mu.byText = map[string]*want{}
	return f
}

// of is what an expression wants.
func (f *filters) of(e *rmq.FilterExpression) (*want, error) {
	key := e.GetType().String() + " " + e.GetExpression()
	f.mu.Lock()
	known := f.mu.byText[key]
	f.mu.Unlock()
	if known != nil {
		return known, nil
	}
	w, err := f.parse(e)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.bytes += len(key); f.mu.bytes > maxFilterText || len(f.mu.byText) >= maxRemembered {
		clear(f.mu.byText)
		f.mu.bytes = len(key)
	}
	f.mu.byText[key] = w
	return w, nil
}

// parse reads an expression.
func (f *filters) parse(e *rmq.FilterExpression) (*want, error) {
	switch e.GetType() {
	case rmq.FilterType_TAG, rmq.FilterType_FILTER_TYPE_UNSPECIFIED:
		return tagWant(e.GetExpression())
	case rmq.FilterType_SQL:
		if f.noSelectors {
			return nil, refusef(rmq.Code_ILLEGAL_FILTER_EXPRESSION,
				"the broker does not support consumer to filter message by SQL92: property-filter (enablePropertyFilter) is off")
		}
		compiled, err := filter.Compile(e.GetExpression())
		if err != nil {
			return nil, err
		}
		return &want{filter: compiled}, nil
	}
	return nil, fmt.Errorf("%w: expressions of type %v are unknown here; use TAG or SQL", mq.ErrSubscription, e.GetType())
}

// tagWant parses "*", "a" or "a || b".
func tagWant(expression string) (*want, error) {
	if expression == "" || expression == "*" {
		return &want{}, nil
	}
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", mq.ErrSubscription, len(expression), maxExpression)
	}
	w := &want{tags: map[string]bool{}}
	var codes tagCodes
	for tag := range strings.SplitSeq(expression, "||") {
		if tag = strings.TrimSpace(tag); tag != "" {
			codes = append(codes, mq.TagCode(tag))
			w.tags[tag] = true
		}
	}
	switch {
	case len(codes) == 0:
		return nil, fmt.Errorf("%w: %.60q names no tag", mq.ErrSubscription, expression)
	case len(codes) > maxTags:
		return nil, fmt.Errorf("%w: it names %d tags, at most %d are allowed", mq.ErrSubscription, len(codes), maxTags)
	}
	slices.Sort(codes)
	codes = slices.Compact(codes)
	w.filter = &codes
	return w, nil
}

// takes has the last word on a message whose tag code matched.
func (w *want) takes(props []byte) bool {
	if w.tags == nil {
		return true
	}
	tag, _ := mq.Property(props, mq.PropTags)
	return w.tags[string(tag)]
}

// tagCodes matches the messages that have one of some tags. It is sorted.
type tagCodes []int64

// Match implements mq.Filter.
func (c *tagCodes) Match(code int64) bool {
	_, found := slices.BinarySearch(*c, code)
	return found
}

// subscription is an expression as operators see it.
func (s *Server) subscription(topic string, e *rmq.FilterExpression) (mq.Subscription, error) {
	w, err := s.filters.of(e)
	if err != nil {
		return mq.Subscription{}, err
	}
	sub := mq.Subscription{Topic: topic, Expression: e.GetExpression(), Type: typeTag}
	if e.GetType() == rmq.FilterType_SQL {
		sub.Type = typeSQL
		return sub, nil
	}
	if sub.Expression == "" {
		sub.Expression = "*"
	}
	for tag := range w.tags {
		sub.Tags = append(sub.Tags, tag)
	}
	slices.Sort(sub.Tags)
	for _, tag := range sub.Tags {
		sub.Codes = append(sub.Codes, mq.JavaHash(tag))
	}
	return sub, nil
}
