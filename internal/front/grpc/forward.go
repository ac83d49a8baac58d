package grpc

import (
	"context"
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

// handedHeader is in the headers of a call that another node hands on: the name
// of that node's broker.
const handedHeader = "x-goddard-handed-on-by"

// handedOn reports whether a call comes from another node. It goes no further.
func handedOn(ctx context.Context) bool {
	return len(metadata.ValueFromIncomingContext(ctx, handedHeader)) > 0
}

// onwards is the context of a call to another node on behalf of a client.
func (s *Server) onwards(ctx context.Context) context.Context {
	in, _ := metadata.FromIncomingContext(ctx)
	out := metadata.MD{}
	for key, values := range in {
		if strings.HasPrefix(key, "x-mq-") || key == "authorization" {
			out[key] = values
		}
	}
	out.Set(handedHeader, s.o.Name)
	return metadata.NewOutgoingContext(ctx, out)
}

// nodeOf is the node that a call about something of a broker belongs to; nil if
// that is this one, or if the broker is not known.
func (s *Server) nodeOf(ctx context.Context, broker string) *node {
	if broker == "" || broker == s.o.Name || handedOn(ctx) {
		return nil
	}
	return s.nodes.find(broker)
}

// unreachable is the status for a call that a node did not answer. Who asks may
// try again.
func (n *node) unreachable(err error) error {
	if code := status.Code(err); code == codes.DeadlineExceeded || code == codes.Canceled {
		return context.DeadlineExceeded
	}
	return refusef(rmq.Code_INTERNAL_SERVER_ERROR, "this is for broker %s, whose node at %s does not answer: %v; try again", n.Name, n.Addr, err)
}

// An answer says what became of a call.
type answer interface{ GetStatus() *rmq.Status }

// hand hands a call to another node. If that does not know the client, it is
// introduced.
func hand[Req any, Resp answer](ctx context.Context, s *Server, n *node, call func(rmq.MessagingServiceClient, context.Context, Req, ...grpc.CallOption) (Resp, error), req Req) (Resp, error) {
	resp, err := call(n.client, s.onwards(ctx), req)
	if err == nil && resp.GetStatus().GetCode() == rmq.Code_UNRECOGNIZED_CLIENT_TYPE && s.introduce(ctx, n) == nil {
		resp, err = call(n.client, s.onwards(ctx), req)
	}
	if err != nil {
		var none Resp
		return none, n.unreachable(err)
	}
	return resp, nil
}

// receiveFrom hands a call of ReceiveMessage to another node. What the client
// does not take any more is given back there.
func (s *Server) receiveFrom(n *node, req *rmq.ReceiveMessageRequest, stream receiveStream) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	if s.clients.find(callerOf(ctx).clientID) != nil {
		if err := s.introduce(ctx, n); err != nil {
			return err
		}
	}
	in, err := n.client.ReceiveMessage(s.onwards(ctx), req)
	if err != nil {
		return n.unreachable(err)
	}
	begun := false
	for {
		part, err := in.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !begun:
			return n.unreachable(err)
		case err != nil:
			return err
		}
		begun = true
		if err := stream.Send(part); err != nil {
			s.giveBackAt(n, req, part, in)
			return err
		}
	}
}

// giveBackAt makes visible what is left of a stream, from a part on.
func (s *Server) giveBackAt(n *node, req *rmq.ReceiveMessageRequest, part *rmq.ReceiveMessageResponse, in grpc.ServerStreamingClient[rmq.ReceiveMessageResponse]) {
	ctx, cancel := context.WithTimeout(s.onwards(context.WithoutCancel(in.Context())), requestTimeout)
	defer cancel()
	for err := error(nil); err == nil; part, err = in.Recv() {
		m := part.GetMessage()
		if m == nil {
			continue
		}
		_, err := n.client.ChangeInvisibleDuration(ctx, &rmq.ChangeInvisibleDurationRequest{
			Group: req.Group, Topic: req.GetMessageQueue().GetTopic(), ReceiptHandle: m.GetSystemProperties().GetReceiptHandle(),
			MessageId: m.GetSystemProperties().GetMessageId(), InvisibleDuration: durationpb.New(0), LiteTopic: m.GetSystemProperties().LiteTopic,
		})
		if err != nil {
			s.log.Debug("a message cannot be given back; it comes back when its invisible time is over", "broker", n.Name, "error", err)
		}
	}
}

// pullFrom hands a call of PullMessage to another node.
func (s *Server) pullFrom(n *node, req *rmq.PullMessageRequest, stream pullStream) error {
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	in, err := n.client.PullMessage(s.onwards(ctx), req)
	if err != nil {
		return n.unreachable(err)
	}
	for begun := false; ; begun = true {
		part, err := in.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil && !begun:
			return n.unreachable(err)
		case err != nil:
			return err
		}
		if err := stream.Send(part); err != nil {
			return err
		}
	}
}

// ackAt acknowledges some entries of a call at the node that they belong to and
// puts down what became of each.
func (s *Server) ackAt(ctx context.Context, n *node, req *rmq.AckMessageRequest, at []int, states []*rmq.Status) {
	part := &rmq.AckMessageRequest{Group: req.Group, Topic: req.Topic}
	for _, i := range at {
		part.Entries = append(part.Entries, req.Entries[i])
	}
	resp, err := hand(ctx, s, n, rmq.MessagingServiceClient.AckMessage, part)
	for j, i := range at {
		switch {
		case err != nil:
			states[i] = s.explain(err)
		case j < len(resp.GetEntries()):
			states[i] = resp.Entries[j].GetStatus()
		default:
			states[i] = resp.GetStatus()
		}
	}
}
