package grpc

import (
	"context"
	"errors"
	"net/netip"
	"runtime/debug"
	"strings"
	"sync/atomic"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/mq"
)

// maxClientID bounds the id that a client gives itself, in bytes.
const maxClientID = 255

// A count is how often a call came, how often it was refused, how many messages
// it carried and, if it does not stream, how many milliseconds it took.
type count struct {
	calls, refused, messages atomic.Int64
	took                     *meter.Histogram
}

// A caller is who makes a call, as its headers say.
type caller struct {
	clientID string
	language string // as remoting clients name theirs
	version  string
	remote   netip.AddrPort
	visitor  *visitor // nil where there is no connection
	user     string   // who signed the call; empty if calls are not signed
	vouched  bool     // another node says all this,
	content  string   // of a request with this hash
}

type callerKey struct{}

// callerOf is who makes the call that ctx belongs to.
func callerOf(ctx context.Context) caller {
	c, _ := ctx.Value(callerKey{}).(caller)
	return c
}

// identified is ctx with its caller, who may have to prove who they are. A call of
// MessagingService needs a client id.
func (s *Server) identified(ctx context.Context, method string) (context.Context, error) {
	first := func(key string) string {
		if v := metadata.ValueFromIncomingContext(ctx, key); len(v) > 0 {
			return v[0]
		}
		return ""
	}
	c := caller{clientID: first("x-mq-client-id"), language: language(first("x-mq-language")), version: first("x-mq-client-version")}
	if p, ok := peer.FromContext(ctx); ok {
		c.remote = addrPort(p.Addr)
		c.visitor, _ = p.AuthInfo.(*visitor)
	}
	err := s.authenticate(ctx, method, &c)
	ctx = context.WithValue(ctx, callerKey{}, c)
	// Limits count calls that are not who they say as well, as nobody's.
	if busy := c.admit(err == nil && isVital(method)); busy != nil {
		err = busy
	}
	if err != nil {
		return ctx, err
	}
	if !strings.HasPrefix(method, messagingService) {
		return ctx, nil
	}
	switch {
	case strings.TrimSpace(c.clientID) == "":
		return ctx, refusef(rmq.Code_CLIENT_ID_REQUIRED, "client id cannot be empty: send it in the header x-mq-client-id")
	case len(c.clientID) > maxClientID:
		return ctx, refusef(rmq.Code_CLIENT_ID_REQUIRED, "the client id has %d bytes, at most %d are allowed", len(c.clientID), maxClientID)
	}
	return ctx, nil
}

// admit counts a call, unless a limit refuses it, which it does not to a vital one.
func (c *caller) admit(vital bool) error {
	switch v := c.visitor; {
	case v == nil:
		return nil
	case v.refused != nil:
		return v.refused
	default:
		return v.visit.Request(mq.Caller{User: c.user, Addr: c.remote}, vital)
	}
}

// visit is the connection that the call came over; nil if there is none.
func (c *caller) visit() mq.Visit {
	if c.visitor == nil || c.visitor.visit == nil {
		return nil
	}
	return c.visitor.visit
}

// isVital reports whether a call that is who it says is never refused by a limit.
func isVital(method string) bool {
	return vital[method] || !strings.HasPrefix(method, messagingService)
}

// vital are the calls that a client's limit of requests does not refuse: they
// end what was begun.
var vital = map[string]bool{
	messagingService + "Heartbeat": true, messagingService + "NotifyClientTermination": true, messagingService + "Telemetry": true,
	messagingService + "AckMessage": true, messagingService + "ChangeInvisibleDuration": true, messagingService + "EndTransaction": true,
	messagingService + "ForwardMessageToDeadLetterQueue": true, messagingService + "UpdateOffset": true,
}

// language is a client's language among those that RocketMQ's tools know.
func language(header string) string {
	switch name := strings.ToUpper(header); name {
	case "JAVA", "CPP", "DOTNET", "PYTHON", "RUBY", "HTTP", "GO", "PHP", "RUST", "NODE_JS":
		return name
	case "GOLANG":
		return "GO"
	case "DOT_NET":
		return "DOTNET"
	}
	return "OTHER"
}

// served is a service whose calls all begin here, and are received as a call
// receives.
func (s *Server) served(desc grpc.ServiceDesc) *grpc.ServiceDesc {
	var all []grpc.StreamDesc
	for i := range desc.Methods {
		m := &desc.Methods[i]
		all = append(all, grpc.StreamDesc{StreamName: m.MethodName, Handler: func(srv any, ss grpc.ServerStream) error {
			return s.unary(srv, ss, "/"+desc.ServiceName+"/"+m.MethodName, m.Handler)
		}})
	}
	desc.Methods, desc.Streams = nil, append(all, desc.Streams...)
	return &desc
}

// unary serves a call that has one answer. An error becomes an answer with its
// status, a panic INTERNAL_SERVER_ERROR.
func (s *Server) unary(srv any, ss grpc.ServerStream, method string, handle grpc.MethodHandler) error {
	growStack()
	c, err := s.begin(ss, method, true)
	if err != nil {
		return err
	}
	defer c.end()
	op := s.table[method]
	if op == nil { // health
		if c.refused() != nil {
			return aside(c.refused())
		}
		resp, err := handle(srv, c.ctx, c.RecvMsg, nil)
		if err != nil {
			return aside(err)
		}
		return ss.SendMsg(resp)
	}
	resp, err := s.answer(op, c, srv, handle)
	if err != nil {
		return err
	}
	return ss.SendMsg(resp) // one message never waits for its client
}

// growStack makes room on the stack of a goroutine that has just begun, as each
// call's has: to grow on the way down, step by step, took a tenth of a send.
//
//go:noinline
func growStack() {
	var room [stackRoom]byte
	keepRoom(&room)
}

//go:noinline
func keepRoom(*[stackRoom]byte) {}

// stackRoom makes a stack of 16 KiB, the longest that is made quickly.
const stackRoom = 8 << 10

// answer finds the answer to a call.
func (s *Server) answer(op *operation, c *call, srv any, handle grpc.MethodHandler) (resp any, err error) {
	n := s.counts[op.name]
	n.calls.Add(1)
	began := time.Now()
	defer func() {
		n.took.Observe(time.Since(began).Milliseconds())
		if r := recover(); r != nil {
			err = s.panicked(op.name, r)
			c.received = nil // the broker may still have it
		}
		if err == nil {
			return
		}
		n.refused.Add(1)
		if op.refuse != nil && status.Code(err) == codes.Unknown {
			resp, err = op.refuse(s.explain(err)), nil
		}
	}()
	// Who calls is known before the request is received: a stranger's is not.
	if c.ctx, err = s.identified(c.ctx, c.method); err != nil {
		return nil, err
	}
	return s.handled(c, srv, handle)
}

// stream serves a call that streams. Its handler writes its status itself.
func (s *Server) stream(srv any, ss grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) (err error) {
	growStack()
	c, err := s.begin(ss, info.FullMethod, !info.IsClientStream)
	if err != nil {
		return err
	}
	defer c.end()
	op := s.table[info.FullMethod]
	if op == nil {
		return s.besides(srv, c, next)
	}
	n := s.counts[op.name]
	n.calls.Add(1)
	defer func() {
		if r := recover(); r != nil {
			err = status.Error(codes.Internal, s.panicked(op.name, r).Error())
		}
		if err != nil {
			n.refused.Add(1)
		}
	}()
	if c.ctx, err = s.identified(c.ctx, c.method); err != nil {
		return s.refuseStream(ss, info.FullMethod, err)
	}
	err = next(srv, c)
	var refused *refusal
	if errors.As(err, &refused) || errors.Is(err, auth.ErrForbidden) || errors.Is(err, auth.ErrUnauthenticated) {
		return s.refuseStream(ss, info.FullMethod, err)
	}
	return err
}

// refuseStream ends a stream before it begins.
func (s *Server) refuseStream(ss grpc.ServerStream, method string, err error) error {
	state := s.explain(err)
	switch method {
	case messagingService + "ReceiveMessage":
		return ss.SendMsg(&rmq.ReceiveMessageResponse{Content: &rmq.ReceiveMessageResponse_Status{Status: state}})
	case messagingService + "PullMessage":
		return ss.SendMsg(&rmq.PullMessageResponse{Content: &rmq.PullMessageResponse_Status{Status: state}})
	}
	if refused := refusedStream(err); !errors.Is(err, refused) {
		return refused
	}
	code := codes.InvalidArgument
	if state.Code == rmq.Code_TOO_MANY_REQUESTS {
		code = codes.ResourceExhausted
	}
	return status.Error(code, state.Message)
}

// panicked logs a panic and makes an error of it.
func (s *Server) panicked(method string, r any) error {
	s.log.Error("a call panicked", "call", method, "panic", r, "stack", string(debug.Stack()))
	return refusef(rmq.Code_INTERNAL_SERVER_ERROR, "the broker failed at this call; its log says more, please report it")
}

// remaining is how long a call's client waits for it; ok is false if it did not
// say.
func remaining(ctx context.Context) (d time.Duration, ok bool) {
	deadline, ok := ctx.Deadline()
	return time.Until(deadline), ok
}
