package admin

import (
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
	time.Sleep(2 * time.Millisecond) // store times are in milliseconds
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
