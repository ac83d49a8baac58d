package trace

import (
	"context"
	"fmt"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	commonpb "go.opentelemetry.io/proto/otlp/common/v1"
	resourcepb "go.opentelemetry.io/proto/otlp/resource/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
)

const (
	batchSpans    = 512             // that are sent to the collector at once
	batchInterval = time.Second     // after which fewer are
	lastWords     = 5 * time.Second // how long Run goes on for what is left
	complainEvery = time.Minute
)

// New checks the options and opens a way to the collector, which need not be
// there. Nothing is sent before Run. Run or Close must be called.
func New(o Options) (*Tracer, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	o = o.WithDefaults()
	client := otlptracehttp.NewClient(otlptracehttp.WithEndpointURL(o.target()))
	if o.Protocol == protocolGRPC {
		client = otlptracegrpc.NewClient(otlptracegrpc.WithEndpointURL(o.target()))
	}
	return open(o, client)
}

// open is New with a client, and all options.
func open(o Options, client otlptrace.Client) (*Tracer, error) {
	t := &Tracer{opts: o, sampler: newSampler(*o.SampleRatio), client: client, queue: make(chan *event, maxQueued)}
	var err error
	if t.resource, err = describeBroker(o); err != nil {
		return nil, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	if err := t.client.Start(context.Background()); err != nil {
		return nil, fmt.Errorf("trace-endpoint = %q: %w", o.Endpoint, err)
	}
	return t, nil
}

// describeBroker is what all spans have in common.
func describeBroker(o Options) (*resourcepb.Resource, error) {
	r, err := resource.New(context.Background(), resource.WithAttributes(
		semconv.ServiceName(o.Service), semconv.ServiceVersion(o.Version), semconv.ServiceInstanceID(o.Broker),
		attribute.String("goddard.cluster", o.Cluster), attribute.String("goddard.broker", o.Broker),
	), resource.WithFromEnv())
	if err != nil {
		return nil, err
	}
	return &resourcepb.Resource{Attributes: values(r.Attributes()...)}, nil
}

// String says where spans go and of what they are.
func (t *Tracer) String() string {
	return fmt.Sprintf("%s (%s), of %.4g %% of the messages without a traceparent", t.opts.target(), t.opts.Protocol, *t.opts.SampleRatio*100)
}

// Close gives up a Tracer that will not Run.
func (t *Tracer) Close() error { return t.client.Stop(context.Background()) }

// Run writes spans until ctx ends, and then what is left for at most five
// seconds.
func (t *Tracer) Run(ctx context.Context) error {
	uploads, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	defer context.AfterFunc(ctx, func() { time.AfterFunc(lastWords, giveUp) })()
	x := exporter{t: t, writer: writer{hands: newHands(maxHeld)}}
	tick := time.NewTicker(batchInterval)
	defer tick.Stop()
	for {
		select {
		case e := <-t.queue:
			x.take(uploads, e)
		case <-tick.C:
			x.send(uploads)
			x.complain(time.Now())
		case <-ctx.Done():
			x.finish(uploads)
			return t.client.Stop(uploads)
		}
	}
}

// An exporter is what Run works with.
type exporter struct {
	writer
	t          *Tracer
	failure    error // of the last upload
	complained time.Time
	known      int64 // spans that were dropped when it last complained
}

// take writes the spans of an event and sends them if they are enough.
func (x *exporter) take(ctx context.Context, e *event) {
	x.t.queued.Add(-int64(max(1, len(e.parts))))
	before := x.hands.order.Len()
	x.writer.take(e)
	change := x.hands.order.Len() - before
	if e.op == opDeliver {
		change -= len(e.parts)
	}
	x.t.holding.Add(int64(change))
	if len(x.spans) >= batchSpans {
		x.send(ctx)
	}
}

// finish sends what is left.
func (x *exporter) finish(ctx context.Context) {
	for {
		select {
		case e := <-x.t.queue:
			x.take(ctx, e)
		default:
			x.send(ctx)
			x.complained = time.Time{}
			x.complain(time.Now())
			return
		}
	}
}

// send hands the spans to the collector; it lasts as long as the exporter's
// timeout and retries allow.
func (x *exporter) send(ctx context.Context) {
	for len(x.spans) > 0 {
		n := min(len(x.spans), batchSpans)
		x.failure = x.t.client.UploadTraces(ctx, []*tracepb.ResourceSpans{{
			Resource: x.t.resource, SchemaUrl: semconv.SchemaURL,
			ScopeSpans: []*tracepb.ScopeSpans{{
				Scope:     &commonpb.InstrumentationScope{Name: scope, Version: x.t.opts.Version},
				SchemaUrl: semconv.SchemaURL, Spans: x.spans[:n:n],
			}},
		}})
		if x.failure != nil {
			x.t.dropped.Add(int64(n))
		}
		clear(x.spans[:n])
		x.spans = x.spans[n:]
	}
	x.spans = nil
}

const scope = "github.com/goddardmq/goddard/internal/trace"

// complain logs, at most once a minute, that spans were dropped.
func (x *exporter) complain(now time.Time) {
	dropped := x.t.dropped.Load()
	if dropped == x.known || now.Sub(x.complained) < complainEvery {
		return
	}
	why := "the collector is slow; lower trace-sample-ratio"
	if x.failure != nil {
		why = x.failure.Error()
	}
	x.t.opts.Log.Warn("spans were dropped", "count", dropped-x.known, "trace-endpoint", x.t.opts.target(), "reason", why)
	x.known, x.complained = dropped, now
}
