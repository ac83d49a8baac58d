package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// recallTag is the tag of a message that calls another one back.
const recallTag = "_RECALL_TAG_"

// A handle belongs to a send that can be called back. Its text lies between those
// of others.
type handle struct {
	send     *mq.Send
	from, to int
}

// giveHandles tells the senders of what was stored how it is called back. The
// texts of a batch are one string.
func (s *sending) giveHandles() {
	if len(s.handles) == 0 {
		return
	}
	text := string(s.texts)
	for _, h := range s.handles {
		if h.send.Err == nil {
			h.send.Result.Handle = text[h.from:h.to]
		}
	}
	s.texts = s.texts[:0]
}

// A timing is the properties that say when a message is due and what it is then;
// nil where it lacks one.
type timing struct {
	seconds, millis, at []byte // when, in the order in which they count
	topic, key          []byte
	recalls, movedFrom  []byte
}

// timingOf looks at all properties once; of several with one key the last counts.
func timingOf(props []byte) (t timing) {
	for k, v := range mq.Properties(props) {
		switch string(k) {
		case mq.PropTimerDelaySec:
			t.seconds = v
		case mq.PropTimerDelayMs:
			t.millis = v
		case mq.PropTimerDeliverMs:
			t.at = v
		case mq.PropRealTopic:
			t.topic = v
		case mq.PropUniqueKey:
			t.key = v
		case mq.PropTimerDeleteUniq:
			t.recalls = v
		case mq.PropTimerMovedFrom:
			t.movedFrom = v
		}
	}
	return t
}

// time sends a message to the timer's queue if its own time is still to come.
// One that is over goes to its topic at once, as it is.
func (s *sending) time(live *live, one *mq.Send) error {
	now := time.Now().UnixMilli()
	said := timingOf(one.Properties)
	due, err := said.due(now, live.MaxDelay.Milliseconds())
	if err != nil {
		return err
	}
	if due <= now {
		if said.recalls != nil {
			return fmt.Errorf("%w: the message calls one back (%s) that is already due", mq.ErrMessageIllegal, mq.PropTimerDeleteUniq)
		}
		return nil
	}
	if !strings.HasPrefix(one.Topic, mq.RetryPrefix) {
		from := len(s.texts)
		s.texts = mq.AppendRecallHandle(s.texts, one.Topic, live.Name, due, said.key)
		s.handles = append(s.handles, handle{one, from, len(s.texts)})
	}
	props := one.Properties
	if said.movedFrom != nil {
		props = mq.AppendWithoutProperty(nil, props, mq.PropTimerMovedFrom)
	}
	buf := s.scratch
	start := len(buf)
	buf = append(buf, props...)
	var n [20]byte
	buf = mq.AppendProperty(buf, mq.PropTimerOutMs, strconv.AppendInt(n[:0], due, 10))
	buf = mq.AppendProperty(buf, mq.PropRealTopic, one.Topic)
	buf = mq.AppendProperty(buf, mq.PropRealQueueID, strconv.AppendInt(n[:0], int64(one.QueueID), 10))
	s.scratch = buf
	one.Properties = buf[start:len(buf):len(buf)]
	one.Topic, one.QueueID = mq.TopicTimer, 0
	return nil
}

// due is when a message wants to be delivered, in Unix milliseconds. Of several
// properties that say it, RocketMQ looks at seconds first.
func (t *timing) due(now, most int64) (int64, error) {
	key, text, factor, base := mq.PropTimerDelaySec, t.seconds, int64(1000), now
	if text == nil {
		key, text, factor = mq.PropTimerDelayMs, t.millis, 1
	}
	if text == nil {
		key, text, base = mq.PropTimerDeliverMs, t.at, 0
	}
	n, err := strconv.ParseInt(string(text), 10, 64)
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		return 0, fmt.Errorf("%w: %s is %.40q, want a whole number", mq.ErrMessageIllegal, key, text)
	}
	if n < 0 {
		return 0, nil
	}
	if n > (now+most-base)/factor {
		return 0, fmt.Errorf("%w: %s is %.40s, which is more than %v from now; choose an earlier time or raise max-delay (timerMaxDelaySec)",
			mq.ErrMessageIllegal, key, text, time.Duration(most)*time.Millisecond)
	}
	return base + n*factor, nil
}

// Recall takes a delayed message back. See mq.Broker.
func (b *Broker) Recall(ctx context.Context, topic, text string) (string, error) {
	live := b.opts()
	switch {
	case b.closing.Load():
		return "", mq.ErrClosed
	case !*live.RecallMessages:
		return "", fmt.Errorf("%w: recall failed, operation is forbidden (recall-messages, recallMessageEnable)", mq.ErrDenied)
	case b.findTopic(topic) == nil:
		return "", fmt.Errorf("%w: recall failed, the topic[%.60s] not exist", mq.ErrTopicNotFound, topic)
	}
	h, err := mq.ParseRecallHandle(text)
	switch {
	case err != nil:
		return "", err
	case h.Topic != topic:
		return "", fmt.Errorf("%w: recall failed, topic not match: the handle is of %.60s", mq.ErrInvalid, h.Topic)
	case h.Broker != live.Name:
		return "", fmt.Errorf("%w: recall failed, broker service not available: the handle is of broker %.60s", mq.ErrInvalid, h.Broker)
	case h.Due <= time.Now().UnixMilli():
		return "", fmt.Errorf("%w: recall failed, timestamp invalid: the message was due at %s", mq.ErrInvalid, time.UnixMilli(h.Due).UTC().Format(time.RFC3339Nano))
	}
	key := topic + "+" + h.Key
	props := mq.AppendProperty(nil, mq.PropTimerDeleteUniq, key)
	props = mq.AppendProperty(props, mq.PropUniqueKey, h.Key)
	props = mq.AppendProperty(props, mq.PropTags, recallTag)
	props = mq.AppendProperty(props, mq.PropTimerOutMs, strconv.FormatInt(h.Due, 10))
	props = mq.AppendProperty(props, mq.PropRealTopic, topic)
	props = mq.AppendProperty(props, mq.PropRealQueueID, "0")
	err = b.agenda.Recall(ctx, key, mq.Message{BornTime: time.Now().UnixMilli(), Properties: props, Body: []byte("0")})
	if errors.Is(err, mq.ErrNotFound) {
		return "", fmt.Errorf("%w: recall failed, the message does not wait any more: it was called back before or is being delivered", mq.ErrNotFound)
	}
	return h.Key, err
}

// Delayed lists messages that wait for a time of their own.
func (b *Broker) Delayed(_ context.Context, q mq.DelayedQuery) ([]mq.DelayedMessage, error) {
	return b.agenda.Waiting(b.opts().Name, q)
}
