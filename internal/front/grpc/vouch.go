package grpc

// Who makes a call that another node hands on? The client's own signature may be
// old by then, and its address is not seen. So a node with inner-credentials says
// both, and proves to have them. It covers what a call is, to whom it goes and
// when, but not its content: whoever can read the network needs to be kept out.

import (
	"context"
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"github.com/goddardmq/goddard/internal/mq"
)

// Headers of a call that is handed on: who made it, from where, when it was handed
// on (Unix milliseconds) and the proof, in hexadecimal.
const (
	userHeader   = "x-goddard-user"
	fromHeader   = "x-goddard-from"
	timeHeader   = "x-goddard-time"
	proofHeader  = "x-goddard-proof"
	clientHeader = "x-mq-client-id"
)

// proofAge is how long a proof is good, and how far clocks of nodes may be apart.
const proofAge = 5 * time.Minute

// vouch is the context of a call to a node, with the word of this one on who makes
// it in the place of the client's signature. Without inner-credentials that has
// to do.
func (s *Server) vouch(ctx context.Context, to, method string) context.Context {
	by := callerOf(ctx)
	if !s.guarded() || by.user == "" {
		return ctx
	}
	headers, _ := metadata.FromOutgoingContext(ctx)
	headers.Set(userHeader, by.user)
	headers.Set(fromHeader, by.remote.String())
	headers.Set(timeHeader, strconv.FormatInt(time.Now().UnixMilli(), 10))
	proof := s.o.Access.Vouch(s.said(headers, to, method)...)
	if proof == nil {
		return ctx
	}
	headers.Set(proofHeader, hex.EncodeToString(proof))
	headers.Delete(authorizationHeader)
	headers.Delete(dateHeader)
	return metadata.NewOutgoingContext(ctx, headers)
}

// said is what a proof is of.
func (s *Server) said(headers metadata.MD, to, method string) []string {
	return []string{
		s.o.Cluster, first(headers, handedHeader), to, method,
		first(headers, clientHeader), first(headers, userHeader), first(headers, fromHeader), first(headers, timeHeader),
	}
}

// believe takes another node's word on who makes a call, if it is proved.
func (s *Server) believe(headers metadata.MD, method string, c *caller) error {
	by := mq.Caller{User: first(headers, userHeader), Addr: c.remote}
	if from, err := netip.ParseAddrPort(first(headers, fromHeader)); err == nil {
		by.Addr = from
	}
	proof, _ := hex.DecodeString(first(headers, proofHeader)) // a bad one is wrong
	if err := s.o.Access.Vouched(by, proof, method, s.said(headers, s.o.Name, method)...); err != nil {
		return err
	}
	at, err := strconv.ParseInt(first(headers, timeHeader), 10, 64)
	if age := time.Since(time.UnixMilli(at)).Abs(); err != nil || age > proofAge {
		return s.o.Access.Rejected(by, method, "broker %.100s handed a call on at a time that is %v from this server's; at most %v is accepted: correct the clocks",
			first(headers, handedHeader), age.Round(time.Second), proofAge)
	}
	c.user, c.remote = by.User, by.Addr
	return nil
}

// vouching makes calls to a node carry this one's word.
func (s *Server) vouching(to string) []grpc.DialOption {
	return []grpc.DialOption{
		grpc.WithChainUnaryInterceptor(func(ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, call grpc.UnaryInvoker, o ...grpc.CallOption) error {
			return call(s.vouch(ctx, to, method), method, req, reply, conn, o...)
		}),
		grpc.WithChainStreamInterceptor(func(ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, o ...grpc.CallOption) (grpc.ClientStream, error) {
			return open(s.vouch(ctx, to, method), desc, conn, method, o...)
		}),
	}
}
