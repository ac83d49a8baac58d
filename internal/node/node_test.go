package node

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// inMemory is a node that leaves nothing behind and is in nobody's way.
func inMemory(role Role) Config {
	return Config{
		Role: role, Data: "data", FS: vfs.NewMem(), Listen: "127.0.0.1", ListenPort: -1, NamesrvPort: -1, FastPort: -1,
	}
}

// started runs a node until the test ends and reports what Run returned.
func started(t *testing.T, c Config) (n *Node, stop func() error) {
	t.Helper()
	n, err := New(c)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- n.Run(ctx) }()
	stopped := false
	stop = func() error {
		if stopped {
			return nil
		}
		stopped = true
		cancel()
		return <-done
	}
	t.Cleanup(func() {
		if err := stop(); err != nil {
			t.Errorf("Run returned %v", err)
		}
	})
	return n, stop
}

// asked sends a request and wants success.
func asked(t *testing.T, addr netip.AddrPort, cmd *wire.Command) *wire.Command {
	t.Helper()
	resp := answered(t, addr, cmd)
	if resp.Code != wire.CodeSuccess {
		t.Fatalf("%v of %s: %s: %s", cmd.Code, addr, resp.Code.ResponseString(), resp.Remark)
	}
	return resp
}

func answered(t *testing.T, addr netip.AddrPort, cmd *wire.Command) *wire.Command {
	t.Helper()
	client := rpc.NewClient(rpc.ClientOptions{})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	resp, err := client.Call(ctx, addr.String(), cmd)
	if err != nil {
		t.Fatal(err)
	}
	return resp
}

func createTopic(t *testing.T, broker netip.AddrPort, name string) {
	t.Helper()
	asked(t, broker, wire.NewRequest(wire.UpdateAndCreateTopic, &wire.UpdateAndCreateTopicRequest{
		Topic: name, DefaultTopic: mq.TopicDefault, ReadQueueNums: 2, WriteQueueNums: 2, Perm: 6, TopicFilterType: "SINGLE_TAG",
	}))
}

func routeOf(t *testing.T, namesrv netip.AddrPort, topic string) wire.TopicRouteData {
	t.Helper()
	resp := asked(t, namesrv, wire.NewRequest(wire.GetRouteInfoByTopic, &wire.GetRouteInfoByTopicRequest{Topic: topic}))
	var route wire.TopicRouteData
	if err := wire.DecodeBody(resp.Body, &route); err != nil {
		t.Fatal(err)
	}
	return route
}

// A client that asks the name server in the same process is given the broker
// at the address that it dialled, for a topic created a moment ago.
func TestClientsAreGivenTheAddressTheyDialled(t *testing.T) {
	c := inMemory(RoleAll)
	c.Listen, c.Auth.Insecure = "0.0.0.0", true
	n, _ := started(t, c)
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		namesrv := netip.AddrPortFrom(netip.MustParseAddr(host), n.NamesrvAddr().Port())
		createTopic(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), n.BrokerAddr().Port()), "orders")
		route := routeOf(t, namesrv, "orders")
		want := netip.AddrPortFrom(netip.MustParseAddr(host), n.BrokerAddr().Port()).String()
		if len(route.Brokers) != 1 || route.Brokers[0].Addrs[0] != want {
			t.Errorf("asked at %s: got %+v, want %s", host, route.Brokers, want)
		}
	}
}

func TestAdvertisedAddressIsGivenToEverybody(t *testing.T) {
	c := inMemory(RoleAll)
	c.Advertise = "mq.example.org"
	n, _ := started(t, c)
	createTopic(t, n.BrokerAddr(), "orders")
	got := routeOf(t, n.NamesrvAddr(), "orders").Brokers[0].Addrs[0]
	if !strings.HasPrefix(got, "mq.example.org:") {
		t.Errorf("got %s", got)
	}
}

// A broker by itself registers with a name server elsewhere, a topic is known
// there when its creation is answered, and the broker leaves when it stops.
func TestBrokerRegistersElsewhereAndLeaves(t *testing.T) {
	ns, _ := started(t, inMemory(RoleNamesrv))
	c := inMemory(RoleBroker)
	c.Namesrvs = []string{ns.NamesrvAddr().String()}
	b, stop := started(t, c)
	awaitRoute(t, ns.NamesrvAddr(), mq.TopicDefault)
	createTopic(t, b.BrokerAddr(), "orders")
	if got := routeOf(t, ns.NamesrvAddr(), "orders").Brokers[0].Addrs[0]; got != b.BrokerAddr().String() {
		t.Errorf("route leads to %s, want %s", got, b.BrokerAddr())
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	resp := answered(t, ns.NamesrvAddr(), wire.NewRequest(wire.GetRouteInfoByTopic, &wire.GetRouteInfoByTopicRequest{Topic: "orders"}))
	if resp.Code != wire.CodeTopicNotExist {
		t.Errorf("after the broker stopped its route is answered with %s", resp.Code.ResponseString())
	}
}

// awaitRoute waits until a name server knows a topic.
// routeCode is how a name server answers when asked for a topic's route.
func routeCode(t *testing.T, namesrv netip.AddrPort, topic string) wire.Code {
	t.Helper()
	return answered(t, namesrv, wire.NewRequest(wire.GetRouteInfoByTopic, &wire.GetRouteInfoByTopicRequest{Topic: topic})).Code
}

func awaitRoute(t *testing.T, namesrv netip.AddrPort, topic string) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for range 2000 {
		if routeCode(t, namesrv, topic) == wire.CodeSuccess {
			return
		}
		<-tick.C
	}
	t.Fatalf("%s never got to know %s", namesrv, topic)
}

// What a node kept is there when another opens the same file system.
func TestTopicsSurviveARestart(t *testing.T) {
	c := inMemory(RoleAll)
	n, stop := started(t, c)
	createTopic(t, n.BrokerAddr(), "orders")
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	again, _ := started(t, c)
	if q := routeOf(t, again.NamesrvAddr(), "orders").Queues; len(q) != 1 || q[0].WriteQueueNums != 2 {
		t.Errorf("after a restart: %+v", q)
	}
}

// The first user's password is told once: a start that fails must not use it up.
func TestAStartThatFailsMakesNoFirstUser(t *testing.T) {
	other, _ := started(t, inMemory(RoleNamesrv))
	c := inMemory(RoleAll)
	c.Auth.Authentication = true
	c.NamesrvPort = int(other.NamesrvAddr().Port())
	if _, err := New(c); err == nil {
		t.Fatal("started on a port that is taken")
	}
	c.NamesrvPort = -1
	n, _ := started(t, c)
	if name, password, ok := n.FirstUser(); !ok || name == "" || password == "" {
		t.Errorf("the next start made %q, %v", name, ok)
	}
}

func TestNewLeavesNothingOpenWhenItFails(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	first := inMemory(RoleAll)
	first.Data, first.FS = dir, nil
	n, stop := started(t, first)

	second := inMemory(RoleAll)
	second.Data, second.FS = dir, nil
	if _, err := New(second); err == nil || !strings.Contains(err.Error(), "in use by another process") {
		t.Errorf("on the same directory: got %v", err)
	}
	second.Data, second.FS = "data", vfs.NewMem()
	second.NamesrvPort = int(n.NamesrvAddr().Port())
	if _, err := New(second); err == nil || !strings.Contains(err.Error(), "choose another port with --namesrv-port") {
		t.Errorf("on the same port: got %v", err)
	}
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	// The failed ones hold neither the directory nor a port nor the file system.
	if _, stop := started(t, second); stop() != nil {
		t.Error("the port is still taken")
	}
	if _, stop := started(t, first); stop() != nil {
		t.Error("the directory is still taken")
	}
}

func TestBadConfigurationIsRefusedByName(t *testing.T) {
	for want, change := range map[string]func(*Config){
		"listen-port = 70000":      func(c *Config) { c.ListenPort = 70000 },
		`listen = "1.2.3.4:5"`:     func(c *Config) { c.Listen = "1.2.3.4:5" },
		`namesrv = "somewhere"`:    func(c *Config) { c.Namesrvs = []string{"somewhere"} },
		"broker-id = 1":            func(c *Config) { c.Broker.ID = 1 },
		"tls-cert and tls-key":     func(c *Config) { c.Door.Cert = "x" },
		"broker-permission = 9":    func(c *Config) { p := int32(9); c.Broker.Permission = &p },
		"segment-size is 5":        func(c *Config) { c.Broker.Store.SegmentSize = 5 },
		"drain-timeout must be po": func(c *Config) { c.RPC.Drain = -1 },
	} {
		c := inMemory(RoleAll)
		change(&c)
		if _, err := New(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
}

// From New to the first answered request in well under the 50 ms that a test
// suite can spare; the bound here leaves room for a busy machine.
func TestNodeInMemoryIsReadyAtOnce(t *testing.T) {
	begin := time.Now()
	n, _ := started(t, inMemory(RoleAll))
	asked(t, n.NamesrvAddr(), wire.NewRequest(wire.GetBrokerClusterInfo, nil))
	took := time.Since(begin)
	t.Logf("ready after %v", took)
	if took > time.Second {
		t.Errorf("ready after %v", took)
	}
}

// The documented example holds settings of every kind and loads without a
// warning.
func TestExampleFileLoads(t *testing.T) {
	c, warnings, err := Load(Source{File: "../../docs/goddard.conf"})
	if err != nil || len(warnings) > 0 {
		t.Fatalf("err %v, warnings %v", err, warnings)
	}
	if c.Listen != "0.0.0.0" || c.Broker.Store.Retention != 72*time.Hour {
		t.Errorf("got listen %q, retention %v", c.Listen, c.Broker.Store.Retention)
	}
	// What is commented out must load, too.
	text, err := os.ReadFile("../../docs/goddard.conf")
	if err != nil {
		t.Fatal(err)
	}
	all := strings.ReplaceAll(string(text), "\n#", "\n")
	lines := 0
	var kept []string
	for line := range strings.Lines(all) {
		if strings.Contains(line, " = ") {
			kept = append(kept, line)
			lines++
		}
	}
	if _, warnings, err := Load(Source{File: writeConf(t, strings.Join(kept, ""))}); err != nil || len(warnings) > 0 || lines < 10 {
		t.Errorf("with everything in it (%d lines): err %v, warnings %v", lines, err, warnings)
	}
}

func TestRoutesFollowTopicsAtOnce(t *testing.T) {
	n, _ := started(t, inMemory(RoleAll))
	for i := range 3 {
		name := fmt.Sprint("topic-", i)
		if err := n.broker.PutTopic(t.Context(), mq.Topic{Name: name, ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
			t.Fatal(err)
		}
		if code := routeCode(t, n.NamesrvAddr(), name); code != wire.CodeSuccess {
			t.Errorf("after %s was created its route answers %v", name, code.ResponseString())
		}
	}
	if err := n.broker.DeleteTopic(t.Context(), "topic-1"); err != nil {
		t.Fatal(err)
	}
	if code := routeCode(t, n.NamesrvAddr(), "topic-1"); code != wire.CodeTopicNotExist {
		t.Errorf("after topic-1 was deleted its route answers %v", code.ResponseString())
	}
}

func TestEndpointOfNoCollectorIsAnErrorAtStart(t *testing.T) {
	c := inMemory(RoleAll)
	c.Trace.Endpoint = "localhost:4317"
	if _, err := New(c); err == nil || !strings.Contains(err.Error(), "trace-endpoint") {
		t.Errorf("got %v, want an error that names trace-endpoint", err)
	}
}

// A collector that is not there holds up neither the start nor the stop.
func TestNodeStartsAndStopsWithoutItsCollector(t *testing.T) {
	c := inMemory(RoleAll)
	c.Trace.Endpoint = "http://127.0.0.1:1"
	n, stop := started(t, c)
	if want := "http://127.0.0.1:1/v1/traces (http/protobuf), of 0.1 % of the messages"; !strings.HasPrefix(n.Tracing(), want) {
		t.Errorf("tracing is %q, want %q…", n.Tracing(), want)
	}
	createTopic(t, n.BrokerAddr(), "T")
	if err := stop(); err != nil {
		t.Error(err)
	}
}

func TestNobodyElseReadsWhatIsKept(t *testing.T) {
	c := inMemory(RoleAll)
	c.FS, c.Data = nil, t.TempDir()
	c.Auth.InitUser = `{"username":"root","password":"rootsecret"}`
	for range 2 {
		_, stop := started(t, c)
		if err := stop(); err != nil {
			t.Fatal(err)
		}
		// As an earlier release left files.
		if err := os.WriteFile(filepath.Join(c.Data, "state", "old.txt"), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	_, stop := started(t, c)
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	files := 0
	for _, dir := range []string{"state", "commitlog"} {
		err := filepath.WalkDir(filepath.Join(c.Data, dir), func(path string, d os.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			files++
			if info, err := d.Info(); err != nil || info.Mode().Perm()&0o077 != 0 {
				t.Errorf("%s: %v, %v", path, info.Mode(), err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if files < 4 {
		t.Errorf("looked at %d files only", files)
	}
}

func TestAServerThatOthersCanReachAsksWhoTheyAre(t *testing.T) {
	for listen, open := range map[string]bool{"127.0.0.1": true, "::1": true, "localhost": true, "127.8.8.8": true, "0.0.0.0": false, "::": false, "192.0.2.1": false} {
		c := inMemory(RoleAll)
		c.Listen = listen
		if err := c.Exposed(); (err == nil) != open {
			t.Errorf("%s: %v", listen, err)
		} else if err != nil && (!strings.Contains(err.Error(), "authentication = true") || !strings.Contains(err.Error(), "--insecure")) {
			t.Errorf("%s: the error names no way out: %v", listen, err)
		}
		c.Auth.Insecure = true
		if err := c.Exposed(); err != nil {
			t.Errorf("%s, insecure: %v", listen, err)
		}
		c.Auth.Insecure, c.Auth.Authentication = false, true
		if err := c.Exposed(); err != nil {
			t.Errorf("%s, with authentication: %v", listen, err)
		}
	}
	for _, role := range []Role{RoleBroker, RoleNamesrv} {
		if err := (Config{Role: role}).Exposed(); err == nil {
			t.Errorf("role %d is open to everybody by default", role)
		}
	}
}

func TestABrokerWithCredentialsRegistersWhereTheyAreAsked(t *testing.T) {
	inner := auth.Secret(`{"accessKey":"inner","secretKey":"innersecret"}`)
	c := inMemory(RoleNamesrv)
	c.Auth.Authentication, c.Auth.InnerCredentials = true, inner
	ns, _ := started(t, c)
	c = inMemory(RoleBroker)
	c.Namesrvs, c.Broker.Name, c.Auth.InnerCredentials = []string{ns.NamesrvAddr().String()}, "b1", inner
	started(t, c)
	info := wire.NewRequest(wire.GetBrokerClusterInfo, nil)
	if got := answered(t, ns.NamesrvAddr(), info); got.Code != wire.CodeNoPermission {
		t.Errorf("nobody is answered %v", got.Code.ResponseString())
	}
	client := rpc.NewClient(rpc.ClientOptions{Hook: rpc.Credentials{AccessKey: "inner", SecretKey: "innersecret"}.Hook()})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	for {
		resp, err := client.Call(ctx, ns.NamesrvAddr().String(), wire.NewRequest(wire.GetBrokerClusterInfo, nil))
		if err != nil {
			t.Fatal(err)
		}
		if strings.Contains(string(resp.Body), "b1") {
			return
		}
	}
}
