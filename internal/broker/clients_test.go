package broker

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// join joins and fails the test if that fails.
func (r *rig) join(m mq.Member) (changed bool) {
	r.Helper()
	changed, err := r.Join(r.Context(), m)
	r.must(err)
	return changed
}

func (r *rig) members(group string) []string {
	r.Helper()
	ids, err := r.Members(r.Context(), group)
	if err != nil {
		r.wantErr(err, mq.ErrNotOnline)
	}
	return ids
}

func TestJoinCreatesTheGroupAndItsRetryTopic(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		if !r.join(consumer("c", &peer{}, "G", "T")) {
			t.Error("the first member changed nothing")
		}
		if g, err := r.Group(t.Context(), "G"); err != nil || g.RetryMax != 16 || !g.ConsumeEnable {
			t.Errorf("group %+v, %v", g, err)
		}
		if retry, err := r.Topic(t.Context(), "%RETRY%G"); err != nil || retry.ReadQueues != 1 || retry.Perm != 6 {
			t.Errorf("retry topic %+v, %v", retry, err)
		}
	})
}

func TestJoinOfAnUnknownGroupSaysWhatToDo(t *testing.T) {
	off := false
	bubble(t, Options{AutoCreateGroup: &off}, func(t *testing.T, r *rig) {
		r.must(r.PutGroup(t.Context(), newGroup("Known")))
		m := consumer("c", &peer{}, "Unknown")
		m.Consumers = append(m.Consumers, consumer("c", m.Peer.(*peer), "Known").Consumers...)
		_, err := r.Join(t.Context(), m)
		r.wantErr(err, mq.ErrGroupNotFound)
		wantStrings(t, "members of the group that is there", r.members("Known"), "c")
	})
}

func TestMembersHearOfEachOther(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		a, b := &peer{name: "a"}, &peer{name: "b"}
		r.join(consumer("A", a, "G", "T"))
		wantStrings(t, "a on its own arrival", a.told(), "changed G")
		if !r.join(consumer("B", b, "G", "T")) {
			t.Error("a second member changed nothing")
		}
		wantStrings(t, "a on b's arrival", a.told(), "changed G")
		wantStrings(t, "b on its own arrival", b.told(), "changed G")
		wantStrings(t, "members", r.members("G"), "A", "B")
		if r.join(consumer("B", b, "G", "T")) {
			t.Error("a heartbeat changed something")
		}
		wantStrings(t, "a on a heartbeat", a.told())

		r.Leave(t.Context(), "B", "", "G", b, false)
		wantStrings(t, "a on b's leave", a.told(), "changed G")
		wantStrings(t, "b after its leave", b.told())
		r.join(consumer("B", b, "G", "T"))
		a.told()
		r.Leave(t.Context(), "", "", "", b, true)
		wantStrings(t, "a on the end of b's connection", a.told(), "changed G")
		wantStrings(t, "members", r.members("G"), "A")
		r.Leave(t.Context(), "", "", "", a, true)
		wantStrings(t, "members of nobody", r.members("G"))
	})
}

func TestSilentMembersExpire(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		a, b := &peer{name: "a"}, &peer{name: "b"}
		both := func(id string, p *peer) mq.Member {
			m := consumer(id, p, "G", "T")
			m.Producers = []string{"PG"}
			return m
		}
		r.join(both("A", a))
		r.join(both("B", b))
		a.told()
		for range 6 {
			pass(25 * time.Second)
			r.join(both("A", a))
		}
		wantStrings(t, "members after 150 seconds of silence", r.members("G"), "A")
		wantStrings(t, "a", a.told(), "changed G")
		if all, err := r.Producers(t.Context(), "PG"); err != nil || len(all) != 1 || all[0].ClientID != "A" || all[0].Addr != "a" {
			t.Errorf("producers are %+v, %v", all, err)
		}
		pass(140 * time.Second)
		_, err := r.Producers(t.Context(), "PG")
		r.wantErr(err, mq.ErrNotOnline)
		_, _, err = r.Consumers(t.Context(), "G")
		r.wantErr(err, mq.ErrNotOnline)
	})
}

// Members of a group that subscribe differently are each served by what they
// said themselves; operators see the newest of each topic.
func TestMembersKeepTheirOwnSubscriptions(t *testing.T) {
	var log strings.Builder
	o := Options{Log: slog.New(slog.NewTextHandler(&log, nil))}
	bubble(t, o, func(t *testing.T, r *rig) {
		a, b := &peer{name: "a"}, &peer{name: "b"}
		expression := func(topic string, p mq.Peer) string {
			s, ok := r.Subscription(t.Context(), "G", topic, p)
			if !ok {
				return "none"
			}
			return s.Expression
		}
		r.join(consumer("A", a, "G", "T", "U"))
		a.told()
		r.join(consumer("B", b, "G", "T"))
		wantStrings(t, "a on a member with one topic less", a.told(), "changed G")
		if got := expression("U", a) + " " + expression("U", b) + " " + expression("U", nil); got != "* none *" {
			t.Errorf("U is wanted by a, b and the group as %s", got)
		}
		if strings.Contains(log.String(), "subscribe differently") || r.RuntimeInfo(t.Context())["groupsSubscribedUnlike"] != "0" {
			t.Error("members with other topics count as different")
		}

		newer := consumer("B", b, "G", "T")
		newer.Consumers[0].Subscriptions[0].Expression = "tag"
		newer.Consumers[0].Subscriptions[0].Version = 2
		for range 2 {
			r.join(newer)
			r.join(consumer("A", a, "G", "T", "U"))
		}
		wantStrings(t, "a on another's expression", a.told())
		if got := expression("T", a) + " " + expression("T", b) + " " + expression("T", nil); got != "* tag tag" {
			t.Errorf("T is wanted by a, b and the group as %s", got)
		}
		if n := strings.Count(log.String(), "subscribe differently"); n != 1 || r.RuntimeInfo(t.Context())["groupsSubscribedUnlike"] != "1" {
			t.Errorf("the difference was logged %d times", n)
		}
		older := consumer("B", b, "G", "T")
		r.join(older)
		if got := expression("T", b); got != "tag" {
			t.Errorf("an older heartbeat changed the expression to %q", got)
		}

		silent := consumer("A", a, "G")
		silent.Consumers[0].Subscriptions = nil
		r.join(silent)
		conns, all, err := r.Consumers(t.Context(), "G")
		r.must(err)
		if len(conns) != 2 || len(all.Subscriptions) != 2 || all.Subscriptions[0].Topic != "T" || all.Model != "CLUSTERING" {
			t.Errorf("consumers are %+v, %+v", conns, all)
		}
		wantStrings(t, "groups of U", r.GroupsOfTopic(t.Context(), "U"), "G")

		r.Leave(t.Context(), "A", "", "G", a, false)
		wantStrings(t, "groups of U", r.GroupsOfTopic(t.Context(), "U"))
		if got := expression("T", nil); got != "tag" || r.RuntimeInfo(t.Context())["groupsSubscribedUnlike"] != "0" {
			t.Errorf("after a left T is wanted as %s", got)
		}
		fewer := consumer("B", b, "G", "V")
		b.told()
		if !r.join(fewer) {
			t.Error("another topic changed nothing")
		}
		wantStrings(t, "b on its other topic", b.told(), "changed G")
	})
}

func TestGroupsThatWantNoNoticesGetNone(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		g := newGroup("G")
		g.NotifyConsumerIDsChange = false
		r.must(r.PutGroup(t.Context(), g))
		a, b := &peer{}, &peer{}
		r.join(consumer("A", a, "G", "T"))
		r.join(consumer("B", b, "G", "T"))
		r.Leave(t.Context(), "B", "", "G", b, false)
		wantStrings(t, "a", a.told())
		m := consumer("A", a, "Broadcast", "T")
		m.Consumers[0].Model = "BROADCASTING"
		r.join(m)
		wantStrings(t, "a broadcasting", a.told())
	})
}

func TestTheOldConnectionOfAClientLeavesTheNewOneAlone(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		old, now := &peer{name: "old"}, &peer{name: "now"}
		r.join(consumer("A", old, "G", "T"))
		r.join(consumer("A", now, "G", "T"))
		wantStrings(t, "members", r.members("G"), "A")
		r.Leave(t.Context(), "", "", "", old, true)
		wantStrings(t, "members", r.members("G"), "A")
		if conns, _, _ := r.Consumers(t.Context(), "G"); len(conns) != 1 || conns[0].Addr != "now" {
			t.Errorf("connections are %+v", conns)
		}
	})
}

func TestQueuesAreLockedByOneClientAtATime(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		q0, q1 := mq.Queue{Topic: "T"}, mq.Queue{Topic: "T", ID: 1}
		lock := func(client string, want ...mq.Queue) {
			t.Helper()
			got, err := r.Lock(t.Context(), "G", client, []mq.Queue{q0, q1})
			r.must(err)
			if len(got) != len(want) || len(want) > 0 && got[0] != want[0] {
				t.Errorf("%s holds %v, want %v", client, got, want)
			}
		}
		lock("a", q0, q1)
		lock("b")
		r.must(r.Unlock(t.Context(), "G", "b", []mq.Queue{q0, q1}))
		lock("b")
		r.must(r.Unlock(t.Context(), "G", "a", []mq.Queue{q1}))
		lock("b", q1)
		pass(59 * time.Second)
		lock("a", q0)
		pass(2 * time.Second)
		lock("a", q0, q1)
		other, err := r.Lock(t.Context(), "H", "b", []mq.Queue{q0})
		r.must(err)
		if len(other) != 1 {
			t.Error("another group cannot have the queue")
		}
		pass(80 * time.Second)
		if r.locks.mu.groups["G"] != nil || r.locks.held("G") {
			t.Error("locks outlive their minute")
		}
		_, err = r.Lock(t.Context(), "G", "a", []mq.Queue{{Topic: "T", ID: 2}})
		r.wantErr(err, mq.ErrQueueOutOfRange)
		_, err = r.Lock(t.Context(), "G", "a", []mq.Queue{{Topic: "U"}})
		r.wantErr(err, mq.ErrTopicNotFound)
	})
}
