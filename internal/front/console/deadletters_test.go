package console_test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"testing"
)

// ended waits until a job has ended.
func (r *rig) ended(job object) object {
	r.t.Helper()
	return r.until("/jobs/"+job["id"].(string), func(o object) bool { return o["state"] != "running" })
}

func TestDeadLettersAreListedAndLookedAt(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	r.die("billing", "orders", "a", "b", "c")
	groups := r.until("/dead-letters?refresh=1", func(o object) bool { return len(items(o)) == 1 })
	if g := items(groups)[0]; g["group"] != "billing" || g["count"] != 3.0 || g["sent"] != 0.0 || g["first"] == nil {
		t.Errorf("got %v", g)
	}
	page := r.get("/dead-letters/billing?limit=2")
	if texts(page, "preview") != "a b" || page["cursor"] == nil {
		t.Errorf("got %v", page)
	}
	if rest := r.get("/dead-letters/billing?limit=2&cursor=" + url.QueryEscape(page["cursor"].(string))); texts(rest, "preview") != "c" || rest["cursor"] != nil {
		t.Errorf("got %v", rest)
	}
	for query, want := range map[string]string{"tag=t-b": "b", "text=c": "c", "origin=orders": "a b c", "expression=" + url.QueryEscape("TAGS = 't-a'"): "a"} {
		if got := texts(r.get("/dead-letters/billing?"+query), "preview"); got != want {
			t.Errorf("%s: got %q", query, got)
		}
	}
	first := items(page)[0]
	one := r.get("/dead-letters/billing/" + first["id"].(string))
	if one["letter"].(object)["state"] != "waiting" || one["message"].(object)["body"].(object)["text"] != "a" || one["why"] == "" || one["destination"] != "%RETRY%billing" {
		t.Errorf("got %v", one)
	}
	resp, text := r.raw("GET", "/dead-letters/billing/export", nil, nil)
	if lines := bytes.Count(text, []byte("\n")); lines != 3 || resp.Header.Get("Content-Type") != "application/x-ndjson" {
		t.Errorf("got %q", text)
	}
	r.refused("GET", "/dead-letters/none", nil, 404, "not_found")
	r.refused("GET", "/dead-letters/none/export", nil, 404, "not_found")
	r.refused("GET", "/dead-letters/billing/odd", nil, 400, "bad_request")
	r.refused("GET", "/dead-letters/billing/0A0000010000274A0000000000000000", nil, 404, "not_found")
	r.refused("GET", "/dead-letters/billing?from=never", nil, 400, "bad_request")
	r.refused("GET", "/dead-letters/billing?limit=0", nil, 400, "bad_request")
}

func TestDeadLettersAreSentAgainByAJob(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	r.die("billing", "orders", "a", "b", "c")
	job := r.ended(r.want("POST", "/dead-letters/billing/redrive", object{"filter": object{}, "dry_run": true}))
	if job["state"] != "done" || job["sent"] != 3.0 || job["dry_run"] != true || job["target"] != "billing" {
		t.Errorf("got %v", job)
	}
	id := items(r.get("/dead-letters/billing?text=b"))[0]["id"]
	job = r.ended(r.want("POST", "/dead-letters/billing/redrive", object{
		"filter": object{"id": id}, "to": "origin",
		"edit": object{"body": "better", "tag": "new", "keys": []string{"k"}, "properties": object{"color": "blue", "gone": nil}},
	}))
	if job["state"] != "done" || job["sent"] != 1.0 {
		t.Errorf("got %v", job)
	}
	again := items(r.get("/topics/orders/messages?key=k"))
	if len(again) != 1 || again[0]["preview"] != "better" || again[0]["tag"] != "new" {
		t.Errorf("got %v", again)
	}
	if got := texts(r.get("/dead-letters/billing"), "preview"); got != "a c" {
		t.Errorf("left are %q", got)
	}
	if got := texts(r.get("/dead-letters/billing?handled=1"), "state"); got != "waiting sent waiting" {
		t.Errorf("states are %q", got)
	}
	job = r.ended(r.want("POST", "/dead-letters/billing/purge", object{"filter": object{"text": "a"}}))
	if job["state"] != "done" || job["purged"] != 1.0 {
		t.Errorf("got %v", job)
	}
	job = r.ended(r.want("POST", "/dead-letters/billing/redrive", object{}))
	if job["sent"] != 1.0 {
		t.Errorf("got %v", job)
	}
	if jobs := items(r.get("/jobs")); len(jobs) != 4 || jobs[1]["kind"] != "purge" {
		t.Errorf("got %v", jobs)
	}
	r.refused("POST", "/dead-letters/billing/purge", object{}, 400, "bad_request")
	for _, body := range []object{
		{"rate": -1}, {"limit": -1}, {"filter": object{"expression": "a >"}}, {"filter": object{"from": "x"}}, {"filter": object{"id": "odd"}}, {"to": "a b"},
		{"edit": object{"body": "for all"}}, {"edit": object{"properties": object{"UNIQ_KEY": "x"}}}, {"edit": object{"tag": "\x02"}}, {"odd": true},
	} {
		r.refused("POST", "/dead-letters/billing/redrive", body, 400, "bad_request")
	}
	r.refused("POST", "/dead-letters/none/redrive", object{}, 404, "not_found")
	r.refused("GET", "/jobs/none", nil, 404, "not_found")
	r.refused("DELETE", "/jobs/none", nil, 404, "not_found")
}

func TestAJobIsStopped(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	r.die("billing", "orders", "a", "b", "c")
	job := r.want("POST", "/dead-letters/billing/redrive", object{"rate": 0.001})
	r.want("DELETE", "/jobs/"+job["id"].(string), nil)
	if job = r.ended(job); job["state"] != "stopped" || job["sent"].(float64) > 1 {
		t.Errorf("got %v", job)
	}
}

func TestAFailedJobSaysWhy(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	r.die("billing", "orders", "a")
	job := r.ended(r.want("POST", "/dead-letters/billing/redrive", object{"to": "nowhere"}))
	if job["state"] != "failed" || job["error"] == "" || job["fix"] == "" {
		t.Errorf("got %v", job)
	}
}

func FuzzRequestBodies(f *testing.F) {
	r := started(f, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	r.die("billing", "orders", "a")
	paths := [][2]string{
		{"POST", "/topics"}, {"PATCH", "/topics/orders"}, {"POST", "/topics/orders/messages"}, {"POST", "/groups"}, {"PATCH", "/groups/billing"},
		{"POST", "/groups/billing/reset"}, {"POST", "/groups/billing/skip"}, {"POST", "/groups/billing/forbid"}, {"POST", "/groups/billing/message-groups"},
		{"POST", "/dead-letters/billing/redrive"}, {"POST", "/dead-letters/billing/purge"}, {"POST", "/delayed/recall"}, {"POST", "/session/login"},
		{"POST", "/messages/x/consume"}, {"PUT", "/namesrv/settings/x"}, {"POST", "/brokers/x/write-permission"},
	}
	for i, seed := range []string{
		`{"name":"a","write_queues":2,"attributes":{"a":null}}`, `{"perm":"R"}`, `{"body":"x","keys":["a"],"properties":{"a":"b"},"delay_level":1}`, `{"group":"g","retry_policy":{"type":"EXPONENTIAL"}}`,
		`{"enabled":true}`, `{"topic":"orders","to":"time","time":"2026-01-31T08:00:00Z","dry_run":true}`, `{"topic":"orders","queue":0}`, `{"topic":"orders","forbidden":true}`,
		`{"topic":"orders","name":"x","action":"PARK"}`, `{"filter":{"text":"a"},"dry_run":true,"edit":{"tag":"x","properties":{"a":null}}}`, `{"filter":{"id":"x"}}`, `{"handle":"x"}`,
		`{"user":"a","password":"b"}`, `{"group":"g","client":"c"}`, `{"value":"1"}`, `{"allowed":false}`, `[]`, `null`, `{`, `{"name":1}`,
	} {
		f.Add(uint8(i), []byte(seed))
	}
	f.Fuzz(func(t *testing.T, which uint8, body []byte) {
		at := paths[int(which)%len(paths)]
		r.t = t
		resp, text := r.raw(at[0], at[1], append([]byte{}, body...), nil)
		var out object
		if err := json.Unmarshal(text, &out); err != nil {
			t.Fatalf("%s %s: %s: %q is no JSON: %v", at[0], at[1], resp.Status, text, err)
		}
		if resp.StatusCode >= 400 && (out["error"] == "" || out["code"] == "internal") {
			t.Errorf("%s %s: %s: %s", at[0], at[1], resp.Status, text)
		}
	})
}
