package broker

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/pop"
)

// revive makes the message that a group gets again because it did not
// acknowledge it in time: in a retry topic, or in its dead letters when it was
// tried too often.
func (b *Broker) revive(h *pop.Hold, r *mq.Record) (mq.Send, error) {
	g := b.findGroup(h.Group)
	if g == nil || b.findTopic(h.Topic) == nil {
		return mq.Send{}, pop.ErrGone
	}
	if !h.Suspended && r.ReconsumeTimes >= g.RetryMax {
		m, err := b.deadLetter(g, h.Use, r, h.PopTime)
		return mq.Send{Message: m}, err
	}
	t, err := b.popRetryTopic(h.Use)
	if err != nil {
		return mq.Send{}, err
	}
	m := r.Message()
	m.Topic, m.QueueID, m.PreparedPos = t.Name, 0, 0
	if !h.Suspended {
		m.ReconsumeTimes++
	}
	if _, ok := mq.Property(m.Properties, mq.PropFirstPopTime); !ok || r.ReconsumeTimes == 0 {
		m.Properties = firstPopped(m.Properties, h.PopTime)
	}
	return mq.Send{Message: m}, nil
}

// firstPopped are properties with the time of the first pop, if they have room
// for it.
func firstPopped(props []byte, at int64) []byte {
	set := mq.AppendSettingProperty(nil, props, mq.PropFirstPopTime, strconv.FormatInt(at, 10))
	if len(set) > mq.MaxPropertiesSize {
		return props
	}
	return set
}

// revived is told what came of storing what revive made.
func (b *Broker) revived(h *pop.Hold, one *mq.Send, began time.Time) {
	if one.Err == nil {
		b.figures.expired.Add(1)
	}
	if one.Err == nil && strings.HasPrefix(one.Topic, mq.DLQPrefix) {
		b.countDead(h.Group, firstTopic(h.Use))
		b.opts().Log.Info("message went to the dead letters", "group", h.Group, "topic", h.Topic, "queue", h.Queue, "offset", h.Offset)
	}
	b.noteBack(h.Use, h.Offset, one, began)
}

// noteBack tells the tracer that a popped message was stored again, or that this
// failed.
func (b *Broker) noteBack(u pop.Use, offset mq.QueueOffset, one *mq.Send, began time.Time) {
	kind := TraceRetry
	if strings.HasPrefix(one.Topic, mq.DLQPrefix) {
		kind = TraceDeadLetter
	}
	b.note(TraceEvent{
		Kind: kind, Message: &one.Message, Group: u.Group, From: mq.Queue{Topic: u.Topic, ID: u.Queue}, Offset: offset, Began: began, Err: one.Err,
	})
}

// popRetryTopic is where a message of a topic comes back to a group. One that
// came back before stays where it is.
func (b *Broker) popRetryTopic(u pop.Use) (*topic, error) {
	switch {
	case strings.HasPrefix(u.Topic, mq.RetryPrefix):
		return b.innerTopic(u.Topic)
	case b.opts().RetryTopicV2:
		return b.innerTopic(mq.RetryTopicPopV2(u.Group, u.Topic))
	}
	return b.innerTopic(mq.RetryTopicPop(u.Group, u.Topic))
}

// innerTopic is a topic for what comes back, made if it is missing. ErrGone if
// no topic can have this name.
func (b *Broker) innerTopic(name string) (*topic, error) {
	if t := b.topics.table.get(name); t != nil {
		return t, nil
	}
	t, err := b.createTopic(innerTopic(name, 1))
	if errors.Is(err, mq.ErrInvalid) {
		err = fmt.Errorf("%w: %w", pop.ErrGone, err)
	}
	return t, err
}

// deadLetter is a popped message as it goes to its group's dead letters. That it
// was popped stays visible: redriving puts it where the group pops.
func (b *Broker) deadLetter(g *mq.Group, u pop.Use, r *mq.Record, popTime int64) (mq.Message, error) {
	dead, err := b.innerTopic(mq.DLQTopic(g.Name))
	if err != nil {
		return mq.Message{}, err
	}
	rec := *r
	rec.Topic = []byte(firstTopic(u))
	m := comeback(rec, 0)
	m.Topic, m.QueueID = dead.Name, 0
	if _, ok := mq.Property(m.Properties, mq.PropFirstPopTime); !ok {
		m.Properties = firstPopped(m.Properties, popTime)
	}
	return m, nil
}

// firstTopic is the topic that a message was popped from at first.
func firstTopic(u pop.Use) string {
	if parent, _, ok := mq.SplitLite(u.Topic); ok {
		return parent
	}
	for _, prefix := range []string{mq.RetryTopicPop(u.Group, ""), mq.RetryTopicPopV2(u.Group, "")} {
		if topic, ok := strings.CutPrefix(u.Topic, prefix); ok {
			return topic
		}
	}
	return u.Topic
}
