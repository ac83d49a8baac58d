package broker

import (
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// later sends count messages of 1 KiB that are due evenly over a span from
// start on.
func later(b *testing.B, br *Broker, count int, start time.Time, span time.Duration) {
	b.Helper()
	const burst = 256
	var left sync.WaitGroup
	body := make([]byte, 1024)
	slots := make(chan struct{}, 8)
	for n := 0; n < count; n += burst {
		slots <- struct{}{}
		batch := &mq.SendBatch{Sends: make([]mq.Send, min(burst, count-n))}
		for i := range batch.Sends {
			due := start.Add(span * time.Duration(n+i) / time.Duration(count)).UnixMilli()
			batch.Sends[i] = mq.Send{DefaultTopic: mq.TopicDefault, DefaultQueues: 8, Message: mq.Message{
				Topic: "Later", QueueID: int32(i % 8), Body: body,
				Properties: props("UNIQ_KEY", "7F0000011E1C1DBD16A667"+strconv.Itoa(1e9+n+i), mq.PropTimerDeliverMs, strconv.FormatInt(due, 10)),
			}}
		}
		left.Add(1)
		batch.Done = func(batch *mq.SendBatch) {
			for i := range batch.Sends {
				if err := batch.Sends[i].Err; err != nil {
					b.Error(err)
				}
			}
			<-slots
			left.Done()
		}
		br.Send(batch)
	}
	left.Wait()
}

// lateness waits until count messages have come and returns by how many
// milliseconds each was stored in its topic too late, sorted.
func lateness(b *testing.B, br *Broker, count int) []int64 {
	b.Helper()
	late := make([]int64, 0, count)
	var at [8]mq.QueueOffset
	for len(late) < count {
		before := len(late)
		for q := range at {
			got, err := br.store.Read(mq.Queue{Topic: "Later", ID: int32(q)}, at[q], store.ReadOptions{MaxMessages: 1000})
			if err != nil {
				b.Fatal(err)
			}
			for _, data := range got.Data {
				for len(data) > 0 {
					r, rest, err := mq.DecodeRecord(data)
					if err != nil {
						b.Fatal(err)
					}
					due, _ := mq.Property(r.Properties, mq.PropTimerOutMs)
					ms, err := strconv.ParseInt(string(due), 10, 64)
					if err != nil {
						b.Fatal(err)
					}
					late, data = append(late, r.StoreTime-ms), rest
				}
			}
			if got.Status == mq.PullFound {
				at[q] = got.Next
			}
			got.Release()
		}
		if len(late) == before {
			<-time.After(100 * time.Millisecond)
		}
	}
	slices.Sort(late)
	return late
}

func share(sorted []int64, percent int) float64 {
	return float64(sorted[min(len(sorted)-1, len(sorted)*percent/100)])
}

// BenchmarkDelayTenThousand measures how late messages are that are due in the
// same second, and in the same millisecond.
func BenchmarkDelayTenThousand(b *testing.B) {
	for name, span := range map[string]time.Duration{"second": time.Second, "millisecond": 0} {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				br := benchBroker(b)
				later(b, br, 10_000, time.Now().Add(2*time.Second), span)
				late := lateness(b, br, 10_000)
				b.ReportMetric(float64(late[0]), "min-ms")
				b.ReportMetric(share(late, 50), "p50-ms")
				b.ReportMetric(share(late, 99), "p99-ms")
				b.ReportMetric(float64(late[len(late)-1]), "max-ms")
			}
		})
	}
}

// BenchmarkDelayMillion measures a million messages that are due in the same
// minute, and what live sends take before and meanwhile.
func BenchmarkDelayMillion(b *testing.B) {
	const count = 1_000_000
	for range b.N {
		br := benchBroker(b)
		began := time.Now()
		start := began.Add(30 * time.Second)
		later(b, br, count, start, time.Minute)
		b.ReportMetric(count/time.Since(began).Seconds(), "stored/s")
		<-time.After(time.Until(start.Add(-10 * time.Second)))
		quiet := liveSends(b, br, start)
		busy := liveSends(b, br, start.Add(50*time.Second))
		late := lateness(b, br, count)
		b.ReportMetric(share(late, 50), "p50-ms")
		b.ReportMetric(share(late, 99), "p99-ms")
		b.ReportMetric(share(quiet, 99), "live-quiet-p99-µs")
		b.ReportMetric(share(busy, 99), "live-busy-p99-µs")
	}
}

// liveSends sends a message about every millisecond until a time comes, and returns how long
// each took, in microseconds, sorted.
func liveSends(b *testing.B, br *Broker, until time.Time) (took []int64) {
	b.Helper()
	body := make([]byte, 1024)
	done := make(chan struct{}, 1)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for time.Now().Before(until) {
		<-tick.C
		began := time.Now()
		br.Send(&mq.SendBatch{
			Sends: []mq.Send{{DefaultTopic: mq.TopicDefault, DefaultQueues: 8, Message: mq.Message{Topic: "Live", Body: body}}},
			Done:  func(*mq.SendBatch) { done <- struct{}{} },
		})
		<-done
		took = append(took, time.Since(began).Microseconds())
	}
	slices.Sort(took)
	return took
}
