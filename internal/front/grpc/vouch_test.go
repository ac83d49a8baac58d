package grpc

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
)

func TestAnotherNodesWordHoldsForWhatItWasGivenFor(t *testing.T) {
	r, a := guarded(t, func(o *auth.Options) { o.InnerCredentials = `{"accessKey":"inner","secretKey":"innersecret"}` })
	allow(t, a, "Topic:T", []string{"10.1.2.3"}, "Pub", "Sub")
	method, now := messagingService+"QueryRoute", time.Now()
	asked := &rmq.QueryRouteRequest{Topic: &rmq.Resource{Name: "T"}}
	about := func(request *rmq.QueryRouteRequest, to, method, client, user, from string, at time.Time) context.Context {
		ms := strconv.FormatInt(at.UnixMilli(), 10)
		b, err := proto.Marshal(request)
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		content := hex.EncodeToString(sum[:])
		proof := a.Vouch("C", "b2", to, method, client, user, from, ms, content)
		return metadata.AppendToOutgoingContext(r.ctx("c"), handedHeader, "b2", userHeader, user, fromHeader, from, timeHeader, ms, contentHeader, content, proofHeader, hex.EncodeToString(proof))
	}
	word := func(to, method, client, user, from string, at time.Time) context.Context {
		return about(asked, to, method, client, user, from, at)
	}
	for _, tt := range []struct {
		name string
		ctx  context.Context
		code rmq.Code
		want string
	}{
		{"alice from where she may", word("b1", method, "c", "alice", "10.1.2.3:4", now), letIn, ""},
		{"alice from elsewhere", word("b1", method, "c", "alice", "10.1.2.4:4", now), rmq.Code_FORBIDDEN, "from 10.1.2.4"},
		{"somebody disabled", word("b1", method, "c", "bob", "10.1.2.3:4", now), rmq.Code_UNAUTHORIZED, "User:bob is disabled"},
		{"given to another node", word("b3", method, "c", "root", "10.1.2.3:4", now), rmq.Code_UNAUTHORIZED, "proof is wrong"},
		{"given for another call", word("b1", messagingService+"Heartbeat", "c", "root", "10.1.2.3:4", now), rmq.Code_UNAUTHORIZED, "proof is wrong"},
		{"given for another client", word("b1", method, "d", "root", "10.1.2.3:4", now), rmq.Code_UNAUTHORIZED, "proof is wrong"},
		{"given long ago", word("b1", method, "c", "root", "10.1.2.3:4", now.Add(-2*proofAge)), rmq.Code_UNAUTHORIZED, "correct the clocks"},
		{"given for another request", about(&rmq.QueryRouteRequest{Topic: &rmq.Resource{Name: "U"}}, "b1", method, "c", "root", "10.1.2.3:4", now), rmq.Code_UNAUTHORIZED, "changed it on its way"},
		{"of a server itself", word("b1", method, "c", "(this server)", "10.1.2.3:4", now), rmq.Code_UNAUTHORIZED, "is not found"},
		{"beside another name", metadata.AppendToOutgoingContext(word("b1", method, "c", "alice", "10.1.2.4:4", now), userHeader, "root"), rmq.Code_FORBIDDEN, "User:alice"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp, err := r.QueryRoute(tt.ctx, asked)
			if err != nil {
				t.Fatal(err)
			}
			if resp.Status.Code != tt.code || !strings.Contains(resp.Status.Message, tt.want) {
				t.Errorf("%v, want %v with %q", resp.Status, tt.code, tt.want)
			}
		})
	}
}
