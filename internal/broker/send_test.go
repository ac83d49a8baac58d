package broker

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestSendCreatesTheTopicFromItsTemplate(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		at := r.sent(message("T", "hello"))
		if at.Offset != 0 || at.QueueID != 0 {
			t.Errorf("stored at %+v", at)
		}
		made, err := r.Topic(t.Context(), "T")
		r.must(err)
		if made.ReadQueues != 4 || made.WriteQueues != 4 || made.Perm != mq.PermRead|mq.PermWrite {
			t.Errorf("created %+v, want the producer's 4 queues and no inheritance", made)
		}
		many := message("T2", "x")
		many.DefaultQueues = 100
		r.sent(many)
		if made, _ = r.Topic(t.Context(), "T2"); made.WriteQueues != 8 {
			t.Errorf("created %d queues, want the template's 8", made.WriteQueues)
		}
		wantStrings(t, "T", r.bodies("T", 0), "hello")
	})
}

func TestSendToAnUnknownTopicSaysWhatToDo(t *testing.T) {
	off := false
	bubble(t, Options{AutoCreateTopic: &off}, func(t *testing.T, r *rig) {
		err := r.send(message("T", "x"))[0].Err
		r.wantErr(err, mq.ErrTopicNotFound)
		for _, part := range []string{"[T]", "goddard admin topic create T", "autoCreateTopicEnable"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("error %q lacks %q", err, part)
			}
		}
		if _, err := r.Topic(t.Context(), mq.TopicDefault); err == nil {
			t.Error("there is a template although topics are not created")
		}
		r.wantErr(r.send(message("%RETRY%unknown", "x"))[0].Err, nil)
	})
}

func TestSendRefuses(t *testing.T) {
	bubble(t, Options{MaxMessageSize: 100, MaxTopicLength: 20}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		r.must(r.PutTopic(t.Context(), mq.Topic{Name: "ReadOnly", ReadQueues: 1, WriteQueues: 1, Perm: mq.PermRead}))
		r.must(r.PutTopic(t.Context(), mq.Topic{Name: "NoQueues", ReadQueues: 1, WriteQueues: 0, Perm: mq.PermWrite}))
		with := func(s mq.Send, change func(*mq.Send)) mq.Send { change(&s); return s }
		for _, test := range []struct {
			name string
			send mq.Send
			want error
		}{
			{"a body that is too large", message("T", strings.Repeat("x", 101)), mq.ErrMessageTooLarge},
			{"a batch that is too large", with(message("T", strings.Repeat("x", 60)), func(s *mq.Send) {
				s.More = []mq.Message{{Body: make([]byte, 60)}}
			}), mq.ErrMessageTooLarge},
			{"properties that are too large", message("T", "x", "k", strings.Repeat("v", 32768)), mq.ErrMessageIllegal},
			{"properties without room for ours", message("T", "x", "k", strings.Repeat("v", 32760)), mq.ErrMessageIllegal},
			{"a topic that cannot be written", message("ReadOnly", "x"), mq.ErrDenied},
			{"a queue that is not there", with(message("T", "x"), func(s *mq.Send) { s.QueueID = 4 }), mq.ErrQueueOutOfRange},
			{"any queue of none", with(message("NoQueues", "x"), func(s *mq.Send) { s.QueueID = -1 }), mq.ErrDenied},
			{"the schedule topic", message(mq.TopicSchedule, "x"), mq.ErrDenied},
			{"the half topic", message(mq.TopicTransHalf, "x"), mq.ErrDenied},
			{"a bad name", message("a b", "x"), mq.ErrInvalid},
			{"a long name", message(strings.Repeat("t", 21), "x"), mq.ErrInvalid},
			{"the timer topic", message(mq.TopicTimer, "x"), mq.ErrDenied},
			{"a delay that is no number", message("T", "x", mq.PropTimerDelaySec, "5s"), mq.ErrMessageIllegal},
			{"a delay beyond the limit", message("T", "x", mq.PropTimerDelaySec, "9223372036854775807"), mq.ErrMessageIllegal},
			{"a delay beyond all numbers", message("T", "x", mq.PropTimerDelayMs, "99999999999999999999"), mq.ErrMessageIllegal},
			{"a recall of what is due", message("T", "x", mq.PropTimerDeliverMs, "5", mq.PropTimerDeleteUniq, "K"), mq.ErrMessageIllegal},
			{"a prepared message", with(message("T", "x"), func(s *mq.Send) { s.SysFlag = mq.FlagPrepared }), mq.ErrMessageIllegal},
			{"a packed batch", message("T", "x", mq.PropInnerNum, "5"), mq.ErrMessageIllegal},
			{"a delayed message in a batch", with(message("T", "x"), func(s *mq.Send) {
				s.More = []mq.Message{{Properties: props(mq.PropDelay, "1")}}
			}), mq.ErrMessageIllegal},
			{"a batch for a retry topic", with(message("%RETRY%G", "x"), func(s *mq.Send) {
				s.More = []mq.Message{{}}
			}), mq.ErrMessageIllegal},
		} {
			if err := r.send(test.send)[0].Err; !errors.Is(err, test.want) {
				t.Errorf("%s: got %v, want %v", test.name, err, test.want)
			}
		}
		if got := r.bodies("T", 0); len(got) != 0 {
			t.Errorf("stored %q all the same", got)
		}
	})
}

func TestSendChecksEachOfABatchOfSends(t *testing.T) {
	bubble(t, Options{MaxMessageSize: 10}, func(t *testing.T, r *rig) {
		failed := message("T", "never")
		failed.Err = mq.ErrInvalid
		got := r.send(message("T", "one"), message("T", strings.Repeat("x", 11)), failed, message("U", "two"))
		if got[0].Err != nil || got[3].Err != nil || got[0].Result.Offset != 0 {
			t.Errorf("the good ones: %v, %v", got[0].Err, got[3].Err)
		}
		r.wantErr(got[1].Err, mq.ErrMessageTooLarge)
		r.wantErr(got[2].Err, mq.ErrInvalid)
		wantStrings(t, "T", r.bodies("T", 0), "one")
		wantStrings(t, "U", r.bodies("U", 0), "two")
	})
}

// As RocketMQ does, a single message gets region, trace switch, cluster and, if
// it has none, a unique key; a batch is stored as it came.
func TestSendAddsTheBrokersProperties(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		ours := "MSG_REGION\x01DefaultRegion\x02TRACE_ON\x01true\x02CLUSTER\x01DefaultCluster\x02"
		r.sent(message("T", "a", "UNIQ_KEY", "K", "WAIT", "true", "TAGS", "t"))
		s := message("T", "b")
		s.Properties = []byte("UNIQ_KEY\x01K\x02x\x01y") // no separator at the end
		r.sent(s)
		r.sent(message("T", "c", "CLUSTER", "Other", "UNIQ_KEY", "K", "TRACE_ON", "false", "__RMQ.TRANSIENT.x", "y", "k", "v"))
		r.sent(message("T", "d"))
		batch := message("T", "e", "k", "v")
		batch.More = []mq.Message{{Body: []byte("f"), Properties: props("k", "w")}}
		r.sent(batch)
		got := r.records("T", 0)
		want := []string{
			"UNIQ_KEY\x01K\x02WAIT\x01true\x02TAGS\x01t\x02" + ours,
			"UNIQ_KEY\x01K\x02x\x01y\x02" + ours,
			"UNIQ_KEY\x01K\x02k\x01v\x02" + ours,
			"", "k\x01v\x02", "k\x01w\x02",
		}
		if len(got) != len(want) {
			t.Fatalf("stored %d messages, want %d", len(got), len(want))
		}
		for i, rec := range got {
			if i != 3 && string(rec.Properties) != want[i] {
				t.Errorf("message %s has properties %q, want %q", rec.Body, rec.Properties, want[i])
			}
		}
		key, _ := mq.Property(got[3].Properties, mq.PropUniqueKey)
		if len(key) != 32 || strings.ToUpper(string(key)) != string(key) {
			t.Errorf("the unique key is %q, want 32 digits", key)
		}
	})
}

func TestSendChoosesQueuesInTurn(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 3)
		seen := map[int32]int{}
		for range 6 {
			s := message("T", "x")
			s.QueueID = -1
			seen[r.sent(s).QueueID]++
		}
		if len(seen) != 3 || seen[0] != 2 || seen[1] != 2 || seen[2] != 2 {
			t.Errorf("messages per queue: %v", seen)
		}
	})
}

func TestSendMarksMessagesOfMultiTagTopics(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.must(r.PutTopic(t.Context(), mq.Topic{Name: "T", ReadQueues: 1, WriteQueues: 1, Perm: 6, FilterType: multiTag}))
		r.sent(message("T", "x"))
		if rec := r.records("T", 0)[0]; rec.SysFlag&mq.FlagMultiTags == 0 {
			t.Errorf("flag is %#x", rec.SysFlag)
		}
	})
}

func TestDelayedMessagesRestInTheScheduleTopic(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		s := message("T", "later", mq.PropDelay, "1", "UNIQ_KEY", "K", mq.PropTimerDelayMs, "1", mq.PropRealTopic, "Elsewhere")
		s.QueueID = 2
		r.sent(s)
		pass(900 * time.Millisecond)
		wantStrings(t, "T before its time", r.bodies("T", 2))
		pass(200 * time.Millisecond)
		got := r.records("T", 2)
		if len(got) != 1 || string(got[0].Body) != "later" {
			t.Fatalf("delivered %v", got)
		}
		want := "DELAY\x011\x02UNIQ_KEY\x01K\x02MSG_REGION\x01DefaultRegion\x02TRACE_ON\x01true\x02CLUSTER\x01DefaultCluster\x02" +
			"REAL_TOPIC\x01T\x02REAL_QID\x012\x02"
		if string(got[0].Properties) != want {
			t.Errorf("properties are %q, want %q", got[0].Properties, want)
		}
		r.sent(message("T", "far", mq.PropDelay, "99", "UNIQ_KEY", "K"))
		wantStrings(t, "last level", r.bodies(mq.TopicSchedule, 17), "far")
		r.sent(message("T", "now", mq.PropDelay, "0", "UNIQ_KEY", "K"))
		wantStrings(t, "level 0", r.bodies("T", 0), "now")
	})
}

func TestSendToARetryTopicGoesToTheDeadLettersAfterTheLastTry(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		g := newGroup("G")
		g.RetryMax = 3
		r.must(r.PutGroup(t.Context(), g))
		try := func(body string, times int32, limit *int32) {
			s := message("%RETRY%G", body, mq.PropDelay, "5")
			s.ReconsumeTimes, s.MaxReconsumes = times, limit
			r.sent(s)
		}
		try("tried twice", 2, nil)
		try("tried thrice", 3, nil)
		one := int32(1)
		try("client says once", 1, &one)
		wantStrings(t, "dead letters", r.bodies("%DLQ%G", 0), "tried thrice", "client says once")
		wantStrings(t, "resting", r.bodies(mq.TopicSchedule, 4), "tried twice")
		if delay, _ := mq.Property(r.records("%DLQ%G", 0)[0].Properties, mq.PropDelay); string(delay) != "-1" {
			t.Errorf("the dead letter's delay is %q, want RocketMQ's -1", delay)
		}

		_, err := r.Lock(t.Context(), "G", "c", []mq.Queue{{Topic: mq.TopicBenchmark}})
		r.must(err)
		try("ordered", 0, nil)
		wantStrings(t, "dead letters", r.bodies("%DLQ%G", 0), "tried thrice", "client says once", "ordered")
	})
}

func TestSendIsRefusedWhereTheBrokerMayNotBeWritten(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.must(r.SetSettings(t.Context(), map[string]string{"brokerPermission": "4"}))
		r.wantErr(r.send(message("T", "x"))[0].Err, mq.ErrDenied)
		r.wantErr(r.SendBack(t.Context(), mq.SendBackRequest{Group: "G"}), mq.ErrDenied)
		r.must(r.SetSettings(t.Context(), map[string]string{"brokerPermission": "6"}))
		r.sent(message("T", "x"))
	})
}

func TestNothingIsAcceptedAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, Options{}, vfs.NewMem())
		r.stop()
		r.wantErr(r.send(message("T", "x"))[0].Err, mq.ErrClosed)
		r.wantErr(r.SendBack(context.Background(), mq.SendBackRequest{}), mq.ErrClosed)
		r.wantErr((<-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T"}})).err, mq.ErrClosed)
	})
}
