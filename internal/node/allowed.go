package node

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Unit is what the setting counts: time, bytes, percent, share, number; empty
// for what is not counted.
func (s Setting) Unit() string {
	t := s.kind()
	switch {
	case t == reflect.TypeFor[time.Duration]():
		return "time"
	case t.Kind() == reflect.Float64 || t.Kind() == reflect.Float32:
		return "share"
	case s.numbered() && regexp.MustCompile(`\bpercent`).MatchString(s.Doc()):
		return "percent"
	case s.numbered() && regexp.MustCompile(`\bbytes?\b.* (may|must|in|at most)|in bytes|how many bytes|How many bytes`).MatchString(s.Doc()) && !strings.Contains(s.Doc(), "memory"):
		return "bytes"
	case s.numbered():
		return "number"
	}
	return ""
}

// kind is the type of the setting's field, behind a pointer if it is one.
func (s Setting) kind() reflect.Type {
	t := reflect.TypeFor[Config]().FieldByIndex(s.index).Type
	if t.Kind() == reflect.Pointer {
		return t.Elem()
	}
	return t
}

// numbered reports whether the setting is a whole number.
func (s Setting) numbered() bool {
	t := s.kind()
	_, named := reflect.New(t).Interface().(interface{ UnmarshalText([]byte) error })
	return !named && t != reflect.TypeFor[time.Duration]() && t.Kind() >= reflect.Int && t.Kind() <= reflect.Uint64
}

// Default is the setting's default in a server as a whole, for a person; empty
// if there is none or it depends on the machine.
func (s Setting) Default() string {
	if s.Name == "broker-name" || s.Name == "segment-size" {
		return ""
	}
	c := Defaults(RoleAll).Full()
	text := s.text(c)
	if d, ok := reflect.Indirect(reflect.ValueOf(c).FieldByIndex(s.index)).Interface().(time.Duration); ok {
		return short(d)
	}
	if n, err := strconv.ParseInt(text, 10, 64); err == nil && s.Unit() == "bytes" {
		return size(n)
	}
	return text
}

// IsDefault reports whether text, which may stand in a file, is the default;
// known is false if it is no value of the setting.
func (s Setting) IsDefault(text string) (same, known bool) {
	var c Config
	if s.set(&c, text, false) != nil {
		return text == s.Default(), false
	}
	return s.text(c) == s.text(Defaults(RoleAll).Full()), true
}

// short is a time without its zeros.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"0s", "0m"} {
		if cut := strings.TrimSuffix(text, zero); cut != text && (strings.HasSuffix(cut, "m") || strings.HasSuffix(cut, "h")) {
			text = cut
		}
	}
	return text
}

// size is a number of bytes in the largest unit that divides it.
func size(n int64) string {
	for i, unit := range []string{"TiB", "GiB", "MiB", "KiB"} {
		if whole := int64(1) << (10 * (4 - i)); n >= whole && n%whole == 0 {
			return fmt.Sprint(n/whole, unit)
		}
	}
	return strconv.FormatInt(n, 10)
}

// Allowed is what the setting may be, the others being at their defaults. It is
// found out by trying, so it is what a start accepts.
func (s Setting) Allowed() string {
	switch {
	case s.kind().Kind() == reflect.Bool:
		return "true, false"
	case s.Unit() != "":
		if few := s.few(); few != "" {
			return few
		}
		low, high := s.bounds()
		switch {
		case low == "" && high == "":
			return ""
		case high == "":
			return low + " or more"
		}
		return low + " to " + high
	}
	err := s.try("?!")
	if setting, ok := errors.AsType[*SettingError](err); ok {
		err = setting.Err
	}
	if err == nil {
		return ""
	}
	if _, want, ok := strings.Cut(err.Error(), "want "); ok {
		want, _, _ = strings.Cut(want, "\n")
		return want
	}
	return ""
}

// try says whether a server could start with the setting at text.
func (s Setting) try(text string) error {
	c, _, err := Load(Source{Settings: map[string]string{s.Name: text}})
	if err != nil {
		return err
	}
	return c.Validate()
}

// few lists the values of a whole number that takes no more than some small
// ones, with gaps between them; empty for any other.
func (s Setting) few() string {
	if s.Unit() != "number" || s.try("31") == nil {
		return ""
	}
	var all []string
	for n := range 31 {
		if text := strconv.Itoa(n); s.try(text) == nil {
			all = append(all, text)
		}
	}
	return strings.Join(all, ", ")
}

// bounds are the least and the largest value that try takes, the latter empty
// if there is none but that of the machine.
func (s Setting) bounds() (low, high string) {
	write := func(n int64) string { return strconv.FormatInt(n, 10) }
	shown := write
	switch s.Unit() {
	case "time":
		write = func(n int64) string { return strconv.FormatInt(n, 10) + "ns" }
		shown = func(n int64) string { return short(time.Duration(n)) }
	case "share":
		write = func(n int64) string { return strconv.FormatFloat(float64(n)/1000, 'f', -1, 64) }
		shown = write
	case "bytes":
		shown = size
	}
	takes := func(n int64) bool { return n != 0 && s.try(write(n)) == nil || n == 0 && s.try("0") == nil }
	from := int64(1)
	for !takes(from) { // something that is taken: sizes and times may begin high
		if from > math.MaxInt64/4 {
			return "", ""
		}
		from *= 4
	}
	top := from
	for top < math.MaxInt64/2 && takes(top*2) {
		top *= 2
	}
	if top < math.MaxInt64/2 {
		high = shown(search(top, top*2, takes))
	}
	bottom := from
	switch {
	case takes(-1):
		return "-1", high
	case takes(0):
		return shown(0), high
	case from > 1:
		bottom = -search(-from, 0, func(n int64) bool { return takes(-n) })
	}
	return shown(bottom), high
}

// search is the largest number that is taken, between one that is and one
// that is not.
func search(yes, no int64, takes func(int64) bool) int64 {
	for no-yes > 1 {
		if mid := yes + (no-yes)/2; takes(mid) {
			yes = mid
		} else {
			no = mid
		}
	}
	return yes
}
