package store

import (
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// BenchmarkAppend stores messages of 1 KiB on the real file system, until they can
// be looked up too. One operation is one message.
func BenchmarkAppend(b *testing.B) {
	for _, batch := range []int{1, 32} {
		for _, queues := range []int{1, 16} {
			b.Run(fmt.Sprintf("batch=%d/queues=%d", batch, queues), func(b *testing.B) {
				s := mustOpen(b, Options{Dir: b.TempDir()})
				stop := runStore(b, s)
				sends := make([]mq.Send, batch)
				body := make([]byte, 1024)
				for i := range sends {
					sends[i].Message = mq.Message{
						Topic: "BenchmarkTest", QueueID: int32(i % queues), Body: body,
						Properties: mq.AppendProperty(mq.AppendProperty(nil, mq.PropUniqueKey, "0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A0A"), mq.PropTags, "TagA"),
					}
				}
				sb := &mq.SendBatch{Sends: sends}
				b.SetBytes(1024)
				b.ReportAllocs()
				b.ResetTimer()
				cpu := cpuTime(b)
				for n := 0; n < b.N; n += batch {
					if batch == 1 {
						sends[0].QueueID = int32(n % queues)
					}
					s.Append(sb)
					if sends[0].Err != nil {
						b.Fatal(sends[0].Err)
					}
				}
				if err := s.catchUpKeys(); err != nil {
					b.Fatal(err)
				}
				b.StopTimer()
				b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op")
				stop()
				mustClose(b, s)
			})
		}
	}
}

// BenchmarkRead reads 32 messages of 1 KiB at a time. One operation is one
// message.
func BenchmarkRead(b *testing.B) {
	for _, queues := range []int{1, 16} {
		for _, where := range []string{"recent", "old"} {
			b.Run(fmt.Sprintf("queues=%d/%s", queues, where), func(b *testing.B) {
				s := mustOpen(b, Options{Dir: b.TempDir()})
				defer mustClose(b, s)
				const perQueue = 2000
				sends := make([]mq.Send, queues)
				for i := range sends {
					sends[i].Message = mq.Message{Topic: "BenchmarkTest", QueueID: int32(i), Body: make([]byte, 1024)}
				}
				for range perQueue {
					s.Append(&mq.SendBatch{Sends: sends})
				}
				if where == "old" {
					mustClose(b, s)
					s = mustOpen(b, Options{Dir: s.o.Dir})
				}
				b.SetBytes(1024)
				b.ReportAllocs()
				b.ResetTimer()
				from := mq.QueueOffset(0)
				for n := 0; n < b.N; n += 32 {
					batch, err := s.Read(mq.Queue{Topic: "BenchmarkTest"}, from, ReadOptions{MaxMessages: 32})
					if err != nil || batch.Status != mq.PullFound {
						b.Fatal(batch.Status, err)
					}
					if from = batch.Next; from == perQueue {
						from = 0
					}
					batch.Release()
				}
			})
		}
	}
}

// BenchmarkReadTail stores 32 messages of 1 KiB in some queues in turn and reads
// them at once, from the tail in memory or, without it, from the file. One
// operation is one message that is stored and read.
func BenchmarkReadTail(b *testing.B) {
	for _, queues := range []int{1, 8} {
		for _, tail := range []bool{false, true} {
			b.Run(fmt.Sprintf("queues=%d/tail=%v", queues, tail), func(b *testing.B) {
				s := mustOpen(b, Options{Dir: b.TempDir()})
				stop := runStore(b, s)
				sends := make([]mq.Send, 32*queues)
				for i := range sends {
					sends[i].Message = mq.Message{Topic: "BenchmarkTest", QueueID: int32(i % queues), Body: make([]byte, 1024)}
				}
				sb := &mq.SendBatch{Sends: sends}
				next := make([]mq.QueueOffset, queues)
				b.ReportAllocs()
				b.ResetTimer()
				cpu := cpuTime(b)
				for n := 0; n < b.N; n += len(sends) {
					s.Append(sb)
					if !tail {
						s.tail.from.Store(tailOff)
					}
					for id := range next {
						batch, err := s.Read(mq.Queue{Topic: "BenchmarkTest", ID: int32(id)}, next[id], ReadOptions{})
						if err != nil || batch.Count != 32 {
							b.Fatal(batch.Count, err)
						}
						next[id] = batch.Next
						batch.Release()
					}
				}
				b.StopTimer()
				b.ReportMetric(float64(cpuTime(b)-cpu)/float64(b.N), "cpu-ns/op")
				stop()
				mustClose(b, s)
			})
		}
	}
}

// cpuTime is what this process has used of the processors. On a machine that
// does other things too it says more than the time that went by.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkDecodeBlock decodes a block of the queue index, of messages that came
// in batches of 32.
func BenchmarkDecodeBlock(b *testing.B) {
	entries := make([]entry, blockEntries)
	pos := mq.LogPos(1 << 40)
	for i := range entries {
		if i%32 == 0 {
			pos += 100_000
		}
		entries[i] = entry{pos: pos, size: 300, time: 1_700_000_000_000 + int64(i/32)}
		pos += 300
	}
	block := appendBlock(nil, entries)
	for b.Loop() {
		var err error
		if entries, err = decodeBlock(entries[:0], block); err != nil {
			b.Fatal(err)
		}
	}
}
