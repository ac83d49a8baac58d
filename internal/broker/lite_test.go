package broker

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// liteTopic makes the parent P and groups bound to it, with attributes.
func (r *rig) liteTopic(minutes string, attributes ...string) {
	r.Helper()
	r.must(r.PutTopic(r.Context(), mq.Topic{Name: "P", ReadQueues: 2, WriteQueues: 2, Perm: 6, Attributes: map[string]string{
		"+message.type": "LITE", "+lite.topic.expiration": minutes,
	}}))
	r.liteGroup("G", attributes...)
}

func (r *rig) liteGroup(name string, attributes ...string) {
	r.Helper()
	g := newGroup(name)
	g.Attributes = map[string]string{"+lite.bind.topic": "P"}
	for i := 0; i < len(attributes); i += 2 {
		g.Attributes["+"+attributes[i]] = attributes[i+1]
	}
	r.must(r.PutGroup(r.Context(), g))
}

// lite sends a message to a lite topic of P.
func (r *rig) lite(name, body string) {
	r.Helper()
	r.sent(message("P", body, mq.PropLiteTopic, name))
}

// wants lets a client of G want lite topics.
func (r *rig) wants(client string, p *peer, action mq.LiteAction, names ...string) {
	r.Helper()
	r.must(r.sync(client, p, action, names...))
}

func (r *rig) sync(client string, p *peer, action mq.LiteAction, names ...string) error {
	return r.SyncLite(r.Context(), mq.LiteSubscription{Action: action, ClientID: client, Group: "G", Topic: "P", Lites: names, Peer: p})
}

// popLite starts a pop of a client of G and returns where its answer will be.
func (r *rig) startLite(ctx context.Context, q mq.LitePopRequest) <-chan popped {
	if q.Group == "" {
		q.Group = "G"
	}
	if q.MaxMessages == 0 {
		q.MaxMessages = 32
	}
	if q.Invisible == 0 {
		q.Invisible = 10 * time.Second
	}
	q.Topic = "P"
	answer, began := make(chan popped, 2), time.Now()
	r.PopLite(ctx, q, func(b mq.PopBatch, err error) {
		p := popped{PopBatch: b, err: err, after: time.Since(began)}
		for _, m := range b.Messages {
			rec, _, err := mq.DecodeRecord(slices.Clone(m.Record))
			if err != nil {
				p.err = err
			}
			p.recs, p.bodies = append(p.recs, rec), append(p.bodies, string(rec.Body))
			p.acks = append(p.acks, mq.Ack{Group: q.Group, Topic: "P", Lite: m.Lite, Receipt: m.Receipt})
		}
		b.Release()
		answer <- p
	})
	return answer
}

// takes pops for a client without waiting.
func (r *rig) takes(client string, bodies ...string) popped {
	r.Helper()
	p := <-r.startLite(context.Background(), mq.LitePopRequest{ClientID: client})
	if p.err != nil {
		r.Fatal(p.err)
	}
	if !slices.Equal(p.bodies, bodies) {
		r.Errorf("client %s got %q, want %q", client, p.bodies, bodies)
	}
	return p
}

func TestALiteTopicIsMadeBySendingToItAndReadInOrderByWhoWantsIt(t *testing.T) {
	bubble(t, Options{MessageTypeCheck: true}, func(t *testing.T, r *rig) {
		r.liteTopic("-1")
		r.wants("a", nil, mq.LiteAdd, "x", "y")
		got := r.startLite(context.Background(), mq.LitePopRequest{ClientID: "a", Wait: time.Minute})
		pass(time.Second)
		r.lite("z", "nobody's")
		r.lite("x", "x1")
		first := <-got
		if wantStrings(t, "waited for", first.bodies, "x1"); first.after != time.Second || first.Messages[0].Lite != "x" {
			t.Errorf("after %v from %q", first.after, first.Messages[0].Lite)
		}
		r.lite("x", "x2")
		r.lite("y", "y1")
		y := r.takes("a", "y1") // x has one in hand
		r.acks(first.acks...)
		x := r.takes("a", "x2")
		r.acks(append(x.acks, y.acks...)...)
		r.takes("a")
		wantStrings(t, "parent", slices.Sorted(slices.Values(append(r.bodies("P", 0), r.bodies("P", 1)...))), "nobody's", "x1", "x2", "y1")
		r.restart(Options{})
		r.wants("a", nil, mq.LiteSet, "x", "y", "z")
		r.takes("a", "nobody's")
	})
}

func TestLiteMessagesOfABatchLieInTheirOwnLiteTopics(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("-1")
		s := message("P", "1", mq.PropLiteTopic, "x")
		s.More = []mq.Message{message("P", "2", mq.PropLiteTopic, "y").Message, message("P", "3", mq.PropLiteTopic, "x").Message}
		r.sent(s)
		wantStrings(t, "x", r.bodies(mq.LiteQueue("P", "x"), 0), "1", "3")
		wantStrings(t, "y", r.bodies(mq.LiteQueue("P", "y"), 0), "2")
	})
}

func TestLiteMessageThatIsNotAcknowledgedComesBackInItsPlace(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("-1")
		for i := range 3 {
			r.lite("x", fmt.Sprint(i))
		}
		r.wants("a", nil, mq.LiteAdd, "x")
		r.wants("b", nil, mq.LiteAdd, "x")
		p := r.takes("a", "0", "1", "2")
		r.acks(p.acks[0])
		waiting := r.startLite(context.Background(), mq.LitePopRequest{ClientID: "b", Wait: time.Minute})
		again := <-waiting
		if wantStrings(t, "again", again.bodies, "1", "2"); again.after != 10*time.Second || again.Messages[0].Tries != 1 {
			t.Errorf("after %v, tried %d times", again.after, again.Messages[0].Tries)
		}
		// A delivery that is suspended is no try.
		for _, a := range again.acks {
			if _, err := r.ChangeInvisible(t.Context(), a, time.Second, true); err != nil {
				t.Fatal(err)
			}
		}
		third := <-r.startLite(context.Background(), mq.LitePopRequest{ClientID: "a", Wait: time.Minute})
		if wantStrings(t, "third", third.bodies, "1", "2"); third.after != time.Second || third.Messages[0].Tries != 1 {
			t.Errorf("after %v, tried %d times", third.after, third.Messages[0].Tries)
		}
		r.must(r.Bury(t.Context(), third.acks[0]))
		dead := r.records("%DLQ%G", 0)
		if props := mq.PropertyMap(dead[0].Properties); len(dead) != 1 || props[mq.PropRetryTopic] != "P" || props[mq.PropLiteTopic] != "x" {
			t.Errorf("the dead letter says %v", props)
		}
		r.acks(third.acks[1])
		r.wantErr(r.Bury(t.Context(), third.acks[0]), mq.ErrNotFound)
		r.takes("a")
	})
}

func TestOneOfThoseWhoShareALiteTopicIsWokenAndWakesPassOn(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("-1")
		r.liteGroup("H")
		var all []<-chan popped
		gone, leave := context.WithCancel(context.Background())
		for i, ctx := range []context.Context{gone, context.Background(), context.Background()} {
			id := fmt.Sprint("c", i)
			r.wants(id, nil, mq.LiteAdd, "x")
			all = append(all, r.startLite(ctx, mq.LitePopRequest{ClientID: id, Wait: time.Minute}))
		}
		leave()
		for i := range 3 {
			pass(time.Second)
			r.lite("x", fmt.Sprint(i))
			pass(time.Millisecond)
			var got []popped
			for _, c := range all {
				select {
				case p := <-c:
					got = append(got, p)
				default:
				}
			}
			if i < 2 && (len(got) != 1 || len(got[0].bodies) != 1) || i == 2 && len(got) != 0 {
				t.Fatalf("message %d was answered %d times", i, len(got))
			}
			for _, p := range got {
				r.acks(p.acks...)
			}
		}
	})
}

func TestAnExclusiveLiteTopicIsOfWhoSubscribedLast(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("-1", "lite.sub.model", "Exclusive", "lite.sub.reset.offset.exclusive", "true")
		r.lite("x", "1")
		a, b := &peer{}, &peer{}
		r.wants("a", a, mq.LiteAdd, "x")
		r.acks(r.takes("a", "1").acks...)
		r.wants("b", b, mq.LiteAdd, "x")
		wantStrings(t, "told a", a.told(), "ended G x a")
		r.takes("a")
		// One that did not hear of it is told again, and does not get it back.
		r.wants("a", a, mq.LiteSet, "x", "y")
		wantStrings(t, "told a again", a.told(), "ended G x a")
		r.acks(r.takes("b", "1").acks...) // from the beginning, as the attribute says
		r.wants("b", b, mq.LiteRemove, "x")
		r.wants("a", a, mq.LiteSet, "x")
		r.lite("x", "2")
		r.takes("a", "2")
		if told := b.told(); len(told) != 0 {
			t.Errorf("b was told %q", told)
		}
	})
}

func TestAGroupBeginsInALiteTopicWhereItAskedTo(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("-1", "lite.sub.client.quota", "-1")
		for i := range 5 {
			r.lite("x", fmt.Sprint(i))
			pass(time.Second)
		}
		began := time.Now()
		for _, c := range []struct {
			from  mq.LiteFrom
			value int64
			want  string
		}{
			{mq.LiteLast, 0, "01234"}, {mq.LiteMax, 0, ""}, {mq.LiteLast, 0, ""}, {mq.LiteMin, 0, "01234"}, {mq.LiteOffset, 3, "34"}, {mq.LiteOffset, 99, ""},
			{mq.LiteTail, 2, "34"}, {mq.LiteTail, 99, "01234"}, {mq.LiteTime, began.Add(-2 * time.Second).UnixMilli(), "34"},
		} {
			r.wants("a", nil, mq.LiteRemove, "x")
			r.must(r.SyncLite(t.Context(), mq.LiteSubscription{
				Action: mq.LiteAdd, ClientID: "a", Group: "G", Topic: "P", Lites: []string{"x"}, Begin: mq.LiteBegin{From: c.from, Value: c.value},
			}))
			p := <-r.startLite(context.Background(), mq.LitePopRequest{ClientID: "a"})
			if got := strings.Join(p.bodies, ""); got != c.want {
				t.Errorf("from %d with %d it got %q, want %q", c.from, c.value, got, c.want)
			}
			r.acks(p.acks...)
		}
	})
}

func TestLiteSubscriptionsAreCountedAndForgotten(t *testing.T) {
	bubble(t, Options{MaxLiteSubscriptions: 7}, func(t *testing.T, r *rig) {
		r.liteTopic("-1", "lite.sub.client.quota", "3")
		r.wantErr(r.sync("a", nil, mq.LiteAdd, "1", "2", "3", "4"), mq.ErrLiteQuota)
		r.wants("a", nil, mq.LiteAdd, "1", "2", "3", "3")
		r.wantErr(r.sync("a", nil, mq.LiteSet, "1", "2", "3", "4"), mq.ErrLiteQuota)
		r.wantErr(r.sync("b", nil, mq.LiteAdd, "1", "2", "3"), mq.ErrLiteQuota)
		r.wants("b", nil, mq.LiteAdd, "1", "2")
		r.wantErr(r.sync("c", nil, mq.LiteSet), mq.ErrLiteQuota)
		r.wants("a", nil, mq.LiteClear)
		r.wants("c", nil, mq.LiteSet, "1", "2", "3")
		pass(3 * time.Minute)
		r.wants("a", nil, mq.LiteSet, "1", "2", "3")
		r.wants("b", nil, mq.LiteSet, "1", "2")
		for _, name := range []string{"", "a b", strings.Repeat("x", 65), "ä", "a$"} {
			r.wantErr(r.sync("a", nil, mq.LiteAdd, name), mq.ErrLiteTopic)
			if name != "" {
				r.wantErr(r.send(message("P", "x", mq.PropLiteTopic, name))[0].Err, mq.ErrLiteTopic)
			}
		}
	})
}

func TestAnOlderVersionOfASubscriptionChangesNothing(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("-1")
		r.lite("x", "x")
		r.lite("y", "y")
		for _, s := range []mq.LiteSubscription{{Version: 2, Lites: []string{"x"}}, {Version: 1, Lites: []string{"y"}}} {
			s.Action, s.ClientID, s.Group, s.Topic = mq.LiteSet, "a", "G", "P"
			r.must(r.SyncLite(t.Context(), s))
		}
		r.takes("a", "x")
	})
}

func TestWhatIsNoLiteTopicOrConsumerIsRefused(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("-1")
		r.topic("T", 1)
		g := newGroup("Unbound")
		r.must(r.PutGroup(t.Context(), g))
		for _, s := range []mq.LiteSubscription{
			{ClientID: "a", Group: "G", Topic: "T"}, {ClientID: "a", Group: "Unbound", Topic: "P"}, {Group: "G", Topic: "P"},
			{ClientID: "a", Group: "G", Topic: "P", Action: 9},
		} {
			r.wantErr(r.SyncLite(t.Context(), s), mq.ErrInvalid)
		}
		r.wantErr(r.SyncLite(t.Context(), mq.LiteSubscription{ClientID: "a", Group: "G", Topic: "Q"}), mq.ErrTopicNotFound)
		r.wantErr(r.SyncLite(t.Context(), mq.LiteSubscription{ClientID: "a", Group: "Q", Topic: "P"}), mq.ErrGroupNotFound)
		for _, kv := range [][]string{
			{mq.PropShardingKey, "k"}, {mq.PropDelay, "1"}, {mq.PropPriority, "1"}, {mq.PropMultiDispatch, "%LMQ%z"}, {mq.PropQoS, "0"},
		} {
			r.wantErr(r.send(message("P", "x", append(kv, mq.PropLiteTopic, "x")...))[0].Err, mq.ErrMessageIllegal)
		}
		r.wantErr((<-r.startLite(t.Context(), mq.LitePopRequest{ClientID: "a", MaxMessages: 33})).err, mq.ErrInvalid)
		r.lite("x", "1")
		r.wants("a", nil, mq.LiteAdd, "x")
		a := r.takes("a", "1").acks[0]
		for _, change := range []func(*mq.Ack){
			func(a *mq.Ack) { a.Lite = "a b" }, func(a *mq.Ack) { a.Lite = "y" }, func(a *mq.Ack) { a.Receipt.Revive = 0 },
			func(a *mq.Ack) { a.Receipt.Offset = 7 }, func(a *mq.Ack) { a.Receipt.Broker = "other" },
		} {
			bad := a
			change(&bad)
			if errs := r.Broker.Ack(t.Context(), []mq.Ack{bad}); errs == nil || errs[0] == nil {
				t.Errorf("acknowledged %+v", bad)
			}
		}
		r.acks(a)
	})
}

func TestALiteTopicWithoutTrafficGoesAfterItsTimeAndOthersStay(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.liteTopic("30")
		r.wants("a", nil, mq.LiteAdd, "idle", "busy")
		r.lite("idle", "i")
		r.lite("busy", "b1")
		r.acks(r.takes("a", "i", "b1").acks...)
		pass(20 * time.Minute)
		r.lite("busy", "b2")
		pass(11 * time.Minute)
		idle := mq.LiteQueue("P", "idle")
		wantStrings(t, "idle", r.bodies(idle, 0))
		wantStrings(t, "busy", r.bodies(mq.LiteQueue("P", "busy"), 0), "b1", "b2")
		rows := 0
		r.must(r.store.Keys().Scan([]byte("broker/lite/at/"+idle), func([]byte, []byte) error { rows++; return nil }))
		if rows != 0 {
			t.Errorf("%d places are left in it", rows)
		}
		r.wants("a", nil, mq.LiteAdd, "idle", "busy")
		r.takes("a", "b2")
		r.lite("idle", "again")
		r.takes("a", "again")
		pass(31 * time.Minute)
		wantStrings(t, "busy", r.bodies(mq.LiteQueue("P", "busy"), 0))
		// What lives for ever stays.
		r.must(r.PutTopic(t.Context(), mq.Topic{Name: "P", ReadQueues: 2, WriteQueues: 2, Perm: 6, Attributes: map[string]string{"+lite.topic.expiration": "-1"}}))
		r.lite("idle", "last")
		pass(3 * 24 * time.Hour / 2)
		wantStrings(t, "idle", r.bodies(idle, 0), "last")
	})
}
