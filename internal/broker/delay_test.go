package broker

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestMessagesWaitForATimeOfTheirOwn(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		now := time.Now().UnixMilli()
		at := func(ms int64) string { return strconv.FormatInt(now+ms, 10) }
		for _, test := range []struct {
			body       string
			properties []string
			due        int64 // milliseconds from now
		}{
			{"seconds", []string{mq.PropTimerDelaySec, "3", mq.PropTimerDelayMs, "1", mq.PropTimerDeliverMs, at(1)}, 3000},
			{"milliseconds", []string{mq.PropTimerDelayMs, "1234", mq.PropTimerDeliverMs, at(1)}, 1234},
			{"moment", []string{mq.PropTimerDeliverMs, at(2345)}, 2345},
		} {
			s := message("T", test.body, append(test.properties, "UNIQ_KEY", "K")...)
			s.QueueID = 1
			got := r.sent(s)
			want := mq.RecallHandle{Topic: "T", Broker: "broker-a", Due: now + test.due, Key: "K"}
			if h, err := mq.ParseRecallHandle(got.Handle); err != nil || h != want {
				t.Errorf("%s: handle %+v, %v; want %+v", test.body, h, err, want)
			}
		}
		wantStrings(t, "at once", r.bodies("T", 1))
		pass(1234 * time.Millisecond)
		wantStrings(t, "after 1234 ms", r.bodies("T", 1), "milliseconds")
		want := fmt.Sprintf("TIMER_DELAY_MS\x011234\x02TIMER_DELIVER_MS\x01%s\x02UNIQ_KEY\x01K\x02MSG_REGION\x01DefaultRegion\x02TRACE_ON\x01true\x02"+
			"CLUSTER\x01DefaultCluster\x02TIMER_OUT_MS\x01%[2]s\x02REAL_TOPIC\x01T\x02REAL_QID\x011\x02TIMER_ENQUEUE_MS\x01%[3]s\x02TIMER_DEQUEUE_MS\x01%[2]s\x02", at(1), at(1234), at(0))
		if got := string(r.records("T", 1)[0].Properties); got != want {
			t.Errorf("properties are %q, want %q", got, want)
		}
		pass(1111 * time.Millisecond)
		wantStrings(t, "after 2345 ms", r.bodies("T", 1), "milliseconds", "moment")
		pass(655 * time.Millisecond)
		wantStrings(t, "after 3 s", r.bodies("T", 1), "milliseconds", "moment", "seconds")
	})
}

func TestATimeThatIsOverDeliversAtOnce(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		for _, kv := range [][]string{
			{mq.PropTimerDelaySec, "0"}, {mq.PropTimerDelayMs, "-5"}, {mq.PropTimerDelaySec, "-99999999999999999999"},
			{mq.PropTimerDeliverMs, strconv.FormatInt(time.Now().UnixMilli(), 10)},
			// Delivered once already, and sent on.
			{mq.PropTimerDelaySec, "60", mq.PropTimerOutMs, "5"},
		} {
			if got := r.sent(message("T", kv[1], kv...)); got.Handle != "" {
				t.Errorf("%v: has a handle", kv)
			}
		}
		if got := r.bodies("T", 0); len(got) != 5 {
			t.Errorf("delivered %q", got)
		}
	})
}

func TestTheLimitOfDelays(t *testing.T) {
	bubble(t, Options{MaxDelay: time.Hour}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.sent(message("T", "x", mq.PropTimerDelaySec, "3600"))
		now := time.Now().UnixMilli()
		for _, kv := range [][]string{
			{mq.PropTimerDelaySec, "3601"}, {mq.PropTimerDelayMs, "3600001"},
			{mq.PropTimerDeliverMs, strconv.FormatInt(now+3600_001, 10)},
		} {
			err := r.send(message("T", "x", kv...))[0].Err
			r.wantErr(err, mq.ErrMessageIllegal)
			if err == nil || !strings.Contains(err.Error(), "timerMaxDelaySec") {
				t.Errorf("%v: %v does not say what to do", kv, err)
			}
		}
		if got := r.Settings(t.Context())["timerMaxDelaySec"]; got != "3600" {
			t.Errorf("timerMaxDelaySec is %q", got)
		}
	})
}

func TestRecall(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.topic("U", 1)
		send := func(body string) string {
			// What moves messages is the broker's own and does not come from outside.
			return r.sent(message("T", body, mq.PropTimerDelaySec, "5", "UNIQ_KEY", body, mq.PropTimerMovedFrom, "3")).Handle
		}
		a, b := send("a"), send("b")
		pass(time.Millisecond)
		if found, err := r.Delayed(t.Context(), mq.DelayedQuery{Topic: "T"}); err == nil && len(found) == 2 {
			if found[0].Handle != a || found[1].Key != "b" {
				t.Errorf("list is %+v", found)
			}
		} else {
			t.Errorf("list is %+v, %v", found, err)
		}
		if key, err := r.Recall(t.Context(), "T", a); err != nil || key != "a" {
			t.Errorf("recall returned %q, %v", key, err)
		}
		fail := func(topic, handle string, want error) {
			t.Helper()
			_, err := r.Recall(t.Context(), topic, handle)
			r.wantErr(err, want)
		}
		fail("T", a, mq.ErrNotFound)
		fail("U", b, mq.ErrInvalid)
		fail("V", b, mq.ErrTopicNotFound)
		fail("T", "nonsense", mq.ErrInvalid)
		foreign, _ := mq.ParseRecallHandle(b)
		foreign.Broker = "elsewhere"
		fail("T", foreign.String(), mq.ErrInvalid)
		r.must(r.SetSettings(t.Context(), map[string]string{"recallMessageEnable": "false"}))
		fail("T", b, mq.ErrDenied)
		r.must(r.SetSettings(t.Context(), map[string]string{"recallMessageEnable": "true"}))
		pass(5 * time.Second)
		fail("T", b, mq.ErrInvalid)
		wantStrings(t, "delivered", r.bodies("T", 0), "b")
	})
}

func TestDelayedMessagesSurviveARestart(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.sent(message("T", "a", mq.PropTimerDelaySec, "10"))
		r.sent(message("T", "b", mq.PropTimerDelaySec, "100"))
		pass(10 * time.Second)
		r.restart(Options{})
		wantStrings(t, "before", r.bodies("T", 0), "a")
		pass(90 * time.Second)
		wantStrings(t, "after", r.bodies("T", 0), "a", "b")
	})
}
