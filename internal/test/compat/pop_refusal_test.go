//go:build compat

package compat

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// Requests around popping, by code.
const (
	sendMessage   = 10
	createTopic   = 17
	createGroup   = 200
	popMessage    = 200050
	ackMessage    = 200051
	peekMessage   = 200052
	changeTime    = 200053
	notification  = 200054
	pollingInfo   = 200055
	popRollback   = 200056
	batchAck      = 200151
	queryAssigned = 400
	setMode       = 401
	allModes      = 402
)

// A poppedTopic is a topic with messages, some of which are in hand.
type poppedTopic struct {
	t    *testing.T
	addr string
	hand map[string]string // header of an acknowledgement of one message in hand
}

const (
	poppedName  = "Popped"
	poppedGroup = "PoppedGroup"
)

// ask sends a request that must succeed.
func (p *poppedTopic) ask(code int, fields map[string]string, body string) *against.ProbeAnswer {
	p.t.Helper()
	a, err := against.Probe(p.addr, code, fields, []byte(body))
	if err != nil || a.Code != 0 {
		p.t.Fatalf("request %d: %v, %+v", code, err, a)
	}
	return a
}

// header is what most of these requests name, changed by pairs; a value of "-"
// leaves a field out.
func header(changes ...string) map[string]string {
	fields := map[string]string{"consumerGroup": poppedGroup, "topic": poppedName, "queueId": "0"}
	return changed(fields, changes...)
}

func changed(fields map[string]string, changes ...string) map[string]string {
	fields = maps.Clone(fields)
	for i := 0; i < len(changes); i += 2 {
		if fields[changes[i]] = changes[i+1]; changes[i+1] == "-" {
			delete(fields, changes[i])
		}
	}
	return fields
}

// popHeader asks for one message.
func popHeader(changes ...string) map[string]string {
	fields := header("maxMsgNums", "1", "invisibleTime", "60000", "pollTime", "0", "bornTime", fmt.Sprint(time.Now().UnixMilli()), "initMode", "0", "order", "false")
	return changed(fields, changes...)
}

// newPoppedTopic makes the topic, fills it and takes a message.
func newPoppedTopic(t *testing.T, addr string) *poppedTopic {
	t.Helper()
	p := &poppedTopic{t: t, addr: addr}
	p.ask(createTopic, map[string]string{"topic": poppedName, "defaultTopic": "TBW102", "readQueueNums": "1", "writeQueueNums": "1", "perm": "6",
		"topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false"}, "")
	p.ask(createGroup, nil, fmt.Sprintf(`{"groupName":%q,"consumeEnable":true,"consumeBroadcastEnable":true,"retryQueueNums":1,"retryMaxTimes":16}`, poppedGroup))
	for range 5 {
		p.ask(sendMessage, map[string]string{"producerGroup": "P", "topic": poppedName, "defaultTopic": "TBW102", "defaultTopicQueueNums": "1", "queueId": "0",
			"sysFlag": "0", "bornTimestamp": "1", "flag": "0", "properties": "", "reconsumeTimes": "0", "unitMode": "false", "batch": "false"}, "body")
	}
	p.hand = p.take()
	return p
}

// take pops one message and returns what acknowledges it.
func (p *poppedTopic) take() map[string]string {
	p.t.Helper()
	for limit := time.Now().Add(10 * time.Second); time.Now().Before(limit); time.Sleep(100 * time.Millisecond) {
		a, err := against.Probe(p.addr, popMessage, popHeader("pollTime", "500"), nil)
		if err != nil || a.Code != 0 {
			continue
		}
		var offset int64
		if _, err := fmt.Sscanf(a.Fields["msgOffsetInfo"], "0 0 %d", &offset); err != nil {
			p.t.Fatalf("answer to a pop: %v", a.Fields)
		}
		receipt := fmt.Sprintf("%d %s %s %s 0 %s 0 %d", offset, a.Fields["popTime"], a.Fields["invisibleTime"], a.Fields["reviveQid"], against.BrokerName, offset)
		return header("offset", fmt.Sprint(offset), "extraInfo", receipt)
	}
	p.t.Fatal("no message to pop within 10 s")
	return nil
}

// A popProbe is one request and the code of its answer.
type popProbe struct {
	name   string
	code   int
	fields map[string]string
	body   string
	want   int
}

// probes are the requests in their order.
func (p *poppedTopic) probes() []popProbe {
	hand, born := p.hand, fmt.Sprint(time.Now().Add(-time.Hour).UnixMilli())
	longer := func(changes ...string) map[string]string {
		return changed(changed(hand, "invisibleTime", "50000"), changes...)
	}
	part := func(i int, text string) string {
		parts := strings.Split(hand["extraInfo"], " ")
		parts[i] = text
		return strings.Join(parts, " ")
	}
	bits := func(text string) string { return `{"brokerName":"broker-a","acks":[` + text + `]}` }
	entry := `{"c":"PoppedGroup","t":"Popped","r":"0","so":0,"q":0,"rq":0,"pt":1,"it":1,"b":"AQ=="}`
	return []popProbe{
		{"pop_of_missing_topic", popMessage, popHeader("topic", "NoSuchTopic"), "", 17},
		{"pop_of_missing_queue", popMessage, popHeader("queueId", "7"), "", 29},
		{"pop_of_too_many", popMessage, popHeader("maxMsgNums", "33"), "", 29},
		{"pop_too_late", popMessage, popHeader("bornTime", born), "", 210},
		{"pop_without_queue", popMessage, popHeader("queueId", "-"), "", 0},
		{"pop_without_number", popMessage, popHeader("maxMsgNums", "-"), "", 210},
		{"pop_without_group", popMessage, popHeader("consumerGroup", "-"), "", 1},
		{"pop_by_bad_expression", popMessage, popHeader("expType", "SQL92", "exp", "a >"), "", 23},
		{"pop_by_unknown_type", popMessage, popHeader("expType", "NONE", "exp", "a"), "", 23},
		{"peek_at_missing_topic", peekMessage, header("topic", "NoSuchTopic", "maxMsgNums", "1"), "", 17},
		{"notification_of_missing_topic", notification, header("topic", "NoSuchTopic", "pollTime", "0", "bornTime", "1"), "", 17},
		{"notification_of_missing_queue", notification, header("queueId", "7", "pollTime", "0", "bornTime", "1"), "", 29},
		{"polling_info", pollingInfo, header("queueId", "-1"), "", 0},
		{"polling_info_of_missing_topic", pollingInfo, header("topic", "NoSuchTopic"), "", 17},
		{"polling_info_of_missing_queue", pollingInfo, header("queueId", "7"), "", 29},
		{"ack_in_missing_topic", ackMessage, changed(hand, "topic", "NoSuchTopic"), "", 17},
		{"ack_in_missing_queue", ackMessage, changed(hand, "queueId", "7"), "", 13},
		{"ack_of_missing_offset", ackMessage, changed(hand, "offset", "99"), "", 208},
		{"ack_of_negative_offset", ackMessage, changed(hand, "offset", "-1"), "", 208},
		{"ack_without_receipt", ackMessage, changed(hand, "extraInfo", "-"), "", 1},
		{"ack_with_rubbish", ackMessage, changed(hand, "extraInfo", "rubbish"), "", 1},
		{"ack_with_cut_receipt", ackMessage, changed(hand, "extraInfo", "1 2 3"), "", 1},
		{"ack_of_other_broker", ackMessage, changed(hand, "extraInfo", part(5, "broker-z")), "", 0},
		{"ack_of_other_time", ackMessage, changed(hand, "extraInfo", part(1, "1000")), "", 0},
		{"ack_in_order_of_nothing", ackMessage, changed(hand, "extraInfo", part(3, "999")), "", 0},
		{"change_in_missing_topic", changeTime, longer("topic", "NoSuchTopic"), "", 17},
		{"change_in_missing_queue", changeTime, longer("queueId", "7"), "", 13},
		{"change_of_missing_offset", changeTime, longer("offset", "99"), "", 208},
		{"change_with_rubbish", changeTime, longer("extraInfo", "rubbish"), "", 1},
		{"change", changeTime, longer(), "", 0},
		{"change_by_old_receipt", changeTime, longer(), "", 0},
		{"batch_ack_of_nothing", batchAck, nil, "", 208},
		{"batch_ack_of_none", batchAck, nil, bits(""), 208},
		{"batch_ack_of_missing_topic", batchAck, nil, bits(strings.Replace(entry, "Popped\"", "NoSuchTopic\"", 1)), 0},
		{"batch_ack_of_unknown_kind", batchAck, nil, bits(strings.Replace(entry, `"r":"0"`, `"r":"7"`, 1)), 1},
		{"batch_ack_with_rubbish", batchAck, nil, "rubbish", 1},
		{"assignment_of_missing_topic", queryAssigned, nil, `{"clientId":"c","consumerGroup":"G","messageModel":"CLUSTERING","strategyName":"AVG","topic":"NoSuchTopic"}`, 0},
		{"mode_of_missing_topic", setMode, nil, `{"topic":"NoSuchTopic","consumerGroup":"PoppedGroup","mode":"POP"}`, 17},
		{"mode_of_retry_topic", setMode, nil, `{"topic":"%RETRY%G","consumerGroup":"PoppedGroup","mode":"POP"}`, 16},
		{"mode", setMode, nil, `{"topic":"Popped","consumerGroup":"PoppedGroup","mode":"POP","popShareQueueNum":2}`, 0},
		{"pop_rollback", popRollback, nil, "", 0},
	}
}

// What no client library would send, around popping: the codes must be the same.
// A refusal must have a remark, which RocketMQ forgets here and there.
func TestPopRefusals(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		p := newPoppedTopic(t, m.Cluster(t).Broker)
		for _, r := range p.probes() {
			if len(wanted([]string{r.name})) == 0 {
				continue
			}
			t.Run(r.name, func(t *testing.T) {
				failure := ""
				a, err := against.Probe(p.addr, r.code, r.fields, []byte(r.body))
				switch {
				case err != nil:
					failure = err.Error()
				case a.Code != r.want:
					failure = fmt.Sprintf("code %d, remark %q; want code %d", a.Code, a.Remark, r.want)
				case a.Code != 0 && a.Remark == "" && m.Name() == "goddard":
					failure = fmt.Sprintf("code %d without a remark", a.Code)
				default:
					t.Logf("%s: %.200s", m.Name(), a.Remark)
				}
				judge(t, m.Name(), "raw", r.name, failure)
			})
		}
		t.Run("modes", func(t *testing.T) {
			var modes struct {
				Map map[string]map[string]struct {
					Mode  string
					Share int `json:"popShareQueueNum"`
				} `json:"messageRequestModeMap"`
			}
			a := p.ask(allModes, nil, "")
			if err := json.Unmarshal(a.Body, &modes); err != nil {
				t.Fatalf("%v: %s", err, a.Body)
			}
			if got := modes.Map[poppedName][poppedGroup]; got.Mode != "POP" || got.Share != 2 {
				t.Errorf("the modes are %s", a.Body)
			}
		})
	})
}
