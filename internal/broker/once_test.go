package broker

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/dedup"
	"github.com/goddardmq/goddard/internal/mq"
)

// once makes a topic that wants each message once.
func (r *rig) once(name, seconds string) {
	r.Helper()
	r.must(r.PutTopic(context.Background(), mq.Topic{
		Name: name, ReadQueues: 2, WriteQueues: 2, Perm: mq.PermRead | mq.PermWrite,
		Attributes: map[string]string{"+" + dedup.Attribute: seconds},
	}))
}

// many lets a topic take messages more than once again.
func (r *rig) many(name string) {
	r.Helper()
	r.must(r.PutTopic(context.Background(), mq.Topic{
		Name: name, ReadQueues: 2, WriteQueues: 2, Perm: mq.PermRead | mq.PermWrite,
		Attributes: map[string]string{"-" + dedup.Attribute: ""},
	}))
}

func keyed(topic, key, body string, kv ...string) mq.Send {
	return message(topic, body, append([]string{mq.PropUniqueKey, key}, kv...)...)
}

func TestAMessageWithAKnownKeyIsAnsweredAsTheFirstWas(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.once("T", "60")
		r.sent(keyed("T", "other", "0"))
		first := r.sent(keyed("T", "k", "1"))
		pass(59 * time.Second)
		again := keyed("T", "k", "2")
		again.QueueID = 1
		if got := r.sent(again); got.QueueID != 0 || got.Offset != first.Offset || got.Pos != first.Pos || got.StoreTime != first.StoreTime || got.Status != mq.SendOK {
			t.Errorf("the duplicate got %+v, the first %+v", got, first)
		}
		wantStrings(t, "queue 0", r.bodies("T", 0), "0", "1")
		wantStrings(t, "queue 1", r.bodies("T", 1))
		pass(time.Second)
		r.sent(keyed("T", "k", "3"))
		wantStrings(t, "after the window", r.bodies("T", 0), "0", "1", "3")
		if got := r.sent(keyed("T", "k", "4")); got.Offset != 2 {
			t.Errorf("the duplicate of the second got offset %d", got.Offset)
		}
		r.topic("U", 1)
		r.sent(keyed("U", "k", "1"))
		r.sent(keyed("U", "k", "2"))
		wantStrings(t, "a topic without a window", r.bodies("U", 0), "1", "2")
	})
}

func TestKeysSurviveARestart(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.once("T", "60")
		var places []mq.LogPos
		for i := range 3 {
			places = append(places, r.sent(keyed("T", fmt.Sprint(i), "x")).Pos)
			if i == 1 {
				pass(5 * time.Second) // the first two have rows
			}
		}
		r.restart(Options{})
		if keys, _ := r.dedup.Size(); keys != 3 {
			t.Errorf("%d keys are known, want 3", keys)
		}
		for i, at := range places {
			if got := r.sent(keyed("T", fmt.Sprint(i), "y")); got.Pos != at {
				t.Errorf("key %d is at %d, want %d", i, got.Pos, at)
			}
		}
		pass(60 * time.Second)
		if got := r.sent(keyed("T", "0", "z")); got.Offset != 3 {
			t.Errorf("after the window it lies at offset %d", got.Offset)
		}
	})
}

func TestConcurrentSendsOfAKeyBecomeOne(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.once("T", "60")
		var wg sync.WaitGroup
		results := make([][]mq.Send, 16)
		for i := range results {
			wg.Go(func() { results[i] = r.send(keyed("T", "a", "1"), keyed("T", "b", "2"), keyed("T", "a", "3")) })
		}
		wg.Wait()
		for _, sends := range results {
			for i := range sends {
				if s := &sends[i]; s.Err != nil || s.Result.Pos != results[0][i].Result.Pos || s.Result.Offset != results[0][i].Result.Offset {
					t.Errorf("send %d got %+v, %v", i, s.Result, s.Err)
				}
			}
		}
		if got := r.bodies("T", 0); len(got) != 2 {
			t.Errorf("stored: %q", got)
		}
	})
}

func TestOfABatchOnlyNewMessagesAreStored(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.once("T", "60")
		batch := func(keys ...string) mq.Send {
			s := keyed("T", keys[0], keys[0])
			for _, k := range keys[1:] {
				s.More = append(s.More, keyed("T", k, k).Message)
			}
			return s
		}
		a := r.sent(batch("a", "b", "c"))
		b := r.sent(batch("b", "d", "c", "e"))
		wantStrings(t, "stored", r.bodies("T", 0), "a", "b", "c", "d", "e")
		at := r.records("T", 0)
		got := append([]mq.LogPos{b.Pos}, b.MorePos...)
		if want := []mq.LogPos{a.MorePos[0], at[3].Pos, a.MorePos[1], at[4].Pos}; !slices.Equal(got, want) {
			t.Errorf("the second batch lies at %v, want %v", got, want)
		}
		if b.Offset != 1 {
			t.Errorf("the first of it has offset %d, want 1", b.Offset)
		}
		c := r.sent(batch("e", "a"))
		if c.Pos != at[4].Pos || len(c.MorePos) != 1 || c.MorePos[0] != a.Pos {
			t.Errorf("a batch of duplicates lies at %+v", c)
		}
		d := r.sent(batch("f", "f"))
		if len(d.MorePos) != 1 || d.MorePos[0] != d.Pos {
			t.Errorf("a batch of one key twice lies at %+v", d)
		}
	})
}

func TestADelayedMessageCountsFromItsSend(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.once("T", "60")
		for _, kv := range [][]string{{mq.PropDelay, "2"}, {mq.PropTimerDelaySec, "5"}, {mq.PropTransaction, "true", mq.PropProducerGroup, "P"}} {
			key := kv[0]
			first := r.sent(keyed("T", key, "first", kv...))
			second := r.sent(keyed("T", key, "second", kv...))
			if second.Pos != first.Pos || second.Offset != first.Offset || second.QueueID != first.QueueID || second.Handle != first.Handle {
				t.Errorf("%s: the duplicate got %+v, the first %+v", key, second, first)
			}
		}
		pass(6 * time.Second)
		wantStrings(t, "delivered", r.bodies("T", 0), "first", "first")
		r.sent(keyed("T", mq.PropDelay, "third"))
		wantStrings(t, "after that", r.bodies("T", 0), "first", "first")
	})
}

func TestARetryIsNoDuplicate(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.once("T", "60")
		at := r.sent(keyed("T", "k", "x"))
		for range 2 {
			r.must(r.SendBack(t.Context(), mq.SendBackRequest{Group: "G", Pos: at.Pos, DelayLevel: 1, MaxReconsumes: 16, OriginTopic: "T"}))
			r.sent(keyed(mq.RetryTopic("G"), "k", "y"))
		}
		pass(2 * time.Second)
		if got := r.bodies(mq.RetryTopic("G"), 0); len(got) != 4 {
			t.Errorf("the retry topic holds %q", got)
		}
	})
}

func TestTheWindowChangesWhileTheBrokerRuns(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.topic("T", 2)
		r.sent(keyed("T", "k", "1"))
		r.once("T", "60")
		r.sent(keyed("T", "k", "2")) // the first is not known
		r.sent(keyed("T", "k", "3"))
		pass(30 * time.Second)
		r.once("T", "20")
		r.sent(keyed("T", "k", "4"))
		r.many("T")
		r.sent(keyed("T", "k", "5"))
		wantStrings(t, "stored", r.bodies("T", 0), "1", "2", "4", "5")
		if keys, _ := r.dedup.Size(); keys != 0 {
			t.Errorf("%d keys are left", keys)
		}
		r.once("T", "60")
		r.restart(Options{})
		r.sent(keyed("T", "k", "6"))
		wantStrings(t, "stored", r.bodies("T", 0), "1", "2", "4", "5", "6")
		for _, bad := range []string{"", "0", "-1", "x", "604801"} {
			r.wantErr(r.PutTopic(t.Context(), mq.Topic{
				Name: "U", ReadQueues: 1, WriteQueues: 1, Perm: 6, Attributes: map[string]string{"+" + dedup.Attribute: bad},
			}), mq.ErrInvalid)
		}
	})
}

func TestTheLimitOfKeysRefusesNewMessages(t *testing.T) {
	bubble(t, Options{MaxDedupKeys: 2}, func(t *testing.T, r *rig) {
		r.once("T", "60")
		r.sent(keyed("T", "a", "1"))
		at := r.sent(keyed("T", "b", "2"))
		r.wantErr(r.send(keyed("T", "c", "3"))[0].Err, mq.ErrBusy)
		if got := r.sent(keyed("T", "b", "4")); got.Pos != at.Pos {
			t.Errorf("a duplicate lies at %d, want %d", got.Pos, at.Pos)
		}
		pass(62 * time.Second)
		r.sent(keyed("T", "c", "3"))
	})
}

func TestADeletedTopicForgetsItsKeys(t *testing.T) {
	bubble(t, Options{}, func(t *testing.T, r *rig) {
		r.once("T", "60")
		r.sent(keyed("T", "k", "1"))
		r.once("U", "60")
		r.must(r.DeleteTopic(t.Context(), "T"))
		r.once("T", "60")
		r.restart(Options{}) // the log is read again, with what the deleted topic held
		r.sent(keyed("T", "k", "2"))
		r.sent(keyed("T", "k", "3"))
		wantStrings(t, "stored", r.bodies("T", 0), "2")
	})
}
