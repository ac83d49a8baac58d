package broker

import (
	"bytes"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/dedup"
	"github.com/goddardmq/goddard/internal/mq"
)

func TestAttributesAreCheckedAgainstTheTable(t *testing.T) {
	type m = map[string]string
	old := m{"message.type": "FIFO", "queue.type": "SimpleCQ"}
	for _, c := range []struct {
		known   []attribute
		created bool
		changes m
		want    m      // nil: refused
		says    string // what the refusal names
	}{
		{topicAttributes, true, nil, m{}, ""},
		{topicAttributes, true, m{"+message.type": "PRIORITY", "+queue.type": "SimpleCQ"}, m{"message.type": "PRIORITY", "queue.type": "SimpleCQ"}, ""},
		{topicAttributes, true, m{"-message.type": ""}, nil, "not set"},
		{topicAttributes, true, m{"message.type": "FIFO"}, nil, "+key=value"},
		{topicAttributes, true, m{"+color": "red"}, nil, "message.type, queue.type"},
		{topicAttributes, true, m{"+": "red"}, nil, "-key"},
		{topicAttributes, true, m{"++message.type": "FIFO"}, nil, "-key"},
		{topicAttributes, true, m{"+message.type": "fifo"}, nil, "NORMAL, FIFO"},
		{topicAttributes, true, m{"+message.type": "LITE", "+lite.topic.expiration": "43201"}, nil, "-1 to 43200"},
		{topicAttributes, true, m{"+message.type": "LITE", "+lite.topic.expiration": "60"}, m{"message.type": "LITE", "lite.topic.expiration": "60"}, ""},
		{topicAttributes, true, m{"+queue.type": "BatchCQ"}, nil, "packed batches"},
		{topicAttributes, true, m{"+cleanup.policy": "COMPACTION"}, nil, "compaction"},
		{topicAttributes, true, m{"+cleanup.policy": "DELETE", "+reserve.time": "-1"}, m{"cleanup.policy": "DELETE", "reserve.time": "-1"}, ""},
		{topicAttributes, true, m{"+reserve.time": "60000"}, nil, "fileReservedTime"},
		{topicAttributes, true, m{"+reserve.time": "-2"}, nil, "whole number"},
		{topicAttributes, false, m{"+message.type": "DELAY"}, m{"message.type": "DELAY", "queue.type": "SimpleCQ"}, ""},
		{topicAttributes, false, m{"-message.type": ""}, m{"queue.type": "SimpleCQ"}, ""},
		{topicAttributes, false, m{"+message.type": "DELAY", "-message.type": ""}, nil, "at once"},
		{topicAttributes, false, m{"+queue.type": "SimpleCQ"}, nil, "when it is created"},
		{topicAttributes, false, m{"-queue.type": ""}, nil, "when it is created"},
		{topicAttributes, false, m{"+cleanup.policy": "DELETE"}, nil, "when it is created"},
		{topicAttributes, false, m{"message.type": "FIFO", "+reserve.time": "-1"}, m{"message.type": "FIFO", "queue.type": "SimpleCQ", "reserve.time": "-1"}, ""},
		{groupAttributes, true, m{"+priority.factor": "0"}, m{"priority.factor": "0"}, ""},
		{groupAttributes, true, m{"+priority.factor": "101"}, nil, "0 to 100"},
		{groupAttributes, true, m{"+lite.bind.topic": "T", "+lite.sub.model": "Shared"}, m{"lite.bind.topic": "T", "lite.sub.model": "Shared"}, ""},
		{groupAttributes, true, m{"+lite.sub.model": "Other"}, nil, "Shared, Exclusive"},
		{groupAttributes, true, m{"+lite.sub.client.max.event.cnt": "9"}, nil, "10"},
		{groupAttributes, true, m{"+lite.sub.wildcard": "*"}, m{"lite.sub.wildcard": "*"}, ""},
		{groupAttributes, true, m{"+lite.sub.reset.offset.exclusive": "false"}, m{"lite.sub.reset.offset.exclusive": "false"}, ""},
		{groupAttributes, true, m{"+message.type": "FIFO"}, nil, "priority.factor"},
	} {
		had := old
		if c.created {
			had = nil
		}
		got, err := alterAttributes(c.known, c.created, had, c.changes)
		switch {
		case c.want != nil && (err != nil || !maps.Equal(got, c.want)):
			t.Errorf("created %v, changes %v: %v, %v", c.created, c.changes, got, err)
		case c.want == nil && (err == nil || !strings.Contains(err.Error(), c.says)):
			t.Errorf("created %v, changes %v: %v, %v; want an error that says %q", c.created, c.changes, got, err, c.says)
		}
	}
	if old["message.type"] != "FIFO" {
		t.Error("the old attributes were changed")
	}
}

func TestTopicAndGroupKeepTheirAttributesThroughChanges(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		topic := mq.Topic{Name: "T", ReadQueues: 1, WriteQueues: 1, Perm: 6, Attributes: map[string]string{"+message.type": "FIFO"}}
		r.must(r.PutTopic(t.Context(), topic))
		topic.Attributes = nil
		r.must(r.PutTopic(t.Context(), topic))
		topic.Attributes = map[string]string{"+message.type": "MIXED"}
		r.wantErr(r.PutTopic(t.Context(), topic), mq.ErrInvalid)
		topic.Attributes = map[string]string{"+message.type": "DELAY", "+nothing": "1"}
		r.wantErr(r.PutTopic(t.Context(), topic), mq.ErrInvalid)
		g := newGroup("G")
		g.Attributes = map[string]string{"+priority.factor": "50"}
		r.must(r.PutGroup(t.Context(), g))
		g.Attributes = nil
		r.must(r.PutGroup(t.Context(), g))
		r.restart(Options{MixedMessageType: true})
		if got, err := r.Topic(t.Context(), "T"); err != nil || got.Attributes["message.type"] != "FIFO" {
			t.Errorf("topic is %+v, %v", got, err)
		}
		if got, err := r.Group(t.Context(), "G"); err != nil || got.Attributes["priority.factor"] != "50" {
			t.Errorf("group is %+v, %v", got, err)
		}
		topic.Attributes = map[string]string{"+message.type": "MIXED"}
		r.must(r.PutTopic(t.Context(), topic))
	})
}

// An earlier version may have taken it.
func TestAnUnusableAttributeDoesNotKeepTheBrokerFromStarting(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.once("T", "60")
		bad := mq.Topic{Name: "T", ReadQueues: 2, WriteQueues: 2, Perm: 6, Attributes: map[string]string{dedup.Attribute: "soon"}}
		r.must(r.setJSON(topicRows+"T", bad))
		var log bytes.Buffer
		r.restart(Options{Log: slog.New(slog.NewTextHandler(&log, nil))})
		if text := log.String(); !strings.Contains(text, "topic=T attribute="+dedup.Attribute) || !strings.Contains(text, "topic update T --attributes -"+dedup.Attribute) {
			t.Errorf("logged %s", text)
		}
		r.sent(keyed("T", "k", "1"))
		r.sent(keyed("T", "k", "2"))
		wantStrings(t, "without a window", r.bodies("T", 0), "1", "2")
		r.many("T")
		r.once("T", "60")
	})
}
