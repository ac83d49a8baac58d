//go:build compat

package compat

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// A toolCommand is a command that both tools run against both servers. Their
// outputs must have the same columns and, where rows says so, the same rows.
type toolCommand struct {
	args string
	// before is run by mqadmin ahead of each tool, for commands that change
	// something and say what it was.
	before string
	rows   rows
	mask   []string // what else differs from run to run
	file   string   // of JSON, which the command writes to {dir}
	watch  bool     // mqadmin goes on for ever; ours is told to do one round
	ours   string   // flags of ours alone
	silent bool     // mqadmin prints nothing: only that both tools run counts
}

// rows says whose rows must be equal.
type rows int

const (
	everywhere rows = iota // between tools and between servers
	perServer              // between the tools; servers differ by nature
	nowhere                // every run has other ones
)

// mqadmin's own body files; ours prints the body instead.
var bodyLines = []string{`^Message Body( Path)?:.*`}

// properties that only RocketMQ's client adds, and the order of a Java map.
var properties = []string{`Properties: \{.*\}`}

var toolCommands = []toolCommand{
	{args: "clusterList", mask: []string{`\d+\.\d+\(.*$`}},
	{args: "clusterList -m", mask: []string{`\b\d+ \d+ \d+ \d+$`}},
	{args: "brokerStatus -b {broker}", rows: perServer, mask: []string{`: .*`}},
	{args: "brokerStatus -c DefaultCluster", rows: perServer, mask: []string{`: .*`}},
	{args: "updateTopic -c DefaultCluster -t ToolTopic -r 4 -w 4"},
	{args: "updateTopic -b {broker} -t ToolTopic -r 4 -w 4 -p 6"},
	{args: "updateTopic -b {broker} -t ToolOrder -r 4 -w 4 -o true", before: "updateOrderConf -t ToolOrder -m put -v broker-a:4"},
	{args: "updateTopicList -c DefaultCluster -f {topics}", mask: usage},
	{args: "updateTopicList -b {broker} -f {topics}"},
	{args: "updateSubGroup -c DefaultCluster -g ToolGroup -r 7 -q 2"},
	{args: "updateSubGroup -b {broker} -g ToolGroup -s true -d true"},
	{args: "updateSubGroupList -c DefaultCluster -f {groups}", mask: usage},
	{args: "updateSubGroupList -b {broker} -f {groups}"},
	{args: "getConsumerConfig -g ToolGroup"},
	{args: "setConsumeMode -c DefaultCluster -t ToolTopic -g ToolGroup -m PULL -q 2"},
	{args: "topicList", rows: perServer},
	{args: "topicList -c", rows: perServer},
	{args: "topicRoute -t ToolTopic", rows: nowhere},
	{args: "topicRoute -t ToolTopic -l", mask: []string{`^-+$`}},
	{args: "topicStatus -t {topic}"},
	{args: "topicStatus -t {topic} -c DefaultCluster"},
	{args: "topicClusterList -t {topic}"},
	{args: "updateTopicPerm -c DefaultCluster -t ToolTopic -p 4", before: "updateTopic -c DefaultCluster -t ToolTopic -r 4 -w 4"},
	{args: "updateTopicPerm -b {broker} -t ToolTopic -p 2", before: "updateTopic -c DefaultCluster -t ToolTopic -r 4 -w 4"},
	{args: "updateOrderConf -t ToolTopic -m put -v broker-a:4"},
	{args: "updateOrderConf -t ToolTopic -m get"},
	{args: "updateOrderConf -t ToolTopic -m delete", before: "updateOrderConf -t ToolTopic -m put -v broker-a:4"},
	{args: "allocateMQ -t {topic} -i 10.0.0.1,10.0.0.2", rows: nowhere},

	{args: "sendMessage -t ToolTopic -p hello -k K1 -c TagA", before: "updateTopic -c DefaultCluster -t ToolTopic -r 1 -w 1"},
	{args: "sendMsgStatus -b broker-a -c 2", mask: []string{`rt=\d+ms`, `queueId=\d+`, `queueOffset=\d+`}},
	{args: "checkMsgSendRT -t ToolTopic -a 3 -s 10", before: "updateTopic -c DefaultCluster -t ToolTopic -r 3 -w 3", mask: []string{`(true|RT:) \S+$`}},
	{args: "clusterRT -a 3 -c DefaultCluster", watch: true, ours: "--rounds 1", mask: []string{`\d+\.\d+`}},

	{args: "queryMsgByKey -t {topic} -k key-7", mask: []string{`^\S+ \d \d+ `, `@\d+$`}},
	{args: "queryMsgByUniqueKey -t {topic} -i {id}", mask: slices.Concat(bodyLines, properties, []string{`(Queue ID|Offset): \d+`})},
	{args: "queryMsgById -t {topic} -i {id}", mask: slices.Concat(bodyLines, properties, []string{`(Queue ID|Offset): \d+`})},
	{args: "queryMsgByOffset -t {topic} -b broker-a -i 0 -o 2", mask: slices.Concat(bodyLines, properties, []string{`(Queue ID|Offset): \d+`, `\[key-\d+ all\]`})},
	{args: "queryMsgTraceById -i {id}", rows: nowhere},
	{args: "queryCq -t {topic} -q 0 -i 3 -c 5 -b {broker}", mask: []string{`physicOffset=\d+`}},
	{args: "printMsg -t {topic}", rows: nowhere},
	{args: "printMsgByQueue -t {topic} -a broker-a -i 1 -f true"},
	{args: "consumeMessage -t {topic} -c 2 -b broker-a -i 0", rows: nowhere},

	{args: "producer -b {broker}", rows: perServer, mask: []string{`remoteIP=/?\S+`}},
	{args: "producerConnection -g {group}_p -t {topic}"},
	{args: "consumerConnection -g {group}"},
	{args: "consumerProgress -g {group}"},
	{args: "consumerProgress -g {group} -t {topic} -s true"},
	{args: "consumerProgress", mask: []string{`CLUSTERING \d+`}}, // its TPS is about 1
	{args: "consumerStatus -g {group}", mask: []string{`\d{13}/`}},
	{args: "brokerConsumeStats -b {broker}"},
	{args: "statsAll -t {topic}", mask: []string{`\d+ \d+$`}},
	{args: "statsAll", rows: nowhere},
	{args: "startMonitoring", ours: "--rounds 1", rows: nowhere, watch: true, silent: true},

	{args: "cloneGroupOffset -s {group} -d ToolGroup -t {topic}"},
	{args: "resetOffsetByTime -g ToolGroup -t {topic} -s -1"},
	{args: "resetOffsetByTime -g ToolGroup -t {topic} -s now -b {broker} -q 0 -o 1"},
	{args: "skipAccumulatedMessage -g ToolGroup -t {topic}"},

	{args: "getBrokerConfig -b {broker}", rows: perServer, mask: []string{`= .*`}},
	{args: "getBrokerConfig -c DefaultCluster", rows: perServer, mask: []string{`= .*`}},
	{args: "updateBrokerConfig -b {broker} -k brokerPermission -v 6"},
	{args: "updateBrokerConfig -c DefaultCluster -k brokerPermission -v 6"},
	{args: "cleanExpiredCQ -b {broker}"},
	{args: "cleanUnusedTopic -b {broker}"},
	{args: "deleteExpiredCommitLog -b {broker}"},
	{args: "haStatus -b {broker}", mask: []string{`^#MasterCommitLogMaxOffset \d+`}},
	{args: "exportMetadata -c DefaultCluster -f {dir}", file: "metadata.json", rows: perServer},
	{args: "exportMetadata -c DefaultCluster -t -f {dir}", file: "topic.json", rows: perServer},
	{args: "exportMetadata -c DefaultCluster -g -f {dir}", file: "subscriptionGroup.json", rows: perServer},
	{args: "exportConfigs -c DefaultCluster -f {dir}", file: "configs.json", rows: perServer},
	{args: "exportMetrics -c DefaultCluster -f {dir}", file: "metrics.json", rows: perServer},
	{args: "exportPopRecord -b {broker}"},

	{args: "getNamesrvConfig", rows: perServer, mask: []string{`= .*`}},
	{args: "updateNamesrvConfig -k orderMessageEnable -v false"},
	{args: "updateKvConfig -s NS -k key -v value"},
	{args: "deleteKvConfig -s NS -k key", before: "updateKvConfig -s NS -k key -v value"},
	{args: "wipeWritePerm -b broker-a", before: "addWritePerm -b broker-a", mask: []string{`\d+$`}},
	{args: "addWritePerm -b broker-a", before: "wipeWritePerm -b broker-a", mask: []string{`\d+$`}},

	{args: "createUser -c DefaultCluster -u toolalice -p alice12345 -t Normal", before: "deleteUser -c DefaultCluster -u toolalice"},
	{args: "createUser -b {broker} -u toolbob -p alice12345 -t Normal", before: "deleteUser -c DefaultCluster -u toolbob"},
	{args: "updateUser -c DefaultCluster -u toolalice -s disable"},
	{args: "updateUser -b {broker} -u toolalice -p alice123456"},
	{args: "getUser -b {broker} -u toolalice", mask: passwords},
	{args: "getUser -c DefaultCluster -u toolalice", mask: passwords},
	{args: "listUser -c DefaultCluster", mask: passwords},
	{args: "listUser -b {broker} -f bob", mask: passwords},
	{args: "createAcl -c DefaultCluster -s User:toolalice -r Topic:tool* -a Pub,Sub -d Allow"},
	{args: "createAcl -b {broker} -s User:toolalice -r Topic:other -a Pub -d Deny -i 10.0.0.0/8,192.168.1.1"},
	{args: "updateAcl -c DefaultCluster -s User:toolalice -r Topic:other -a All -d Deny"},
	{args: "getAcl -c DefaultCluster -s User:toolalice"},
	{args: "listAcl -b {broker} -s tool -r other"},
	{args: "listAcl -c DefaultCluster"},
	{args: "deleteAcl -c DefaultCluster -s User:toolalice", before: "createAcl -c DefaultCluster -s User:toolalice -r Topic:gone -a Sub -d Allow"},
	{args: "deleteUser -b {broker} -u toolbob"},
	{args: "deleteUser -c DefaultCluster -u toolalice"},

	{args: "deleteSubGroup -c DefaultCluster -g ToolGroup", before: "updateSubGroup -c DefaultCluster -g ToolGroup"},
	{args: "deleteTopic -c DefaultCluster -t ToolTopic", before: "updateTopic -c DefaultCluster -t ToolTopic"},
}

// passwords are what RocketMQ's brokers tell, ours do not, and our tool prints of neither.
var passwords = []string{`\b(alice\d+|null)\b`}

// providers have RocketMQ keep users and policies, though nobody is asked who he is.
const providers = `authenticationMetadataProvider=org.apache.rocketmq.auth.authentication.provider.LocalAuthenticationMetadataProvider
authorizationMetadataProvider=org.apache.rocketmq.auth.authorization.provider.LocalAuthorizationMetadataProvider
`

// usage is what mqadmin prints behind the success of lists for clusters.
var usage = []string{`^usage: .*`, `^-[a-z],--.*`, `^org\.apache\..*`, `^format$`}

// refusedTools are commands that make no sense against Goddard: both tools say
// so, mqadmin in the broker's words. Where mqadmin asks nobody there is no reason.
var refusedTools = map[string]string{
	"getControllerMetaData -a {broker}":                                  "there is no controller",
	"getControllerConfig -a {broker}":                                    "there is no controller",
	"updateControllerConfig -a {broker} -k a -v b":                       "there is no controller",
	"electMaster -a {broker} -b 1 -bn broker-a -c DefaultCluster":        "there is no controller",
	"cleanBrokerMetadata -a {broker} -bn broker-a -c DefaultCluster":     "there is no controller",
	"getSyncStateSet -a {broker} -b broker-a":                            "there is no controller",
	"addBroker -c {broker} -b broker.conf":                               "there is no broker container",
	"removeBroker -c {broker} -b DefaultCluster:broker-a:1":              "there is no broker container",
	"getBrokerEpoch -b broker-a":                                         "there is no replication",
	"resetMasterFlushOffset -b {broker} -o 0":                            "there is no replication",
	"checkRocksdbCqWriteProgress -c DefaultCluster -t {topic}":           "not in RocksDB",
	"rocksDBConfigToJson -c DefaultCluster -t topics":                    "not in RocksDB",
	"exportMetadataInRocksDB -p /nowhere -t topics":                      "",
	"dumpCompactionLog -f /nowhere":                                      "",
	"updateStaticTopic -t ToolStatic -qn 4 -c DefaultCluster":            "no mapping of queues",
	"remappingStaticTopic -t ToolStatic -c DefaultCluster":               "",
	"getColdDataFlowCtrInfo -b {broker}":                                 "cold reads",
	"updateColdDataFlowCtrGroupConfig -b {broker} -g {group} -v 1000000": "cold reads",
	"removeColdDataFlowCtrGroupConfig -b {broker} -g {group}":            "cold reads",
	"setCommitLogReadAheadMode -b {broker} -m 1":                         "as the operating system reads any file",
	"switchTimerEngine -b {broker} -e R":                                 "there is one timer",
}

// notYet are commands of parts that Goddard has not got yet.
var notYet = strings.Fields(`copyUser copyAcl
	getParentTopicInfo getLiteTopicInfo getLiteClientInfo getLiteGroupInfo getBrokerLiteInfo triggerLiteDispatch`)

// Both tools print the same about both servers.
func TestAdminTools(t *testing.T) {
	seen := new(sync.Map) // mqadmin's outputs by command, of the server that ran first
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.With(providers).Cluster(t)
		c := javaClient(t, against.JavaClient5, cluster.NameServer)
		if c == nil {
			return
		}
		const scenario = "bystanders"
		c.run(t, scenario)
		if !c.asked(scenario, "look") {
			t.Fatal("no producer and consumer to look at: " + c.runOf(scenario).last.Error)
		}
		tool := newTools(t, c, cluster)
		for _, command := range toolCommands {
			if len(wanted([]string{command.args})) == 0 {
				continue
			}
			t.Run(command.args, func(t *testing.T) { judge(t, m.Name(), "tools", command.args, tool.compare(t, command, seen)) })
		}
		if m.Name() == "goddard" {
			tool.refused(t)
		}
		c.answer(t, scenario, "look")
	})
}

// tools runs commands of both tools against one cluster.
type tools struct {
	c       *client
	cluster *against.Cluster
	words   []string
	home    string
}

func newTools(t *testing.T, c *client, cluster *against.Cluster) *tools {
	t.Helper()
	x := &tools{c: c, cluster: cluster, home: t.TempDir()}
	topics, groups := filepath.Join(x.home, "topics.json"), filepath.Join(x.home, "groups.json")
	for file, text := range map[string]string{
		topics: `[{"topicName":"ToolList1","readQueueNums":8,"writeQueueNums":8,"perm":6},{"topicName":"ToolList2","readQueueNums":4,"writeQueueNums":4,"perm":6}]`,
		groups: `[{"groupName":"ToolGroup1"},{"groupName":"ToolGroup2","retryMaxTimes":3}]`,
	} {
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	found := ""
	for limit := time.Now().Add(10 * time.Second); found == "" && time.Now().Before(limit); {
		out := c.mqadmin(t, "queryMsgByKey -t j550_bystanders -k key-7 -n "+cluster.NameServer)
		for word := range strings.FieldsSeq(out) {
			if len(word) == 32 && !strings.Contains(word, "@") {
				found = word
			}
		}
	}
	x.words = []string{"{broker}", cluster.Broker, "{topic}", "j550_bystanders", "{group}", "g_j550_bystanders",
		"{topics}", topics, "{groups}", groups, "{id}", found}
	return x
}

func (x *tools) fill(args string, more ...string) string {
	return strings.NewReplacer(append(slices.Clone(x.words), more...)...).Replace(args)
}

// compare runs a command with both tools and says what is wrong. What appears a
// little later is waited for.
func (x *tools) compare(t *testing.T, command toolCommand, seen *sync.Map) (wrong string) {
	limit := time.Now().Add(5 * time.Second)
	for {
		if wrong = x.once(t, command, seen); wrong == "" || command.watch || time.Now().After(limit) || onlyOnce(command.args) {
			return wrong
		}
		time.Sleep(500 * time.Millisecond)
	}
}

// onlyOnce are commands whose classes in mqadmin keep a client that they close:
// a second run in the same program fails.
func onlyOnce(args string) bool {
	name, _, _ := strings.Cut(args, " ")
	return slices.Contains([]string{"sendMessage", "consumeMessage", "brokerConsumeStats", "queryMsgByUniqueKey"}, name)
}

func (x *tools) once(t *testing.T, command toolCommand, seen *sync.Map) string {
	theirs, ours := filepath.Join(x.home, "theirs"), filepath.Join(x.home, "ours")
	x.prepare(t, command)
	verb := "admin "
	if command.watch {
		verb = "watch "
	}
	old := x.c.ask(t, verb+x.fill(command.args, "{dir}", theirs)+" -n "+x.cluster.NameServer)
	if line := failureOf.FindString(old); line != "" {
		return "mqadmin failed: " + line + "\n" + old
	}
	x.prepare(t, command)
	own, err := x.goddard(x.fill(command.args, "{dir}", ours) + " " + command.ours)
	if err != nil {
		return fmt.Sprintf("goddard admin failed: %v\n%s", err, own)
	}
	if command.silent {
		return ""
	}
	mask := append([]string{`export \S*/`}, command.mask...)
	was, is := parseAdmin(old, mask...), parseAdmin(own, mask...)
	if command.file != "" {
		if wrong := sameJSON(filepath.Join(theirs, command.file), filepath.Join(ours, command.file), command.args); wrong != "" {
			return wrong
		}
	}
	was, is = was.without(usageOf(command)), is.without(usageOf(command))
	if wrong := was.differs(is, command.rows != nowhere); wrong != "" {
		return fmt.Sprintf("mqadmin and goddard admin differ: %s\n--- mqadmin\n%s--- goddard admin\n%s", wrong, old, own)
	}
	first, before := seen.LoadOrStore(command.args, was)
	if !before {
		return ""
	}
	if wrong := first.(adminOutput).differs(was, command.rows == everywhere); wrong != "" {
		return fmt.Sprintf("the servers differ: %s\n--- this one\n%s", wrong, old)
	}
	return ""
}

// usageOf are masked lines that count for nothing.
func usageOf(command toolCommand) string {
	if len(command.mask) > 0 && command.mask[0] == usage[0] || len(command.mask) > 0 && command.mask[0] == bodyLines[0] {
		return "*"
	}
	return ""
}

// without is the output without rows that are this.
func (o adminOutput) without(row string) adminOutput {
	if row != "" {
		o.rows = slices.DeleteFunc(slices.Clone(o.rows), func(r string) bool { return r == row })
	}
	return o
}

func (x *tools) prepare(t *testing.T, command toolCommand) {
	if command.before == "" {
		return
	}
	if out, err := x.goddard(x.fill(command.before)); err != nil {
		t.Fatalf("%s: %v\n%s", command.before, err, out)
	}
}

// goddard runs `goddard admin` and returns what it printed.
func (x *tools) goddard(args string) (string, error) {
	cmd := exec.Command(kit.Goddard, append([]string{"admin"}, strings.Fields(args+" -n "+x.cluster.NameServer)...)...)
	cmd.Dir = x.home
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// sameJSON says how two files of JSON differ: metrics by their keys, others in
// all but the time.
func sameJSON(a, b, args string) string {
	var all [2]any
	for i, file := range []string{a, b} {
		text, err := os.ReadFile(file)
		if err == nil {
			err = json.Unmarshal(text, &all[i])
		}
		if err != nil {
			return err.Error()
		}
		all[i] = settled(all[i], strings.HasPrefix(args, "exportMetrics"))
	}
	if !reflect.DeepEqual(all[0], all[1]) {
		one, _ := json.MarshalIndent(all[0], "", " ")
		two, _ := json.MarshalIndent(all[1], "", " ")
		return fmt.Sprintf("files differ\n--- mqadmin\n%s\n--- goddard admin\n%s", one, two)
	}
	return ""
}

// settled is JSON without the time, and with keys alone if only they count.
func settled(v any, keys bool) any {
	switch v := v.(type) {
	case map[string]any:
		delete(v, "exportTime")
		for key := range v {
			v[key] = settled(v[key], keys)
		}
		return v
	case []any:
		return v
	}
	if keys {
		return nil
	}
	return v
}

// refused runs the commands that make no sense, with both tools.
func (x *tools) refused(t *testing.T) {
	for args, reason := range refusedTools {
		t.Run(args, func(t *testing.T) {
			args := x.fill(args)
			out := x.c.mqadmin(t, args+" -n "+x.cluster.NameServer)
			if reason != "" && (failureOf.FindString(out) == "" || !strings.Contains(out, reason)) {
				t.Errorf("mqadmin does not say %q:\n%s", reason, out)
			}
			name, _, _ := strings.Cut(args, " ")
			own, err := x.goddard(args)
			if err == nil || !strings.Contains(own, name+" is not supported: ") {
				t.Errorf("goddard admin: %v, says:\n%s", err, own)
			}
		})
	}
}

// What the jar lists is what the table of flags in cmd/goddard holds, and every
// command of it is run here, or refused.
func TestEveryCommandOfTheJarIsRun(t *testing.T) {
	c := javaClient(t, against.JavaClient5, "127.0.0.1:1")
	if c == nil {
		return
	}
	listed := c.ask(t, "commands")
	kept, err := os.ReadFile("../../../cmd/goddard/testdata/mqadmin-5.5.0.flags")
	if err != nil {
		t.Fatal(err)
	}
	if listed != string(kept) {
		t.Errorf("cmd/goddard/testdata/mqadmin-5.5.0.flags is not what the jar lists, which is:\n%s", listed)
	}
	var run []string
	for _, command := range toolCommands {
		name, _, _ := strings.Cut(command.args, " ")
		run = append(run, name)
	}
	for args := range refusedTools {
		name, _, _ := strings.Cut(args, " ")
		run = append(run, name)
	}
	for line := range strings.Lines(listed) {
		if name := strings.TrimSpace(line); !strings.HasPrefix(line, " ") && !slices.Contains(run, name) && !slices.Contains(notYet, name) {
			t.Errorf("%s is neither run nor refused", name)
		}
	}
}
