package broker

import (
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
)

// retryGroup is the group of a retry topic; popped says that its members pop
// from there. It creates the group where that is allowed, unless the topic's name
// says that it would be one that pops, which is there already.
func (b *Broker) retryGroup(topic string) (g *mq.Group, popped bool, err error) {
	name := strings.TrimPrefix(topic, mq.RetryPrefix)
	if g := b.groups.table.get(name); g != nil {
		return g, false, nil
	}
	// Names of light groups may have a plus sign themselves.
	if group, of, v2 := strings.Cut(name, "+"); v2 && (!mq.IsLight(name) || b.findTopic(of) != nil) {
		if g := b.findGroup(group); g != nil {
			return g, true, nil
		}
		return nil, false, missingGroup(group)
	}
	if g := b.poppingGroup(name); g != nil {
		return g, true, nil
	}
	g, err = b.group(name)
	return g, false, err
}

// poppingGroup is the group whose name and an underscore the name of one of its
// retry topics begins with, behind which stands the name of a topic; nil if
// there is none. Of several that may be meant it is one that has popped, and
// otherwise that with the shortest name.
func (b *Broker) poppingGroup(name string) (found *mq.Group) {
	for i := range len(name) {
		if name[i] != '_' {
			continue
		}
		g := b.findGroup(name[:i])
		if g == nil || b.findTopic(name[i+1:]) == nil {
			continue
		}
		if b.offsets.find(use{g.Name, name[i+1:]}) != nil {
			return g
		}
		if found == nil {
			found = g
		}
	}
	return found
}
