package namesrv

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/wire"
)

func TestKVConfigSurvivesARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "namesrv", "kvConfig.json")
	s, err := New(Options{Port: -1, KVConfigPath: path})
	if err != nil {
		t.Fatal(err)
	}
	stop := serve(t, s)
	p := dial(t, s.Addr().String())
	want(t, p.ask(wire.GetKVConfig, nil, "namespace", "n", "key", "k"), wire.CodeQueryNotFound, "Namespace: n Key: k")
	want(t, p.ask(wire.GetKVListByNamespace, nil, "namespace", "n"), wire.CodeQueryNotFound, "Namespace: n")
	for _, k := range []string{"k", "l"} {
		want(t, p.ask(wire.PutKVConfig, nil, "namespace", "n", "key", k, "value", "v-"+k), wire.CodeSuccess, "")
	}
	want(t, p.ask(wire.DeleteKVConfig, nil, "namespace", "n", "key", "k"), wire.CodeSuccess, "")
	want(t, p.ask(wire.DeleteKVConfig, nil, "namespace", "x", "key", "k"), wire.CodeSuccess, "")
	want(t, p.ask(wire.PutKVConfig, nil, "namespace", "", "key", "k", "value", "v"), wire.CodeSystemError, "namespace or key")
	stop()

	p = dial(t, start(t, Options{KVConfigPath: path}).Addr().String())
	if got := string(p.ask(wire.GetKVListByNamespace, nil, "namespace", "n").Body); got != `{"table":{"l":"v-l"}}` {
		t.Errorf("after a restart: %s", got)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 1 {
		t.Errorf("directory holds %v (%v), want the file only", left, err)
	}
}

func TestKVConfigOfRocketMQIsRead(t *testing.T) {
	k, err := openKVConfig("testdata/java/kvConfig.json")
	if err != nil {
		t.Fatal(err)
	}
	if v, ok := k.get("ORDER_TOPIC_CONFIG", "TBW102"); !ok || v != "jbroker:4" {
		t.Errorf("value is %q, %v", v, ok)
	}
}

func TestUnreadableKVConfigSaysWhatToDo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "kv.json")
	if err := os.WriteFile(path, []byte("{nonsense"), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Port: -1, KVConfigPath: path}); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("error is %v", err)
	}
}

// A value that cannot be stored is not there afterwards either.
func TestKVConfigThatCannotBeStoredIsNotChanged(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(dir, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	k := &kvConfig{path: filepath.Join(dir, "kv.json")}
	k.mu.values = map[string]map[string]string{"n": {"old": "1"}}
	if err := k.put("n", "k", "v"); err == nil {
		t.Error("put into a directory that is a file succeeded")
	}
	if err := k.put("n", "old", "2"); err == nil {
		t.Error("put into a directory that is a file succeeded")
	}
	if err := k.remove("n", "old"); err == nil {
		t.Error("remove in a directory that is a file succeeded")
	}
	if _, ok := k.get("n", "k"); ok {
		t.Error("a value that was not stored is there")
	}
	if v, _ := k.get("n", "old"); v != "1" {
		t.Errorf("the old value is %q", v)
	}
}

func TestKVConfigIsBounded(t *testing.T) {
	k, err := openKVConfig("")
	if err != nil {
		t.Fatal(err)
	}
	if err := k.put("n", "k", strings.Repeat("x", maxKVBytes)); err == nil || !strings.Contains(err.Error(), "delete") {
		t.Errorf("error is %v", err)
	}
	if err := k.put("n", "k", "small"); err != nil {
		t.Error(err)
	}
}
