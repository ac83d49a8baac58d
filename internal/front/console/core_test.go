package console

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
)

func TestTheDocumentationHasEveryEndpointAndNoOther(t *testing.T) {
	text, err := os.ReadFile("../../../docs/CONSOLE-API.md")
	if err != nil {
		t.Fatal(err)
	}
	var written []string
	for _, m := range regexp.MustCompile("`(GET|POST|PUT|PATCH|DELETE) (/[^`?\\s]*)").FindAllStringSubmatch(string(text), -1) {
		written = append(written, m[1]+" "+strings.TrimPrefix(m[2], base))
	}
	var there []string
	for _, r := range routes() {
		at := r.method + " " + r.path
		there = append(there, at)
		if !slices.Contains(written, at) {
			t.Errorf("docs/CONSOLE-API.md lacks %s (%s)", at, r.what)
		}
	}
	for _, at := range written {
		if !slices.Contains(there, at) {
			t.Errorf("docs/CONSOLE-API.md has %s, which there is not", at)
		}
	}
}

// Endpoints that check by themselves, because what they are about is in the body
// or only known later.
func TestEveryEndpointAsksWhetherItsCallerMay(t *testing.T) {
	byItself := []string{
		"POST /topics", "POST /groups", "GET /messages/{id}", "GET /messages/{id}/body", "GET /messages/{id}/trace", "POST /messages/{id}/consume",
		"GET /jobs", "GET /jobs/{id}", "DELETE /jobs/{id}", "GET /delayed", "POST /delayed/recall", "GET /history",
	}
	for _, r := range routes() {
		at := r.method + " " + r.path
		if own := slices.Contains(byItself, at); (r.action == "") != (own || r.open) {
			t.Errorf("%s asks for %q on %q", at, r.action, r.resource)
		}
		if strings.Contains(r.path, "{topic}") && r.resource != ofTopic || strings.HasPrefix(r.path, "/groups/{group}") && r.resource != ofGroup {
			t.Errorf("%s asks about %q", at, r.resource)
		}
		if r.what == "" {
			t.Errorf("%s says nothing about itself", at)
		}
	}
}

func TestTopicsOfSeveralBrokersAreOneRow(t *testing.T) {
	a, b := admin.Broker{Cluster: "east", Name: "a"}, admin.Broker{Cluster: "west", Name: "b"}
	m := newTableMaker([]admin.Broker{a, b})
	for _, at := range []admin.Broker{a, b} {
		m.add(at, &mq.Topic{Name: "orders", ReadQueues: 2, WriteQueues: 4, Perm: map[string]int32{"a": 6, "b": 4}[at.Name]})
		m.add(at, &mq.Topic{Name: "events", Attributes: map[string]string{"message.type": "FIFO"}})
		m.add(at, &mq.Topic{Name: "%DLQ%g"})
		m.add(at, &mq.Topic{Name: "east"})
	}
	table := m.table()
	row := table.find("orders")
	if row.read != 4 || row.write != 8 || row.perm != 6 || !row.permDiffers || strings.Join(row.place.brokers, " ") != "a b" || strings.Join(row.place.clusters, " ") != "east west" {
		t.Errorf("got %+v", row)
	}
	if row.place != table.find("events").place {
		t.Error("the same brokers are listed twice in memory")
	}
	if k := table.kinds(); k[kindUser] != 2 || k[kindDLQ] != 1 || k[kindSystem] != 1 {
		t.Errorf("got %v", k)
	}
	less := table.with("orders", nil)
	if less.find("orders") != nil || table.find("orders") == nil || less.with("orders", row).find("orders") != row {
		t.Error("a change of the table changed the one before")
	}
}

func TestAPageOfTopicsIsTheSameWhateverTheOrderOfLooking(t *testing.T) {
	m := newTableMaker(nil)
	for i := range 1000 {
		m.add(admin.Broker{Name: "a"}, &mq.Topic{Name: fmt.Sprintf("T%03d", i), WriteQueues: int32(i % 7)})
	}
	table := m.table()
	for _, s := range []selection{
		{sort: "name", offset: 10, limit: 20}, {sort: "name", descending: true, offset: 10, limit: 20}, {sort: "name", q: "t9", offset: 95, limit: 20}, {sort: "name", offset: 999, limit: 20},
	} {
		s.kind = kindUser
		rows, total := s.topics(table, nil)
		var want []*topicRow
		for _, row := range table {
			if strings.Contains(row.lower, s.q) {
				want = append(want, row)
			}
		}
		if s.descending {
			slices.Reverse(want)
		}
		if total != len(want) || !slices.Equal(rows, cut(want, s.offset, s.limit)) {
			t.Errorf("%+v: %d rows of %d", s, len(rows), total)
		}
	}
}

func TestASeriesKeepsAnHourFineAndThreeDaysCoarse(t *testing.T) {
	var s series
	start := int64(1_800_000_000)
	for i := range int64(4 * 24 * 360) { // four days
		if i%1000 != 7 { // some are missing
			s.add(start+i*fineStep, float64(i))
		}
	}
	now := start + (4*24*360-1)*fineStep
	fine := s.points(now, 3600)
	if len(fine) != 361 || fine[360] != (point{now, float64(4*24*360 - 1)}) {
		t.Errorf("%d fine points, the last %v", len(fine), fine[len(fine)-1])
	}
	coarse := s.points(now, coarseSpan)
	if len(coarse) != coarsePoints+1 || len(s.coarse.values) != coarsePoints || len(s.fine.values) != finePoints {
		t.Errorf("%d coarse points, %d and %d values", len(coarse), len(s.coarse.values), len(s.fine.values))
	}
	// A coarse value is the mean of its fine ones.
	first := (now - 3600) / coarseStep * coarseStep
	if got, want := s.coarse.at(first/coarseStep), float64((first-start)/fineStep)+14.5; math.Abs(got-want) > 1 {
		t.Errorf("got %v, want %v", got, want)
	}
	s.add(now+100*coarseSpan, 1) // the clock jumped
	if len(s.fine.values) != 1 || s.fine.at((now+100*coarseSpan)/fineStep) != 1 {
		t.Errorf("got %v", s.fine)
	}
	s.add(now, 9) // and back
	if v := s.fine.at((now + 100*coarseSpan) / fineStep); v != 1 {
		t.Errorf("got %v", v)
	}
}

func TestSizesOfDisksAreRead(t *testing.T) {
	for text, want := range map[string][2]int64{
		"Total : 97.5 GiB, Free : 1.0 MiB.": {104689827840, 1 << 20}, "Total : 0 B, Free : 5 B.": {0, 5},
	} {
		total, free := diskSizes(text)
		if total == nil || free == nil || *total != want[0] || *free != want[1] {
			t.Errorf("%s: got %v, %v", text, total, free)
		}
	}
	for _, text := range []string{"", "Total", "Total : x GiB, Free : y.", "Total : 1 furlong, Free : -1 GiB."} {
		if total, free := diskSizes(text); total != nil && free != nil {
			t.Errorf("%s: got %v, %v", text, *total, *free)
		}
	}
}

func TestSessionsEnd(t *testing.T) {
	s := newSessions()
	now := time.Unix(1_800_000_000, 0)
	s.now = func() time.Time { return now }
	id, _ := s.begin("alice", "")
	if s.by(id) == nil {
		t.Fatal("there is no session")
	}
	now = now.Add(sessionIdle - time.Second)
	if s.by(id) == nil {
		t.Error("it ended although it was used")
	}
	now = now.Add(sessionIdle + time.Second)
	if s.by(id) != nil {
		t.Error("it goes on although nobody used it")
	}
	first, _ := s.begin("first", "")
	now = now.Add(time.Second)
	for i := range maxSessions {
		s.begin(fmt.Sprint(i), "")
	}
	if s.by(first) != nil || len(s.all) != maxSessions {
		t.Errorf("there are %d sessions", len(s.all))
	}
}

func FuzzParseCursor(f *testing.F) {
	f.Add(cursor{Ascending: true, Queues: []scanQueue{{"a", 0, 3, 9}}}.String())
	f.Add("e30")
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseCursor(text)
		if err != nil {
			return
		}
		again, err := parseCursor(c.String())
		if err != nil || !slices.Equal(again.Queues, c.Queues) {
			t.Errorf("%v becomes %v, %v", c, again, err)
		}
	})
}

// changing is an Access for those who have a password, which may be another at any
// time.
type changing struct {
	mu        sync.Mutex // guards what follows
	passwords map[string]string
	next      chan struct{}
}

func (c *changing) set(user, password string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.passwords[user] = password
	close(c.next)
	c.next = make(chan struct{})
}

func (c *changing) Is(user, password string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return password != "" && password == c.passwords[user]
}

func (c *changing) Changed() <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next
}

func (c *changing) Login(_ context.Context, _ netip.AddrPort, user, password string) (mq.Caller, error) {
	if !c.Is(user, password) {
		return mq.Caller{}, errors.New("another password")
	}
	return mq.Caller{User: user}, nil
}

func (*changing) Allowed(context.Context, mq.Caller, string, string) error { return nil }

func TestASessionAndTheEyesItLentEndWithItsPassword(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		users := &changing{passwords: map[string]string{"alice": "secret", "bob": "other"}, next: make(chan struct{})}
		c, err := New(Options{Access: users, Local: []Site{{Name: "far", Namesrvs: []string{"127.0.0.1:1"}}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); c.keepSessions(ctx) }()
		defer func() { stop(); <-done; c.Close() }()
		asks := func(id string) bool {
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.AddCookie(&http.Cookie{Name: sessionCookie, Value: id})
			return c.proven(&request{Request: r}) != nil
		}
		eyes := func() string { return c.sites[0].eyes.Load().who.AccessKey }
		bob, _ := c.sessions.begin("bob", "other")
		time.Sleep(time.Second)
		alice, s := c.sessions.begin("alice", "secret")
		c.sites[0].lend(s)
		if !asks(alice) || eyes() != "alice" {
			t.Errorf("alice is in: %v, and the site is seen by %q", asks(alice), eyes())
		}
		users.set("alice", "another")
		if asks(alice) || asks(alice) {
			t.Error("a session outlives its password")
		}
		synctest.Wait()
		if s.ctx.Err() == nil {
			t.Error("what the session has open goes on")
		}
		if eyes() != "bob" {
			t.Errorf("the site is seen by %q after alice's session, want bob, who is in", eyes())
		}
		time.Sleep(sessionIdle + 2*sweepEvery)
		synctest.Wait()
		if asks(bob) || eyes() != "" {
			t.Errorf("bob has been away for long, and is in: %v; the site is seen by %q", asks(bob), eyes())
		}
	})
}
