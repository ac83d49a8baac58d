package namesrv

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A broker is what registers in these tests.
type fakeBroker struct {
	mu struct {
		sync.Mutex
		topics  []mq.Topic
		version int64
	}
}

func (b *fakeBroker) set(topics ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.topics = nil
	for _, name := range topics {
		b.mu.topics = append(b.mu.topics, mq.Topic{Name: name, ReadQueues: 4, WriteQueues: 4, Perm: 6})
	}
	b.mu.version++
}

func (b *fakeBroker) topics() ([]mq.Topic, mq.DataVersion) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.topics, mq.DataVersion{Counter: b.mu.version}
}

func newRegistrar(t *testing.T, b *fakeBroker, servers string, change func(*RegistrarOptions)) *Registrar {
	t.Helper()
	o := RegistrarOptions{NameServers: servers, Cluster: "c", Name: "b", Port: 10911, Topics: b.topics}
	if change != nil {
		change(&o)
	}
	r, err := NewRegistrar(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func runRegistrar(t *testing.T, r *Registrar) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := r.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// found waits until a topic has a route and returns it.
func found(t *testing.T, p *peer, topic string) string {
	t.Helper()
	for {
		if resp := p.ask(wire.GetRouteInfoByTopic, nil, "topic", topic); resp.Code == wire.CodeSuccess {
			return string(resp.Body)
		}
		if t.Context().Err() != nil {
			t.Fatalf("topic %s has no route", topic)
		}
	}
}

func TestRegistrarRegistersFollowsChangesAndUnregisters(t *testing.T) {
	s1, s2 := start(t, Options{}), start(t, Options{})
	b := &fakeBroker{}
	b.set("A", "B")
	r := newRegistrar(t, b, s1.Addr().String()+"; "+s2.Addr().String(), nil)
	stop := runRegistrar(t, r)
	p1, p2 := dial(t, s1.Addr().String()), dial(t, s2.Addr().String())
	for _, p := range []*peer{p1, p2} {
		if route := found(t, p, "A"); !strings.Contains(route, `"0":"127.0.0.1:10911"`) {
			t.Errorf("route is %s", route)
		}
	}
	b.set("A", "B", "C")
	r.Changed()
	found(t, p1, "C")
	found(t, p2, "C")
	stop()
	for _, p := range []*peer{p1, p2} {
		want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "A"), wire.CodeTopicNotExist, "")
	}
}

func TestRegistrarPublishesOneTopicAtOnce(t *testing.T) {
	s := start(t, Options{})
	b := &fakeBroker{}
	b.set("A", "B")
	r := newRegistrar(t, b, s.Addr().String(), nil)
	runRegistrar(t, r)
	p := dial(t, s.Addr().String())
	found(t, p, "A")
	for {
		// The answer to the registration may still be on its way.
		if err := r.Publish(t.Context(), mq.Topic{Name: "N", ReadQueues: 1, WriteQueues: 1, Perm: 6}); err == nil {
			break
		} else if !strings.Contains(err.Error(), "not registered") {
			t.Fatal(err)
		}
	}
	want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "N"), wire.CodeSuccess, "")
}

// A nameServerDouble records what it is asked and answers as told.
type nameServerDouble struct {
	asked   chan *wire.Command
	changed func() bool
	refuse  func() bool
}

func (n *nameServerDouble) serve(c *rpc.Conn, cmd *wire.Command) {
	var resp *wire.Command
	switch {
	case n.refuse != nil && n.refuse():
		resp = cmd.ReplyError(wire.CodeSystemError, "not today")
	case cmd.Code == wire.QueryDataVersion:
		resp = cmd.Reply(wire.CodeSuccess, &wire.QueryDataVersionResponse{Changed: n.changed()})
	default:
		resp = cmd.Reply(wire.CodeSuccess, nil)
	}
	n.asked <- cmd.Clone()
	if !cmd.Oneway() {
		c.Reply(resp)
	}
}

func (n *nameServerDouble) start(t *testing.T) string {
	t.Helper()
	n.asked = make(chan *wire.Command, 1000)
	l, err := rpc.Listen("127.0.0.1:0", handlerFunc(n.serve), rpc.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })
	return l.Addr().String()
}

func (n *nameServerDouble) expect(t *testing.T, code wire.Code) *wire.Command {
	t.Helper()
	cmd := <-n.asked
	if cmd.Code != code {
		t.Fatalf("name server was asked %v, want %v", cmd.Code, code)
	}
	return cmd
}

func TestRegistrarSendsTopicsOnlyToANameServerThatLacksThem(t *testing.T) {
	answers := []bool{false, false, true, false}
	n := &nameServerDouble{changed: func() bool {
		if len(answers) == 0 {
			return false
		}
		a := answers[0]
		answers = answers[1:]
		return a
	}}
	b := &fakeBroker{}
	b.set("A", "B")
	r := newRegistrar(t, b, n.start(t), nil)
	r.options.Interval = time.Millisecond
	stop := runRegistrar(t, r)
	full := n.expect(t, wire.RegisterBroker)
	if crc, _ := full.Fields.Get("bodyCrc32"); crc != fmt.Sprint(wire.BodyCRC(full.Body)) {
		t.Errorf("checksum is %s", crc)
	}
	body, err := wire.DecodeRegisterBroker(full.Body, false)
	if err != nil || len(body.Topics.Topics) != 2 || body.Topics.DataVersion.Counter != 1 {
		t.Errorf("registration is %+v, %v", body, err)
	}
	n.expect(t, wire.QueryDataVersion)
	n.expect(t, wire.QueryDataVersion)
	n.expect(t, wire.QueryDataVersion)
	n.expect(t, wire.RegisterBroker)
	n.expect(t, wire.QueryDataVersion)
	stop()
	var last *wire.Command
	for len(n.asked) > 0 {
		last = <-n.asked
	}
	if last.Code != wire.UnregisterBroker {
		t.Errorf("last words were %v", last.Code)
	}
}

func TestRegistrarForcedSendsTopicsEveryTime(t *testing.T) {
	n := &nameServerDouble{}
	b := &fakeBroker{}
	b.set("A", "B")
	r := newRegistrar(t, b, n.start(t), func(o *RegistrarOptions) { o.ForceRegister = true; o.Advertised = "mq.example.org" })
	r.options.Interval = time.Millisecond
	runRegistrar(t, r)
	for range 3 {
		cmd := n.expect(t, wire.RegisterBroker)
		addr, _ := cmd.Fields.Get("brokerAddr")
		ha, _ := cmd.Fields.Get("haServerAddr")
		if addr != "mq.example.org:10911" || ha != "mq.example.org:10912" {
			t.Fatalf("registered %q, replication %q", addr, ha)
		}
	}
}

func TestRegistrarSendsHeartbeatsWhenSlavesMayAct(t *testing.T) {
	n := &nameServerDouble{changed: func() bool { return false }}
	b := &fakeBroker{}
	b.set("A", "B")
	r := newRegistrar(t, b, n.start(t), func(o *RegistrarOptions) {
		o.ActingMaster, o.HeartbeatInterval, o.SilentAfter = true, time.Millisecond, 7*time.Second
	})
	runRegistrar(t, r)
	reg := n.expect(t, wire.RegisterBroker)
	acting, _ := reg.Fields.Get("enableActingMaster")
	timeout, _ := reg.Fields.Get("heartbeatTimeoutMillis")
	if acting != "true" || timeout != "7000" {
		t.Errorf("registered with acting %q, timeout %q", acting, timeout)
	}
	for range 3 {
		if cmd := n.expect(t, wire.BrokerHeartbeat); !cmd.Oneway() {
			t.Error("heartbeat wants an answer")
		}
	}
}

// A name server that restarts has forgotten everything; the broker is back
// without waiting for the next interval.
func TestRegistrarIsBackAfterANameServersRestart(t *testing.T) {
	s, err := New(Options{Port: -1})
	if err != nil {
		t.Fatal(err)
	}
	stop := serve(t, s)
	addr := s.Addr()
	b := &fakeBroker{}
	b.set("A", "B")
	var log logBuffer
	r := newRegistrar(t, b, addr.String(), func(o *RegistrarOptions) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	runRegistrar(t, r)
	found(t, dial(t, addr.String()), "A")
	stop()
	s, err = New(Options{Port: int(addr.Port())})
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	found(t, dial(t, addr.String()), "A")
}

// Of a name server that refuses again and again the log says so once, and once
// when it is well again.
func TestRegistrarLogsEachChangeOfStateOnce(t *testing.T) {
	n, refusals := &nameServerDouble{changed: func() bool { return false }}, 3
	n.refuse = func() bool { refusals--; return refusals >= 0 }
	b := &fakeBroker{}
	b.set("A", "B")
	var log logBuffer
	r := newRegistrar(t, b, n.start(t), func(o *RegistrarOptions) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
	r.options.Interval = time.Millisecond
	stop := runRegistrar(t, r)
	for range 3 + 1 {
		n.expect(t, wire.RegisterBroker)
	}
	for range 5 {
		n.expect(t, wire.QueryDataVersion)
	}
	stop()
	text := log.String()
	if strings.Count(text, "refuses the broker; trying again") != 1 || strings.Count(text, "registered with name server") != 1 {
		t.Errorf("log is\n%s", text)
	}
	if !strings.Contains(text, "not today") {
		t.Errorf("the log lacks the reason:\n%s", text)
	}
}

type logBuffer struct {
	mu struct {
		sync.Mutex
		b bytes.Buffer
	}
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.b.String()
}

// A host name stands for all its addresses and is looked up again.
func TestRegistrarFollowsTheAddressesOfAHostName(t *testing.T) {
	first, second := &nameServerDouble{}, &nameServerDouble{}
	changed := func() bool { return false }
	first.changed, second.changed = changed, changed
	a1 := netip.MustParseAddrPort(first.start(t))
	// The second listens on the same port of another loopback address.
	second.asked = make(chan *wire.Command, 1000)
	l, err := rpc.Listen(netip.AddrPortFrom(netip.MustParseAddr("127.0.0.2"), a1.Port()).String(), handlerFunc(second.serve), rpc.ServerOptions{})
	if err != nil {
		t.Skip("no second loopback address:", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })

	lookups := 0
	b := &fakeBroker{}
	b.set("A", "B")
	r := newRegistrar(t, b, fmt.Sprintf("mq.example.org:%d", a1.Port()), func(o *RegistrarOptions) {
		o.Lookup = func(context.Context, string) ([]netip.Addr, error) {
			lookups++
			switch lookups {
			case 1:
				return []netip.Addr{a1.Addr(), netip.MustParseAddr("::1")}, nil
			case 2:
				return nil, errors.New("resolver is away")
			default:
				return []netip.Addr{netip.MustParseAddr("127.0.0.2")}, nil
			}
		}
	})
	r.options.Interval = 20 * time.Millisecond
	runRegistrar(t, r)
	first.expect(t, wire.RegisterBroker)
	reg := second.expect(t, wire.RegisterBroker)
	if addr, _ := reg.Fields.Get("brokerAddr"); addr != "127.0.0.2:10911" && addr != "127.0.0.1:10911" {
		t.Errorf("registered %q", addr)
	}
	for cmd := range first.asked {
		if cmd.Code == wire.UnregisterBroker {
			return
		}
	}
}

func TestNameServerLists(t *testing.T) {
	for _, c := range []struct {
		list string
		want []nameServer
	}{
		{"a:1", []nameServer{{"a", "1"}}},
		{" a:1 ; b ;", []nameServer{{"a", "1"}, {"b", "9876"}}},
		{"[::1]:2", []nameServer{{"::1", "2"}}},
		{"", nil}, {";", nil}, {"a:1:2", nil}, {":1", nil}, {"a:", nil},
	} {
		got, err := parseNameServers(c.list)
		if !reflect.DeepEqual(got, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%q gave %v, %v", c.list, got, err)
		}
	}
}

func TestBadRegistrarOptionsAreRefused(t *testing.T) {
	_, err := NewRegistrar(RegistrarOptions{Interval: -1})
	for _, part := range []string{"name server", "port and topics", "clusterName", "register-interval"} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("error lacks %q: %v", part, err)
		}
	}
}

func TestQueuesOfATopicAreThoseThatCanBeReadOnAllBrokers(t *testing.T) {
	s := start(t, Options{})
	other := &fakeBroker{}
	other.set("A")
	other.mu.topics[0].ReadQueues = 7
	local, err := s.Local(LocalBroker{Cluster: "c", Name: "here", Port: 10911, Topics: other.topics})
	if err != nil {
		t.Fatal(err)
	}
	b := &fakeBroker{}
	b.set("A", "hidden")
	b.mu.topics[1].Perm = mq.PermWrite
	r := newRegistrar(t, b, s.Addr().String(), nil)
	if _, err := r.Queues(t.Context(), "A"); err == nil || errors.Is(err, mq.ErrTopicNotFound) {
		t.Errorf("before it is registered: %v", err)
	}
	runRegistrar(t, r)
	p := dial(t, s.Addr().String())
	found(t, p, "hidden")
	for r.links()[0].conn.Load() == nil { // registered, and the answer not yet noted
		if t.Context().Err() != nil {
			t.Fatal("not registered")
		}
	}
	for name, want := range map[string]map[string]int32{"A": {"here": 7, "b": 4}, "hidden": {}} {
		far, err := r.Queues(t.Context(), name)
		if err != nil || !maps.Equal(far, want) {
			t.Errorf("queues of %s elsewhere are %v, %v, want %v", name, far, err, want)
		}
		near, err := local.Queues(name)
		if err != nil || !maps.Equal(near, want) {
			t.Errorf("queues of %s here are %v, %v, want %v", name, near, err, want)
		}
	}
	for _, err := range []error{second(r.Queues(t.Context(), "none")), second(local.Queues("none"))} {
		if !errors.Is(err, mq.ErrTopicNotFound) {
			t.Errorf("of no topic: %v", err)
		}
	}
}

func second(_ map[string]int32, err error) error { return err }
