package broker

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// BenchmarkMillionQueues makes 100,000 topics of ten queues, stores a message in
// each queue, and says what a queue takes of memory and disk once the broker has
// settled, and how long a restart takes. On a disk most of it is the wait for
// each new topic to be on stable storage; TMPDIR in memory leaves that out.
func BenchmarkMillionQueues(b *testing.B) {
	const topics, queues = 100_000, 10
	for b.Loop() {
		dir := b.TempDir()
		br, stop := liteBroker(b, dir)
		before, onDisk := heapInUse(), bytesIn(b, dir)
		began := time.Now()
		for i := range topics {
			if err := br.PutTopic(b.Context(), mq.Topic{Name: fmt.Sprintf("topic-%06d", i), ReadQueues: queues, WriteQueues: queues, Perm: 6}); err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(topics/time.Since(began).Seconds(), "topics/s")
		began = time.Now()
		for i := 0; i < topics; i += 10 {
			sendQueues(b, br, i, 10, queues)
		}
		b.ReportMetric(topics*queues/time.Since(began).Seconds(), "sends/s")
		b.ReportMetric(float64(heapInUse()-before)/(topics*queues), "busy-heap-B/queue")
		stop()
		b.ReportMetric(float64(bytesIn(b, dir)-onDisk)/(topics*queues), "disk-B/queue")
		began = time.Now()
		cpu := cpuTime(b)
		br, stop = liteBroker(b, dir)
		b.ReportMetric(float64(time.Since(began).Milliseconds()), "open-ms")
		b.ReportMetric(float64((cpuTime(b) - cpu).Milliseconds()), "open-cpu-ms")
		b.ReportMetric(float64(heapInUse()-before)/(topics*queues), "heap-B/queue")
		if lo, hi, err := br.Bounds(b.Context(), mq.Queue{Topic: "topic-099999", ID: 9}); err != nil || lo != 0 || hi != 1 {
			b.Fatal(lo, hi, err)
		}
		stop()
	}
}

// sendQueues sends a message to each queue of n topics from a number on.
func sendQueues(b *testing.B, br *Broker, from, n, queues int) {
	b.Helper()
	batch := &mq.SendBatch{}
	for i := range n * queues {
		batch.Sends = append(batch.Sends, mq.Send{Message: mq.Message{
			Topic: fmt.Sprintf("topic-%06d", from+i/queues), QueueID: int32(i % queues), Properties: props(mq.PropUniqueKey, "K"), Body: []byte("hello"),
		}})
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

// cpuTime is what this process has used of the processors, which says more than
// the time that went by where the machine does other things too.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
