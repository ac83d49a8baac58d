package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

func TestSheetHasTheWidthsOfMqadminUnderItsNameOnly(t *testing.T) {
	sheetOf := func(old bool) string {
		s := (&sheet{old: old}).table("%-6s %4d %8.2f", "#Name", "#N", "#Rate")
		s.row("a", 1, 2.0)
		s.line("total %d", 1)
		var b bytes.Buffer
		if err := s.write(&b); err != nil {
			t.Fatal(err)
		}
		return b.String()
	}
	if got, want := sheetOf(true), "#Name    #N    #Rate\na         1     2.00\ntotal 1\n"; got != want {
		t.Errorf("under mqadmin's name:\n%s", got)
	}
	if got, want := sheetOf(false), "NAME  N  RATE\na     1  2.00\ntotal 1\n"; got != want {
		t.Errorf("under ours:\n%s", got)
	}
}

func TestTracesAreReadAsClientsWriteThem(t *testing.T) {
	pub := strings.Join([]string{"Pub", "1795996374388", "DefaultRegion", "shop", "orders", "ID", "tag", "key", "127.0.0.1:10911", "5", "3", "0", "OFFSETID", "true", "10.0.0.1"}, "\x01")
	sub := strings.Join([]string{"SubAfter", "request", "ID", "7", "false", "key", "0", "1795996374400", "billing"}, "\x01")
	other := strings.ReplaceAll(pub, "\x01ID\x01", "\x01OTHER\x01")
	got := decodeTrace(pub+"\x02"+other+"\x02"+sub+"\x02", "ID", "10.0.0.1")
	if len(got) != 2 || got[0].Type != "Pub" || got[0].Group != "shop" || got[0].Millis != 3 || got[0].Status != "success" ||
		got[0].At.UnixMilli() != 1795996374388 {
		t.Fatalf("%+v", got)
	}
	if got[1].Type != "Sub" || got[1].Group != "billing" || got[1].Millis != 7 || got[1].Status != "failed" {
		t.Errorf("%+v", got[1])
	}
}

func FuzzDecodeTrace(f *testing.F) {
	f.Add("Pub\x01\x01\x01\x01\x01ID\x02SubAfter\x01\x01ID\x01\x01\x01\x02")
	f.Fuzz(func(t *testing.T, text string) {
		if got := decodeTrace(text, "ID", ""); len(got) > len(text) {
			t.Errorf("%d traces from %d bytes", len(got), len(text))
		}
	})
}

func TestQueuesThatDoNotGetOnAreNamed(t *testing.T) {
	now := time.UnixMilli(1_000_000)
	queue := wire.MessageQueue{Topic: "orders", BrokerName: "b", QueueID: 3}
	for _, test := range []struct {
		orderly string
		queue   wire.ProcessQueueInfo
		want    string
	}{
		{"false", wire.ProcessQueueInfo{CachedMessageCount: 1, LastConsumeTimestamp: 1_000_000 - 61_000}, "can't consume for a while, maybe blocked, 61000ms"},
		{"false", wire.ProcessQueueInfo{LastConsumeTimestamp: 0}, ""},
		{"true", wire.ProcessQueueInfo{LastLockTimestamp: 999_000}, "can't lock for a while, 1000ms"},
		{"true", wire.ProcessQueueInfo{Locked: true, Dropped: true, TryUnlockTimes: 2}, "unlock 2 times, still failed"},
	} {
		got := troubles(&wire.ConsumerRunningInfo{
			Properties: map[string]string{"PROP_CONSUME_TYPE": "CONSUME_PASSIVELY", "PROP_CONSUMEORDERLY": test.orderly},
			Queues:     map[wire.MessageQueue]wire.ProcessQueueInfo{queue: test.queue},
		}, now)
		if text := strings.Join(got, ""); (test.want == "") != (text == "") || !strings.HasSuffix(text, test.want) {
			t.Errorf("%+v: %q, want %q", test.queue, text, test.want)
		}
	}
}
