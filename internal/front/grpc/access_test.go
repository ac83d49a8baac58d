package grpc

import (
	"context"
	"encoding/hex"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// guarded is a rig that asks who calls, with the users root (super), alice and
// bob (disabled).
func guarded(t *testing.T, change ...func(*auth.Options)) (*rig, *auth.Access) {
	t.Helper()
	o := auth.Options{Authentication: true, Authorization: true, InitUser: `{"username":"root","password":"rootsecret"}`, SignatureAge: time.Minute}
	for _, c := range change {
		c(&o)
	}
	a, err := auth.Open(nil, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	root := mq.Caller{User: "root"}
	for _, u := range []auth.User{{Name: "alice", Secret: "alicesecret"}, {Name: "bob", Secret: "bobsecret", Disabled: true}} {
		if err := a.CreateUser(root, u); err != nil {
			t.Fatal(err)
		}
	}
	r := newRig(t, func(o *Options) { o.Access, o.Cluster = a, "C" })
	r.fake.topics["T"] = mq.Topic{Name: "T", ReadQueues: 1, WriteQueues: 1, Perm: 6}
	return r, a
}

func allow(t *testing.T, a *auth.Access, resource string, sources []string, actions ...string) {
	t.Helper()
	acl, err := auth.ParseACL([]auth.PolicyText{{Entries: []auth.EntryText{{Resource: resource, Actions: actions, SourceIPs: sources, Decision: "Allow"}}}})
	if err == nil {
		err = a.PutACL("alice", acl)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// signed is the context of a call that somebody signs at a time.
func signed(r *rig, user, secret string, at time.Time) context.Context {
	date := at.Format("20060102T150405Z")
	header := fmt.Sprintf("MQv2-HMAC-SHA1 Credential=%s, SignedHeaders=x-mq-date-time, Signature=%s", user,
		strings.ToUpper(hex.EncodeToString(auth.Sign(auth.Secret(secret), []byte(date)))))
	return metadata.AppendToOutgoingContext(r.ctx("c"), "x-mq-date-time", date, "authorization", header)
}

// letIn is what a route without endpoints is answered with, behind access control.
const letIn = rmq.Code_ILLEGAL_ACCESS_POINT

func TestCallsAreFromWhoSignsThem(t *testing.T) {
	r, _ := guarded(t)
	now := time.Now().UTC()
	for _, tt := range []struct {
		name string
		ctx  context.Context
		code rmq.Code
		want string
	}{
		{"a super user", signed(r, "root", "rootsecret", now), letIn, ""},
		{"nobody", r.ctx("c"), rmq.Code_UNAUTHORIZED, "username cannot be null"},
		{"somebody unknown", signed(r, "eve", "evesecret", now), rmq.Code_UNAUTHORIZED, "User:eve is not found"},
		{"a wrong secret", signed(r, "root", "alicesecret", now), rmq.Code_UNAUTHORIZED, "check signature failed"},
		{"a disabled user", signed(r, "bob", "bobsecret", now), rmq.Code_UNAUTHORIZED, "User:bob is disabled"},
		{"a call that was recorded", signed(r, "root", "rootsecret", now.Add(-2*time.Minute)), rmq.Code_UNAUTHORIZED, "signature-age"},
		{"a call from the future", signed(r, "root", "rootsecret", now.Add(2*time.Minute)), rmq.Code_UNAUTHORIZED, "signature-age"},
		{"another scheme", metadata.AppendToOutgoingContext(r.ctx("c"), "authorization", "Basic cm9vdA=="), rmq.Code_UNAUTHORIZED, "authentication header is incorrect"},
		{"no date", metadata.AppendToOutgoingContext(r.ctx("c"), "authorization", "MQv2-HMAC-SHA1 Credential=root, Signature=00"), rmq.Code_UNAUTHORIZED, "x-mq-date-time"},
		{"a user without policies", signed(r, "alice", "alicesecret", now), rmq.Code_FORBIDDEN, "User:alice has no permission to access Topic:T with PUB|SUB"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := r.QueryRoute(tt.ctx, &rmq.QueryRouteRequest{Topic: &rmq.Resource{Name: "T"}})
			if err != nil {
				t.Fatal(err)
			}
			if resp.Status.Code != tt.code || !strings.Contains(resp.Status.Message, tt.want) {
				t.Errorf("answered %v, want %v with %q", resp.Status, tt.code, tt.want)
			}
		})
	}
}

func TestStreamsAreLookedAtRequestByRequest(t *testing.T) {
	r, a := guarded(t)
	ctx, cancel := context.WithTimeout(signed(r, "alice", "alicesecret", time.Now()), 10*time.Second)
	defer cancel()
	receive := func() rmq.Code {
		stream, err := r.ReceiveMessage(ctx, &rmq.ReceiveMessageRequest{Group: &rmq.Resource{Name: "G"}, MessageQueue: &rmq.MessageQueue{Topic: &rmq.Resource{Name: "T"}}})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := stream.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return resp.GetStatus().GetCode()
	}
	if got := receive(); got != rmq.Code_FORBIDDEN {
		t.Errorf("without a policy: %v", got)
	}
	allow(t, a, "Topic:T", nil, "Sub")
	if got := receive(); got != rmq.Code_FORBIDDEN {
		t.Errorf("without the group: %v", got)
	}
	talk := func() error {
		stream, err := r.Telemetry(ctx)
		if err != nil {
			t.Fatal(err)
		}
		settings := &rmq.Settings{PubSub: &rmq.Settings_Publishing{Publishing: &rmq.Publishing{Topics: []*rmq.Resource{{Name: "T"}}}}, ClientType: rmq.ClientType_PRODUCER.Enum()}
		if err := stream.Send(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_Settings{Settings: settings}}); err != nil {
			t.Fatal(err)
		}
		_, err = stream.Recv()
		return err
	}
	if err := talk(); status.Code(err) != codes.PermissionDenied || !strings.Contains(err.Error(), "User:alice") {
		t.Errorf("settings of a producer that may not send: %v", err)
	}
	allow(t, a, "Topic:T", nil, "Pub")
	if err := talk(); err != nil {
		t.Errorf("settings of a producer: %v", err)
	}
	stream, err := r.Telemetry(r.ctx("c"))
	if err == nil {
		_, err = stream.Recv()
	}
	if status.Code(err) != codes.Unauthenticated {
		t.Errorf("a stream of nobody: %v", err)
	}
}

func TestEveryCallIsKnownToAccessControl(t *testing.T) {
	r, _ := guarded(t)
	for _, service := range []reflect.Type{reflect.TypeFor[rmq.MessagingServiceServer](), reflect.TypeFor[rmq.AdminServer]()} {
		for i := range service.NumMethod() {
			method := service.Method(i)
			for j := range method.Type.NumIn() {
				in := method.Type.In(j)
				if method.Name == "Telemetry" {
					in = reflect.TypeFor[*rmq.TelemetryCommand]()
				}
				if in.Kind() != reflect.Pointer {
					continue // context, stream
				}
				if _, known := r.server.needsOf(reflect.New(in.Elem()).Interface()); !known {
					t.Errorf("%s: %v is not in needsOf", method.Name, in)
				}
			}
		}
	}
}

func TestCallsOfTheWhitelistsPass(t *testing.T) {
	for _, name := range []string{"apache.rocketmq.v2.QueryRouteRequest", "apache.rocketmq.v2.MessagingService.QueryRoute"} {
		r, _ := guarded(t, func(o *auth.Options) {
			o.AuthenticationWhitelist, o.AuthorizationWhitelist = []string{name}, []string{name}
		})
		resp, err := r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: &rmq.Resource{Name: "T"}})
		r.want(letIn, resp.GetStatus(), err)
		beat, err := r.Heartbeat(r.ctx("c"), &rmq.HeartbeatRequest{})
		r.want(rmq.Code_UNAUTHORIZED, beat.GetStatus(), err)
	}
}

func TestWhoCallsIsKnown(t *testing.T) {
	r, _ := guarded(t)
	ctx := metadata.NewIncomingContext(context.Background(), metadata.MD{})
	date := time.Now().Format("20060102T150405Z")
	ctx = metadata.NewIncomingContext(ctx, metadata.Pairs("x-mq-client-id", "c", "x-mq-date-time", date, "authorization",
		"MQv2-HMAC-SHA1 Credential=root/x, SignedHeaders=x-mq-date-time, Signature="+hex.EncodeToString(auth.Sign("rootsecret", []byte(date)))))
	ctx, err := r.server.identified(ctx, messagingService+"Heartbeat")
	if err != nil || r.server.caller(ctx).User != "root" {
		t.Errorf("caller %+v, %v", r.server.caller(ctx), err)
	}
}

func FuzzAuthorization(f *testing.F) {
	f.Add("MQv2-HMAC-SHA1 Credential=root/region, SignedHeaders=x-mq-date-time, Signature=00FF", "20260102T150405Z")
	f.Add("MQv2-HMAC-SHA1 Credential==,Signature=", "2026-01-02T15:04:05+08:00")
	f.Add("", "")
	f.Fuzz(func(t *testing.T, header, date string) {
		sign, err := parseAuthorization(header)
		if err == nil && (sign.user == "") != (sign.mac == nil) {
			t.Errorf("%q is half a signature: %+v", header, sign)
		}
		if at, err := parseDate(date); err == nil && at.IsZero() && !strings.HasPrefix(date, "0001") {
			t.Errorf("%q is %v", date, at)
		}
	})
}

func TestAGroupInAHeartbeatIsAskedForWhateverItsType(t *testing.T) {
	r, a := guarded(t)
	ctx := signed(r, "alice", "alicesecret", time.Now().UTC())
	for _, kind := range []rmq.ClientType{rmq.ClientType_PRODUCER, rmq.ClientType_PUSH_CONSUMER, rmq.ClientType_CLIENT_TYPE_UNSPECIFIED} {
		resp, err := r.Heartbeat(ctx, &rmq.HeartbeatRequest{ClientType: kind, Group: res("G")})
		r.want(rmq.Code_FORBIDDEN, resp.GetStatus(), err)
	}
	resp, err := r.Heartbeat(ctx, &rmq.HeartbeatRequest{ClientType: rmq.ClientType_PRODUCER})
	r.want(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, resp.GetStatus(), err)
	allow(t, a, "Group:G", nil, "Sub")
	resp, err = r.Heartbeat(ctx, &rmq.HeartbeatRequest{Group: res("G")})
	r.want(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, resp.GetStatus(), err)
}

func TestAClientIsItsUsers(t *testing.T) {
	r, a := guarded(t)
	allow(t, a, "*", nil, "All")
	now := time.Now().UTC()
	asRoot, asAlice := signed(r, "root", "rootsecret", now), signed(r, "alice", "alicesecret", now)
	send := func(ctx context.Context) (rmq.MessagingService_TelemetryClient, error) {
		stream, err := r.Telemetry(ctx)
		if err == nil {
			err = stream.Send(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_Settings{Settings: producer("T")}})
		}
		if err == nil {
			_, err = stream.Recv()
		}
		return stream, err
	}
	if _, err := send(asRoot); err != nil {
		t.Fatal(err)
	}
	if _, err := send(asAlice); status.Code(err) != codes.Unauthenticated || !strings.Contains(err.Error(), "another user") {
		t.Errorf("another user's settings: %v", err)
	}
	beat, err := r.Heartbeat(asAlice, &rmq.HeartbeatRequest{})
	r.want(rmq.Code_UNAUTHORIZED, beat.GetStatus(), err)
	end, err := r.NotifyClientTermination(asAlice, &rmq.NotifyClientTerminationRequest{})
	r.want(rmq.Code_UNAUTHORIZED, end.GetStatus(), err)
	beat, err = r.Heartbeat(asRoot, &rmq.HeartbeatRequest{})
	r.want(rmq.Code_OK, beat.GetStatus(), err)
	end, err = r.NotifyClientTermination(asRoot, &rmq.NotifyClientTerminationRequest{})
	r.want(rmq.Code_OK, end.GetStatus(), err)
	if _, err := send(asAlice); err != nil {
		t.Errorf("an id that was given up: %v", err)
	}
}

func TestLimitsSeeCallsThatAreNotWhoTheySay(t *testing.T) {
	r, _ := guarded(t)
	r.fake.mu.Lock()
	r.fake.slow = mq.ErrBusy
	r.fake.mu.Unlock()
	resp, err := r.Heartbeat(signed(r, "root", "guess12", time.Now().UTC()), &rmq.HeartbeatRequest{})
	r.want(rmq.Code_TOO_MANY_REQUESTS, resp.GetStatus(), err)
	resp, err = r.Heartbeat(signed(r, "root", "rootsecret", time.Now().UTC()), &rmq.HeartbeatRequest{})
	r.want(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, resp.GetStatus(), err)
}
