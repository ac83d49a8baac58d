//go:build compat

package compat

import (
	"fmt"
	"testing"

	"github.com/goddardmq/goddard/internal/test/against"
)

// What no client library would send: codes must be the same, and a remark must
// say something.
func TestRefusals(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.Cluster(t)
		pull := map[string]string{"consumerGroup": "G", "topic": "NoSuchTopic", "queueId": "0", "queueOffset": "0", "maxMsgNums": "1",
			"sysFlag": "4", "commitOffset": "0", "suspendTimeoutMillis": "0", "subVersion": "0", "subscription": "*"}
		for _, r := range []struct {
			name   string
			addr   string
			code   int
			fields map[string]string
			want   int
		}{
			{"unknown_request_at_broker", cluster.Broker, 9999, nil, 3},
			{"unknown_request_at_name_server", cluster.NameServer, 9999, nil, 3},
			{"route_of_missing_topic", cluster.NameServer, 105, map[string]string{"topic": "NoSuchTopic"}, 17},
			{"missing_kv", cluster.NameServer, 101, map[string]string{"namespace": "NS", "key": "K"}, 22},
			{"pull_from_missing_topic", cluster.Broker, 11, pull, 17},
			{"config_of_missing_topic", cluster.Broker, 351, map[string]string{"topic": "NoSuchTopic"}, 17},
			{"stats_of_missing_topic", cluster.Broker, 202, map[string]string{"topic": "NoSuchTopic"}, 17},
			{"members_of_missing_group", cluster.Broker, 38, map[string]string{"consumerGroup": "NoSuchGroup"}, 1},
			{"connection_of_missing_group", cluster.Broker, 203, map[string]string{"consumerGroup": "NoSuchGroup"}, 206},
			{"offset_of_missing_group", cluster.Broker, 14, map[string]string{"consumerGroup": "G", "topic": "NoSuchTopic", "queueId": "0"}, 22},
		} {
			t.Run(r.name, func(t *testing.T) {
				failure := ""
				a, err := against.Probe(r.addr, r.code, r.fields, nil)
				switch {
				case err != nil:
					failure = err.Error()
				case a.Code != r.want || a.Remark == "":
					failure = fmt.Sprintf("code %d, remark %q; want code %d and a remark", a.Code, a.Remark, r.want)
				default:
					t.Logf("%s: %s", m.Name(), a.Remark)
				}
				judge(t, m.Name(), "raw", r.name, failure)
			})
		}
	})
}

// A pull that is denied says by a number who denies it.
func TestDeniedPullsSayWhoDeniesThem(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.Cluster(t)
		must := func(code int, fields map[string]string, body string) {
			t.Helper()
			if a, err := against.Probe(cluster.Broker, code, fields, []byte(body)); err != nil || a.Code != 0 {
				t.Fatalf("request %d: %+v, %v", code, a, err)
			}
		}
		denied := func(name, group, topic, want string) {
			t.Run(name, func(t *testing.T) {
				a, err := against.Probe(cluster.Broker, 11, map[string]string{"consumerGroup": group, "topic": topic, "queueId": "0", "queueOffset": "0",
					"maxMsgNums": "1", "sysFlag": "4", "commitOffset": "0", "suspendTimeoutMillis": "0", "subVersion": "0", "subscription": "*"}, nil)
				failure := ""
				if err != nil {
					failure = err.Error()
				} else if a.Code != 16 || a.Fields["forbiddenType"] != want {
					failure = fmt.Sprintf("code %d, forbiddenType %q; want 16 and %s", a.Code, a.Fields["forbiddenType"], want)
				}
				judge(t, m.Name(), "raw", name, failure)
			})
		}
		for topic, perm := range map[string]string{"Open": "6", "WriteOnly": "2"} {
			must(17, map[string]string{"topic": topic, "defaultTopic": "TBW102", "readQueueNums": "1", "writeQueueNums": "1", "perm": perm,
				"topicFilterType": "SINGLE_TAG", "topicSysFlag": "0", "order": "false"}, "")
		}
		must(200, nil, `{"groupName":"Suspended","consumeEnable":false}`)
		denied("pull_by_suspended_group", "Suspended", "Open", "2")
		denied("pull_of_write_only_topic", "G", "WriteOnly", "3")
		must(25, nil, "brokerPermission=2\n")
		denied("pull_at_write_only_broker", "G", "Open", "1")
	})
}
