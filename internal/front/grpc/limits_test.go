package grpc

import (
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
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

func TestStreamsOfHealthAreBoundedOnEachConnection(t *testing.T) {
	r := newRig(t)
	health := healthpb.NewHealthClient(r.conn)
	for i := range maxAsidesEach + 1 {
		watch, err := health.Watch(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		want := codes.OK
		if i == maxAsidesEach {
			want = codes.ResourceExhausted
		}
		if _, err := watch.Recv(); status.Code(err) != want {
			t.Errorf("stream %d: %v", i, err)
		}
	}
}

func TestAStreamOfHealthEndsSoThatItsConnectionCanBeIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		watch, err := healthpb.NewHealthClient(r.conn).Watch(t.Context(), &healthpb.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := watch.Recv(); err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := watch.Recv(); status.Code(err) != codes.Unavailable || time.Since(begun) != asideTime {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		r.conn.Connect()
		time.Sleep(2 * r.server.o.IdleTimeout)
		r.fake.look(func() {
			if n := r.fake.ended; n != 1 {
				t.Errorf("%d connections ended as idle, want 1", n)
			}
		})
	})
}

func TestAReflectionStreamThatSaysNothingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		talk, err := reflectionv1.NewServerReflectionClient(r.conn).ServerReflectionInfo(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		if _, err := talk.Recv(); status.Code(err) != codes.Unavailable || time.Since(begun) != asideTime {
			t.Errorf("after %v: %v", time.Since(begun), err)
		}
		r.eventuallyNone("stream of reflection", r.server.asides)
	})
}

func TestAConnectionBeyondALimitIsClosedWhenItsCallsWereTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.fake.look(func() { r.fake.full = fmt.Errorf("%w: too many connections, close some", mq.ErrBusy) })
		resp, err := r.Heartbeat(r.ctx("c"), &rmq.HeartbeatRequest{})
		r.want(rmq.Code_TOO_MANY_REQUESTS, resp.GetStatus(), err)
		if n := r.server.Conns(); n != 1 {
			t.Fatalf("%d connections are open", n)
		}
		time.Sleep(refusedTime + time.Second)
		if n := r.server.Conns(); n != 0 {
			t.Errorf("%d connections are open %v later", n, refusedTime)
		}
	})
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
