package broker

import (
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// The properties are RocketMQ 5.5.0's, byte for byte but for their order.
func TestSendBackDeliversAgainAfterItsRest(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		s := message("T", "body", "UNIQ_KEY", "K", "TAGS", "t", "WAIT", "true")
		s.QueueID, s.Flag, s.BornTime = 2, 5, 77
		at := r.sent(s)
		first := r.records("T", 2)[0]
		back := mq.SendBackRequest{Group: "G", Pos: at.Pos, MaxReconsumes: -1, OriginTopic: "T"}
		r.must(r.SendBack(t.Context(), back))
		pass(9 * time.Second)
		wantStrings(t, "retries before the third level's 10 seconds", r.bodies("%RETRY%G", 0))
		pass(2 * time.Second)
		got := r.records("%RETRY%G", 0)
		if len(got) != 1 {
			t.Fatalf("%d retries", len(got))
		}
		again := got[0]
		want := "UNIQ_KEY\x01K\x02TAGS\x01t\x02MSG_REGION\x01DefaultRegion\x02TRACE_ON\x01true\x02CLUSTER\x01DefaultCluster\x02" +
			"RETRY_TOPIC\x01T\x02ORIGIN_MESSAGE_ID\x01" + first.OffsetID() + "\x02WAIT\x01false\x02DELAY\x013\x02" +
			"REAL_TOPIC\x01%RETRY%G\x02REAL_QID\x010\x02"
		if string(again.Properties) != want {
			t.Errorf("properties are %q, want %q", again.Properties, want)
		}
		if string(again.Body) != "body" || again.ReconsumeTimes != 1 || again.Flag != 5 || again.BornTime != 77 {
			t.Errorf("the retry is %+v", again)
		}

		// The second time it rests longer and keeps its first topic and id.
		back.Pos = again.Pos
		r.must(r.SendBack(t.Context(), back))
		pass(31 * time.Second)
		got = r.records("%RETRY%G", 0)
		if len(got) != 2 || got[1].ReconsumeTimes != 2 {
			t.Fatalf("%d retries", len(got))
		}
		for key, want := range map[string]string{
			mq.PropRetryTopic: "T", mq.PropOriginMessageID: first.OffsetID(), mq.PropDelay: "4",
		} {
			if v, _ := mq.Property(got[1].Properties, key); string(v) != want {
				t.Errorf("property %s is %q, want %q", key, v, want)
			}
		}
	})
}

func TestSendBackBuriesAfterTheLastTry(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		g := newGroup("G")
		g.RetryMax = 2
		r.must(r.PutGroup(t.Context(), g))
		back := func(body string, times, level, limit int32) {
			t.Helper()
			s := message("T", body)
			s.ReconsumeTimes = times
			r.must(r.SendBack(t.Context(), mq.SendBackRequest{
				Group: "G", Pos: r.sent(s).Pos, DelayLevel: level, MaxReconsumes: limit, OriginTopic: "T",
			}))
		}
		back("again", 1, 1, -1)
		back("too often", 2, 1, -1)
		back("too often for the client", 1, 1, 1)
		back("client gives up", 0, -1, -1)
		pass(2 * time.Second)
		wantStrings(t, "retries", r.bodies("%RETRY%G", 0), "again")
		wantStrings(t, "dead letters", r.bodies("%DLQ%G", 0), "too often", "too often for the client", "client gives up")
		dead, err := r.Topic(t.Context(), "%DLQ%G")
		r.must(err)
		if dead.ReadQueues != 1 || dead.Perm != mq.PermRead|mq.PermWrite {
			t.Errorf("the dead-letter topic is %+v", dead)
		}
		rec := r.records("%DLQ%G", 0)[0]
		if delay, _ := mq.Property(rec.Properties, mq.PropDelay); string(delay) != "0" || rec.ReconsumeTimes != 3 {
			t.Errorf("the dead letter has delay %q and %d tries", delay, rec.ReconsumeTimes)
		}
	})
}

func TestSendBackRefuses(t *testing.T) {
	off := false
	bubble(t, Options{AutoCreateGroup: &off}, func(t *testing.T, r *rig) {
		at := r.sent(message("T", "x"))
		none := newGroup("NoRetry")
		none.RetryQueues = 0
		r.must(r.PutGroup(t.Context(), newGroup("G")))
		r.must(r.PutGroup(t.Context(), none))
		r.wantErr(r.SendBack(t.Context(), mq.SendBackRequest{Group: "Unknown", Pos: at.Pos}), mq.ErrGroupNotFound)
		r.wantErr(r.SendBack(t.Context(), mq.SendBackRequest{Group: "G", Pos: at.Pos + 1}), mq.ErrNotFound)
		r.wantErr(r.SendBack(t.Context(), mq.SendBackRequest{Group: "G", Pos: 1 << 40}), mq.ErrNotFound)
		r.must(r.SendBack(t.Context(), mq.SendBackRequest{Group: "NoRetry", Pos: at.Pos}))
		if _, err := r.Topic(t.Context(), "%RETRY%NoRetry"); err == nil {
			t.Error("a group without retries got a retry topic")
		}
	})
}
