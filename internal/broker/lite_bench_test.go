package broker

import (
	"context"
	"fmt"
	"io/fs"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// BenchmarkMillionLiteTopics sends a message to each of a million lite topics,
// consumes one of each of a tenth, and says what a topic takes of heap and disk
// when the broker has settled, and how long a waiting client waits from the
// send on with one lite topic and with a million.
func BenchmarkMillionLiteTopics(b *testing.B) {
	const all, tenth = 1_000_000, 100_000
	for b.Loop() {
		dir := b.TempDir()
		br, stop := liteBroker(b, dir)
		b.ReportMetric(liteWake(b, br), "wake-µs/1-topic")
		before, onDisk := heapInUse(), bytesIn(b, dir)
		began := time.Now()
		for i := 0; i < all; i += 100 {
			sendLites(b, br, i, 100)
		}
		b.ReportMetric(float64(all)/time.Since(began).Seconds(), "sends/s")
		stop()
		b.ReportMetric(float64(bytesIn(b, dir)-onDisk)/all, "disk-B/topic")
		began = time.Now()
		br, stop = liteBroker(b, dir)
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "open-ms")
		b.ReportMetric(float64(heapInUse()-before)/all, "heap-B/topic")
		b.ReportMetric(liteWake(b, br), "wake-µs/million")
		before = heapInUse()
		names := make([]string, 0, tenth)
		for i := range tenth {
			names = append(names, fmt.Sprintf("session-%08d", i))
		}
		sync := mq.LiteSubscription{Action: mq.LiteSet, ClientID: "many", Group: "G", Topic: "P", Lites: names}
		if err := br.SyncLite(b.Context(), sync); err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(heapInUse()-before)/tenth, "heap-B/subscription")
		before, began = heapInUse(), time.Now()
		drainLites(b, br, tenth)
		b.ReportMetric(tenth/time.Since(began).Seconds(), "pops-and-acks/s")
		b.ReportMetric(float64(heapInUse()-before)/tenth, "heap-B/place")
		runtime.KeepAlive(names)
		stop()
	}
}

func liteBroker(b *testing.B, dir string) (*Broker, func()) {
	b.Helper()
	br, err := New(Options{Name: "broker-a", Store: store.Options{Dir: dir, FS: vfs.Default}})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	wg.Go(func() { br.Run(ctx) })
	p := mq.Topic{Name: "P", ReadQueues: 8, WriteQueues: 8, Perm: 6, Attributes: map[string]string{"+message.type": "LITE"}}
	if t, err := br.Topic(ctx, "P"); err == nil && t.Attributes["message.type"] == "LITE" {
		p.Attributes = nil
	}
	g := newGroup("G")
	g.Attributes = map[string]string{"+lite.bind.topic": "P", "+lite.sub.client.quota": "-1"}
	if _, err := br.Group(ctx, "G"); err == nil {
		g.Attributes = nil
	}
	if err := br.PutTopic(ctx, p); err != nil {
		b.Fatal(err)
	}
	if err := br.PutGroup(ctx, g); err != nil {
		b.Fatal(err)
	}
	return br, func() {
		cancel()
		wg.Wait()
		if err := br.Close(); err != nil {
			b.Fatal(err)
		}
	}
}

// sendLites sends one message to each of n lite topics from a number on.
func sendLites(b *testing.B, br *Broker, from, n int) {
	b.Helper()
	batch := &mq.SendBatch{}
	for i := range n {
		name := fmt.Sprintf("session-%08d", from+i)
		batch.Sends = append(batch.Sends, mq.Send{Message: mq.Message{Topic: "P", QueueID: int32(i % 8), Properties: props(mq.PropLiteTopic, name), Body: []byte("hello")}})
	}
	done := make(chan struct{})
	batch.Done = func(*mq.SendBatch) { close(done) }
	br.Send(batch)
	<-done
	for i := range batch.Sends {
		if err := batch.Sends[i].Err; err != nil {
			b.Fatal(err)
		}
	}
}

// liteWake is how long it takes on average from a send until a client that
// waits has the message, in microseconds.
func liteWake(b *testing.B, br *Broker) float64 {
	b.Helper()
	const rounds = 2000
	if err := br.SyncLite(b.Context(), mq.LiteSubscription{Action: mq.LiteAdd, ClientID: "one", Group: "G", Topic: "P", Lites: []string{"session-woken"}}); err != nil {
		b.Fatal(err)
	}
	total := time.Duration(0)
	for range rounds {
		got := make(chan mq.PopBatch, 1)
		r := mq.LitePopRequest{ClientID: "one", Group: "G", Topic: "P", MaxMessages: 1, Invisible: time.Minute, Wait: time.Minute}
		br.PopLite(b.Context(), r, func(p mq.PopBatch, err error) {
			if err != nil {
				b.Error(err)
			}
			got <- p
		})
		began := time.Now()
		done := make(chan struct{})
		br.Send(&mq.SendBatch{
			Sends: []mq.Send{{Message: mq.Message{Topic: "P", Properties: props(mq.PropLiteTopic, "session-woken"), Body: []byte("hello")}}},
			Done:  func(*mq.SendBatch) { close(done) },
		})
		p := <-got
		total += time.Since(began)
		<-done
		br.Ack(b.Context(), []mq.Ack{{Group: "G", Topic: "P", Lite: "session-woken", Receipt: p.Messages[0].Receipt}})
		p.Release()
	}
	return float64(total.Microseconds()) / rounds
}

// drainLites pops and acknowledges n messages for the client that wants many.
func drainLites(b *testing.B, br *Broker, n int) {
	b.Helper()
	for n > 0 {
		got := make(chan mq.PopBatch, 1)
		r := mq.LitePopRequest{ClientID: "many", Group: "G", Topic: "P", MaxMessages: mq.MaxPop, Invisible: time.Minute, Wait: time.Minute}
		br.PopLite(b.Context(), r, func(p mq.PopBatch, err error) {
			if err != nil {
				b.Error(err)
			}
			got <- p
		})
		p := <-got
		if len(p.Messages) == 0 {
			b.Fatalf("%d messages are missing", n)
		}
		var acks []mq.Ack
		for _, m := range p.Messages {
			acks = append(acks, mq.Ack{Group: "G", Topic: "P", Lite: m.Lite, Receipt: m.Receipt})
		}
		n -= len(acks)
		p.Release()
		if errs := br.Ack(b.Context(), acks); errs != nil {
			b.Fatal(errs)
		}
	}
}

func heapInUse() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// bytesIn is the size of the key store, in which everything about lite topics
// lies but their messages.
func bytesIn(b *testing.B, dir string) (size int64) {
	b.Helper()
	err := filepath.WalkDir(filepath.Join(dir, "state"), func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil {
			size += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return size
}
