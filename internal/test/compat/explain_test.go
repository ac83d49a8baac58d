//go:build compat

package compat

import (
	"context"
	"os/exec"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/wire"
)

// An explanation is a question to `goddard explain` and what its answer must
// show. In both, {id0} to {id3} are the messages of explainTopic's first queue.
type explanation struct {
	name, args string
	as         string // who asks; empty: root
	want       []string
	fails      bool // the exit status is not 0
}

// explainTopic is a topic of one queue with four messages, tagged A and B in turn.
const explainTopic = "Explained"

// explanations are those of states that both servers can show.
var explanations = []explanation{
	{name: "consumed", args: "message {id0}", want: []string{`group g_done +consumed: the group's offset 4 is past it`, `kept until 20\d\d-`}},
	{name: "consumed by a group that is on", args: "message {id0}", want: []string{`group g_begun +consumed: the group's offset 1 is past it`}},
	{name: "not consumed", args: "message {id2}", want: []string{`group g_begun +waiting: no consumer of the group is connected; 1 messages of its queue are before it`, `start a consumer of group g_begun`}},
	{name: "taken by its tag", args: "message {id0} --topic " + explainTopic, want: []string{`group g_picky +consumed: the group's offset 4 is past it\s`}},
	{name: "filtered by its tag", args: "message {id1}", want: []string{`group g_picky +filtered out: .*"A" \(TAG\) does not want it: tag "B"`}},
	{name: "retried", args: "message {id0}", want: []string{`group g_failing +in retry: failed 1 times; the next try`}},
	{name: "retried, and nobody is there", args: "message {id0}", want: []string{`group g_failing +in retry: failed 1 times; the next try waits in %RETRY%g_failing, and no consumer is connected`}},
	{name: "not the others of its queue", args: "message {id2}", want: []string{`group g_failing +consumed`}},
	{name: "dead letter", args: "message {id2}", want: []string{`group g_dead +dead letter: given up after \d+ tries at .*; it lies in %DLQ%g_dead, queue 0, offset 0`, `goddard admin dlq redrive g_dead --id [0-9A-F]{32}`}},
	{name: "no such message", args: "message no-such-key", want: []string{`no broker has a message with the id or unique key no-such-key`}, fails: true},

	{name: "lag without a consumer", args: "lag g_begun", want: []string{`lag +3 messages`, `no consumer is connected`, `start a consumer of group g_begun`, explainTopic + ` +broker-a +0 +1 +4 +3 +\d+s +- +nobody may read it or is there to`}},
	{name: "lag with a consumer", args: "lag g_busy", want: []string{`lag +4 messages`, `member explain-busy .*, 1 queues`, explainTopic + ` +broker-a +0 +0 +4 +4 +\d+s +explain-busy +its owner works on it, 4 messages are fetched`}},
	{name: "no lag", args: "lag g_picky", want: []string{`lag +0 messages`, `the group is up to date`}},
	{name: "lag of no group", args: "lag g_nobody", want: []string{`g_nobody`}, fails: true},

	{name: "send", args: "send " + explainTopic, want: []string{`send to Explained +yes\s`, `broker broker-a +clients are given 127.0.0.1:\d+; 1 queues to write to`}},
	{name: "send to no topic", args: "send Nowhere", want: []string{`send to Nowhere +no: the topic does not exist`, `autoCreateTopicEnable`}, fails: true},
	{name: "send to a topic that may not be written", args: "send ReadOnly", want: []string{`send to ReadOnly +no: no broker takes messages of the topic`, `goddard admin topic perm ReadOnly`}, fails: true},
	{name: "send too much", args: "send " + explainTopic + " --size 4194305", want: []string{`a body of 4194305 bytes is longer than maxMessageSize, 4194304`}, fails: true},

	{name: "a message, without a permission", as: "stranger", args: "message {id0} --topic " + explainTopic, want: []string{`User:stranger has no permission`}, fails: true},
	{name: "a lag, without a permission", as: "stranger", args: "lag g_begun", want: []string{`User:stranger has no permission`}, fails: true},
	{name: "a send, without a permission", as: "stranger", args: "send " + explainTopic, want: []string{`User:stranger has no permission`}, fails: true},
}

// `goddard explain` says of RocketMQ's broker what it says of ours.
func TestExplain(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.With(authConf + "autoCreateTopicEnable=false\nautoCreateSubscriptionGroup=false\n").Cluster(t)
		ids := explained(t, cluster)
		for _, e := range explanations {
			t.Run(e.name, func(t *testing.T) { judge(t, m.Name(), "explain", e.name, e.try(cluster, ids)) })
		}
	})
}

// try asks until the answer is right or it is too late: the index of keys and
// the delivery of what was sent back follow.
func (e *explanation) try(cluster *against.Cluster, ids *strings.Replacer) (wrong string) {
	for limit := time.Now().Add(15 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		if wrong = e.once(cluster, ids); wrong == "" || time.Now().After(limit) {
			return wrong
		}
	}
}

func (e *explanation) once(cluster *against.Cluster, ids *strings.Replacer) string {
	user := e.as
	if user == "" {
		user = "root"
	}
	args := append([]string{"explain"}, strings.Fields(ids.Replace(e.args)+" -n "+cluster.NameServer)...)
	cmd := exec.Command(kit.Goddard, args...)
	cmd.Env = append(cmd.Environ(), "ROCKETMQ_ACCESS_KEY="+user, "ROCKETMQ_SECRET_KEY="+secretOf(user))
	out, err := cmd.CombinedOutput()
	if (err != nil) != e.fails {
		return strings.Join(args, " ") + ": " + errorText(err) + "\n" + string(out)
	}
	for _, want := range e.want {
		if !regexp.MustCompile(want).Match(out) {
			return strings.Join(args, " ") + ": the answer lacks " + want + "\n" + string(out)
		}
	}
	return ""
}

func errorText(err error) string {
	if err == nil {
		return "succeeds"
	}
	return err.Error()
}

// explained brings about what is explained, and returns the ids by their words.
func explained(t *testing.T, cluster *against.Cluster) *strings.Replacer {
	t.Helper()
	as := rpc.Credentials{AccessKey: "root", SecretKey: secretOf("root")}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	root, to := operate(t, cluster, as), admin.Target{Addr: cluster.Broker}
	giveUser(t, root, cluster, "stranger")
	for topic, perm := range map[string]int32{explainTopic: mq.PermRead | mq.PermWrite, "ReadOnly": mq.PermRead} {
		if _, err := root.PutTopic(ctx, to, mq.Topic{Name: topic, ReadQueues: 1, WriteQueues: 1, Perm: perm}); err != nil {
			t.Fatal(err)
		}
	}
	for _, group := range []string{"g_done", "g_begun", "g_picky", "g_busy", "g_failing", "g_dead"} {
		if _, err := root.PutGroup(ctx, to, admin.NewGroup(group)); err != nil {
			t.Fatal(err)
		}
	}
	user := member(t, cluster, as, "explain-user")
	queue := queueOf(t, user)
	words, sent := []string{}, []remote.Sent{}
	for i, tag := range []string{"A", "B", "A", "B"} {
		s := sendTagged(t, user, queue, tag)
		words, sent = append(words, "{id"+string(rune('0'+i))+"}", s.MsgID), append(sent, s)
	}
	for group, at := range map[string]mq.QueueOffset{"g_done": 4, "g_begun": 1, "g_busy": 0, "g_picky": 4, "g_failing": 4, "g_dead": 4} {
		if err := user.SetOffset(ctx, group, queue, at); err != nil {
			t.Fatal(err)
		}
	}
	consume(t, member(t, cluster, as, "explain-picky"), "g_picky", "A")
	consume(t, member(t, cluster, as, "explain-busy"), "g_busy", "*")
	sendBack(t, cluster, as, sent[0], "g_failing", 1)
	sendBack(t, cluster, as, sent[2], "g_dead", -1)
	return strings.NewReplacer(words...)
}

// member is a client with a name, which ends with the test.
func member(t *testing.T, cluster *against.Cluster, as rpc.Credentials, id string) *remote.Cluster {
	t.Helper()
	c, err := remote.Dial(remote.Options{NameServers: []string{cluster.NameServer}, ClientID: id, Credentials: as})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// queueOf is explainTopic's queue, once the name server knows it.
func queueOf(t *testing.T, c *remote.Cluster) remote.Queue {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		queues, err := c.WriteQueues(t.Context(), explainTopic)
		if err == nil {
			return queues[0]
		}
		if time.Now().After(limit) {
			t.Fatal(err)
		}
		c.Forget(explainTopic)
	}
}

func sendTagged(t *testing.T, c *remote.Cluster, q remote.Queue, tag string) remote.Sent {
	t.Helper()
	properties := mq.AppendProperty(nil, mq.PropTags, tag)
	properties = mq.AppendProperty(properties, mq.PropUniqueKey, remote.NewKeys().Next())
	sent, err := c.Send(t.Context(), q, "explain-producer", &mq.Message{
		Topic: q.Topic, BornTime: time.Now().UnixMilli(), Body: []byte("hello"), Properties: properties,
	})
	if err != nil {
		t.Fatal(err)
	}
	return sent
}

// consume takes part in a group until the test ends, and finishes no message.
func consume(t *testing.T, c *remote.Cluster, group, tags string) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		ended <- c.Consume(ctx, remote.Member{Group: group, Topic: explainTopic, Expression: tags, Handle: func(remote.Queue, *mq.Record) error {
			<-ctx.Done()
			return ctx.Err()
		}})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("the member of %s: %v", group, err)
		}
	})
}

// sendBack hands a message back as a consumer does that failed on it.
func sendBack(t *testing.T, cluster *against.Cluster, as rpc.Credentials, s remote.Sent, group string, level int32) {
	t.Helper()
	_, at, err := mq.ParseOffsetID(s.OffsetMsgID)
	if err != nil {
		t.Fatal(err)
	}
	c := rpc.NewClient(rpc.ClientOptions{Hook: as.Hook()})
	defer c.Close()
	resp, err := c.Call(t.Context(), cluster.Broker, wire.NewRequest(wire.ConsumerSendMsgBack, &wire.ConsumerSendMsgBackRequest{
		Offset: int64(at), Group: group, DelayLevel: level, OriginMsgID: s.MsgID, OriginTopic: explainTopic, MaxReconsumeTimes: wire.Some[int32](16),
	}))
	if err != nil || resp.Code != wire.CodeSuccess {
		t.Fatalf("sent back: %+v, %v", resp, err)
	}
}
