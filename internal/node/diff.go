package node

import (
	"encoding/json"
	"maps"
	"slices"

	"github.com/goddardmq/goddard/internal/mq"
)

// A Difference is a setting that is not as something else says.
type Difference struct {
	Name   string `json:"name"`
	Key    string `json:"rocketmq_key,omitempty"`
	Value  string `json:"value"`
	Other  string `json:"other"`            // the default, or what a file says
	Origin string `json:"origin,omitempty"` // where Value comes from
	Live   bool   `json:"live"`             // may change while the server runs
}

// Where values come from that no source names.
const (
	OriginDefault = "default"
	OriginKept    = "changed while running" // goes before the configuration
	OriginUnknown = "unknown"               // of a server that does not say so
)

// Defaults is the configuration of a role that nobody has said anything about.
func Defaults(role Role) Config { return Config{Role: role} }

// Diff lists the settings of c that differ from those of other, or that a source
// sets, in the order of Settings.
func Diff(c, other Config) []Difference {
	c, other = c.Full(), other.Full()
	var all []Difference
	for _, s := range Settings() {
		where, said := c.Origins[s.Name]
		value, usual := s.text(c), s.text(other)
		if value == usual && !said {
			continue
		}
		if !said {
			where = OriginDefault
		}
		all = append(all, Difference{Name: s.Name, Key: s.Java, Value: value, Other: usual, Origin: where, Live: s.Live})
	}
	return all
}

// DiffRunning compares what a running server says of itself, in its keys and
// values, with a configuration. Keys that are none of our settings are left
// out: a Java server has hundreds.
func DiffRunning(running map[string]string, with Config) []Difference {
	usual := RunningTexts(with)
	kept, origins := texts(running[mq.SettingsKept]), texts(running[mq.SettingsOrigins])
	_, says := running[mq.SettingsOrigins]
	byKey := map[string]Setting{}
	for _, s := range Settings() {
		byKey[s.key()] = s
	}
	if with.Role == RoleNamesrv {
		delete(byKey, "namesrv-port")
		byKey["listenPort"] = settingsByName()["namesrv-port"]
	}
	var all []Difference
	for _, key := range slices.Sorted(maps.Keys(running)) {
		s, known := byKey[key]
		where := originOf(key, kept, origins, says)
		if !known || running[key] == usual[key] && where != OriginKept {
			continue
		}
		if where == OriginDefault && len(with.Origins) == 0 {
			continue // the default depends on the role and the machine
		}
		d := Difference{Name: s.Name, Value: running[key], Other: usual[key], Origin: where, Live: s.Live}
		if s.Java != "" {
			d.Key = s.Java
		}
		all = append(all, d)
	}
	return all
}

// originOf is where a running server has the value of a key from.
func originOf(key string, kept, origins map[string]string, says bool) string {
	if _, ok := kept[key]; ok {
		return OriginKept
	}
	if where, ok := origins[key]; ok {
		return where
	}
	if says {
		return OriginDefault
	}
	return OriginUnknown
}

// texts reads a JSON object of texts; what is none is empty.
func texts(text string) map[string]string {
	all := map[string]string{}
	if err := json.Unmarshal([]byte(text), &all); err != nil {
		return nil
	}
	return all
}

func settingsByName() map[string]Setting {
	all := map[string]Setting{}
	for _, s := range Settings() {
		all[s.Name] = s
	}
	return all
}
