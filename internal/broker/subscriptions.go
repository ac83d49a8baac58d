package broker

import (
	"log/slog"
	"maps"
	"reflect"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// subscribe replaces a member's subscriptions and says whether the topics of
// the group changed and whether anything else about its subscriptions did. An
// older version of a subscription does not replace a newer one.
func (g *consumers) subscribe(who *member, subs []mq.Subscription) (topics, details bool) {
	old := who.subscriptions
	next := make(map[string]mq.Subscription, len(subs))
	for _, s := range subs {
		if o, had := old[s.Topic]; had && o.Version > s.Version {
			s = o
		}
		next[s.Topic] = s
	}
	who.subscriptions = next
	count := len(g.subscriptions)
	for topic, s := range next {
		if o, had := old[topic]; had && reflect.DeepEqual(o, s) {
			continue
		}
		known, ok := g.subscriptions[topic]
		topics = topics || !ok
		details = true
		if ok && !g.differing[topic] && alike(&known, &s) {
			if s.Version >= known.Version {
				g.subscriptions[topic] = s
			}
			continue
		}
		g.review(topic)
	}
	for topic := range old {
		if _, still := next[topic]; !still {
			g.review(topic)
			details = true
		}
	}
	return topics || len(g.subscriptions) != count, details
}

// unsubscribe takes back what a member that left had subscribed to.
func (g *consumers) unsubscribe(who *member) {
	for topic := range who.subscriptions {
		g.review(topic)
	}
}

// review finds anew what the members want of a topic and whether they differ.
func (g *consumers) review(topic string) {
	delete(g.subscriptions, topic)
	delete(g.differing, topic)
	for _, who := range g.members {
		s, ok := who.subscriptions[topic]
		if !ok {
			continue
		}
		newest, known := g.subscriptions[topic]
		if known && !alike(&newest, &s) {
			g.differing[topic] = true
		}
		if !known || s.Version > newest.Version {
			g.subscriptions[topic] = s
		}
	}
}

// alike reports whether two subscriptions want the same messages, as far as
// their text says.
func alike(a, b *mq.Subscription) bool {
	return a.Expression == b.Expression && (a.Type == b.Type || tagType(a.Type) && tagType(b.Type))
}

func tagType(kind string) bool { return kind == "" || kind == "TAG" }

// A difference is two members of a group that want different messages of a
// topic.
type difference struct {
	group, topic     string
	clients, filters [2]string
}

// difference is an example of how the members of a group differ; nil if they
// do not.
func (g *consumers) difference(group string) *difference {
	for _, topic := range slices.Sorted(maps.Keys(g.differing)) {
		d := &difference{group: group, topic: topic}
		n := 0
		var first mq.Subscription
		for _, who := range g.members {
			s, ok := who.subscriptions[topic]
			if !ok || n == 1 && alike(&first, &s) {
				continue
			}
			d.clients[n], d.filters[n] = who.ClientID, s.Expression
			first = s
			if n++; n == 2 {
				return d
			}
		}
	}
	return nil
}

// warn says what follows from the difference.
func (d *difference) warn(log *slog.Logger) {
	log.Warn("members of a consumer group subscribe differently; each gets, of the queues it holds, what it asked for, so messages that only others want are skipped there",
		"group", d.group, "topic", d.topic,
		"client", d.clients[0], "expression", cut(d.filters[0]),
		"other_client", d.clients[1], "other_expression", cut(d.filters[1]))
}

// cut shortens an expression for a log line.
func cut(expression string) string {
	if len(expression) > 200 {
		return expression[:200] + "…"
	}
	return expression
}

// differ is how many groups have members that subscribe differently.
func (c *clients) differ() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := int64(0)
	for _, g := range c.mu.consumers {
		if len(g.differing) > 0 {
			n++
		}
	}
	return n
}
