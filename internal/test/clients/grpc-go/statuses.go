package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	v2 "github.com/apache/rocketmq-clients/golang/v5/protocol/v2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

// A raw is what no client library would send, and the status that it must get.
type raw struct {
	name   string
	client string // whose client id it carries; empty for none
	want   v2.Code
	call   func(context.Context, v2.MessagingServiceClient) (*v2.Status, error)
}

// statuses: codes must be right and a refusal must say something.
func statuses(s *scenario) { s.answers(append(s.rawOthers(), s.rawSends()...)) }

// preciseStatuses are those that RocketMQ's proxy has codes for but does not
// always use.
func preciseStatuses(s *scenario) { s.answers(s.rawPrecise()) }

// statusOfLongDelay: RocketMQ's proxy takes no message for later than a day.
func statusOfLongDelay(s *scenario) {
	s.answers([]raw{{"delivery in two days", "producer", v2.Code_ILLEGAL_DELIVERY_TIME, sending(s.rawMessage("_DELAY", v2.MessageType_DELAY, func(m *v2.Message) {
		m.SystemProperties.DeliveryTimestamp = timestamppb.New(time.Now().Add(48 * time.Hour))
	}))}})
}

func (s *scenario) answers(calls []raw) {
	conn, err := grpc.NewClient(s.Server, grpc.WithTransportCredentials(credentials.NewTLS(&tls.Config{InsecureSkipVerify: true})))
	s.Must(err, "new client")
	s.AtEnd(func() { conn.Close() })
	stub := v2.NewMessagingServiceClient(conn)
	s.settle(stub, "producer", &v2.Settings{
		ClientType: v2.ClientType_PRODUCER.Enum(),
		PubSub:     &v2.Settings_Publishing{Publishing: &v2.Publishing{Topics: []*v2.Resource{s.named("")}}},
	})
	s.settle(stub, "consumer", &v2.Settings{
		ClientType: v2.ClientType_SIMPLE_CONSUMER.Enum(),
		PubSub: &v2.Settings_Subscription{Subscription: &v2.Subscription{Group: resource(s.Group()), Subscriptions: []*v2.SubscriptionEntry{
			{Topic: s.named(""), Expression: &v2.FilterExpression{Type: v2.FilterType_TAG, Expression: "*"}}}}},
	})
	var wrong []string
	for _, r := range calls {
		ctx, cancel := context.WithTimeout(s.identity(r.client), 10*time.Second)
		status, err := r.call(ctx, stub)
		cancel()
		switch {
		case err != nil:
			wrong = append(wrong, fmt.Sprintf("%s: %v, want status %d", r.name, err, r.want))
		case status.GetCode() != r.want:
			wrong = append(wrong, fmt.Sprintf("%s: status %d (%s), want %d", r.name, status.GetCode(), status.GetMessage(), r.want))
		case status.GetMessage() == "":
			wrong = append(wrong, fmt.Sprintf("%s: status %d says nothing", r.name, r.want))
		default:
			s.Note("%s: %s", r.name, status.GetMessage())
		}
	}
	if len(wrong) > 0 {
		s.Fail("%d statuses are wrong:\n%s", len(wrong), strings.Join(wrong, "\n"))
	}
}

// identity carries a client id, of which a server knows one client only.
func (s *scenario) identity(client string) context.Context {
	if client == "" {
		return context.Background()
	}
	return metadata.AppendToOutgoingContext(context.Background(),
		"x-mq-client-id", s.Topic()+"-"+client, "x-mq-language", "GO", "x-mq-client-version", "5.1.3", "x-mq-protocol", "v2")
}

func resource(name string) *v2.Resource { return &v2.Resource{Name: name} }

func (s *scenario) named(suffix string) *v2.Resource { return resource(s.Topic() + suffix) }

// settle gives the server the settings of a client and waits for its answer.
func (s *scenario) settle(stub v2.MessagingServiceClient, client string, settings *v2.Settings) {
	ctx, cancel := context.WithTimeout(s.identity(client), time.Minute)
	s.AtEnd(cancel)
	stream, err := stub.Telemetry(ctx)
	s.Must(err, "telemetry")
	settings.RequestTimeout = durationpb.New(3 * time.Second)
	s.Must(stream.Send(&v2.TelemetryCommand{Command: &v2.TelemetryCommand_Settings{Settings: settings}}), "send settings")
	answer, err := stream.Recv()
	s.Must(err, "receive settings")
	frame.Same(answer.GetStatus().GetCode(), v2.Code_OK, "status of the settings")
}

// rawMessage is a valid one; change makes it wrong.
func (s *scenario) rawMessage(suffix string, kind v2.MessageType, change func(*v2.Message)) *v2.Message {
	m := &v2.Message{
		Topic: s.named(suffix), Body: []byte("body"), UserProperties: map[string]string{},
		SystemProperties: &v2.SystemProperties{
			MessageId: fmt.Sprintf("01%032X", time.Now().UnixNano()), MessageType: kind, BodyEncoding: v2.Encoding_IDENTITY,
			BornTimestamp: timestamppb.Now(), BornHost: "127.0.0.1", QueueId: 0,
		},
	}
	if change != nil {
		change(m)
	}
	return m
}

func sending(messages ...*v2.Message) func(context.Context, v2.MessagingServiceClient) (*v2.Status, error) {
	return func(ctx context.Context, stub v2.MessagingServiceClient) (*v2.Status, error) {
		a, err := stub.SendMessage(ctx, &v2.SendMessageRequest{Messages: messages})
		return a.GetStatus(), err
	}
}

func (s *scenario) rawSends() []raw {
	normal := func(change func(*v2.Message)) func(context.Context, v2.MessagingServiceClient) (*v2.Status, error) {
		return sending(s.rawMessage("", v2.MessageType_NORMAL, change))
	}
	text := func(t string) *string { return &t }
	return []raw{
		{"send nothing", "producer", v2.Code_MESSAGE_CORRUPTED, sending()},
		{"send to two topics", "producer", v2.Code_MESSAGE_CORRUPTED, sending(s.rawMessage("", v2.MessageType_NORMAL, nil), s.rawMessage("_FIFO", v2.MessageType_NORMAL, nil))},
		{"illegal topic", "producer", v2.Code_ILLEGAL_TOPIC, normal(func(m *v2.Message) { m.Topic = resource("no topic") })},
		{"empty body", "producer", v2.Code_MESSAGE_BODY_EMPTY, normal(func(m *v2.Message) { m.Body = nil })},
		{"large body", "producer", v2.Code_MESSAGE_BODY_TOO_LARGE, normal(func(m *v2.Message) { m.Body = make([]byte, 4<<20+1) })},
		{"blank tag", "producer", v2.Code_ILLEGAL_MESSAGE_TAG, normal(func(m *v2.Message) { m.SystemProperties.Tag = text(" ") })},
		{"tag with a bar", "producer", v2.Code_ILLEGAL_MESSAGE_TAG, normal(func(m *v2.Message) { m.SystemProperties.Tag = text("a|b") })},
		{"blank key", "producer", v2.Code_ILLEGAL_MESSAGE_KEY, normal(func(m *v2.Message) { m.SystemProperties.Keys = []string{" "} })},
		{"reserved property", "producer", v2.Code_ILLEGAL_MESSAGE_PROPERTY_KEY, normal(func(m *v2.Message) { m.UserProperties["KEYS"] = "x" })},
		{"large properties", "producer", v2.Code_MESSAGE_PROPERTIES_TOO_LARGE, normal(func(m *v2.Message) { m.UserProperties["x"] = strings.Repeat("x", 17000) })},
		{"no message id", "producer", v2.Code_ILLEGAL_MESSAGE_ID, normal(func(m *v2.Message) { m.SystemProperties.MessageId = "" })},
		{"blank message group", "producer", v2.Code_ILLEGAL_MESSAGE_GROUP, sending(s.rawMessage("_FIFO", v2.MessageType_FIFO, func(m *v2.Message) { m.SystemProperties.MessageGroup = text(" ") }))},
		{"long message group", "producer", v2.Code_ILLEGAL_MESSAGE_GROUP, sending(s.rawMessage("_FIFO", v2.MessageType_FIFO, func(m *v2.Message) { m.SystemProperties.MessageGroup = text(strings.Repeat("g", 64)) }))},
		{"normal message to a FIFO topic", "producer", v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE, sending(s.rawMessage("_FIFO", v2.MessageType_NORMAL, nil))},
		{"FIFO message to a normal topic", "producer", v2.Code_MESSAGE_PROPERTY_CONFLICT_WITH_TYPE, sending(s.rawMessage("", v2.MessageType_FIFO, func(m *v2.Message) { m.SystemProperties.MessageGroup = text("g") }))},
		{"late recovery", "producer", v2.Code_BAD_REQUEST, sending(s.rawMessage("_TRANSACTION", v2.MessageType_TRANSACTION, func(m *v2.Message) {
			m.SystemProperties.OrphanedTransactionRecoveryDuration = durationpb.New(2 * time.Hour)
		}))},
	}
}

func (s *scenario) rawOthers() []raw {
	type status = func(context.Context, v2.MessagingServiceClient) (*v2.Status, error)
	route := func(topic string) status {
		return func(ctx context.Context, stub v2.MessagingServiceClient) (*v2.Status, error) {
			a, err := stub.QueryRoute(ctx, &v2.QueryRouteRequest{Topic: resource(topic), Endpoints: s.dialled()})
			return a.GetStatus(), err
		}
	}
	heartbeat := func(group string) status {
		return func(ctx context.Context, stub v2.MessagingServiceClient) (*v2.Status, error) {
			a, err := stub.Heartbeat(ctx, &v2.HeartbeatRequest{Group: resource(group), ClientType: v2.ClientType_SIMPLE_CONSUMER})
			return a.GetStatus(), err
		}
	}
	return []raw{
		{"route without a client id", "", v2.Code_CLIENT_ID_REQUIRED, route(s.Topic())},
		{"route of a missing topic", "producer", v2.Code_TOPIC_NOT_FOUND, route("NoSuchTopic")},
		{"route of an illegal topic", "producer", v2.Code_ILLEGAL_TOPIC, route("no topic")},
		{"heartbeat before settings", "stranger", v2.Code_UNRECOGNIZED_CLIENT_TYPE, heartbeat(s.Group())},
		{"heartbeat of an illegal group", "consumer", v2.Code_ILLEGAL_CONSUMER_GROUP, heartbeat("no group")},
		{"termination before settings", "stranger", v2.Code_UNRECOGNIZED_CLIENT_TYPE, func(ctx context.Context, stub v2.MessagingServiceClient) (*v2.Status, error) {
			a, err := stub.NotifyClientTermination(ctx, &v2.NotifyClientTerminationRequest{Group: resource(s.Group())})
			return a.GetStatus(), err
		}},
		{"receive out of sight too briefly", "consumer", v2.Code_ILLEGAL_INVISIBLE_TIME, s.receiving("*", v2.FilterType_TAG, time.Second)},
		{"hide for too long", "consumer", v2.Code_ILLEGAL_INVISIBLE_TIME, s.hiding("bad", 13*time.Hour)},
		{"assignment of a missing topic", "consumer", v2.Code_TOPIC_NOT_FOUND, func(ctx context.Context, stub v2.MessagingServiceClient) (*v2.Status, error) {
			a, err := stub.QueryAssignment(ctx, &v2.QueryAssignmentRequest{Group: resource(s.Group()), Topic: resource("NoSuchTopic"), Endpoints: s.dialled()})
			return a.GetStatus(), err
		}},
		{"end a nameless transaction", "producer", v2.Code_INVALID_TRANSACTION_ID, s.ending(" ")},
		{"end an unknown transaction", "producer", v2.Code_INTERNAL_SERVER_ERROR, s.ending("unknown")},
		{"recall a bad handle", "producer", v2.Code_INTERNAL_SERVER_ERROR, func(ctx context.Context, stub v2.MessagingServiceClient) (*v2.Status, error) {
			a, err := stub.RecallMessage(ctx, &v2.RecallMessageRequest{Topic: s.named("_DELAY"), RecallHandle: "bad"})
			return a.GetStatus(), err
		}},
	}
}

func (s *scenario) rawPrecise() []raw {
	return []raw{
		{"receive with a bad expression", "consumer", v2.Code_ILLEGAL_FILTER_EXPRESSION, s.receiving("n >", v2.FilterType_SQL, 10*time.Second)},
		{"acknowledge a bad handle", "consumer", v2.Code_INVALID_RECEIPT_HANDLE, func(ctx context.Context, stub v2.MessagingServiceClient) (*v2.Status, error) {
			a, err := stub.AckMessage(ctx, &v2.AckMessageRequest{Group: resource(s.Group()), Topic: s.named(""),
				Entries: []*v2.AckMessageEntry{{MessageId: "x", ReceiptHandle: "bad"}}})
			return a.GetStatus(), err
		}},
		{"hide a bad handle", "consumer", v2.Code_INVALID_RECEIPT_HANDLE, s.hiding("bad", 10*time.Second)},
		{"forward a bad handle", "consumer", v2.Code_INVALID_RECEIPT_HANDLE, func(ctx context.Context, stub v2.MessagingServiceClient) (*v2.Status, error) {
			a, err := stub.ForwardMessageToDeadLetterQueue(ctx, &v2.ForwardMessageToDeadLetterQueueRequest{Group: resource(s.Group()), Topic: s.named(""),
				ReceiptHandle: "bad", MessageId: "x", DeliveryAttempt: 1, MaxDeliveryAttempts: 1})
			return a.GetStatus(), err
		}},
		{"send to a missing topic", "producer", v2.Code_TOPIC_NOT_FOUND, sending(s.rawMessage("", v2.MessageType_NORMAL, func(m *v2.Message) { m.Topic = resource("NoSuchTopic") }))},
	}
}

// ending commits a transaction.
func (s *scenario) ending(id string) func(context.Context, v2.MessagingServiceClient) (*v2.Status, error) {
	return func(ctx context.Context, stub v2.MessagingServiceClient) (*v2.Status, error) {
		a, err := stub.EndTransaction(ctx, &v2.EndTransactionRequest{Topic: s.named("_TRANSACTION"), MessageId: "x", TransactionId: id,
			Resolution: v2.TransactionResolution_COMMIT, Source: v2.TransactionSource_SOURCE_CLIENT})
		return a.GetStatus(), err
	}
}

// hiding changes for how long a message is out of sight.
func (s *scenario) hiding(handle string, d time.Duration) func(context.Context, v2.MessagingServiceClient) (*v2.Status, error) {
	return func(ctx context.Context, stub v2.MessagingServiceClient) (*v2.Status, error) {
		a, err := stub.ChangeInvisibleDuration(ctx, &v2.ChangeInvisibleDurationRequest{Group: resource(s.Group()), Topic: s.named(""),
			ReceiptHandle: handle, InvisibleDuration: durationpb.New(d), MessageId: "x"})
		return a.GetStatus(), err
	}
}

// dialled is what the client has dialled, as the protocol says it.
func (s *scenario) dialled() *v2.Endpoints {
	host, text, _ := strings.Cut(s.Server, ":")
	var port int32
	_, err := fmt.Sscan(text, &port)
	s.Must(err, "port of "+s.Server)
	return &v2.Endpoints{Scheme: v2.AddressScheme_IPv4, Addresses: []*v2.Address{{Host: host, Port: port}}}
}

// receiving takes the status out of the stream of an answer.
func (s *scenario) receiving(expression string, kind v2.FilterType, hidden time.Duration) func(context.Context, v2.MessagingServiceClient) (*v2.Status, error) {
	return func(ctx context.Context, stub v2.MessagingServiceClient) (*v2.Status, error) {
		stream, err := stub.ReceiveMessage(ctx, &v2.ReceiveMessageRequest{
			Group:            resource(s.Group()),
			MessageQueue:     &v2.MessageQueue{Topic: s.named(""), Id: -1, Permission: v2.Permission_READ, Broker: &v2.Broker{Name: "broker-a", Endpoints: s.dialled()}},
			FilterExpression: &v2.FilterExpression{Type: kind, Expression: expression},
			BatchSize:        1, InvisibleDuration: durationpb.New(hidden), LongPollingTimeout: durationpb.New(5 * time.Second),
		})
		if err != nil {
			return nil, err
		}
		for {
			a, err := stream.Recv()
			if errors.Is(err, io.EOF) {
				return nil, errors.New("no status in the answer")
			}
			if err != nil || a.GetStatus() != nil {
				return a.GetStatus(), err
			}
		}
	}
}
