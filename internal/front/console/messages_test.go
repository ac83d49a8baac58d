package console_test

import (
	"bufio"
	"bytes"
	"compress/zlib"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/node"
	"github.com/goddardmq/goddard/internal/remote"
)

func TestAMessageIsSentAndFoundByEverythingItHas(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	for i := range 3 {
		r.send("orders", object{"body": fmt.Sprintf("other %d", i), "tag": "other"})
	}
	sent := r.send("orders", object{
		"body": `{"total": 7}`, "tag": "paid", "keys": []string{"k1", "k2"}, "properties": object{"color": "red", "price": "12"},
	})
	id, unique := sent["id"].(string), sent["unique_id"].(string)
	if sent["offset"] != 3.0 || sent["queue"] != 0.0 {
		t.Errorf("sent %v", sent)
	}
	for _, query := range []string{
		"key=k2", "unique_id=" + unique, "tag=paid", "tag=paid||x", "property=color%3Dred", "property=color", "text=total", "expression=" + url.QueryEscape("price > 10"),
		"key=k1&tag=paid", "queue=0&key=k1", "order=asc&tag=paid",
	} {
		out := r.get("/topics/orders/messages?" + query)
		if texts(out, "unique_id") != unique {
			t.Errorf("%s: got %v", query, out)
		}
	}
	for _, query := range []string{"tag=none", "property=color%3Dblue", "text=nothing", "key=none", "queue=0&key=none", "to=2001-01-01T00:00:00Z", "from=2900-01-01T00:00:00Z"} {
		if out := r.get("/topics/orders/messages?" + query); len(items(out)) != 0 {
			t.Errorf("%s: got %v", query, out)
		}
	}
	for _, path := range []string{"/messages/" + id, "/messages/" + unique + "?topic=orders"} {
		m := r.get(path)
		body := m["body"].(object)
		if m["unique_id"] != unique || m["topic"] != "orders" || m["properties"].(object)["color"] != "red" || body["kind"] != "json" || body["text"] != `{"total": 7}` || m["intact"] != true {
			t.Errorf("%s: got %v", path, m)
		}
	}
	resp, text := r.raw("GET", "/messages/"+id+"/body", nil, nil)
	if string(text) != `{"total": 7}` || !strings.HasPrefix(resp.Header.Get("Content-Disposition"), "attachment") {
		t.Errorf("got %q, %v", text, resp.Header)
	}
}

func TestBodiesAreShownAsWhatTheyAre(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	big := strings.Repeat("é", 200<<10)
	for _, tt := range []struct {
		send, want object
	}{
		{object{"body": "plain"}, object{"kind": "text", "text": "plain"}},
		{object{"body": "7"}, object{"kind": "text", "text": "7"}},
		{object{"body": "[1]"}, object{"kind": "json", "text": "[1]"}},
		{object{"body_base64": "/wA="}, object{"kind": "binary", "base64": "/wA="}},
		{object{"body": big}, object{"kind": "text", "truncated": true, "size": float64(len(big)), "text": big[:256<<10]}},
	} {
		sent := r.send("orders", tt.send)
		body := r.get("/messages/" + sent["id"].(string))["body"].(object)
		for key, want := range tt.want {
			if body[key] != want {
				t.Errorf("%.40v: %s is %.40v", tt.send, key, body[key])
			}
		}
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	z.Write([]byte("unpacked"))
	z.Close()
	queues, err := r.remote.WriteQueues(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	sent, err := r.remote.Send(t.Context(), queues[0], "p", &mq.Message{Topic: "orders", BornTime: 1, Body: packed.Bytes(), SysFlag: mq.FlagCompressed})
	if err != nil {
		t.Fatal(err)
	}
	body := r.get("/messages/" + sent.OffsetMsgID)["body"].(object)
	if body["text"] != "unpacked" || body["compression"] != "zlib" || body["size"] != 8.0 || body["stored_size"] != float64(packed.Len()) {
		t.Errorf("got %v", body)
	}
}

func TestAScanGoesOnWhereItsCursorSays(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders", "write_queues", 3)
	var want []string
	for i := range 150 {
		body := fmt.Sprintf("m%03d", i)
		want = append(want, body)
		r.send("orders", object{"body": body, "queue": i % 3})
	}
	for _, order := range []string{"asc", "desc"} {
		seen := map[string]bool{}
		cursor, pages, last := "", 0, ""
		for {
			out := r.get("/topics/orders/messages?limit=40&scan=64&order=" + order + "&cursor=" + cursor)
			for _, m := range items(out) {
				body, stored := m["preview"].(string), m["stored"].(string)
				if seen[body] {
					t.Fatalf("%s: %s comes twice", order, body)
				}
				if last != "" && (order == "asc" && stored < last || order == "desc" && stored > last) {
					t.Errorf("%s: %s behind %s", order, stored, last)
				}
				seen[body], last = true, stored
			}
			pages++
			var more bool
			if cursor, more = out["cursor"].(string); !more {
				break
			}
		}
		if len(seen) != len(want) || pages != 4 {
			t.Errorf("%s: %d messages on %d pages", order, len(seen), pages)
		}
	}
	// Few are looked at, none of them wanted: the next page goes on.
	out := r.get("/topics/orders/messages?text=m000&scan=50")
	if len(items(out)) != 0 || out["looked"] != 50.0 || out["cursor"] == nil {
		t.Errorf("got %v", out)
	}
	for _, cursor := range []string{"x", "e30x", base64.RawURLEncoding.EncodeToString([]byte(`{"s":[{"b":"none","q":0,"l":0,"h":9}]}`)), base64.RawURLEncoding.EncodeToString([]byte(`{"s":[{"b":"x","q":0,"l":9,"h":0}]}`))} {
		r.refused("GET", "/topics/orders/messages?cursor="+cursor, nil, 400, "bad_request")
	}
}

func TestWhatCannotBeSentOrSoughtIsRefused(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	for _, body := range []object{
		{"body": "a", "body_base64": "YQ=="}, {"body_base64": "%"}, {"body": "a", "count": 101}, {"body": "a", "properties": object{"a": ""}},
		{"body": "a", "properties": object{"a": "\x02"}}, {"body": "a", "delay_ms": 5, "delay_level": 1}, {"body": "a", "delay_ms": -1}, {"body": "a", "deliver_at": "soon"}, {"odd": 1},
	} {
		r.refused("POST", "/topics/orders/messages", body, 400, "bad_request")
	}
	r.refused("POST", "/topics/orders/messages", object{"body": "a", "queue": 9}, 404, "not_found")
	r.refused("POST", "/topics/nowhere/messages", object{"body": "a"}, 404, "not_found")
	if out := r.get("/topics"); out["total"] != 1.0 {
		t.Errorf("a topic was made by the way: %v", out)
	}
	for _, query := range []string{"limit=0", "scan=20001", "from=never", "order=up", "property=%3Dx", "expression=" + url.QueryEscape("a >"), "queue=-1", "queue=9"} {
		r.refused("GET", "/topics/orders/messages?"+query, nil, 400, "bad_request")
	}
	r.refused("GET", "/topics/nowhere/messages", nil, 404, "not_found")
	r.refused("GET", "/messages/odd", nil, 400, "bad_request")
	r.refused("GET", "/messages/odd?topic=orders", nil, 404, "not_found")
	// An id that names another host makes nobody ask that host.
	r.refused("GET", "/messages/0A0000010000274A0000000000000000", nil, 404, "not_found")
	r.refused("GET", "/messages/0A0000010000274A0000000000000000?topic=orders", nil, 404, "not_found")
}

func TestADelayedMessageIsListedAndCalledBack(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders", "type", "DELAY")
	r.send("orders", object{"body": "later", "delay_ms": 3600000, "keys": []string{"k"}})
	waiting := items(r.until("/delayed?topic=orders", func(o object) bool { return len(items(o)) > 0 }))
	if len(waiting) != 1 || waiting[0]["topic"] != "orders" || waiting[0]["due"] == nil {
		t.Fatalf("got %v", waiting)
	}
	r.want("POST", "/delayed/recall", object{"handle": waiting[0]["handle"]})
	r.until("/delayed", func(o object) bool { return len(items(o)) == 0 })
	r.refused("POST", "/delayed/recall", object{"handle": "odd"}, 400, "bad_request")
	r.refused("GET", "/delayed?limit=5000", nil, 400, "bad_request")
	r.refused("GET", "/delayed?topic=nowhere", nil, 404, "not_found")
}

func TestAHalfMessageIsListedCheckedAndEnded(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders", "type", "TRANSACTION")
	queues, err := r.remote.WriteQueues(t.Context(), "orders")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		props := mq.AppendProperty(mq.AppendProperty(nil, mq.PropTransaction, "true"), mq.PropProducerGroup, "shop")
		props = mq.AppendProperty(props, mq.PropUniqueKey, remote.NewKeys().Next())
		m := &mq.Message{Topic: "orders", BornTime: time.Now().UnixMilli(), Body: []byte("half"), SysFlag: mq.FlagPrepared, Properties: props}
		if _, err := r.remote.Send(t.Context(), queues[0], "shop", m); err != nil {
			t.Fatal(err)
		}
	}
	half := items(r.until("/transactions?topic=orders&group=shop", func(o object) bool { return len(items(o)) > 1 }))
	if len(half) != 2 || half[0]["group"] != "shop" || half[0]["given_up"] != false {
		t.Fatalf("got %v", half)
	}
	first, second := half[0]["id"].(string), half[1]["id"].(string)
	r.want("POST", "/transactions/"+first+"/check", object{})
	r.want("POST", "/transactions/"+first+"/commit", object{})
	r.want("POST", "/transactions/"+second+"/rollback", object{})
	r.until("/transactions", func(o object) bool { return len(items(o)) == 0 })
	r.until("/topics/orders/queues", func(o object) bool { return items(o)[0]["max"] == 1.0 })
	r.refused("POST", "/transactions/odd/commit", object{}, 400, "bad_request")
	r.refused("POST", "/transactions/0A0000010000274A0000000000000000/commit", object{}, 404, "not_found")
	if status, out := r.ask("POST", "/transactions/"+first+"/commit", object{}); status < 400 {
		t.Errorf("ended twice: %v", out)
	}
}

// traceOf is what a client records of a message that it sent and one consumed.
func traceOf(unique string) string {
	pub := []string{"Pub", "1700000000000", "R", "shop", "orders", unique, "", "", "127.0.0.1:10911", "3", "4", "0", "ID", "true", "10.0.0.7"}
	before := []string{"SubBefore", "1700000001000", "R", "billing", "req1", unique, "1", ""}
	after := []string{"SubAfter", "req1", unique, "12", "false", "", "1", "1700000001012", "billing"}
	begun := []string{"SubBefore", "1700000002000", "R", "audit", "req2", unique, "0", ""}
	var text string
	for _, record := range [][]string{pub, before, after, begun} {
		text += strings.Join(record, "\x01") + "\x02"
	}
	return text
}

func TestAMessagesTraceIsATimeline(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.createTopic("traces")
	r.createGroup("billing")
	r.commit("billing", "orders", 1)
	sent := r.send("orders", object{"body": "x"})
	unique := sent["unique_id"].(string)
	out := r.get("/messages/" + sent["id"].(string) + "/trace")
	if events := out["events"].([]any); len(events) != 1 || events[0].(object)["kind"] != "stored" || out["note"] == "" {
		t.Errorf("got %v", out)
	}
	r.send("traces", object{"body": traceOf(unique), "keys": []string{unique}})
	out = r.get("/messages/" + sent["id"].(string) + "/trace?trace_topic=traces")
	var kinds []string
	for _, e := range out["events"].([]any) {
		kinds = append(kinds, e.(object)["kind"].(string))
	}
	if got := strings.Join(kinds, " "); got != "sent consumed consuming stored" {
		t.Errorf("got %s", got)
	}
	consumed := out["events"].([]any)[1].(object)
	if consumed["group"] != "billing" || consumed["success"] != false || consumed["cost_ms"] != 12.0 || consumed["tries"] != 1.0 || consumed["result"] != "TIME_OUT" {
		t.Errorf("got %v", consumed)
	}
	if groups := out["groups"].([]any); len(groups) != 1 || groups[0].(object)["state"] != "NOT_ONLINE" {
		t.Errorf("got %v", out["groups"])
	}
}

// follow opens a live tail and returns its events, name and data.
func (r *rig) follow(ctx context.Context, path string) (<-chan [2]string, *http.Response) {
	r.t.Helper()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, r.base+"/api/v1"+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	resp, err := r.client.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	events := make(chan [2]string, 1000)
	go func() {
		defer close(events)
		defer resp.Body.Close()
		lines := bufio.NewScanner(resp.Body)
		name := ""
		for lines.Scan() {
			if text, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
				name = text
			}
			if text, ok := strings.CutPrefix(lines.Text(), "data: "); ok {
				events <- [2]string{name, text}
			}
		}
	}()
	return events, resp
}

func TestALiveTailShowsWhatComes(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders", "write_queues", 2)
	r.send("orders", object{"body": "before", "tag": "a"})
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	events, resp := r.follow(ctx, "/topics/orders/tail?tag=a&text=want")
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/event-stream") {
		t.Fatal(kind)
	}
	if e := <-events; e[0] != "open" || e[1] != `{"queues":2}` {
		t.Errorf("got %v", e)
	}
	for _, m := range []object{{"body": "want 1", "tag": "a"}, {"body": "want 2", "tag": "b"}, {"body": "nothing", "tag": "a"}, {"body": "want 3", "tag": "a"}} {
		r.send("orders", m)
	}
	var got []string
	for len(got) < 2 {
		e := <-events
		var m object
		if err := json.Unmarshal([]byte(e[1]), &m); err != nil || e[0] != "message" {
			t.Fatalf("%v: %v", e, err)
		}
		got = append(got, m["preview"].(string))
	}
	if text := strings.Join(got, ","); text != "want 1,want 3" && text != "want 3,want 1" {
		t.Errorf("got %s", text)
	}
	earlier, _ := r.follow(ctx, "/topics/orders/tail?from=earliest&max_body=3")
	<-earlier
	if e := <-earlier; !strings.Contains(e[1], `"preview":"`) {
		t.Errorf("got %v", e)
	}
}

func TestLiveTailsHaveALimit(t *testing.T) {
	r := started(t, func(c *node.Config) { c.Console.MaxTails = 1 })
	r.createTopic("orders")
	ctx, stop := context.WithCancel(context.Background())
	events, _ := r.follow(ctx, "/topics/orders/tail")
	<-events
	r.refused("GET", "/topics/orders/tail", nil, 429, "too_many")
	stop()
	for range events {
	}
	again, cancel := context.WithCancel(context.Background())
	defer cancel()
	for {
		events, resp := r.follow(again, "/topics/orders/tail")
		if resp.StatusCode == http.StatusOK {
			<-events
			break
		}
		for range events {
		}
	}
	for _, query := range []string{"queue=9", "from=never", "max_body=-1", "expression=%3E"} {
		r.refused("GET", "/topics/orders/tail?"+query, nil, 400, "bad_request")
	}
}

func TestAServerStopsWithTailsOpen(t *testing.T) {
	var events <-chan [2]string
	t.Run("server", func(t *testing.T) {
		r := started(t, nil)
		r.createTopic("orders")
		events, _ = r.follow(context.Background(), "/topics/orders/tail")
		<-events
	})
	for range events { // ended by the server
	}
}
