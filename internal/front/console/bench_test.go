package console_test

import (
	"context"
	"fmt"
	"net/url"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// fill creates topics and groups in bulk, and lets some groups lag behind in
// the first topic.
func (r *rig) fill(topics, groups int) {
	r.t.Helper()
	const batch = 2000
	for from := 0; from < topics; from += batch {
		var list wire.TopicConfigList
		for i := from; i < min(from+batch, topics); i++ {
			list.Topics = append(list.Topics, wire.TopicConfig{
				TopicName: fmt.Sprintf("orders-%06d", i), ReadQueueNums: 4, WriteQueueNums: 4, Perm: 6, TopicFilterType: "SINGLE_TAG",
			})
		}
		cmd := wire.NewRequest(wire.UpdateAndCreateTopicList, nil)
		cmd.Body = wire.EncodeBody(list)
		r.call(cmd)
	}
	for from := 0; from < groups; from += batch {
		var list wire.SubscriptionGroupList
		for i := from; i < min(from+batch, groups); i++ {
			g := wire.DefaultSubscriptionGroupConfig()
			g.GroupName = fmt.Sprintf("group-%05d", i)
			list.Groups = append(list.Groups, g)
		}
		cmd := wire.NewRequest(wire.UpdateAndCreateSubscriptionGroupList, nil)
		cmd.Body = wire.EncodeBody(list)
		r.call(cmd)
	}
	for range 100 {
		r.send("orders-000000", object{"body": `{"total": 7}`, "tag": "paid", "keys": []string{"k"}, "queue": 0})
	}
	for i := range min(groups, 500) {
		r.commit(fmt.Sprintf("group-%05d", i), "orders-000000", int64(i%100))
	}
}

// join has clients be members of groups, of which 500 each read one topic,
// until the test ends.
func (r *rig) join(clients, groups int) {
	r.t.Helper()
	for i := range clients {
		var beat wire.HeartbeatData
		beat.ClientID = fmt.Sprintf("10.1.0.%d@%d", i, 1000+i)
		for j := range groups {
			beat.Consumers = append(beat.Consumers, wire.ConsumerData{
				GroupName: fmt.Sprintf("group-%05d", j), ConsumeType: "CONSUME_PASSIVELY", MessageModel: "CLUSTERING", ConsumeFromWhere: "CONSUME_FROM_LAST_OFFSET",
				Subscriptions: []wire.SubscriptionData{{Topic: fmt.Sprintf("orders-%06d", j/500), SubString: "*", ExpressionType: "TAG", SubVersion: 1}},
			})
		}
		cmd := wire.NewRequest(wire.HeartBeat, nil)
		cmd.Body = wire.EncodeBody(beat)
		client := rpc.NewClient(rpc.ClientOptions{})
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan struct{})
		r.t.Cleanup(func() { stop(); client.Close(); <-done })
		if resp, err := client.Call(ctx, r.broker, cmd); err != nil || resp.Code != wire.CodeSuccess {
			r.t.Fatalf("%v %v", resp, err)
		}
		go func() { // members who are not heard of are forgotten
			defer close(done)
			for tick := time.NewTicker(30 * time.Second); ; {
				select {
				case <-tick.C:
					_, _ = client.Call(ctx, r.broker, cmd)
				case <-ctx.Done():
					tick.Stop()
					return
				}
			}
		}()
	}
}

// The time of each page of the console on a cluster of 100,000 topics and 3,000
// groups, 1,000 of which have 20 members, and 500 read one topic: go test -run '^$' -bench Pages -benchtime 20x ./internal/front/console.
func BenchmarkPages(b *testing.B) {
	r := started(b, nil)
	r.patience = 3 * time.Minute
	begun := time.Now()
	r.fill(100_000, 3_000)
	b.Logf("filled in %v", time.Since(begun))
	begun = time.Now()
	r.until("/topics", func(o object) bool { return o["total"] == 100_000.0 })
	b.Logf("the first list was there after %v", time.Since(begun))
	r.until("/groups?sort=-lag", func(o object) bool { return o["total"] == 3000.0 && items(o)[0]["lag"] == 100.0 })
	b.Logf("the groups that lag were known after %v", time.Since(begun))
	r.join(20, 1_000)
	r.until("/consumers", func(o object) bool { return o["total"] == 20_000.0 })
	b.Logf("the members of groups were known after %v", time.Since(begun))
	addr := url.PathEscape(r.broker)
	id := items(r.get("/topics/orders-000000/messages?limit=1"))[0]["id"].(string)
	for _, x := range []struct{ name, path string }{
		{"overview", "/overview"},
		{"topics", "/topics"},
		{"topics, last page", "/topics?offset=99950"},
		{"topics, searched", "/topics?q=777"},
		{"topics, by queues", "/topics?sort=-queues"},
		{"topic", "/topics/orders-000000"},
		{"topic's queues", "/topics/orders-000000/queues"},
		{"topic's groups", "/topics/orders-000000/groups"},
		{"groups", "/groups"},
		{"groups, by lag", "/groups?sort=-lag"},
		{"group", "/groups/group-00007"},
		{"group's progress", "/groups/group-00007/progress"},
		{"messages, scanned", "/topics/orders-000000/messages?text=total"},
		{"messages, by key", "/topics/orders-000000/messages?key=k"},
		{"message", "/messages/" + id},
		{"message's trace", "/messages/" + id + "/trace"},
		{"dead letters", "/dead-letters"},
		{"delayed", "/delayed"},
		{"transactions", "/transactions"},
		{"producers", "/producers"},
		{"consumers", "/consumers"},
		{"consumers, searched", "/consumers?q=0.7"},
		{"consumers, by address", "/consumers?sort=-addr"},
		{"settings", "/brokers/" + addr + "/settings"},
		{"history", "/history?of=cluster&range=72h"},
	} {
		b.Run(x.name, func(b *testing.B) {
			r.t = b
			worst := time.Duration(0)
			for b.Loop() {
				begun := time.Now()
				r.get(x.path)
				worst = max(worst, time.Since(begun))
			}
			b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
			b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
			b.ReportMetric(0, "ns/op")
		})
	}
	b.Run("topic created and deleted", func(b *testing.B) {
		r.t = b
		for b.Loop() {
			r.createTopic("one-more")
			r.want("DELETE", "/topics/one-more", nil)
		}
		b.ReportMetric(float64(b.Elapsed().Microseconds())/1000/float64(b.N), "ms/op")
		b.ReportMetric(0, "ns/op")
	})
	r.t = b
}
