//go:build compat

package compat

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// A prepared is what a scenario of the gRPC clients finds when it starts, since
// these clients cannot create anything, and what it must have left behind when it asks to look. Every
// scenario has a topic PREFIX_SCENARIO and a group g_PREFIX_SCENARIO. One that has another protocol consume or send
// (to_…_SCENARIO) finds the same.
type prepared struct {
	kind    string // the topic's message type; "" is NORMAL, "none" no topic
	ordered bool   // the group consumes in order
	tries   int    // deliveries before a message is a dead letter; 0 leaves RocketMQ's 17
	dead    int    // dead letters of the group when the scenario asks to look
	more    string // types of further topics, each with a group, named PREFIX_SCENARIO_TYPE

	exclusive bool   // a lite topic is one client's of the group
	wildcard  bool   // the group gets all lite topics
	bound     string // the group's topic, if that is of type LITE
}

// preparations are the scenarios that need something else than a topic of
// normal messages and a group.
var preparations = map[string]prepared{
	"fifo":                 {kind: "FIFO", ordered: true},
	"fifo_dead_letter":     {kind: "FIFO", ordered: true, tries: 2, dead: 1},
	"fifo_one_group_fails": {kind: "FIFO", ordered: true, tries: 30},
	"delay":                {kind: "DELAY"},
	"delay_recall":         {kind: "DELAY"},
	"transaction":          {kind: "TRANSACTION"},
	"transaction_check":    {kind: "TRANSACTION"},
	"priority":             {kind: "PRIORITY"},
	"lite":                 {kind: "LITE", ordered: true},
	"lite_exclusive":       {kind: "LITE", exclusive: true},
	"lite_wildcard":        {kind: "LITE", wildcard: true},
	"retry_to_dead_letter": {tries: 3, dead: 1},
	"simple_dead_letter":   {tries: 2, dead: 1},
	"type_refused":         {kind: "FIFO", more: "DELAY NORMAL"},
	"statuses":             {more: "FIFO DELAY TRANSACTION"},
	"statuses_precise":     {more: "FIFO DELAY TRANSACTION"},
	"status_of_long_delay": {more: "DELAY"},
	"missing_topic":        {kind: "none", more: "NORMAL"},
}

// endpointScenarios are what each gRPC client does, as far as its library can.
var endpointScenarios = map[string][]string{
	"grpc-java": strings.Fields(`send_receive_ack plaintext push lite lite_exclusive lite_wildcard fifo fifo_dead_letter fifo_one_group_fails delay delay_recall transaction transaction_check
		tag_filter sql_filter retry_to_dead_letter simple_dead_letter change_invisible long_poll_wakes type_refused missing_topic
		priority resume_where_left cross_offsets
		to_grpc_push to_grpc_fifo to_grpc_delay to_grpc_transaction to_grpc_priority to_grpc_lite to_grpc_retry_to_dead_letter
		to_remoting_push to_remoting_fifo to_remoting_delay to_remoting_transaction to_remoting_priority to_remoting_lite`),
	"grpc-go": strings.Fields(`send_receive_ack push fifo fifo_dead_letter fifo_one_group_fails delay transaction transaction_check
		tag_filter sql_filter retry_to_dead_letter simple_dead_letter change_invisible long_poll_wakes type_refused missing_topic
		statuses statuses_precise status_of_long_delay`),
	"grpc-python": strings.Fields(`send_receive_ack tls push fifo fifo_dead_letter delay delay_recall transaction transaction_check lite
		tag_filter sql_filter retry_to_dead_letter simple_dead_letter change_invisible long_poll_wakes type_refused missing_topic priority`),
	"grpc-node": strings.Fields(`send_receive_ack tls push fifo fifo_dead_letter delay delay_recall transaction transaction_check lite lite_exclusive
		tag_filter sql_filter retry_to_dead_letter simple_dead_letter change_invisible long_poll_wakes type_refused missing_topic priority`),
	"grpc-rust": strings.Fields(`send_receive_ack tls fifo delay transaction transaction_check
		tag_filter sql_filter simple_dead_letter long_poll_wakes type_refused missing_topic`),
	"grpc-cpp": strings.Fields(`send_receive_ack tls push fifo delay delay_recall transaction transaction_check
		tag_filter sql_filter retry_to_dead_letter change_invisible missing_topic priority`),
}

// The clients of the gRPC protocol do what they do with RocketMQ's proxy; the
// Java ones also see what remoting clients send, and the other way round.
func TestEndpoints(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.Endpoints(t)
		var all []*client
		for _, name := range against.GRPCClients() {
			if strings.Contains(*clients, name) {
				if c := grpcClient(t, name, m.Name(), cluster); c != nil {
					all = append(all, c)
				}
			}
		}
		for _, c := range all {
			for _, s := range wanted(c.scenarios) {
				prepare(t, cluster, c.prefix(), s)
				c.run(t, s) // while the next is prepared
			}
		}
		var looking sync.WaitGroup
		for _, c := range all {
			for _, s := range wanted(c.scenarios) {
				if preparations[s].dead > 0 {
					looking.Go(func() { look(c, s, cluster) })
				}
			}
		}
		for _, c := range all {
			t.Run(c.name, func(t *testing.T) {
				for _, s := range wanted(c.scenarios) {
					c.report(t, m.Name(), s)
				}
			})
		}
		looking.Wait()
		receiptAfterRestart(t, m, cluster, all)
	})
}

// receiptAfterRestart kills the server while a client has messages in hand.
func receiptAfterRestart(t *testing.T, m against.Maker, cluster *against.Cluster, all []*client) {
	const scenario = "receipt_after_restart"
	i := slices.IndexFunc(all, func(c *client) bool { return c.name == "grpc-go" })
	if i < 0 || len(wanted([]string{scenario})) == 0 {
		return
	}
	c := all[i]
	prepare(t, cluster, c.prefix(), scenario)
	c.run(t, scenario)
	ready := c.asked(scenario, "restart")
	cluster.Kill()
	cluster.Start(t)
	if ready {
		c.answer(t, scenario, "restart")
	}
	c.report(t, m.Name(), scenario)
}

// grpcClient starts the scenarios of one gRPC client, with more in its environment;
// nil, and a skipped subtest, where that cannot be had.
func grpcClient(t *testing.T, name, server string, cluster *against.Cluster, env ...string) *client {
	t.Helper()
	program := kit.GRPC[name]
	if program.Missing != "" {
		t.Run(name, func(t *testing.T) { skip(t, program.Missing) })
		return nil
	}
	scenarios := slices.Clone(endpointScenarios[name])
	if server != "goddard" {
		// RocketMQ's proxy answers SyncLiteSubscription with an internal error while the broker is in its own process.
		scenarios = slices.DeleteFunc(scenarios, func(s string) bool { return strings.HasPrefix(s, "lite") || s == "to_grpc_lite" })
	}
	tls := newBalancer(t, tlsHandshake)
	tls.serve(cluster.GRPC)
	// One name for gRPC's own TLS, one for that of Rust.
	program.Env = append(slices.Concat(program.Env, env), "TLS_ENDPOINTS="+tls.addr,
		"GRPC_DEFAULT_SSL_ROOTS_FILE_PATH="+cluster.Authority, "SSL_CERT_FILE="+cluster.Authority)
	c := startProgram(t, name, scenarios, program, cluster.GRPC, prefixes.Replace(name), cluster.NameServer)
	c.limit = 2 * time.Minute // which lets the longest wait for its turn
	return c
}

// prepare creates a scenario's topics and group by remoting requests.
func prepare(t *testing.T, cluster *against.Cluster, prefix, scenario string) {
	t.Helper()
	p := preparations[strings.TrimPrefix(strings.TrimPrefix(scenario, "to_grpc_"), "to_remoting_")]
	topic := prefix + "_" + scenario
	if p.kind == "" {
		p.kind = "NORMAL"
	}
	if p.kind != "none" {
		makeTopic(t, cluster, topic, p.kind)
	}
	if p.kind == "LITE" {
		p.bound = topic
	}
	makeGroup(t, cluster, "g_"+topic, p)
	for _, kind := range strings.Fields(p.more) {
		makeTopic(t, cluster, topic+"_"+kind, kind)
		makeGroup(t, cluster, "g_"+topic+"_"+kind, prepared{ordered: kind == "FIFO"})
	}
}

func makeTopic(t *testing.T, cluster *against.Cluster, topic, kind string) {
	t.Helper()
	ask(t, cluster.Broker, createTopic, map[string]string{
		"topic": topic, "defaultTopic": "TBW102", "readQueueNums": "4", "writeQueueNums": "4", "perm": "6",
		"topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false", "attributes": "+message.type=" + kind,
	}, nil)
	const getRoute = 105
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		a, err := against.Probe(cluster.NameServer, getRoute, map[string]string{"topic": topic}, nil)
		if err == nil && a.Code == 0 {
			return
		}
		if time.Now().After(limit) {
			t.Fatalf("no route of %s: %v, %v", topic, a, err)
		}
	}
}

// makeGroup creates a group whose members try again after a second.
func makeGroup(t *testing.T, cluster *against.Cluster, group string, p prepared) {
	t.Helper()
	if p.tries == 0 {
		p.tries = 17
	}
	policy := map[string]any{"type": "CUSTOMIZED", "customizedRetryPolicy": map[string]any{"next": []int{1000}}}
	if strings.Contains(group, "grpc_node") { // which knows no other
		policy = map[string]any{"type": "EXPONENTIAL", "exponentialRetryPolicy": map[string]any{"initial": 1000, "max": 1000, "multiplier": 2}}
	}
	attributes := map[string]string{}
	if p.bound != "" {
		attributes["+lite.bind.topic"] = p.bound
	}
	if p.exclusive {
		attributes["+lite.sub.model"] = "Exclusive"
	}
	if p.wildcard {
		attributes["+lite.sub.wildcard"] = "true"
	}
	body, err := json.Marshal(map[string]any{
		"groupName": group, "attributes": attributes, "consumeEnable": true, "consumeFromMinEnable": true, "consumeBroadcastEnable": true,
		"consumeMessageOrderly": p.ordered, "retryQueueNums": 1, "retryMaxTimes": p.tries - 1,
		"groupRetryPolicy": policy,
		"brokerId":         0, "whichBrokerWhenConsumeSlowly": 1, "notifyConsumerIdsChangedEnable": true,
	})
	if err != nil {
		t.Fatal(err)
	}
	ask(t, cluster.Broker, createGroup, nil, body)
}

// ask sends a request that must succeed; a broker that has just started may
// need a second try.
func ask(t *testing.T, addr string, code int, fields map[string]string, body []byte) *against.ProbeAnswer {
	t.Helper()
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(100 * time.Millisecond) {
		a, err := against.Probe(addr, code, fields, body)
		if err == nil && a.Code == 0 {
			return a
		}
		if time.Now().After(limit) {
			t.Fatalf("request %d: %v, %v", code, a, err)
		}
	}
}

// look counts a group's dead letters in clusters, which may be parts of one, when a scenario asks for it, and tells the
// scenario only if they are as many as expected.
func look(c *client, scenario string, clusters ...*against.Cluster) {
	if !c.asked(scenario, "look") {
		return
	}
	group, want := "g_"+c.prefix()+"_"+scenario, preparations[scenario].dead
	said := ""
	for limit := time.Now().Add(30 * time.Second); said != "look" && time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		got, err := 0, error(nil)
		for _, cluster := range clusters {
			n, failed := deadLetters(cluster, group)
			got += n
			if failed != nil && len(clusters) == 1 { // of several not all have some
				err = failed
			}
		}
		if said = fmt.Sprintf("%d dead letters of %s, want %d (%v)", got, group, want, err); err == nil && got == want {
			said = "look"
		}
	}
	// A program that is gone has failed its scenarios.
	_, _ = fmt.Fprintf(c.stdin, "signal %s %s\n", scenario, said)
}

var maxOffset = regexp.MustCompile(`"maxOffset":(\d+)`)

// deadLetters is how many messages a group's dead-letter topic holds.
func deadLetters(cluster *against.Cluster, group string) (int, error) {
	const getTopicStats = 202
	a, err := against.Probe(cluster.Broker, getTopicStats, map[string]string{"topic": "%DLQ%" + group}, nil)
	if err != nil {
		return 0, err
	}
	if a.Code != 0 {
		return 0, fmt.Errorf("code %d: %s", a.Code, a.Remark)
	}
	sum := 0
	for _, found := range maxOffset.FindAllSubmatch(a.Body, -1) {
		n, err := strconv.Atoi(string(found[1]))
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}
