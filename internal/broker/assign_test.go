package broker

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestQueuesAreSharedOutAsRocketMQDoes(t *testing.T) {
	queues := func(n int32) (all []farQueue) {
		for id := range n {
			all = append(all, farQueue{"a", id})
		}
		return all
	}
	for _, c := range []struct {
		strategy, mode string
		share          int32
		queues         int32
		members        int
		want           string // of each member
	}{
		{"AVG", mq.ModePull, 0, 7, 3, "[[0 1 2] [3 4] [5 6]]"},
		{"", mq.ModePull, 0, 2, 3, "[[0] [1] []]"},
		{"AVG_BY_CIRCLE", mq.ModePull, 0, 7, 3, "[[0 3 6] [1 4] [2 5]]"},
		{"AVG", mq.ModePop, -1, 7, 3, "[[-1] [-1] [-1]]"},
		{"AVG", mq.ModePop, 2, 7, 3, "[[-1] [-1] [-1]]"},
		{"AVG", mq.ModePop, 1, 7, 3, "[[0 1 2 3 4] [3 4 5 6] [5 6 0 1 2]]"},
		{"AVG", mq.ModePop, 1, 2, 4, "[[0] [1] [0] [1]]"},
	} {
		var members []string
		for i := range c.members {
			members = append(members, fmt.Sprint(i))
		}
		var got [][]int32
		for _, id := range members {
			mine, err := shareOut(mq.AssignmentRequest{ClientID: id, Strategy: c.strategy}, mq.RequestMode{Mode: c.mode, ShareQueues: c.share}, queues(c.queues), members)
			if err != nil {
				t.Fatal(err)
			}
			ids := []int32{}
			for _, q := range mine {
				ids = append(ids, q.id)
			}
			got = append(got, ids)
		}
		if fmt.Sprint(got) != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
}

func TestAssignmentsCoverTheQueuesOfAllBrokers(t *testing.T) {
	var route map[string]int32
	var down error
	o := Options{TopicRoute: func(context.Context, string) (map[string]int32, error) { return route, down }}
	bubble(t, o, func(t *testing.T, r *rig) {
		r.topic("T", 1)
		q := mq.AssignmentRequest{Group: "G", Topic: "T", ClientID: "c", Strategy: "AVG"}
		assign := func(want ...string) {
			t.Helper()
			all, err := r.Assign(t.Context(), q)
			r.must(err)
			var got []string
			for _, a := range all {
				got = append(got, fmt.Sprintf("%s %d %s", a.Broker, a.Queue.ID, a.Mode))
			}
			if slices.Sort(got); !slices.Equal(got, want) {
				t.Errorf("assigned %q, want %q", got, want)
			}
		}
		_, err := r.Assign(t.Context(), q)
		r.wantErr(err, mq.ErrNotOnline)
		_, err = r.Join(t.Context(), consumer("c", &peer{}, "G", "T"))
		r.must(err)
		down = mq.ErrTopicNotFound
		assign("broker-a 0 PULL") // its own, until name servers know the topic
		pass(routeAge)
		route, down = map[string]int32{"broker-a": 1, "broker-b": 2}, nil
		assign("broker-a 0 PULL", "broker-b 0 PULL", "broker-b 1 PULL")
		pass(time.Minute)
		route, down = nil, errors.New("name server is down")
		assign("broker-a 0 PULL", "broker-b 0 PULL", "broker-b 1 PULL")
		r.must(r.PutRequestMode(t.Context(), mq.RequestMode{Topic: "T", Group: "G", Mode: mq.ModePop, ShareQueues: -1}))
		r.restart(o)
		_, err = r.Join(t.Context(), consumer("c", &peer{}, "G", "T"))
		r.must(err)
		route, down = map[string]int32{"broker-a": 1, "broker-b": 2}, nil
		assign("broker-a -1 POP", "broker-b -1 POP")
		q.Broadcasting = true
		assign("broker-a 0 POP", "broker-b 0 POP", "broker-b 1 POP")
		q.Broadcasting, q.Strategy = false, "OTHER"
		_, err = r.Assign(t.Context(), q)
		r.wantErr(err, mq.ErrInvalid)
		r.wantErr(r.PutRequestMode(t.Context(), mq.RequestMode{Topic: mq.RetryTopic("G"), Group: "G", Mode: mq.ModePop}), mq.ErrDenied)
		r.must(r.DeleteTopic(t.Context(), "T"))
		if all := r.RequestModes(t.Context()); len(all) != 0 {
			t.Errorf("modes of no topic: %v", all)
		}
	})
}
