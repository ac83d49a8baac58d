package mq

import (
	"errors"
	"maps"
	"strings"
	"testing"
)

func TestPropertiesAreReadAsRocketMQDoes(t *testing.T) {
	tests := []struct {
		props string
		want  map[string]string
	}{
		{"", map[string]string{}},
		{"a\x01b", map[string]string{"a": "b"}},
		{"a\x01b\x02c\x01d\x02", map[string]string{"a": "b", "c": "d"}},
		{"a\x01b\x02\x02\x02c\x01d", map[string]string{"a": "b", "c": "d"}},
		{"a\x01\x02\x01b\x02c\x02d\x01e\x01f\x02", map[string]string{"d": "e\x01f"}},
		{"a\x01b\x02a\x01c\x02ab\x01x\x02", map[string]string{"a": "c", "ab": "x"}},
	}
	for _, test := range tests {
		props := []byte(test.props)
		if got := PropertyMap(props); !maps.Equal(got, test.want) {
			t.Errorf("%q: %q", test.props, got)
		}
		for _, key := range []string{"a", "ab", "c", "d", "", "zz"} {
			v, ok := Property(props, key)
			if want, there := test.want[key]; string(v) != want || ok != there {
				t.Errorf("%q: %s is %q, %v", test.props, key, v, ok)
			}
		}
	}
}

func TestPropertiesAreAddedSetAndRemoved(t *testing.T) {
	p := AppendProperty([]byte("a\x01b"), "c", "d")
	if string(p) != "a\x01b\x02c\x01d\x02" {
		t.Errorf("added: %q", p)
	}
	if p = AppendProperty(p, "e", ""); string(p) != "a\x01b\x02c\x01d\x02" {
		t.Errorf("added empty: %q", p)
	}
	if p := AppendWithoutProperty(nil, p, "a"); string(p) != "c\x01d\x02" {
		t.Errorf("removed: %q", p)
	}
	if p := AppendSettingProperty([]byte("x\x01y\x02"), p, "a", []byte("new")); string(p) != "x\x01y\x02c\x01d\x02a\x01new\x02" {
		t.Errorf("set: %q", p)
	}
	for _, bad := range [][2]string{{"", "v"}, {"k", ""}, {"k\x01", "v"}, {"k", "v\x02"}} {
		if ValidProperty(bad[0], bad[1]) {
			t.Errorf("%q is valid", bad)
		}
	}
}

func TestPropertyDoesNotAllocate(t *testing.T) {
	props := []byte("UNIQ_KEY\x017F000001000012345678\x02WAIT\x01true\x02TAGS\x01a\x02")
	n := testing.AllocsPerRun(100, func() {
		if v, _ := Property(props, PropTags); TagCode(v) != 97 {
			t.Fatal(v)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestTagCodesAreJavaHashes(t *testing.T) {
	for s, want := range map[string]int64{"a": 97, "TagA": 2598919, "äb": 7166, "😀x": 54959989, "": 0, "topic#key": 386934027} {
		if got := TagCode(s); got != want {
			t.Errorf("%q: %d, want %d", s, got, want)
		}
		if got := TagCode([]byte(s)); got != want {
			t.Errorf("%q as bytes: %d, want %d", s, got, want)
		}
	}
	if got := TagCode("polygenelubricants"); got != -1<<31 {
		t.Errorf("smallest hash: %d", got)
	}
}

func TestNamesAreChecked(t *testing.T) {
	for _, name := range []string{"orders", "%RETRY%g", "a|b_c-9", strings.Repeat("x", 127), "%DLQ%" + strings.Repeat("g", 130)} {
		if err := CheckTopic(name); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"", "a b", "ü", "a.b", "a\x00", strings.Repeat("x", 128), "%RETRY%" + strings.Repeat("g", 250)} {
		if err := CheckTopic(name); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.20q: %v", name, err)
		}
	}
	if CheckGroup(strings.Repeat("g", 120)) != nil || CheckGroup(strings.Repeat("g", 121)) == nil {
		t.Error("length of groups")
	}
	for _, topic := range []string{TopicDefault, TopicSchedule, TopicTimer, "rmq_sys_anything"} {
		if !IsSystemTopic(topic) {
			t.Errorf("%s is no system topic", topic)
		}
	}
	if IsSystemTopic("orders") || IsSystemTopic(RetryTopic("g")) || SendForbidden(TopicDefault) || !SendForbidden(TopicTransHalf) {
		t.Error("system topics")
	}
	if !IsSystemGroup("CID_RMQ_SYS_TRANS") || !IsSystemGroup(GroupTools) || IsSystemGroup("g") {
		t.Error("system groups")
	}
}

func FuzzProperties(f *testing.F) {
	f.Add([]byte("a\x01b\x02c\x01d"), "a", "v")
	f.Add([]byte("\x01\x02\x02a\x01\x01\x02"), "a", "\x01")
	f.Fuzz(func(t *testing.T, props []byte, key, value string) {
		if !ValidProperty(key, value) {
			return
		}
		m := PropertyMap(props)
		for k, v := range m {
			if got, ok := Property(props, k); !ok || string(got) != v {
				t.Fatalf("%q is %q, %v; want %q", k, got, ok, v)
			}
		}
		m[key] = value
		set := AppendSettingProperty(nil, props, key, value)
		if got := PropertyMap(set); !maps.Equal(got, m) {
			t.Fatalf("%q set to %q in %q: %q", key, value, props, set)
		}
		delete(m, key)
		if got := PropertyMap(AppendWithoutProperty(nil, set, key)); !maps.Equal(got, m) {
			t.Fatalf("%q removed from %q: %q", key, set, got)
		}
	})
}
