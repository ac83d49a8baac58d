package console_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/node"
)

func TestTheOverviewShowsClustersAndServers(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.send("orders", object{"body": "x"})
	out := r.until("/overview", func(o object) bool { return o["loading"] == false && len(o["brokers"].([]any)) == 1 })
	b := out["brokers"].([]any)[0].(object)
	if b["role"] != "master" || b["addr"] != r.broker || b["up"] != true || b["cluster"] != "DefaultCluster" || b["started"] == nil || b["memory_bytes"].(float64) <= 0 {
		t.Errorf("got %v", b)
	}
	if ns := out["namesrvs"].([]any)[0].(object); ns["addr"] != r.namesrv || ns["up"] != true {
		t.Errorf("got %v", ns)
	}
	if c := out["clusters"].([]any)[0].(object); c["masters"] != 1.0 {
		t.Errorf("got %v", c)
	}
	addr := url.PathEscape(r.broker)
	if values := r.get("/brokers/" + addr + "/status")["values"].(object); values["putTps"] == nil {
		t.Errorf("got %v", values)
	}
	if out := r.get("/brokers/" + b["name"].(string) + "/status"); out["addr"] != r.broker {
		t.Errorf("by its name: got %v", out["addr"])
	}
	if out := r.refused("GET", "/brokers/10.0.0.1:10911/status", nil, 404, "not_found"); strings.Contains(out["fix"].(string), "GET ") {
		t.Errorf("a person is told %q", out["fix"])
	}
	changed := r.want("POST", "/brokers/"+b["name"].(string)+"/write-permission", object{"allowed": false})
	if changed["changed"].(object)[r.namesrv].(float64) < 1 {
		t.Errorf("got %v", changed)
	}
	r.want("POST", "/brokers/"+b["name"].(string)+"/write-permission", object{"allowed": true})
	r.refused("POST", "/brokers/none/write-permission", object{"allowed": true}, 404, "not_found")
	r.refused("POST", "/brokers/none/write-permission", object{}, 400, "bad_request")
	r.want("POST", "/brokers/"+addr+"/clean", object{"what": "indexes"})
	r.refused("POST", "/brokers/"+addr+"/clean", object{"what": "all"}, 400, "bad_request")
}

func TestSettingsAreShownChangedAndSetBack(t *testing.T) {
	r := started(t, nil)
	path := "/brokers/" + url.PathEscape(r.broker) + "/settings"
	setting := func(key string) object {
		t.Helper()
		for _, x := range r.get(path + "?q=" + key)["settings"].([]any) {
			if x.(object)["key"] == key {
				return x.(object)
			}
		}
		t.Fatalf("no setting %s", key)
		return nil
	}
	s := setting("fileReservedTime")
	if s["value"] != "72" || s["default"] != "72" || s["live"] != true || s["changed"] != false || s["name"] != "retention" || s["doc"] == "" {
		t.Errorf("got %v", s)
	}
	if s := setting("brokerName"); s["live"] != false {
		t.Errorf("got %v", s)
	}
	if out := r.want("PUT", path+"/fileReservedTime", object{"value": "48"}); out["old"] != "72" || out["value"] != "48" {
		t.Errorf("got %v", out)
	}
	if s := setting("fileReservedTime"); s["value"] != "48" || s["old"] != "72" || s["changed"] != true {
		t.Errorf("got %v", s)
	}
	if changed := r.get(path + "?changed=1")["settings"].([]any); len(changed) != 1 {
		t.Errorf("got %v", changed)
	}
	if out := r.want("DELETE", path+"/fileReservedTime", nil); out["value"] != "72" {
		t.Errorf("got %v", out)
	}
	r.want("PUT", path+"/shortPollingTimeMills", object{"value": "7"})
	if out := r.want("DELETE", path, nil); out["reset"].(object)["shortPollingTimeMills"] != "1000" {
		t.Errorf("got %v", out)
	}
	r.refused("PUT", path+"/none", object{"value": "1"}, 404, "not_found")
	r.refused("PUT", path+"/fileReservedTime", object{}, 400, "bad_request")
	r.refused("PUT", path+"/brokerName", object{"value": "other"}, 400, "bad_request")
	r.refused("PUT", path+"/fileReservedTime", object{"value": "soon"}, 400, "bad_request")
	r.refused("DELETE", path+"/none", nil, 404, "not_found")

	server := r.get("/namesrv/settings")["servers"].([]any)[0].(object)
	if server["server"] != r.namesrv || len(server["settings"].([]any)) < 5 {
		t.Errorf("got %v", server)
	}
	r.want("PUT", "/namesrv/settings/orderMessageEnable", object{"value": "true"})
	if changed := r.get("/namesrv/settings?changed=1")["servers"].([]any)[0].(object)["settings"].([]any); len(changed) != 1 || changed[0].(object)["old"] != "false" {
		t.Errorf("got %v", changed)
	}
	r.want("DELETE", "/namesrv/settings/orderMessageEnable", nil)
	r.refused("PUT", "/namesrv/settings/none", object{"value": "1"}, 404, "not_found")
}

func TestTheHistoryIsRecordedOfWhatIsAskedFor(t *testing.T) {
	r := started(t, nil)
	r.createTopic("orders")
	r.createGroup("billing")
	has := func(o object, name string) bool {
		for _, s := range o["series"].([]any) {
			if s.(object)["name"] != name {
				continue
			}
			for _, p := range s.(object)["points"].([]any) {
				if p.([]any)[1] != nil {
					return true
				}
			}
		}
		return false
	}
	out := r.until("/history?of=cluster&range=15m", func(o object) bool { return has(o, "in_tps") })
	if out["step_s"] != 10.0 || len(out["series"].([]any)) != 8 {
		t.Errorf("got %v", out)
	}
	broker := r.brokerName()
	if out := r.get("/history?of=broker&broker=" + broker + "&range=72h"); out["step_s"] != 300.0 || !has(out, "memory_bytes") {
		t.Errorf("got %v", out)
	}
	if out := r.get("/history?of=topic&topic=orders"); len(out["series"].([]any)) != 4 || out["since"] == nil {
		t.Errorf("got %v", out)
	}
	r.get("/groups?refresh=1")
	r.get("/history?of=group&group=billing")
	for _, query := range []string{"of=odd", "of=topic", "of=cluster&range=1y"} {
		r.refused("GET", "/history?"+query, nil, 400, "bad_request")
	}
	r.get("/topics")
	r.refused("GET", "/history?of=topic&topic=none", nil, 404, "not_found")
}

func TestOtherSitesCanBeChosen(t *testing.T) {
	other := started(t, nil)
	other.createTopic("elsewhere")
	r := started(t, func(c *node.Config) { c.Console.Namesrvs = []string{"east=" + other.namesrv, "gone=127.0.0.1:1"} })
	r.createTopic("here")
	if got := texts(r.get("/topics"), "name"); got != "here" {
		t.Errorf("got %q", got)
	}
	if got := texts(r.get("/topics?site=local"), "name"); got != "here" {
		t.Errorf("got %q", got)
	}
	if got := texts(r.until("/topics?site=east", func(o object) bool { return o["loading"] == false }), "name"); got != "elsewhere" {
		t.Errorf("got %q", got)
	}
	r.refused("GET", "/topics?site=none", nil, 404, "not_found")
	r.refused("GET", "/topics/x?site=gone", nil, 502, "unavailable")
	out := r.until("/topics?site=gone", func(o object) bool { return len(o["problems"].([]any)) > 0 || o["loading"] == true })
	if len(items(out)) != 0 {
		t.Errorf("got %v", out)
	}
	sites := r.get("/session")["sites"].([]any)
	if len(sites) != 3 || sites[1].(object)["name"] != "east" {
		t.Errorf("got %v", sites)
	}
}
