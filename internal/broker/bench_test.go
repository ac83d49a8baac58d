package broker

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/limit"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// benchBroker runs a broker on the real disk until the benchmark ends.
func benchBroker(b *testing.B) *Broker {
	br, err := New(Options{Name: "broker-a", Store: store.Options{Dir: b.TempDir(), FS: vfs.Default}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { br.Run(ctx) })
	b.Cleanup(func() {
		cancel()
		wg.Wait()
		br.Close()
	})
	return br
}

// BenchmarkSend sends 1 KiB messages in batches of 32, as a busy connection
// hands them over; bytes and allocations are per message.
func BenchmarkSend(b *testing.B) {
	br := benchBroker(b)
	body, kv := make([]byte, 1024), props("UNIQ_KEY", "7F0000011E1C1DBD16A667DCAF8B0000", "WAIT", "true", "TAGS", "t")
	var batch mq.SendBatch
	done := make(chan struct{}, 1)
	reply := func(*mq.SendBatch) { done <- struct{}{} }
	batch.Sends = make([]mq.Send, 32)
	b.SetBytes(1024)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(batch.Sends) {
		for i := range batch.Sends {
			s := &batch.Sends[i]
			*s = mq.Send{DefaultTopic: mq.TopicDefault, DefaultQueues: 8, Result: s.Result}
			s.Message = mq.Message{Topic: "T", QueueID: int32(i % 8), Properties: kv, Body: body}
		}
		batch.Done = reply
		br.Send(&batch)
		<-done
		for i := range batch.Sends {
			if err := batch.Sends[i].Err; err != nil {
				b.Fatal(err)
			}
		}
	}
}

// BenchmarkSendOnce is BenchmarkSend to a topic that wants each message once.
func BenchmarkSendOnce(b *testing.B) {
	br := benchBroker(b)
	if err := br.PutTopic(b.Context(), mq.Topic{
		Name: "T", ReadQueues: 8, WriteQueues: 8, Perm: 6, Attributes: map[string]string{"+dedup.window.seconds": "60"},
	}); err != nil {
		b.Fatal(err)
	}
	br.live.Load().MaxDedupKeys = 1 << 30
	body, kv := make([]byte, 1024), props("UNIQ_KEY", "7F0000011E1C1DBD16A667DCAF8B0000", "WAIT", "true", "TAGS", "t")
	batch := mq.SendBatch{Sends: make([]mq.Send, 32)}
	keys := make([][]byte, len(batch.Sends))
	for i := range keys {
		keys[i] = bytes.Clone(kv)
	}
	done := make(chan struct{}, 1)
	b.SetBytes(1024)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(batch.Sends) {
		for i := range batch.Sends {
			copy(keys[i][9:], fmt.Sprintf("%032X", n+i))
			batch.Sends[i] = mq.Send{DefaultTopic: mq.TopicDefault, DefaultQueues: 8, Result: batch.Sends[i].Result}
			batch.Sends[i].Message = mq.Message{Topic: "T", QueueID: int32(i % 8), Properties: keys[i], Body: body}
		}
		batch.Done = func(*mq.SendBatch) { done <- struct{}{} }
		br.Send(&batch)
		<-done
		if err := batch.Sends[0].Err; err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkPull pulls 1 KiB messages in batches of 32; bytes and allocations
// are per message.
func BenchmarkPull(b *testing.B) { benchPull(b, func(*Broker) {}) }

// BenchmarkPullLimited is BenchmarkPull with limits that are not reached.
func BenchmarkPullLimited(b *testing.B) {
	benchPull(b, func(br *Broker) {
		g := newGroup("G")
		g.Attributes = map[string]string{"+" + attrRateMessages: "1000000000", "+" + attrRateBytes: "1000000000000"}
		if err := br.PutGroup(b.Context(), g); err != nil {
			b.Fatal(err)
		}
	})
}

func benchPull(b *testing.B, prepare func(*Broker)) {
	br := benchBroker(b)
	prepare(br)
	batch := mq.SendBatch{Sends: make([]mq.Send, 3200)}
	done := make(chan struct{}, 1)
	batch.Done = func(*mq.SendBatch) { done <- struct{}{} }
	for i := range batch.Sends {
		batch.Sends[i] = message("T", string(make([]byte, 1024)))
	}
	br.Send(&batch)
	<-done
	r := mq.PullRequest{Group: "G", Queue: mq.Queue{Topic: "T"}, MaxMessages: 32, Wait: time.Second}
	reply := func(p mq.Batch, err error) {
		if err != nil || p.Count != 32 {
			b.Fatal(p.Count, err)
		}
		p.Release()
	}
	b.SetBytes(1024)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += 32 {
		br.Pull(context.Background(), r, reply)
		r.From = (r.From + 32) % 3200
	}
}

// Sending to a topic that is known allocates nothing in this package: what the
// broker remembers of a batch is reused.
func TestSendAllocatesNothing(t *testing.T) {
	b := new(Broker)
	o := Options{Name: "broker-a"}.WithDefaults()
	b.live.Store(newLive(o))
	b.stats, b.ids = new(stats), newUniqueKeys()
	b.topics.table = newTable[topic]()
	b.setTopic(mq.Topic{Name: "T", ReadQueues: 8, WriteQueues: 8, Perm: 6, FilterType: singleTag})
	visit, err := limit.New(limit.Broker).Connect(mq.Caller{})
	if err != nil {
		t.Fatal(err)
	}
	s := &sending{b: b, batch: &mq.SendBatch{From: visit}}
	kv := props("UNIQ_KEY", "K", "WAIT", "true", "TAGS", "t")
	send := mq.Send{Message: mq.Message{Topic: "T", QueueID: 3, Body: []byte("x")}}
	got := testing.AllocsPerRun(1000, func() {
		s.scratch = s.scratch[:0]
		send.Properties = kv
		known, err := s.prepare(b.opts(), &send, b.topics.table.get(send.Topic))
		if err != nil {
			t.Fatal(err)
		}
		b.countPut(known, &send, s.kind)
	})
	if got != 0 {
		t.Errorf("a message costs %v allocations", got)
	}
}
