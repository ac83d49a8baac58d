package admin

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// The offsets of a topic that is made again begin anew, and the ledger has
// entries about letters that lay at them before.
func TestTheLedgerOfADeletedTopicSaysNothingAboutLaterLetters(t *testing.T) {
	c, b := live(t)
	die(t, c, b, "g", "orders", "a", "b", "c")
	if p, err := c.Redrive(t.Context(), Redrive{Group: "g", Limit: 2}); err != nil || p.Sent != 2 {
		t.Fatalf("got %+v, %v", p, err)
	}
	if n, err := c.Purge(t.Context(), "g", DeadLetterFilter{}, 0); err != nil || n != 1 {
		t.Fatal(n, err)
	}
	if _, err := c.DeleteTopic(t.Context(), Target{Addr: b.Addr}, "%DLQ%g"); err != nil {
		t.Fatal(err)
	}
	// Store times are in milliseconds.
	for now := time.Now().UnixMilli(); time.Now().UnixMilli() == now; {
		runtime.Gosched()
	}
	die(t, c, b, "g", "orders", "d", "e", "f")
	page, err := c.DeadLetters(t.Context(), "g", DeadLetterFilter{}, "", 9)
	if err != nil || len(page.Letters) != 3 {
		t.Fatalf("listed %d, %v", len(page.Letters), err)
	}
	if l, err := c.DeadLetter(t.Context(), page.Letters[0].ID); err != nil || l.State != StateWaiting {
		t.Errorf("got %+v, %v", l, err)
	}
	if p, err := c.Redrive(t.Context(), Redrive{Group: "g"}); err != nil || p.Sent != 3 {
		t.Errorf("got %+v, %v", p, err)
	}
}

// Its topic knows the key of the message that died, and must not take what is
// sent again for that.
func TestALetterIsSentAgainIntoATopicThatWantsEachMessageOnce(t *testing.T) {
	c, b := live(t)
	_, err := c.PutTopic(t.Context(), Target{Addr: b.Addr}, mq.Topic{
		Name: "orders", ReadQueues: 1, WriteQueues: 1, Perm: mq.PermRead | mq.PermWrite,
		Attributes: map[string]string{"+dedup.window.seconds": "600"},
	})
	if err != nil {
		t.Fatal(err)
	}
	die(t, c, b, "g", "orders", "a", "b")
	if p, err := c.Redrive(t.Context(), Redrive{Group: "g", To: ToOrigin}); err != nil || p.Sent != 2 {
		t.Fatalf("got %+v, %v", p, err)
	}
	if got := bodiesIn(t, c, b, "orders"); strings.Join(got, " ") != "a b a b" {
		t.Errorf("the topic has %v", got)
	}
}

// some readies a run for the only letter of group g.
func some(t *testing.T, c *Cluster, r *redriving) (*deadQueue, []*DeadLetter) {
	t.Helper()
	queues, err := c.deadQueues(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	letters, _, err := c.choose(t.Context(), queues[0], &chooser{}, 0, 1)
	if err != nil || len(letters) != 1 {
		t.Fatal(len(letters), err)
	}
	r.Group, r.c, r.id = "g", c, "run"
	return queues[0], letters
}

func TestALetterIsNotClaimedBeforeItsTurn(t *testing.T) {
	c, b := live(t)
	die(t, c, b, "g", "orders", "a")
	run := &redriving{Redrive: Redrive{Rate: 0.001}, start: time.Now(), progress: RedriveProgress{Sent: 1}}
	q, letters := some(t, c, run)
	if err := c.openLedger(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	ctx, end := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer end()
	if err := run.some(ctx, q, letters, "%RETRY%g"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, n, err := c.bounds(t.Context(), b, mq.Queue{Topic: ledgerTopic}); n != 0 || err != nil {
		t.Errorf("the ledger has %d entries, %v", n, err)
	}
}

func TestALetterIsNotSentUnderAClaimThatGrewOld(t *testing.T) {
	c, b := live(t)
	die(t, c, b, "g", "orders", "a")
	run := &redriving{start: time.Now(), claimed: time.Now().Add(-claimTime)}
	_, letters := some(t, c, run)
	done, doubt, err := run.one(t.Context(), letters[0], "%RETRY%g", claim{run: "run"})
	if done || doubt || err == nil || !strings.Contains(err.Error(), "claimed 1m0s ago") {
		t.Errorf("got %v, %v, %v", done, doubt, err)
	}
	if got := bodiesIn(t, c, b, "%RETRY%g"); len(got) != 0 {
		t.Errorf("the retry topic has %v", got)
	}
}

// A line that was sent is the last one also if the broker put its message
// elsewhere: going on behind it sends nothing twice.
func TestTheLastLineThatWasSentIsNamedWithTheError(t *testing.T) {
	c, b := live(t)
	die(t, c, b, "g", "orders", "a", "b")
	var file bytes.Buffer
	if _, err := c.SaveDeadLetters(t.Context(), "g", DeadLetterFilter{}, 0, &file); err != nil {
		t.Fatal(err)
	}
	lockOrders(t, c, b)
	if last, err := c.SendSaved(t.Context(), &file, 1, Redrive{}); last != 1 || err == nil {
		t.Errorf("got %d, %v", last, err)
	}
}
