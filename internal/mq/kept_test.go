package mq

import (
	"maps"
	"slices"
	"testing"
)

func TestKeptSettingsHoldUntilTheConfigurationSaysSomethingElse(t *testing.T) {
	configured := map[string]string{"a": "1", "b": "2", "c": "3"}
	var k KeptSettings
	k = k.With(map[string]string{"a": "10", "b": "20"}, configured)
	k = k.With(map[string]string{"c": "30"}, configured)
	k = k.With(map[string]string{"b": "2"}, configured) // back to what is configured
	if want := (KeptSettings{"a": {"10", "1"}, "c": {"30", "3"}}); !maps.Equal(k, want) {
		t.Fatalf("kept %v, want %v", k, want)
	}
	if got := k.String(); got != `{"a":"1","c":"3"}` {
		t.Errorf("shown as %s", got)
	}
	holds, changed, unknown := k.Hold(map[string]string{"a": "1", "b": "2", "c": "4"})
	if !maps.Equal(holds, KeptSettings{"a": {"10", "1"}}) || !slices.Equal(changed, []string{"c"}) || unknown != nil {
		t.Errorf("holds %v, changed %v, unknown %v", holds, changed, unknown)
	}
	if holds, changed, unknown = k.Hold(nil); len(holds) != 0 || changed != nil || len(unknown) != 2 {
		t.Errorf("without settings: holds %v, changed %v, unknown %v", holds, changed, unknown)
	}
}
