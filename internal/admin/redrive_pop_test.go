package admin

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/wire"
)

// pop pops what there is within ten seconds, one message, and hides it for that
// long.
func pop(t *testing.T, c *Cluster, b Broker, group, topic string, invisible time.Duration) (string, mq.Receipt) {
	t.Helper()
	q := remote.Queue{Queue: mq.Queue{Topic: topic, ID: -1}, Broker: b.Name, Addr: b.Addr}
	p := remote.Pop{Queue: q, Group: group, Max: 1, Invisible: invisible, Wait: 10 * time.Second}
	resp, err := c.rpc.Call(t.Context(), b.Addr, p.Request())
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.DecodePopped(q, resp)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.Records) != 1 {
		t.Fatalf("popped %d messages of %s", len(got.Records), topic)
	}
	return string(got.Records[0].Body), got.Receipts[0]
}

// awaitDead waits until a group has a dead letter that was not sent again.
func awaitDead(t *testing.T, c *Cluster, group string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		page, err := c.DeadLetters(ctx, group, DeadLetterFilter{}, "", 1)
		if err == nil && len(page.Letters) == 1 {
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			t.Fatalf("group %s has no dead letter: %v", group, err)
		}
	}
}

// A group whose members pop reads no retry topic but those of its pops.
func TestADeadLetterOfAPoppingGroupIsPoppedAgain(t *testing.T) {
	c, b := live(t)
	to := Target{Addr: b.Addr}
	if _, err := c.PutTopic(t.Context(), to, mq.Topic{Name: "orders", ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
		t.Fatal(err)
	}
	g := NewGroup("g")
	g.RetryMax = 0
	if _, err := c.PutGroup(t.Context(), to, g); err != nil {
		t.Fatal(err)
	}
	m := mq.Message{Topic: "orders", BornTime: 1, Body: []byte("poison"), Properties: mq.AppendProperty(nil, mq.PropUniqueKey, "U")}
	if _, _, err := c.send(t.Context(), b, &m); err != nil {
		t.Fatal(err)
	}
	pop(t, c, b, "g", "orders", 20*time.Millisecond)
	for death := 1; death <= 2; death++ {
		awaitDead(t, c, "g")
		if p, err := c.Redrive(t.Context(), Redrive{Group: "g"}); err != nil || p.Sent != 1 {
			t.Fatalf("redriving: %+v, %v", p, err)
		}
		invisible := time.Minute
		if death == 1 {
			invisible = 20 * time.Millisecond // it dies again
		}
		body, receipt := pop(t, c, b, "g", "orders", invisible)
		if body != "poison" || receipt.Retry != mq.RetryV1 {
			t.Errorf("popped %q by %+v", body, receipt)
		}
		if death == 2 {
			if _, err := c.call(t.Context(), b.Addr, remote.AckRequest("g", "orders", receipt)); err != nil {
				t.Error(err)
			}
		}
	}
	if _, err := c.Group(t.Context(), b.Addr, "g_orders"); !refusedWith(err, wire.CodeSubscriptionGroupNotExist) {
		t.Errorf("a group was made for the retry topic: %v", err)
	}
	page, err := c.DeadLetters(t.Context(), "g", DeadLetterFilter{Handled: true}, "", 10)
	if n := len(page.Letters); err != nil || n != 2 {
		t.Errorf("%d letters were sent, %v", n, err)
	}
}

func TestADeadLetterOfALiteTopicGoesToNoRetryTopic(t *testing.T) {
	letter := &DeadLetter{Group: "g", Origin: "orders", ID: "ID"}
	letter.Record.Properties = mq.AppendProperty(nil, mq.PropLiteTopic, "session-1")
	for to, refused := range map[string]bool{ToRetry: true, ToOrigin: false} {
		r := &redriving{Redrive: Redrive{Group: "g", To: to, DryRun: true}}
		err := r.some(t.Context(), nil, []*DeadLetter{letter}, Destination(letter, to))
		if errors.Is(err, mq.ErrInvalid) != refused {
			t.Errorf("to %q: %v", to, err)
		}
	}
}
