package grpc

import (
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

func TestACallWithoutAClientIDIsRefused(t *testing.T) {
	r := newRig(t)
	resp, err := r.QueryRoute(context.Background(), &rmq.QueryRouteRequest{Topic: res("T")})
	r.want(rmq.Code_CLIENT_ID_REQUIRED, resp.GetStatus(), err)
	stream, err := r.ReceiveMessage(context.Background(), &rmq.ReceiveMessageRequest{})
	if err != nil {
		t.Fatal(err)
	}
	first, err := stream.Recv()
	r.want(rmq.Code_CLIENT_ID_REQUIRED, first.GetStatus(), err)
}

func TestAPanicIsAnsweredAndLogged(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "NORMAL")
	r.fake.settings = nil
	r.server.admin = nil
	resp, err := r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: res("T"), Endpoints: dialled()})
	r.want(rmq.Code_INTERNAL_SERVER_ERROR, resp.GetStatus(), err)
	if !strings.Contains(r.log.String(), "a call panicked") {
		t.Errorf("the log says %q", r.log.String())
	}
}

// dialled is where a client says that it found the server.
func dialled() *rmq.Endpoints {
	return &rmq.Endpoints{Scheme: rmq.AddressScheme_DOMAIN_NAME, Addresses: []*rmq.Address{{Host: "mq.example.com", Port: 443}}}
}

func TestRouteNamesQueuesByPermissionAndTheEndpointsThatTheClientDialled(t *testing.T) {
	r := newRig(t)
	r.fake.topics["T"] = mq.Topic{Name: "T", ReadQueues: 3, WriteQueues: 5, Perm: 6}
	resp, err := r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: res("T"), Endpoints: dialled()})
	r.want(rmq.Code_OK, resp.GetStatus(), err)
	if n := len(resp.MessageQueues); n != 5 {
		t.Fatalf("%d queues", n)
	}
	for i, q := range resp.MessageQueues {
		want := rmq.Permission_READ_WRITE
		if i < 2 {
			want = rmq.Permission_WRITE
		}
		if q.Permission != want || q.Id != int32(i) || q.Broker.Name != "b1" || q.Broker.Endpoints.Addresses[0].Host != "mq.example.com" ||
			len(q.AcceptMessageTypes) != 1 || q.AcceptMessageTypes[0] != rmq.MessageType_NORMAL {
			t.Errorf("queue %d: %v", i, q)
		}
	}
	r.fake.topic("M", "MIXED")
	if resp, err = r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: res("M"), Endpoints: dialled()}); err != nil || len(resp.MessageQueues[0].AcceptMessageTypes) != 4 {
		t.Errorf("a mixed topic: %v, %v", resp, err)
	}
	resp, err = r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: res("none"), Endpoints: dialled()})
	r.want(rmq.Code_TOPIC_NOT_FOUND, resp.GetStatus(), err)
	resp, err = r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: res("no blanks")})
	r.want(rmq.Code_ILLEGAL_TOPIC, resp.GetStatus(), err)
	resp, err = r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: res(mq.TopicSchedule)})
	r.want(rmq.Code_ILLEGAL_TOPIC, resp.GetStatus(), err)
	resp, err = r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: res("T")})
	r.want(rmq.Code_ILLEGAL_ACCESS_POINT, resp.GetStatus(), err)
}

func TestRouteNamesTheAdvertisedAddressIfThereIsOne(t *testing.T) {
	for host, scheme := range map[string]rmq.AddressScheme{
		"10.0.0.5": rmq.AddressScheme_IPv4, "::2": rmq.AddressScheme_IPv6, "mq.example.com:9000": rmq.AddressScheme_DOMAIN_NAME,
	} {
		r := newRig(t, func(o *Options) { o.Advertised = host })
		r.fake.topic("T", "FIFO")
		resp, err := r.QueryRoute(r.ctx("c"), &rmq.QueryRouteRequest{Topic: res("T")})
		r.want(rmq.Code_OK, resp.GetStatus(), err)
		at := resp.MessageQueues[0].Broker.Endpoints
		if at.Scheme != scheme || !strings.HasPrefix(host, at.Addresses[0].Host) {
			t.Errorf("advertised %s: %v", host, at)
		}
	}
}

func TestAssignmentIsOneForAllQueuesAndOneForEachInOrder(t *testing.T) {
	r := newRig(t)
	r.fake.topic("T", "FIFO")
	ask := func() *rmq.QueryAssignmentResponse {
		resp, err := r.QueryAssignment(r.ctx("c"), &rmq.QueryAssignmentRequest{Topic: res("T"), Group: res("G"), Endpoints: dialled()})
		if err != nil {
			t.Fatal(err)
		}
		return resp
	}
	if a := ask().Assignments; len(a) != 1 || a[0].MessageQueue.Id != -1 {
		t.Errorf("%v", a)
	}
	r.fake.groups["G"] = mq.Group{Name: "G", ConsumeOrderly: true}
	if a := ask().Assignments; len(a) != 4 || a[3].MessageQueue.Id != 3 {
		t.Errorf("in order: %v", a)
	}
	r.fake.topics["T"] = mq.Topic{Name: "T", ReadQueues: 4, Perm: 2}
	r.want(rmq.Code_FORBIDDEN, ask().Status, nil)
}

func TestSettingsComeBackMergedWithTheServers(t *testing.T) {
	r := newRig(t)
	_, answer := r.talk("p", producer("T"))
	s := answer.GetSettings()
	if answer.Status.Code != rmq.Code_OK || s.GetPublishing().MaxBodySize != 4<<20 || !s.GetPublishing().ValidateMessageType ||
		s.BackoffPolicy.MaxAttempts != 3 || s.BackoffPolicy.GetExponentialBackoff().Initial.AsDuration() != 10*time.Millisecond || s.Metric.On {
		t.Errorf("a producer got %v", answer)
	}
	r.fake.groups["G"] = mq.Group{Name: "G", RetryMax: 5, ConsumeOrderly: true, RetryPolicy: &mq.RetryPolicy{
		Type: "EXPONENTIAL", Exponential: &mq.ExponentialPolicy{Initial: 100, Max: 1000, Multiplier: 3},
	}}
	_, answer = r.talk("c", consumer("G", rmq.ClientType_PUSH_CONSUMER, "T"))
	s = answer.GetSettings()
	if !s.GetSubscription().GetFifo() || s.GetSubscription().GetReceiveBatchSize() != 32 || s.BackoffPolicy.MaxAttempts != 6 ||
		s.BackoffPolicy.GetExponentialBackoff().Multiplier != 3 || s.GetSubscription().LongPollingTimeout.AsDuration() != 20*time.Second {
		t.Errorf("a consumer got %v", answer)
	}
	_, answer = r.talk("d", consumer("other", rmq.ClientType_SIMPLE_CONSUMER))
	next := answer.GetSettings().BackoffPolicy.GetCustomizedBackoff().GetNext()
	if len(next) != 18 || next[17].AsDuration() != 2*time.Hour || answer.GetSettings().BackoffPolicy.MaxAttempts != 17 {
		t.Errorf("a group that nobody configured rests %v", next)
	}
}

func TestSettingsThatCannotBeAcceptedEndTheStream(t *testing.T) {
	r := newRig(t)
	many := producer("T")
	many.ClientProperties = map[string]string{"a b": ""}
	large := consumer("G", rmq.ClientType_PUSH_CONSUMER, "T")
	large.UserAgent = &rmq.UA{Hostname: strings.Repeat("h", maxSettings)}
	for what, settings := range map[string]*rmq.Settings{
		"large":      large,
		"neither":    {},
		"bad topic":  producer("a b"),
		"bad group":  consumer("a b", rmq.ClientType_PUSH_CONSUMER),
		"properties": many,
	} {
		stream, err := r.Telemetry(r.ctx("c"))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Send(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_Settings{Settings: settings}}); err != nil {
			t.Fatal(err)
		}
		if _, err := stream.Recv(); status.Code(err) != codes.InvalidArgument {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestAClientIsAMemberFromItsSettingsUntilItsStreamEnds(t *testing.T) {
	r := newRig(t)
	stream, _ := r.talk("c", consumer("G", rmq.ClientType_PUSH_CONSUMER, "T"))
	r.fake.look(func() {
		m := r.fake.joined[0]
		c := m.Consumers[0]
		if m.ClientID != "c" || m.Language != "GO" || c.Group != "G" || c.Type != "CONSUME_PASSIVELY" || c.Subscriptions[0].Expression != "a || b" ||
			len(c.Subscriptions[0].Tags) != 2 || c.Subscriptions[0].Codes[0] != mq.JavaHash("a") {
			t.Errorf("joined as %+v", m)
		}
	})
	beat, err := r.Heartbeat(r.ctx("c"), &rmq.HeartbeatRequest{Group: res("G"), ClientType: rmq.ClientType_PUSH_CONSUMER})
	r.want(rmq.Code_OK, beat.GetStatus(), err)
	r.fake.look(func() {
		if len(r.fake.joined) != 2 || r.fake.joined[1].Peer != r.fake.joined[0].Peer || r.fake.joined[1].Consumers[0].Subscriptions != nil {
			t.Errorf("a heartbeat joined as %+v", r.fake.joined)
		}
	})
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	r.eventually("the client leaves", func() bool { return len(r.fake.left) == 1 })
	beat, err = r.Heartbeat(r.ctx("c"), &rmq.HeartbeatRequest{Group: res("G")})
	r.want(rmq.Code_OK, beat.GetStatus(), err) // its settings are still there
	r.fake.look(func() {
		if last := r.fake.joined[2].Consumers[0]; len(last.Subscriptions) != 1 {
			t.Errorf("it came back as %+v", last)
		}
	})

	end, err := r.NotifyClientTermination(r.ctx("c"), &rmq.NotifyClientTerminationRequest{Group: res("G")})
	r.want(rmq.Code_OK, end.GetStatus(), err)
	beat, err = r.Heartbeat(r.ctx("c"), &rmq.HeartbeatRequest{Group: res("G")})
	r.want(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, beat.GetStatus(), err)
	end, err = r.NotifyClientTermination(r.ctx("c"), &rmq.NotifyClientTerminationRequest{})
	r.want(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, end.GetStatus(), err)
}

func TestProducersAreMembersOfTheGroupOfEachOfTheirTopics(t *testing.T) {
	r := newRig(t)
	r.talk("p", producer("T1", "T2"))
	r.fake.look(func() {
		if got := r.fake.joined[0].Producers; len(got) != 2 || got[1] != "T2" {
			t.Errorf("%v", got)
		}
	})
}

// peer is the broker's way to the client that joined first.
func (r *rig) peer() mq.Peer {
	r.fake.mu.Lock()
	defer r.fake.mu.Unlock()
	return r.fake.joined[0].Peer
}

func TestAProducerIsAskedAboutItsTransaction(t *testing.T) {
	r := newRig(t)
	stream, _ := r.talk("p", producer("T"))
	r.peer().CheckTransaction(mq.TransactionCheck{
		Topic: "T", Offset: 7, Pos: 4711, UniqueKey: "key-1", Record: stored("T", 7, "body", map[string]string{mq.PropUniqueKey: "key-1"}, 0, 0),
	})
	in, err := stream.Recv()
	if err != nil {
		t.Fatal(err)
	}
	c := in.GetRecoverOrphanedTransactionCommand()
	if c.GetMessage().GetSystemProperties().GetMessageId() != "key-1" || string(c.GetMessage().GetBody()) != "body" {
		t.Fatalf("got %v", in)
	}
	end, err := r.EndTransaction(r.ctx("p"), &rmq.EndTransactionRequest{
		Topic: res("T"), MessageId: "key-1", TransactionId: c.TransactionId, Resolution: rmq.TransactionResolution_COMMIT,
		Source: rmq.TransactionSource_SOURCE_SERVER_CHECK,
	})
	r.want(rmq.Code_OK, end.GetStatus(), err)
	want := mq.TransactionEnd{Group: "T", Offset: 7, Pos: 4711, Outcome: mq.OutcomeCommit, Checked: true}
	if !reflect.DeepEqual(r.fake.ends[0], want) {
		t.Errorf("ended %+v, want %+v", r.fake.ends[0], want)
	}
}

func TestOperatorsOfTheOtherProtocolCanAskAClient(t *testing.T) {
	r := newRig(t)
	stream, _ := r.talk("c", consumer("G", rmq.ClientType_PUSH_CONSUMER, "T"))
	go func() { // the client
		for {
			in, err := stream.Recv()
			if err != nil {
				return
			}
			out := &rmq.TelemetryCommand{Status: okay()}
			switch c := in.Command.(type) {
			case *rmq.TelemetryCommand_PrintThreadStackTraceCommand:
				trace := "main: asleep"
				out.Command = &rmq.TelemetryCommand_ThreadStackTrace{ThreadStackTrace: &rmq.ThreadStackTrace{
					Nonce: c.PrintThreadStackTraceCommand.Nonce, ThreadStackTrace: &trace,
				}}
			case *rmq.TelemetryCommand_VerifyMessageCommand:
				out.Status.Code = rmq.Code_FAILED_TO_CONSUME_MESSAGE
				out.Command = &rmq.TelemetryCommand_VerifyMessageResult{VerifyMessageResult: &rmq.VerifyMessageResult{
					Nonce: c.VerifyMessageCommand.Nonce,
				}}
			}
			if err := stream.Send(out); err != nil {
				return
			}
		}
	}()
	answer, err := r.peer().Ask(r.ctx("x"), 307, nil, nil)
	var info struct{ Jstack string }
	if err != nil || json.Unmarshal(answer, &info) != nil || info.Jstack != "main: asleep" {
		t.Errorf("running info %s, %v", answer, err)
	}
	answer, err = r.peer().Ask(r.ctx("x"), 309, map[string]string{"topic": "T"}, stored("T", 1, "b", nil, 0, 0))
	if err != nil || !strings.Contains(string(answer), `"consumeResult":"CR_LATER"`) {
		t.Errorf("consumed directly %s, %v", answer, err)
	}
	if _, err := r.peer().Ask(r.ctx("x"), 221, nil, nil); err == nil {
		t.Error("a question that the protocol lacks was answered")
	}
}

func TestWhoAsksAClientThatGoesAwayIsTold(t *testing.T) {
	r := newRig(t)
	stream, _ := r.talk("c", consumer("G", rmq.ClientType_PUSH_CONSUMER, "T"))
	asked := make(chan error, 1)
	go func() {
		_, err := r.peer().Ask(r.ctx("x"), 307, nil, nil)
		asked <- err
	}()
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if err := <-asked; err == nil || !strings.Contains(err.Error(), "went away") {
		t.Errorf("got %v", err)
	}
}

func TestHealthAndReflectionAnswerWithoutAClientID(t *testing.T) {
	r := newRig(t)
	health, err := grpc_health_v1.NewHealthClient(r.conn).Check(context.Background(), &grpc_health_v1.HealthCheckRequest{})
	if err != nil || health.Status != grpc_health_v1.HealthCheckResponse_SERVING {
		t.Errorf("health: %v, %v", health, err)
	}
	stream, err := reflectionv1.NewServerReflectionClient(r.conn).ServerReflectionInfo(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&reflectionv1.ServerReflectionRequest{MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{
		FileContainingSymbol: "apache.rocketmq.v2.MessagingService",
	}}); err != nil {
		t.Fatal(err)
	}
	answer, err := stream.Recv()
	if err != nil || len(answer.GetFileDescriptorResponse().GetFileDescriptorProto()) == 0 {
		t.Errorf("reflection: %v, %v", answer, err)
	}
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
}

func TestOffsetsAreCommittedAndFound(t *testing.T) {
	r := newRig(t)
	q := &rmq.MessageQueue{Topic: res("T"), Id: 2, Broker: &rmq.Broker{Name: "b1"}}
	got, err := r.GetOffset(r.ctx("c"), &rmq.GetOffsetRequest{Group: res("G"), MessageQueue: q})
	r.want(rmq.Code_OFFSET_NOT_FOUND, got.GetStatus(), err)
	set, err := r.UpdateOffset(r.ctx("c"), &rmq.UpdateOffsetRequest{Group: res("G"), MessageQueue: q, Offset: 42})
	r.want(rmq.Code_OK, set.GetStatus(), err)
	got, err = r.GetOffset(r.ctx("c"), &rmq.GetOffsetRequest{Group: res("G"), MessageQueue: q})
	r.want(rmq.Code_OK, got.GetStatus(), err)
	if got.Offset != 42 {
		t.Errorf("offset %d", got.Offset)
	}
	set, err = r.UpdateOffset(r.ctx("c"), &rmq.UpdateOffsetRequest{Group: res("G"), MessageQueue: q, Offset: -1})
	r.want(rmq.Code_ILLEGAL_OFFSET, set.GetStatus(), err)
	for policy, want := range map[rmq.QueryOffsetPolicy]int64{
		rmq.QueryOffsetPolicy_BEGINNING: 3, rmq.QueryOffsetPolicy_END: 9, rmq.QueryOffsetPolicy_TIMESTAMP: 77,
	} {
		found, err := r.QueryOffset(r.ctx("c"), &rmq.QueryOffsetRequest{MessageQueue: q, QueryOffsetPolicy: policy, Timestamp: millis(77000)})
		r.want(rmq.Code_OK, found.GetStatus(), err)
		if found.Offset != want {
			t.Errorf("%v: %d, want %d", policy, found.Offset, want)
		}
	}
	q.Broker.Name = "b2"
	found, err := r.QueryOffset(r.ctx("c"), &rmq.QueryOffsetRequest{MessageQueue: q})
	r.want(rmq.Code_BAD_REQUEST, found.GetStatus(), err)
}

func TestAPullStreamsStatusMessagesAndWhereToGoOn(t *testing.T) {
	r := newRig(t)
	tag := func(name string) map[string]string { return map[string]string{mq.PropTags: name} }
	r.fake.pull = mq.Batch{Status: mq.PullFound, Next: 12, Data: [][]byte{
		append(stored("T", 10, "one", tag("a"), 0, 0), stored("T", 11, "two", tag("z"), 0, 0)...),
	}}
	pull := func() (code rmq.Code, bodies []string, next int64) {
		stream, err := r.PullMessage(r.ctx("c"), &rmq.PullMessageRequest{
			Group: res("G"), MessageQueue: &rmq.MessageQueue{Topic: res("T"), Id: 2}, Offset: 10, BatchSize: 8,
			FilterExpression: &rmq.FilterExpression{Type: rmq.FilterType_TAG, Expression: "a"}, LongPollingTimeout: durationpb.New(time.Second),
		})
		if err != nil {
			t.Fatal(err)
		}
		for {
			in, err := stream.Recv()
			if err != nil {
				return code, bodies, next
			}
			switch c := in.Content.(type) {
			case *rmq.PullMessageResponse_Status:
				code = c.Status.Code
			case *rmq.PullMessageResponse_Message:
				bodies = append(bodies, string(c.Message.Body))
			case *rmq.PullMessageResponse_NextOffset:
				next = c.NextOffset
			}
		}
	}
	if code, bodies, next := pull(); code != rmq.Code_OK || len(bodies) != 1 || bodies[0] != "one" || next != 12 {
		t.Errorf("%v %v %d", code, bodies, next)
	}
	if r.fake.pulledVia != (visit{r.fake}) {
		t.Errorf("pulled over %v", r.fake.pulledVia)
	}
	r.fake.pull = mq.Batch{Status: mq.PullOffsetIllegal, Next: 5}
	if code, _, next := pull(); code != rmq.Code_ILLEGAL_OFFSET || next != 5 {
		t.Errorf("%v %d", code, next)
	}
	r.fake.pull = mq.Batch{Status: mq.PullNoNew, Next: 10}
	if code, _, next := pull(); code != rmq.Code_MESSAGE_NOT_FOUND || next != 10 {
		t.Errorf("%v %d", code, next)
	}
}

func TestTheSettingsOfAllClientsAreBounded(t *testing.T) {
	r := newRig(t)
	for _, step := range []struct {
		id   string
		size int
		ok   bool
	}{{"a", maxAllSettings - 1, true}, {"b", 2, false}, {"a", 10, true}, {"b", maxAllSettings - 10, true}, {"a", 11, false}} {
		if _, err := r.server.remember(caller{clientID: step.id}, step.size); (err == nil) != step.ok {
			t.Errorf("%+v: %v", step, err)
		}
	}
	r.server.forget(r.server.clients.find("b"))
	if _, err := r.server.remember(caller{clientID: "a"}, maxAllSettings); err != nil {
		t.Error(err)
	}
}

func TestAProducerThatDoesNotReadIsAskedNoMoreThanWaitsForReaders(t *testing.T) {
	r := newRig(t, func(o *Options) { o.MaxUnread = 1 << 20 })
	ctx, leave := context.WithCancel(r.ctx("p"))
	stream, err := r.Telemetry(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_Settings{Settings: producer("T")}}); err != nil {
		t.Fatal(err)
	}
	r.eventually("joining", func() bool { return len(r.fake.joined) == 1 })
	r.eventually("settings", func() bool { return r.server.clients.find("p").tell(&rmq.TelemetryCommand{}) })
	half := stored("T", 7, strings.Repeat("b", 100<<10), map[string]string{mq.PropUniqueKey: "key"}, 0, 0)
	for range 100 {
		r.peer().CheckTransaction(mq.TransactionCheck{Topic: "T", Offset: 7, UniqueKey: "key", Record: half})
	}
	if n := r.server.unread.Load(); n < 1<<20 || n > 5<<18 {
		t.Errorf("%d bytes wait", n)
	}
	leave()
	r.eventually("leaving", func() bool { return r.server.unread.Load() == 0 })
}
