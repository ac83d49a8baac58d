//go:build compat

package compat

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/front/console"
	"github.com/goddardmq/goddard/internal/test/against"
)

// The console operates RocketMQ's clusters as it operates ours.
func TestConsole(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.Cluster(t)
		c, err := console.New(console.Options{Local: []console.Site{{Name: "it", Namesrvs: []string{cluster.NameServer}}}})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(context.Background())
		done := make(chan error, 1)
		go func() { done <- c.Run(ctx) }()
		t.Cleanup(func() {
			stop()
			if err := <-done; err != nil {
				t.Error(err)
			}
		})
		s := httptest.NewServer(c)
		t.Cleanup(s.Close)
		u := &consoleUser{t: t, base: s.URL + "/api/v1"}
		u.csrf = u.ask("GET", "/session", "", 200)["csrf"].(string)
		ours := m.Name() == "goddard"
		u.operate(cluster.Broker, ours)
		t.Run("pages", func(t *testing.T) {
			var meant []string
			if !ours {
				meant = []string{"501"} // it cannot list what is delayed or half; its access control is off
			}
			u.look(t, s.URL, cluster.Broker, meant...)
		})
	})
}

// A consoleUser asks the console.
type consoleUser struct {
	t          *testing.T
	base, csrf string
}

// ask wants an answer with a status.
func (u *consoleUser) ask(method, path, body string, status int) map[string]any {
	u.t.Helper()
	req, err := http.NewRequest(method, u.base+path, strings.NewReader(body))
	if err != nil {
		u.t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Goddard-CSRF", u.csrf)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		u.t.Fatal(err)
	}
	defer resp.Body.Close()
	var text bytes.Buffer
	if _, err := text.ReadFrom(resp.Body); err != nil {
		u.t.Fatal(err)
	}
	var out map[string]any
	if err := json.Unmarshal(text.Bytes(), &out); err != nil || resp.StatusCode != status {
		failf(u.t, "%s %s %s: %s: %s", method, path, body, resp.Status, text.Bytes())
	}
	return out
}

// until asks again until an answer has a text in it.
func (u *consoleUser) until(path, text string) map[string]any {
	u.t.Helper()
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) {
		out := u.ask("GET", path, "", 200)
		raw, err := json.Marshal(out)
		if err != nil {
			u.t.Fatal(err)
		}
		if bytes.Contains(raw, []byte(text)) {
			return out
		}
		if time.Now().After(end) {
			failf(u.t, "GET %s has no %s: %s", path, text, raw)
		}
	}
}

// operate goes through the pages. ours says that the brokers are Goddard's.
func (u *consoleUser) operate(broker string, ours bool) {
	u.t.Helper()
	overview := u.until("/overview", `"role":"master"`)
	name := overview["brokers"].([]any)[0].(map[string]any)["name"].(string)
	u.ask("POST", "/topics", `{"name":"console_orders","write_queues":2,"type":"NORMAL"}`, 201)
	u.until("/topics?q=CONSOLE_ord", `"console_orders"`)
	u.ask("PATCH", "/topics/console_orders", `{"read_queues":1,"write_queues":1}`, 200)
	u.until("/topics?q=console_orders", `"write_queues":1`)
	u.ask("POST", "/groups", `{"group":"console_g","retry_max":3}`, 201)
	u.until("/groups?q=console_g", `"console_g"`)
	u.ask("PATCH", "/groups/console_g", `{"enabled":false}`, 200)
	u.until("/groups/console_g", `"enabled":false`)
	u.ask("PATCH", "/groups/console_g", `{"enabled":true}`, 200)
	// Name servers tell of a topic's queues when its broker has told them.
	u.until("/topics/console_orders/route", `"write_queues":1`)
	var id, unique string
	for range 5 {
		sent := u.ask("POST", "/topics/console_orders/messages", `{"body":"{\"n\": 1}","tag":"a","keys":["k"],"properties":{"color":"red"}}`, 200)["items"].([]any)[0].(map[string]any)
		id, unique = sent["id"].(string), sent["unique_id"].(string)
	}
	u.until("/topics/console_orders/queues", `"max":5`)
	u.until("/topics/console_orders/messages?key=k", unique)
	u.until("/topics/console_orders/messages?property=color%3Dred&tag=a&text=n", unique)
	u.until("/topics/console_orders/messages?order=asc&limit=2&from=2001-01-01T00:00:00Z", `"cursor"`)
	u.until("/messages/"+id, `"kind":"json"`)
	u.until("/messages/"+unique+"?topic=console_orders", id)
	u.until("/messages/"+id+"/trace", `"stored"`)
	u.ask("GET", "/topics/console_orders", "", 200)

	reset := `{"topic":"console_orders","to":"offset","offset":2,"queue":0,"broker":"` + name + `"`
	if out := u.ask("POST", "/groups/console_g/reset", reset+`,"dry_run":true}`, 200); len(out["items"].([]any)) != 1 {
		failf(u.t, "a reset would do %v", out)
	}
	u.ask("POST", "/groups/console_g/reset", reset+`}`, 200)
	u.until("/groups/console_g/progress?topic=console_orders", `"committed":2`)
	u.until("/groups?q=console_g", `"lag":3`)
	u.until("/topics/console_orders/groups", `"lag":3`)
	u.ask("POST", "/groups/console_g/skip", `{"topic":"console_orders"}`, 200)
	u.until("/groups/console_g/progress?topic=console_orders", `"lag":0`)
	u.ask("GET", "/groups/console_g/clients", "", 200)
	u.ask("GET", "/producers", "", 200)
	u.ask("GET", "/consumers", "", 200)
	u.ask("GET", "/dead-letters", "", 200)

	settings := "/brokers/" + url.PathEscape(broker) + "/settings"
	u.until(settings, `"fileReservedTime"`)
	u.ask("PUT", settings+"/fileReservedTime", `{"value":"48"}`, 200)
	u.until(settings+"?q=fileReservedTime", `"value":"48"`)
	u.until("/namesrv/settings", `"orderMessageEnable"`)
	u.until("/history?of=cluster&range=15m", `"in_tps"`)
	u.ask("GET", "/history?of=topic&topic=console_orders", "", 200)
	if ours {
		u.ask("GET", "/delayed", "", 200)
		u.ask("GET", "/transactions", "", 200)
	} else {
		u.ask("GET", "/delayed", "", 501)
		u.ask("GET", "/transactions", "", 501)
	}
	u.ask("DELETE", "/groups/console_g?offsets=1", "", 200)
	u.ask("DELETE", "/topics/console_orders", "", 200)
	u.until("/topics?q=console_orders", `"total":0`)
}
