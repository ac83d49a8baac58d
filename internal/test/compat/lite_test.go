//go:build compat

package compat

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// Requests around lite topics, by code.
const (
	popLite       = 200070
	subscribeLite = 200071
)

// A liteTopic is a parent with a group that names its lite topics, and one that
// gets all.
type liteTopic struct {
	*poppedTopic
	name string
}

const (
	liteNamed    = "LiteNamed"
	liteWildcard = "LiteWildcard"
)

func newLiteTopic(t *testing.T, cluster *against.Cluster) *liteTopic {
	l := &liteTopic{&poppedTopic{t: t, addr: cluster.Broker}, "LiteParent"}
	makeTopic(t, cluster, l.name, "LITE")
	for _, group := range []string{liteNamed, liteWildcard} {
		attributes := map[string]string{"+lite.bind.topic": l.name}
		if group == liteWildcard {
			attributes["+lite.sub.wildcard"] = "true"
		}
		body, err := json.Marshal(map[string]any{
			"groupName": group, "attributes": attributes, "consumeEnable": true, "consumeFromMinEnable": true, "consumeBroadcastEnable": true,
			"retryQueueNums": 1, "retryMaxTimes": 16, "brokerId": 0, "whichBrokerWhenConsumeSlowly": 1, "notifyConsumerIdsChangedEnable": true,
		})
		if err != nil {
			t.Fatal(err)
		}
		ask(t, cluster.Broker, createGroup, nil, body)
	}
	return l
}

func (l *liteTopic) send(lite, body string) {
	l.t.Helper()
	l.ask(sendMessage, map[string]string{
		"producerGroup": "p", "topic": l.name, "defaultTopic": "TBW102", "defaultTopicQueueNums": "4", "queueId": "0", "sysFlag": "0",
		"bornTimestamp": fmt.Sprint(time.Now().UnixMilli()), "flag": "0", "properties": "__LITE_TOPIC\x01" + lite + "\x02", "reconsumeTimes": "0",
	}, body)
}

func (l *liteTopic) subscribe(action, group, client string, lites ...string) *against.ProbeAnswer {
	l.t.Helper()
	body, err := json.Marshal(map[string]any{"subscriptionSet": []map[string]any{
		{"action": action, "clientId": client, "group": group, "topic": l.name, "liteTopicSet": lites, "version": time.Now().UnixMilli()},
	}})
	if err != nil {
		l.t.Fatal(err)
	}
	a, err := against.Probe(l.addr, subscribeLite, nil, body)
	if err != nil {
		l.t.Fatal(err)
	}
	return a
}

// pop returns whether a client gets messages with these bodies within some
// seconds, one pop after the other.
func (l *liteTopic) pop(group, client string, bodies ...string) string {
	l.t.Helper()
	missing := map[string]bool{}
	for _, b := range bodies {
		missing[b] = true
	}
	for limit := time.Now().Add(10 * time.Second); len(missing) > 0; time.Sleep(50 * time.Millisecond) {
		if time.Now().After(limit) {
			return fmt.Sprintf("%v did not come to %s of %s", missing, client, group)
		}
		a, err := against.Probe(l.addr, popLite, map[string]string{
			"clientId": client, "consumerGroup": group, "topic": l.name, "maxMsgNum": "32", "invisibleTime": "60000", "pollTime": "0",
			"bornTime": fmt.Sprint(time.Now().UnixMilli()),
		}, nil)
		if err != nil {
			return err.Error()
		}
		for b := range missing {
			if strings.Contains(string(a.Body), b) {
				delete(missing, b)
			}
		}
	}
	return ""
}

var liteCommands = []adminCommand{
	{name: "getBrokerLiteInfo", args: "getBrokerLiteInfo -b {broker} -d", want: []string{`(?m)^{broker} +\w+ +\d+ +3 +\d+ +\d+ +\d+ +\d+ +\d+`, `Topic Meta: \{"LiteParent":-1\}`, `Group Meta: \{"LiteParent":\["Lite\w+","Lite\w+"\]\}`}, late: true},
	{name: "getParentTopicInfo", args: "getParentTopicInfo -p LiteParent", want: []string{`(?m)^broker-a +-?\d+ +3 +3 +\[Lite\w+, Lite\w+\]`}},
	{name: "getLiteTopicInfo", args: "getLiteTopicInfo -p LiteParent -l one -s", want: []string{`(?m)^broker-a +0 +2 +20\d\d-.* true +2`, `n1@LiteNamed`, `\*@LiteWildcard`}},
	{name: "getLiteTopicInfo of none", args: "getLiteTopicInfo -p LiteParent -l none", want: []string{`(?m)^broker-a +0 +0 +- +true +1`}},
	{name: "getLiteClientInfo", args: "getLiteClientInfo -p LiteParent -g LiteNamed -c n1 -s", want: []string{`(?m)^broker-a +2 +20\d\d-`, `Lite Topics: \[%LMQ%\$LiteParent\$(one|two), %LMQ%\$LiteParent\$(one|two)\]`}},
	{name: "getLiteClientInfo of a group that gets all", args: "getLiteClientInfo -p LiteParent -g LiteWildcard -c w1 -s", want: []string{`(?m)^broker-a +1 +20\d\d-`, `Lite Topics: \[LiteParent@LiteWildcard\]`}},
	{name: "getLiteClientInfo of nobody", args: "getLiteClientInfo -p LiteParent -g LiteNamed -c nobody", want: []string{`(?m)^broker-a +N/A +N/A`}},
	{name: "getLiteGroupInfo", args: "getLiteGroupInfo -p LiteParent -g LiteNamed -k 5", want: []string{`Total Lag Count: 3`, `(?m)^1 +one +2 +20\d\d-`, `(?m)^2 +two +1 +20\d\d-`}},
	{name: "getLiteGroupInfo of one", args: "getLiteGroupInfo -p LiteParent -g LiteNamed -l one", want: []string{`(?m)^broker-a +2 +0 +2 +-`, `Total Lag Count: 2`}},
	{name: "triggerLiteDispatch", args: "triggerLiteDispatch -p LiteParent -g LiteNamed", want: []string{`(?m)^broker-a +dispatched`}},
	{name: "triggerLiteDispatch of an ordinary group", args: "triggerLiteDispatch -p LiteParent -g LiteOther", want: []string{`(?m)^broker-a +error`}},
	{name: "deleteTopic of a parent", args: "deleteTopic -c DefaultCluster -t LiteParent", want: []string{`delete topic \[LiteParent\] from cluster \[DefaultCluster\] success`}},
}

// What operators are told about lite topics, and which a group with the
// attribute lite.sub.wildcard gets, over remoting as RocketMQ's proxy asks.
func TestLiteTopics(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.Cluster(t)
		c := javaClient(t, against.JavaClient5, cluster.NameServer)
		if c == nil {
			return
		}
		l := newLiteTopic(t, cluster)
		scenario := func(name string, run func() string) {
			t.Run(name, func(t *testing.T) { judge(t, m.Name(), "raw", name, run()) })
		}
		l.send("one", "before-1")
		scenario("a wildcard group cannot name lite topics", func() string {
			if a := l.subscribe("PARTIAL_ADD", liteWildcard, "w1", "one"); a.Code == 0 {
				return "it may"
			}
			return ""
		})
		scenario("a wildcard group gets what is there", func() string {
			l.subscribe("COMPLETE_ADD", liteWildcard, "w1")
			ask(t, cluster.Broker, 200079, map[string]string{"group": liteWildcard}, nil) // RocketMQ looks for it some time later
			return l.pop(liteWildcard, "w1", "before-1")
		})
		scenario("a wildcard group gets what comes", func() string {
			l.send("two", "later-2")
			l.send("three", "later-3")
			return l.pop(liteWildcard, "w1", "later-2", "later-3")
		})
		scenario("a group gets what it names", func() string {
			l.subscribe("COMPLETE_ADD", liteNamed, "n1", "one", "two")
			l.send("one", "named-1")
			return l.pop(liteNamed, "n1", "before-1", "named-1", "later-2")
		})
		words := []string{"{broker}", cluster.Broker}
		for _, command := range liteCommands {
			if len(wanted([]string{command.name})) == 0 {
				continue
			}
			t.Run(command.name, func(t *testing.T) {
				_, wrong := command.try(t, c, strings.NewReplacer(words...), cluster.NameServer)
				judge(t, m.Name(), "mqadmin", command.name, wrong)
			})
		}
		scenario("a parent that comes back has no lite topics", func() string {
			makeTopic(t, cluster, l.name, "LITE")
			return liteCommand("getParentTopicInfo -p LiteParent", `(?m)^broker-a +-?\d+ +0 +`).wrong(t, c, cluster.NameServer)
		})
	})
}

func liteCommand(args, want string) adminCommand {
	return adminCommand{name: args, args: args, want: []string{want}, late: true}
}

func (a adminCommand) wrong(t *testing.T, c *client, nameServer string) string {
	_, wrong := a.try(t, c, strings.NewReplacer(), nameServer)
	return wrong
}
