package console_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/node"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A rig is a server with its console, and somebody who uses it.
type rig struct {
	t       testing.TB
	base    string // http://host:port
	csrf    string
	cookie  string
	namesrv string
	broker  string
	client  *http.Client
	rpc     *rpc.Client
	remote  *remote.Cluster
	admin   *admin.Cluster
	// patience is how long until waits.
	patience time.Duration
}

// started runs a server in memory until the test ends.
func started(t testing.TB, change func(*node.Config)) *rig {
	t.Helper()
	c := node.Config{Data: "data", FS: vfs.NewMem(), Listen: "127.0.0.1", ListenPort: -1, NamesrvPort: -1, FastPort: -1, GRPCPort: -1}
	if change != nil {
		change(&c)
	}
	n, err := node.New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	r := &rig{
		t: t, base: "http://" + n.HTTPAddr().String(), namesrv: n.NamesrvAddr().String(), broker: n.BrokerAddr().String(),
		client: &http.Client{Transport: &http.Transport{}}, rpc: rpc.NewClient(rpc.ClientOptions{}),
		patience: 20 * time.Second,
	}
	if r.remote, err = remote.Dial(remote.Options{NameServers: []string{r.namesrv}}); err != nil {
		t.Fatal(err)
	}
	if r.admin, err = admin.Dial(admin.Options{Namesrvs: []string{r.namesrv}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		r.client.CloseIdleConnections()
		r.remote.Close()
		r.admin.Close()
		r.rpc.Close()
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	_, session := r.ask("GET", "/session", nil)
	r.csrf, _ = session["csrf"].(string)
	return r
}

// An object is JSON as a test looks at it.
type object = map[string]any

// raw sends a request with whatever headers and body, and returns the answer.
func (r *rig) raw(method, path string, body []byte, headers map[string]string) (*http.Response, []byte) {
	r.t.Helper()
	if !strings.HasPrefix(path, "/api/") {
		path = "/api/v1" + path
	}
	req, err := http.NewRequestWithContext(context.Background(), method, r.base+path, bytes.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	req.Header.Set("X-Goddard-CSRF", r.csrf)
	if r.cookie != "" {
		req.Header.Set("Cookie", r.cookie)
	}
	for key, value := range headers {
		if key == "Host" {
			req.Host = value
		}
		req.Header.Set(key, value)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return resp, text
}

// ask sends a request and returns status and JSON of the answer.
func (r *rig) ask(method, path string, body any) (int, object) {
	r.t.Helper()
	var in []byte
	if body != nil {
		var err error
		if in, err = json.Marshal(body); err != nil {
			r.t.Fatal(err)
		}
	}
	resp, text := r.raw(method, path, in, nil)
	var out object
	if err := json.Unmarshal(text, &out); err != nil {
		r.t.Fatalf("%s %s answered %s with %.200q", method, path, resp.Status, text)
	}
	return resp.StatusCode, out
}

// want asks for something that must work.
func (r *rig) want(method, path string, body any) object {
	r.t.Helper()
	status, out := r.ask(method, path, body)
	if status >= 300 {
		r.t.Fatalf("%s %s: %d %v", method, path, status, out)
	}
	return out
}

func (r *rig) get(path string) object {
	r.t.Helper()
	return r.want("GET", path, nil)
}

// refused wants a request to be answered with an error, and that to say
// something.
func (r *rig) refused(method, path string, body any, status int, code string) object {
	r.t.Helper()
	got, out := r.ask(method, path, body)
	if got != status || out["code"] != code || out["error"] == "" || out["error"] == nil {
		r.t.Errorf("%s %s: %d %v, want %d %s", method, path, got, out, status, code)
	}
	return out
}

// until asks again and again until an answer is as wished.
func (r *rig) until(path string, good func(object) bool) object {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), r.patience)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		out := r.get(path)
		if good(out) {
			return out
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			r.t.Fatalf("GET %s is still %.2000v", path, out)
		}
	}
}

// brokerName is the name of the only broker.
func (r *rig) brokerName() string {
	r.t.Helper()
	out := r.until("/overview", func(o object) bool { return len(o["brokers"].([]any)) == 1 })
	return out["brokers"].([]any)[0].(object)["name"].(string)
}

// items are the objects in a list.
func items(o object) []object {
	list, _ := o["items"].([]any)
	all := []object{}
	for _, x := range list {
		all = append(all, x.(object))
	}
	return all
}

// texts are a field of the objects in a list, joined.
func texts(o object, field string) string {
	var all []string
	for _, x := range items(o) {
		all = append(all, fmt.Sprint(x[field]))
	}
	return strings.Join(all, " ")
}

func (r *rig) createTopic(name string, more ...any) {
	r.t.Helper()
	body := object{"name": name, "write_queues": 1}
	for i := 0; i+1 < len(more); i += 2 {
		body[more[i].(string)] = more[i+1]
	}
	r.want("POST", "/topics", body)
}

func (r *rig) createGroup(name string) {
	r.t.Helper()
	r.want("POST", "/groups", object{"group": name})
}

// send sends a message through the console and returns where it is.
func (r *rig) send(topic string, body object) object {
	r.t.Helper()
	return items(r.want("POST", "/topics/"+url.PathEscape(topic)+"/messages", body))[0]
}

// call sends a request of the remoting protocol to the broker.
func (r *rig) call(cmd *wire.Command) *wire.Command {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resp, err := r.rpc.Call(ctx, r.broker, cmd)
	if err != nil {
		r.t.Fatal(err)
	}
	if resp.Code != wire.CodeSuccess {
		r.t.Fatalf("%v: %v %s", cmd.Code, resp.Code, resp.Remark)
	}
	return resp
}

// commit sets a group's offset.
func (r *rig) commit(group, topic string, offset int64) {
	r.t.Helper()
	r.call(wire.NewRequest(wire.UpdateConsumerOffset, &wire.UpdateConsumerOffsetRequest{ConsumerGroup: group, Topic: topic, CommitOffset: offset}))
}

// die has a group reject messages, so that they are dead letters.
func (r *rig) die(group, topic string, bodies ...string) {
	r.t.Helper()
	for _, body := range bodies {
		sent := r.send(topic, object{"body": body, "tag": "t-" + body})
		_, pos, err := mq.ParseOffsetID(sent["id"].(string))
		if err != nil {
			r.t.Fatal(err)
		}
		r.call(wire.NewRequest(wire.ConsumerSendMsgBack, &wire.ConsumerSendMsgBackRequest{Offset: int64(pos), Group: group, DelayLevel: -1, OriginTopic: topic}))
	}
}

// member has somebody take part in a group until the test ends.
func (r *rig) member(group, topic string) {
	r.t.Helper()
	c, err := remote.Dial(remote.Options{NameServers: []string{r.namesrv}, ClientID: "member-of-" + group})
	if err != nil {
		r.t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = c.Consume(ctx, remote.Member{Group: group, Topic: topic, Handle: func(remote.Queue, *mq.Record) error { return nil }})
	}()
	r.t.Cleanup(func() { stop(); <-done; c.Close() })
}

// beat says that a client takes part in a group, on the connection that call uses.
func (r *rig) beat(client, group, topic string) {
	r.t.Helper()
	cmd := wire.NewRequest(wire.HeartBeat, nil)
	cmd.Body = wire.EncodeBody(wire.HeartbeatData{ClientID: client, Consumers: []wire.ConsumerData{{
		GroupName: group, ConsumeType: "CONSUME_PASSIVELY", MessageModel: "CLUSTERING", ConsumeFromWhere: "CONSUME_FROM_LAST_OFFSET",
		Subscriptions: []wire.SubscriptionData{{Topic: topic, SubString: "*", ExpressionType: "TAG", SubVersion: 1}},
	}}})
	r.call(cmd)
}
