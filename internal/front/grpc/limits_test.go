package grpc

import (
	"fmt"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

func TestACallBeyondALimitIsAnsweredUnlessItIsVital(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	r.fake.mu.Lock()
	r.fake.slow = fmt.Errorf("%w: too many requests, wait", mq.ErrBusy)
	r.fake.mu.Unlock()
	resp, err := r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: res("T"), Endpoints: dialled()})
	r.want(rmq.Code_TOO_MANY_REQUESTS, resp.GetStatus(), err)
	if !strings.Contains(resp.Status.Message, "too many requests") {
		t.Errorf("the answer says %q", resp.Status.Message)
	}
	stream, err := r.ReceiveMessage(r.ctx("c"), &rmq.ReceiveMessageRequest{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	r.want(rmq.Code_TOO_MANY_REQUESTS, first.GetStatus(), err)
	acked, err := r.AckMessage(r.ctx("c"), &rmq.AckMessageRequest{})
	if err != nil || acked.Status.Code == rmq.Code_TOO_MANY_REQUESTS {
		t.Errorf("an acknowledgement: %v, %v", acked, err)
	}
}

func TestTheCallsOfAConnectionBeyondALimitAreRefused(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	r.fake.mu.Lock()
	r.fake.full = fmt.Errorf("%w: too many connections, close some", mq.ErrBusy)
	r.fake.mu.Unlock()
	resp, err := r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: res("T"), Endpoints: dialled()})
	r.want(rmq.Code_TOO_MANY_REQUESTS, resp.GetStatus(), err)
	if !strings.Contains(resp.Status.Message, "too many connections") {
		t.Errorf("the answer says %q", resp.Status.Message)
	}
	stream, err := r.Telemetry(r.ctx("c"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("telemetry: %v", err)
	}
}

func TestHealthIsRefusedToAConnectionBeyondALimit(t *testing.T) {
	r := newRig(t)
	r.fake.mu.Lock()
	r.fake.full = fmt.Errorf("%w: too many connections, close some", mq.ErrBusy)
	r.fake.mu.Unlock()
	health := healthpb.NewHealthClient(r.conn)
	if _, err := health.Check(t.Context(), &healthpb.HealthCheckRequest{}); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a check: %v", err)
	}
	watch, err := health.Watch(t.Context(), &healthpb.HealthCheckRequest{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := watch.Recv(); status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a stream: %v", err)
	}
}

func TestStreamsOfHealthAreBounded(t *testing.T) {
	r := newRig(t)
	health := healthpb.NewHealthClient(r.conn)
	for i := range maxAsides + 1 {
		watch, err := health.Watch(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		want := codes.OK
		if i == maxAsides {
			want = codes.ResourceExhausted
		}
		if _, err := watch.Recv(); status.Code(err) != want {
			t.Errorf("stream %d: %v", i, err)
		}
	}
}

func TestAConnectionIsCountedUntilItEnds(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	for range 2 {
		resp, err := r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: res("T"), Endpoints: dialled()})
		r.want(rmq.Code_OK, resp.GetStatus(), err)
	}
	r.fake.mu.Lock()
	n := len(r.fake.callers)
	r.fake.mu.Unlock()
	if n != 1 {
		t.Errorf("counted %d times", n)
	}
	r.conn.Close()
	r.eventually("the end of the connection", func() bool { return r.fake.ended == 1 })
}
