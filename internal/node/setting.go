package node

//go:generate go run ./gen

import (
	"encoding"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/auth"
)

// A Setting is one tagged field of Config or of a part's Options.
type Setting struct {
	Name  string // kebab-case: in files, as a flag and, upper-cased, in the environment
	Java  string // RocketMQ's key, empty if it has none
	Owner string // import path of the package that declares the field
	Type  string // name of the struct that holds it
	Field string // name of the field

	Live   bool // may change while the server runs
	Secret bool // is never shown

	index   []int // path from Config
	negated bool  // RocketMQ's key says the opposite
}

// Env is the environment variable of a setting.
func (s Setting) Env() string {
	return "GODDARD_" + strings.ToUpper(strings.ReplaceAll(s.Name, "-", "_"))
}

// Truth reports whether the setting is true or false.
func (s Setting) Truth() bool {
	t := reflect.TypeFor[Config]().FieldByIndex(s.index).Type
	return t.Kind() == reflect.Bool || t.Kind() == reflect.Pointer && t.Elem().Kind() == reflect.Bool
}

// Doc is what docs/CONFIG.md says about the setting.
func (s Setting) Doc() string { return docs[s.Name] }

// Settings lists everything that can be set, in the order of Config.
func Settings() []Setting {
	return walk(reflect.TypeFor[Config](), "", nil, nil)
}

// walk collects the tagged fields of t, which stands at path in Config, and of
// the structs inside it.
func walk(t reflect.Type, where string, path []int, all []Setting) []Setting {
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || slices.Contains(handedDown, where+f.Name) {
			continue
		}
		index := append(append([]int(nil), path...), i)
		if name := f.Tag.Get("conf"); name != "" {
			java, negated := strings.CutPrefix(f.Tag.Get("rocketmq"), "!")
			all = append(all, Setting{
				Name: name, Java: java, Owner: t.PkgPath(), Type: t.Name(), Field: f.Name, index: index, negated: negated,
				Live: f.Tag.Get("live") != "", Secret: f.Type == reflect.TypeFor[auth.Secret]() || f.Tag.Get("secret") != "",
			})
		} else if f.Type.Kind() == reflect.Struct {
			all = walk(f.Type, where+f.Name+".", index, all)
		}
	}
	return all
}

// set parses text into the setting's field of c. java says that text came
// under RocketMQ's key, whose numbers count that key's unit.
func (s Setting) set(c *Config, text string, java bool) error {
	v := reflect.ValueOf(c).Elem().FieldByIndex(s.index)
	if err := parseInto(v, strings.TrimSpace(text), javaUnit(s.Java), java); err != nil {
		if want := s.wantPort(); want != "" {
			return errors.New(want)
		}
		return err
	}
	if err := s.checkZero(v); err != nil {
		return err
	}
	if java && s.negated {
		v.SetBool(!v.Bool())
	}
	return nil
}

// wantPort is what a setting that is a port wants; empty for others.
func (s Setting) wantPort() string {
	switch {
	case s.Name == "fast-port" || s.Name == "grpc-port" || s.Name == "http-port":
		return "want a port, 1 to 65535, or -1 for none"
	case s.Name == "port" || strings.HasSuffix(s.Name, "-port"):
		return "want a port, 1 to 65535"
	}
	return ""
}

// checkZero refuses a zero that would silently mean the default, and what is
// below it where no setting has a use for it.
func (s Setting) checkZero(v reflect.Value) error {
	if v.CanInt() && v.Int() < 0 && s.wantPort() == "" && s.Name != "default-pop-share-queues" && s.Name != "log-level" {
		return errors.New("want more than 0")
	}
	number := v.CanInt() || v.CanUint() || v.CanFloat()
	if !number || !v.IsZero() || s.Name == "broker-id" || s.Name == "log-level" || s.Name == "flush" {
		return nil
	}
	return fmt.Errorf("want something other than 0; leave it out for the default")
}

// get prints the setting's value in c; empty if it is the zero value, which
// stands for the default.
func (s Setting) get(c Config) string {
	v := reflect.ValueOf(&c).Elem().FieldByIndex(s.index)
	if v.IsZero() {
		return ""
	}
	return format(v)
}

// text prints the setting's value in c, whatever it is; empty if it is not
// known, or a secret that is not set.
func (s Setting) text(c Config) string {
	v := reflect.ValueOf(&c).Elem().FieldByIndex(s.index)
	if v.Kind() == reflect.Pointer && v.IsNil() {
		return ""
	}
	return s.mask(format(v))
}

// javaUnit is what one counts in a RocketMQ key that means a time.
func javaUnit(key string) time.Duration {
	switch {
	case key == "fileReservedTime":
		return time.Hour
	case strings.HasSuffix(key, "Seconds"), strings.HasSuffix(key, "Second"), strings.HasSuffix(key, "Sec"),
		key == "waitSecondsForService":
		return time.Second
	}
	return time.Millisecond
}

// parseInto stores text in v; its error says what is allowed.
func parseInto(v reflect.Value, text string, unit time.Duration, java bool) error {
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		if err := u.UnmarshalText([]byte(text)); err != nil && v.Type() == reflect.TypeFor[slog.Level]() {
			return fmt.Errorf("want debug, info, warn or error")
		} else if err != nil {
			return err
		}
		return nil
	}
	if v.Type() == reflect.TypeFor[time.Duration]() {
		d, err := parseDuration(text, unit, java)
		v.SetInt(int64(d))
		return err
	}
	switch v.Kind() {
	case reflect.Pointer:
		p := reflect.New(v.Type().Elem())
		if err := parseInto(p.Elem(), text, unit, java); err != nil {
			return err
		}
		v.Set(p)
	case reflect.String:
		v.SetString(text)
	case reflect.Bool:
		b, err := strconv.ParseBool(strings.ToLower(text))
		if err != nil {
			return fmt.Errorf("want true or false")
		}
		v.SetBool(b)
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		n, err := parseInt(text, v.Type().Bits())
		v.SetInt(n)
		return err
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32:
		n, err := strconv.ParseUint(text, 10, v.Type().Bits())
		if err != nil {
			return fmt.Errorf("want a whole number from 0 to %d", uint64(1)<<v.Type().Bits()-1)
		}
		v.SetUint(n)
	case reflect.Float32, reflect.Float64:
		f, err := parseShare(text, java)
		v.SetFloat(f)
		return err
	case reflect.Slice:
		v.Set(reflect.ValueOf(splitList(text)))
	default:
		panic("BUG: setting of type " + v.Type().String())
	}
	return nil
}

// parseDuration accepts Go durations, and plain numbers in RocketMQ's unit.
func parseDuration(text string, unit time.Duration, java bool) (time.Duration, error) {
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && (java || n == 0) {
		if n > math.MaxInt64/int64(unit) || n < math.MinInt64/int64(unit) {
			return 0, fmt.Errorf("want a time below 292 years")
		}
		return time.Duration(n) * unit, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		if java {
			return 0, fmt.Errorf("want a whole number (of %s) or a time such as 500ms, 30s, 72h", unitName(unit))
		}
		return 0, fmt.Errorf("want a time with its unit, such as 500ms, 30s, 72h")
	}
	return d, nil
}

func unitName(d time.Duration) string {
	switch d {
	case time.Hour:
		return "hours"
	case time.Second:
		return "seconds"
	}
	return "milliseconds"
}

// parseShare accepts 0.75, 75% and, under RocketMQ's keys, 75.
func parseShare(text string, java bool) (float64, error) {
	percent := strings.HasSuffix(text, "%")
	f, err := strconv.ParseFloat(strings.TrimSuffix(text, "%"), 64)
	if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return 0, fmt.Errorf("want a share such as 0.75 or 75%%")
	}
	if percent || java && f > 1 {
		f /= 100
	}
	return f, nil
}

// parseInt accepts whole numbers, with KiB, MiB, GiB, TiB behind them where it fits.
func parseInt(text string, bits int) (int64, error) {
	number, factor := text, int64(1)
	for i, suffix := range []string{"kib", "mib", "gib", "tib"} {
		if cut, ok := strings.CutSuffix(strings.ToLower(text), suffix); ok {
			number, factor = strings.TrimSpace(cut), int64(1)<<(10*(i+1))
		}
	}
	n, err := strconv.ParseInt(number, 10, bits)
	limit := int64(1)<<(bits-1) - 1
	if bits == 64 {
		limit = math.MaxInt64
	}
	if err != nil || n > limit/factor || n < -limit/factor {
		if bits == 64 {
			return 0, fmt.Errorf("want a whole number or a size such as 64MiB, 1GiB")
		}
		return 0, fmt.Errorf("want a whole number up to %d", limit)
	}
	return n * factor, nil
}

// splitList cuts a list at semicolons, commas and blanks.
func splitList(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool { return r == ';' || r == ',' || r == ' ' })
}

// format is the inverse of parseInto, in the kebab form.
func format(v reflect.Value) string {
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		if text, err := m.MarshalText(); err == nil {
			return string(text)
		}
	}
	if v.Kind() == reflect.Pointer {
		return format(v.Elem())
	}
	if list, ok := v.Interface().([]string); ok {
		return strings.Join(list, ";")
	}
	return fmt.Sprint(v.Interface())
}
