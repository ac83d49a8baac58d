package node

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/wire"
)

// A pair is two nodes of a cluster that know each other; the name server is in
// the first.
type pair struct {
	t    *testing.T
	a, b *Node
	stop func() error // of b
	c    Config       // of b
	at   map[string]rmq.MessagingServiceClient
}

func newPair(t *testing.T) *pair {
	t.Helper()
	p := &pair{t: t}
	first := inMemory(RoleAll)
	first.Broker.Name, first.lookAround = "a", 50*time.Millisecond
	p.a, _ = started(t, first)
	p.c = inMemory(RoleBroker)
	p.c.Broker.Name, p.c.Namesrvs, p.c.lookAround = "b", []string{p.a.NamesrvAddr().String()}, 50*time.Millisecond
	p.b, p.stop = started(t, p.c)
	p.dial()
	return p
}

// dial makes clients of both nodes, and waits until each knows the other.
func (p *pair) dial() {
	p.t.Helper()
	p.at = map[string]rmq.MessagingServiceClient{"a": dialled(p.t, p.a, nil), "b": dialled(p.t, p.b, nil)}
	for _, n := range []*Node{p.a, p.b} {
		createTopic(p.t, n.BrokerAddr(), "Everywhere")
	}
	for name := range p.at {
		p.eventually("node "+name+" knows the other", func() bool { return slices.Equal(p.brokers(name, "Everywhere"), []string{"a", "b"}) })
	}
}

func (p *pair) eventually(what string, holds func() bool) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for tick := time.NewTicker(20 * time.Millisecond); ; {
		if holds() {
			tick.Stop()
			return
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			p.t.Fatalf("not in time: %s", what)
		}
	}
}

// route is what a node says where a topic is.
func (p *pair) route(node, topic string) *rmq.QueryRouteResponse {
	p.t.Helper()
	resp, err := p.at[node].QueryRoute(grpcContext(p.t), &rmq.QueryRouteRequest{
		Topic: &rmq.Resource{Name: topic}, Endpoints: &rmq.Endpoints{Addresses: []*rmq.Address{{Host: "dialled", Port: 1}}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return resp
}

// brokers are those in a node's route of a topic, in its order.
func (p *pair) brokers(node, topic string) (names []string) {
	p.t.Helper()
	for _, q := range p.route(node, topic).GetMessageQueues() {
		names = append(names, q.GetBroker().GetName())
	}
	return slices.Compact(names)
}

func (p *pair) send(node string, m *rmq.Message) *rmq.SendResultEntry {
	p.t.Helper()
	m.SystemProperties.BornTimestamp = timestamppb.Now()
	resp, err := p.at[node].SendMessage(grpcContext(p.t), &rmq.SendMessageRequest{Messages: []*rmq.Message{m}})
	if err != nil || resp.Status.Code != rmq.Code_OK {
		p.t.Fatalf("sent to %s: %v, %v", node, resp, err)
	}
	return resp.Entries[0]
}

// receive asks a node for a message of a broker's; nil if there is none.
func (p *pair) receive(node, broker, topic string) *rmq.Message {
	p.t.Helper()
	stream, err := p.at[node].ReceiveMessage(grpcContext(p.t), &rmq.ReceiveMessageRequest{
		Group: &rmq.Resource{Name: "G"}, BatchSize: 1, InvisibleDuration: durationpb.New(time.Minute), LongPollingTimeout: durationpb.New(5 * time.Second),
		MessageQueue: &rmq.MessageQueue{Topic: &rmq.Resource{Name: topic}, Id: -1, Broker: &rmq.Broker{Name: broker}},
	})
	if err != nil {
		p.t.Fatal(err)
	}
	var got *rmq.Message
	for {
		in, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return got
		}
		if err != nil {
			p.t.Fatal(err)
		}
		if s := in.GetStatus(); s != nil && s.Code != rmq.Code_OK {
			p.t.Logf("node %s, broker %s: %v", node, broker, s)
		}
		if m := in.GetMessage(); m != nil {
			got = m
		}
	}
}

func (p *pair) ack(node, topic string, handles ...string) rmq.Code {
	p.t.Helper()
	req := &rmq.AckMessageRequest{Group: &rmq.Resource{Name: "G"}, Topic: &rmq.Resource{Name: topic}}
	for _, h := range handles {
		req.Entries = append(req.Entries, &rmq.AckMessageEntry{MessageId: "1", ReceiptHandle: h})
	}
	resp, err := p.at[node].AckMessage(grpcContext(p.t), req)
	if err != nil {
		p.t.Fatal(err)
	}
	return resp.Status.Code
}

func plain(topic, body string) *rmq.Message {
	return &rmq.Message{Topic: &rmq.Resource{Name: topic}, Body: []byte(body), SystemProperties: &rmq.SystemProperties{MessageId: "ID" + body}}
}

func TestAnyNodeSaysWhereATopicIsAndNamesEachOnesOwnAddress(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for _, q := range p.route("a", "Everywhere").MessageQueues {
		at := q.Broker.Endpoints.Addresses[0]
		if q.Broker.Name == "a" && at.Host != "dialled" || q.Broker.Name == "b" && (at.Host != "127.0.0.1" || at.Port != int32(p.b.GRPCAddr().Port())) {
			t.Errorf("broker %s is at %v", q.Broker.Name, at)
		}
	}
	createTopic(t, p.b.BrokerAddr(), "OnlyB")
	p.eventually("a says where a topic of b's is", func() bool { return slices.Equal(p.brokers("a", "OnlyB"), []string{"b"}) })
	assigned, err := p.at["a"].QueryAssignment(grpcContext(t), &rmq.QueryAssignmentRequest{
		Topic: &rmq.Resource{Name: "Everywhere"}, Group: &rmq.Resource{Name: "G"}, Endpoints: &rmq.Endpoints{Addresses: []*rmq.Address{{Host: "dialled", Port: 1}}},
	})
	if err != nil || len(assigned.Assignments) != 2 {
		t.Errorf("assigned %v, %v", assigned, err)
	}
	if r := p.route("a", "Nowhere"); r.Status.Code != rmq.Code_TOPIC_NOT_FOUND {
		t.Errorf("a topic of nobody: %v", r)
	}
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	p.eventually("the route loses a node that left", func() bool { return slices.Equal(p.brokers("a", "Everywhere"), []string{"a"}) })
}

func TestCallsReachTheNodeThatTheyAreFor(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	createTopic(t, p.b.BrokerAddr(), "OnlyB")
	p.send("a", plain("OnlyB", "1"))
	p.send("b", plain("OnlyB", "2"))
	m := p.receive("a", "b", "OnlyB")
	if m == nil {
		t.Fatal("nothing came through a")
	}
	changed, err := p.at["a"].ChangeInvisibleDuration(grpcContext(t), &rmq.ChangeInvisibleDurationRequest{
		Group: &rmq.Resource{Name: "G"}, Topic: m.Topic, ReceiptHandle: m.SystemProperties.GetReceiptHandle(), InvisibleDuration: durationpb.New(2 * time.Minute),
	})
	if err != nil || changed.Status.Code != rmq.Code_OK {
		t.Fatalf("changed %v, %v", changed, err)
	}
	p.send("a", plain("Everywhere", "3"))
	own := p.receive("b", "a", "Everywhere")
	if own == nil {
		t.Fatal("nothing came through b")
	}
	// One call with receipts of both brokers.
	if code := p.ack("a", "OnlyB", changed.ReceiptHandle); code != rmq.Code_OK {
		t.Errorf("acknowledged through a: %v", code)
	}
	if code := p.ack("a", "Everywhere", own.SystemProperties.GetReceiptHandle()); code != rmq.Code_OK {
		t.Errorf("acknowledged at its own: %v", code)
	}
	second := p.receive("a", "b", "OnlyB")
	buried, err := p.at["a"].ForwardMessageToDeadLetterQueue(grpcContext(t), &rmq.ForwardMessageToDeadLetterQueueRequest{
		Group: &rmq.Resource{Name: "G"}, Topic: second.Topic, ReceiptHandle: second.SystemProperties.GetReceiptHandle(), MessageId: "2", MaxDeliveryAttempts: 16,
	})
	if err != nil || buried.Status.Code != rmq.Code_OK {
		t.Errorf("buried %v, %v", buried, err)
	}
	if left := p.receive("b", "b", "OnlyB"); left != nil {
		t.Errorf("%s is left", left.Body)
	}
	q := &rmq.MessageQueue{Topic: second.Topic, Id: 0, Broker: &rmq.Broker{Name: "b"}}
	set, err := p.at["a"].UpdateOffset(grpcContext(t), &rmq.UpdateOffsetRequest{Group: &rmq.Resource{Name: "G2"}, MessageQueue: q, Offset: 1})
	if err != nil || set.Status.Code != rmq.Code_OK {
		t.Errorf("set an offset: %v, %v", set, err)
	}
	got, err := p.at["b"].GetOffset(grpcContext(t), &rmq.GetOffsetRequest{Group: &rmq.Resource{Name: "G2"}, MessageQueue: q})
	if err != nil || got.Offset != 1 {
		t.Errorf("the offset is %v, %v", got, err)
	}
}

// Whichever node the messages of a group are sent to, they lie in one queue.
func TestMessagesOfAGroupGoToOneBrokerWhereverTheyArrive(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for _, n := range []*Node{p.a, p.b} {
		asked(t, n.BrokerAddr(), wire.NewRequest(wire.UpdateAndCreateTopic, &wire.UpdateAndCreateTopicRequest{
			Topic: "Fifo", DefaultTopic: "TBW102", ReadQueueNums: 2, WriteQueueNums: 2, Perm: 6, TopicFilterType: "SINGLE_TAG", Attributes: "+message.type=FIFO",
		}))
	}
	p.eventually("both have the topic", func() bool {
		return len(p.brokers("a", "Fifo")) == 2 && len(p.brokers("b", "Fifo")) == 2
	})
	homes := map[string]int{}
	for group := range 16 {
		last := int64(-1)
		for i := range 4 {
			m := plain("Fifo", fmt.Sprintf("%d-%d", group, i))
			key := fmt.Sprint("group-", group)
			m.SystemProperties.MessageGroup = &key
			e := p.send([]string{"a", "b"}[i%2], m)
			if e.Offset <= last {
				t.Fatalf("message %d of group %d got offset %d behind %d: another queue", i, group, e.Offset, last)
			}
			last = e.Offset
		}
	}
	for _, name := range []string{"a", "b"} {
		for m := p.receive(name, name, "Fifo"); m != nil; m = p.receive(name, name, "Fifo") {
			group, _, _ := strings.Cut(string(m.Body), "-")
			if homes[group] |= 1 << (name[0] - 'a'); homes[group] == 3 {
				t.Errorf("group %s is on both", group)
			}
			p.ack(name, "Fifo", m.SystemProperties.GetReceiptHandle())
		}
	}
	if len(homes) != 16 {
		t.Errorf("%d of 16 groups came", len(homes))
	}
}

func TestAReceiptOutlivesItsNodeAndWorksThroughAnother(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	createTopic(t, p.b.BrokerAddr(), "OnlyB")
	p.send("a", plain("OnlyB", "1"))
	m := p.receive("a", "b", "OnlyB")
	if err := p.stop(); err != nil {
		t.Fatal(err)
	}
	if code := p.ack("a", "OnlyB", m.SystemProperties.GetReceiptHandle()); code != rmq.Code_INTERNAL_SERVER_ERROR {
		t.Errorf("while its node is down: %v, want one that is tried again", code)
	}
	p.b, p.stop = started(t, p.c)
	p.dial()
	if code := p.ack("a", "OnlyB", m.SystemProperties.GetReceiptHandle()); code != rmq.Code_OK {
		t.Errorf("after the restart: %v", code)
	}
}

// A producer with its stream at one node is asked about a half message at the
// other, and both its answers and its first words reach that.
func TestATransactionAtAnotherNodeFindsItsProducer(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	asked(t, p.b.BrokerAddr(), wire.NewRequest(wire.UpdateAndCreateTopic, &wire.UpdateAndCreateTopicRequest{
		Topic: "Txn", DefaultTopic: "TBW102", ReadQueueNums: 1, WriteQueueNums: 1, Perm: 6, TopicFilterType: "SINGLE_TAG", Attributes: "+message.type=TRANSACTION",
	}))
	asked(t, p.b.BrokerAddr(), func() *wire.Command {
		c := wire.NewRequest(wire.UpdateBrokerConfig, nil)
		c.Body = wire.EncodeProperties(map[string]string{"transactionCheckInterval": "1000", "transactionTimeOut": "1000"})
		return c
	}())
	p.eventually("a says where the topic is", func() bool { return len(p.brokers("a", "Txn")) == 1 })
	stream, err := p.at["a"].Telemetry(grpcContext(t))
	if err != nil {
		t.Fatal(err)
	}
	kind := rmq.ClientType_PRODUCER
	if err := stream.Send(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_Settings{Settings: &rmq.Settings{
		ClientType: &kind, PubSub: &rmq.Settings_Publishing{Publishing: &rmq.Publishing{Topics: []*rmq.Resource{{Name: "Txn"}}}},
	}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	half := func(body string) string {
		m := plain("Txn", body)
		m.SystemProperties.MessageType = rmq.MessageType_TRANSACTION
		return p.send("a", m).TransactionId
	}
	commit := func(id string, source rmq.TransactionSource) {
		t.Helper()
		resp, err := p.at["a"].EndTransaction(grpcContext(t), &rmq.EndTransactionRequest{
			Topic: &rmq.Resource{Name: "Txn"}, MessageId: "ID", TransactionId: id, Resolution: rmq.TransactionResolution_COMMIT, Source: source,
		})
		if err != nil || resp.Status.Code != rmq.Code_OK {
			t.Fatalf("committed: %v, %v", resp, err)
		}
	}
	commit(half("1"), rmq.TransactionSource_SOURCE_CLIENT)
	if m := p.receive("a", "b", "Txn"); m == nil || string(m.Body) != "1" {
		t.Fatalf("received %v", m)
	}
	half("2")
	question, err := stream.Recv()
	if err != nil || string(question.GetRecoverOrphanedTransactionCommand().GetMessage().GetBody()) != "2" {
		t.Fatalf("asked %v, %v", question, err)
	}
	commit(question.GetRecoverOrphanedTransactionCommand().TransactionId, rmq.TransactionSource_SOURCE_SERVER_CHECK)
	if m := p.receive("a", "b", "Txn"); m == nil || string(m.Body) != "2" {
		t.Fatalf("received %v", m)
	}
}

// A consumer that says to one node that it wants a lite topic gets it from
// whichever has it.
func TestALiteConsumerIsKnownToEveryNode(t *testing.T) {
	t.Parallel()
	p := newPair(t)
	for _, n := range []*Node{p.a, p.b} {
		asked(t, n.BrokerAddr(), wire.NewRequest(wire.UpdateAndCreateTopic, &wire.UpdateAndCreateTopicRequest{
			Topic: "Lite", DefaultTopic: "TBW102", ReadQueueNums: 1, WriteQueueNums: 1, Perm: 6, TopicFilterType: "SINGLE_TAG", Attributes: "+message.type=LITE",
		}))
		group := wire.DefaultSubscriptionGroupConfig()
		group.GroupName, group.Attributes = "G", map[string]string{"+lite.bind.topic": "Lite"}
		req := wire.NewRequest(wire.UpdateAndCreateSubscriptionGroup, nil)
		req.Body = wire.EncodeBody(group)
		asked(t, n.BrokerAddr(), req)
	}
	p.eventually("both have the topic", func() bool { return len(p.brokers("a", "Lite")) == 2 && len(p.brokers("b", "Lite")) == 2 })
	stream, err := p.at["a"].Telemetry(grpcContext(t))
	if err != nil {
		t.Fatal(err)
	}
	kind := rmq.ClientType_LITE_PUSH_CONSUMER
	if err := stream.Send(&rmq.TelemetryCommand{Command: &rmq.TelemetryCommand_Settings{Settings: &rmq.Settings{
		ClientType: &kind, PubSub: &rmq.Settings_Subscription{Subscription: &rmq.Subscription{
			Group: &rmq.Resource{Name: "G"}, Subscriptions: []*rmq.SubscriptionEntry{{Topic: &rmq.Resource{Name: "Lite"}}},
		}},
	}}}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	synced, err := p.at["a"].SyncLiteSubscription(grpcContext(t), &rmq.SyncLiteSubscriptionRequest{
		Action: rmq.LiteSubscriptionAction_COMPLETE_ADD, Topic: &rmq.Resource{Name: "Lite"}, Group: &rmq.Resource{Name: "G"}, LiteTopicSet: []string{"x", "y", "z", "w"},
	})
	if err != nil || synced.Status.Code != rmq.Code_OK {
		t.Fatalf("synced: %v, %v", synced, err)
	}
	got := map[string]int{}
	for i, lite := range []string{"x", "y", "z", "w"} {
		m := plain("Lite", lite)
		m.SystemProperties.LiteTopic = &lite
		p.send([]string{"a", "b"}[i%2], m)
	}
	for _, broker := range []string{"a", "b"} {
		for m := p.receive("a", broker, "Lite"); m != nil; m = p.receive("a", broker, "Lite") {
			got[string(m.Body)]++
		}
	}
	if len(got) != 4 {
		t.Errorf("got %v", got)
	}
}
