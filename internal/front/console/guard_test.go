package console_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/node"
)

// door lets alice in, who may look at everything and change topics.
type door struct{}

func (door) Login(_ context.Context, _ netip.AddrPort, user, password string) (mq.Caller, error) {
	if user != "alice" || password != "secret" {
		return mq.Caller{}, errors.New("user or password is wrong")
	}
	return mq.Caller{User: user}, nil
}

func (door) Is(user, password string) bool { return user == "alice" && password == "secret" }

func (door) Changed() <-chan struct{} { return nil }

func (door) Allowed(_ context.Context, c mq.Caller, action, resource string) error {
	if c.User == "alice" && (action == "GET" || action == "LIST" || action == "SUB" && resource == "Topic:orders" || strings.HasPrefix(resource, "Topic:orders") && action == "CREATE") {
		return nil
	}
	return fmt.Errorf("%s may not %s %s; ask an administrator", c.User, action, resource)
}

func guarded(t *testing.T) *rig {
	t.Helper()
	return started(t, func(c *node.Config) { c.Console.Access = door{} })
}

func TestWhoHasNotLoggedInSeesNothing(t *testing.T) {
	r := guarded(t)
	session := r.get("/session")
	if session["authentication"] != true || session["user"] != "" || session["version"] != "" || len(session["sites"].([]any)) != 0 {
		t.Errorf("strangers learn %v", session)
	}
	r.refused("GET", "/topics", nil, 401, "login_required")
	r.refused("GET", "/overview", nil, 401, "login_required")
	r.refused("POST", "/topics", object{"name": "orders"}, 401, "login_required")
	r.refused("POST", "/session/login", object{"user": "alice", "password": "guess"}, 401, "login_required")
	r.cookie = "goddard_session=guess"
	r.refused("GET", "/topics", nil, 401, "login_required")
}

// login logs alice in.
func (r *rig) login() *http.Cookie {
	r.t.Helper()
	resp, text := r.raw("POST", "/session/login", []byte(`{"user":"alice","password":"secret"}`), nil)
	if resp.StatusCode != http.StatusOK || len(resp.Cookies()) != 1 {
		r.t.Fatalf("%s: %s", resp.Status, text)
	}
	c := resp.Cookies()[0]
	r.cookie = c.Name + "=" + c.Value
	r.csrf, _ = r.get("/session")["csrf"].(string)
	return c
}

func TestWhoLoggedInMayDoWhatIsAllowed(t *testing.T) {
	r := guarded(t)
	before := r.csrf
	c := r.login()
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.Path != "/" {
		t.Errorf("the cookie is %v", c)
	}
	if r.csrf == before || r.csrf == "" {
		t.Error("the token is that of strangers")
	}
	r.createTopic("orders")
	out := r.refused("POST", "/topics", object{"name": "secrets"}, 403, "forbidden")
	if out["error"] != "alice may not CREATE Topic:secrets" || out["fix"] != "ask an administrator" {
		t.Errorf("got %v", out)
	}
	r.refused("DELETE", "/topics/orders", nil, 403, "forbidden")
	r.refused("POST", "/topics/orders/messages", object{"body": "x"}, 403, "forbidden")
	r.refused("POST", "/groups", object{"group": "billing"}, 403, "forbidden")
	r.refused("GET", "/topics/secrets/messages", nil, 403, "forbidden")
	r.get("/topics/orders/messages")
	csrf := r.csrf
	r.csrf = before
	r.refused("POST", "/topics", object{"name": "orders2"}, 403, "csrf")
	r.csrf = csrf
	r.want("POST", "/session/logout", object{})
	r.refused("GET", "/topics", nil, 401, "login_required")
}

func TestPagesOfOthersCannotUseTheBrowser(t *testing.T) {
	r := started(t, nil)
	host := strings.TrimPrefix(r.base, "http://")
	_, port, _ := strings.Cut(host, ":")
	for _, tt := range []struct {
		headers map[string]string
		status  int
	}{
		{map[string]string{"X-Goddard-CSRF": ""}, 403},
		{map[string]string{"X-Goddard-CSRF": "guess"}, 403},
		{map[string]string{"Origin": "http://evil.example"}, 403},
		{map[string]string{"Origin": "null"}, 403},
		{map[string]string{"Sec-Fetch-Site": "cross-site"}, 403},
		{map[string]string{"Sec-Fetch-Site": "same-site"}, 403},
		{map[string]string{"Content-Type": "text/plain"}, 400},
		{map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, 400},
		{map[string]string{"Host": "evil.example:" + port}, 403}, // a name that points here
		{map[string]string{"Origin": r.base, "Sec-Fetch-Site": "same-origin"}, 201},
		{map[string]string{"Host": "localhost:" + port, "Origin": "http://localhost:" + port}, 409},
	} {
		resp, text := r.raw("POST", "/topics", []byte(`{"name":"orders"}`), tt.headers)
		if resp.StatusCode != tt.status {
			t.Errorf("%v: %s %s", tt.headers, resp.Status, text)
		}
	}
	for _, path := range []string{"/api/v1/topics", "/api/v1/session"} {
		if resp, _ := r.raw("GET", path, nil, map[string]string{"Host": "evil.example"}); resp.StatusCode != http.StatusForbidden {
			t.Errorf("%s under another name: %s", path, resp.Status)
		}
	}
	resp, _ := r.raw("GET", "/session", nil, nil)
	for key, want := range map[string]string{"X-Frame-Options": "DENY", "X-Content-Type-Options": "nosniff", "Cache-Control": "no-store", "Access-Control-Allow-Origin": ""} {
		if got := resp.Header.Get(key); got != want {
			t.Errorf("%s is %q", key, got)
		}
	}
	if policy := resp.Header.Get("Content-Security-Policy"); !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") {
		t.Errorf("the policy is %q", policy)
	}
}

func TestNamedHostsMayBeUsedWithoutAuthentication(t *testing.T) {
	r := started(t, func(c *node.Config) { c.Console.Hosts = []string{"mq.example"} })
	for host, status := range map[string]int{"mq.example:8082": 200, "MQ.example": 200, "evil.example": 403} {
		if resp, _ := r.raw("GET", "/session", nil, map[string]string{"Host": host}); resp.StatusCode != status {
			t.Errorf("%s: %s", host, resp.Status)
		}
	}
}

func TestAConsoleThatOnlyReadsChangesNothing(t *testing.T) {
	r := started(t, func(c *node.Config) { c.Console.ReadOnly = true })
	r.refused("POST", "/topics", object{"name": "orders"}, 403, "forbidden")
	if r.get("/session")["read_only"] != true {
		t.Error("it does not say so")
	}
}

func TestLongAndOddRequestsAreRefused(t *testing.T) {
	r := started(t, nil)
	long := append(append([]byte(`{"name":"`), make([]byte, 7<<20)...), `"}`...)
	for i := 9; i < len(long)-2; i++ {
		long[i] = 'a'
	}
	if resp, text := r.raw("POST", "/topics", long, nil); resp.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("%s: %.200s", resp.Status, text)
	}
	for _, body := range []string{``, `[]`, `"x"`, `{"name":"a"} more`, `{"name":`, `{"nope":1}`} {
		if resp, text := r.raw("POST", "/topics", []byte(body), map[string]string{"Content-Type": "application/json"}); resp.StatusCode != http.StatusBadRequest || !strings.Contains(string(text), `"fix":"`) {
			t.Errorf("%s: %s: %s", body, resp.Status, text)
		}
	}
	r.refused("GET", "/nothing", nil, 404, "not_found")
	r.refused("PUT", "/topics", object{}, 405, "method_not_allowed")
}

func TestPagesAreServedBesideTheAPI(t *testing.T) {
	r := started(t, nil)
	resp, err := r.client.Get(r.base + "/")
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK || !strings.HasPrefix(resp.Header.Get("Content-Type"), "text/html") || resp.Header.Get("Content-Security-Policy") == "" {
		t.Errorf("got %s, %v", resp.Status, resp.Header)
	}
}

func TestTheConsoleCanBeSwitchedOff(t *testing.T) {
	s, err := node.New(node.Config{Role: node.RoleNamesrv, Listen: "127.0.0.1", NamesrvPort: -1, HTTPPort: -1, Data: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}
