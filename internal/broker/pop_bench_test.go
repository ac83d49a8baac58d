package broker

import (
	"strconv"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// BenchmarkPopAndAck pops 1 KiB messages in batches of 32 and acknowledges them
// 32 or 1 at a time; times, bytes and allocations are per message.
func BenchmarkPopAndAck(b *testing.B) {
	for _, n := range []int{32, 1} {
		b.Run("acks="+strconv.Itoa(n), func(b *testing.B) { benchPop(b, n) })
	}
}

func benchPop(b *testing.B, atOnce int) {
	br := benchBroker(b)
	const stored = 32_000
	batch := mq.SendBatch{Sends: make([]mq.Send, 3200)}
	done := make(chan struct{}, 1)
	batch.Done = func(*mq.SendBatch) { done <- struct{}{} }
	for range stored / len(batch.Sends) {
		for i := range batch.Sends {
			batch.Sends[i] = message("T", string(make([]byte, 1024)))
			batch.Sends[i].QueueID = int32(i/32) % 4
		}
		br.Send(&batch)
		<-done
	}
	acks := make([]mq.Ack, 0, 32)
	reply := func(p mq.PopBatch, err error) {
		if err != nil || len(p.Messages) != 32 {
			b.Fatal(len(p.Messages), err)
		}
		acks = acks[:0]
		for i := range p.Messages {
			acks = append(acks, mq.Ack{Topic: "T", Receipt: p.Messages[i].Receipt})
		}
		p.Release()
	}
	b.SetBytes(1024)
	b.ReportAllocs()
	b.ResetTimer()
	group := ""
	for n := 0; n < b.N; n += 32 {
		if n%stored == 0 { // all is popped; another group begins
			group = "G" + strconv.Itoa(n)
		}
		br.Pop(b.Context(), mq.PopRequest{Group: group, Topic: "T", QueueID: -1, MaxMessages: 32, Invisible: time.Minute}, reply)
		for i := 0; i < len(acks); i += atOnce {
			for j := range atOnce {
				acks[i+j].Group = group
			}
			if errs := br.Ack(b.Context(), acks[i:i+atOnce]); errs != nil {
				b.Fatal(errs)
			}
		}
	}
}
