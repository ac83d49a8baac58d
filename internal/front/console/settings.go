package console

import (
	"cmp"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
)

func settingRoutes() []route {
	return []route{
		{method: "GET", path: "/brokers/{addr}/settings", action: actGet, resource: anyCluster, what: "a broker's settings", serve: brokerSettings},
		{method: "PUT", path: "/brokers/{addr}/settings/{key}", action: actUpdate, resource: anyCluster, what: "change one while the broker runs", serve: setBrokerSetting},
		{method: "DELETE", path: "/brokers/{addr}/settings/{key}", action: actUpdate, resource: anyCluster, what: "set one back to what is configured", serve: resetBrokerSetting},
		{method: "DELETE", path: "/brokers/{addr}/settings", action: actUpdate, resource: anyCluster, what: "set all back", serve: resetBrokerSettings},
		{method: "GET", path: "/namesrv/settings", action: actGet, resource: anyCluster, what: "the name servers' settings", serve: namesrvSettings},
		{method: "PUT", path: "/namesrv/settings/{key}", action: actUpdate, resource: anyCluster, what: "change one on all name servers", serve: setNamesrvSetting},
		{method: "DELETE", path: "/namesrv/settings/{key}", action: actUpdate, resource: anyCluster, what: "set one back on all name servers", serve: resetNamesrvSetting},
	}
}

// A settingView is one setting of a server. What is not known is left out.
type settingView struct {
	Key     string  `json:"key"`
	Value   string  `json:"value"`
	Old     *string `json:"old,omitempty"`
	Changed bool    `json:"changed"`
	Default *string `json:"default,omitempty"`
	Live    *bool   `json:"live,omitempty"`
	Doc     string  `json:"doc,omitempty"`
	Name    string  `json:"name,omitempty"`
}

// settingViews are all settings of a server, by key, those that the request
// wants.
func (r *request) settingViews(all map[string]string, known map[string]Setting) []settingView {
	text, ours := all[mq.SettingsKept]
	old := map[string]string{}
	if ours && json.Unmarshal([]byte(text), &old) != nil {
		old = map[string]string{}
	}
	q := strings.ToLower(r.text("q"))
	views := []settingView{}
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if key == mq.SettingsKept {
			continue
		}
		v := settingView{Key: key, Value: all[key]}
		if before, changed := old[key]; changed {
			v.Changed, v.Old = true, &before
		}
		if x, is := known[key]; ours {
			v.Live, v.Doc, v.Name = &x.Live, x.Doc, x.Name
			if is && x.HasDefault {
				v.Default = &x.Default
			}
		}
		if (!r.flag("changed") || v.Changed) && matches(q, v.Key, v.Name, v.Doc) {
			views = append(views, v)
		}
	}
	return views
}

// serverSettings are the settings of one server.
type serverSettings struct {
	Server   string        `json:"server"`
	Settings []settingView `json:"settings"`
}

// A settingChange is what became of a setting.
type settingChange struct {
	Key   string `json:"key"`
	Old   string `json:"old"`
	Value string `json:"value"`
}

func brokerSettings(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	b, err := r.broker(s)
	if err != nil {
		return nil, err
	}
	all, err := s.admin.BrokerConfig(r.Context(), b.Addr)
	if err != nil {
		return nil, err
	}
	return serverSettings{b.Addr, r.settingViews(all, r.c.o.Broker)}, nil
}

// wished is the value that a request wants a setting to have.
func (r *request) wished() (string, error) {
	var in struct {
		Value *string `json:"value"`
	}
	if err := r.body(&in); err != nil {
		return "", err
	}
	if in.Value == nil {
		return "", badRequest("value is missing; send it as a text")
	}
	return *in.Value, nil
}

// noSetting says that a server has no such setting.
func noSetting(server, key string) error {
	return &problem{status: http.StatusNotFound, Code: "not_found", Text: server + " has no setting " + shortened(key), Fix: "look at its spelling in the list of settings"}
}

func setBrokerSetting(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	value, err := r.wished()
	if err != nil {
		return nil, err
	}
	b, err := r.broker(s)
	if err != nil {
		return nil, err
	}
	key := r.PathValue("key")
	before, err := s.admin.BrokerConfig(r.Context(), b.Addr)
	if err != nil {
		return nil, err
	}
	if _, there := before[key]; !there || key == mq.SettingsKept {
		return nil, noSetting(b.Addr, key)
	}
	if err := s.admin.SetBrokerConfig(r.Context(), b.Addr, key, value); err != nil {
		return nil, err
	}
	after, err := s.admin.BrokerConfig(r.Context(), b.Addr)
	r.c.o.Log.Info("the console changed a setting", "broker", b.Addr, "key", key, "from", before[key], "to", after[key], "user", r.caller.User)
	return settingChange{key, before[key], cmp.Or(after[key], value)}, err
}

func resetBrokerSetting(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	b, err := r.broker(s)
	if err != nil {
		return nil, err
	}
	key := r.PathValue("key")
	before, err := s.admin.BrokerConfig(r.Context(), b.Addr)
	if err != nil {
		return nil, err
	}
	if _, there := before[key]; !there || key == mq.SettingsKept {
		return nil, noSetting(b.Addr, key)
	}
	reset, err := s.admin.ResetBrokerConfig(r.Context(), b.Addr, key)
	return settingChange{key, before[key], reset[key]}, err
}

func resetBrokerSettings(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	b, err := r.broker(s)
	if err != nil {
		return nil, err
	}
	reset, err := s.admin.ResetBrokerConfig(r.Context(), b.Addr, "")
	if reset == nil {
		reset = map[string]string{}
	}
	return map[string]map[string]string{"reset": reset}, err
}

func namesrvSettings(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	all, err := s.admin.NamesrvConfig(r.Context())
	if err != nil {
		return nil, err
	}
	v := struct {
		Servers []serverSettings `json:"servers"`
	}{[]serverSettings{}}
	for _, addr := range slices.Sorted(maps.Keys(all)) {
		v.Servers = append(v.Servers, serverSettings{addr, r.settingViews(all[addr], r.c.o.Namesrv)})
	}
	return v, nil
}

func setNamesrvSetting(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	value, err := r.wished()
	if err != nil {
		return nil, err
	}
	key := r.PathValue("key")
	before, err := s.admin.NamesrvConfig(r.Context())
	if err != nil {
		return nil, err
	}
	old := ""
	for addr, all := range before {
		text, there := all[key]
		if !there || key == mq.SettingsKept {
			return nil, noSetting(addr, key)
		}
		old = text
	}
	err = s.admin.SetNamesrvConfig(r.Context(), key, value)
	return settingChange{key, old, value}, err
}

func resetNamesrvSetting(r *request) (any, error) {
	s, err := r.site()
	if err != nil {
		return nil, err
	}
	key := r.PathValue("key")
	reset, err := s.admin.ResetNamesrvConfig(r.Context(), key)
	change := settingChange{Key: key}
	for _, all := range reset {
		change.Value = all[key]
	}
	return change, err
}
