package broker

import (
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

const lightNames = "%LMQ%a,%LMQ%b/c"

func TestMessagesAreReadFromLightQueuesByGroupsNobodyConfigured(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		light := mq.Queue{Topic: "%LMQ%b/c"}
		pulled := r.pull(mq.PullRequest{Group: "%LMQ%g", Queue: light, Wait: time.Minute})
		pass(time.Second)
		s := message("T", "one", mq.PropMultiDispatch, lightNames)
		s.QueueID = 3
		if got := r.sent(s); got.QueueID != 3 || got.Offset != 0 {
			t.Errorf("sent to %+v", got)
		}
		if p := <-pulled; p.err != nil || len(p.records) != 1 || string(p.records[0].Body) != "one" || p.after != time.Second {
			t.Errorf("pulled %+v", p)
		}
		r.sent(message("%LMQ%a", "direct"))
		wantStrings(t, "light queue", r.bodies("%LMQ%a", 0), "one", "direct")
		if lo, hi, err := r.Bounds(t.Context(), light); lo != 0 || hi != 1 || err != nil {
			t.Errorf("bounds are %d to %d, %v", lo, hi, err)
		}
		r.must(r.SetOffset(t.Context(), "%LMQ%g", light, 1))
		held, err := r.Lock(t.Context(), "%LMQ%g", "c", []mq.Queue{light})
		if err != nil || len(held) != 1 {
			t.Errorf("locked %v, %v", held, err)
		}
		if stats, err := r.TopicStats(t.Context(), "%LMQ%a"); err != nil || len(stats) != 1 || stats[0].Max != 2 {
			t.Errorf("stats are %+v, %v", stats, err)
		}
		changed, err := r.Join(t.Context(), consumer("c", &peer{}, "%LMQ%g", "%LMQ%a"))
		if !changed || err != nil {
			t.Errorf("joined: %v, %v", changed, err)
		}
		if all, _ := r.Topics(t.Context()); len(all) == 0 || r.topics.table.get("%RETRY%%LMQ%g") != nil || r.topics.table.get("%LMQ%a") != nil || r.groups.table.get("%LMQ%g") != nil {
			t.Error("light names are in the tables")
		}
		r.restart(Options{})
		if at, err := r.Offset(t.Context(), "%LMQ%g", light); at != 1 || err != nil {
			t.Errorf("the offset is %d, %v", at, err)
		}
		r.must(r.DeleteTopic(t.Context(), light.Topic))
		_, err = r.Offset(t.Context(), "%LMQ%g", light)
		r.wantErr(err, mq.ErrNotFound)
		wantStrings(t, "deleted light queue", r.bodies(light.Topic, 0))
		wantStrings(t, "the other one", r.bodies("%LMQ%a", 0), "one", "direct")
	})
}

func TestDelayedAndHalfMessagesReachLightQueuesWhenTheyAreDelivered(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		r.sent(message("T", "level", mq.PropDelay, "2", mq.PropMultiDispatch, lightNames))
		r.sent(message("T", "time", mq.PropTimerDelaySec, "3", mq.PropMultiDispatch, lightNames))
		at := r.sent(half("T", "half", mq.PropMultiDispatch, lightNames))
		gone := r.sent(half("T", "rolled back", mq.PropMultiDispatch, lightNames))
		wantStrings(t, "at once", r.bodies("%LMQ%a", 0))
		r.must(r.end(at, mq.OutcomeCommit))
		r.must(r.end(gone, mq.OutcomeRollback))
		wantStrings(t, "committed", r.bodies("%LMQ%a", 0), "half")
		pass(5 * time.Second)
		wantStrings(t, "later", r.bodies("%LMQ%a", 0), "half", "time", "level")
		// What a consumer failed on comes back in its retry topic alone.
		rec := r.records("%LMQ%a", 0)[1]
		r.must(r.SendBack(t.Context(), mq.SendBackRequest{Group: "G", Pos: rec.Pos, DelayLevel: 1, MaxReconsumes: -1, OriginTopic: "T"}))
		pass(2 * time.Second)
		wantStrings(t, "retries", r.bodies("%RETRY%G", 0), "time")
		wantStrings(t, "after a retry", r.bodies("%LMQ%a", 0), "half", "time", "level")
	})
}

// A message that was accepted is delivered, and holds up none behind it, however
// many light queues there are by then.
func TestTheLimitOfLightQueuesIsForSendersAlone(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		r.must(r.SetSettings(t.Context(), map[string]string{"maxLmqConsumeQueueNum": "1"}))
		r.sent(message("T", "level", mq.PropDelay, "1", mq.PropMultiDispatch, "%LMQ%a"))
		r.sent(message("T", "time", mq.PropTimerDelaySec, "3", mq.PropMultiDispatch, "%LMQ%b"))
		at := r.sent(half("T", "half", mq.PropMultiDispatch, "%LMQ%c"))
		r.sent(message("T", "behind", mq.PropDelay, "1"))
		r.sent(message("T", "full", mq.PropMultiDispatch, "%LMQ%d"))
		if err := r.end(at, mq.OutcomeCommit); err != nil {
			t.Error(err)
		}
		pass(5 * time.Second)
		wantStrings(t, "the topic", r.bodies("T", 0), "full", "level", "behind", "time")
		wantStrings(t, "by level", r.bodies("%LMQ%a", 0), "level")
		wantStrings(t, "by time", r.bodies("%LMQ%b", 0), "time")
		wantStrings(t, "committed", r.bodies("%LMQ%c", 0), "half")
		r.wantErr(r.send(message("T", "more", mq.PropMultiDispatch, "%LMQ%e"))[0].Err, mq.ErrLightQuota)
	})
}

// Its offsets in light queues are added when a delayed message is delivered; if
// they do not fit it is refused before that.
func TestADelayedMessageWithoutRoomForItsOffsetsIsRefused(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		for size := 32_500; size < 32_760; size += 7 {
			s := message("T", "x", mq.PropDelay, "1", mq.PropMultiDispatch, lightNames, "k", strings.Repeat("v", size))
			if got := r.send(s)[0]; got.Err != nil {
				r.wantErr(got.Err, mq.ErrMessageIllegal)
				continue
			}
			before := len(r.bodies("T", 0))
			pass(2 * time.Second)
			if len(r.bodies("T", 0)) != before+1 {
				t.Errorf("a message with %d bytes was accepted and is gone", size)
			}
		}
	})
}

func TestLightQueuesThatCannotBeAreRefused(t *testing.T) {
	o := Options{}
	o.Store.MaxLightQueues = 2
	bubble(t, o, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		for _, names := range []string{"T", "%LMQ%", "%LMQ%a,%LMQ%a", "%LMQ%a,", "%LMQ%a b"} {
			r.wantErr(r.send(message("T", "x", mq.PropMultiDispatch, names))[0].Err, mq.ErrMessageIllegal)
			s := message("T", "batch")
			s.More = []mq.Message{message("T", "x", mq.PropMultiDispatch, names).Message}
			r.wantErr(r.send(s)[0].Err, mq.ErrMessageIllegal)
		}
		r.wantErr(r.send(message("%LMQ%a", "x", mq.PropMultiDispatch, "%LMQ%b"))[0].Err, mq.ErrMessageIllegal)
		r.wantErr(r.send(message("T", "x", mq.PropLiteTopic, "l"))[0].Err, mq.ErrMessageIllegal)
		r.sent(message("T", "x", mq.PropMultiDispatch, lightNames))
		r.wantErr(r.send(message("T", "x", mq.PropMultiDispatch, "%LMQ%z"))[0].Err, mq.ErrLightQuota)
		r.must(r.SetSettings(t.Context(), map[string]string{"maxLmqConsumeQueueNum": "3"}))
		r.sent(message("T", "x", mq.PropMultiDispatch, "%LMQ%z"))

		r.must(r.PutTopic(t.Context(), mq.Topic{Name: "%LMQ%z", ReadQueues: 8, WriteQueues: 8, Perm: 6}))
		if got, err := r.Topic(t.Context(), "%LMQ%z"); err != nil || got.ReadQueues != 1 {
			t.Errorf("topic is %+v, %v", got, err)
		}
		r.wantErr(r.PutTopic(t.Context(), mq.Topic{Name: "%LMQ%z", Attributes: map[string]string{"+message.type": "FIFO"}}), mq.ErrInvalid)
		r.must(r.PutGroup(t.Context(), newGroup("%LMQ%g")))
		if all, _ := r.Groups(t.Context()); len(all) != 8 {
			t.Errorf("%d groups", len(all))
		}
		r.wantErr((<-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "%LMQ%z", ID: 1}})).err, mq.ErrQueueOutOfRange)

		r.must(r.SetSettings(t.Context(), map[string]string{"enableLmq": "false"}))
		r.wantErr(r.send(message("T", "x", mq.PropMultiDispatch, "%LMQ%z"))[0].Err, mq.ErrMessageIllegal)
		r.wantErr(r.send(message("%LMQ%z", "x"))[0].Err, mq.ErrInvalid)
		r.wantErr((<-r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "%LMQ%z"}})).err, mq.ErrTopicNotFound)
		r.wantErr(r.PutTopic(t.Context(), mq.Topic{Name: "%LMQ%z", ReadQueues: 1, WriteQueues: 1, Perm: 6}), mq.ErrInvalid)
	})
}

func TestOffsetsInLightQueuesGoWithTheirMessages(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		for _, topic := range []string{"%LMQ%a", "%LMQ%b"} {
			r.must(r.SetOffset(t.Context(), "%LMQ%g", mq.Queue{Topic: topic}, 1))
		}
		r.lightsGone([]string{"%LMQ%a", "%LMQ%c"})
		r.restart(Options{})
		_, err := r.Offset(t.Context(), "%LMQ%g", mq.Queue{Topic: "%LMQ%a"})
		r.wantErr(err, mq.ErrNotFound)
		if at, err := r.Offset(t.Context(), "%LMQ%g", mq.Queue{Topic: "%LMQ%b"}); at != 1 || err != nil {
			t.Errorf("the offset is %d, %v", at, err)
		}
	})
}

// Anybody can make up light names: looking leaves nothing, and offsets are counted.
func TestLightNamesDoNotFillTheTableOfOffsets(t *testing.T) {
	bubble(t, Options{MaxLightOffsets: 2}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		one, two := mq.Queue{Topic: "%LMQ%1"}, mq.Queue{Topic: "T"}
		r.sent(message("T", "x", mq.PropMultiDispatch, "%LMQ%1"))
		for range 10 {
			for _, q := range []mq.Queue{one, two, {Topic: "%LMQ%none"}} {
				if p := <-r.pull(mq.PullRequest{Group: "%LMQ%g", Queue: q, MaxMessages: 1}); p.err != nil {
					t.Fatal(p.err)
				}
			}
		}
		if n := len(r.offsets.all(use.light)); n != 0 {
			t.Errorf("pulls left %d entries", n)
		}
		r.must(r.SetOffset(t.Context(), "%LMQ%g", one, 1))
		r.must(r.SetOffset(t.Context(), "%LMQ%g", two, 1))
		r.must(r.SetOffset(t.Context(), "%LMQ%g", two, 0))
		full := r.SetOffset(t.Context(), "%LMQ%h", one, 1)
		r.wantErr(full, mq.ErrLightQuota)
		if !strings.Contains(full.Error(), "max-light-offsets") {
			t.Error(full)
		}
		to := mq.QueueOffset(1)
		r.wantErr((<-r.pull(mq.PullRequest{Group: "%LMQ%h", Queue: one, Commit: &to})).err, mq.ErrLightQuota)
		_, err := r.Offset(t.Context(), "%LMQ%h", one)
		r.wantErr(err, mq.ErrNotFound)
		r.restart(Options{MaxLightOffsets: 2})
		r.wantErr(r.SetOffset(t.Context(), "%LMQ%h", one, 1), mq.ErrLightQuota)
		r.must(r.SetOffset(t.Context(), "G", two, 1))
		r.must(r.DeleteTopic(t.Context(), one.Topic))
		r.must(r.SetOffset(t.Context(), "%LMQ%h", two, 1))
	})
}
