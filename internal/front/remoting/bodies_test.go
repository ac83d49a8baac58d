package remoting

import (
	"runtime"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/wire"
)

// bodies has a good body for each request that has one. A row of the table
// without one here fails TestEveryRequestWithABodyIsFuzzed.
var bodies = map[wire.Code]string{
	wire.SendReplyMessage:                     "reply",
	wire.SendReplyMessageV2:                   "reply",
	wire.BatchAckMessage:                      `{"consumerGroup":"G","acks":[{"b":"CQ==","c":"G","it":60000,"pt":1,"q":1,"r":"1","rq":0,"so":5,"t":"T"}]}`,
	wire.LiteSubscriptionCtl:                  `{"subscriptionSet":[{"action":"PARTIAL_ADD","clientId":"c","group":"G","topic":"T","liteTopicSet":["a"],"version":1}]}`,
	wire.QueryAssignment:                      `{"topic":"T","consumerGroup":"G","clientId":"c","strategyName":"AVG","messageModel":"CLUSTERING"}`,
	wire.SetMessageRequestMode:                `{"topic":"T","consumerGroup":"G","mode":"POP","popShareQueueNum":2}`,
	wire.HeartBeat:                            `{"clientID":"c","consumerDataSet":[{"groupName":"G","consumeType":"CONSUME_PASSIVELY","messageModel":"CLUSTERING","subscriptionDataSet":[{"topic":"T","subString":"*"}]}],"producerDataSet":[{"groupName":"P"}]}`,
	wire.LockBatchMQ:                          `{"consumerGroup":"G","clientId":"c","mqSet":[{"brokerName":"b","queueId":3,"topic":"T"}]}`,
	wire.UnlockBatchMQ:                        `{"consumerGroup":"G","clientId":"c","mqSet":[{"brokerName":"b","queueId":3,"topic":"T"}]}`,
	wire.CheckClientConfig:                    `{"clientId":"c","group":"G","subscriptionData":{"topic":"T","subString":"a > 1","expressionType":"SQL92"}}`,
	wire.UpdateAndCreateTopicList:             `{"topicConfigList":[{"topicName":"T","readQueueNums":4,"writeQueueNums":4,"perm":6,"attributes":{"+message.type":"FIFO"}}]}`,
	wire.DeleteTopicInBrokerList:              `{"topicList":["T"]}`,
	wire.UpdateAndCreateSubscriptionGroup:     `{"groupName":"G","retryMaxTimes":3,"groupRetryPolicy":{"type":"CUSTOMIZED","customizedRetryPolicy":{"next":[1000]}}}`,
	wire.UpdateAndCreateSubscriptionGroupList: `{"groupConfigList":[{"groupName":"G"}]}`,
	wire.DeleteSubscriptionGroupList:          `{"groupNameList":["G"],"cleanOffset":true}`,
	wire.AuthCreateUser:                       `{"username":"u","password":"secret","userType":"Normal","userStatus":"enable"}`,
	wire.AuthUpdateUser:                       `{"username":"u","password":"secret"}`,
	wire.AuthCreateACL:                        `{"subject":"User:u","policies":[{"policyType":"Custom","entries":[{"resource":"Topic:T","actions":["Pub"],"sourceIps":["10.0.0.0/8"],"decision":"Allow"}]}]}`,
	wire.AuthUpdateACL:                        `{"subject":"User:u","policies":[{"policyType":"Custom","entries":[{"resource":"Topic:T","actions":["Pub"],"decision":"Allow"}]}]}`,
	wire.UpdateBrokerConfig:                   "brokerPermission=6\nmaxMessageSize=4194304\n",
}

// withBody are the rows of the table whose bodies are read.
func withBody() []operation {
	var all []operation
	for _, op := range operations {
		if op.maxBody > 0 {
			all = append(all, op)
		}
	}
	return all
}

func TestEveryRequestWithABodyIsFuzzed(t *testing.T) {
	for _, op := range withBody() {
		if bodies[op.code] == "" {
			t.Errorf("%v has no body in bodies", op.code)
		}
	}
}

func TestBodiesBeyondTheirLimitsAreRefused(t *testing.T) {
	r := newRig(t)
	for _, op := range withBody() {
		if op.maxBody >= listBody && op.code != wire.UpdateAndCreateTopicList {
			continue // one of that size is enough
		}
		resp := r.call(op.code, nil, strings.Repeat(" ", op.maxBody+1))
		if resp.Code != wire.CodeInvalidParameter || !strings.Contains(resp.Remark, "are read") {
			t.Errorf("%v with a body of %d bytes: %s %s", op.code, op.maxBody+1, resp.Code.ResponseString(), resp.Remark)
		}
	}
}

// perByte and atLeast bound what one request may allocate: so many bytes for
// each of its body, and so many whatever it is.
const (
	perByte = 256
	atLeast = 8 << 20
)

// FuzzBodies hands any body to every request that has one: each is answered,
// nothing panics, and what is allocated stays within a multiple of the body.
func FuzzBodies(f *testing.F) {
	ops := withBody()
	for i, op := range ops {
		f.Add(uint8(i), []byte(bodies[op.code]))
		f.Add(uint8(i), []byte(bodies[op.code][:len(bodies[op.code])/2]))
	}
	for _, odd := range []string{"", "null", "[]", "{}", `{"a":`, strings.Repeat("[", 20000), strings.Repeat(`{"a":`, 20000), `{"topicConfigList":[null,1,{}]}`, "\\u", "=\n=\n"} {
		for i := range ops {
			f.Add(uint8(i), []byte(odd))
		}
	}
	r := newRig(f)
	r.fake.silent = true
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		r.t = t
		op := ops[int(which)%len(ops)]
		req := wire.NewRequest(op.code, nil)
		for _, key := range []string{"topic", "consumerGroup", "group", "producerGroup", "clientId", "b"} {
			req.Fields = req.Fields.Add(key, map[bool]string{true: "T", false: "G"}[key == "topic"])
		}
		req.Body = body
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		r.send(req) // fails without an answer
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > atLeast+perByte*uint64(len(body)) {
			t.Errorf("%v with %d bytes allocated %d", op.code, len(body), n)
		}
		r.fake.forget()
	})
}
