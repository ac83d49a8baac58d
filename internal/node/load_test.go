package node

import (
	"errors"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/mq"
)

func writeConf(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "broker.conf")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

// Flags beat the environment, that beats the file, and the file may mix our
// names and RocketMQ's.
func TestLaterSourcesWin(t *testing.T) {
	conf := writeConf(t, "listenPort = 1\nnamesrv-port=2\nbindAddress=10.0.0.1\ndata=/from/file\n")
	c, warnings, err := Load(Source{
		Role:  RoleBroker,
		File:  conf,
		Env:   []string{"GODDARD_NAMESRV_PORT=3", "GODDARD_LISTEN=10.0.0.2", "NAMESRV_ADDR=a:1;b:2", "HOME=/x"},
		Flags: map[string]string{"listen": "10.0.0.3"},
	})
	if err != nil || len(warnings) != 0 {
		t.Fatalf("err %v, warnings %v", err, warnings)
	}
	if c.ListenPort != 1 || c.NamesrvPort != 3 || c.Listen != "10.0.0.3" || c.Data != "/from/file" {
		t.Errorf("got %+v", c)
	}
	if want := []string{"a:1", "b:2"}; !slices.Equal(c.Namesrvs, want) {
		t.Errorf("namesrv = %v, want %v", c.Namesrvs, want)
	}
}

func TestGoddardNamesrvBeatsNamesrvAddr(t *testing.T) {
	c, _, err := Load(Source{Role: RoleBroker, Env: []string{"GODDARD_NAMESRV=ours:1", "NAMESRV_ADDR=theirs:1"}})
	if err != nil || !slices.Equal(c.Namesrvs, []string{"ours:1"}) {
		t.Errorf("namesrv = %v, err %v", c.Namesrvs, err)
	}
}

func TestNamesrvAddrIsForClientsWhereTheNameServerRunsInside(t *testing.T) {
	c, _, err := Load(Source{Env: []string{"NAMESRV_ADDR=127.0.0.1:9876"}})
	if err != nil || len(c.Namesrvs) != 0 {
		t.Errorf("namesrv = %v, err %v", c.Namesrvs, err)
	}
}

func TestListenPortIsTheNameServersInItsRole(t *testing.T) {
	conf := writeConf(t, "listenPort=9999\n")
	c, _, err := Load(Source{Role: RoleNamesrv, File: conf})
	if err != nil || c.NamesrvPort != 9999 || c.ListenPort != 0 {
		t.Errorf("namesrv-port %d, listen-port %d, err %v", c.NamesrvPort, c.ListenPort, err)
	}
}

func TestUnknownKeysAreWarnedAboutByName(t *testing.T) {
	conf := writeConf(t, "# comment\nlistenPrt=1\nwarmMapedFileEnable=true\ncoldDataFlowControlEnable=true\nenableControllerInNamesrv=false\nqwertzuiop=1\n")
	_, warnings, err := Load(Source{File: conf})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		conf + ":2: listenPrt: no such setting; did you mean listenPort?",
		conf + ":4: coldDataFlowControlEnable: has no effect: the feature is not supported",
		conf + ":6: qwertzuiop: no such setting; see docs/CONFIG.md",
	}
	var got []string
	for _, w := range warnings {
		got = append(got, w.String())
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestBadValuesSayWhatIsAllowed(t *testing.T) {
	for _, tt := range []struct{ line, want string }{
		{"listenPort=many", `:1: listenPort = "many": want a port, 1 to 65535`},
		{"log-level=loud", `:1: log-level = "loud": `},
		{"aclEnable=true", `:1: aclEnable = "true": RocketMQ 4's access control is taken over, not run`},
		{"brokerRole=SLAVE", `:1: brokerRole = "SLAVE": this release runs single masters only`},
		{"tls.server.mode=enforcing", `:1: tls.server.mode = "enforcing": TLS is set up by tls-cert`},
	} {
		conf := writeConf(t, tt.line)
		_, _, err := Load(Source{File: conf})
		var bad *SettingError
		if !errors.As(err, &bad) || !strings.HasPrefix(err.Error(), conf+tt.want) {
			t.Errorf("%s: got %v, want %s%s…", tt.line, err, conf, tt.want)
		}
	}
}

func TestEveryBadValueIsReportedAtOnce(t *testing.T) {
	_, _, err := Load(Source{File: writeConf(t, "listenPort=a\nfast-port=b\n"), Flags: map[string]string{"namesrv-port": "c"}})
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("want three lines, got %v", err)
	}
}

func TestMissingFileSaysSo(t *testing.T) {
	_, _, err := Load(Source{File: filepath.Join(t.TempDir(), "none.conf")})
	if !errors.Is(err, os.ErrNotExist) && (err == nil || !strings.Contains(err.Error(), "does not exist")) {
		t.Errorf("got %v", err)
	}
}

// Every key of RocketMQ 5.5.0 is either a setting or accepted with a reason,
// never both.
func TestEveryJavaKeyHasAPlace(t *testing.T) {
	text, err := os.ReadFile("testdata/java_keys.txt")
	if err != nil {
		t.Fatal(err)
	}
	table := newTable(RoleAll)
	for key := range strings.FieldsSeq(string(text)) {
		_, _, set := table.find(key)
		_, passed := findIgnored(key)
		if key == "storePathCommitLog" { // TestLogPathOutsideTheDataDirectoryIsWarnedAbout
			continue
		}
		if set == passed {
			t.Errorf("%s: setting %v, ignored %v", key, set, passed)
		}
	}
}

func TestSettingsHaveOneNameEach(t *testing.T) {
	names, java := map[string]bool{}, map[string]bool{}
	for _, s := range Settings() {
		if names[s.Name] || s.Java != "" && java[s.Java] {
			t.Errorf("%s.%s: name %s or %s is taken", s.Type, s.Field, s.Name, s.Java)
		}
		names[s.Name], java[s.Java] = true, true
	}
}

func TestNumbersCountTheUnitOfTheirJavaKey(t *testing.T) {
	for _, tt := range []struct {
		text string
		java string
		want string
	}{
		{"72", "fileReservedTime", "72h0m0s"},
		{"500", "flushIntervalCommitLog", "500ms"},
		{"120", "serverChannelMaxIdleTimeSeconds", "2m0s"},
		{"90s", "flushIntervalCommitLog", "1m30s"},
	} {
		d, err := parseDuration(tt.text, javaUnit(tt.java), true)
		if err != nil || d.String() != tt.want {
			t.Errorf("%s = %s: got %v, %v, want %s", tt.java, tt.text, d, err, tt.want)
		}
	}
	if _, err := parseDuration("500", javaUnit(""), false); err == nil {
		t.Error("a bare number under our own name should want a unit")
	}
}

func TestSizesTakeUnits(t *testing.T) {
	for text, want := range map[string]int64{"1GiB": 1 << 30, "64mib": 64 << 20, "5": 5, "-1": -1} {
		if n, err := parseInt(text, 64); err != nil || n != want {
			t.Errorf("%s: got %d, %v, want %d", text, n, err, want)
		}
	}
	for _, text := range []string{"", "1GB", "9223372036854775807KiB", "1.5GiB"} {
		if n, err := parseInt(text, 64); err == nil {
			t.Errorf("%s: got %d, want an error", text, n)
		}
	}
}

func TestLogLevelIsRead(t *testing.T) {
	c, _, err := Load(Source{Flags: map[string]string{"log-level": "debug"}})
	if err != nil || c.LogLevel != slog.LevelDebug {
		t.Errorf("level %v, err %v", c.LogLevel, err)
	}
}

func TestMemoryLimitIsTheTightestGroups(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"version 2": {map[string]string{
			"/proc/self/cgroup":             "0::/a/b\n",
			"/sys/fs/cgroup/a/b/memory.max": "max\n",
			"/sys/fs/cgroup/a/memory.max":   "1000\n",
			"/sys/fs/cgroup/memory.max":     "5000\n",
		}, 1000},
		"version 1": {map[string]string{
			"/proc/self/cgroup":                             "9:name=systemd:/\n4:hugetlb,memory:/a\n1:cpu:/a\n0::/\n",
			"/sys/fs/cgroup/memory/a/memory.limit_in_bytes": "3000\n",
			"/sys/fs/cgroup/memory/memory.limit_in_bytes":   "9223372036854771712\n",
			"/sys/fs/cgroup/cpu/a/memory.limit_in_bytes":    "1\n",
		}, 3000},
		"version 1, the directory of the machine": {map[string]string{
			"/proc/self/cgroup":                           "4:memory:/docker/0123\n",
			"/sys/fs/cgroup/memory/memory.limit_in_bytes": "7000\n",
		}, 7000},
		"version 1 without a limit": {map[string]string{
			"/proc/self/cgroup":                           "4:memory:/\n",
			"/sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		"version 2 without a limit": {map[string]string{"/proc/self/cgroup": "0::/none\n"}, 0},
		"no control groups":         {nil, 0},
	} {
		got := groupLimit(func(name string) ([]byte, error) {
			if text, ok := c.files[name]; ok {
				return []byte(text), nil
			}
			return nil, os.ErrNotExist
		})
		if got != c.want {
			t.Errorf("%s: got %d, want %d", name, got, c.want)
		}
	}
}

func TestLogPathOutsideTheDataDirectoryIsWarnedAbout(t *testing.T) {
	_, warnings, err := Load(Source{File: writeConf(t, "storePathCommitLog=/a/commitlog\nstorePathRootDir=/a\n")})
	if err != nil || len(warnings) != 0 {
		t.Errorf("inside: err %v, warnings %v", err, warnings)
	}
	_, warnings, err = Load(Source{File: writeConf(t, "storePathCommitLog=/b/log\nstorePathRootDir=/a\n")})
	if err != nil || len(warnings) != 1 || !strings.Contains(warnings[0].Text, "/a/commitlog") {
		t.Errorf("outside: err %v, warnings %v", err, warnings)
	}
}

func TestNegatedKeysOfRocketMQAreTurnedAround(t *testing.T) {
	c, _, err := Load(Source{Role: RoleNamesrv, File: writeConf(t, "enableTopicList=false\nenableAllTopicList=true\n")})
	if err != nil || !c.Namesrv.HideTopics || c.Namesrv.HideAllTopics {
		t.Errorf("hide-topics %v, hide-all-topics %v, err %v", c.Namesrv.HideTopics, c.Namesrv.HideAllTopics, err)
	}
}

// What is larger than a frame would cut its producer's connection, or could
// never be sent.
func TestMessagesMustFitIntoAFrame(t *testing.T) {
	for flag, value := range map[string]string{"max-message-size": "32MiB", "max-read-bytes": "16MiB"} {
		c, _, err := Load(Source{Flags: map[string]string{flag: value}})
		if err == nil {
			err = c.Validate()
		}
		if err == nil || !strings.Contains(err.Error(), flag) || !strings.Contains(err.Error(), "max-frame") {
			t.Errorf("%s=%s: %v", flag, value, err)
		}
		c, _, err = Load(Source{Flags: map[string]string{flag: value, "max-frame": "64MiB"}})
		if err == nil {
			err = c.Validate()
		}
		if err != nil {
			t.Errorf("%s=%s with a larger frame: %v", flag, value, err)
		}
	}
}

func TestOpenTelemetrysEnvironmentSaysWhereSpansGo(t *testing.T) {
	for _, tt := range []struct {
		env                []string
		endpoint, protocol string
	}{
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a:4318"}, "http://a:4318", ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a/otlp", "OTEL_EXPORTER_OTLP_PROTOCOL=grpc"}, "http://a/otlp/v1/traces", "grpc"},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=http://b/otlp"}, "http://b/otlp", ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=a:4317", "OTEL_EXPORTER_OTLP_INSECURE=true"}, "http://a:4317", ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=a:4317"}, "https://a:4317", ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a", "GODDARD_TRACE_ENDPOINT=http://c"}, "http://c", ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a", "OTEL_SDK_DISABLED=true"}, "", ""},
		{[]string{"OTEL_EXPORTER_OTLP_ENDPOINT=http://a", "OTEL_TRACES_EXPORTER=none"}, "", ""},
	} {
		c, warnings, err := Load(Source{Env: tt.env})
		if err != nil || len(warnings) > 0 || c.Trace.Endpoint != tt.endpoint || c.Trace.Protocol != tt.protocol {
			t.Errorf("%v: endpoint %q, protocol %q, warnings %v, error %v", tt.env, c.Trace.Endpoint, c.Trace.Protocol, warnings, err)
		}
	}
}

func TestTheProxysFileIsReadAsItIs(t *testing.T) {
	conf := writeConf(t, "{\n  \"rocketMQClusterName\": \"c\",\n  \"grpcServerPort\": 8181,\n  \"enableTopicMessageTypeCheck\": false,\n  \"proxyMode\": \"cluster\"\n}\n")
	c, warnings, err := Load(Source{File: conf})
	if err != nil || c.GRPCPort != 8181 || !c.GRPC.AnyType {
		t.Errorf("port %d, any type %v, err %v", c.GRPCPort, c.GRPC.AnyType, err)
	}
	if len(warnings) != 1 || warnings[0].Key != "proxyMode" || !strings.HasSuffix(warnings[0].Where, ":5") {
		t.Errorf("warnings %v", warnings)
	}
	for _, wrong := range []string{"{\"a\": {}}", "{\"a\": 1", "{\"a\": [1]}", "{} x"} {
		if _, _, err := Load(Source{File: writeConf(t, wrong)}); err == nil {
			t.Errorf("%s was read", wrong)
		}
	}
}

func TestSecretsOfRocketMQsKeysAreNotRepeated(t *testing.T) {
	for _, key := range []string{"initAuthenticationUser", "innerClientAuthenticationCredentials", "tls.server.keyPassword"} {
		_, _, err := Load(Source{File: writeConf(t, key+"=hush\n")})
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", key, err)
		}
	}
}

// What a setting says of itself is true: a bare configuration has the defaults
// that docs/CONFIG.md prints, and nothing differs from them.
func TestABareConfigurationDiffersInNothing(t *testing.T) {
	for _, role := range []Role{RoleAll, RoleBroker, RoleNamesrv} {
		c, _, err := Load(Source{Role: role})
		if err != nil {
			t.Fatal(err)
		}
		if d := Diff(c, Defaults(role)); len(d) > 0 {
			t.Errorf("role %d: %+v", role, d)
		}
		running := configured(c)
		if d := DiffRunning(running, Defaults(role)); len(d) > 0 {
			t.Errorf("role %d, running: %+v", role, d)
		}
	}
}

func TestDifferencesSayWhereTheyComeFrom(t *testing.T) {
	conf := writeConf(t, "fileReservedTime=48\nflush=async\n")
	c, _, err := Load(Source{File: conf, Env: []string{"GODDARD_MAX_MESSAGE_SIZE=1MiB"}, Flags: map[string]string{"grpc-any-message-type": "true"}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"retention": "48h0m0s|72h0m0s|" + conf + ":1", "flush": "ASYNC_FLUSH|ASYNC_FLUSH|" + conf + ":2",
		"max-message-size": "1048576|4194304|environment", "grpc-any-message-type": "true|false|command line",
	}
	got := map[string]string{}
	for _, d := range Diff(c, Defaults(RoleAll)) {
		got[d.Name] = d.Value + "|" + d.Other + "|" + d.Origin
	}
	if !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	running := configured(c)
	running["maxMessageSize"] = "2000"
	running[mq.SettingsKept] = `{"maxMessageSize":"1048576"}`
	got = map[string]string{}
	for _, d := range DiffRunning(running, Defaults(RoleAll)) {
		got[d.Name] = d.Value + "|" + d.Other + "|" + d.Origin
	}
	want = map[string]string{
		"retention": "48|72|" + conf + ":1", "max-message-size": "2000|4194304|" + OriginKept,
		"grpc-any-message-type": "false|true|command line",
	}
	if !maps.Equal(got, want) {
		t.Errorf("running: got %v, want %v", got, want)
	}
}
