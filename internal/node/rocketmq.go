package node

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// RocketMQKey is the key under which running brokers know the setting of this
// name. What is no name of ours is returned as it is.
func RocketMQKey(name string) string {
	if s, ok := settingNamed(name); ok && s.Java != "" {
		return s.Java
	}
	return name
}

// ChangesLive reports whether the setting of this name, ours or RocketMQ's, may
// change while the server runs.
func ChangesLive(name string) bool {
	for _, s := range Settings() {
		if s.Name == name || s.Java == name && name != "" {
			return s.Live
		}
	}
	return false
}

// RocketMQValue is text, a value of the setting of this name as it may stand in
// a file, as running brokers take it: sizes in bytes, times counted in the unit
// of RocketMQ's key. The value of what is no name of ours is returned as it is.
func RocketMQValue(name, text string) (string, error) {
	s, ok := settingNamed(name)
	if !ok {
		return text, nil
	}
	var c Config
	if err := s.set(&c, text, false); err != nil {
		return "", fmt.Errorf("%s = %q: %w", name, text, err)
	}
	v := reflect.Indirect(reflect.ValueOf(&c).Elem().FieldByIndex(s.index))
	switch value := v.Interface().(type) {
	case time.Duration:
		unit := javaUnit(s.Java)
		if value%unit != 0 {
			return "", fmt.Errorf("%s = %q: a running broker counts it in %s; want a whole number of them", name, text, unitName(unit))
		}
		return strconv.FormatInt(int64(value/unit), 10), nil
	case []string:
		return strings.Join(value, ";"), nil
	case bool:
		return strconv.FormatBool(value != s.negated), nil
	default:
		return fmt.Sprint(value), nil
	}
}

func settingNamed(name string) (Setting, bool) {
	for _, s := range Settings() {
		if s.Name == name {
			return s, true
		}
	}
	return Setting{}, false
}
