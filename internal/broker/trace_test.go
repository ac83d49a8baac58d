package broker

import (
	"errors"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestTheTraceTopicIsThereFromTheStartIfWanted(t *testing.T) {
	no := false
	for name, o := range map[string]Options{
		mq.TopicTrace: {TraceTopic: true, AutoCreateTopic: &no},
		"Traces":      {TraceTopic: true, TraceTopicName: "Traces", AutoCreateTopic: &no},
	} {
		bubble(t, o, func(t *testing.T, r *rig) {
			if got, err := r.Topic(t.Context(), name); err != nil || got.ReadQueues != 1 || got.Perm != mq.PermRead|mq.PermWrite {
				t.Errorf("%s: %+v, %v", name, got, err)
			}
			r.sent(message(name, "trace"))
		})
	}
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		if _, err := r.Topic(t.Context(), mq.TopicTrace); !errors.Is(err, mq.ErrTopicNotFound) {
			t.Errorf("unwanted: %v", err)
		}
	})
	if _, err := New(Options{TraceTopicName: "a b"}); err == nil {
		t.Error("New took a topic name with a space")
	}
}
