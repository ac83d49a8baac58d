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
