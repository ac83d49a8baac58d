package broker

import (
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

// BenchmarkTransact sends half messages of 1 KiB in batches of 32 and commits
// them in batches of 32, as a busy connection hands them over; bytes and
// allocations are per transaction.
func BenchmarkTransact(b *testing.B) {
	br := benchBroker(b)
	body, kv := make([]byte, 1024), props(mq.PropUniqueKey, "7F0000011E1C1DBD16A667DCAF8B0000", mq.PropTransaction, "true", mq.PropProducerGroup, "PG")
	sends := mq.SendBatch{Sends: make([]mq.Send, 32)}
	ends := mq.EndBatch{Ends: make([]mq.TransactionEnd, 32)}
	done := make(chan struct{}, 1)
	b.SetBytes(1024)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(sends.Sends) {
		for i := range sends.Sends {
			s := &sends.Sends[i]
			*s = mq.Send{DefaultTopic: mq.TopicDefault, DefaultQueues: 8, Result: s.Result}
			s.Message = mq.Message{Topic: "T", QueueID: int32(i % 8), SysFlag: mq.FlagPrepared, Properties: kv, Body: body}
		}
		sends.Done = func(*mq.SendBatch) { done <- struct{}{} }
		br.Send(&sends)
		<-done
		for i := range sends.Sends {
			s := &sends.Sends[i]
			ends.Ends[i] = mq.TransactionEnd{Group: "PG", Offset: s.Result.Offset, Pos: s.Result.Pos, Outcome: mq.OutcomeCommit}
		}
		ends.Done = func(*mq.EndBatch) { done <- struct{}{} }
		br.EndTransactions(&ends)
		<-done
		for i := range ends.Ends {
			if err := ends.Ends[i].Err; err != nil {
				b.Fatal(err)
			}
		}
	}
}
