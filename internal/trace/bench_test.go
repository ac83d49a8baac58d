package trace

import (
	"context"
	"fmt"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/goddardmq/goddard/internal/broker"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
)

// BenchmarkSend sends 1 KiB messages in batches of 32, as a busy connection
// hands them over, to a broker with a collector that takes everything; time and
// allocations are per message.
func BenchmarkSend(b *testing.B) {
	for _, tt := range []struct {
		name  string
		ratio float64
	}{{"off", -1}, {"on 0.1%", 0.001}, {"on 1%", 0.01}, {"on 100%", 1}} {
		b.Run(tt.name, func(b *testing.B) { benchSend(b, tt.ratio) })
	}
}

func benchSend(b *testing.B, ratio float64) {
	o := broker.Options{Name: "broker-a", Store: store.Options{Dir: b.TempDir(), FS: vfs.Default}}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	if ratio >= 0 {
		tr, err := open(Options{SampleRatio: &ratio}.WithDefaults(), nothing{})
		if err != nil {
			b.Fatal(err)
		}
		o.Tracer = tr
		wg.Go(func() { tr.Run(ctx) })
		defer func() { b.ReportMetric(float64(tr.Dropped())/float64(b.N), "dropped/op") }()
	}
	br, err := broker.New(o)
	if err != nil {
		b.Fatal(err)
	}
	wg.Go(func() { br.Run(ctx) })
	defer func() {
		cancel()
		wg.Wait()
		br.Close()
	}()
	body := make([]byte, 1024)
	kv := make([][]byte, 1024)
	for i := range kv {
		kv[i] = message("T", "", "UNIQ_KEY", fmt.Sprintf("7F0000011E1C1DBD16A667DCAF8B%04X", i), "WAIT", "true", "TAGS", "t").Properties
	}
	batch, done := mq.SendBatch{Sends: make([]mq.Send, 32)}, make(chan struct{}, 1)
	reply := func(*mq.SendBatch) { done <- struct{}{} }
	b.SetBytes(1024)
	b.ReportAllocs()
	for n := 0; n < b.N; n += len(batch.Sends) {
		for i := range batch.Sends {
			s := &batch.Sends[i]
			*s = mq.Send{DefaultTopic: mq.TopicDefault, DefaultQueues: 8, Result: s.Result}
			s.Message = mq.Message{Topic: "T", QueueID: int32(i % 8), Properties: kv[(n+i)%len(kv)], Body: body}
		}
		batch.Done = reply
		br.Send(&batch)
		<-done
	}
}

// nothing is a collector that takes everything at once.
type nothing struct{}

func (nothing) Start(context.Context) error { return nil }
func (nothing) Stop(context.Context) error  { return nil }

func (nothing) UploadTraces(context.Context, []*tracepb.ResourceSpans) error { return nil }

// BenchmarkTold is what the tracer itself costs whoever tells it something of 32
// messages, without the goroutine that writes; time and allocations are per
// message.
func BenchmarkTold(b *testing.B) {
	for _, ratio := range []float64{0, 0.001, 0.01, 1} {
		o := Options{SampleRatio: &ratio}.WithDefaults()
		tr := &Tracer{opts: o, sampler: newSampler(ratio), queue: make(chan *event, maxQueued)}
		sends, records := make([]mq.Send, 32), make([][]byte, 32)
		fill := func(n int) {
			for i := range sends {
				sends[i] = message("T", "", "UNIQ_KEY", fmt.Sprintf("7F0000011E1C1DBD16A667DC%08X", n+i), "WAIT", "true", "TAGS", "t",
					"MSG_REGION", "DefaultRegion", "TRACE_ON", "true", "CLUSTER", "DefaultCluster")
				records[i] = mq.AppendRecord(nil, &sends[i].Message, netip.AddrPort{})
			}
		}
		b.Run(fmt.Sprintf("sends %g%%", ratio*100), func(b *testing.B) {
			tell(b, tr, fill, func() {
				if done := tr.Send(sends, time.Time{}); done != nil {
					done()
				}
			})
		})
		b.Run(fmt.Sprintf("deliveries %g%%", ratio*100), func(b *testing.B) {
			tell(b, tr, fill, func() { tr.Deliver("G", "T", records) })
		})
	}
}

func tell(b *testing.B, tr *Tracer, fill func(int), f func()) {
	b.ReportAllocs()
	for n := 0; n < b.N; n += 32 {
		if n%3200 == 0 {
			b.StopTimer()
			fill(n)
			for len(tr.queue) > 0 {
				<-tr.queue
			}
			tr.queued.Store(0)
			b.StartTimer()
		}
		f()
	}
}
