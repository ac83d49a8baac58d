package broker

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

func TestOperatorsSeeLiteTopicsAndHowFarGroupsAreBehind(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("30")
		began := time.Now()
		r.lite("x", "1")
		pass(time.Second)
		for range 3 {
			r.lite("y", "2")
		}
		r.lite("x", "3")
		r.wants("a", nil, mq.LiteSet, "x", "y")
		p := <-r.startLite(context.Background(), mq.LitePopRequest{ClientID: "a"})
		f := r.LiteFigures(t.Context())
		if f.Lights != 2 || f.Subscriptions != 2 || f.Held != 2 || f.Ready != 0 || f.Lifetimes["P"] != 30 || !slices.Equal(f.Groups["P"], []string{"G"}) {
			t.Errorf("figures: %+v", f)
		}
		for _, a := range p.acks {
			if a.Lite == "x" && a.Receipt.Offset == 0 {
				r.acks(a)
			}
		}
		parent, err := r.LiteParent(t.Context(), "P")
		if err != nil || parent.Lites != 2 || parent.Lifetime != 30 || !slices.Equal(parent.Groups, []string{"G"}) {
			t.Errorf("parent: %+v, %v", parent, err)
		}
		x, err := r.LiteTopic(t.Context(), "P", "x")
		if want := []mq.LiteSubscriber{{Group: "G", Client: "a"}}; err != nil || x.Min != 0 || x.Max != 2 || !x.Last.Equal(began.Add(time.Second)) || !slices.Equal(x.Subscribers, want) {
			t.Errorf("lite topic: %+v, %v", x, err)
		}
		client, err := r.LiteClient(t.Context(), "P", "G", "a", 1)
		if err != nil || !client.Known || client.Count != 2 || len(client.Queues) != 1 || !client.Seen.Equal(time.Now()) {
			t.Errorf("client: %+v, %v", client, err)
		}
		if c, err := r.LiteClient(t.Context(), "P", "G", "nobody", 1); err != nil || c.Known {
			t.Errorf("a client that is not there: %+v, %v", c, err)
		}
		lag, err := r.LiteLag(t.Context(), "G", "", 1)
		if err != nil || lag.Parent != "P" || lag.Behind != 4 || !lag.Earliest.Equal(began.Add(time.Second)) {
			t.Errorf("all: %+v, %v", lag, err)
		}
		if len(lag.ByCount) != 1 || lag.ByCount[0].Lite != "y" || lag.ByCount[0].Behind != 3 || len(lag.ByTime) != 1 {
			t.Errorf("the first: %+v, %+v", lag.ByCount, lag.ByTime)
		}
		lag, err = r.LiteLag(t.Context(), "G", "x", 0)
		if err != nil || lag.Behind != 1 || lag.One == nil || lag.One.End != 2 || lag.One.At != 1 || !lag.One.Last.Equal(began) {
			t.Errorf("one: %+v, %+v, %v", lag, lag.One, err)
		}
		if lag, err = r.LiteLag(t.Context(), "G", "nothing", 0); err != nil || lag.One != nil {
			t.Errorf("one that is not there: %+v, %v", lag, err)
		}
		r.must(r.LookForLites(t.Context(), "G", "a"))
		r.liteGroup("H")
		r.must(r.LookForLites(t.Context(), "H", ""))
	})
}

func TestWhatIsAskedAboutLiteTopicsMustHaveSome(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("-1")
		r.must(r.PutTopic(t.Context(), mq.Topic{Name: "T", ReadQueues: 1, WriteQueues: 1, Perm: 6}))
		r.must(r.PutGroup(t.Context(), newGroup("N")))
		_, err := r.LiteParent(t.Context(), "T")
		r.wantErr(err, mq.ErrInvalid)
		_, err = r.LiteTopic(t.Context(), "absent", "x")
		r.wantErr(err, mq.ErrTopicNotFound)
		_, err = r.LiteTopic(t.Context(), "P", "a.b")
		r.wantErr(err, mq.ErrLiteTopic)
		_, err = r.LiteClient(t.Context(), "P", "N", "a", 1)
		r.wantErr(err, mq.ErrInvalid)
		_, err = r.LiteLag(t.Context(), "absent", "", 1)
		r.wantErr(err, mq.ErrGroupNotFound)
		r.wantErr(r.LookForLites(t.Context(), "N", ""), mq.ErrInvalid)
	})
}
