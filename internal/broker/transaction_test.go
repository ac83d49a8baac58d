package broker

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// half is a transactional message for queue 2 of a topic.
func half(topic, body string, kv ...string) mq.Send {
	s := message(topic, body, append([]string{mq.PropTransaction, "true", mq.PropProducerGroup, "PG", mq.PropUniqueKey, "key-" + body}, kv...)...)
	s.QueueID, s.SysFlag, s.BornTime = 2, mq.FlagPrepared, time.Now().UnixMilli()
	return s
}

func (r *rig) end(at mq.SendResult, o mq.Outcome) error {
	return r.endAs(mq.TransactionEnd{Group: "PG", Offset: at.Offset, Pos: at.Pos, Outcome: o})
}

func (r *rig) endAs(e mq.TransactionEnd) error {
	ended := make(chan error, 1)
	r.EndTransactions(&mq.EndBatch{Ends: []mq.TransactionEnd{e}, Done: func(b *mq.EndBatch) { ended <- b.Ends[0].Err }})
	return <-ended
}

func producer(id string, p *peer) mq.Member {
	return mq.Member{ClientID: id, Peer: p, Language: "GO", Producers: []string{"PG"}}
}

func TestHalfMessagesAreHiddenUntilTheyAreCommitted(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		pulled := r.pull(mq.PullRequest{Queue: mq.Queue{Topic: "T", ID: 2}, Wait: time.Minute})
		// Its producer learns the queue that it chose, and where the half lies.
		a, b := r.sent(half("T", "a")), r.sent(half("T", "b"))
		if a.QueueID != 2 || b.QueueID != 2 || a.Offset != 0 || b.Offset != 1 {
			t.Errorf("sent to %+v and %+v", a, b)
		}
		r.must(r.end(a, mq.OutcomeRollback))
		pass(5 * time.Second)
		r.must(r.end(b, mq.OutcomeCommit))
		p := <-pulled
		if p.err != nil || len(p.records) != 1 || string(p.records[0].Body) != "b" || p.after < 5*time.Second {
			t.Errorf("pulled %+v", p)
		}
		if n := r.records(mq.TopicTransHalf, 0); len(n) != 2 {
			t.Errorf("%d half messages are stored", len(n))
		}
	})
}

func TestTransactionsToTopicsThatRefuseMessagesAreRefused(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.must(r.PutTopic(context.Background(), mq.Topic{Name: "ro", ReadQueues: 4, WriteQueues: 4, Perm: mq.PermRead}))
		r.wantErr(r.send(half("ro", "a"))[0].Err, mq.ErrDenied)
		missing := half("missing", "a")
		missing.DefaultTopic = ""
		r.wantErr(r.send(missing)[0].Err, mq.ErrTopicNotFound)
		plain := message("T", "a")
		plain.SysFlag = mq.FlagPrepared
		r.wantErr(r.send(plain)[0].Err, mq.ErrMessageIllegal)
		r.must(r.SetSettings(context.Background(), map[string]string{"rejectTransactionMessage": "true"}))
		r.wantErr(r.send(half("T", "a"))[0].Err, mq.ErrDenied)
	})
}

func TestPendingTransactionsHaveALimit(t *testing.T) {
	bubble(t, Options{MaxPendingTransactions: 2}, func(t *testing.T, r *rig) {
		at := r.sent(half("T", "a"))
		r.sent(half("T", "b"))
		pass(time.Second)
		r.wantErr(r.send(half("T", "c"))[0].Err, mq.ErrBusy)
		r.sent(message("T", "plain"))
		r.must(r.end(at, mq.OutcomeCommit))
		pass(time.Second)
		r.sent(half("T", "c"))
	})
}

func TestProducersOfTheGroupAreAskedInTurn(t *testing.T) {
	bubble(t, Options{TransactionCheckInterval: 10 * time.Second}, func(t *testing.T, r *rig) {
		at := r.sent(half("T", "a"))
		one, two := &peer{name: "1"}, &peer{name: "2"}
		for _, m := range []mq.Member{producer("c1", one), producer("c2", two)} {
			if _, err := r.Join(context.Background(), m); err != nil {
				t.Fatal(err)
			}
		}
		pass(21 * time.Second)
		wantStrings(t, "one", one.told(), "check T 0")
		wantStrings(t, "two", two.told(), "check T 0")
		r.Leave(context.Background(), "c1", "", "", one, true)
		r.must(r.SetSettings(context.Background(), map[string]string{"transactionCheckInterval": "5000"}))
		pass(10 * time.Second)
		wantStrings(t, "two", two.told(), "check T 0", "check T 0")
		wantStrings(t, "one", one.told())
		r.must(r.endAs(mq.TransactionEnd{Group: "PG", Offset: at.Offset, Pos: at.Pos, Outcome: mq.OutcomeCommit, Checked: true}))
		pass(time.Minute)
		wantStrings(t, "two", two.told())
		wantStrings(t, "queue", r.bodies("T", 2), "a")
	})
}

func TestPendingTransactionsAreAskedAboutAfterARestart(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.sent(half("T", "a"))
		r = r.restart(Options{})
		p := &peer{name: "1"}
		if _, err := r.Join(context.Background(), producer("c1", p)); err != nil {
			t.Fatal(err)
		}
		pass(31 * time.Second)
		wantStrings(t, "producer", p.told(), "check T 0")
		p.mu.Lock()
		c := p.mu.checks[0]
		p.mu.Unlock()
		r.must(r.endAs(mq.TransactionEnd{Group: "PG", Offset: c.Offset, Pos: c.Pos, Outcome: mq.OutcomeCommit, Checked: true}))
		wantStrings(t, "queue", r.bodies("T", 2), "a")
	})
}

func TestDelayOfATransactionBeginsWithItsCommit(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		at := r.sent(half("T", "a", mq.PropDelay, "2"))
		pass(20 * time.Second)
		r.must(r.end(at, mq.OutcomeCommit))
		pass(4 * time.Second)
		wantStrings(t, "after 4 s", r.bodies("T", 2))
		pass(2 * time.Second)
		wantStrings(t, "after 6 s", r.bodies("T", 2), "a")
	})
}

// What a consumer failed on keeps its properties, those of the transaction too.
func TestATimeOfATransactionsOwnBeginsWithItsCommit(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		at := r.sent(half("T", "a", mq.PropTimerDelayMs, "2500"))
		pass(10 * time.Second)
		r.must(r.end(at, mq.OutcomeCommit))
		pass(2 * time.Second)
		if n := r.records("T", 2); len(n) != 0 {
			t.Errorf("%d messages are there half a second before their time", len(n))
		}
		pass(time.Second)
		if n := r.records("T", 2); len(n) != 1 || string(n[0].Body) != "a" {
			t.Errorf("%d messages are there after their time", len(n))
		}
		r.wantErr(r.send(half("T", "b", mq.PropTimerDelaySec, "5s"))[0].Err, mq.ErrMessageIllegal)
	})
}

func TestRetriesOfACommittedMessageAreNoTransactions(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		if _, err := r.Join(context.Background(), consumer("c", &peer{}, "G", "T")); err != nil {
			t.Fatal(err)
		}
		at := r.sent(half("T", "a"))
		r.must(r.end(at, mq.OutcomeCommit))
		rec := r.records("T", 2)[0]
		r.must(r.SendBack(context.Background(), mq.SendBackRequest{Group: "G", Pos: rec.Pos, DelayLevel: 1, MaxReconsumes: -1, OriginTopic: "T"}))
		again := half(mq.RetryTopic("G"), "b", mq.PropDelay, "1")
		again.ReconsumeTimes, again.QueueID = 1, 0
		r.sent(again)
		pass(3 * time.Second)
		wantStrings(t, "retries", r.bodies(mq.RetryTopic("G"), 0), "a", "b")
	})
}

func TestOperatorsSeeAndEndTransactions(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		ctx := context.Background()
		a, b := r.sent(half("T", "a")), r.sent(half("T", "b"))
		all, err := r.Transactions(ctx, -1, 0)
		r.must(err)
		wantStrings(t, "pending", []string{fmt.Sprint(len(all)), all[0].UniqueKey, all[1].UniqueKey, all[1].Topic, all[1].Group}, "2", "key-a", "key-b", "T", "PG")
		r.must(r.SettleTransaction(ctx, a.Pos, mq.OutcomeCommit))
		r.must(r.SettleTransaction(ctx, b.Pos, mq.OutcomeRollback))
		r.wantErr(r.CheckTransaction(ctx, b.Pos), mq.ErrTransaction)
		wantStrings(t, "queue", r.bodies("T", 2), "a")
		r.stop()
		synctest.Wait()
		r.wantErr(r.SettleTransaction(ctx, a.Pos, mq.OutcomeCommit), mq.ErrClosed)
		r.wantErr(r.end(b, mq.OutcomeCommit), mq.ErrClosed)
	})
}

// Anybody may say that it is a producer of a group; the half message is for those
// who may send to its topic.
func TestProducersThatMayNotSendAreNotAsked(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 4)
		a, b := &peer{name: "a"}, &peer{name: "b"}
		eve := producer("A", a)
		eve.May = func(topic string) bool { return topic != "T" }
		r.join(eve)
		r.sent(half("T", "x"))
		pass(10 * time.Minute)
		wantStrings(t, "one that may not send", a.told())
		r.sent(half("T", "y"))
		for range 8 {
			r.join(eve)
			r.join(producer("B", b))
			pass(30 * time.Second)
		}
		wantStrings(t, "one that may not send, among others", a.told())
		if len(b.told()) == 0 {
			t.Error("the one that may send was not asked")
		}
	})
}

func TestAProducersIDIsItsUsers(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		first, second := &peer{name: "a"}, &peer{name: "b"}
		of := func(p *peer, user string) mq.Member {
			m := producer("A", p)
			m.User = user
			return m
		}
		r.join(of(first, "alice"))
		r.join(of(second, "eve"))
		if got := r.clients.producer("A"); got != first {
			t.Errorf("replies go to another user's %v", got)
		}
		r.join(of(second, "alice"))
		if got := r.clients.producer("A"); got != second {
			t.Errorf("replies go to %v, not to the newer connection", got)
		}
		r.join(of(first, "eve"))
		r.Leave(t.Context(), "", "", "", second, true)
		r.join(of(first, "eve"))
		if got := r.clients.producer("A"); got != first {
			t.Errorf("an id that was given up leads to %v", got)
		}
	})
}
