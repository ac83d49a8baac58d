package explain

import (
	"strings"
	"testing"
	"time"
)

var now = time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)

func TestAMessagesFateIsWhatHappenedToItLast(t *testing.T) {
	until := now.Add(time.Minute)
	retry := Place{Topic: "%RETRY%g", Queue: 0, Offset: 4, Tries: 2, Stored: now}
	waits := Place{Topic: "%RETRY%g", Tries: 3, Stored: now, Due: until}
	dead := Place{Topic: "%DLQ%g", Offset: 1, Tries: 16, Stored: now, OffsetID: "AB"}
	red := &Wish{Expression: "red || blue", Type: "TAG"}
	for _, tt := range []struct {
		what  string
		group Group
		state State
		text  string
		do    string
	}{
		{"behind the offset", Group{Online: true, Committed: 11, Wants: red}, Consumed, "offset 11 is past it", ""},
		{"not wanted", Group{Online: true, Committed: 11, Wants: &Wish{"green", "TAG"}}, Filtered, `"green" (TAG) does not want it`, ""},
		{"not wanted by properties", Group{Online: true, Committed: 11, Wants: &Wish{"a > 3", "SQL92"}}, Filtered, "SQL92", ""},
		{"unknown expression", Group{Online: true, Committed: 11, Wants: &Wish{"a >", "SQL92"}}, Consumed, "past it", ""},
		{"offline, past", Group{Committed: 11}, Consumed, "not known", ""},
		{"offline, before", Group{Committed: 7}, Waiting, "no consumer of the group is connected; 3 messages", "start a consumer"},
		{"before", Group{Online: true, Committed: 7, Wants: red}, Waiting, "3 messages of its queue are before it", "goddard explain lag g"},
		{"the next one", Group{Online: true, Committed: 10, Wants: red}, Waiting, "0 messages", "goddard explain lag g"},
		{"nothing committed", Group{Online: true, Committed: -1, Wants: red}, Waiting, "nothing is committed", "goddard explain lag g"},
		{"nothing committed by itself", Group{Online: true, Committed: -1, Pulls: true, Wants: red}, NeverRead, "committed nothing", ""},
		{"disabled", Group{Online: true, Committed: 7, Wants: red, Disabled: true}, Waiting, "may not consume", "--consume=true"},
		{"forbidden", Group{Online: true, Committed: 7, Wants: red, Forbidden: true}, Waiting, "forbidden", "group allow g T"},
		{"not subscribed", Group{Online: true, Committed: -1}, NeverRead, "do not subscribe", ""},
		{"broadcasting", Group{Online: true, Broadcasts: true, Committed: -1, Wants: red}, MembersKnow, "each member", ""},
		{"in hand", Group{Committed: 11, InHand: &InHand{Until: until, Popped: now}}, Held, "in 1m0s", ""},
		{"its time is up", Group{Committed: 11, InHand: &InHand{Until: now.Add(-time.Second), Popped: now}}, Held, "its time was up", ""},
		{"parked", Group{Online: true, Committed: 11, Wants: red, Parked: "k"}, Waiting, "message group k is parked", "fifo release g T k"},
		{"waits for a try", Group{Online: true, Committed: 11, Retries: []Place{retry, waits}}, Retrying, "failed 3 times; the next try is due", ""},
		{"may be tried", Group{Online: true, Committed: 11, Retries: []Place{retry}, RetryDone: 4}, Retrying, "waits in %RETRY%g, queue 0, offset 4", "explain lag"},
		{"may be tried by nobody", Group{Committed: 11, Retries: []Place{retry}, RetryDone: 4}, Retrying, "no consumer is connected", "start a consumer"},
		{"tried with success", Group{Committed: 11, Retries: []Place{retry}, RetryDone: 5}, Consumed, "at try 3", ""},
		{"given up", Group{Committed: 11, Retries: []Place{retry}, RetryDone: 5, Dead: []Place{dead}}, DeadLetter, "after 16 tries", "dlq redrive g --id AB"},
	} {
		tt.group.Name = "g"
		m := Message{Place: Place{Topic: "T", Offset: 10, Stored: now.Add(-time.Hour)}, Tags: "red", Properties: []byte("a\x011\x02"), Groups: []Group{tt.group}}
		f := Tell(m, now).Fates[0]
		if f.State != tt.state || !strings.Contains(f.Text, tt.text) || !strings.Contains(f.Do, tt.do) || tt.do == "" && f.Do != "" {
			t.Errorf("%s: got %+v, want %s: %s", tt.what, f, tt.state, tt.text)
		}
	}
}

func TestAMessageThatConsumersDoNotSeeSaysWhy(t *testing.T) {
	half := Half{ID: "AB", Topic: "T", Group: "p", Checks: 2}
	gaveUp := half
	gaveUp.GivenUp = true
	for _, tt := range []struct {
		m        Message
		text, do string
	}{
		{Message{Half: &half}, "asked 2 times", "transaction check AB"},
		{Message{Half: &gaveUp}, "given up after 2 checks", "transaction commit AB"},
		{Message{Delayed: &Delayed{Topic: "T", Due: now.Add(time.Hour), Handle: "H"}}, "in 1h0m0s", "delay cancel H"},
		{Message{Gone: true}, "retention has taken it", ""},
		{Message{Place: Place{Topic: "%DLQ%g", OffsetID: "AB"}}, "dead letter of group g", "dlq redrive g --id AB"},
	} {
		if a := Tell(tt.m, now); !strings.Contains(a.Where.Text, tt.text) || !strings.Contains(a.Where.Do, tt.do) {
			t.Errorf("got %+v, want %s", a.Where, tt.text)
		}
	}
}

func TestAMessageSaysHowLongItIsKept(t *testing.T) {
	m := Message{Place: Place{Stored: now.Add(-time.Hour)}, Retention: 2 * time.Hour}
	if a := Tell(m, now); !strings.Contains(a.Expires.Text, "kept until") {
		t.Errorf("got %+v", a.Expires)
	}
	m.Retention = time.Minute
	if a := Tell(m, now); !strings.Contains(a.Expires.Text, "older than the retention") {
		t.Errorf("got %+v", a.Expires)
	}
	m.Retention = 0
	if a := Tell(m, now); !strings.Contains(a.Expires.Text, "not known") {
		t.Errorf("got %+v", a.Expires)
	}
}
