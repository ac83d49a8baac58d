package broker

import (
	"slices"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

// What is sent to a retry topic that a group pops from belongs to that group.
func TestRetryTopicsOfPopsBelongToTheirGroups(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		r.topic("b_T", 1)
		r.limit("G")
		r.limit("a")
		r.limit("a_b") // a_b_T may be a's of b_T, or a_b's of T, which pops
		r.limit("exact_T")
		r.pops(mq.PopRequest{Group: "a_b"})
		for topic, group := range map[string]string{
			mq.RetryTopicPop("G", "T"): "G", mq.RetryTopicPopV2("G", "T"): "G", mq.RetryTopicPopV2("G", "X_Y"): "G",
			mq.RetryTopic("exact_T"): "exact_T", mq.RetryTopicPop("a", "b_T"): "a_b", mq.RetryTopic("G"): "G", mq.RetryTopic("new_group"): "new_group",
		} {
			s := message(topic, "poison")
			s.ReconsumeTimes = 17
			r.sent(s)
			if n := len(r.bodies(mq.DLQTopic(group), 0)); n == 0 {
				t.Errorf("a message of %s is not among the dead letters of %s", topic, group)
			}
			r.must(r.DeleteTopic(t.Context(), mq.DLQTopic(group)))
		}
		r.wantErr(r.send(message(mq.RetryTopicPopV2("none", "T"), "x"))[0].Err, mq.ErrGroupNotFound)
		if _, err := r.Topic(t.Context(), mq.RetryTopicPopV2("none", "T")); err == nil {
			t.Error("a topic was made for a group that is not there")
		}
		all, _ := r.Groups(t.Context())
		for _, g := range all {
			if slices.Contains([]string{"G_T", "G+T", "none", "none+T", "a_b_T"}, g.Name) {
				t.Errorf("group %s was made", g.Name)
			}
		}
	})
}

// A group that pops gets what is sent to its retry topic, whoever locks queues
// of it.
func TestWhatIsSentToARetryTopicOfPopsIsPopped(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.fill(1)
		r.limit("G")
		if _, err := r.Lock(t.Context(), "G", "c", []mq.Queue{{Topic: "T"}}); err != nil {
			t.Fatal(err)
		}
		r.sent(message(mq.RetryTopicPop("G", "T"), "v1"))
		r.sent(message(mq.RetryTopicPopV2("G", "T"), "v2"))
		r.pop("v1", "v2")
	})
}
