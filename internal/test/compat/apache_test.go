//go:build compat

package compat

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// RocketMQ's dashboard and exporter are in no registry. Whoever has built them
// names the jars in these variables; otherwise their tests count as skipped.
const (
	dashboardJar = "ROCKETMQ_DASHBOARD_JAR"
	exporterJar  = "ROCKETMQ_EXPORTER_JAR"
)

// apacheJar is the jar that a variable names; without one the test is skipped.
func apacheJar(t *testing.T, variable string) string {
	t.Helper()
	jar := os.Getenv(variable)
	if jar == "" {
		skip(t, "the jar, built from its own repository, is to be named in "+variable)
	}
	return jar
}

// apacheTool starts a jar that serves HTTP beside a cluster and returns its
// address once it answers at path.
func apacheTool(t *testing.T, jar, path string, arguments ...string) string {
	t.Helper()
	port, err := against.FreePorts(1)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("java", append([]string{"-Xmx512m", "-jar", jar,
		"--server.address=127.0.0.1", fmt.Sprint("--server.port=", port)}, arguments...)...)
	log, err := os.Create(filepath.Join(t.TempDir(), "output"))
	if err != nil {
		t.Fatal(err)
	}
	cmd.Dir, cmd.Stdout, cmd.Stderr = t.TempDir(), log, log
	if err := against.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		log.Close()
		if text, _ := os.ReadFile(log.Name()); t.Failed() {
			t.Logf("its output ends:\n%s", text[max(0, len(text)-4000):])
		}
	})
	at := fmt.Sprint("http://127.0.0.1:", port)
	for limit := time.Now().Add(2 * time.Minute); ; time.Sleep(200 * time.Millisecond) {
		resp, err := http.Get(at + path)
		if err == nil {
			resp.Body.Close()
			return at
		}
		if time.Now().After(limit) {
			t.Fatalf("%s does not answer: %v", jar, err)
		}
	}
}

// A dashboardCall is one call that the pages of RocketMQ's dashboard make.
// Words in braces are filled in as for mqadmin.
type dashboardCall struct {
	call string // what it is about; a change that is undone below has the same
	path string
	form map[string]string // of the query
	body string            // a POST then; "-" for one without
	want string            // a regular expression for the answer
	own  bool              // the answer's keys are the server's own settings
}

var dashboardCalls = []dashboardCall{
	{call: "ops", path: "/ops/homePage.query", want: `namesvrAddrList`},
	{call: "ops status", path: "/ops/rocketMqStatus.query"},
	{call: "cluster", path: "/cluster/list.query", want: `"broker-a":\{"0":\{`},
	{call: "cluster config", path: "/cluster/brokerConfig.query", form: map[string]string{"brokerAddr": "{broker}"}, want: `"brokerName":"broker-a"`, own: true},
	{call: "topics", path: "/topic/list.query", want: `"{topic}"`},
	{call: "topics and their types", path: "/topic/list.queryTopicType", want: `"{topic}"`},
	{call: "topic status", path: "/topic/stats.query", form: map[string]string{"topic": "{topic}"}, want: `"maxOffset":5`},
	{call: "topic route", path: "/topic/route.query", form: map[string]string{"topic": "{topic}"}, want: `"brokerName":"broker-a"`},
	{call: "topic consumers", path: "/topic/queryConsumerByTopic.query", form: map[string]string{"topic": "{topic}"}, want: `"{group}"`},
	{call: "topic consumer groups", path: "/topic/queryTopicConsumerInfo.query", form: map[string]string{"topic": "{topic}"}, want: `"{group}"`},
	{call: "topic change", path: "/topic/createOrUpdate.do", body: `{"clusterNameList":["DefaultCluster"],"brokerNameList":[],"topicName":"{new}","writeQueueNums":3,"readQueueNums":3,"perm":6,"order":false,"messageType":"NORMAL"}`},
	{call: "topic config", path: "/topic/examineTopicConfig.query", form: map[string]string{"topic": "{new}"}, want: `"writeQueueNums":3`},
	{call: "topic send", path: "/topic/sendTopicMessage.do", body: `{"topic":"{new}","key":"dash","tag":"D","messageBody":"from the dashboard","traceEnabled":true}`, want: `SEND_OK`},
	{call: "groups", path: "/consumer/groupList.query", form: map[string]string{"skipSysGroup": "false"}, want: `"{group}"`},
	{call: "group refresh", path: "/consumer/group.refresh", form: map[string]string{"consumerGroup": "{group}"}, want: `"{group}"`},
	{call: "group", path: "/consumer/group.query", form: map[string]string{"consumerGroup": "{group}"}, want: `"{group}"`},
	{call: "group topics", path: "/consumer/queryTopicByConsumer.query", form: map[string]string{"consumerGroup": "{group}", "address": "{broker}"}, want: `"{topic}"`},
	{call: "group connections", path: "/consumer/consumerConnection.query", form: map[string]string{"consumerGroup": "{group}", "address": "{broker}"}, want: `"language":"JAVA"`},
	{call: "group client", path: "/consumer/consumerRunningInfo.query", form: map[string]string{"consumerGroup": "{group}", "clientId": "{client}", "jstack": "true"}, want: `PROP_CLIENT_VERSION`},
	{call: "group config", path: "/consumer/examineSubscriptionGroupConfig.query", form: map[string]string{"consumerGroup": "{group}"}, want: `"retryMaxTimes":16`},
	{call: "group brokers", path: "/consumer/fetchBrokerNameList.query", form: map[string]string{"consumerGroup": "{group}"}, want: `broker-a`},
	{call: "group change", path: "/consumer/createOrUpdate.do", body: `{"clusterNameList":["DefaultCluster"],"brokerNameList":["broker-a"],"subscriptionGroupConfig":{"groupName":"{fresh}","consumeEnable":true,"consumeFromMinEnable":true,"consumeBroadcastEnable":true,"retryQueueNums":1,"retryMaxTimes":7,"brokerId":0,"whichBrokerWhenConsumeSlowly":1}}`},
	{call: "group config of a change", path: "/consumer/examineSubscriptionGroupConfig.query", form: map[string]string{"consumerGroup": "{fresh}"}, want: `"retryMaxTimes":7`},
	{call: "producers", path: "/producer/producerConnection.query", form: map[string]string{"producerGroup": "{group}_p", "topic": "{topic}"}, want: `"language":"JAVA"`},
	{call: "messages by time", path: "/message/queryMessageByTopic.query", form: map[string]string{"topic": "{topic}", "begin": "{begin}", "end": "{end}"}, want: `"msgId":"[0-9A-F]{32}"`},
	{call: "messages by page", path: "/message/queryMessagePageByTopic.query", body: `{"topic":"{topic}","begin":{begin},"end":{end},"pageNum":1,"pageSize":10,"taskId":""}`, want: `"totalElements":20`},
	{call: "messages by key", path: "/message/queryMessageByTopicAndKey.query", form: map[string]string{"topic": "{topic}", "key": "key-7"}, want: `"msgId":"[0-9A-F]{32}"`},
	{call: "message", path: "/message/viewMessage.query", form: map[string]string{"topic": "{topic}", "msgId": "{id}"}, want: `"trackType":"CONSUMED"`},
	{call: "message again to a client", path: "/message/consumeMessageDirectly.do", form: map[string]string{"topic": "{topic}", "consumerGroup": "{group}", "msgId": "{id}", "clientId": "{client}"}, body: "-", want: `CR_SUCCESS`},
	{call: "message trace", path: "/messageTrace/viewMessage.query", form: map[string]string{"topic": "{topic}", "msgId": "{id}"}, want: `"msgId":"{id}"`},
	{call: "message trace detail", path: "/messageTrace/viewMessageTraceDetail.query", form: map[string]string{"msgId": "{id}"}, want: `"Pub"`},
	{call: "message trace graph", path: "/messageTrace/viewMessageTraceGraph.query", form: map[string]string{"msgId": "{id}", "traceTopic": "RMQ_SYS_TRACE_TOPIC"}, want: `producerNode`},
	{call: "dead letters", path: "/dlqMessage/queryDlqMessageByConsumerGroup.query", body: `{"topic":"%DLQ%{group}","begin":{begin},"end":{end},"pageNum":1,"pageSize":10,"taskId":""}`},
	{call: "rates of topics", path: "/dashboard/topicCurrent.query"},
	{call: "offsets", path: "/consumer/resetOffset.do", body: `{"consumerGroupList":["{group}"],"topic":"{topic}","resetTime":0,"force":true}`, want: `"rollbackOffset"|"status":true`},
	{call: "offsets to the end", path: "/consumer/skipAccumulate.do", body: `{"consumerGroupList":["{group}"],"topic":"{topic}","resetTime":-1,"force":true}`, want: `"status":true`},
	{call: "group deletion", path: "/consumer/deleteSubGroup.do", body: `{"groupName":"{fresh}","brokerNameList":["broker-a"]}`},
	{call: "topic deletion", path: "/topic/deleteTopic.do", form: map[string]string{"topic": "{new}"}, body: "-"},
}

// unmeasured is what we say nothing about in broker's runtime tables: rates of
// its timer, slots of its wheel, and how long reads took at most.
var unmeasured = map[string]bool{
	".data.brokerServer.broker-a.#.timerCongestNum string":         true,
	".data.brokerServer.broker-a.#.timerEnqueueTps string":         true,
	".data.brokerServer.broker-a.#.timerDequeueTps string":         true,
	".data.brokerServer.broker-a.#.getMessageEntireTimeMax string": true,
}

// The pages of RocketMQ's own dashboard get from us what they get from RocketMQ.
func TestDashboard(t *testing.T) {
	tool := apacheJar(t, dashboardJar)
	shapes := map[string]map[string]bool{} // of the first server's answers
	makersInTurn(t, func(t *testing.T, m against.Maker) {
		cluster := m.Cluster(t)
		at := apacheTool(t, tool, "/ops/homePage.query", "--rocketmq.config.namesrvAddrs="+cluster.NameServer,
			"--rocketmq.config.dataPath="+t.TempDir())
		c, words := bystanders(t, cluster)
		if c == nil {
			return
		}
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		web := &http.Client{Jar: jar, Timeout: 30 * time.Second}
		token := dashboardToken(t, web, at)
		learn := func(word, of, expression string) {
			if found := regexp.MustCompile(expression).FindStringSubmatch(of); found != nil {
				words = append(words, word, found[1])
			}
		}
		for _, d := range dashboardCalls {
			if len(wanted([]string{d.call})) == 0 {
				continue
			}
			t.Run(d.call, func(t *testing.T) {
				text, wrong := d.ask(web, at, token, strings.NewReplacer(words...))
				judge(t, m.Name(), "dashboard", d.call, wrong)
				switch d.call {
				case "group connections":
					learn("{client}", text, `"clientId":"([^"]+)"`)
				case "messages by key":
					learn("{id}", text, `"msgId":"([0-9A-F]{32})"`)
				}
				shape := shapeOf(text)
				if before := shapes[d.call]; before != nil && !d.own {
					for line := range before {
						if !shape[line] && !unmeasured[line] {
							t.Errorf("the answer lacks %s", line)
						}
					}
				}
				shapes[d.call] = shape
			})
		}
		c.answer(t, "bystanders", "look")
		c.report(t, m.Name(), "bystanders")
	})
}

// dashboardToken is what the dashboard wants to see in a request that changes
// something; the client has it in a cookie as well.
func dashboardToken(t *testing.T, web *http.Client, at string) string {
	t.Helper()
	resp, err := web.Get(at + "/rocketmq-dashboard/csrf-token")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, c := range resp.Cookies() {
		if c.Name == "XSRF-TOKEN" {
			return c.Value
		}
	}
	t.Fatal("the dashboard has no token for changes")
	return ""
}

// ask makes the call until its answer is right or it is too late, and returns
// the last answer and what is wrong with it.
func (d dashboardCall) ask(web *http.Client, at, token string, fill *strings.Replacer) (text, wrong string) {
	query := url.Values{}
	for key, value := range d.form {
		query.Set(key, fill.Replace(value))
	}
	for limit := time.Now().Add(5 * time.Second); ; time.Sleep(500 * time.Millisecond) {
		method := http.MethodGet
		if d.body != "" {
			method = http.MethodPost
		}
		req, err := http.NewRequest(method, at+d.path+"?"+query.Encode(), strings.NewReader(strings.TrimPrefix(fill.Replace(d.body), "-")))
		if err != nil {
			return "", err.Error()
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-XSRF-TOKEN", token)
		resp, err := web.Do(req)
		if err != nil {
			return "", err.Error()
		}
		all, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		text = string(all)
		switch {
		case err != nil:
			wrong = err.Error()
		case resp.StatusCode != http.StatusOK || !strings.Contains(text, `"status":0`):
			wrong = fmt.Sprintf("%s: %s %s", d.path, resp.Status, text)
		case !regexp.MustCompile(fill.Replace(d.want)).MatchString(text):
			wrong = fmt.Sprintf("%s: the answer lacks %s: %s", d.path, fill.Replace(d.want), text)
		default:
			return text, ""
		}
		if time.Now().After(limit) {
			return text, wrong
		}
	}
}

// places are what differs between two runs in the keys of an answer.
var places = regexp.MustCompile(`127\.0\.0\.1:\d+|127\.0\.0\.1@\S+|/\S+/|\b[0-9A-F]{32}\b|\d+`)

// shapeOf is an answer without its values: the keys, and what kind of thing is
// behind them. A list is all that its elements are; null fits everything.
func shapeOf(text string) map[string]bool {
	kinds := map[string]bool{}
	var v any
	if json.Unmarshal([]byte(text), &v) == nil {
		addShape(kinds, "", v)
	}
	return kinds
}

func addShape(kinds map[string]bool, at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			addShape(kinds, at+"."+places.ReplaceAllString(key, "#"), value)
		}
	case []any:
		for _, value := range v {
			addShape(kinds, at+"[]", value)
		}
	case nil:
	default:
		kinds[fmt.Sprintf("%s %T", at, v)] = true
	}
}

// The families of metrics that RocketMQ's exporter reads off a broker are there
// with ours, with the same labels.
func TestExporter(t *testing.T) {
	tool := apacheJar(t, exporterJar)
	families := map[string]map[string]bool{} // by server
	makersInTurn(t, func(t *testing.T, m against.Maker) {
		cluster := m.Cluster(t)
		var arguments []string
		for _, task := range []string{"TopicOffset", "Producer", "ConsumerOffset", "BrokerStatsTopic", "BrokerStats", "BrokerRuntimeStats"} {
			arguments = append(arguments, "--task.collect"+task+".cron=*/5 * * * * ?")
		}
		port, err := against.FreePorts(1)
		if err != nil {
			t.Fatal(err)
		}
		at := apacheTool(t, tool, "/metrics", append(arguments,
			"--rocketmq.config.namesrvAddr="+cluster.NameServer, fmt.Sprint("--grpc.server.port=", port))...)
		c, _ := bystanders(t, cluster)
		if c == nil {
			return
		}
		seen := map[string]bool{}
		for limit, quiet := time.Now().Add(40*time.Second), 0; time.Now().Before(limit) && quiet < 30; time.Sleep(500 * time.Millisecond) {
			before := len(seen)
			scrape(t, at+"/metrics", seen)
			if quiet++; len(seen) > before || len(seen) < 15 {
				quiet = 0
			}
		}
		families[m.Name()] = seen
		c.answer(t, "bystanders", "look")
		c.report(t, m.Name(), "bystanders")
	})
	theirs, ours := families["rocketmq-"+against.OriginalVersion], families["goddard"]
	if theirs == nil || ours == nil {
		return
	}
	t.Logf("%d families and labels of RocketMQ, %d of ours", len(theirs), len(ours))
	for family := range theirs {
		if reason := expected("goddard", "exporter", family); (reason == "") != ours[family] {
			t.Errorf("%s: RocketMQ has it, ours %v (%s)", family, ours[family], reason)
		}
	}
}

var sample = regexp.MustCompile(`(?m)^(rocketmq_\w+)\{([^}]*)\}`)
var labelName = regexp.MustCompile(`(\w+)="`)

// scrape adds the families of a page of metrics, each with its labels' names.
func scrape(t *testing.T, at string, seen map[string]bool) {
	t.Helper()
	resp, err := http.Get(at)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range sample.FindAllSubmatch(text, -1) {
		var labels []string
		for _, l := range labelName.FindAllSubmatch(s[2], -1) {
			labels = append(labels, string(l[1]))
		}
		slices.Sort(labels)
		seen[string(s[1])+" "+strings.Join(labels, ",")] = true
	}
}

// bystanders are a producer and a consumer for tools to look at, and the words
// that stand for them; they stay until their question "look" is answered.
func bystanders(t *testing.T, cluster *against.Cluster) (*client, []string) {
	t.Helper()
	c := javaClient(t, against.JavaClient5, cluster.NameServer)
	if c == nil {
		return nil, nil
	}
	c.run(t, "bystanders")
	if !c.asked("bystanders", "look") {
		t.Fatal("no producer and consumer to look at: " + c.runOf("bystanders").last.Error)
	}
	now := time.Now()
	return c, []string{
		"{broker}", cluster.Broker, "{namesrv}", cluster.NameServer, "{topic}", "j550_bystanders",
		"{namesrvPort}", cluster.NameServer[strings.LastIndexByte(cluster.NameServer, ':')+1:],
		"{group}", "g_j550_bystanders", "{new}", "NewTopic", "{fresh}", "FreshGroup",
		"{begin}", fmt.Sprint(now.Add(-time.Hour).UnixMilli()), "{end}", fmt.Sprint(now.Add(time.Hour).UnixMilli()),
	}
}
