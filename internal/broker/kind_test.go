package broker

import (
	"reflect"
	"slices"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestPriorityChoosesTheQueue(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		for _, c := range []struct {
			priority string
			queue    int32 // where the sender wants it
			want     int32
			more     []string
		}{
			{"0", 2, 0, nil},
			{"2", 0, 2, nil},
			{"3", -1, 3, nil},
			{"99", 0, 3, nil},
			{"-1", 1, 1, nil},
			{"high", 1, 1, nil},
			{"99999999999", 1, 1, nil},
			{"2", 1, 1, []string{mq.PropShardingKey, "k"}},
		} {
			s := message("T", c.priority, append([]string{mq.PropPriority, c.priority}, c.more...)...)
			s.QueueID = c.queue
			got := r.sent(s)
			if got.QueueID != c.want {
				t.Errorf("priority %s, sent to queue %d with %v, is in queue %d, want %d", c.priority, c.queue, c.more, got.QueueID, c.want)
			}
			records := r.records("T", got.QueueID)
			_, kept := mq.Property(records[len(records)-1].Properties, mq.PropPriority)
			if kept != (c.more == nil) {
				t.Errorf("priority %s with %v: the property was kept: %v", c.priority, c.more, kept)
			}
		}
		at := r.sent(half("T", "half", mq.PropPriority, "0"))
		r.must(r.end(at, mq.OutcomeCommit))
		if got := r.bodies("T", 2); got[len(got)-1] != "half" {
			t.Errorf("a half message with a priority left its queue, which holds %q", got)
		}
	})
}

func TestMessagesMustBeOfTheirTopicsType(t *testing.T) {
	kinds := map[string][]string{
		"NORMAL": nil, "FIFO": {mq.PropShardingKey, "k"}, "PRIORITY": {mq.PropPriority, "1"}, "DELAY": {mq.PropDelay, "1", mq.PropShardingKey, "k"},
		"TRANSACTION": {mq.PropTransaction, "true", mq.PropProducerGroup, "PG", mq.PropDelay, "1"},
	}
	bubble(t, Options{MixedMessageType: true, MessageTypeCheck: true}, func(t *testing.T, r *rig) {
		for _, topic := range []string{"", "NORMAL", "FIFO", "PRIORITY", "DELAY", "TRANSACTION", "MIXED", "UNSPECIFIED"} {
			name := "T" + topic
			in := mq.Topic{Name: name, ReadQueues: 4, WriteQueues: 4, Perm: 6, Attributes: map[string]string{"+message.type": topic}}
			if topic == "" {
				in.Attributes = nil
			}
			r.must(r.PutTopic(t.Context(), in))
			for kind, props := range kinds {
				s := message(name, kind, props...)
				good := topic == kind || topic == "" && kind == "NORMAL" || topic == "MIXED" || topic == "UNSPECIFIED"
				if err := r.send(s)[0].Err; (err == nil) != good {
					t.Errorf("a message of type %s to a topic of type %q: %v", kind, topic, err)
				} else if err != nil {
					r.wantErr(err, mq.ErrMessageIllegal)
				}
				if kind == "DELAY" || kind == "TRANSACTION" {
					continue
				}
				s = message(name, "first", props...)
				s.More = []mq.Message{message(name, "second").Message}
				if err := r.send(s)[0].Err; (err == nil) != (good && (kind == "NORMAL" || topic == "MIXED" || topic == "UNSPECIFIED")) {
					t.Errorf("a batch of type %s and NORMAL to a topic of type %q: %v", kind, topic, err)
				}
			}
		}
		r.sent(message("%RETRY%G", "failed", mq.PropDelay, "5"))
		r.must(r.SetSettings(t.Context(), map[string]string{"message-type-check": "false"}))
		r.sent(message("TNORMAL", "x", mq.PropDelay, "1"))
	})
}

func TestKindsComeInRocketMQsOrder(t *testing.T) {
	all := []string{mq.PropTransaction, "true", mq.PropDelay, "0", mq.PropShardingKey, "k", mq.PropPriority, "5", mq.PropLiteTopic, "l"}
	var got []string
	for i := 0; i <= len(all); i += 2 {
		var props []byte
		for j := i; j < len(all); j += 2 {
			props = mq.AppendProperty(props, all[j], all[j+1])
		}
		seen := examine(props)
		got = append(got, seen.kind())
	}
	if want := []string{"TRANSACTION", "DELAY", "FIFO", "PRIORITY", "LITE", "NORMAL"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// What a message is indexed by is the same whether it is found out beside all
// else that its properties say or alone.
func TestNamesAreThoseThatTheStoreWouldFind(t *testing.T) {
	for _, props := range []string{
		"", "UNIQ_KEY\x01u\x02WAIT\x01true\x02", "KEYS\x01a b\x02TAGS\x01t", "TAGS\x01t\x02TAGS\x01later\x02KEYS\x01\x02UNIQ_KEY\x01",
		"INNER_MULTI_DISPATCH\x01%LMQ%a,%LMQ%b\x02TAGS\x01x\x02", "\x01v\x02TAG\x01no\x02KEYSX\x01no\x02",
	} {
		if seen, want := examine([]byte(props)), mq.NamesOf([]byte(props)); !reflect.DeepEqual(seen.Names, want) {
			t.Errorf("of %q: %q, not %q", props, seen.Names, want)
		}
	}
}
