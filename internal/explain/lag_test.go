package explain

import (
	"strings"
	"testing"
	"time"
)

func TestALagIsExplainedByWhatWeighsMost(t *testing.T) {
	queue := Queue{Topic: "T", Broker: "b", Committed: 10, End: 110, Next: now.Add(-time.Minute), Owner: "m"}
	member := Member{ID: "m", Queues: 1}
	for _, tt := range []struct {
		what string
		lag  Lag
		text string
		do   string
	}{
		{"up to date", Lag{Members: []Member{member}, Queues: []Queue{{Committed: 3, End: 3}}}, "up to date", ""},
		{"nobody", Lag{Queues: []Queue{queue}}, "no consumer is connected", "start a consumer"},
		{"disabled", Lag{Disabled: true, Members: []Member{member}, Queues: []Queue{queue}}, "may not consume", "--consume=true"},
		{"forbidden", Lag{Members: []Member{member}, Queues: []Queue{queue}, Topics: []Topic{{Name: "T", Forbidden: true}}}, "forbidden", "group allow g T"},
		{"unreadable", Lag{Members: []Member{member}, Queues: []Queue{queue}, Topics: []Topic{{Name: "T", Unreadable: []string{"b"}}}}, "cannot be read on b", "topic perm"},
		{"limited", Lag{Members: []Member{member}, Queues: []Queue{queue}, Topics: []Topic{{Name: "T", Limited: "5 messages a second"}}}, "slowed down to 5", "describe"},
		{"parked", Lag{Members: []Member{member}, Queues: []Queue{queue}, Topics: []Topic{{Name: "T", Parked: 2}}}, "2 message groups", "fifo list"},
		{"stuck", Lag{Members: []Member{member}, Queues: []Queue{queue}, Topics: []Topic{{Name: "T", Stuck: []Stuck{{Key: "k", Tries: 4, Behind: 9}}}}}, "tried 4 times, 9 wait", "fifo park g T k"},
		{"failing", Lag{Members: []Member{{ID: "m", Queues: 1, Failing: 2}}, Queues: []Queue{queue}}, "fails on 2.0 messages", "log of m"},
		{"different wishes", Lag{Members: []Member{{ID: "m", Subscriptions: []string{"T by TAG a"}}, {ID: "n", Subscriptions: []string{"T by TAG b"}}}, Queues: []Queue{queue}}, "different things", "same subscriptions"},
		{"idle", Lag{Members: []Member{member, {ID: "n"}}, Queues: []Queue{queue}}, "1 of 2 members have no queue", "more queues"},
		{"catching up", Lag{Members: []Member{member}, Queues: []Queue{queue}, Topics: []Topic{{Name: "T", In: 10, Out: 20}}}, "in about 10s", ""},
		{"falling behind", Lag{Members: []Member{member}, Queues: []Queue{queue}, Topics: []Topic{{Name: "T", In: 20, Out: 10}}}, "it will be more", "more members"},
		{"standing", Lag{Members: []Member{member}, Queues: []Queue{queue}}, "got none within the last minute", "look at the members"},
	} {
		tt.lag.Group = "g"
		a := TellLag(tt.lag, now)
		if len(a.Verdict) == 0 || !strings.Contains(a.Verdict[0].Text, tt.text) || !strings.Contains(a.Verdict[0].Do, tt.do) {
			t.Errorf("%s: got %+v, want %s", tt.what, a.Verdict, tt.text)
		}
	}
}

func TestAQueueSaysWhyItIsNotRead(t *testing.T) {
	for _, tt := range []struct {
		what string
		q    Queue
		text string
	}{
		{"read", Queue{Owner: "m"}, "its owner reads it"},
		{"worked on", Queue{Owner: "m", Cached: 3, Consumed: now}, "3 messages are fetched"},
		{"hanging", Queue{Owner: "m", Cached: 3, First: 17, Consumed: now.Add(-time.Hour)}, "works on offset 17 or hangs"},
		{"suspended", Queue{Owner: "m", Pulled: now.Add(-time.Hour)}, "has not asked for messages for 1h"},
		{"unlocked", Queue{Owner: "m", Ordered: true}, "has not got the lock"},
		{"orphan", Queue{}, "no member reads it"},
	} {
		tt.q.Topic, tt.q.End = "T", 5
		a := TellLag(Lag{Group: "g", Members: []Member{{ID: "m", Queues: 1}}, Queues: []Queue{tt.q}}, now)
		if !strings.Contains(a.Queues[0].Text, tt.text) {
			t.Errorf("%s: got %q", tt.what, a.Queues[0].Text)
		}
	}
	a := TellLag(Lag{Group: "g", Members: []Member{{ID: "m", Silent: "gRPC"}}, Queues: []Queue{{End: 5}}}, now)
	if !strings.Contains(a.Queues[0].Text, "not known") {
		t.Errorf("a silent member: got %q", a.Queues[0].Text)
	}
}

func TestASendSaysWhatStandsInItsWay(t *testing.T) {
	good := SendBroker{Name: "b", Addr: "b:1", Asked: true, Routed: true, RouteOK: true, Has: true, Queues: 4, Perm: 6, Allowed: 6, MaxSize: 100}
	with := func(change func(*SendBroker)) []SendBroker {
		b := good
		change(&b)
		return []SendBroker{b}
	}
	for _, tt := range []struct {
		what     string
		send     Send
		succeeds bool
		verdict  string
		finding  string
	}{
		{"fine", Send{Routed: true, Brokers: with(func(*SendBroker) {})}, true, "yes", ""},
		{"a bad name", Send{Name: "too long"}, false, "no: too long", ""},
		{"no broker", Send{}, false, "no: there is no broker", "no master"},
		{"unreachable", Send{Routed: true, Brokers: with(func(b *SendBroker) { b.Dial, b.Asked = "refused", false })}, false, "no: no broker", "cannot be reached"},
		{"read only", Send{Routed: true, Brokers: with(func(b *SendBroker) { b.Perm, b.RouteOK = 4, false })}, false, "no: no broker", "permission is 4"},
		{"wiped", Send{Routed: true, Brokers: with(func(b *SendBroker) { b.RouteOK = false })}, false, "no: no broker", "name server tells producers"},
		{"broker read only", Send{Routed: true, Brokers: with(func(b *SendBroker) { b.Allowed = 4 })}, false, "no: no broker", "brokerPermission is 4"},
		{"full", Send{Routed: true, Brokers: with(func(b *SendBroker) { b.Full, b.DiskUsed = true, "0.97" })}, false, "no: no broker", "97% used"},
		{"too long", Send{Routed: true, Size: 101, Brokers: with(func(*SendBroker) {})}, false, "no: no broker", "longer than maxMessageSize"},
		{"another type", Send{Routed: true, Type: "FIFO", Brokers: with(func(b *SendBroker) { b.Checks = true })}, false, "no: no broker", "made for NORMAL"},
		{"another type, unchecked", Send{Routed: true, Type: "FIFO", Brokers: with(func(*SendBroker) {})}, true, "yes", ""},
		{"mixed", Send{Routed: true, Type: "FIFO", Brokers: with(func(b *SendBroker) { b.Checks, b.Kind = true, "MIXED" })}, true, "yes", ""},
		{"no transactions", Send{Routed: true, Type: "TRANSACTION", Brokers: with(func(b *SendBroker) { b.NoTxn = true })}, false, "no: no broker", "rejects transactional"},
		{"a stale route", Send{Routed: true, Brokers: with(func(b *SendBroker) { b.Has = false })}, false, "no: no broker", "it has not"},
		{"no queues", Send{Routed: true, Brokers: with(func(b *SendBroker) { b.Queues = 0 })}, false, "no: no broker", "no queue"},
		{"made by the send", Send{Brokers: with(func(b *SendBroker) { b.Has, b.Routed, b.Creates = false, false, true })}, true, "yes: the send creates", "does not exist"},
		{"made by nobody", Send{Brokers: with(func(b *SendBroker) { b.Has, b.Routed = false, false })}, false, "no: the topic does not exist", "does not create topics"},
	} {
		a := TellSend(tt.send)
		text := ""
		for _, f := range a.Findings {
			text += f.Text + "\n"
		}
		if a.Succeeds != tt.succeeds || !strings.HasPrefix(a.Verdict, tt.verdict) || !strings.Contains(text, tt.finding) {
			t.Errorf("%s: got %v, %q, %q", tt.what, a.Succeeds, a.Verdict, text)
		}
	}
}
