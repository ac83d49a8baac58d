package mq

import (
	"encoding/json"
	"maps"
	"slices"
)

// SettingsKept is the name under which a server lists, beside its settings,
// those that were changed while it ran and are kept over a restart: a JSON
// object of what its configuration says instead. It cannot be set.
const SettingsKept = "goddardSettingsKept"

// A KeptSetting is a setting that was changed while a server ran.
type KeptSetting struct {
	Value string `json:"value"`
	Over  string `json:"over"` // what the configuration said
}

// KeptSettings are settings that were changed while a server ran, by RocketMQ's
// names. They go before the server's configuration, until that says something
// else than when they were changed: whoever spoke last is heard.
type KeptSettings map[string]KeptSetting

// With is k with settings changed to the texts in wanted, over those that are
// configured. One that is set to what is configured is kept no more.
func (k KeptSettings) With(wanted, configured map[string]string) KeptSettings {
	next := maps.Clone(k)
	if next == nil {
		next = KeptSettings{}
	}
	for key, text := range wanted {
		if text == configured[key] {
			delete(next, key)
		} else {
			next[key] = KeptSetting{Value: text, Over: configured[key]}
		}
	}
	return next
}

// Hold is what of k holds under a configuration, and the names, sorted, of what
// does not: of changed the configuration says something else since, and unknown
// are no settings.
func (k KeptSettings) Hold(configured map[string]string) (holds KeptSettings, changed, unknown []string) {
	holds = KeptSettings{}
	for _, key := range slices.Sorted(maps.Keys(k)) {
		switch text, known := configured[key]; {
		case !known:
			unknown = append(unknown, key)
		case text != k[key].Over:
			changed = append(changed, key)
		default:
			holds[key] = k[key]
		}
	}
	return holds, changed, unknown
}

// String is the value of SettingsKept.
func (k KeptSettings) String() string {
	over := map[string]string{}
	for key, s := range k {
		over[key] = s.Over
	}
	text, err := json.Marshal(over)
	if err != nil {
		panic("BUG: strings cannot be encoded: " + err.Error())
	}
	return string(text)
}

// SettingsOrigins is the name under which a server lists where the settings
// come from that it was configured with: a JSON object of texts such as
// "broker.conf:12", "environment" and "command line". What is missing has its
// default. It cannot be set.
const SettingsOrigins = "goddardSettingsOrigins"
