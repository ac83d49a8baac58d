package console_test

import (
	"context"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

// mute registers a broker that takes connections and never says anything.
func (r *rig) mute(name string) (addr string) {
	r.t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		var held []net.Conn
		for {
			c, err := l.Accept()
			if err != nil {
				break
			}
			held = append(held, c)
		}
		for _, c := range held {
			c.Close()
		}
	}()
	r.t.Cleanup(func() { l.Close(); <-done })
	h := &wire.RegisterBrokerRequest{BrokerName: name, BrokerAddr: l.Addr().String(), ClusterName: "DefaultCluster", HaServerAddr: l.Addr().String()}
	cmd := wire.NewRequest(wire.RegisterBroker, h)
	cmd.Body = []byte(`{"topicConfigSerializeWrapper":{"topicConfigTable":{},"dataVersion":{"timestamp":1,"counter":1}},"filterServerList":[]}`)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if resp, err := r.rpc.Call(ctx, r.namesrv, cmd); err != nil || resp.Code != wire.CodeSuccess {
		r.t.Fatalf("%v %v", resp, err)
	}
	return l.Addr().String()
}

func TestABrokerThatDoesNotAnswerHidesNothingOfTheOthersAndIsNamed(t *testing.T) {
	t.Parallel()
	r := started(t, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	r.mute("broker-mute")
	for path, field := range map[string]string{"/topics": "name", "/groups": "group"} {
		out := r.until(path, func(o object) bool { return len(o["problems"].([]any)) > 0 })
		problems := out["problems"].([]any)
		if texts(out, field) == "" || len(problems) != 1 || !strings.Contains(problems[0].(string), "broker-mute does not answer") {
			t.Errorf("%s: %v", path, out)
		}
	}
	r.until("/groups", func(o object) bool { // what is known of the group lacks the broker, and says so
		why, _ := items(o)[0]["problem"].(string)
		return strings.Contains(why, "broker-mute")
	})
}

func TestMessagesOfTodayAreCountedFromMidnightOn(t *testing.T) {
	t.Parallel()
	r := started(t, nil)
	r.createTopic("orders", "write_queues", 3)
	r.get("/topics?refresh=1")
	if out := r.get("/topics/orders"); out["in_today"] != 0.0 || out["today_since"] == "" {
		t.Errorf("of an empty topic %v came today", out["in_today"])
	}
	for i, want := range []float64{1, 2, 3, 4, 5} {
		r.send("orders", object{"body": "x", "queue": i % 3, "broker": r.brokerName()})
		if out := r.get("/topics/orders"); out["in_today"] != want {
			t.Errorf("of %v messages %v came today", want, out["in_today"])
		}
	}
}

func TestTheOverviewCountsOnlyGroupsWhoseDeadLettersWait(t *testing.T) {
	t.Parallel()
	r := started(t, nil)
	r.createTopic("orders")
	count := func() any { return r.get("/overview")["totals"].(object)["dead_letters_groups"] }
	r.until("/overview", func(object) bool { return count() == 0.0 })
	for _, group := range []string{"billing", "shipping"} {
		r.createGroup(group)
		r.die(group, "orders", "a", "b")
	}
	r.until("/dead-letters?refresh=1", func(o object) bool { return len(items(o)) == 2 })
	if n := count(); n != 2.0 {
		t.Errorf("%v groups have letters that wait", n)
	}
	r.ended(r.want("POST", "/dead-letters/billing/purge", object{"filter": object{}, "all": true}))
	out := r.until("/dead-letters?refresh=1", func(o object) bool { return items(o)[0]["waiting"] == 0.0 })
	if len(items(out)) != 2 || items(out)[1]["waiting"] != 2.0 {
		t.Errorf("got %v", out)
	}
	if n := count(); n != 1.0 {
		t.Errorf("%v groups have letters that wait", n)
	}
}
