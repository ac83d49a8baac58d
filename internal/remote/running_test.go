package remote

import (
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// A member tells what it has in hand of each queue that it reads, and nothing of
// those it gave up.
func TestMemberTellsWhatItDoes(t *testing.T) {
	s := &share{c: &Cluster{o: Options{NameServers: []string{"ns:9876"}}}, m: Member{Group: "g", Topic: "T", Expression: "a||b"}, began: time.UnixMilli(5)}
	s.mu.reads = map[Queue]progress{}
	kept, given := Queue{mq.Queue{Topic: "T", ID: 1}, "b", "b:10911"}, Queue{mq.Queue{Topic: "T", ID: 2}, "b", "b:10911"}
	s.note(kept, func(p *progress) { p.pulled, p.committed = time.UnixMilli(7), 40 })
	s.note(kept, func(p *progress) { p.consumed, p.waiting, p.first, p.last = time.UnixMilli(8), 3, 40, 42 })
	s.note(given, func(p *progress) { p.committed = 1 })
	s.forget(given)

	var told wire.ConsumerRunningInfo
	if err := wire.DecodeBody(wire.EncodeBody(s.running()), &told); err != nil {
		t.Fatal(err)
	}
	q, ok := told.Queues[wire.MessageQueue{Topic: "T", BrokerName: "b", QueueID: 1}]
	if !ok || len(told.Queues) != 1 {
		t.Fatalf("queues = %v, want that of id 1 alone", told.Queues)
	}
	want := wire.ProcessQueueInfo{CachedMessageCount: 3, CachedMinOffset: 40, CachedMaxOffset: 42, CommitOffset: 40, LastPullTimestamp: 7, LastConsumeTimestamp: 8}
	if q != want {
		t.Errorf("queue = %+v, want %+v", q, want)
	}
	if told.Properties["PROP_CONSUMER_START_TIMESTAMP"] != "5" || len(told.Subscriptions) != 1 || len(told.Subscriptions[0].TagsSet) != 2 {
		t.Errorf("properties = %v, subscriptions = %v", told.Properties, told.Subscriptions)
	}
}
