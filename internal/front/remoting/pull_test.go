package remoting

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// pullOf is a header that asks for queue 1 of T from an offset.
func pullOf(from int64, flags int32, subscription string) *wire.PullMessageRequest {
	return &wire.PullMessageRequest{
		ConsumerGroup: "G", Topic: "T", QueueID: 1, QueueOffset: from, MaxMsgNums: 32, SysFlag: flags,
		CommitOffset: 5, SuspendTimeoutMillis: 15000, Subscription: subscription, SubVersion: 10, ExpressionType: "TAG",
	}
}

func TestPullAnswersWithTheBrokersBytesAndGivesThemBack(t *testing.T) {
	r := newRig(t)
	released := make(chan struct{}, 1)
	big := make([]byte, 64<<10)
	r.fake.pull = func(mq.PullRequest) (mq.Batch, error, bool) {
		return mq.Batch{
			Status: mq.PullFound, Count: 2, Next: 9, Min: 1, Max: 12, Data: [][]byte{[]byte("records "), big},
			Release: func() { released <- struct{}{} },
		}, nil, true
	}
	resp := r.good(wire.PullMessage, pullOf(7, pullCommits|pullWaits|pullSubscribe, "*"), "")
	<-released
	if len(resp.Body) != 8+len(big) || string(resp.Body[:8]) != "records " {
		t.Errorf("the body has %d bytes", len(resp.Body))
	}
	for key, want := range map[string]string{"nextBeginOffset": "9", "minOffset": "1", "maxOffset": "12", "suggestWhichBrokerId": "0"} {
		if got := field(resp, key); got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
	p := r.fake.pulls[0]
	if p.Group != "G" || p.Queue != (mq.Queue{Topic: "T", ID: 1}) || p.From != 7 || p.MaxMessages != 32 ||
		p.Wait != 15*time.Second || p.Filter != nil || p.Commit == nil || *p.Commit != 5 || p.Via != (visit{r.fake}) {
		t.Errorf("the broker was asked %+v", p)
	}
}

func TestPullWithoutFlagsNeitherCommitsNorWaits(t *testing.T) {
	r := newRig(t)
	r.want(wire.CodePullNotFound, r.call(wire.LitePullMessage, pullOf(0, pullSubscribe, ""), ""))
	if p := r.fake.pulls[0]; p.Commit != nil || p.Wait != 0 {
		t.Errorf("the broker was asked %+v", p)
	}
}

func TestPullOutcomes(t *testing.T) {
	for _, c := range []struct {
		status mq.PullStatus
		from   mq.QueueOffset
		want   wire.Code
	}{
		{mq.PullFound, 0, wire.CodeSuccess},
		{mq.PullNoNew, 3, wire.CodePullNotFound},
		{mq.PullNoMatch, 3, wire.CodePullRetryImmediately},
		{mq.PullOffsetIllegal, 3, wire.CodePullOffsetMoved},
		{mq.PullNoQueue, 0, wire.CodePullNotFound},
		{mq.PullNoQueue, 3, wire.CodePullOffsetMoved},
	} {
		if got, _ := pullOutcome(c.status, c.from); got != c.want {
			t.Errorf("status %d from %d answers %s, want %s", c.status, c.from, got.ResponseString(), c.want.ResponseString())
		}
	}
}

func TestPullFiltersByTheRequestsTags(t *testing.T) {
	r := newRig(t)
	r.call(wire.PullMessage, pullOf(0, pullSubscribe, " a || b "), "")
	f := r.fake.pulls[0].Filter
	for tag, want := range map[string]bool{"a": true, "b": true, "c": false, "": false} {
		if f.Match(mq.TagCode(tag)) != want {
			t.Errorf("tag %q matches %v", tag, !want)
		}
	}
}

func TestPullFiltersByWhatTheGroupSubscribedTo(t *testing.T) {
	r := newRig(t)
	r.want(wire.CodeSubscriptionNotExist, r.call(wire.PullMessage, pullOf(0, 0, ""), ""))
	r.fake.sub = &mq.Subscription{Topic: "T", Expression: "a", Version: 9}
	r.want(wire.CodeSubscriptionNotLatest, r.call(wire.PullMessage, pullOf(0, 0, ""), ""))
	r.fake.sub = &mq.Subscription{Topic: "T", Expression: "a", Version: 10}
	r.want(wire.CodePullNotFound, r.call(wire.PullMessage, pullOf(0, 0, ""), ""))
	if f := r.fake.pulls[0].Filter; f == nil || !f.Match(mq.TagCode("a")) || f.Match(mq.TagCode("b")) {
		t.Errorf("the filter is %v", f)
	}
}

func TestPullFiltersBySQL(t *testing.T) {
	r := newRig(t)
	h := pullOf(0, pullSubscribe, "a > 1")
	h.ExpressionType = "SQL92"
	for range 2 {
		r.want(wire.CodePullNotFound, r.call(wire.PullMessage, h, ""))
	}
	r.fake.sub = &mq.Subscription{Topic: "T", Expression: "a > 1", Type: "SQL92", Version: 10}
	r.want(wire.CodePullNotFound, r.call(wire.PullMessage, pullOf(0, 0, ""), ""))
	for i, p := range r.fake.pulls {
		f, ok := p.Filter.(mq.PropertyFilter)
		if !ok || !f.MatchProperties([]byte("a\x012\x02")) || f.MatchProperties([]byte("a\x011\x02")) {
			t.Errorf("filter %d is %v", i, p.Filter)
		}
		if p.Filter != r.fake.pulls[0].Filter {
			t.Errorf("filter %d was compiled again", i)
		}
	}
}

func TestBadExpressionsAreRefusedWithTheirPlace(t *testing.T) {
	r := newRig(t)
	pull := func(kind, expression string) *wire.Command {
		h := pullOf(0, pullSubscribe, expression)
		h.ExpressionType = kind
		return r.call(wire.PullMessage, h, "")
	}
	check := func(kind, expression string) *wire.Command {
		return r.call(wire.CheckClientConfig, nil, fmt.Sprintf(`{"subscriptionData":{"expressionType":%q,"subString":%q}}`, kind, expression))
	}
	beat := func(kind, expression string) *wire.Command {
		return r.call(wire.HeartBeat, nil, fmt.Sprintf(`{"clientID":"c","consumerDataSet":[{"groupName":"Good","subscriptionDataSet":[]},
			{"groupName":"Bad","subscriptionDataSet":[{"topic":"T","subString":%q,"expressionType":%q}]}]}`, expression, kind))
	}
	for _, c := range []struct{ kind, expression, remark string }{
		{"SQL92", "a > 1 and", "character 10"},
		{"SQL92", "a > 1 b", "character 7"},
		{"SQL92", strings.Repeat("a", 64<<10+1), "65537 bytes"},
		{"JAVASCRIPT", "a", "JAVASCRIPT"},
	} {
		for name, ask := range map[string]func(string, string) *wire.Command{"pull": pull, "check": check, "beat": beat} {
			resp := ask(c.kind, c.expression)
			if resp.Code != wire.CodeSubscriptionParseFailed || !strings.Contains(resp.Remark, c.remark) {
				t.Errorf("%s of %.20s: %v, %q", name, c.expression, resp.Code, resp.Remark)
			}
		}
	}
	for _, m := range r.fake.joined {
		if len(m.Consumers) != 1 || m.Consumers[0].Group != "Good" {
			t.Errorf("joined %+v", m)
		}
	}
	r.want(wire.CodeSubscriptionParseFailed, pull("", "||"))
	longest := "a = '" + strings.Repeat("x", 64<<10-6) + "'"
	r.want(wire.CodePullNotFound, pull("SQL92", longest))
	r.want(wire.CodeSuccess, check("SQL92", longest))
	r.want(wire.CodeSuccess, beat("SQL92", longest))
	r.want(wire.CodeSuccess, check("TAG", "a || b"))
}

func TestSQLIsRefusedWhereItIsSwitchedOff(t *testing.T) {
	r := newRig(t)
	r.handler.noSelectors = true
	resp := r.call(wire.CheckClientConfig, nil, `{"subscriptionData":{"expressionType":"SQL92","subString":"a>1"}}`)
	if resp.Code != wire.CodeSystemError || !strings.Contains(resp.Remark, "property-filter") {
		t.Errorf("answered %v, %q", resp.Code, resp.Remark)
	}
}

func TestPullThatIsParkedDoesNotHoldUpTheConnection(t *testing.T) {
	r := newRig(t)
	r.fake.pull = func(mq.PullRequest) (mq.Batch, error, bool) { return mq.Batch{}, nil, false }
	answered := make(chan wire.Code, 1)
	r.client.Go(wire.NewRequest(wire.PullMessage, pullOf(0, pullWaits|pullSubscribe, "*")), 0, func(resp *wire.Command, err error) {
		if err == nil {
			answered <- resp.Code
		}
	})
	parked := func() (n int) {
		r.fake.mu.Lock()
		defer r.fake.mu.Unlock()
		return len(r.fake.parked)
	}
	for parked() == 0 {
		r.good(wire.GetBrokerRuntimeInfo, nil, "")
	}
	r.fake.parked[0](mq.Batch{Status: mq.PullNoNew, Release: func() {}}, nil)
	if code := <-answered; code != wire.CodePullNotFound {
		t.Errorf("answered %s", code.ResponseString())
	}
}

func TestPullsBeyondTheLimitSaySystemBusy(t *testing.T) {
	r := newRig(t)
	serverConn(r).pulls.Store(maxPulls)
	r.want(wire.CodeSystemBusy, r.call(wire.PullMessage, pullOf(0, pullSubscribe, "*"), ""))
}

// A client that does not read what it pulled gets no more of the broker's
// memory, and everything it asked for once it reads.
func TestPullsOfASlowConsumerWaitUntilItHasRead(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	r.fake.pull = func(p mq.PullRequest) (mq.Batch, error, bool) {
		return mq.Batch{Status: mq.PullFound, Next: p.From + 1, Data: [][]byte{[]byte("record")}, Release: func() {}}, nil, true
	}
	s.mu.Lock()
	s.mu.unread = maxUnread // as if so much were waiting in the connection
	s.mu.Unlock()
	answers := make(chan string, 8)
	for i := range cap(answers) {
		r.client.Go(wire.NewRequest(wire.PullMessage, pullOf(int64(i), pullCommits|pullSubscribe, "*")), 0, func(resp *wire.Command, err error) {
			if err != nil {
				answers <- err.Error()
				return
			}
			answers <- field(resp, "nextBeginOffset")
		})
	}
	held := func() int {
		s.mu.Lock()
		defer s.mu.Unlock()
		return len(s.mu.held)
	}
	for held() < cap(answers) {
		r.good(wire.GetBrokerRuntimeInfo, nil, "")
	}
	if n := r.pulled(); n != 0 {
		t.Fatalf("the broker was asked %d times for a client that does not read", n)
	}
	s.unhold(maxUnread)
	got := map[string]bool{}
	for range cap(answers) {
		got[<-answers] = true
	}
	r.fake.mu.Lock()
	defer r.fake.mu.Unlock()
	for i := range cap(answers) {
		if !got[fmt.Sprint(i+1)] {
			t.Errorf("pull %d was not answered: %v", i, got)
		}
		if r.fake.pulls[i].Commit == nil {
			t.Errorf("pull %d lost the offset that it commits", i)
		}
	}
}

// Pulls that wake together may be more than fit: the rest is asked for again,
// without committing again.
func TestPullsThatWakeTogetherAndDoNotFitAreAskedAgain(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	r.fake.pull = func(mq.PullRequest) (mq.Batch, error, bool) { return mq.Batch{}, nil, false }
	answer := make(chan wire.Code, 1)
	r.client.Go(wire.NewRequest(wire.PullMessage, pullOf(0, pullCommits|pullWaits|pullSubscribe, "*")), 0, func(resp *wire.Command, err error) {
		if err == nil {
			answer <- resp.Code
		}
	})
	for r.pulled() == 0 {
		r.good(wire.GetBrokerRuntimeInfo, nil, "")
	}
	r.fake.mu.Lock()
	wake := r.fake.parked[0]
	r.fake.mu.Unlock()
	s.mu.Lock()
	s.mu.unread = maxUnread
	s.mu.Unlock()
	released := false
	wake(mq.Batch{Status: mq.PullFound, Data: [][]byte{[]byte("record")}, Release: func() { released = true }}, nil)
	if !released {
		t.Fatal("the records that did not fit were kept")
	}
	r.fake.mu.Lock()
	r.fake.pull = nil
	r.fake.mu.Unlock()
	s.unhold(maxUnread)
	if code := <-answer; code != wire.CodePullNotFound {
		t.Errorf("answered %s", code.ResponseString())
	}
	first, second := r.fake.pulls[0], r.fake.pulls[1]
	if first.Commit == nil || second.Commit != nil {
		t.Errorf("commits: first %v, second %v; want only the first", first.Commit, second.Commit)
	}
}

// pulled is how many pulls the broker has seen.
func (r *rig) pulled() int {
	r.fake.mu.Lock()
	defer r.fake.mu.Unlock()
	return len(r.fake.pulls)
}

func TestClosedConnectionLeavesItsGroupsAfterItsWorkHasEnded(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	started, ended := make(chan struct{}), make(chan struct{})
	s.beside(func() {
		close(started)
		<-s.ctx.Done()
		close(ended)
	})
	<-started
	r.client.Close()
	<-ended
	if left := <-r.fake.left; left != "   true" {
		t.Errorf("left %q, want every group", left)
	}
}

func TestAskOfAClientThatIsGoneFails(t *testing.T) {
	r := newRig(t)
	s := serverConn(r)
	r.client.Close()
	<-s.ctx.Done()
	if _, err := s.Ask(context.Background(), int32(wire.GetConsumerRunningInfo), nil, nil); err == nil {
		t.Error("a client that is gone answered")
	}
	s.ConsumersChanged("G") // must not block or panic
}
