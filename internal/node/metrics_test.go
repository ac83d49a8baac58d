package node

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/wire"
)

// got is the text behind a URL, and its status.
func got(t *testing.T, url string) (string, int) {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(text), resp.StatusCode
}

// shown waits until a scrape of url has some text: an answer is counted when it is on
// its way, so whoever has it may be sooner.
func shown(t *testing.T, url, want string) {
	t.Helper()
	for limit := time.Now().Add(10 * time.Second); ; {
		text, _ := got(t, url)
		if strings.Contains(text, want) {
			return
		}
		if time.Now().After(limit) {
			t.Errorf("%s lacks %s", url, want)
			return
		}
	}
}

func TestMetricsAreShownWithoutASetting(t *testing.T) {
	n, _ := started(t, inMemory(RoleAll))
	createTopic(t, n.BrokerAddr(), "T")
	url := fmt.Sprintf("http://%v/metrics", n.HTTPAddr())
	for _, want := range []string{
		`rocketmq_topic_create_execution_time_milliseconds_count{cluster="DefaultCluster",invocation_status="success",is_system="false",`,
		`protocol_type="remoting",request_code="update_and_create_topic",response_code="success",result="success"`,
		`goddard_connections{cluster="DefaultCluster",listener="broker"`, `rocketmq_proxy_up{`, "go_goroutines",
	} {
		shown(t, url, want)
	}
	if text, _ := got(t, url+"/exporter"); !strings.Contains(text, `rocketmq_producer_offset{broker=`) || !strings.Contains(text, `topic="T"} 0`) {
		t.Errorf("%s/exporter says\n%s", url, text)
	}
}

func TestAnAnswerThatWaitedCountsAsSuch(t *testing.T) {
	n, _ := started(t, inMemory(RoleAll))
	createTopic(t, n.BrokerAddr(), "T")
	asked(t, n.BrokerAddr(), wire.NewRequest(wire.Notification, &wire.NotificationRequest{
		ConsumerGroup: "G", Topic: "T", QueueID: -1, PollTime: 50, BornTime: time.Now().UnixMilli(),
	}))
	shown(t, fmt.Sprintf("http://%v/metrics", n.HTTPAddr()), `is_long_polling="true",node_id="`+n.broker.Settings(t.Context())["brokerName"]+
		`",node_type="broker",otel_scope_name="broker-meter",protocol_type="remoting",request_code="notification",response_code="success",result="success",le="1"} 0`)
}

// With RocketMQ's settings Prometheus finds metrics where RocketMQ has them.
func TestMetricsHaveAPortOfTheirOwnIfThatIsSet(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().(*net.TCPAddr)
	l.Close()
	c, warnings, err := Load(Source{Settings: map[string]string{
		"metricsExporterType": "PROM", "metricsPromExporterPort": fmt.Sprint(addr.Port), "metricsPromExporterHost": "127.0.0.1",
		"metricsLabel": "instance_id:i", "metricsOtelCardinalityLimit": "50000", "metricGrpcExporterIntervalInMills": "60000",
	}})
	if err != nil || len(warnings) > 0 {
		t.Fatal(err, warnings)
	}
	base := inMemory(RoleAll)
	base.Metrics = c.Metrics
	base.HTTPPort = -1
	started(t, base)
	if text, status := got(t, fmt.Sprintf("http://%v/metrics", addr)); status != 200 || !strings.Contains(text, `instance_id="i"`) {
		t.Errorf("%d: %s", status, text)
	}
}

// freePort is a port that was free a moment ago.
func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

func TestThePortOfMetricsAsksAsHTTPDoesAndHasNoProfiles(t *testing.T) {
	c := inMemory(RoleAll)
	c.Metrics.PromPort, c.Metrics.PromHost = freePort(t), "127.0.0.1"
	c.Auth.Authentication, c.Auth.InitUser = true, `{"username":"admin","password":"geheim12"}`
	n, _ := started(t, c)
	for _, at := range []string{n.HTTPAddr().String(), fmt.Sprintf("127.0.0.1:%d", c.Metrics.PromPort)} {
		for _, path := range []string{"/metrics", "/metrics/exporter"} {
			if text, status := got(t, "http://"+at+path); status != http.StatusUnauthorized {
				t.Errorf("%s%s answers a stranger %d: %s", at, path, status, text)
			}
			if _, status := got(t, "http://admin:geheim12@"+at+path); status != http.StatusOK {
				t.Errorf("%s%s answers a user %d", at, path, status)
			}
		}
	}
	if _, status := got(t, fmt.Sprintf("http://admin:geheim12@127.0.0.1:%d/debug/pprof/symbol", c.Metrics.PromPort)); status != http.StatusNotFound {
		t.Errorf("profiles are on the port of metrics: %d", status)
	}
}

func TestMetricsAreOpenWhereThatIsSet(t *testing.T) {
	c := inMemory(RoleNamesrv)
	c.HTTPPort = freePort(t)
	c.Auth.Authentication, c.Metrics.Open = true, true
	c.Auth.InitUser = `{"username":"admin","password":"geheim12"}`
	started(t, c)
	if text, status := got(t, fmt.Sprintf("http://127.0.0.1:%d/metrics", c.HTTPPort)); status != http.StatusOK {
		t.Errorf("%d: %s", status, text)
	}
}

func TestAnExposedPortOfMetricsIsRefusedAsOthersAre(t *testing.T) {
	c := inMemory(RoleAll)
	c.Metrics.PromHost = "0.0.0.0"
	if err := c.Exposed(); err != nil {
		t.Errorf("without a port: %v", err)
	}
	c.Metrics.PromPort = 5557
	if err := c.Exposed(); err == nil || !strings.Contains(err.Error(), "metrics-prom-exporter-host") {
		t.Errorf("with a port: %v", err)
	}
	c.Auth.Insecure = true
	if err := c.Exposed(); err != nil {
		t.Errorf("insecure: %v", err)
	}
}

func TestProxiesAreNamedWhereNobodyIsAskedWhoTheyAre(t *testing.T) {
	c := inMemory(RoleAll)
	c.Door.Proxy, c.Auth.Insecure = true, true
	if err := c.Exposed(); err != nil {
		t.Errorf("on this machine alone: %v", err)
	}
	c.Listen = "0.0.0.0"
	if err := c.Exposed(); err == nil || !strings.Contains(err.Error(), "proxy-protocol-from") {
		t.Errorf("from everybody: %v", err)
	}
	c.Door.ProxyFrom = []string{"192.0.2.1"}
	if err := c.Exposed(); err != nil {
		t.Errorf("from one: %v", err)
	}
	c.Door.ProxyFrom, c.Auth.Authentication = nil, true
	if err := c.Exposed(); err != nil {
		t.Errorf("with authentication: %v", err)
	}
}

func TestHeadersForTheCollectorAreShownNowhere(t *testing.T) {
	const token = "geheimertoken"
	c := inMemory(RoleAll)
	c.Metrics.Header = "authorization:Bearer " + token
	var text strings.Builder
	if err := Print(&text, c, false); err != nil || strings.Contains(text.String(), token) {
		t.Errorf("config print: %v", err)
	}
	if got := RunningTexts(c)["metricsGrpcExporterHeader"]; got != hidden {
		t.Errorf("a running server says %q", got)
	}
	n, _ := started(t, c)
	answer := asked(t, n.BrokerAddr(), wire.NewRequest(wire.GetBrokerConfig, nil))
	if body := string(answer.Body); !strings.Contains(body, "metricsGrpcExporterHeader") || strings.Contains(body, token) {
		t.Errorf("GET_BROKER_CONFIG tells the header, or not that there is one:\n%s", body)
	}
	c.Metrics.Header = "no name but a " + token
	if err := c.Validate(); err == nil || strings.Contains(err.Error(), token) {
		t.Errorf("a bad header: %v", err)
	}
}

func TestNoMetricsAreShownIfTheyAreDisabled(t *testing.T) {
	c := inMemory(RoleAll)
	c.Metrics.ExporterType = "DISABLE"
	n, _ := started(t, c)
	if _, status := got(t, fmt.Sprintf("http://%v/metrics", n.HTTPAddr())); status != http.StatusNotFound {
		t.Errorf("/metrics answers %d, want 404", status)
	}
}

// What a gRPC client has in its hands is behind and in flight, as with pops.
func TestTheBacklogOfAGRPCGroupIsShown(t *testing.T) {
	n, _ := started(t, inMemory(RoleAll))
	createTopic(t, n.BrokerAddr(), "T")
	c, ctx := dialled(t, n, nil), grpcContext(t)
	topic := &rmq.Resource{Name: "T"}
	for _, id := range []string{"01AA", "01AB", "01AC"} {
		sent, err := c.SendMessage(ctx, &rmq.SendMessageRequest{Messages: []*rmq.Message{{
			Topic: topic, Body: []byte("hello"), SystemProperties: &rmq.SystemProperties{MessageId: id, BornTimestamp: timestamppb.Now()},
		}}})
		if err != nil || sent.Status.Code != rmq.Code_OK {
			t.Fatalf("sent: %v, %v", sent, err)
		}
	}
	stream, err := c.ReceiveMessage(ctx, &rmq.ReceiveMessageRequest{
		Group: &rmq.Resource{Name: "G"}, MessageQueue: &rmq.MessageQueue{Topic: topic, Id: -1}, BatchSize: 1,
		InvisibleDuration: durationpb.New(time.Minute), LongPollingTimeout: durationpb.New(5 * time.Second),
	})
	for err == nil {
		_, err = stream.Recv()
	}
	if !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	text, _ := got(t, fmt.Sprintf("http://%v/metrics", n.HTTPAddr()))
	sum := func(family string) (sum int) {
		for line := range strings.Lines(text) {
			if strings.HasPrefix(line, family+"{") && strings.Contains(line, `consumer_group="G"`) && strings.Contains(line, `is_retry="false"`) {
				v, err := strconv.Atoi(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]))
				if err != nil {
					t.Error(err)
				}
				sum += v
			}
		}
		return sum
	}
	if hand := sum("rocketmq_consumer_inflight_messages"); hand != 1 {
		t.Errorf("%d are in flight, want 1", hand)
	}
	if out := sum("rocketmq_messages_out_total"); out != 1 {
		t.Errorf("%d were handed out, want 1", out)
	}
	// A queue in which the group has not been counts nothing, as with RocketMQ.
	if lag, ready := sum("rocketmq_consumer_lag_messages"), sum("rocketmq_consumer_ready_messages"); lag != ready+1 {
		t.Errorf("the group is %d behind and %d are ready", lag, ready)
	}
	if !strings.Contains(text, `goddard_grpc_calls_total{call="SendMessage"`) {
		t.Error("the calls are not counted")
	}
}
