package remoting

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/filter"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Limits of subscription expressions.
const (
	maxExpression = 16 << 10 // bytes of a tag expression; filter.MaxBytes of an SQL one
	maxTags       = 1024
	// maxSelectors bounds the SQL expressions whose filters a connection
	// remembers, in bytes of text.
	maxSelectors = 256 << 10
)

// The types of expressions.
const (
	typeTag = "TAG" // or nothing
	typeSQL = "SQL92"
)

// tagCodes matches the messages that have one of some tags. It is sorted.
type tagCodes []int64

// Match implements mq.Filter.
func (c *tagCodes) Match(code int64) bool {
	_, found := slices.BinarySearch(*c, code)
	return found
}

// filter is the filter for an expression of a pull, nil if it wants all. The
// filters used last are remembered.
func (s *session) filter(expression, kind []byte) (mq.Filter, error) {
	if tagType(string(kind)) {
		if f, known := s.filters[string(expression)]; known {
			return f, nil
		}
	} else if f := s.selectors[string(expression)]; f != nil && string(kind) == typeSQL {
		return f, nil
	}
	return s.parsedFilter(string(expression), string(kind))
}

// groupFilter is the filter of the subscription that the client declared in
// its heartbeat; members of a group that differ are each served by their own.
// version is the one that the client goes by.
func (s *session) groupFilter(group, topic string, version int64) (mq.Filter, error) {
	sub, known := s.h.broker.Subscription(s.ctx, group, topic, s)
	switch {
	case !known:
		return nil, refusef(wire.CodeSubscriptionNotExist,
			"the consumer's subscription not exist: the client has not said in a heartbeat what it wants of topic %s in group %s; its next heartbeat mends it", topic, group)
	case sub.Version < version:
		return nil, refusef(wire.CodeSubscriptionNotLatest,
			"the consumer's subscription not latest: group %s, topic %s; the client's next heartbeat mends it", group, topic)
	}
	if tagType(sub.Type) {
		if f, known := s.filters[sub.Expression]; known {
			return f, nil
		}
	} else if f := s.selectors[sub.Expression]; f != nil && sub.Type == typeSQL {
		return f, nil
	}
	return s.parsedFilter(sub.Expression, sub.Type)
}

// parsedFilter parses an expression and remembers its filter.
func (s *session) parsedFilter(expression, kind string) (mq.Filter, error) {
	if !tagType(kind) {
		return s.selector(expression, kind)
	}
	f, err := tagFilter(expression)
	if err != nil {
		return nil, err
	}
	if len(s.filters) >= maxRemembered {
		clear(s.filters)
	}
	s.filters[expression] = f
	return f, nil
}

// selector compiles an expression that is not about tags alone and remembers
// it.
func (s *session) selector(expression, kind string) (mq.Filter, error) {
	switch {
	case kind != typeSQL:
		return nil, fmt.Errorf("%w: expressions of type %.40q are unknown here; use %s or %s", mq.ErrSubscription, kind, typeTag, typeSQL)
	case s.h.noSelectors:
		return nil, refusef(wire.CodeSystemError,
			"the broker does not support consumer to filter message by %s: property-filter (enablePropertyFilter) is off", kind)
	}
	if f := s.selectors[expression]; f != nil {
		return f, nil
	}
	f, err := filter.Compile(expression)
	if err != nil {
		return nil, err
	}
	if s.selected += len(expression); s.selected > maxSelectors || len(s.selectors) >= maxRemembered {
		clear(s.selectors)
		s.selected = len(expression)
	}
	s.selectors[expression] = f
	return f, nil
}

// check refuses a subscription of a heartbeat that no pull could be served by.
// One that the broker has from this client already was checked before.
func (s *session) check(group string, sub *mq.Subscription) error {
	if tagType(sub.Type) || sub.ClassMode {
		return nil
	}
	if known, ok := s.h.broker.Subscription(s.ctx, group, sub.Topic, s); ok && known.Type == sub.Type && known.Expression == sub.Expression {
		return nil
	}
	if _, err := s.selector(sub.Expression, sub.Type); err != nil {
		return fmt.Errorf("group %s, topic %s: %w", group, sub.Topic, err)
	}
	return nil
}

// tagType reports whether an expression of a type is about tags.
func tagType(kind string) bool { return kind == "" || kind == typeTag }

// tagFilter parses "*", "a" or "a || b"; nil lets everything through.
func tagFilter(expression string) (mq.Filter, error) {
	if expression == "" || expression == "*" {
		return nil, nil
	}
	if len(expression) > maxExpression {
		return nil, fmt.Errorf("%w: it has %d bytes, at most %d are allowed", mq.ErrSubscription, len(expression), maxExpression)
	}
	var codes tagCodes
	for tag := range strings.SplitSeq(expression, "||") {
		if tag = strings.TrimSpace(tag); tag != "" {
			codes = append(codes, mq.TagCode(tag))
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
	return &codes, nil
}
