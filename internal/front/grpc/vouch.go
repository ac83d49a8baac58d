package grpc

// Who makes a call that another node hands on? The client's own signature may be
// old by then, and its address is not seen. So a node with inner-credentials says
// both, and proves to have them. The proof covers what a call is, to whom it goes,
// when, and its request; of a telemetry stream the first message. It can be sent
// again for as long as it is good: TLS keeps it from being read.

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/netip"
	"strconv"
	"time"

	"google.golang.org/grpc/metadata"

	"github.com/goddardmq/goddard/internal/mq"
)

// Headers of a call that is handed on: who made it, from where, when it was handed
// on (Unix milliseconds), the SHA-256 of its request and the proof, in hexadecimal.
const (
	userHeader    = "x-goddard-user"
	fromHeader    = "x-goddard-from"
	timeHeader    = "x-goddard-time"
	contentHeader = "x-goddard-content"
	proofHeader   = "x-goddard-proof"
	clientHeader  = "x-mq-client-id"
)

// proofAge is how long a proof is good, and how far clocks of nodes may be apart.
const proofAge = 5 * time.Minute

// vouch is the context of a call to a node, with the word of this one on who makes
// it and what it asks for in the place of the client's signature. Without
// inner-credentials that has to do.
func (s *Server) vouch(ctx context.Context, to, method string, request []byte) context.Context {
	by := callerOf(ctx)
	if !s.guarded() || by.user == "" {
		return ctx
	}
	headers, _ := metadata.FromOutgoingContext(ctx)
	headers.Set(userHeader, by.user)
	headers.Set(fromHeader, by.remote.String())
	headers.Set(timeHeader, strconv.FormatInt(time.Now().UnixMilli(), 10))
	sum := sha256.Sum256(request)
	headers.Set(contentHeader, hex.EncodeToString(sum[:]))
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
		first(headers, clientHeader), first(headers, userHeader), first(headers, fromHeader), first(headers, timeHeader), first(headers, contentHeader),
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
	c.user, c.remote, c.content = by.User, by.Addr, first(headers, contentHeader)
	c.vouched = true
	return nil
}

// unchanged refuses the request of a call that a node vouched for, if it is
// another.
func (c *call) unchanged(request []byte) error {
	by := callerOf(c.ctx)
	if !by.vouched || c.seen {
		return nil
	}
	c.seen = true
	sum := sha256.Sum256(request)
	if said, _ := hex.DecodeString(by.content); bytes.Equal(said, sum[:]) {
		return nil
	}
	return c.server.o.Access.Rejected(c.server.caller(c.ctx), c.method,
		"a call that another server handed on has another request than that server vouched for: somebody changed it on its way; check certificates between servers (peer-tls)")
}
