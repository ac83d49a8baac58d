package console_test

import (
	"testing"
)

func TestTopicsAreListedInPagesAndFound(t *testing.T) {
	r := started(t, nil)
	for _, name := range []string{"alpha", "Beta", "beta-2", "gamma"} {
		r.createTopic(name)
	}
	r.createTopic("orders", "type", "FIFO", "write_queues", 4)
	for _, tt := range []struct{ query, want string }{
		{"", "Beta alpha beta-2 gamma orders"},
		{"?q=BETA", "Beta beta-2"},
		{"?limit=2&offset=1", "alpha beta-2"},
		{"?sort=-name&limit=1", "orders"},
		{"?sort=-queues&limit=1", "orders"},
		{"?type=FIFO", "orders"},
		{"?kind=system&q=schedule", "SCHEDULE_TOPIC_XXXX"},
		{"?offset=99", ""},
	} {
		if got := texts(r.get("/topics"+tt.query), "name"); got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.query, got, tt.want)
		}
	}
	page := r.get("/topics?limit=2")
	if page["total"] != 5.0 || page["loading"] != false {
		t.Errorf("got %v", page)
	}
	one := items(r.get("/topics?q=orders"))[0]
	if one["write_queues"] != 4.0 || one["perm"] != "RW" || one["kind"] != "user" || one["type"] != "FIFO" {
		t.Errorf("got %v", one)
	}
}

func TestATopicIsCreatedChangedAndDeleted(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders", "read_queues", 2, "write_queues", 2)
	if out := r.refused("POST", "/topics", object{"name": "orders"}, 409, "conflict"); out["fix"] == "" {
		t.Error("no word on what to do")
	}
	r.want("PATCH", "/topics/orders", object{"write_queues": 3, "read_queues": 3, "perm": "R", "attributes": object{"dedup.window.seconds": "60"}})
	one := r.get("/topics/orders")
	place := one["placed"].([]any)[0].(object)
	if one["queues"] != 3.0 || place["perm"] != "R" || place["attributes"].(object)["dedup.window.seconds"] != "60" {
		t.Errorf("got %v", one)
	}
	if got := items(r.get("/topics"))[0]; got["perm"] != "R" || got["write_queues"] != 3.0 {
		t.Errorf("the list has %v", got)
	}
	r.want("PATCH", "/topics/orders", object{"attributes": object{"dedup.window.seconds": nil}})
	if got := items(r.get("/topics"))[0]; len(got["attributes"].(object)) != 0 {
		t.Errorf("the list has %v", got)
	}
	r.want("DELETE", "/topics/orders", nil)
	if got := r.get("/topics"); got["total"] != 0.0 {
		t.Errorf("the list has %v", got)
	}
	r.refused("GET", "/topics/orders", nil, 404, "not_found")
	r.refused("DELETE", "/topics/orders", nil, 404, "not_found")
	r.refused("PATCH", "/topics/orders", object{"perm": "RW"}, 404, "not_found")
}

func TestWhatATopicCannotBeIsRefused(t *testing.T) {
	r := started(t, nil)
	for _, body := range []object{
		{}, {"name": "a b"}, {"name": "a", "write_queues": 0}, {"name": "a", "write_queues": 100000}, {"name": "a", "perm": "X"}, {"name": "a", "type": "ODD"},
		{"name": "a", "attributes": object{"x,y": "1"}}, {"name": "a", "cluster": "DefaultCluster", "broker": "127.0.0.1:1"}, {"name": "a", "colour": "red"},
	} {
		r.refused("POST", "/topics", body, 400, "bad_request")
	}
	r.refused("POST", "/topics", object{"name": "a", "cluster": "no-such"}, 422, "refused")
	for _, query := range []string{"?limit=0", "?limit=501", "?offset=-1", "?sort=colour", "?kind=odd", "?limit=x"} {
		r.refused("GET", "/topics"+query, nil, 400, "bad_request")
	}
}

func TestATopicsQueuesGroupsAndRouteAreShown(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	for range 3 {
		r.send("orders", object{"body": "x"})
	}
	r.commit("billing", "orders", 1)
	queue := items(r.get("/topics/orders/queues"))[0]
	if queue["max"] != 3.0 || queue["messages"] != 3.0 || queue["last_update"] == nil {
		t.Errorf("got %v", queue)
	}
	r.get("/groups?refresh=1")
	groups := r.until("/topics/orders/groups", func(o object) bool { return len(items(o)) == 1 && items(o)[0]["lag"] == 2.0 })
	if groups["total"] != 1.0 || items(groups)[0]["group"] != "billing" {
		t.Errorf("got %v", groups)
	}
	route := r.get("/topics/orders/route")
	if len(route["brokers"].([]any)) != 1 || route["queues"].([]any)[0].(object)["perm"] != "RW" {
		t.Errorf("got %v", route)
	}
	if one := r.get("/topics/orders"); one["messages"] != 3.0 || one["groups"] != 1.0 {
		t.Errorf("got %v", one)
	}
	r.refused("GET", "/topics/none/queues", nil, 404, "not_found")
	r.refused("GET", "/topics/none/groups", nil, 404, "not_found")
	r.refused("GET", "/topics/none/route", nil, 404, "not_found")
	r.refused("GET", "/topics/orders/producers", nil, 400, "bad_request")
}

func TestAPageOfTopicsHasTheirRatesIfAskedFor(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	if _, told := items(r.get("/topics"))[0]["in_tps"]; told {
		t.Error("brokers were asked for rates that nobody wants")
	}
	if rate, told := items(r.get("/topics?rates=1"))[0]["in_tps"]; !told || rate != 0.0 {
		t.Errorf("got the rate %v", rate)
	}
}
