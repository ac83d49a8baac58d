package console_test

import (
	"bufio"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/node"
)

// secured is a server with users and policies, of whom root may do everything,
// and its audit log.
func secured(t *testing.T) (*rig, func() []object) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "audit.log")
	r := started(t, func(c *node.Config) {
		c.Auth = auth.Options{Authentication: true, Authorization: true, AuditLog: file, InitUser: `{"username":"root","password":"rootsecret"}`}
	})
	return r, func() (all []object) {
		t.Helper()
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			var o object
			if err := json.Unmarshal([]byte(line), &o); err != nil {
				t.Fatal(err)
			}
			all = append(all, o)
		}
		return all
	}
}

// browser logs a user in, in a browser of its own.
func (r *rig) browser(user, password string) *rig {
	r.t.Helper()
	own := *r
	own.as(user, password)
	return &own
}

func TestWhatTheConsoleDoesIsAuditedAsItsUsersAtTheirAddress(t *testing.T) {
	t.Parallel()
	r, audit := secured(t)
	root := r.browser("root", "rootsecret")
	root.createTopic("orders")
	root.want("POST", "/users", object{"user": "alice", "password": "alicesecret"})
	root.want("POST", "/acls", object{"subject": "User:alice", "entries": []object{
		{"resource": "Topic:orders", "actions": []string{"Get", "Create", "Update"}, "decision": "Allow"}, {"resource": "Cluster:*", "actions": []string{"Get"}, "decision": "Allow"},
	}})
	alice := r.browser("alice", "alicesecret")
	alice.want("PATCH", "/topics/orders", object{"perm": "R"})
	alice.refused("DELETE", "/topics/orders", nil, 403, "forbidden")
	done := map[string]string{}
	for _, line := range audit() {
		request, _, _ := strings.Cut(line["request"].(string), "(")
		user, _ := line["user"].(string)
		if line["msg"] == "administered" && user != "" {
			done[request] += user + " "
			if from, _ := line["address"].(string); from != "127.0.0.1:0" {
				t.Errorf("%s asked %s from %s, which is the console's connection and not the browser's address", user, request, from)
			}
		}
		if user == "(this server)" {
			t.Errorf("nobody did %v", line)
		}
	}
	if done["UPDATE_AND_CREATE_TOPIC"] != "root alice " || done["AUTH_CREATE_USER"] != "root " || done["AUTH_CREATE_ACL"] != "root " {
		t.Errorf("the audit log says %v", done)
	}
}

func TestASessionEndsWithItsUserAndSoDoesWhatItHasOpen(t *testing.T) {
	t.Parallel()
	r, _ := secured(t)
	root := r.browser("root", "rootsecret")
	root.createTopic("orders")
	for _, user := range []string{"alice", "bob"} {
		root.want("POST", "/users", object{"user": user, "password": user + "secret", "type": "Super"})
	}
	alice, bob := r.browser("alice", "alicesecret"), r.browser("bob", "bobsecret")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, r.base+"/api/v1/topics/orders/tail", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", alice.cookie)
	tail, err := r.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer tail.Body.Close()
	lines := bufio.NewScanner(tail.Body)
	if !lines.Scan() || lines.Text() != "event: open" {
		t.Fatalf("the tail begins with %q, %v", lines.Text(), lines.Err())
	}
	root.want("PATCH", "/users/alice", object{"password": "anothersecret"})
	alice.refused("GET", "/topics", nil, 401, "login_required")
	for lines.Scan() { // until the server ends it
	}
	root.want("DELETE", "/users/bob", nil)
	bob.refused("GET", "/topics", nil, 401, "login_required")
	root.get("/topics")
}
