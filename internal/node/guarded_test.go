package node

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// as is the context of calls that a user signs.
func as(t *testing.T, user, secret string) context.Context {
	date := time.Now().UTC().Format("20060102T150405Z")
	mac := hex.EncodeToString(auth.Sign(auth.Secret(secret), []byte(date)))
	return metadata.AppendToOutgoingContext(grpcContext(t), "x-mq-date-time", date,
		"authorization", "MQv2-HMAC-SHA1 Credential="+user+", SignedHeaders=x-mq-date-time, Signature="+mac)
}

// admitted makes a user of a node who may send to topics and consume.
func admitted(t *testing.T, n *Node, user auth.User) {
	t.Helper()
	acl, err := auth.ParseACL([]auth.PolicyText{{Entries: []auth.EntryText{
		{Resource: "Topic:*", Actions: []string{"Pub", "Sub"}, Decision: "Allow"}, {Resource: "Group:*", Actions: []string{"Sub"}, Decision: "Allow"},
	}}})
	if err == nil {
		err = n.access.CreateUser(mq.Caller{User: "inner"}, user)
	}
	if err == nil {
		err = n.access.PutACL(user.Name, acl)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Two nodes that ask everybody who they are find each other, and one tells the
// other who makes a call that it hands on: alice has another secret there, and bob
// is nobody there.
func TestNodesWithAccessControlHandCallsOnForWhoMadeThem(t *testing.T) {
	t.Parallel()
	c := inMemory(RoleAll)
	c.Broker.Name, c.lookAround = "a", 50*time.Millisecond
	c.Auth = auth.Options{Authentication: true, Authorization: true, InnerCredentials: `{"accessKey":"inner","secretKey":"innersecret"}`}
	a, _ := started(t, c)
	d := inMemory(RoleBroker)
	d.Broker.Name, d.Namesrvs, d.lookAround, d.Auth = "b", []string{a.NamesrvAddr().String()}, 50*time.Millisecond, c.Auth
	b, _ := started(t, d)
	admitted(t, a, auth.User{Name: "alice", Secret: "alicesecret"})
	admitted(t, a, auth.User{Name: "bob", Secret: "bobsecret"})
	admitted(t, b, auth.User{Name: "alice", Secret: "anothersecret"})
	if err := b.broker.PutTopic(context.Background(), mq.Topic{Name: "OnlyB", ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
		t.Fatal(err)
	}
	p := &pair{t: t, a: a, b: b, at: map[string]rmq.MessagingServiceClient{"a": dialled(t, a, nil), "b": dialled(t, b, nil)}}
	alice, bob := as(t, "alice", "alicesecret"), as(t, "bob", "bobsecret")
	brokers := func(by context.Context) (names []string) {
		resp, err := p.at["a"].QueryRoute(by, &rmq.QueryRouteRequest{
			Topic: &rmq.Resource{Name: "OnlyB"}, Endpoints: &rmq.Endpoints{Addresses: []*rmq.Address{{Host: "dialled", Port: 1}}},
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, q := range resp.MessageQueues {
			names = append(names, q.Broker.Name)
		}
		return names
	}
	p.eventually("a knows b, and that alice may ask it", func() bool { return slices.Equal(brokers(alice), []string{"b"}) })
	if names := brokers(bob); len(names) > 0 {
		t.Errorf("bob, who is nobody at b, is told of %v", names)
	}
	send := func(node string, by context.Context) *rmq.Status {
		resp, err := p.at[node].SendMessage(by, &rmq.SendMessageRequest{Messages: []*rmq.Message{plain("OnlyB", "1")}})
		if err != nil {
			t.Fatal(err)
		}
		return resp.Status
	}
	if s := send("a", alice); s.Code != rmq.Code_OK {
		t.Errorf("alice sends through a: %v", s)
	}
	if s := send("b", alice); s.Code != rmq.Code_UNAUTHORIZED {
		t.Errorf("alice's signature of a is taken by b: %v", s)
	}
	stream, err := p.at["a"].ReceiveMessage(alice, &rmq.ReceiveMessageRequest{
		Group: &rmq.Resource{Name: "G"}, BatchSize: 1, InvisibleDuration: durationpb.New(time.Minute), LongPollingTimeout: durationpb.New(5 * time.Second),
		MessageQueue: &rmq.MessageQueue{Topic: &rmq.Resource{Name: "OnlyB"}, Id: -1, Broker: &rmq.Broker{Name: "b"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	handle, born := "", ""
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		if m := in.GetMessage(); m != nil {
			handle, born = m.SystemProperties.GetReceiptHandle(), m.SystemProperties.GetBornHost()
		}
	}
	if handle == "" || born == "" {
		t.Fatalf("receipt %q, born at %q", handle, born)
	}
	// b believes no one but a node.
	forged := metadata.AppendToOutgoingContext(grpcContext(t), "x-goddard-handed-on-by", "a", "x-goddard-user", "inner",
		"x-goddard-from", "127.0.0.1:1", "x-goddard-proof", strings.Repeat("00", 32))
	if s := send("b", forged); s.Code != rmq.Code_UNAUTHORIZED || !strings.Contains(s.Message, "proof is wrong") {
		t.Errorf("what nobody proved is taken: %v", s)
	}
	unproved := metadata.AppendToOutgoingContext(grpcContext(t), "x-goddard-handed-on-by", "a", "x-goddard-user", "inner")
	if s := send("b", unproved); s.Code != rmq.Code_UNAUTHORIZED {
		t.Errorf("a name without proof is taken: %v", s)
	}
}
