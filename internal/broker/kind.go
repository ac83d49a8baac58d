package broker

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
)

// Types of messages, as the attribute message.type names them.
const (
	kindUnspecified = "UNSPECIFIED"
	kindNormal      = "NORMAL"
	kindOrdered     = "FIFO"
	kindDelayed     = "DELAY"
	kindHalf        = "TRANSACTION"
	kindPriority    = "PRIORITY"
	kindLite        = "LITE"
	kindMixed       = "MIXED"
)

// kind is the type of a message with these properties. The first that fits
// counts, in RocketMQ's order.
func (seen *properties) kind() string {
	switch {
	case seen.half:
		return kindHalf
	case seen.delayed || seen.timer:
		return kindDelayed
	case seen.sharding:
		return kindOrdered
	case seen.priority >= 0:
		return kindPriority
	case seen.lite:
		return kindLite
	}
	return kindNormal
}

// counted is the type that a message counts as in metrics, where RocketMQ asks
// for an order before a delay.
func (seen *properties) counted() meter.Kind {
	switch {
	case seen.half:
		return meter.KindTransaction
	case seen.sharding:
		return meter.KindFIFO
	case seen.delayed || seen.timer:
		return meter.KindDelay
	case seen.priority >= 0:
		return meter.KindPriority
	case seen.lite:
		return meter.KindLite
	}
	return meter.KindNormal
}

// messageType is the type of the topic's messages.
func (t *topic) messageType() string {
	if kind := t.Attributes[attrMessageType]; kind != "" {
		return kind
	}
	return kindNormal
}

// checkKind says why a message is not of the kind that its topic is for, or
// cannot lie in the light queues that it names.
func (b *Broker) checkKind(live *live, one *mq.Send, t *topic, seen *properties) error {
	if seen.lite {
		if err := checkLiteMessage(live, t, seen); err != nil {
			return err
		}
	}
	if live.MessageTypeCheck {
		if err := checkType(t, seen.kind()); err != nil {
			return err
		}
	}
	if seen.LightQueues == nil {
		return nil
	}
	return checkLights(live, one.Topic, seen.LightQueues)
}

// checkType compares a message's type with its topic's. A topic of unspecified
// type takes all, and so do those that the broker fills.
func checkType(t *topic, kind string) error {
	want := t.messageType()
	if kind == want || want == kindMixed || want == kindUnspecified ||
		strings.HasPrefix(t.Name, mq.RetryPrefix) || strings.HasPrefix(t.Name, mq.DLQPrefix) || mq.IsSystemTopic(t.Name) {
		return nil
	}
	return fmt.Errorf("%w: TopicMessageType validate failed, the expected type is %s, but actual type is %s; send it to a topic of that type, or change the attribute message.type of %s (message-type-check)",
		mq.ErrMessageIllegal, want, kind, t.Name)
}

// parsePriority is a message's priority, or -1 if the text is none.
func parsePriority(text []byte) int32 {
	n, err := strconv.ParseInt(string(text), 10, 32)
	if err != nil || n < 0 {
		return -1
	}
	return int32(n)
}

// prioritize sends a message with a priority to the queue of that number, or
// the last. As in RocketMQ one of another kind loses its priority.
func prioritize(one *mq.Send, t *topic, seen *properties) {
	if seen.kind() != kindPriority {
		one.Properties = mq.AppendWithoutProperty(nil, one.Properties, mq.PropPriority)
		return
	}
	if t.WriteQueues > 0 {
		one.QueueID = min(seen.priority, t.WriteQueues-1)
	}
}
