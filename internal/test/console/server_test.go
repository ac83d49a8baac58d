//go:build console

package console

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/wire"
)

// A site is a server with data of every kind, and a console that shows it.
type site struct {
	t       *testing.T
	url     string
	csrf    string
	cookie  string // of who is logged in, where somebody has to be
	cluster *remote.Cluster
	broker  string // address
	// nameServer is an address, too.
	nameServer string
}

// root may do everything on a server that asks who one is.
const root, rootSecret = "root", "rootsecret"

// secured are the settings of one.
var secured = map[string]string{"authentication": "true", "authorization": "true", "init-user": `{"username":"` + root + `","password":"` + rootSecret + `"}`}

// start has a server with more settings than it needs by itself.
func start(t *testing.T, more map[string]string) *site {
	t.Helper()
	port, err := against.FreePorts(2)
	if err != nil {
		t.Fatal(err)
	}
	own := "127.0.0.1:" + strconv.Itoa(port)
	settings := map[string]string{"http-port": strconv.Itoa(port + 1), "console-namesrv": "same=" + own}
	maps.Copy(settings, more)
	server, err := goddard.New(goddard.Config{NameServerPort: port, Settings: settings})
	if err != nil {
		t.Fatal(err)
	}
	run(t, server.Run)
	options := remote.Options{NameServers: []string{server.NameServerAddr()}, ClientID: "seed"}
	if settings["authentication"] == "true" {
		options.Credentials = rpc.Credentials{AccessKey: root, SecretKey: rootSecret}
	}
	cluster, err := remote.Dial(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	s := &site{t: t, url: "http://127.0.0.1:" + strconv.Itoa(port+1), cluster: cluster, broker: server.BrokerAddr(), nameServer: own}
	s.csrf, _ = s.get("/session")["csrf"].(string)
	if settings["authentication"] == "true" {
		s.csrf, _ = s.post("/session/login", object{"user": root, "password": rootSecret})["csrf"].(string)
	}
	s.seed()
	return s
}

// run has something run until the test ends.
func run(t *testing.T, what func(context.Context) error) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- what(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

type object = map[string]any

func (s *site) get(path string) object { return s.ask(http.MethodGet, path, nil) }

func (s *site) post(path string, body object) object { return s.ask(http.MethodPost, path, body) }

func (s *site) ask(method, path string, body object) object {
	s.t.Helper()
	status, answer := s.try(method, path, body)
	if status >= 300 {
		s.t.Fatalf("%s %s: %d %v", method, path, status, answer)
	}
	return answer
}

func (s *site) try(method, path string, body object) (int, object) {
	s.t.Helper()
	var in io.Reader
	if body != nil {
		b, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		in = strings.NewReader(string(b))
	}
	req, err := http.NewRequestWithContext(s.t.Context(), method, s.url+"/api/v1"+path, in)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Origin", s.url)
	req.Header.Set("X-Goddard-CSRF", s.csrf)
	req.Header.Set("Cookie", s.cookie)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	if c := resp.Cookies(); len(c) > 0 {
		s.cookie = c[0].Name + "=" + c[0].Value
	}
	var answer object
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
	return resp.StatusCode, answer
}

func items(answer object) []object {
	var all []object
	list, _ := answer["items"].([]any)
	for _, i := range list {
		all = append(all, i.(object))
	}
	return all
}

// until waits for something to become true.
func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !holds(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}

// seed makes topics, messages, a group that is behind and one that is online,
// dead letters, delayed and half messages.
func (s *site) seed() {
	s.t.Helper()
	for name, kind := range map[string]string{"orders": "NORMAL", "payments": "TRANSACTION", "reminders": "DELAY", "shipping": "FIFO"} {
		s.post("/topics", object{"name": name, "type": kind, "read_queues": 4, "write_queues": 4})
	}
	for i := range 120 {
		s.post("/topics", object{"name": fmt.Sprintf("service-%03d", i), "read_queues": 1, "write_queues": 1})
	}
	for i := range 30 {
		s.post("/topics/orders/messages", object{
			"body": fmt.Sprintf(`{"order": %d, "total": "12.50", "id": 9007199254740993}`, i), "tag": []string{"created", "paid"}[i%2], "keys": []string{fmt.Sprintf("order-%d", i)},
			"properties": object{"color": []string{"red", "blue"}[i%2]},
		})
	}
	s.post("/topics/orders/messages", object{"body_base64": "AAECA/8=", "keys": []string{"bytes"}})
	s.post("/topics/shipping/messages", object{"body": "plain text", "message_group": "parcel-1"})
	for _, key := range []string{"first", "second"} {
		s.post("/topics/reminders/messages", object{"body": "remind", "keys": []string{key}, "delay_ms": 3_600_000})
	}
	for _, name := range []string{"behind", "online", "unlucky"} {
		s.post("/groups", object{"group": name})
	}
	s.die("unlucky", "orders", `{"order": 1}`, `{"order": 2}`, `{"order": 3}`, `{"order": 4}`)
	s.half("payments", "undecided-1")
	s.half("payments", "undecided-2")
	s.half("payments", "undecided-3")
	s.behind("behind", "orders", 2)
	s.consume("online", "orders")
	until(s.t, "the console has seen the topics", func() bool { return s.get("/topics?refresh=1")["total"] == float64(124) })
}

func (s *site) queues(topic string) []remote.Queue {
	s.t.Helper()
	all, err := s.cluster.WriteQueues(s.t.Context(), topic)
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}

func (s *site) call(cmd *wire.Command) {
	s.t.Helper()
	conn, err := s.cluster.Conn(s.t.Context(), s.broker)
	if err != nil {
		s.t.Fatal(err)
	}
	answer, err := conn.Call(s.t.Context(), cmd)
	if err != nil {
		s.t.Fatal(err)
	}
	if answer.Code != wire.CodeSuccess {
		s.t.Fatalf("%d: %s", answer.Code, answer.Remark)
	}
}

func (s *site) send(topic string, m *mq.Message) remote.Sent {
	s.t.Helper()
	m.Topic, m.BornTime = topic, time.Now().UnixMilli()
	sent, err := s.cluster.Send(s.t.Context(), s.queues(topic)[0], "seeders", m)
	if err != nil {
		s.t.Fatal(err)
	}
	return sent
}

var keys = remote.NewKeys()

// die has a group fail on messages for good.
func (s *site) die(group, topic string, bodies ...string) {
	s.t.Helper()
	for _, body := range bodies {
		props := mq.AppendProperty(nil, mq.PropUniqueKey, keys.Next())
		props = mq.AppendProperty(props, mq.PropKeys, "dead")
		props = mq.AppendProperty(props, "reason", "bad")
		sent := s.send(topic, &mq.Message{Body: []byte(body), Properties: props})
		_, pos, err := mq.ParseOffsetID(sent.OffsetMsgID)
		if err != nil {
			s.t.Fatal(err)
		}
		s.call(wire.NewRequest(wire.ConsumerSendMsgBack, &wire.ConsumerSendMsgBackRequest{Offset: int64(pos), Group: group, DelayLevel: -1, OriginTopic: topic}))
	}
}

// half sends a message whose producer never decides.
func (s *site) half(topic, key string) {
	s.t.Helper()
	props := mq.AppendProperty(nil, mq.PropUniqueKey, keys.Next())
	props = mq.AppendProperty(props, mq.PropKeys, key)
	props = mq.AppendProperty(props, mq.PropTransaction, "true")
	props = mq.AppendProperty(props, mq.PropProducerGroup, "deciders")
	s.send(topic, &mq.Message{Body: []byte(key), Properties: props, SysFlag: mq.FlagPrepared})
}

// behind commits a group's offset so that messages are left.
func (s *site) behind(group, topic string, at mq.QueueOffset) {
	s.t.Helper()
	for _, q := range s.queues(topic) {
		if err := s.cluster.SetOffset(s.t.Context(), group, q, at); err != nil {
			s.t.Fatal(err)
		}
	}
}

// consume has a member of a group take what comes, until the test ends.
func (s *site) consume(group, topic string) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		done <- s.cluster.Consume(ctx, remote.Member{Group: group, Topic: topic, Handle: func(remote.Queue, *mq.Record) error { return nil }})
	}()
	s.t.Cleanup(func() {
		stop()
		<-done // ended by the context
	})
}

func escape(text string) string { return url.PathEscape(text) }
