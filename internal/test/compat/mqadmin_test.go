//go:build compat

package compat

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// An adminCommand is one command of the published mqadmin and what its output
// must show. Words in braces are filled in: {topic} and {group} have a producer,
// a consumer and 20 messages; {new} and {fresh} are a topic and a group of this
// table's own.
type adminCommand struct {
	name string
	args string
	want []string // regular expressions
	not  []string
	// keep takes something out of the output for the commands behind: a word in
	// braces, and the expression whose first group it becomes.
	keep map[string]string
	// late says that the answer may take a while to be right.
	late bool
}

// failureOf is how mqadmin says that something went wrong; it exits 0 then too.
var failureOf = regexp.MustCompile(`(?m)^(\S*(Exception|Error): .*|\S+(Exception|Error)\s*|Caused by: .*)$`)

var adminCommands = []adminCommand{
	{name: "clusterList", args: "clusterList", want: []string{`DefaultCluster +broker-a +0 +{broker} +V\d`}},
	{name: "brokerStatus", args: "brokerStatus -b {broker}", want: []string{`(?m)^bootTimestamp +: \d{13}`, `(?m)^brokerVersionDesc +: V\d`, `(?m)^msgPutTotalTodayNow +: \d+`, `(?m)^putTps +:`, `(?m)^runtime +: \[`}},
	{name: "updateTopic", args: "updateTopic -c DefaultCluster -t {new} -r 6 -w 5", want: []string{`create topic to {broker} success`}},
	{name: "topicList", args: "topicList", want: []string{`(?m)^{topic}$`, `(?m)^{new}$`, `(?m)^%RETRY%{group}$`, `(?m)^TBW102$`, `(?m)^broker-a$`}},
	{name: "topicList of a cluster", args: "topicList -c", want: []string{`DefaultCluster +{topic} +{group}`}},
	{name: "topicRoute", args: "topicRoute -t {new}", want: []string{`"brokerName":"broker-a"`, `"{broker}"`, `"readQueueNums":6`, `"writeQueueNums":5`, `"perm":6`}},
	{name: "topicStatus", args: "topicStatus -t {topic}", want: []string{`(?m)^broker-a +0 +0 +5 +20\d\d-`, `(?m)^broker-a +3 +0 +5 +20\d\d-`}, late: true},
	{name: "topicClusterList", args: "topicClusterList -t {topic}", want: []string{`(?m)^DefaultCluster$`}},
	{name: "updateTopicPerm", args: "updateTopicPerm -c DefaultCluster -t {new} -p 4", want: []string{`update topic perm from 6 to 4 in {broker} success`}},
	{name: "updateTopicPerm shows in the route", args: "topicRoute -t {new}", want: []string{`"perm":4`}, late: true},
	{name: "allocateMQ", args: "allocateMQ -t {topic} -i 10.0.0.1,10.0.0.2", want: []string{`10.0.0.1`, `"queueId":3`}},

	{name: "producerConnection", args: "producerConnection -g {group}_p -t {topic}", want: []string{`127.0.0.1:\d+ +JAVA +V5_5_0`}, late: true},
	{name: "producer", args: "producer -b {broker}", want: []string{`{group}_p.*127.0.0.1`}},
	{name: "consumerConnection", args: "consumerConnection -g {group}", want: []string{`127.0.0.1:\d+ +JAVA +V5_5_0`, `(?m)^{topic} +\*`, `(?m)^%RETRY%{group} +\*`, `ConsumeType: CONSUME_PASSIVELY`, `MessageModel: CLUSTERING`, `ConsumeFromWhere: CONSUME_FROM_FIRST_OFFSET`}},
	{name: "consumerProgress", args: "consumerProgress -g {group}", want: []string{`(?m)^{topic} +broker-a +0 +5 +5 +0`, `Consume TPS`, `(?m)^Consume Diff Total: 0$`}, late: true},
	{name: "consumerProgress of all", args: "consumerProgress", want: []string{`{group} +1 +V5_5_0 +PUSH\S* +CLUSTERING +\d+ +0`}, late: true},
	{name: "consumerStatus", args: "consumerStatus -g {group}", want: []string{`V5_5_0`, `Same subscription in the same group of consumer`, `Rebalance OK`}},
	{name: "statsAll", args: "statsAll -t {topic}", want: []string{`{topic} +{group} +\d+ +[\d.]+ +[\d.]+`}},
	{name: "queryMsgByOffset", args: "queryMsgByOffset -t {topic} -b broker-a -i 0 -o 2", want: []string{`Topic: +{topic}`, `Queue ID: +0`, `Queue Offset: +2`, `Reconsume Times: +0`}},
	{name: "queryMsgByKey", args: "queryMsgByKey -t {topic} -k key-7", want: []string{`(?m)^[0-9A-F]{32} +\d +\d+ +\d+@{topic}@K@key-7@[0-9A-F]{32}@\d+`}, keep: map[string]string{"{id}": `(?m)^([0-9A-F]{32}) `}},
	{name: "queryMsgByKey of many", args: "queryMsgByKey -t {topic} -k all -m 5", want: []string{`(?s)(@K@all@.*){5}`}, not: []string{`(?s)(@K@all@.*){6}`}},
	{name: "queryMsgByKey by tag", args: "queryMsgByKey -t {topic} -k seen -p T", want: []string{`(?s)(@T@seen@.*){20}`}},
	{name: "queryMsgByUniqueKey", args: "queryMsgByUniqueKey -t {topic} -i {id}", want: []string{`Topic: +{topic}`, `Tags: +\[seen\]`, `Keys: +\[key-7 all\]`, `MessageTrack \[consumerGroup={group}, trackType=`}},
	{name: "queryMsgById by unique key", args: "queryMsgById -t {topic} -i {id}", want: []string{`Keys: +\[key-7 all\]`, `consumerGroup={group}, trackType=CONSUMED,`}, keep: map[string]string{"{offsetId}": `OffsetID: +([0-9A-F]{32})`}, late: true},
	{name: "queryMsgById", args: "queryMsgById -t {topic} -i {offsetId}", want: []string{`OffsetID: +{offsetId}`, `Keys: +\[key-7 all\]`, `consumerGroup={group}, trackType=CONSUMED,`}},
	{name: "queryCq", args: "queryCq -t {topic} -q 0 -i 3 -c 5 -b {broker} -g {group}", want: []string{`Subscription data`, `max: 5, min: 0`, `idx: 3`, `idx: 4`}, not: []string{`idx: 5`}},
	{name: "consumeMessage", args: "consumeMessage -t {topic} -c 5 -b broker-a -i 0", want: []string{`Consume ok`, `(?s)(MSGID: .*){5}`}},
	{name: "printMsg", args: "printMsg -t {topic}", want: []string{`(?s)(bystander-00\d\d.*){20}`}},

	{name: "updateSubGroup", args: "updateSubGroup -c DefaultCluster -g {fresh} -r 7 -q 2", want: []string{`create subscription group to {broker} success`, `retryMaxTimes=7`, `retryQueueNums=2`}},
	{name: "getConsumerConfig", args: "getConsumerConfig -g {fresh}", want: []string{`retryMaxTimes += +7`, `retryQueueNums += +2`, `consumeEnable += +true`}},
	{name: "setConsumeMode", args: "setConsumeMode -b {broker} -t {topic} -g {fresh} -m PULL", want: []string{`set consume mode to {broker} success`}},
	{name: "exportPopRecord", args: "exportPopRecord -b {broker}", want: []string{`Export broker records, brokerName=broker-a, brokerAddr={broker}, dryRun=false`}},
	{name: "cloneGroupOffset", args: "cloneGroupOffset -s {group} -d {fresh} -t {topic}", want: []string{`clone group offset success`}},
	{name: "updateTopic of a retry topic", args: "updateTopic -c DefaultCluster -t %RETRY%{fresh} -r 1 -w 1", want: []string{`create topic to {broker} success`}},
	{name: "cloned offsets", args: "consumerProgress -g {fresh}", want: []string{`(?m)^{topic} +broker-a +0 +5 +5 +0`}},
	{name: "resetOffsetByTime of an absent group", args: "resetOffsetByTime -g {fresh} -t {topic} -s -1 -f true", want: []string{`broker-a`}},
	{name: "resetOffsetByTime", args: "resetOffsetByTime -g {group} -t {topic} -s 0", want: []string{`(?m)^broker-a +0 +0`, `(?m)^broker-a +3 +0`}},
	{name: "skipAccumulatedMessage", args: "skipAccumulatedMessage -g {group} -t {topic}", want: []string{`(?m)^broker-a +0 +5`}},

	{name: "getBrokerConfig", args: "getBrokerConfig -b {broker}", want: []string{`(?m)^brokerName += +broker-a`, `(?m)^autoCreateTopicEnable += +true`, `(?m)^flushDiskType += +ASYNC_FLUSH`, `(?m)^maxMessageSize += +4194304`}},
	{name: "updateBrokerConfig", args: "updateBrokerConfig -b {broker} -k autoCreateTopicEnable -v false", want: []string{`update broker config success, {broker}`}},
	{name: "updateBrokerConfig shows", args: "getBrokerConfig -b {broker}", want: []string{`(?m)^autoCreateTopicEnable += +false`}},
	{name: "sendMsgStatus", args: "sendMsgStatus -b broker-a -c 2", want: []string{`(?s)(rt=\d+ms, SendResult=SendResult \[sendStatus=SEND_OK.*){2}`}},

	{name: "wipeWritePerm", args: "wipeWritePerm -b broker-a", want: []string{`wipe write perm of broker\[broker-a\] in name server\[{namesrv}\] OK, [1-9]\d*`}},
	{name: "wipeWritePerm shows in the route", args: "topicRoute -t {topic}", want: []string{`"perm":4`}},
	{name: "addWritePerm", args: "addWritePerm -b broker-a", want: []string{`add write perm of broker\[broker-a\] in name server\[{namesrv}\] OK, [1-9]\d*`}},
	{name: "addWritePerm shows in the route", args: "topicRoute -t {topic}", want: []string{`"perm":6`}},
	{name: "updateKvConfig", args: "updateKvConfig -s NS -k key -v value", want: []string{`create or update kv config to namespace success`}},
	{name: "deleteKvConfig", args: "deleteKvConfig -s NS -k key", want: []string{`delete kv config from namespace success`}},
	{name: "getNamesrvConfig", args: "getNamesrvConfig", want: []string{`(?m)^listenPort += +{namesrvPort}`}},
	{name: "updateOrderConf", args: "updateOrderConf -m put -t {new} -v broker-a:4", want: []string{`update orderConf success. topic=\[{new}\]`}},
	{name: "updateOrderConf get", args: "updateOrderConf -m get -t {new}", want: []string{`orderConf=\[broker-a:4\]`}},
	{name: "updateOrderConf delete", args: "updateOrderConf -m delete -t {new}", want: []string{`delete orderConf success. topic=\[{new}\]`}},

	{name: "deleteTopic", args: "deleteTopic -c DefaultCluster -t {new}", want: []string{`delete topic \[{new}\] from cluster \[DefaultCluster\] success`, `delete topic \[{new}\] from NameServer success`}},
	{name: "deleteTopic shows", args: "topicList", not: []string{`(?m)^{new}$`}},
	{name: "deleteSubGroup", args: "deleteSubGroup -c DefaultCluster -g {fresh} -r true", want: []string{`delete subscription group \[{fresh}\] from broker \[{broker}\] in cluster \[DefaultCluster\] success`}},
}

// The published mqadmin is what operators type today; its commands must work
// and show the same things.
func TestMqadmin(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.Cluster(t)
		c := javaClient(t, against.JavaClient5, cluster.NameServer)
		if c == nil {
			return
		}
		const scenario = "bystanders"
		c.run(t, scenario)
		if !c.asked(scenario, "look") {
			t.Fatal("no producer and consumer to look at: " + c.runOf(scenario).last.Error)
		}
		words := []string{"{broker}", cluster.Broker, "{namesrv}", cluster.NameServer, "{topic}", "j550_bystanders",
			"{namesrvPort}", cluster.NameServer[strings.LastIndexByte(cluster.NameServer, ':')+1:],
			"{group}", "g_j550_bystanders", "{new}", "NewTopic", "{fresh}", "FreshGroup"}
		for _, command := range adminCommands {
			if len(wanted([]string{command.name})) == 0 {
				continue
			}
			t.Run(command.name, func(t *testing.T) {
				out, wrong := command.try(t, c, strings.NewReplacer(words...), cluster.NameServer)
				judge(t, m.Name(), "mqadmin", command.name, wrong)
				for word, expression := range command.keep {
					if found := regexp.MustCompile(expression).FindStringSubmatch(out); found != nil {
						words = append(words, word, found[1])
					}
				}
			})
		}
		c.answer(t, scenario, "look")
		c.report(t, m.Name(), scenario)
		if *only == "" { // updateBrokerConfig has switched it off
			c.run(t, "auto_create_off")
			c.report(t, m.Name(), "auto_create_off")
		}
	})
}

// try runs the command until its output is right or it is too late, and returns
// the last output and what is wrong with it.
func (a adminCommand) try(t *testing.T, c *client, fill *strings.Replacer, nameServer string) (out, wrong string) {
	t.Helper()
	limit := time.Now().Add(10 * time.Second)
	for {
		out = c.mqadmin(t, fill.Replace(a.args)+" -n "+nameServer)
		wrong = a.check(out, fill)
		if wrong == "" || !a.late || time.Now().After(limit) {
			return out, wrong
		}
		time.Sleep(500 * time.Millisecond)
	}
}

func (a adminCommand) check(out string, fill *strings.Replacer) string {
	if line := failureOf.FindString(out); line != "" {
		return a.args + " failed: " + line + "\n" + out
	}
	for _, want := range a.want {
		if want = fill.Replace(want); !regexp.MustCompile(want).MatchString(out) {
			return a.args + ": output lacks " + want + "\n" + out
		}
	}
	for _, not := range a.not {
		if not = fill.Replace(not); regexp.MustCompile(not).MatchString(out) {
			return a.args + ": output has " + not + "\n" + out
		}
	}
	return ""
}
