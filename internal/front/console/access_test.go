package console_test

import (
	"net/http"
	"testing"

	"github.com/goddardmq/goddard/internal/node"
)

// as logs somebody in.
func (r *rig) as(user, password string) {
	r.t.Helper()
	r.cookie = ""
	r.csrf, _ = r.get("/session")["csrf"].(string)
	resp, text := r.raw("POST", "/session/login", []byte(`{"user":"`+user+`","password":"`+password+`"}`), nil)
	if resp.StatusCode != http.StatusOK {
		r.t.Fatalf("%s: %s", resp.Status, text)
	}
	var c *http.Cookie = resp.Cookies()[0]
	r.cookie = c.Name + "=" + c.Value
	r.csrf, _ = r.get("/session")["csrf"].(string)
}

// With authentication the console has no power of its own: brokers are asked
// with the name of who is logged in.
func TestUsersSeeAndDoWhatTheirPoliciesAllow(t *testing.T) {
	r := started(t, func(c *node.Config) {
		c.Auth.Authentication, c.Auth.Authorization, c.Auth.InitUser = true, true, `{"username":"root","password":"rootsecret"}`
	})
	r.refused("GET", "/topics", nil, 401, "login_required")
	r.refused("GET", "/users", nil, 401, "login_required")
	r.as("root", "rootsecret")
	r.until("/overview", func(o object) bool { return len(o["brokers"].([]any)) == 1 })
	r.createTopic("orders")
	r.createTopic("secrets")
	if got := texts(r.until("/topics", func(o object) bool { return o["loading"] == false }), "name"); got != "orders secrets" {
		t.Errorf("got %q", got)
	}
	r.want("POST", "/users", object{"user": "alice", "password": "alicesecret", "type": "Normal"})
	r.refused("POST", "/users", object{"user": "alice", "password": "alicesecret"}, 409, "conflict")
	r.refused("POST", "/users", object{"user": "bob"}, 400, "bad_request")
	r.refused("POST", "/users", object{"user": "bob", "password": "x", "type": "King"}, 400, "bad_request")
	r.refused("PATCH", "/users/nobody", object{"status": "disable"}, 404, "not_found")
	users := r.get("/users")
	if texts(users, "user") != "alice root" || items(users)[0]["type"] != "Normal" || items(users)[0]["status"] != "enable" {
		t.Errorf("got %v", users)
	}
	r.want("POST", "/acls", object{"subject": "User:alice", "entries": []object{{"resource": "Topic:orders", "actions": []string{"Pub", "Sub", "Get"}, "decision": "Allow"}}})
	r.refused("POST", "/acls", object{"subject": "alice", "entries": []object{{"resource": "Topic:orders", "actions": []string{"Pub"}, "decision": "Allow"}}}, 400, "bad_request")
	r.refused("POST", "/acls", object{"subject": "User:alice"}, 400, "bad_request")
	acls := items(r.get("/acls?q=alice"))
	if len(acls) != 1 || acls[0]["subject"] != "User:alice" {
		t.Fatalf("got %v", acls)
	}
	if e := acls[0]["policies"].([]any)[0].(object)["entries"].([]any)[0].(object); e["resource"] != "Topic:orders" || e["decision"] != "Allow" {
		t.Errorf("got %v", e)
	}
	for topic, decision := range map[string]string{"orders": "Allow", "secrets": "Deny"} {
		if e := items(r.get("/acls/explain?user=alice&action=Pub&resource=Topic:" + topic))[0]; e["decision"] != decision || e["reason"] == "" {
			t.Errorf("%s: got %v", topic, e)
		}
	}
	r.refused("GET", "/acls/explain?user=alice", nil, 400, "bad_request")

	r.as("alice", "alicesecret")
	r.send("orders", object{"body": "x"})
	r.refused("POST", "/topics/secrets/messages", object{"body": "x"}, 403, "forbidden")
	r.refused("DELETE", "/topics/orders", nil, 403, "forbidden")
	r.refused("POST", "/users", object{"user": "eve", "password": "evesecret"}, 403, "forbidden")
	r.refused("GET", "/acls", nil, 403, "forbidden")

	r.as("root", "rootsecret")
	r.want("PATCH", "/acls/User:alice", object{"entries": []object{{"resource": "Topic:orders", "actions": []string{"Pub"}, "decision": "Deny"}}})
	r.want("DELETE", "/acls/User:alice", nil)
	r.want("PATCH", "/users/alice", object{"status": "disable"})
	r.want("DELETE", "/users/alice", nil)
	if got := texts(r.get("/users"), "user"); got != "root" {
		t.Errorf("got %q", got)
	}
}
