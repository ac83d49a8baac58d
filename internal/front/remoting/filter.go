package remoting

import (
	"fmt"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Limits of a subscription expression.
const (
	maxExpression = 16 << 10 // bytes
	maxTags       = 1024
)

// tagCodes matches the messages that have one of some tags. It is sorted.
type tagCodes []int64

// Match implements mq.Filter.
func (c tagCodes) Match(code int64) bool {
	_, found := slices.BinarySearch(c, code)
	return found
}

// filter is the filter for an expression of a pull, nil if it wants all. The
// filters used last are remembered.
func (s *session) filter(expression, kind []byte) (mq.Filter, error) {
	if f, known := s.filters[string(expression)]; known && tagType(string(kind)) {
		return f, nil
	}
	return s.parsedFilter(string(expression), string(kind))
}

// groupFilter is the filter of the subscription that the group's clients
// declared in their heartbeats. version is the one that the client goes by.
func (s *session) groupFilter(group, topic string, version int64) (mq.Filter, error) {
	sub, known := s.h.broker.Subscription(s.ctx, group, topic)
	switch {
	case !known:
		return nil, refusef(wire.CodeSubscriptionNotExist,
			"the consumer's subscription not exist: group %s has not said in a heartbeat what it wants of topic %s; the client's next heartbeat mends it, unless members of the group subscribe differently", group, topic)
	case sub.Version < version:
		return nil, refusef(wire.CodeSubscriptionNotLatest,
			"the consumer's subscription not latest: group %s, topic %s; the client's next heartbeat mends it", group, topic)
	}
	if f, known := s.filters[sub.Expression]; known && tagType(sub.Type) {
		return f, nil
	}
	return s.parsedFilter(sub.Expression, sub.Type)
}

// parsedFilter parses an expression and remembers its filter.
func (s *session) parsedFilter(expression, kind string) (mq.Filter, error) {
	if !tagType(kind) {
		return nil, refusef(wire.CodeSubscriptionParseFailed,
			"%s filters are not built yet, this broker filters by tag only; subscribe with a tag expression", kind)
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

// tagType reports whether an expression of a type is about tags.
func tagType(kind string) bool { return kind == "" || kind == "TAG" }

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
	return slices.Compact(codes), nil
}
