package broker

import (
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
)

// findTopic is a topic, or nil. That of a light queue needs no configuration.
func (b *Broker) findTopic(name string) *topic {
	if t := b.topics.table.get(name); t != nil || !mq.IsLight(name) {
		return t
	}
	if !*b.opts().LightQueues || mq.CheckLight(name) != nil {
		return nil
	}
	return &topic{Topic: innerTopic(name, 1), topicCounters: b.topics.light}
}

// findGroup is a group, or nil. A light one needs no configuration.
func (b *Broker) findGroup(name string) *mq.Group {
	if g := b.groups.table.get(name); g != nil || !mq.IsLight(name) {
		return g
	}
	if mq.CheckLight(name) != nil {
		return nil
	}
	g := newGroup(name)
	return &g
}

// putLight creates a light topic or group, for which there is nothing to do. It
// reports whether it is one.
func (b *Broker) putLight(what, name string, attributes map[string]string) (light bool, err error) {
	if !mq.IsLight(name) {
		return false, nil
	}
	if len(attributes) > 0 {
		return true, fmt.Errorf("%w: the light %s %.60s has no attributes", mq.ErrInvalid, what, name)
	}
	if what == "topic" && !*b.opts().LightQueues {
		return true, errLightOff(name)
	}
	return true, mq.CheckLight(name)
}

func errLightOff(name string) error {
	return fmt.Errorf("%w: %.60s is a light queue, and they are switched off (light-queues, enableLmq)", mq.ErrInvalid, name)
}

// checkLights says why a message of a topic cannot lie in light queues. One that
// goes to a retry topic lies in them already.
func checkLights(live *live, topic string, names []byte) error {
	switch {
	case mq.IsLight(topic):
		return fmt.Errorf("%w: a message of the light queue %.60s names others (%s); send it to an ordinary topic", mq.ErrMessageIllegal, topic, mq.PropMultiDispatch)
	case !mq.HasLightQueues(topic):
		return nil
	case !*live.LightQueues:
		return fmt.Errorf("%w: the message names light queues (%s), and they are switched off (light-queues, enableLmq)", mq.ErrMessageIllegal, mq.PropMultiDispatch)
	}
	return mq.CheckLightQueues(names)
}

// lightsGone is told by the store of light queues that hold nothing any more:
// nobody needs an offset in them.
func (b *Broker) lightsGone(topics []string) {
	if !b.ready.Load() {
		return
	}
	gone := make(map[string]bool, len(topics))
	for _, name := range topics {
		gone[name] = true
	}
	if err := b.offsets.delete(func(u use) bool { return gone[u.topic] }); err != nil {
		b.opts().Log.Error("offsets of light queues that are empty could not be deleted", "queues", len(topics), "error", err)
	}
}
