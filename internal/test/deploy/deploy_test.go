//go:build deploy

package deploy

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/goddardmq/goddard/internal/node"
)

const root = "../../.."

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "deploy", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// tool runs a program, or skips the test where it is missing.
func tool(t *testing.T, name string, args ...string) string {
	t.Helper()
	if _, err := exec.LookPath(name); err != nil {
		t.Skipf("SKIPPED: %s is not on the PATH", name)
	}
	cmd := exec.Command(name, args...)
	cmd.Dir = filepath.Join(root, "deploy")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// starts reports settings that a server would not start with, or warns about.
func starts(t *testing.T, what, conf string, env []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "goddard.conf")
	if err := os.WriteFile(file, []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	c, warnings, err := node.Load(node.Source{File: file, Env: env})
	if err == nil {
		err = c.Validate()
	}
	if err != nil || len(warnings) > 0 {
		t.Errorf("%s: %v, %v\n%s", what, warnings, err, conf)
	}
}

// What the image holds is built as the Dockerfile says: a program that needs no
// other file, for both architectures.
func TestTheBinaryOfTheImageNeedsNoOtherFile(t *testing.T) {
	line := regexp.MustCompile(`(?m)^RUN CGO_ENABLED=0 GOOS=\$TARGETOS GOARCH=\$TARGETARCH go (build .*) -o /out/goddard (\S+)$`).FindStringSubmatch(read(t, "docker/Dockerfile"))
	if line == nil {
		t.Fatal("the Dockerfile has no line that builds the binary")
	}
	for _, arch := range []string{"amd64", "arm64"} {
		out := filepath.Join(t.TempDir(), "goddard")
		args := append(strings.Fields(strings.ReplaceAll(line[1], `"-s -w"`, "-s@-w")), "-o", out, line[2])
		for i := range args {
			args[i] = strings.ReplaceAll(args[i], "@", " ")
		}
		cmd := exec.Command("go", args...)
		cmd.Dir = root
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", arch, err, text)
		}
		f, err := elf.Open(out)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, p := range f.Progs {
			if p.Type == elf.PT_INTERP || p.Type == elf.PT_DYNAMIC {
				t.Errorf("%s: the binary is linked dynamically (%v)", arch, p.Type)
			}
		}
		info, err := os.Stat(out)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("linux/%s: %v, %.1f MiB", arch, f.Machine, float64(info.Size())/(1<<20))
	}
}

var setting = regexp.MustCompile(`GODDARD_[A-Z_]+`)

func TestTheImageIsConfiguredByWhatTheServerKnows(t *testing.T) {
	text := read(t, "docker/Dockerfile")
	env := regexp.MustCompile(`(?m)^ENV (.*)$`).FindStringSubmatch(text)
	if env == nil {
		t.Fatal("no ENV line")
	}
	starts(t, "Dockerfile", "", strings.Fields(env[1]))
	if !strings.Contains(text, "USER 65532:65532") || !regexp.MustCompile(`(?m)^FROM scratch$`).MatchString(text) {
		t.Error("the image is not from scratch, or runs as root")
	}
	known := map[string]bool{"GODDARD_PASSWORD": true} // the compose file's own
	for _, s := range node.Settings() {
		known[s.Env()] = true
	}
	for _, name := range []string{"docker/Dockerfile", "compose/docker-compose.yml", "systemd/goddard.service", "helm/goddard/templates/statefulset.yaml"} {
		for _, variable := range setting.FindAllString(read(t, name), -1) {
			if !known[variable] {
				t.Errorf("%s: %s is no setting", name, variable)
			}
		}
	}
}

func TestSystemdUnderstandsTheUnit(t *testing.T) {
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		t.Skip("SKIPPED: systemd-analyze is not on the PATH")
	}
	text := strings.ReplaceAll(read(t, "systemd/goddard.service"), "/usr/local/bin/goddard", "/bin/true")
	file := filepath.Join(t.TempDir(), "goddard.service")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command("systemd-analyze", "verify", "--man=no", file).CombinedOutput()
	if err != nil || strings.Contains(string(out), "goddard.service") {
		t.Errorf("%v: %s", err, out)
	}
}

func TestTheCloudFormationTemplateIsValid(t *testing.T) {
	text := read(t, "cloudformation/goddard.yml")
	_, conf, ok := strings.Cut(text, "<<'CONF'\n")
	conf, _, ok2 := strings.Cut(conf, "          CONF\n")
	if !ok || !ok2 {
		t.Fatal("no settings in the template")
	}
	starts(t, "template", strings.ReplaceAll(conf, "${Retention}", "72h"), nil)
	tool(t, "cfn-lint", "cloudformation/goddard.yml")
}

func TestPrometheusUnderstandsItsConfiguration(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "alerts.yml"), []byte(read(t, "prometheus/alerts.yml")), 0o600); err != nil {
		t.Fatal(err)
	}
	conf := filepath.Join(dir, "prometheus.yml")
	text := strings.ReplaceAll(read(t, "compose/prometheus.yml"), "/run/secrets/metrics-password", file)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	tool(t, "promtool", "check", "config", conf)
}

// kube is the Kubernetes that the chart is rendered for; a helm without a cluster
// assumes an old one.
const kube = "1.31.0"

// Every switch of the chart gives a configuration that the server starts with.
func TestTheChartRendersWhatTheServerStartsWith(t *testing.T) {
	tool(t, "helm", "lint", "--strict", "--kube-version", kube, "helm/goddard")
	for what, set := range map[string]string{
		"as it is":      "image.tag=1",
		"everything on": "serviceMonitor.enabled=true,networkPolicy.enabled=true,tls.secretName=t,tls.only=true,advertise=mq.example.com,storage.className=fast",
		"a given user":  "auth.existingSecret=mine",
		"open":          "auth.enabled=false,podDisruptionBudget.enabled=false",
	} {
		out := tool(t, "helm", "template", "mq", "helm/goddard", "--kube-version", kube, "--set", set)
		_, conf, ok := strings.Cut(out, "  goddard.conf: |\n")
		conf, _, _ = strings.Cut(conf, "---")
		if !ok {
			t.Fatalf("%s: no settings:\n%s", what, out)
		}
		starts(t, what, conf, nil)
		if strings.Contains(set, "auth.enabled=false") == strings.Contains(out, "GODDARD_INIT_USER") {
			t.Errorf("%s: the first user is given if and only if users are asked for", what)
		}
	}
}

// Prometheus reads metrics as a user of its own: what it is given is what the
// server makes, and not the first user's, who may do everything.
func TestPrometheusIsNotTheSuperUser(t *testing.T) {
	compose := read(t, "compose/docker-compose.yml")
	if !strings.Contains(compose, `GODDARD_METRICS_USER: '{"username":"metrics","password":"${METRICS_PASSWORD`) ||
		!strings.Contains(compose, "secrets: [metrics-password]\n") || !strings.Contains(compose, "metrics-password:\n    environment: METRICS_PASSWORD\n") ||
		!strings.Contains(read(t, "compose/prometheus.yml"), "username: metrics\n      password_file: /run/secrets/metrics-password\n") {
		t.Error("compose: Prometheus does not get the password of the user metrics")
	}
	out := tool(t, "helm", "template", "mq", "helm/goddard", "--kube-version", kube, "--set", "serviceMonitor.enabled=true")
	for _, key := range []string{"username", "password"} {
		if !regexp.MustCompile(key + `: \{name: mq-goddard-auth, key: metrics-` + key + `\}`).MatchString(out) {
			t.Errorf("the chart: Prometheus does not sign with metrics-%s:\n%s", key, out)
		}
	}
	user := regexp.MustCompile(`metrics-user: ("\{.*\}")`).FindStringSubmatch(out)
	password := regexp.MustCompile(`metrics-password: "(\w{24})"`).FindStringSubmatch(out)
	if user == nil || password == nil || !strings.Contains(user[1], password[1]) {
		t.Fatalf("the chart: the user for metrics is another one than Prometheus':\n%s", out)
	}
	text, err := strconv.Unquote(user[1])
	if err != nil {
		t.Fatal(err)
	}
	starts(t, "the chart's user for metrics", "authentication=true\n", []string{"GODDARD_METRICS_USER=" + text})
}
