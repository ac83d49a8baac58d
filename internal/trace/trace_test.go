package trace

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"

	"github.com/goddardmq/goddard/internal/broker"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/store"
	"github.com/goddardmq/goddard/internal/test/otlp"
)

// A drawer is a client of OTLP that keeps what it is handed.
type drawer struct {
	// hold, if set, keeps an upload until it can be received from.
	hold chan struct{}

	// mu guards what has come.
	mu struct {
		sync.Mutex
		spans   []*tracepb.Span
		uploads int
	}
}

func (d *drawer) Start(context.Context) error { return nil }
func (d *drawer) Stop(context.Context) error  { return nil }

func (d *drawer) UploadTraces(ctx context.Context, all []*tracepb.ResourceSpans) error {
	d.mu.Lock()
	d.mu.uploads++
	d.mu.Unlock()
	if d.hold != nil {
		select {
		case <-d.hold:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, rs := range all {
		for _, ss := range rs.ScopeSpans {
			d.mu.spans = append(d.mu.spans, ss.Spans...)
		}
	}
	return nil
}

// A rig is a broker in memory with a tracer.
type rig struct {
	*testing.T
	*broker.Broker
	tracer *Tracer
	drawer *drawer
	fs     vfs.FS
	stop   func()
}

// traced is a tracer of messages without a parent, and all that have one.
func traced(t *testing.T, ratio float64, d *drawer) *Tracer {
	t.Helper()
	tr, err := open(Options{SampleRatio: &ratio, Broker: "broker-a"}.WithDefaults(), d)
	if err != nil {
		t.Fatal(err)
	}
	return tr
}

func start(t *testing.T, ratio float64, fs vfs.FS, d *drawer) *rig {
	t.Helper()
	r := &rig{T: t, drawer: d, fs: fs, tracer: traced(t, ratio, d)}
	var err error
	r.Broker, err = broker.New(broker.Options{
		Name: "broker-a", Tracer: r.tracer, Store: store.Options{Dir: "data", FS: fs, Reserve: 1, SegmentSize: 1 << 20},
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	tracing, end := context.WithCancel(context.Background())
	var wg, last sync.WaitGroup
	last.Go(func() { r.tracer.Run(tracing) })
	wg.Go(func() { r.Broker.Run(ctx) })
	r.stop = sync.OnceFunc(func() {
		cancel()
		wg.Wait()
		end()
		last.Wait()
		r.Broker.Close()
	})
	return r
}

// bubble runs a test with a traced broker in a bubble of its own time.
func bubble(t *testing.T, ratio float64, test func(t *testing.T, r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := start(t, ratio, vfs.NewMem(), &drawer{})
		defer func() { r.stop() }()
		test(t, r)
	})
}

func message(topic, body string, kv ...string) mq.Send {
	var props []byte
	for i := 0; i < len(kv); i += 2 {
		props = mq.AppendProperty(props, kv[i], kv[i+1])
	}
	return mq.Send{
		Message: mq.Message{Topic: topic, Body: []byte(body), Properties: props},
		Group:   "PG", DefaultTopic: mq.TopicDefault, DefaultQueues: 1,
	}
}

func (r *rig) send(sends ...mq.Send) []mq.Send {
	r.Helper()
	done := make(chan *mq.SendBatch, 1)
	r.Broker.Send(&mq.SendBatch{Sends: sends, Done: func(b *mq.SendBatch) { done <- b }})
	all := (<-done).Sends
	for i := range all {
		if all[i].Err != nil {
			r.Fatal(all[i].Err)
		}
	}
	return all
}

// pull pulls from queue 0 of a topic for group G and commits from.
func (r *rig) pull(topic string, from mq.QueueOffset) (all []mq.Record) {
	r.Helper()
	answered := make(chan struct{})
	q := mq.PullRequest{Group: "G", Queue: mq.Queue{Topic: topic}, From: from, MaxMessages: 32, Commit: &from}
	r.Broker.Pull(r.Context(), q, func(b mq.Batch, err error) {
		if err != nil {
			r.Error(err)
		}
		for _, data := range b.Data {
			data = slices.Clone(data)
			for len(data) > 0 {
				rec, rest, err := mq.DecodeRecord(data)
				if err != nil {
					r.Error(err)
					break
				}
				all, data = append(all, rec), rest
			}
		}
		if b.Release != nil {
			b.Release()
		}
		close(answered)
	})
	<-answered
	return all
}

// written lets everything settle and returns what was written until then.
func (r *rig) written() []*tracepb.Span {
	r.Helper()
	time.Sleep(2 * batchInterval)
	synctest.Wait()
	r.drawer.mu.Lock()
	defer r.drawer.mu.Unlock()
	return slices.Clone(r.drawer.mu.spans)
}

// tree draws spans as "parent > span", in order of their names; those whose
// parent is not among them hang on "-".
func tree(spans []*tracepb.Span) []string {
	names := map[string]string{}
	for _, s := range spans {
		names[string(s.SpanId)] = s.Name
	}
	var all []string
	for _, s := range spans {
		above, ok := names[string(s.ParentSpanId)]
		if !ok {
			above = "-"
		}
		all = append(all, above+" > "+s.Name)
	}
	slices.Sort(all)
	return all
}

func want(t *testing.T, spans []*tracepb.Span, lines ...string) {
	t.Helper()
	slices.Sort(lines)
	if got := tree(spans); !slices.Equal(got, lines) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(lines, "\n"))
	}
}

// oneTrace wants all spans in the same trace and returns its id.
func oneTrace(t *testing.T, spans []*tracepb.Span) string {
	t.Helper()
	for _, s := range spans {
		if string(s.TraceId) != string(spans[0].TraceId) {
			t.Errorf("%s is in trace %x, %s in %x", s.Name, s.TraceId, spans[0].Name, spans[0].TraceId)
		}
	}
	return id(spans[0].TraceId)
}

func find(t *testing.T, spans []*tracepb.Span, name string) *tracepb.Span {
	t.Helper()
	for _, s := range spans {
		if s.Name == name {
			return s
		}
	}
	t.Fatalf("no span %s among %v", name, tree(spans))
	return nil
}

const (
	theirTrace  = "4bf92f3577b34da6a3ce929d0e0e4736"
	theirSpan   = "00f067aa0ba902b7"
	traceparent = "00-" + theirTrace + "-" + theirSpan + "-01"
)

func TestSpansOfAMessageFormOneTreeBelowItsProducers(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig) {
		r.send(message("T", "hello", "traceparent", traceparent, "tracestate", "a=1", "TAGS", "tag", "KEYS", "k1 k2", "UNIQ_KEY", "K"))
		r.pull("T", 0)
		r.pull("T", 1)
		spans := r.written()
		want(t, spans, "- > send T", "send T > store T", "send T > deliver T", "deliver T > ack T")
		if got := oneTrace(t, spans); got != theirTrace {
			t.Errorf("trace %s, want the producer's", got)
		}
		send, deliver := find(t, spans, "send T"), find(t, spans, "deliver T")
		if id(send.ParentSpanId) != theirSpan || send.TraceState != "a=1" || send.Kind != tracepb.Span_SPAN_KIND_SERVER {
			t.Errorf("the send is below %x, with state %q, a %v", send.ParentSpanId, send.TraceState, send.Kind)
		}
		if len(deliver.Links) != 1 || id(deliver.Links[0].SpanId) != theirSpan {
			t.Errorf("the delivery has links %v, want one to the producer's span", deliver.Links)
		}
		for key, value := range map[string]string{
			"messaging.system": "rocketmq", "messaging.operation.type": "receive", "messaging.operation.name": "deliver",
			"messaging.destination.name": "T", "messaging.destination.partition.id": "0", "messaging.consumer.group.name": "G",
			"messaging.message.id": "K", "messaging.rocketmq.message.keys": "k1", "messaging.rocketmq.message.tag": "tag",
			"messaging.message.body.size": "5", "messaging.rocketmq.message.type": "normal", "goddard.message.offset": "0",
		} {
			if got := otlp.Attribute(deliver.Attributes, key); got != value {
				t.Errorf("%s is %q, want %q", key, got, value)
			}
		}
	})
}

func TestRetriesAndDeadLettersHangOnTheDeliveryThatFailed(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.send(message("T", "poison"))
		rec := r.pull("T", 0)[0]
		fail := func(rec mq.Record) {
			t.Helper()
			if err := r.SendBack(t.Context(), mq.SendBackRequest{Group: "G", Pos: rec.Pos, OriginTopic: "T", MaxReconsumes: 1}); err != nil {
				t.Fatal(err)
			}
		}
		fail(rec)
		r.pull("T", 1) // which commits past it, as clients do
		time.Sleep(time.Minute)
		retry := mq.RetryTopic("G")
		again := r.pull(retry, 0)
		if len(again) != 1 {
			t.Fatalf("%d messages in the retry topic", len(again))
		}
		fail(again[0])
		r.pull("%DLQ%G", 0)
		spans := r.written()
		oneTrace(t, spans)
		want(t, spans,
			"- > send T", "send T > store T", "send T > deliver T",
			"deliver T > retry %RETRY%G", "retry %RETRY%G > release %RETRY%G", "retry %RETRY%G > deliver %RETRY%G",
			"deliver %RETRY%G > dead_letter %DLQ%G", "dead_letter %DLQ%G > deliver %DLQ%G")
	})
}

func TestATraceGoesOnAfterARestart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := start(t, 1, vfs.NewMem(), &drawer{})
		r.send(message("T", "hello"))
		r.stop()
		r = start(t, 1, r.fs, r.drawer)
		defer func() { r.stop() }()
		rec := r.pull("T", 0)[0]
		r.stop()
		r = start(t, 1, r.fs, r.drawer)
		if err := r.SendBack(t.Context(), mq.SendBackRequest{Group: "G", Pos: rec.Pos, OriginTopic: "T", MaxReconsumes: 16}); err != nil {
			t.Fatal(err)
		}
		spans := r.written()
		oneTrace(t, spans)
		want(t, spans, "- > send T", "send T > store T", "send T > deliver T", "send T > retry %RETRY%G")
	})
}

// end ends a transaction.
func (r *rig) end(e mq.TransactionEnd) error {
	ended := make(chan error, 1)
	r.EndTransactions(&mq.EndBatch{Ends: []mq.TransactionEnd{e}, Done: func(b *mq.EndBatch) { ended <- b.Ends[0].Err }})
	return <-ended
}

func TestDelayedAndTransactionalMessagesHaveSpansOfTheirOwn(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.send(message("L", "by level", "DELAY", "1"))
		r.send(message("S", "by time", "TIMER_DELAY_SEC", "3"))
		half := r.send(message("X", "half", "TRAN_MSG", "true", "PGROUP", "PG"))[0].Result
		end := mq.TransactionEnd{Group: "PG", Offset: half.Offset, Pos: half.Pos, Outcome: mq.OutcomeCommit}
		if err := r.end(end); err != nil {
			t.Fatal(err)
		}
		half = r.send(message("Y", "half", "TRAN_MSG", "true", "PGROUP", "PG"))[0].Result
		end = mq.TransactionEnd{Group: "PG", Offset: half.Offset, Pos: half.Pos, Outcome: mq.OutcomeRollback}
		if err := r.end(end); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		r.pull("X", 0)
		spans := r.written()
		want(t, spans,
			"- > send L", "send L > store L", "send L > release L", "- > send S", "send S > store S", "send S > release S",
			"- > send X", "send X > store X", "send X > commit X", "send X > deliver X",
			"- > send Y", "send Y > store Y", "send Y > rollback Y")
		for name, kind := range map[string]string{"send L": "delay", "release S": "delay", "commit X": "transaction"} {
			if got := otlp.Attribute(find(t, spans, name).Attributes, "messaging.rocketmq.message.type"); got != kind {
				t.Errorf("%s is of type %q, want %q", name, got, kind)
			}
		}
	})
}

func TestAnswerWithSeveralMessagesLinksToWhatMadeThem(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		r.send(message("T", "one"), message("T", "two", "traceparent", traceparent))
		r.pull("T", 0)
		spans := r.written()
		whole := find(t, spans, "receive T")
		var links []string
		for _, l := range whole.Links {
			links = append(links, id(l.SpanId))
		}
		if wanted := []string{id(find(t, spans, "send T").SpanId), theirSpan}; !slices.Equal(links, wanted) {
			t.Errorf("links to %v, want %v", links, wanted)
		}
		if got := otlp.Attribute(whole.Attributes, "messaging.batch.message_count"); got != "2" {
			t.Errorf("it held %s messages", got)
		}
	})
}

func TestProducersDecideAboutTheirMessagesAndTheRatioAboutOthers(t *testing.T) {
	bubble(t, 0.25, func(t *testing.T, r *rig) {
		r.send(message("P", "not sampled", "traceparent", "00-"+theirTrace+"-"+theirSpan+"-00"))
		r.send(message("P", "sampled", "traceparent", traceparent))
		r.send(message("P", "over gRPC", "TRACE_CONTEXT", traceparent))
		r.send(message(mq.TopicTrace, "a client's own", "traceparent", traceparent))
		for range 1000 {
			r.send(message("T", "x"))
		}
		counts := map[string]int{}
		for _, s := range r.written() {
			counts[s.Name]++
		}
		if counts["send P"] != 2 || counts["send "+mq.TopicTrace] != 0 {
			t.Errorf("spans %v, want those of two messages to P", counts)
		}
		if n := counts["send T"]; n < 180 || n > 320 {
			t.Errorf("%d of 1000 messages without a parent are followed, want about 250", n)
		}
	})
}

func TestMalformedTraceparentIsIgnored(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		for i, text := range []string{"garbage", "00-0-0-01", strings.Repeat("x", 5000), "ff" + traceparent[2:]} {
			r.send(message(fmt.Sprint("T", i), "x", "traceparent", text, "tracestate", "\x03"))
		}
		spans := r.written()
		if len(spans) != 8 {
			t.Fatalf("%d spans, want 8", len(spans))
		}
		for _, s := range spans {
			if id(s.TraceId) == theirTrace || s.TraceState != "" || strings.HasPrefix(s.Name, "send") && len(s.ParentSpanId) > 0 {
				t.Errorf("%v", s)
			}
		}
	})
}

func TestCollectorThatTakesNothingHoldsUpNoSendAndNoMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &drawer{hold: make(chan struct{})}
		r := start(t, 1, vfs.NewMem(), d)
		defer r.stop()
		began := time.Now()
		batch := make([]mq.Send, 1000)
		for range 20 {
			for i := range batch {
				batch[i] = message("T", "x")
			}
			r.send(batch...)
		}
		if d := time.Since(began); d > 0 { // on the bubble's clock, which waiting alone moves
			t.Errorf("sends waited %v", d)
		}
		if n := r.tracer.queued.Load(); n > maxQueued {
			t.Errorf("%d messages are queued, the limit is %d", n, maxQueued)
		}
		lost := r.tracer.Dropped()
		if lost < 2*20000-2*maxQueued-4*batchSpans || r.RuntimeInfo(t.Context())["traceSpansDropped"] != fmt.Sprint(lost) {
			t.Errorf("%d spans were dropped, brokerStatus says %s", lost, r.RuntimeInfo(t.Context())["traceSpansDropped"])
		}
		began = time.Now()
		r.stop()
		if d := time.Since(began); d > lastWords+time.Second {
			t.Errorf("stopping took %v", d)
		}
	})
}

func TestDeliveriesThatNobodyAcknowledgesAreForgotten(t *testing.T) {
	h := newHands(3)
	at := hand{"G", mq.Queue{Topic: "T"}}
	for i := range mq.QueueOffset(5) {
		h.put(held{hand: at, at: i})
		h.put(held{hand: at, at: i}) // delivered again
	}
	if h.order.Len() != 3 {
		t.Errorf("%d are held, want 3", h.order.Len())
	}
	if _, ok := h.take(at, 1); ok {
		t.Error("the oldest is still there")
	}
	if _, ok := h.take(at, 3); !ok {
		t.Error("a newer one is gone")
	}
	if got := h.takeBefore(at, 5); len(got) != 2 || len(h.in) != 0 || h.order.Len() != 0 {
		t.Errorf("took %d, %d remain", len(got), h.order.Len())
	}
}

// As clients do when sending it back fails, and those of ordered consumers do
// always.
func TestMessageThatItsConsumerSendsToTheRetryTopicHangsOnItsSend(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig) {
		if err := r.PutGroup(t.Context(), mq.Group{Name: "G", ConsumeEnable: true, RetryQueues: 1, RetryMax: 2}); err != nil {
			t.Fatal(err)
		}
		r.send(message("T", "poison", "traceparent", traceparent, "UNIQ_KEY", "K"))
		for tries := range int32(2) {
			again := message(mq.RetryTopic("G"), "poison", "traceparent", traceparent, "UNIQ_KEY", "K")
			again.ReconsumeTimes = tries + 1
			r.send(again)
		}
		spans := r.written()
		oneTrace(t, spans)
		want(t, spans, "- > send T", "send T > store T",
			"send T > retry %RETRY%G", "retry %RETRY%G > store %RETRY%G",
			"retry %RETRY%G > dead_letter %DLQ%G", "dead_letter %DLQ%G > store %DLQ%G")
	})
}

func TestEachMessageOfABatchHasItsOwnSpans(t *testing.T) {
	bubble(t, 1, func(t *testing.T, r *rig) {
		batch := message("T", "one", "UNIQ_KEY", "K1")
		batch.More = []mq.Message{message("", "three", "UNIQ_KEY", "K2").Message}
		r.send(batch)
		r.pull("T", 0)
		traces := map[string][]string{}
		for _, s := range r.written() {
			if !strings.HasPrefix(s.Name, "receive") {
				line := s.Name + " " + otlp.Attribute(s.Attributes, "messaging.message.id") + " " + otlp.Attribute(s.Attributes, "goddard.message.offset")
				traces[id(s.TraceId)] = append(traces[id(s.TraceId)], line)
			}
		}
		var all []string
		for _, lines := range traces {
			slices.Sort(lines)
			all = append(all, strings.Join(lines, ", "))
		}
		slices.Sort(all)
		if wanted := []string{"deliver T K1 0, send T K1 0, store T K1 0", "deliver T K2 1, send T K2 1, store T K2 1"}; !slices.Equal(all, wanted) {
			t.Errorf("got %q, want %q", all, wanted)
		}
	})
}

// An acknowledgement names the light queue, where the message has another offset.
func TestDeliveriesFromLightQueuesAreNotHeld(t *testing.T) {
	bubble(t, 0, func(t *testing.T, r *rig) {
		r.send(message("T", "1", "traceparent", traceparent, mq.PropMultiDispatch, "%LMQ%a"))
		r.pull("%LMQ%a", 0)
		r.pull("%LMQ%a", 1)
		want(t, r.written(), "- > send T", "send T > store T", "send T > deliver T")
		if n := r.tracer.holding.Load(); n != 0 {
			t.Errorf("%d deliveries are held", n)
		}
		r.pull("T", 0)
		r.pull("T", 1)
		if n := len(r.written()); n != 5 || r.tracer.holding.Load() != 0 {
			t.Errorf("%d spans, %d deliveries held", n, r.tracer.holding.Load())
		}
	})
}

func id(b []byte) string { return hex.EncodeToString(b) }
