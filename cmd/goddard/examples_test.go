package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// Every example that the help of an admin command shows works: it is run against
// a live node on which what the examples name is there.
func TestExamplesInTheHelpOfAdminCommandsWork(t *testing.T) {
	if testing.Short() {
		t.Skip("runs a node")
	}
	t.Chdir(t.TempDir())
	n := startExampleNode(t)
	for _, c := range leaves(newAdmin()) {
		if refusedCommands[c.Name()] != "" {
			continue
		}
		path := strings.TrimPrefix(c.CommandPath(), "goddard ")
		if c.Example == "" {
			t.Errorf("%s shows no example", path)
		}
		for line := range strings.SplitSeq(c.Example, "\n") {
			line = strings.TrimSpace(line)
			if !strings.HasPrefix(line, "goddard "+path) {
				t.Errorf("an example of %s is of something else: %s", path, line)
				continue
			}
			t.Run(line, func(t *testing.T) { n.try(t, line) })
		}
	}
}

// leaves are the commands that do something.
func leaves(c *cobra.Command) []*cobra.Command {
	if !c.HasSubCommands() {
		return []*cobra.Command{c}
	}
	var all []*cobra.Command
	for _, sub := range c.Commands() {
		all = append(all, leaves(sub)...)
	}
	return all
}

// An exampleNode has what the examples name.
type exampleNode struct {
	namesrv, broker string
	cluster         *admin.Cluster
	clients         *rpc.Client
	words           []string // of examples, and what stands for them here
}

func startExampleNode(t *testing.T) *exampleNode {
	t.Helper()
	var ports [2]string
	for i := range ports {
		port, err := freePort()
		if err != nil {
			t.Fatal(err)
		}
		ports[i] = strconv.Itoa(port)
	}
	t.Setenv("NAMESRV_ADDR", "127.0.0.1:"+ports[0])
	t.Setenv("GODDARD_GRPC_PORT", "-1")
	ctx, stop := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		root := newRoot()
		root.SetArgs([]string{"--namesrv-port", ports[0], "--listen-port", ports[1], "--fast-port", "-1", "--data", "data", "--broker-name", "broker-a"})
		root.SetOut(new(bytes.Buffer))
		root.SetErr(new(bytes.Buffer))
		if err := root.ExecuteContext(ctx); err != nil && ctx.Err() == nil {
			t.Errorf("the node failed: %v", err)
		}
	})
	n := &exampleNode{namesrv: "127.0.0.1:" + ports[0], broker: "127.0.0.1:" + ports[1]}
	var err error
	if n.cluster, err = admin.Dial(admin.Options{Namesrvs: []string{n.namesrv}, Timeout: 10 * time.Second}); err != nil {
		t.Fatal(err)
	}
	n.clients = rpc.NewClient(rpc.ClientOptions{Handler: exampleClient{}})
	t.Cleanup(func() {
		n.clients.Close()
		n.cluster.Close()
		stop()
		running.Wait()
	})
	n.await(t)
	n.words = []string{"127.0.0.1:9876", n.namesrv, "127.0.0.1:10911", n.broker, "10.0.0.5:10911", n.broker, "10.0.0.6:10911", n.broker}
	return n
}

// await waits until the broker has registered.
func (n *exampleNode) await(t *testing.T) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); ; <-tick.C {
		brokers, err := n.cluster.Brokers(t.Context())
		if err == nil && len(brokers) == 1 {
			if conn, err := net.Dial("tcp", n.broker); err == nil {
				conn.Close()
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("the broker did not register: %v", err)
		}
	}
}

// exampleClient is a consumer that says what it is doing.
type exampleClient struct{}

func (exampleClient) Opened(*rpc.Conn) {}
func (exampleClient) Flush(*rpc.Conn)  {}
func (exampleClient) Closed(*rpc.Conn) {}
func (exampleClient) Serve(c *rpc.Conn, req *wire.Command) {
	if req.Code != wire.GetConsumerRunningInfo {
		c.Reply(req.Reply(wire.CodeSuccess, nil))
		return
	}
	resp := req.Reply(wire.CodeSuccess, nil)
	resp.Body = wire.EncodeBody(wire.ConsumerRunningInfo{
		Properties: map[string]string{"PROP_CONSUME_TYPE": "CONSUME_PASSIVELY"},
		Queues:     map[wire.MessageQueue]wire.ProcessQueueInfo{{Topic: "orders", BrokerName: "broker-a", QueueID: 0}: {Locked: true}},
	})
	c.Reply(resp)
}

// prepare makes what the examples name, again before each.
func (n *exampleNode) prepare(t *testing.T) {
	t.Helper()
	ctx, to := t.Context(), admin.Target{Addr: n.broker}
	must := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	for _, name := range []string{"orders", mq.DLQTopic("audit"), mq.RetryTopic("billing")} {
		_, err := n.cluster.PutTopic(ctx, to, mq.Topic{Name: name, ReadQueues: 8, WriteQueues: 8, Perm: 6})
		must("topic "+name, err)
	}
	for _, name := range []string{"billing", "audit"} {
		_, err := n.cluster.PutGroup(ctx, to, admin.NewGroup(name))
		must("group "+name, err)
	}
	_, err := n.cluster.PutTopic(ctx, to, mq.Topic{Name: "chats", ReadQueues: 1, WriteQueues: 1, Perm: 6,
		Attributes: map[string]string{"+message.type": "LITE"}})
	must("topic chats", err)
	reader := admin.NewGroup("talkers")
	reader.Attributes = map[string]string{"+lite.bind.topic": "chats"}
	_, err = n.cluster.PutGroup(ctx, to, reader)
	must("group talkers", err)
	n.prepareAccess(t, must)
	must("order", n.cluster.PutKV(ctx, mq.OrderTopicNamespace, "orders", "broker-a:8"))
	beat := wire.NewRequest(wire.HeartBeat, nil)
	beat.Body = []byte(`{"clientID":"10.0.0.1@1","producerDataSet":[{"groupName":"shop"}],"consumerDataSet":[{"groupName":"billing",` +
		`"consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","consumeFromWhere":"CONSUME_FROM_FIRST_OFFSET",` +
		`"subscriptionDataSet":[{"topic":"orders","subString":"*","expressionType":"TAG"}]}]}`)
	resp, err := n.clients.Call(ctx, n.broker, beat)
	must("heartbeat", err)
	if resp.Code != wire.CodeSuccess {
		t.Fatalf("heartbeat: %s", resp.Remark)
	}
	_, err = n.cluster.ResetOffsets(ctx, admin.Target{}, admin.Reset{Group: "billing", Topic: "orders", Latest: true, Queue: -1})
	must("offsets", err)
	for file, text := range map[string]string{
		"alice.txt": "another secret", "plain_acl.yml": "accounts:\n- accessKey: RocketMQ\n  secretKey: '12345678'\n  defaultTopicPerm: SUB\n",
		"topics.json": `[{"topicName":"orders"}]`, "groups.json": `[{"groupName":"billing"}]`, "fixed.json": `{"order":7}`,
	} {
		must(file, os.WriteFile(file, []byte(text), 0o644))
	}
}

// prepareAccess makes the user that examples name, with a policy, and a limit.
func (n *exampleNode) prepareAccess(t *testing.T, must func(string, error)) {
	t.Helper()
	ctx, to := t.Context(), admin.Target{Addr: n.broker}
	if users, err := n.cluster.Users(ctx, to, "alice"); err != nil || len(users) == 0 {
		_, err = n.cluster.CreateUser(ctx, to, wire.UserInfo{Username: "alice", Password: "a good secret"})
		must("user alice", err)
	}
	_, err := n.cluster.PutACL(ctx, to, wire.ACLInfo{Subject: "User:alice", Policies: []wire.PolicyInfo{{
		PolicyType: "Custom", Entries: []wire.PolicyEntryInfo{{Resource: "Topic:orders", Actions: []string{"Get"}, Decision: "Allow"}},
	}}})
	must("policy of alice", err)
	must("limit", n.cluster.PutLimit(ctx, to, mq.LimitRule{Scope: "ADDRESS", Name: "*", Connections: 1000}))
}

// send stores a message in queue 0 of a topic and returns its offset id.
func (n *exampleNode) send(t *testing.T, topic, body string, properties ...string) remote.Sent {
	t.Helper()
	c, err := remote.Dial(remote.Options{NameServers: []string{n.namesrv}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m := &mq.Message{Topic: topic, BornTime: time.Now().UnixMilli(), Body: []byte(body)}
	for i := 0; i < len(properties); i += 2 {
		m.Properties = mq.AppendProperty(m.Properties, properties[i], properties[i+1])
	}
	if properties[0] == mq.PropTransaction {
		m.SysFlag = mq.FlagPrepared
	}
	q := remote.Queue{Broker: "broker-a", Addr: n.broker}
	q.Topic, q.ID = topic, 0
	sent, err := c.Send(t.Context(), q, "shop", m)
	if err != nil {
		t.Fatalf("send to %s: %v", topic, err)
	}
	return sent
}

// try runs an example.
func (n *exampleNode) try(t *testing.T, line string) {
	n.prepare(t)
	const key = "0A0101010000000000000000000000AA"
	sent := n.send(t, "orders", "hello", mq.PropUniqueKey, key, mq.PropKeys, "order-7 order-4711", mq.PropTags, "paid")
	words := append([]string{}, n.words...)
	id := sent.OffsetMsgID
	args := shellWords(t, line)[1:]
	switch {
	case strings.HasPrefix(line, "goddard admin user create"):
		n.run(t, "admin", "user", "delete", "alice")
	case args[1] == "dlq":
		id = n.send(t, mq.DLQTopic("audit"), "dead", mq.PropUniqueKey, key, mq.PropRetryTopic, "orders", "region", "eu").OffsetMsgID
	case args[1] == "transaction":
		n.send(t, "orders", "half", mq.PropTransaction, "true", mq.PropProducerGroup, "shop", mq.PropUniqueKey, key)
		id = n.last(t, "id", "transaction", "list")
	case args[1] == "fifo":
		if args[2] != "list" && args[2] != "park" {
			n.run(t, "admin", "fifo", "park", "billing", "orders", "customer-7")
		}
	case strings.HasPrefix(line, "goddard admin namesrv config reset"):
		n.run(t, "admin", "namesrv", "config", "set", "orderMessageEnable", "true")
	case strings.HasPrefix(line, "goddard admin broker config reset"):
		n.run(t, "admin", "broker", "config", "set", "brokerPermission", "4")
	case strings.HasPrefix(line, "goddard admin message trace"), strings.HasPrefix(line, "goddard admin queryMsgTraceById"):
		n.send(t, mq.TopicTrace, strings.Join([]string{"Pub", "1795996374388", "DefaultRegion", "shop", "orders", key, "paid", "", "127.0.0.1", "5", "3", "0", "true"}, "\x01")+"\x02",
			mq.PropKeys, key)
	case strings.HasPrefix(line, "goddard admin delay cancel"):
		n.send(t, "orders", "later", mq.PropTimerDelayMs, "600000", mq.PropUniqueKey, key)
		words = append(words, "djEgb3JkZXJzIC4uLg==", n.last(t, "handle", "delay", "list", "orders"))
	}
	if args[1] == "dlq" {
		os.Remove("audit.jsonl")
	}
	if args[1] == "dlq" && args[2] == "import" {
		n.run(t, "admin", "dlq", "export", "audit", "--file", "audit.jsonl")
	}
	words = append(words, "7F00000100002A9F0000000000000000", id, "7F00000100002A9F00000000000004D2", id)
	fill := strings.NewReplacer(words...)
	for i := range args {
		args[i] = fill.Replace(args[i])
	}
	n.run(t, args...)
	switch { // what would be in the way of others
	case strings.Contains(line, "brokerPermission"):
		n.run(t, "admin", "broker", "config", "set", "brokerPermission", "6")
	case strings.Contains(line, "wipe"):
		n.run(t, "admin", "namesrv", "add-write-perm", "broker-a")
	case strings.Contains(line, "+dedup"):
		n.run(t, "admin", "topic", "update", "orders", "--attributes", "-dedup.window.seconds")
	}
}

// last is a field of the last entry that a command lists.
func (n *exampleNode) last(t *testing.T, field string, args ...string) string {
	t.Helper()
	var list []map[string]any
	out := n.run(t, append(append([]string{"admin"}, args...), "-o", "json")...)
	if err := json.Unmarshal([]byte(out), &list); err != nil || len(list) == 0 {
		t.Fatalf("%v lists nothing: %v", args, err)
	}
	return fmt.Sprint(list[len(list)-1][field])
}

// run runs a command line and returns what it printed.
func (n *exampleNode) run(t *testing.T, args ...string) string {
	t.Helper()
	root := newRoot()
	var out, failed bytes.Buffer
	root.SetArgs(args)
	root.SetOut(&out)
	root.SetErr(&failed)
	if err := root.ExecuteContext(t.Context()); err != nil {
		t.Fatalf("goddard %s: %v\n%s%s", strings.Join(args, " "), err, out.String(), failed.String())
	}
	return out.String()
}

// shellWords splits a command line as a shell does, as far as examples need it.
func shellWords(t *testing.T, line string) []string {
	t.Helper()
	var all []string
	var word strings.Builder
	quote, inWord := rune(0), false
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '"' || r == '\'':
			quote, inWord = r, true
		case r == ' ':
			if inWord || word.Len() > 0 {
				all = append(all, word.String())
				word.Reset()
				inWord = false
			}
		default:
			word.WriteRune(r)
		}
	}
	if quote != 0 {
		t.Fatalf("a quote is not closed: %s", line)
	}
	return append(all, word.String())
}
