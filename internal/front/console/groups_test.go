package console_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/wire"
)

func TestGroupsAreListedWithTheirLag(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	for _, name := range []string{"audit", "Billing", "shop"} {
		r.createGroup(name)
	}
	for range 5 {
		r.send("orders", object{"body": "x"})
	}
	r.commit("audit", "orders", 5)
	r.commit("Billing", "orders", 2)
	r.commit("shop", "orders", 4)
	out := r.until("/groups?sort=-lag", func(o object) bool { return texts(o, "group") == "Billing shop audit" && items(o)[0]["lag"] == 3.0 })
	first := items(out)[0]
	if first["known"] != true || first["online"] != false || first["lag_seconds"].(float64) <= 0 || first["topics"] != 1.0 || first["enabled"] != true {
		t.Errorf("got %v", first)
	}
	if last := items(out)[2]; last["lag_seconds"] != 0.0 {
		t.Errorf("got %v", last)
	}
	if got := texts(r.get("/groups?q=bill"), "group"); got != "Billing" {
		t.Errorf("got %q", got)
	}
	if got := texts(r.get("/groups?sort=-name&limit=1&offset=1"), "group"); got != "audit" {
		t.Errorf("got %q", got)
	}
	if totals := r.get("/overview")["totals"].(object); totals["groups"] != 3.0 || totals["lag"] != 4.0 {
		t.Errorf("got %v", totals)
	}
	r.refused("GET", "/groups?sort=colour", nil, 400, "bad_request")
	r.refused("GET", "/groups?kind=retry", nil, 400, "bad_request")
}

func TestAGroupIsCreatedChangedAndDeleted(t *testing.T) {
	r := started(t, nil)
	r.want("POST", "/groups", object{"group": "billing", "retry_max": 3, "ordered": true})
	r.refused("POST", "/groups", object{"group": "billing"}, 409, "conflict")
	config := func() object { return r.get("/groups/billing")["placed"].([]any)[0].(object)["config"].(object) }
	if c := config(); c["retry_max"] != 3.0 || c["ordered"] != true || c["enabled"] != true || c["consume_timeout_minutes"] != 15.0 {
		t.Errorf("got %v", c)
	}
	policy := object{"type": "CUSTOMIZED", "customizedRetryPolicy": object{"next": []int{1000, 2000}}}
	r.want("PATCH", "/groups/billing", object{"enabled": false, "retry_policy": policy})
	if c := config(); c["retry_max"] != 3.0 || c["enabled"] != false || c["retry_policy"].(object)["type"] != "CUSTOMIZED" {
		t.Errorf("got %v", c)
	}
	if got := items(r.get("/groups"))[0]; got["enabled"] != false {
		t.Errorf("the list has %v", got)
	}
	r.want("DELETE", "/groups/billing?offsets=1", nil)
	if got := r.get("/groups"); got["total"] != 0.0 {
		t.Errorf("the list has %v", got)
	}
	r.refused("GET", "/groups/billing", nil, 404, "not_found")
	r.refused("DELETE", "/groups/billing", nil, 404, "not_found")
	r.refused("PATCH", "/groups/billing", object{"enabled": true}, 404, "not_found")
	for _, body := range []object{{}, {"group": "a b"}, {"group": "a", "retry_max": -2}, {"group": "a", "consume_timeout_minutes": 0}, {"group": "a", "attributes": object{"": "x"}}, {"group": "a", "odd": 1}} {
		r.refused("POST", "/groups", body, 400, "bad_request")
	}
}

// Members that pop share the queues: who took last of one, and what is in hand, is
// known all the same.
func TestWhoPopsAQueueIsShown(t *testing.T) {
	t.Parallel()
	r := started(t, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	for range 3 {
		r.send("orders", object{"body": "x"})
	}
	r.beat("popper-1", "billing", "orders")
	r.call(wire.NewRequest(wire.PopMessage, &wire.PopMessageRequest{
		ConsumerGroup: "billing", Topic: "orders", QueueID: -1, MaxMsgNums: 2, InvisibleTime: 60_000, BornTime: time.Now().UnixMilli(), Exp: "*", ExpType: "TAG",
	}))
	out := r.get("/groups/billing/progress")
	q := items(out)[0]
	if q["popped"] != true || q["in_hand"] != 2.0 || q["last_pop_by"] != "popper-1" || q["client"] != "" || out["members"] != 1.0 {
		t.Errorf("got %v", out)
	}
	if at, err := time.Parse(time.RFC3339, fmt.Sprint(q["last_pop"])); err != nil || time.Since(at) > time.Minute {
		t.Errorf("the last pop was at %v", q["last_pop"])
	}
}

func TestARetryPolicyAndTheOtherFlagsOfAGroupAreChanged(t *testing.T) {
	r := started(t, nil)
	r.want("POST", "/groups", object{
		"group": "billing", "retry_policy": object{"type": "EXPONENTIAL", "exponentialRetryPolicy": object{"initial": 1000, "multiplier": 3, "max": 60000}},
		"attributes": object{"priority.factor": "40"},
	})
	config := func() object { return r.get("/groups/billing")["placed"].([]any)[0].(object)["config"].(object) }
	c := config()
	if e := c["retry_policy"].(object)["exponentialRetryPolicy"].(object); e["initial"] != 1000.0 || e["multiplier"] != 3.0 || e["max"] != 60000.0 {
		t.Errorf("the policy is %v", c["retry_policy"])
	}
	if c["attributes"].(object)["priority.factor"] != "40" || c["notify_members"] != true || c["broker_id"] != 0.0 || c["slow_broker_id"] != 1.0 {
		t.Errorf("got %v", c)
	}
	r.want("PATCH", "/groups/billing", object{"notify_members": false, "broker_id": 2, "slow_broker_id": 3, "attributes": object{"priority.factor": nil}, "retry_policy": object{"type": "CUSTOMIZED"}})
	c = config()
	if c["notify_members"] != false || c["broker_id"] != 2.0 || c["slow_broker_id"] != 3.0 || len(c["attributes"].(object)) != 0 {
		t.Errorf("got %v", c)
	}
	if p := c["retry_policy"].(object); p["type"] != "CUSTOMIZED" || p["exponentialRetryPolicy"] != nil {
		t.Errorf("the policy is still %v", p)
	}
	for _, bad := range []object{
		{"type": "SOMETIMES"},
		{"type": "CUSTOMIZED", "customizedRetryPolicy": object{"next": []int{}}},
		{"type": "CUSTOMIZED", "customizedRetryPolicy": object{"next": []int{-1}}},
		{"type": "CUSTOMIZED", "exponentialRetryPolicy": object{"initial": 1, "multiplier": 1, "max": 1}},
		{"type": "EXPONENTIAL", "exponentialRetryPolicy": object{"initial": 10, "multiplier": 2, "max": 9}},
		{"type": "EXPONENTIAL", "exponentialRetryPolicy": object{"initial": 10, "multiplier": 0, "max": 90}},
	} {
		r.refused("PATCH", "/groups/billing", object{"retry_policy": bad}, 400, "bad_request")
	}
	r.refused("PATCH", "/groups/billing", object{"broker_id": -1}, 400, "bad_request")
}

func TestAGroupIsForbiddenATopicAndAllowedItAgain(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.createTopic("secrets")
	r.createGroup("billing")
	forbidden := func() []any { return r.get("/groups/billing")["forbidden"].([]any) }
	if got := forbidden(); len(got) != 0 {
		t.Errorf("at first %v are forbidden", got)
	}
	for _, topic := range []string{"secrets", "orders"} {
		if got := r.want("POST", "/groups/billing/forbid", object{"topic": topic, "forbidden": true})["brokers"].([]any); len(got) != 1 {
			t.Errorf("%s is forbidden on %v", topic, got)
		}
	}
	got := forbidden()
	if len(got) != 2 || got[0].(object)["topic"] != "orders" || got[0].(object)["brokers"].([]any)[0] != r.brokerName() || got[1].(object)["topic"] != "secrets" {
		t.Errorf("%v are forbidden", got)
	}
	r.want("POST", "/groups/billing/forbid", object{"topic": "orders", "forbidden": false})
	if got := forbidden(); len(got) != 1 || got[0].(object)["topic"] != "secrets" {
		t.Errorf("%v are forbidden", got)
	}
	r.refused("POST", "/groups/billing/forbid", object{"topic": "none", "forbidden": true}, 404, "not_found")
	r.refused("POST", "/groups/billing/forbid", object{"topic": "orders"}, 400, "bad_request")
}

func TestAGroupsProgressAndClientsAreShown(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	if out := r.get("/groups/billing/clients"); out["online"] != false || len(items(out)) != 0 {
		t.Errorf("got %v", out)
	}
	r.refused("GET", "/groups/none/clients", nil, 404, "not_found")
	for range 3 {
		r.send("orders", object{"body": "x"})
	}
	r.commit("billing", "orders", 1)
	progress := items(r.get("/groups/billing/progress"))
	if len(progress) != 1 || progress[0]["lag"] != 2.0 || progress[0]["end"] != 3.0 || progress[0]["committed"] != 1.0 || progress[0]["min"] != 0.0 || progress[0]["lag_seconds"].(float64) <= 0 {
		t.Errorf("got %v", progress)
	}
	r.member("billing", "orders")
	clients := r.until("/groups/billing/clients", func(o object) bool { return o["online"] == true })
	if items(clients)[0]["id"] != "member-of-billing" || clients["subscriptions"].([]any)[0].(object)["topic"] != "orders" {
		t.Errorf("got %v", clients)
	}
	if got := texts(r.until("/consumers?group=billing", func(o object) bool { return o["total"] == 1.0 }), "id"); got != "member-of-billing" {
		t.Errorf("got %q", got)
	}
	if got := r.get("/groups/billing/clients/member-of-billing"); got["client"] != "member-of-billing" || got["properties"].(object)["PROP_CONSUME_TYPE"] == nil {
		t.Errorf("got %v", got)
	}
	r.refused("GET", "/groups/billing/clients/nobody", nil, 404, "not_found")
	if got := r.get("/producers"); got["loading"] != false {
		t.Errorf("got %v", got)
	}
	r.refused("GET", "/producers?sort=odd", nil, 400, "bad_request")
}

func TestAResetIsTriedAndThenDone(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	broker := r.brokerName()
	for range 10 {
		r.send("orders", object{"body": "x"})
	}
	r.commit("billing", "orders", 6)
	committed := func() any { return items(r.get("/groups/billing/progress"))[0]["committed"] }
	try := func(body object) object {
		t.Helper()
		body["topic"], body["dry_run"] = "orders", true
		before := committed()
		out := r.want("POST", "/groups/billing/reset", body)
		if now := committed(); now != before {
			t.Errorf("%v moved the group from %v to %v", body, before, now)
		}
		return out
	}
	if out := try(object{"to": "earliest"}); out["again"] != 6.0 || out["skipped"] != 0.0 || items(out)[0]["from"] != 6.0 || items(out)[0]["to"] != 0.0 || items(out)[0]["change"] != -6.0 {
		t.Errorf("got %v", out)
	}
	if out := try(object{"to": "latest"}); out["skipped"] != 4.0 {
		t.Errorf("got %v", out)
	}
	if out := try(object{"to": "time", "time": "2001-01-01T00:00:00Z"}); out["again"] != 6.0 {
		t.Errorf("got %v", out)
	}
	if out := try(object{"to": "latest", "keep_ahead": true}); len(items(out)) != 0 {
		t.Errorf("got %v", out)
	}
	if out := r.want("POST", "/groups/billing/reset", object{"topic": "orders", "to": "offset", "offset": 3, "queue": 0, "broker": broker}); items(out)[0]["to"] != 3.0 || committed() != 3.0 {
		t.Errorf("got %v, at %v", out, committed())
	}
	if out := r.want("POST", "/groups/billing/skip", object{"topic": "orders"}); out["skipped"] != 7.0 || committed() != 10.0 {
		t.Errorf("got %v, at %v", out, committed())
	}
	if out := r.want("POST", "/groups/billing/reset", object{"topic": "orders", "to": "time", "time": time.Now().Add(-time.Hour).Format(time.RFC3339)}); out["again"] != 10.0 || committed() != 0.0 {
		t.Errorf("got %v, at %v", out, committed())
	}
	for _, body := range []object{
		{"to": "earliest"}, {"topic": "orders"}, {"topic": "orders", "to": "time"}, {"topic": "orders", "to": "time", "time": "x"}, {"topic": "orders", "to": "offset", "offset": 1}, {"topic": "orders", "to": "offset", "offset": -1, "queue": 0, "broker": broker},
	} {
		r.refused("POST", "/groups/billing/reset", body, 400, "bad_request")
	}
	r.refused("POST", "/groups/none/reset", object{"topic": "orders", "to": "earliest"}, 404, "not_found")
	r.refused("POST", "/groups/billing/reset", object{"topic": "none", "to": "earliest"}, 404, "not_found")
	r.refused("POST", "/groups/billing/reset", object{"topic": "orders", "to": "earliest", "broker": "none"}, 404, "not_found")
}

func TestATopicIsForbiddenToAGroup(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	r.want("POST", "/groups/billing/forbid", object{"topic": "orders", "forbidden": true})
	r.want("POST", "/groups/billing/forbid", object{"topic": "orders", "forbidden": false})
	r.refused("POST", "/groups/billing/forbid", object{"topic": "orders"}, 400, "bad_request")
	r.refused("POST", "/groups/billing/forbid", object{"topic": "none", "forbidden": true}, 404, "not_found")
}

func TestAMessageGroupIsParkedAndReleased(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders", "type", "FIFO")
	r.createGroup("billing")
	r.send("orders", object{"body": "x", "message_group": "customer-1"})
	r.want("POST", "/groups/billing/message-groups", object{"topic": "orders", "name": "customer-1", "action": "PARK"})
	if out := items(r.get("/groups/billing/message-groups?topic=orders")); len(out) != 1 || out[0]["name"] != "customer-1" || out[0]["state"] != "PARKED" {
		t.Errorf("got %v", out)
	}
	r.want("POST", "/groups/billing/message-groups", object{"topic": "orders", "name": "customer-1", "action": "RELEASE"})
	r.refused("POST", "/groups/billing/message-groups", object{"topic": "orders", "name": "customer-1", "action": "EAT"}, 400, "bad_request")
	r.refused("GET", "/groups/billing/message-groups", nil, 400, "bad_request")
}
