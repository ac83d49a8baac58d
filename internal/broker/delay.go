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

// A timedSend is a send of a message that waits for a time of its own. The text by
// which it is called back, if it can be, lies between those of others.
type timedSend struct {
	send     *mq.Send
	topic    *topic // it is meant for
	seconds  int64  // it is to wait
	from, to int
}

// endTimed counts what was stored and tells its senders how it is called back. The
// texts of a batch are one string.
func (s *sending) endTimed() {
	if len(s.timed) == 0 {
		return
	}
	text := string(s.texts)
	var last timedSend
	n := int64(0)
	for _, one := range s.timed {
		if one.send.Err != nil {
			continue
		}
		if one.from < one.to {
			one.send.Result.Handle = text[one.from:one.to]
		}
		if n > 0 && (one.topic != last.topic || one.seconds != last.seconds) {
			last.topic.countTimed(last.seconds, n)
			n = 0
		}
		last = one
		n++
	}
	if n > 0 {
		last.topic.countTimed(last.seconds, n)
	}
	s.texts = s.texts[:0]
}

// time sends a message of topic t, nil if that is not to be counted, to the
// timer's queue if its own time is still to come. One that is over goes to its
// topic at once, as it is.
func (s *sending) time(live *live, one *mq.Send, t *topic, seen *properties) error {
	if s.now == 0 {
		s.now = time.Now().UnixMilli()
	}
	due, err := seen.when.due(s.now, live.MaxDelay.Milliseconds())
	if err != nil {
		return err
	}
	if due <= s.now {
		if seen.recalls {
			return fmt.Errorf("%w: the message calls one back (%s) that is already due", mq.ErrMessageIllegal, mq.PropTimerDeleteUniq)
		}
		return nil
	}
	from := len(s.texts)
	if !strings.HasPrefix(one.Topic, mq.RetryPrefix) {
		s.texts = mq.AppendRecallHandle(s.texts, one.Topic, live.Name, due, seen.UniqueKey)
	}
	if t != nil {
		s.timed = append(s.timed, timedSend{one, t, seen.when.wait(due, s.now, one.BornTime) / 1000, from, len(s.texts)})
	}
	props := one.Properties
	if seen.moved {
		props = mq.AppendWithoutProperty(nil, props, mq.PropTimerMovedFrom)
	}
	buf, start := s.extend(props)
	var n [20]byte
	buf = mq.AppendProperty(buf, mq.PropTimerOutMs, strconv.AppendInt(n[:0], due, 10))
	buf = mq.AppendProperty(buf, mq.PropRealTopic, one.Topic)
	buf = mq.AppendProperty(buf, mq.PropRealQueueID, strconv.AppendInt(n[:0], int64(one.QueueID), 10))
	s.scratch = buf
	one.Properties = buf[start:len(buf):len(buf)]
	one.Topic, one.QueueID, one.Names = mq.TopicTimer, 0, s.keep(seen)
	if !seen.recalls {
		one.Due = due
	}
	return nil
}

// extend is the scratch memory with properties at its end, from start on, to be
// added to.
func (s *sending) extend(props []byte) (buf []byte, start int) {
	start = len(s.scratch) - len(props)
	if start >= 0 && len(props) > 0 && &s.scratch[start] == &props[0] {
		return s.scratch, start // describe has just put them there
	}
	return append(s.scratch, props...), len(s.scratch)
}

// A when is what a message says about its own time: the value of one property. Of
// several that say it, RocketMQ looks at seconds first; of several with one key the
// last counts.
type when struct {
	kind whenKind
	text []byte
}

// whenKind says which property it is. Those that count first are greater.
type whenKind uint8

const (
	noTime whenKind = iota
	atTime
	inMillis
	inSeconds
)

func (w *when) say(kind whenKind, text []byte) {
	if kind >= w.kind {
		*w = when{kind, text}
	}
}

// wait is for how long a message that was made at born is to wait, in
// milliseconds.
func (w *when) wait(due, now, born int64) int64 {
	if w.kind == atTime {
		return max(0, due-born)
	}
	return due - now
}

// due is when a message wants to be delivered, in Unix milliseconds.
func (w *when) due(now, most int64) (int64, error) {
	key, factor, base := mq.PropTimerDelaySec, int64(1000), now
	switch w.kind {
	case inMillis:
		key, factor = mq.PropTimerDelayMs, 1
	case atTime, noTime:
		key, factor, base = mq.PropTimerDeliverMs, 1, 0
	}
	text := w.text
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
