package grpc

import (
	"bytes"
	"context"
	"net"
	"net/netip"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding/gzip"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// A sluice lets so many bytes of a client through, and all when it is opened.
type sluice struct {
	mu    sync.Mutex
	moved sync.Cond
	left  int
	open  bool
}

func newSluice(n int) *sluice {
	s := &sluice{left: n}
	s.moved.L = &s.mu
	return s
}

func (s *sluice) release() {
	s.mu.Lock()
	s.open = true
	s.mu.Unlock()
	s.moved.Broadcast()
}

// A sluiced connection writes through a sluice.
type sluiced struct {
	net.Conn
	s      *sluice
	closed bool // under the sluice's mu
}

func (c *sluiced) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) {
		c.s.mu.Lock()
		for c.s.left == 0 && !c.s.open && !c.closed {
			c.s.moved.Wait()
		}
		n := len(b) - done
		if !c.s.open && !c.closed {
			n = min(n, c.s.left)
			c.s.left -= n
		}
		c.s.mu.Unlock()
		m, err := c.Conn.Write(b[done : done+n])
		if done += m; err != nil {
			return done, err
		}
	}
	return done, nil
}

func (c *sluiced) Close() error {
	c.s.mu.Lock()
	c.closed = true
	c.s.mu.Unlock()
	c.s.moved.Broadcast()
	return c.Conn.Close()
}

// through is a client of the rig whose bytes go through a sluice.
func (r *rig) through(s *sluice) *grpc.ClientConn {
	r.t.Helper()
	conn, err := grpc.NewClient("passthrough:bufconn", grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			nc, err := r.dial(ctx)
			if err != nil {
				return nil, err
			}
			return &sluiced{Conn: nc, s: s}, nil
		}))
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { conn.Close() })
	return conn
}

// raw sends bytes as they are, without a copy.
type raw struct{}

func (raw) Name() string { return "proto" }
func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(v.([]byte))}, nil
}
func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	return proto.Unmarshal(data.Materialize(), v.(proto.Message))
}

// sending is a request to send a message of so many bytes.
func sending(t *testing.T, size int) []byte {
	t.Helper()
	b, err := proto.Marshal(&rmq.SendMessageRequest{Messages: []*rmq.Message{{
		Topic: res("T"), Body: make([]byte, size), SystemProperties: &rmq.SystemProperties{MessageId: "m"},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// eventuallyNone waits until nobody has a share.
func (r *rig) eventuallyNone(what string, s *shares) {
	r.t.Helper()
	r.eventually("the end of each "+what, func() bool { all, _ := s.taken(netip.Addr{}); return all == 0 })
}

// live is how many bytes of the heap are in use.
func live() int64 {
	runtime.GC()
	runtime.GC() // pools give up what they hold with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

func TestWhatManyClientsSendSlowlyTakesNoMoreMemoryThanTheSettingSays(t *testing.T) {
	const budget, size, streams = 64 << 20, 8 << 20, 200
	r := newRig(t, func(o *Options) { o.MaxIncoming = budget })
	r.fake.topic("T", "NORMAL")
	r.fake.settings["maxMessageSize"] = "16777216"
	body := sending(t, size)
	before := live()
	// Of each message some arrives, and of none all.
	gate := newSluice(36 << 20)
	conn := r.through(gate)
	codes := make(chan rmq.Code, streams)
	var refusal string
	for range streams {
		go func() {
			var resp rmq.SendMessageResponse
			if err := conn.Invoke(r.ctx("c"), messagingService+"SendMessage", body, &resp, grpc.ForceCodecV2(raw{})); err != nil {
				t.Errorf("sending: %v", err)
			}
			if resp.GetStatus().GetCode() != rmq.Code_OK {
				r.fake.look(func() { refusal = resp.GetStatus().GetMessage() })
			}
			codes <- resp.GetStatus().GetCode()
		}()
	}
	const admitted = budget / 2 / size
	for range streams - admitted {
		if code := <-codes; code != rmq.Code_TOO_MANY_REQUESTS {
			t.Fatalf("a message beyond the limit: %v", code)
		}
	}
	r.fake.look(func() {
		if !strings.Contains(refusal, "grpc-max-incoming") {
			t.Errorf("the refusal says %q", refusal)
		}
	})
	if grown := live() - before; grown > budget {
		t.Errorf("%d MiB are in use, at most %d are allowed", grown>>20, budget>>20)
	}
	gate.release()
	for range admitted {
		if code := <-codes; code != rmq.Code_OK {
			t.Errorf("an admitted message: %v", code)
		}
	}
	r.eventuallyNone("request", r.server.requests)
	r.eventuallyNone("call", r.server.calls)
}

func TestARequestThatTricklesInIsEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		conn := r.through(newSluice(40 << 10))
		for _, method := range []string{"SendMessage", "ReceiveMessage", "Telemetry"} {
			begun := time.Now()
			stream, err := conn.NewStream(r.during(time.Hour, "c"), &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}, messagingService+method, grpc.ForceCodecV2(raw{}))
			if err != nil {
				t.Fatal(err)
			}
			go stream.SendMsg(sending(t, 1<<20))
			var resp rmq.SendMessageResponse
			err = stream.RecvMsg(&resp)
			if status.Code(err) != codes.DeadlineExceeded || !strings.Contains(err.Error(), "grpc-request-timeout") {
				t.Errorf("%s: %v", method, err)
			}
			if took := time.Since(begun); took != r.server.o.RequestTimeout {
				t.Errorf("%s was ended after %v", method, took)
			}
			r.eventuallyNone("request", r.server.requests)
			conn = r.through(newSluice(40 << 10))
		}
	})
}

func TestATelemetryStreamMaySayNothingForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.fake.topic("T", "NORMAL")
		stream, _ := r.talkIn(r.during(time.Hour, "c"), producer("T"))
		time.Sleep(10 * r.server.o.RequestTimeout)
		if err := stream.Send(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_Settings{Settings: producer("T")}}); err != nil {
			t.Fatal(err)
		}
		if answer, err := stream.Recv(); err != nil || answer.GetSettings() == nil {
			t.Errorf("settings after a silence: %v, %v", answer, err)
		}
	})
}

func TestNothingOfAStrangersRequestIsReceived(t *testing.T) {
	r, _ := guarded(t)
	var resp rmq.SendMessageResponse
	err := r.through(newSluice(512<<10)).Invoke(r.ctx("c"), messagingService+"SendMessage", sending(t, 8<<20), &resp, grpc.ForceCodecV2(raw{}))
	r.want(rmq.Code_UNAUTHORIZED, resp.GetStatus(), err)
}

func TestACallHasOneRequest(t *testing.T) {
	r := newRig(t)
	for n, want := range map[int]string{0: "no request", 2: "more than one request"} {
		stream, err := r.conn.NewStream(r.ctx("c"), &grpc.StreamDesc{ClientStreams: true}, messagingService+"Heartbeat")
		if err != nil {
			t.Fatal(err)
		}
		for range n {
			if err := stream.SendMsg(&rmq.HeartbeatRequest{}); err != nil {
				t.Fatal(err)
			}
		}
		stream.CloseSend()
		err = stream.RecvMsg(&rmq.HeartbeatResponse{})
		if status.Code(err) != codes.InvalidArgument || !strings.Contains(err.Error(), want) {
			t.Errorf("%d requests: %v", n, err)
		}
	}
}

func TestCompressedRequestsAreTakenWithinTheLimits(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxMessage = 1 << 20; o.MaxIncoming = 4 << 20 })
	r.fake.topic("T", "NORMAL")
	send := func(size int) (*rmq.SendMessageResponse, error) {
		return r.SendMessage(r.ctx("c"), &rmq.SendMessageRequest{Messages: []*rmq.Message{{
			Topic: res("T"), Body: bytes.Repeat([]byte{'a'}, size), SystemProperties: &rmq.SystemProperties{MessageId: "m"},
		}}}, grpc.UseCompressor(gzip.Name))
	}
	resp, err := send(100 << 10)
	r.want(rmq.Code_OK, resp.GetStatus(), err)
	if n := len(r.fake.sends[0].Body); n != 100<<10 {
		t.Errorf("%d bytes arrived", n)
	}
	if _, err := send(8 << 20); status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "grpc-max-message") {
		t.Errorf("a body that is larger than it looks: %v", err)
	}
	r.eventuallyNone("request", r.server.requests)
}

func TestARequestIsWeighedByWhatItTakesInMemory(t *testing.T) {
	many := &rmq.AckMessageRequest{}
	for range 100_000 {
		many.Entries = append(many.Entries, &rmq.AckMessageEntry{})
	}
	sent := &rmq.SendMessageRequest{Messages: []*rmq.Message{{
		Topic: res("T"), UserProperties: map[string]string{}, SystemProperties: &rmq.SystemProperties{Keys: []string{"a", "b"}},
	}}}
	for i := range 50_000 {
		sent.Messages[0].UserProperties[strconv.Itoa(i)] = ""
	}
	for name, m := range map[string]proto.Message{"empty entries": many, "properties": sent, "a body": &rmq.Message{Body: make([]byte, 32<<20)}} {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		into := m.ProtoReflect().New().Interface()
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := proto.Unmarshal(b, into); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		// Up to half of it is what slices and maps leave behind as they grow.
		took := int64(after.TotalAlloc - before.TotalAlloc)
		if w := weigh(b, m.ProtoReflect().Descriptor()); w < took/2 || w > 3*took {
			t.Errorf("%s: %d bytes weigh %d and take %d", name, len(b), w, took)
		}
	}
	r := newRig(t, func(o *Options) { o.MaxMessage = 1 << 20; o.MaxIncoming = 4 << 20 })
	resp, err := r.AckMessage(r.ctx("c"), many)
	r.want(rmq.Code_TOO_MANY_REQUESTS, resp.GetStatus(), err)
}

func TestCallsUnderWayAreBounded(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxCalls = 4 })
	for range 2 {
		if _, err := r.Telemetry(r.ctx("c")); err != nil {
			t.Fatal(err)
		}
	}
	r.eventually("two calls", func() bool { all, _ := r.server.calls.taken(netip.Addr{}); return all == 2 })
	_, err := r.Heartbeat(r.ctx("c"), &rmq.HeartbeatRequest{})
	if status.Code(err) != codes.ResourceExhausted || !strings.Contains(err.Error(), "grpc-max-calls") {
		t.Errorf("a call beyond the limit: %v", err)
	}
}

func TestAClientLeavesTheOthersAsMuchAsItHas(t *testing.T) {
	s := newShares(100)
	addr := func(i byte) netip.Addr { return netip.AddrFrom4([4]byte{10, 0, 0, i}) }
	grasp := func(who netip.Addr) (n int) {
		for s.take(who, 1) {
			n++
		}
		return n
	}
	for i, want := range []int{50, 25, 13, 6} {
		if n := grasp(addr(byte(i))); n != want {
			t.Errorf("client %d got %d, want %d", i, n, want)
		}
	}
	s.give(addr(0), 50)
	if n := grasp(addr(9)); n < 25 {
		t.Errorf("when the first is done another gets %d", n)
	}
}

func TestAStreamThatItsClientDoesNotReadIsEndedAndItsMessagesComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.fake.topic("T", "NORMAL")
		big := strings.Repeat("x", 256<<10)
		r.fake.pop = func(_ mq.PopRequest, done func(mq.PopBatch, error)) {
			done(r.fake.batch(stored("T", 0, big, nil, 0, 0), stored("T", 1, big, nil, 0, 0), stored("T", 2, big, nil, 0, 0)), nil)
		}
		begun := time.Now()
		if _, err := r.ReceiveMessage(r.during(time.Hour, "c"), wanted()); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if n := r.server.unread.Load(); n < int64(3*len(big)) {
			t.Errorf("%d bytes count as not read", n)
		}
		for r.server.Conns() > 0 {
			time.Sleep(time.Second)
		}
		synctest.Wait()
		if took := time.Since(begun); took < r.server.o.ReadTimeout || took > r.server.o.ReadTimeout+time.Second {
			t.Errorf("ended after %v", took)
		}
		if n := r.server.unread.Load(); n != 0 {
			t.Errorf("%d bytes still count as not read", n)
		}
		if n := len(r.fake.changed); n != 2 {
			t.Errorf("%d messages came back, want the 2 that had not begun to leave", n)
		}
		if !strings.Contains(r.log.String(), "grpc-read-timeout") {
			t.Errorf("the log says %q", r.log.String())
		}
	})
}
