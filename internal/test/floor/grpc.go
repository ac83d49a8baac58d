//go:build linux

package main

import (
	"context"
	"net"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

// calls answers RocketMQ 5's calls as answers does: a message that is sent is
// thrown away, and there is always the same one to receive.
type calls struct {
	rmq.UnimplementedMessagingServiceServer
	message *rmq.Message
}

var fine = &rmq.Status{Code: rmq.Code_OK, Message: "OK"}

// serveCalls answers at addr until the program ends.
func serveCalls(addr string, size int) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	s := grpc.NewServer()
	rmq.RegisterMessagingServiceServer(s, &calls{message: aMessage(size)})
	return s.Serve(ln)
}

// aMessage is like one that the load has sent and a broker has stored.
func aMessage(size int) *rmq.Message {
	handle := strings.Repeat("0", 100)
	kind, encoding, attempt := rmq.MessageType_NORMAL, rmq.Encoding_IDENTITY, int32(1)
	return &rmq.Message{Topic: &rmq.Resource{Name: "floor"}, Body: make([]byte, size), SystemProperties: &rmq.SystemProperties{
		MessageId: "01" + strings.Repeat("0", 32), BodyDigest: &rmq.Digest{Type: rmq.DigestType_CRC32, Checksum: "00000000"}, BodyEncoding: encoding,
		MessageType: kind, BornTimestamp: timestamppb.Now(), BornHost: "127.0.0.1:1", StoreTimestamp: timestamppb.Now(), StoreHost: "127.0.0.1:1",
		ReceiptHandle: &handle, DeliveryAttempt: &attempt,
	}}
}

// Telemetry gives every client the settings that it has.
func (*calls) Telemetry(stream rmq.MessagingService_TelemetryServer) error {
	for {
		c, err := stream.Recv()
		if err != nil {
			return err
		}
		if err := stream.Send(c); err != nil {
			return err
		}
	}
}

func (*calls) QueryAssignment(_ context.Context, r *rmq.QueryAssignmentRequest) (*rmq.QueryAssignmentResponse, error) {
	q := &rmq.MessageQueue{Topic: r.GetTopic(), Permission: rmq.Permission_READ, Broker: &rmq.Broker{Name: broker, Endpoints: r.GetEndpoints()},
		AcceptMessageTypes: []rmq.MessageType{rmq.MessageType_NORMAL}}
	return &rmq.QueryAssignmentResponse{Status: fine, Assignments: []*rmq.Assignment{{MessageQueue: q}}}, nil
}

func (*calls) SendMessage(_ context.Context, r *rmq.SendMessageRequest) (*rmq.SendMessageResponse, error) {
	answer := &rmq.SendMessageResponse{Status: fine}
	for _, m := range r.GetMessages() {
		answer.Entries = append(answer.Entries, &rmq.SendResultEntry{Status: fine, MessageId: m.GetSystemProperties().GetMessageId()})
	}
	return answer, nil
}

func (c *calls) ReceiveMessage(r *rmq.ReceiveMessageRequest, stream rmq.MessagingService_ReceiveMessageServer) error {
	for range r.GetBatchSize() {
		if err := stream.Send(&rmq.ReceiveMessageResponse{Content: &rmq.ReceiveMessageResponse_Message{Message: c.message}}); err != nil {
			return err
		}
	}
	return stream.Send(&rmq.ReceiveMessageResponse{Content: &rmq.ReceiveMessageResponse_Status{Status: fine}})
}

func (*calls) AckMessage(_ context.Context, r *rmq.AckMessageRequest) (*rmq.AckMessageResponse, error) {
	answer := &rmq.AckMessageResponse{Status: fine}
	for _, e := range r.GetEntries() {
		answer.Entries = append(answer.Entries, &rmq.AckMessageResultEntry{MessageId: e.GetMessageId(), ReceiptHandle: e.GetReceiptHandle(), Status: fine})
	}
	return answer, nil
}
