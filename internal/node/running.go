package node

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
)

// hidden stands for the value of a secret.
const hidden = "***"

// mask is text, unless the setting is a secret.
func (s Setting) mask(text string) string {
	if s.Secret && text != "" {
		return hidden
	}
	return text
}

// maskKey is value, unless key, which is no setting of ours, sounds secret.
func maskKey(key, value string) string {
	key = strings.ToLower(key)
	for _, word := range []string{"password", "secret", "credential", "authenticationuser"} {
		if strings.Contains(key, word) {
			return hidden
		}
	}
	return value
}

// key is how running servers name the setting.
func (s Setting) key() string {
	if s.Java != "" {
		return s.Java
	}
	return s.Name
}

// runningText is the setting's value in c as running servers write it: sizes in
// bytes, times counted in the unit of RocketMQ's key, rounded down.
func (s Setting) runningText(c *Config) string {
	v := reflect.ValueOf(c).Elem().FieldByIndex(s.index)
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			return ""
		}
		v = v.Elem()
	}
	switch value := v.Interface().(type) {
	case time.Duration:
		return strconv.FormatInt(int64(value/javaUnit(s.Java)), 10)
	case []string:
		return strings.Join(value, ";")
	case bool:
		return strconv.FormatBool(value != s.negated)
	default:
		return s.mask(fmt.Sprint(value))
	}
}

// RunningTexts are all settings of c, with defaults, as running servers name
// and write them. Secrets are hidden.
func RunningTexts(c Config) map[string]string {
	c = c.Full()
	all := map[string]string{}
	for _, s := range Settings() {
		all[s.key()] = s.runningText(&c)
	}
	if c.Role == RoleNamesrv { // one port, which RocketMQ calls by the same key
		all["listenPort"] = all["namesrv-port"]
	}
	return all
}

// originTexts are Config.Origins by the names of running servers, in JSON.
func originTexts(c Config) string {
	byKey := map[string]string{}
	for _, s := range Settings() {
		if where, ok := c.Origins[s.Name]; ok {
			byKey[s.key()] = where
			if c.Role == RoleNamesrv && s.Name == "namesrv-port" {
				byKey["listenPort"] = where
			}
		}
	}
	text, err := json.Marshal(byKey)
	if err != nil {
		panic("BUG: strings cannot be encoded: " + err.Error())
	}
	return string(text)
}

// configured is what a server of this configuration says of itself.
func configured(c Config) map[string]string {
	all := RunningTexts(c)
	all[mq.SettingsOrigins] = originTexts(c)
	return all
}

// settings are what a running server of this configuration says of itself:
// what its part in force says, beside what is configured of the others.
func (n *Node) settings(inForce map[string]string) map[string]string {
	all := maps.Clone(n.configured)
	maps.Copy(all, inForce)
	return all
}
