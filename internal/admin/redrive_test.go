package admin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

var anyHost = netip.MustParseAddrPort("127.0.0.1:10911")

// startServer runs a server until the test ends and returns its name server.
// Package goddard stands on this one, so tests from outside bring it along.
var startServer func(t *testing.T) string

// Serve says how servers are started.
func Serve(start func(t *testing.T) string) bool {
	startServer = start
	return true
}

// live is a cluster of one broker that runs until the test ends.
func live(t *testing.T) (*Cluster, Broker) {
	t.Helper()
	c := dialed(t, startServer(t))
	brokers, err := c.Brokers(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return c, brokers[0]
}

// die has a group fail on messages for good: it rejects them.
func die(t *testing.T, c *Cluster, b Broker, group, topic string, bodies ...string) {
	t.Helper()
	for _, body := range bodies {
		props := mq.AppendProperty(nil, mq.PropUniqueKey, "U"+body)
		m := mq.Message{Topic: topic, QueueID: -1, BornTime: 1, Body: []byte(body), Properties: props}
		id, _, err := c.send(t.Context(), b, &m)
		if err != nil {
			t.Fatal(err)
		}
		_, pos, err := mq.ParseOffsetID(id)
		if err != nil {
			t.Fatal(err)
		}
		back := &wire.ConsumerSendMsgBackRequest{Offset: int64(pos), Group: group, DelayLevel: -1, OriginTopic: topic}
		if _, err := c.call(t.Context(), b.Addr, wire.NewRequest(wire.ConsumerSendMsgBack, back)); err != nil {
			t.Fatal(err)
		}
	}
}

// bodiesIn are the bodies in a topic of one queue.
func bodiesIn(t *testing.T, c *Cluster, b Broker, topic string) []string {
	t.Helper()
	var all []string
	for id := range int32(4) {
		_, hi, err := c.bounds(t.Context(), b, mq.Queue{Topic: topic, ID: id})
		if err != nil {
			if id > 0 {
				return all
			}
			t.Fatal(err)
		}
		err = c.scan(t.Context(), b, mq.Queue{Topic: topic, ID: id}, 0, hi, func(r *mq.Record) (bool, error) {
			all = append(all, string(r.Body))
			return true, nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func numbered(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("m%03d", i))
	}
	return all
}

func TestRejectedMessagesAreSentAgainOnceAndInOrder(t *testing.T) {
	c, b := live(t)
	all := numbered(250)
	die(t, c, b, "g", "orders", all...)
	page, err := c.DeadLetters(t.Context(), "g", DeadLetterFilter{}, "", 1)
	if err != nil || len(page.Letters) != 1 || page.Next == "" {
		t.Fatalf("got %+v, %v", page, err)
	}
	l := page.Letters[0]
	if l.Tries != 1 || l.Origin != "orders" || l.OriginID == "" || l.UniqueKey != "Um000" {
		t.Errorf("got %+v", l)
	}
	if why := l.Why(16); !strings.Contains(why, "rejected it at try 1") {
		t.Errorf("why: %s", why)
	}
	var told RedriveProgress
	r := Redrive{Group: "g", Progress: func(p RedriveProgress) { told = p }}
	p, err := c.Redrive(t.Context(), r)
	if err != nil || p.Sent != 250 || p.Looked != 250 || told != p {
		t.Fatalf("got %+v, %v", p, err)
	}
	if got := bodiesIn(t, c, b, "%RETRY%g"); strings.Join(got, " ") != strings.Join(all, " ") {
		t.Errorf("the retry topic has %v", got)
	}
	if p, err = c.Redrive(t.Context(), r); err != nil || p.Sent != 0 {
		t.Errorf("the second run: %+v, %v", p, err)
	}
}

func TestRunsAtTheSameTimeSendEachLetterOnce(t *testing.T) {
	c, b := live(t)
	all := numbered(300)
	die(t, c, b, "g", "orders", all...)
	var runs sync.WaitGroup
	var sent [4]int
	for i := range sent {
		runs.Go(func() {
			p, err := c.Redrive(t.Context(), Redrive{Group: "g"})
			if err != nil {
				t.Error(err)
			}
			sent[i] = p.Sent
		})
	}
	runs.Wait()
	if sum := sent[0] + sent[1] + sent[2] + sent[3]; sum != len(all) {
		t.Errorf("runs sent %v", sent)
	}
	if got := bodiesIn(t, c, b, "%RETRY%g"); len(got) != len(all) {
		t.Errorf("the retry topic has %d messages", len(got))
	}
}

func TestAnInterruptedRunLeavesTheOthersForTheNext(t *testing.T) {
	c, b := live(t)
	die(t, c, b, "g", "orders", numbered(10)...)
	n, broke := 0, errors.New("enough")
	p, err := c.Redrive(t.Context(), Redrive{Group: "g", Each: func(*DeadLetter, *mq.Message) error {
		if n++; n == 4 {
			return broke
		}
		return nil
	}})
	if !errors.Is(err, broke) || p.Sent != 3 {
		t.Fatalf("got %+v, %v", p, err)
	}
	if p, err = c.Redrive(t.Context(), Redrive{Group: "g"}); err != nil || p.Sent != 7 || p.Busy != 0 {
		t.Fatalf("the next run: %+v, %v", p, err)
	}
	ended, end := context.WithCancel(t.Context())
	die(t, c, b, "g", "orders", "late", "later")
	_, err = c.Redrive(ended, Redrive{Group: "g", Each: func(*DeadLetter, *mq.Message) error { end(); return nil }})
	if !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	if p, err = c.Redrive(t.Context(), Redrive{Group: "g"}); err != nil || p.Sent+p.Busy == 0 {
		t.Errorf("after the end: %+v, %v", p, err)
	}
}

// A killed run has claimed ten letters, sent five and written nothing down.
func TestWhatAKilledRunSentIsNotSentAgain(t *testing.T) {
	c, b := live(t)
	die(t, c, b, "g", "orders", numbered(10)...)
	queues, err := c.deadQueues(t.Context(), "g")
	if err != nil {
		t.Fatal(err)
	}
	q := queues[0]
	if err := c.openLedger(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	if err := c.write(t.Context(), q, entry{Run: "killed", To: "%RETRY%g", Claim: []span{{0, 10}}}); err != nil {
		t.Fatal(err)
	}
	letters, _, err := c.choose(t.Context(), &deadQueue{group: "g", broker: b, min: 0, max: 10}, &chooser{}, 0, 10)
	if err != nil || len(letters) != 10 {
		t.Fatal(len(letters), err)
	}
	for _, l := range letters[:5] {
		m := Revive(l, "%RETRY%g")
		if _, _, err := c.send(t.Context(), b, &m); err != nil {
			t.Fatal(err)
		}
	}
	if p, err := c.Redrive(t.Context(), Redrive{Group: "g"}); err != nil || p.Sent != 0 || p.Busy != 10 {
		t.Fatalf("within the minute: %+v, %v", p, err)
	}
	// What the ledger says a minute later.
	run := &redriving{Redrive: Redrive{Group: "g"}, c: c, start: time.Now()}
	before := &claim{run: "killed", to: "%RETRY%g", at: time.Now()}
	for i, l := range letters {
		done, _, err := run.one(t.Context(), l, "%RETRY%g", claim{run: "next", doubt: before})
		if err != nil || !done {
			t.Fatalf("letter %d: %v", i, err)
		}
	}
	if run.progress.Found != 5 || run.progress.Sent != 5 {
		t.Errorf("got %+v", run.progress)
	}
	if got := bodiesIn(t, c, b, "%RETRY%g"); len(got) != 10 {
		t.Errorf("the retry topic has %v", got)
	}
}

// lockOrders has a member of group g consume the topic orders in order.
func lockOrders(t *testing.T, c *Cluster, b Broker) {
	t.Helper()
	lock := wire.NewRequest(wire.LockBatchMQ, nil)
	lock.Body = wire.EncodeBody(wire.LockBody{
		ConsumerGroup: "g", ClientID: "c", Queues: []wire.MessageQueue{{Topic: "orders", BrokerName: b.Name, QueueID: 0}},
	})
	if _, err := c.call(t.Context(), b.Addr, lock); err != nil {
		t.Fatal(err)
	}
}

// While a member of the group consumes in order, the broker puts what comes to
// the retry topic among the dead letters.
func TestARunStopsWhenTheBrokerPutsItsMessagesAmongTheDead(t *testing.T) {
	c, b := live(t)
	die(t, c, b, "g", "orders", numbered(5)...)
	lockOrders(t, c, b)
	p, err := c.Redrive(t.Context(), Redrive{Group: "g"})
	if err == nil || !strings.Contains(err.Error(), "consume in order") || p.Sent != 1 {
		t.Fatalf("got %+v, %v", p, err)
	}
	if p, err = c.Redrive(t.Context(), Redrive{Group: "g", To: ToOrigin}); err != nil || p.Sent != 5 {
		t.Errorf("to the origin: %+v, %v", p, err)
	}
}

func TestARateHoldsRunsBack(t *testing.T) {
	c, b := live(t)
	die(t, c, b, "g", "orders", numbered(6)...)
	p, err := c.Redrive(t.Context(), Redrive{Group: "g", Rate: 100})
	if err != nil || p.Sent != 6 || p.Elapsed < 50*time.Millisecond {
		t.Errorf("got %+v, %v", p, err)
	}
}

func TestSavedLettersComeBackAsTheyWere(t *testing.T) {
	c, b := live(t)
	die(t, c, b, "g", "orders", "text", "\xff\x00bytes")
	var file bytes.Buffer
	if n, err := c.SaveDeadLetters(t.Context(), "g", DeadLetterFilter{}, 0, &file); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	last, err := c.SendSaved(t.Context(), &file, 1, Redrive{})
	if err != nil || last != 2 {
		t.Fatal(last, err)
	}
	if got := bodiesIn(t, c, b, "%RETRY%g"); len(got) != 2 || got[0] != "text" || got[1] != "\xff\x00bytes" {
		t.Errorf("got %q", got)
	}
}

func FuzzReadLetters(f *testing.F) {
	f.Add([]byte(`{"group":"g","id":"I","origin":"o","properties":{"a":"b"},"body":"x"}` + "\n"))
	f.Add([]byte(`{"group":"g","id":"I","origin":"o","body_base64":"AAE="}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		readLetters(bytes.NewReader(file), func(_ int, l *DeadLetter) error {
			l.Record.StoreHost = anyHost
			m := Revive(l, Destination(l, ToRetry))
			if m.Topic == "" {
				t.Error("a letter without a place to go to")
			}
			return nil
		})
	})
}
