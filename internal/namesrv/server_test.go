package namesrv

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// start runs a name server on a free port until the test ends.
func start(t *testing.T, o Options) *Server {
	t.Helper()
	o.Port = -1
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	serve(t, s)
	return s
}

func serve(t *testing.T, s *Server) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Run(ctx); err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	stop = func() { cancel(); wg.Wait() }
	t.Cleanup(stop)
	return stop
}

// A peer is a client with one connection.
type peer struct {
	t    *testing.T
	c    *rpc.Client
	addr string
}

func dial(t *testing.T, addr string) *peer {
	c := rpc.NewClient(rpc.ClientOptions{})
	t.Cleanup(c.Close)
	return &peer{t, c, addr}
}

// ask sends a request with fields "key", "value", … and returns the answer.
func (p *peer) ask(code wire.Code, body []byte, fields ...string) *wire.Command {
	p.t.Helper()
	return p.askAs(wire.VersionCurrent, code, body, fields...)
}

func (p *peer) askAs(version int32, code wire.Code, body []byte, fields ...string) *wire.Command {
	p.t.Helper()
	req := wire.NewRequest(code, nil)
	req.Version, req.Body = version, body
	for i := 0; i < len(fields); i += 2 {
		req.Fields = req.Fields.Add(fields[i], fields[i+1])
	}
	resp, err := p.c.Call(p.t.Context(), p.addr, req)
	if err != nil {
		p.t.Fatalf("%v: %v", code, err)
	}
	return resp
}

// register registers a broker process with topics of four queues.
func (p *peer) register(id int64, name, cluster, addr string, version int64, topics ...string) *wire.Command {
	p.t.Helper()
	all := wire.TopicConfigs{DataVersion: wire.DataVersion{Counter: version, Timestamp: 5}, Topics: map[string]wire.TopicConfig{}}
	for i, topic := range topics {
		all.Topics[topic] = wire.TopicConfig{TopicName: topic, ReadQueueNums: 4, WriteQueueNums: 4, Perm: 6, TopicSysFlag: int32(i)}
	}
	body := wire.EncodeBody(wire.RegisterBrokerBody{Topics: all})
	return p.ask(wire.RegisterBroker, body, "brokerName", name, "clusterName", cluster, "brokerAddr", addr,
		"brokerId", fmt.Sprint(id), "haServerAddr", addr, "bodyCrc32", fmt.Sprint(wire.BodyCRC(body)))
}

func want(t *testing.T, resp *wire.Command, code wire.Code, remark string) {
	t.Helper()
	if resp.Code != code || !strings.Contains(resp.Remark, remark) {
		t.Fatalf("answer is %d %q, want %d with %q", resp.Code, resp.Remark, code, remark)
	}
}

func golden(t *testing.T, name string, resp *wire.Command) {
	t.Helper()
	want, err := os.ReadFile(filepath.Join("testdata", "java", name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	if got := string(resp.Body) + "\n"; got != string(want) {
		t.Errorf("%s: body is\n%swant, as RocketMQ 5.5.0,\n%s", name, got, want)
	}
}

// javaBroker sends the registration that a RocketMQ 5.5.0 broker sent.
func javaBroker(t *testing.T, p *peer) {
	t.Helper()
	frame, err := os.ReadFile("testdata/java/register_broker.frame")
	if err != nil {
		t.Fatal(err)
	}
	var d wire.Decoder
	var cmd wire.Command
	if err := d.Decode(frame[4:], &cmd); err != nil {
		t.Fatal(err)
	}
	resp, err := p.c.Call(t.Context(), p.addr, &cmd)
	if err != nil {
		t.Fatal(err)
	}
	want(t, resp, wire.CodeSuccess, "")
}

// After the same requests every body is byte for byte what RocketMQ 5.5.0
// answered (testdata/java).
func TestBodiesAreThoseOfRocketMQ(t *testing.T) {
	s := start(t, Options{OrderTopics: true})
	p := dial(t, s.Addr().String())
	javaBroker(t, p)
	route := func(name string, version int32, fields ...string) {
		t.Helper()
		golden(t, name, p.askAs(version, wire.GetRouteInfoByTopic, nil, fields...))
	}
	route("route", 513, "topic", "TBW102")
	route("route", 317, "topic", "TBW102", "acceptStandardJsonOnly", "true")
	route("route", wire.V4_9_4, "topic", "TBW102")
	route("route_bare_keys", wire.V4_9_4-1, "topic", "TBW102")
	golden(t, "cluster", p.ask(wire.GetBrokerClusterInfo, nil))
	golden(t, "system_topics", p.ask(wire.GetSystemTopicListFromNS, nil))
	golden(t, "members", p.ask(wire.GetBrokerMemberGroup, nil, "clusterName", "JC", "brokerName", "jbroker"))
	golden(t, "no_members", p.ask(wire.GetBrokerMemberGroup, nil, "clusterName", "JC", "brokerName", "zz"))

	p.ask(wire.PutKVConfig, nil, "namespace", "n", "key", "k", "value", `v"<1>`)
	golden(t, "kv_list", p.ask(wire.GetKVListByNamespace, nil, "namespace", "n"))
	p.ask(wire.PutKVConfig, nil, "namespace", "ORDER_TOPIC_CONFIG", "key", "TBW102", "value", "jbroker:4")
	route("route_ordered", 513, "topic", "TBW102")

	p.register(0, "b1", "c1", "10.0.0.1:10911", 1, "A", "B", "C", "D")
	golden(t, "registered_topics", p.ask(wire.GetUnitTopicList, nil))
	p.register(1, "b1", "c1", "10.0.0.2:10911", 1, "A", "B", "C", "D")
	route("route_slave", 513, "topic", "A")
	route("route_slave_bare_keys", 317, "topic", "A")
	golden(t, "members_two", p.ask(wire.GetBrokerMemberGroup, nil, "clusterName", "c1", "brokerName", "b1"))

	p.register(0, "h/<1>&'é", "h", "10.0.0.7:1", 1, "ü", `A<&>'"/\b`)
	route("route_escapes", 513, "topic", "ü")
	route("route_escapes_bare_keys", 317, "topic", "ü")
}

func TestUnknownCodesAndMissingFieldsAreAnswered(t *testing.T) {
	p := dial(t, start(t, Options{}).Addr().String())
	want(t, p.ask(9999, nil), wire.CodeRequestCodeNotSupported, "9999")
	want(t, p.ask(wire.SendMessage, nil), wire.CodeRequestCodeNotSupported, "10")
	for _, op := range operations() {
		resp := p.ask(op.code, []byte("{"))
		switch op.code {
		case wire.GetBrokerClusterInfo, wire.GetAllTopicListFromNameServer, wire.GetSystemTopicListFromNS, wire.GetUnitTopicList, wire.GoddardListLimits,
			wire.GetHasUnitSubTopicList, wire.GetHasUnitSubUnunitTopicList, wire.GetNamesrvConfig:
			want(t, resp, wire.CodeSuccess, "")
		default:
			if resp.Code == wire.CodeSuccess || resp.Remark == "" {
				t.Errorf("%v without fields was answered with %d %q", op.code, resp.Code, resp.Remark)
			}
		}
	}
}

func TestRouteOfAnUnknownTopicSays17(t *testing.T) {
	p := dial(t, start(t, Options{}).Addr().String())
	want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "nope"), wire.CodeTopicNotExist, "No topic route info in name server for the topic: nope")
}

func TestBadRegistrationsAreRefusedWithTheReason(t *testing.T) {
	p := dial(t, start(t, Options{}).Addr().String())
	good := []string{"brokerName", "b", "clusterName", "c", "brokerAddr", "10.0.0.1:1", "brokerId", "0", "haServerAddr", "x"}
	with := func(key, value string) []string {
		fields := append([]string(nil), good...)
		for i := 0; i < len(fields); i += 2 {
			if fields[i] == key {
				fields[i+1] = value
				return fields
			}
		}
		return append(fields, key, value)
	}
	for _, c := range []struct {
		name, key, value, body, reason string
	}{
		{"checksum", "bodyCrc32", "7", "{}", "crc32 not match"},
		{"body", "compressed", "false", "{", "malformed"},
		{"compressed body", "compressed", "true", "{}", "zlib"},
		{"no name", "brokerName", "", "", "brokerName"},
		{"long name", "brokerName", strings.Repeat("x", 300), "", "300 bytes"},
		{"no port", "brokerAddr", "10.0.0.1", "", "host:port"},
		{"negative id", "brokerId", "-1", "", "starts at 0"},
		{"topic name", "compressed", "false", `{"topicConfigSerializeWrapper":{"topicConfigTable":{"":{}}}}`, "topic name"},
	} {
		resp := p.ask(wire.RegisterBroker, []byte(c.body), with(c.key, c.value)...)
		if resp.Code != wire.CodeSystemError || !strings.Contains(resp.Remark, c.reason) {
			t.Errorf("%s: answered %d %q, want 1 with %q", c.name, resp.Code, resp.Remark, c.reason)
		}
	}
	want(t, p.ask(wire.RegisterBroker, nil, good...), wire.CodeSuccess, "")
}

func TestCompressedRegistrationIsRead(t *testing.T) {
	p := dial(t, start(t, Options{}).Addr().String())
	all := wire.TopicConfigs{DataVersion: wire.DataVersion{Counter: 3}, Topics: map[string]wire.TopicConfig{}}
	for i := range 5000 {
		name := fmt.Sprintf("topic-%d", i)
		all.Topics[name] = wire.TopicConfig{TopicName: name, ReadQueueNums: 4, WriteQueueNums: 4, Perm: 6, TopicFilterType: "SINGLE_TAG"}
	}
	body, err := deflate(all)
	if err != nil {
		t.Fatal(err)
	}
	want(t, p.ask(wire.RegisterBroker, body, "brokerName", "b", "clusterName", "c", "brokerAddr", "10.0.0.1:1", "brokerId", "0",
		"haServerAddr", "x", "compressed", "true", "bodyCrc32", fmt.Sprint(wire.BodyCRC(body))), wire.CodeSuccess, "")
	want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "topic-4999"), wire.CodeSuccess, "")
	resp := p.ask(wire.QueryDataVersion, wire.EncodeBody(all.DataVersion), "brokerName", "b", "clusterName", "c", "brokerAddr", "10.0.0.1:1", "brokerId", "0")
	if changed, _ := resp.Fields.Get("changed"); changed != "false" || string(resp.Body) != `{"counter":3,"stateVersion":0,"timestamp":0}` {
		t.Errorf("data version: changed=%s body %s", changed, resp.Body)
	}
}

func TestSlaveIsToldItsMaster(t *testing.T) {
	p := dial(t, start(t, Options{}).Addr().String())
	p.register(0, "b", "c", "10.0.0.1:1", 1, "A", "B")
	resp := p.register(1, "b", "c", "10.0.0.2:1", 1, "A", "B")
	master, _ := resp.Fields.Get("masterAddr")
	ha, _ := resp.Fields.Get("haServerAddr")
	if master != "10.0.0.1:1" || ha != "10.0.0.1:1" {
		t.Errorf("slave was told master %q, ha %q", master, ha)
	}
}

// gone waits until a topic has no route.
func gone(t *testing.T, p *peer, topic string) {
	t.Helper()
	for {
		if p.ask(wire.GetRouteInfoByTopic, nil, "topic", topic).Code == wire.CodeTopicNotExist {
			return
		}
		if t.Context().Err() != nil {
			t.Fatalf("topic %s still has a route", topic)
		}
	}
}

func TestBrokerLeavesWithItsConnection(t *testing.T) {
	s := start(t, Options{})
	client, broker := dial(t, s.Addr().String()), dial(t, s.Addr().String())
	broker.register(0, "b", "c", "10.0.0.1:1", 1, "A", "B")
	want(t, client.ask(wire.GetRouteInfoByTopic, nil, "topic", "A"), wire.CodeSuccess, "")
	broker.c.Close()
	gone(t, client, "A")
}

func TestBrokerLeavesWhenItSaysSo(t *testing.T) {
	s := start(t, Options{})
	p := dial(t, s.Addr().String())
	p.register(0, "b", "c", "10.0.0.1:1", 1, "A", "B")
	want(t, p.ask(wire.UnregisterBroker, nil, "brokerName", "b", "clusterName", "c", "brokerAddr", "10.0.0.1:1", "brokerId", "0"), wire.CodeSuccess, "")
	want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "A"), wire.CodeTopicNotExist, "")
}

func TestSilentBrokerIsTakenOutAndItsConnectionClosed(t *testing.T) {
	s := start(t, Options{})
	client, broker := dial(t, s.Addr().String()), dial(t, s.Addr().String())
	broker.register(0, "b", "c", "10.0.0.1:1", 1, "A", "B")
	conn, err := broker.c.Conn(t.Context(), broker.addr)
	if err != nil {
		t.Fatal(err)
	}
	s.expire(time.Now().Add(silentAfter - time.Second))
	want(t, client.ask(wire.GetRouteInfoByTopic, nil, "topic", "A"), wire.CodeSuccess, "")
	s.expire(time.Now().Add(silentAfter + time.Second))
	want(t, client.ask(wire.GetRouteInfoByTopic, nil, "topic", "A"), wire.CodeTopicNotExist, "")
	<-conn.Done()
}

func TestTopicListsCanBeHidden(t *testing.T) {
	s := start(t, Options{})
	p := dial(t, s.Addr().String())
	p.register(0, "b", "c", "10.0.0.1:1", 1, "A", "B")
	list := func(code wire.Code, fields ...string) string { return string(p.ask(code, nil, fields...).Body) }
	if got := list(wire.GetAllTopicListFromNameServer); got != `{"topicList":["A","B"]}` {
		t.Errorf("all topics: %s", got)
	}
	if got := list(wire.GetTopicsByCluster, "cluster", "c"); got != `{"topicList":["A","B"]}` {
		t.Errorf("topics of c: %s", got)
	}
	if got := list(wire.GetTopicsByCluster, "cluster", "d"); got != `{"topicList":[]}` {
		t.Errorf("topics of d: %s", got)
	}
	want(t, p.ask(wire.UpdateNamesrvConfig, []byte("enableAllTopicList=false\nenableTopicList=false\n")), wire.CodeSuccess, "")
	want(t, p.ask(wire.GetAllTopicListFromNameServer, nil), wire.CodeSystemError, "enableAllTopicList")
	want(t, p.ask(wire.GetTopicsByCluster, nil, "cluster", "c"), wire.CodeSystemError, "enableTopicList")
}

func TestSettingsThatCannotChangeAreRefusedAsAWhole(t *testing.T) {
	s := start(t, Options{})
	p := dial(t, s.Addr().String())
	want(t, p.ask(wire.UpdateNamesrvConfig, []byte("kvConfigPath=/x\n")), wire.CodeNoPermission, "black list")
	want(t, p.ask(wire.UpdateNamesrvConfig, []byte("orderMessageEnable=true\nlistenPort=3\nxyz=1\nsupportActingMaster=maybe\n")), wire.CodeInvalidParameter, "listenPort cannot be changed")
	if s.options.Load().OrderTopics {
		t.Error("a part of a refused update took effect")
	}
	want(t, p.ask(wire.UpdateNamesrvConfig, []byte("orderMessageEnable=true\nwaitSecondsForService=7\nsupportActingMaster=true\n")), wire.CodeSuccess, "")
	text := string(p.ask(wire.GetNamesrvConfig, nil).Body)
	for _, line := range []string{"orderMessageEnable=true", "waitSecondsForService=7", "supportActingMaster=true", "enableTopicList=true",
		"scanNotActiveBrokerInterval=5000", fmt.Sprintf("listenPort=%d", s.Addr().Port())} {
		if !strings.Contains(text, line) {
			t.Errorf("settings lack %s:\n%s", line, text)
		}
	}
}

func TestRoutesAreRefusedDuringWarmUp(t *testing.T) {
	s := start(t, Options{WaitForService: true, WaitTime: time.Hour})
	p := dial(t, s.Addr().String())
	p.register(0, "b", "c", "10.0.0.1:1", 1, "A", "B")
	want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "A"), wire.CodeSystemError, "not ready")
	want(t, p.ask(wire.UpdateNamesrvConfig, []byte("waitSecondsForService=0")), wire.CodeSuccess, "")
	want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "A"), wire.CodeSuccess, "")
}

func TestTopicIsPublishedAndDeleted(t *testing.T) {
	p := dial(t, start(t, Options{}).Addr().String())
	p.register(0, "b", "c", "10.0.0.1:1", 1, "A", "B")
	body := []byte(`{"queueDatas":[{"brokerName":"b","readQueueNums":4,"writeQueueNums":4,"perm":6}],"brokerDatas":[{"brokerAddrs":{0:"x"}}]}`)
	want(t, p.ask(wire.RegisterTopicInNamesrv, body, "topic", "N"), wire.CodeSuccess, "")
	want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "N"), wire.CodeSuccess, "")
	want(t, p.ask(wire.DeleteTopicInNamesrv, nil, "topic", "N", "clusterName", "c"), wire.CodeSuccess, "")
	want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "N"), wire.CodeTopicNotExist, "")
	want(t, p.ask(wire.RegisterTopicInNamesrv, []byte(`{"queueDatas":[{"brokerName":"x"}]}`), "topic", "N"), wire.CodeBrokerNotExist, "not registered")
}

func TestWritePermissionIsWipedAndAdded(t *testing.T) {
	p := dial(t, start(t, Options{}).Addr().String())
	p.register(0, "b", "c", "10.0.0.1:1", 1, "A", "B")
	if n, _ := p.ask(wire.WipeWritePermOfBroker, nil, "brokerName", "b").Fields.Get("wipeTopicCount"); n != "2" {
		t.Errorf("wiped %s topics, want 2", n)
	}
	if body := string(p.ask(wire.GetRouteInfoByTopic, nil, "topic", "A").Body); !strings.Contains(body, `"perm":4`) {
		t.Errorf("route after wiping: %s", body)
	}
	if n, _ := p.ask(wire.AddWritePermOfBroker, nil, "brokerName", "b").Fields.Get("addTopicCount"); n != "2" {
		t.Errorf("added to %s topics, want 2", n)
	}
}

func TestStaticTopicKeepsItsMapping(t *testing.T) {
	p := dial(t, start(t, Options{}).Addr().String())
	body := []byte(`{"topicConfigSerializeWrapper":{"topicConfigTable":{"S":{"topicName":"S"},"T":{}},
		"topicQueueMappingInfoMap":{"S":{"bname":"b","currIdMap":{0:0},"topic":"S","totalQueues":1,"epoch":9}}},"filterServerList":[]}`)
	want(t, p.ask(wire.RegisterBroker, body, "brokerName", "b", "clusterName", "c", "brokerAddr", "10.0.0.1:1", "brokerId", "0", "haServerAddr", "x"), wire.CodeSuccess, "")
	if got := string(p.ask(wire.GetRouteInfoByTopic, nil, "topic", "S").Body); !strings.Contains(got, `"topicQueueMappingByBroker":{"b":{"bname":"b","currIdMap":{"0":0}`) {
		t.Errorf("route of a static topic: %s", got)
	}
}

// Two ways to one process: each client is given a broker address by the way it
// came.
func TestLocalBrokerIsReachedWhereTheClientDialled(t *testing.T) {
	s := start(t, Options{Listen: "0.0.0.0"})
	topics := []mq.Topic{{Name: "T", ReadQueues: 2, WriteQueues: 2, Perm: 6}}
	l, err := s.Local(LocalBroker{Cluster: "c", Name: "here", Port: 10911, Topics: func() ([]mq.Topic, mq.DataVersion) { return topics, mq.DataVersion{} }})
	if err != nil {
		t.Fatal(err)
	}
	port := fmt.Sprint(s.Addr().Port())
	for _, host := range []string{"127.0.0.1", "127.0.0.2"} {
		p := dial(t, net.JoinHostPort(host, port))
		for _, resp := range []*wire.Command{
			p.ask(wire.GetRouteInfoByTopic, nil, "topic", "T"),
			p.ask(wire.GetBrokerClusterInfo, nil),
			p.ask(wire.GetBrokerMemberGroup, nil, "clusterName", "c", "brokerName", "here"),
		} {
			if !strings.Contains(string(resp.Body), `"`+host+`:10911"`) {
				t.Errorf("client that dialled %s was given %s", host, resp.Body)
			}
		}
	}
	p := dial(t, net.JoinHostPort("127.0.0.1", port))
	if err := l.Publish(t.Context(), mq.Topic{Name: "U", ReadQueues: 1, WriteQueues: 1, Perm: 6}); err != nil {
		t.Fatal(err)
	}
	want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "U"), wire.CodeSuccess, "")
	l.Withdraw("T")
	want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "T"), wire.CodeTopicNotExist, "")
	l.Leave()
	want(t, p.ask(wire.GetRouteInfoByTopic, nil, "topic", "U"), wire.CodeTopicNotExist, "")
}

func TestResolveSaysWhichAddressAndWhy(t *testing.T) {
	s := start(t, Options{})
	none := func() ([]mq.Topic, mq.DataVersion) { return nil, mq.DataVersion{} }
	for _, b := range []LocalBroker{
		{Cluster: "c", Name: "1 local", Port: 10911, Topics: none},
		{Cluster: "c", Name: "2 advertised", Port: 10911, Advertised: "mq.example.org", Topics: none},
		{Cluster: "c", Name: "3 advertised", Port: 10911, Advertised: "mq.example.org:7", Topics: none},
		{Cluster: "c", Name: "4 advertised", Port: 10911, Advertised: "2001:db8::1", Topics: none},
	} {
		if _, err := s.Local(b); err != nil {
			t.Fatal(err)
		}
	}
	dial(t, s.Addr().String()).register(0, "5 other", "c", "10.0.0.9:1", 1, "A", "B")
	want := []Given{
		{"1 local", 0, "192.168.0.5:10911", "no address is advertised"},
		{"2 advertised", 0, "mq.example.org:10911", "advertised"},
		{"3 advertised", 0, "mq.example.org:7", "advertised"},
		{"4 advertised", 0, "[2001:db8::1]:10911", "advertised"},
		{"5 other", 0, "10.0.0.9:1", "registered"},
	}
	got := s.Resolve(netip.MustParseAddr("192.168.0.5"))
	if len(got) != len(want) {
		t.Fatalf("Resolve gave %v", got)
	}
	for i, w := range want {
		if g := got[i]; g.Broker != w.Broker || g.Addr != w.Addr || !strings.Contains(g.Why, w.Why) {
			t.Errorf("Resolve gave %+v, want %+v", g, w)
		}
	}
}

func TestLocalBrokerNeedsNamePortAndTopics(t *testing.T) {
	s := start(t, Options{})
	none := func() ([]mq.Topic, mq.DataVersion) { return nil, mq.DataVersion{} }
	for _, b := range []LocalBroker{
		{Cluster: "c", Name: "b", Topics: none}, {Cluster: "c", Name: "b", Port: 1}, {Name: "b", Port: 1, Topics: none}, {Cluster: "c", Port: 1, Topics: none},
	} {
		if _, err := s.Local(b); err == nil {
			t.Errorf("broker %+v was taken", b)
		}
	}
}

func TestBadOptionsAndATakenPortAreRefused(t *testing.T) {
	for _, o := range []Options{{Port: 70000}, {Port: -2}, {Port: -1, ScanInterval: -1}, {Port: -1, WaitTime: -1}, {Port: -1, Listen: "no address"}} {
		if _, err := New(o); err == nil {
			t.Errorf("options %+v were taken", o)
		}
	}
	s := start(t, Options{})
	if _, err := New(Options{Port: int(s.Addr().Port())}); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("taken port: %v", err)
	}
}

// A broker is told of a change at the address it listens on, the offline one's
// address with it.
func TestBrokersAreToldOfANewLowestID(t *testing.T) {
	s := start(t, Options{NotifyMinBrokerID: true})
	told := make(chan *wire.Command, 4)
	var broker handlerFunc = func(_ *rpc.Conn, cmd *wire.Command) { told <- cmd.Clone() }
	l, err := rpc.Listen("127.0.0.1:0", broker, rpc.ServerOptions{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _ = l.Run(ctx) })
	t.Cleanup(func() { cancel(); wg.Wait() })

	p := dial(t, s.Addr().String())
	p.register(2, "b", "c", l.Addr().String(), 1, "A", "B")
	p.register(0, "b", "c", "127.0.0.1:1", 1, "A", "B")
	expect := func(id, offline string) {
		t.Helper()
		cmd := <-told
		gotID, _ := cmd.Fields.Get("minBrokerId")
		gotOffline, _ := cmd.Fields.Get("offlineBrokerAddr")
		if cmd.Code != wire.NotifyMinBrokerIDChange || !cmd.Oneway() || gotID != id || gotOffline != offline {
			t.Errorf("broker was told %v id %q offline %q, want id %q offline %q", cmd.Code, gotID, gotOffline, id, offline)
		}
	}
	expect("0", "")
	p.ask(wire.UnregisterBroker, nil, "brokerName", "b", "clusterName", "c", "brokerAddr", "127.0.0.1:1", "brokerId", "0")
	expect("2", "127.0.0.1:1")
}

// handlerFunc is an rpc.Handler that only serves.
type handlerFunc func(*rpc.Conn, *wire.Command)

func (handlerFunc) Opened(*rpc.Conn)                       {}
func (f handlerFunc) Serve(c *rpc.Conn, cmd *wire.Command) { f(c, cmd) }
func (handlerFunc) Flush(*rpc.Conn)                        {}
func (handlerFunc) Closed(*rpc.Conn)                       {}

// Whatever a peer sends, an operation makes an answer that can be encoded.
func FuzzRequest(f *testing.F) {
	s, err := New(Options{Port: -1})
	if err != nil {
		f.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Run(ctx) })
	f.Cleanup(func() { cancel(); wg.Wait() })
	client := rpc.NewClient(rpc.ClientOptions{})
	f.Cleanup(client.Close)
	conn, err := client.Conn(ctx, s.Addr().String())
	if err != nil {
		f.Fatal(err)
	}
	frame, err := os.ReadFile("testdata/java/register_broker.frame")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(frame[4:])
	for _, op := range operations() {
		req := wire.NewRequest(op.code, nil)
		for _, field := range []string{"topic", "namespace", "key", "value", "brokerName", "clusterName", "brokerAddr", "haServerAddr", "cluster"} {
			req.Fields = req.Fields.Add(field, "a:1")
		}
		req.Fields = req.Fields.AddInt("brokerId", 0)
		req.Body = []byte(`{"queueDatas":[{"brokerName":"a:1"}]}`)
		f.Add(req.AppendTo(nil)[4:])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var d wire.Decoder
		var cmd wire.Command
		if d.Decode(frame, &cmd) != nil {
			return
		}
		serve := s.operations[cmd.Code]
		if serve == nil {
			return
		}
		handler{s}.Opened(conn)
		resp := serve(s, conn, &cmd)
		sessionOf(conn).visit.End()
		if resp == nil || resp.Opaque != cmd.Opaque || !resp.Response() {
			t.Fatalf("%v was answered with %+v", cmd.Code, resp)
		}
		if len(resp.AppendTo(nil)) < 4 {
			t.Fatal("answer cannot be encoded")
		}
	})
}

// A route costs the same among 100,000 topics as among ten.
func BenchmarkRoute(b *testing.B) {
	for _, n := range []int{10, 100_000} {
		t := newTable(rules{})
		topics := map[string]wire.TopicConfig{}
		for i := range n {
			topics[fmt.Sprintf("topic-%d", i)] = wire.TopicConfig{ReadQueueNums: 8, WriteQueueNums: 8, Perm: 6}
		}
		if _, err := t.register(registration{cluster: "c", name: "b", addr: "10.0.0.1:1", topics: topics}, time.Time{}); err != nil {
			b.Fatal(err)
		}
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				r, ok := t.route("topic-7", netip.Addr{})
				if !ok || len(r.Encode(true)) == 0 {
					b.Fatal("no route")
				}
			}
		})
	}
}

// What was changed while the server ran goes before its configuration at the
// next start, until that says something else than it did.
func TestSettingsThatWereChangedHoldOverARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "dir", "settings.json")
	run := func(o Options, ask ...string) (Options, string) {
		o.Port, o.SettingsPath = -1, path
		s, err := New(o)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		p := dial(t, s.Addr().String())
		for _, settings := range ask {
			want(t, p.ask(wire.UpdateNamesrvConfig, []byte(settings)), wire.CodeSuccess, "")
		}
		text := string(p.ask(wire.GetNamesrvConfig, nil).Body)
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
		_, kept, _ := strings.Cut(text, mq.SettingsKept+"=")
		kept, _, _ = strings.Cut(kept, "\n")
		return *s.options.Load(), kept
	}
	run(Options{}, "orderMessageEnable=true\nwaitSecondsForService=7\nenableTopicList=false\n", "enableTopicList=true")
	o, kept := run(Options{})
	if !o.OrderTopics || o.WaitTime != 7*time.Second || o.HideTopics {
		t.Errorf("after a restart: %+v", o)
	}
	if want := `{"orderMessageEnable":"false","waitSecondsForService":"45"}`; strings.ReplaceAll(kept, `\`, "") != want {
		t.Errorf("shown as %s, want %s", kept, want)
	}
	if o, _ = run(Options{WaitTime: 9 * time.Second}); !o.OrderTopics || o.WaitTime != 9*time.Second {
		t.Errorf("after the configuration has changed: %+v", o)
	}
	if err := os.WriteFile(path, []byte("{"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Port: -1, SettingsPath: path}); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("a damaged file: %v", err)
	}
}
