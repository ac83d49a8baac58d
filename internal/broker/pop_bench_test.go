package broker

import (
	"slices"
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

// BenchmarkPopInOrder pops 1 KiB messages of 1000 message groups in one queue,
// and acknowledges them, in order by message group or of the queue as a whole;
// times, bytes and allocations are per message. Acknowledgements are 32 in a call,
// or one. With stuck, one message group in ten is never acknowledged.
func BenchmarkPopInOrder(b *testing.B) {
	for _, c := range []struct {
		name           string
		byGroup, stuck bool
		atOnce         int
	}{
		{"queue/acks=32", false, false, 32}, {"queue/acks=1", false, false, 1},
		{"group/acks=32", true, false, 32}, {"group/acks=1", true, false, 1}, {"stuck/acks=32", true, true, 32}, {"stuck/acks=1", true, true, 1},
	} {
		b.Run(c.name, func(b *testing.B) { benchInOrder(b, c.byGroup, c.stuck, c.atOnce) })
	}
}

func benchInOrder(b *testing.B, byGroup, stuck bool, atOnce int) {
	br := benchBroker(b)
	const stored, groups = 8_000, 1000
	batch := mq.SendBatch{Sends: make([]mq.Send, 1000)}
	done := make(chan struct{}, 1)
	batch.Done = func(*mq.SendBatch) { done <- struct{}{} }
	for range stored / len(batch.Sends) {
		for i := range batch.Sends {
			batch.Sends[i] = message("T", string(make([]byte, 1024)), mq.PropShardingKey, strconv.Itoa(i%groups))
		}
		br.Send(&batch)
		<-done
	}
	var acks []mq.Ack
	got := 0
	group := ""
	reply := func(p mq.PopBatch, err error) {
		if err != nil {
			b.Fatal(err)
		}
		acks, got = acks[:0], len(p.Messages)
		for i := range p.Messages {
			key, _ := mq.Property(mq.RecordProperties(p.Messages[i].Record), mq.PropShardingKey)
			if !stuck || key[len(key)-1] != '7' {
				acks = append(acks, mq.Ack{Group: group, Topic: "T", Receipt: p.Messages[i].Receipt})
			}
		}
		p.Release()
	}
	b.SetBytes(1024)
	b.ReportAllocs()
	b.ResetTimer()
	for n := 0; n < b.N; n += got {
		if got == 0 { // all is popped; another group begins
			group = "G" + strconv.Itoa(n)
		}
		br.Pop(b.Context(), mq.PopRequest{
			Group: group, Topic: "T", QueueID: 0, MaxMessages: 32, Invisible: time.Hour, Ordered: true, ByGroup: byGroup,
		}, reply)
		for some := range slices.Chunk(acks, atOnce) {
			if errs := br.Ack(b.Context(), some); errs != nil {
				b.Fatal(errs)
			}
		}
	}
}
