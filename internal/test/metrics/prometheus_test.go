//go:build metrics

package metrics

import (
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// Where deploy/ is from here.
const deploy = "../../../deploy"

// skipped counts what could not run here.
var skipped []string

func TestMain(m *testing.M) {
	code := m.Run()
	for _, line := range skipped {
		fmt.Fprintln(os.Stderr, "metrics: not run:", line)
	}
	fmt.Fprintf(os.Stderr, "metrics: %d parts were skipped\n", len(skipped))
	os.Exit(code)
}

// tool finds a program of Prometheus, or skips the test.
func tool(t *testing.T, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		why := name + " is not on the PATH (Debian's package prometheus, or go install github.com/prometheus/prometheus/cmd/" + name + "@latest)"
		skipped = append(skipped, t.Name()+": "+why)
		t.Skip(why)
	}
	return path
}

func TestPromtoolFindsNothingWrongWithRulesAndConfiguration(t *testing.T) {
	promtool := tool(t, "promtool")
	for _, args := range []string{"check rules alerts.yml", "check config prometheus.yml", "test rules alerts_test.yml"} {
		cmd := exec.Command(promtool, strings.Fields(args)...)
		cmd.Dir = filepath.Join(deploy, "prometheus")
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("promtool %s: %v\n%s", args, err, out)
		}
	}
}

// theirNames is what promtool dislikes about names that are not ours to choose.
var theirNames = regexp.MustCompile(`^rocketmq_\S+ (use base unit "seconds" instead of "milliseconds"|label names should be written in 'snake_case' not 'camelCase'|non-histogram and non-summary metrics should not have "_count" suffix|counter metrics should have "_total" suffix|non-counter metrics should not have "_total" suffix|metric names should not contain abbreviated units)`)

func TestPromtoolFindsNothingWrongWithAScrape(t *testing.T) {
	promtool := tool(t, "promtool")
	s := serve(t)
	s.traffic(t)
	eventually(t, func() error {
		if text := get(t, s.url+"/metrics"); !strings.Contains(text, `rocketmq_consumer_lag_messages{`) {
			return fmt.Errorf("no backlog is shown")
		}
		return nil
	})
	for _, path := range []string{"/metrics", "/metrics/exporter"} {
		cmd := exec.Command(promtool, "check", "metrics")
		cmd.Stdin = strings.NewReader(get(t, s.url+path))
		out, err := cmd.CombinedOutput()
		if _, lint := err.(*exec.ExitError); err != nil && !lint {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(out)) {
			if !theirNames.MatchString(line) {
				t.Errorf("%s: %s", path, line)
			}
		}
	}
}

// A prometheus is a running one.
type prometheus struct{ url string }

// scraping starts a Prometheus that scrapes a server each second.
func scraping(t *testing.T, s server) prometheus {
	t.Helper()
	program := tool(t, "prometheus")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	conf, err := os.ReadFile(filepath.Join(deploy, "prometheus", "prometheus.yml"))
	if err != nil {
		t.Fatal(err)
	}
	rules, err := filepath.Abs(filepath.Join(deploy, "prometheus", "alerts.yml"))
	if err != nil {
		t.Fatal(err)
	}
	text := strings.NewReplacer("127.0.0.1:8082", s.HTTPAddr().String(), "15s", "1s", "alerts.yml", rules).Replace(string(conf))
	if err := os.WriteFile(filepath.Join(dir, "prometheus.yml"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config.file="+filepath.Join(dir, "prometheus.yml"), "--storage.tsdb.path="+filepath.Join(dir, "data"),
		"--web.listen-address="+addr, "--log.level=error")
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	p := prometheus{"http://" + addr}
	eventually(t, func() error {
		n, err := p.query(`count_over_time(up{job="goddard"}[1m]) >= 6 and up{job="goddard"} == 1`)
		if err == nil && n == 0 {
			err = fmt.Errorf("Prometheus has not scraped six times")
		}
		return err
	})
	return p
}

// query returns how many series a query finds.
func (p prometheus) query(expr string) (int, error) {
	resp, err := http.Get(p.url + "/api/v1/query?" + url.Values{"query": {expr}}.Encode())
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	var answer struct {
		Status, Error string
		Data          struct{ Result []any }
	}
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil {
		return 0, fmt.Errorf("%s: %s: %w", expr, resp.Status, err)
	}
	if answer.Status != "success" {
		return 0, fmt.Errorf("%s: %s", expr, answer.Error)
	}
	return len(answer.Data.Result), nil
}

// A board is a dashboard of Grafana.
type board struct {
	Panels []struct {
		Title   string
		Targets []struct{ Expr string }
	}
	Templating struct {
		List []struct {
			Name  string
			Type  string
			Query json.RawMessage
		}
	}
}

// quiet are families that nothing of the traffic here moves, whose producer sends no heartbeats.
var quiet = regexp.MustCompile(`producer_connections|rejected|refused|grpc_calls|commit_messages|rollback|finish_message|dlq|response_code!~`)

func TestAPrometheusEvaluatesEveryBoardAndAlert(t *testing.T) {
	tool(t, "prometheus")
	s := serve(t)
	s.traffic(t)
	p := scraping(t, s)
	boards, err := filepath.Glob(filepath.Join(deploy, "grafana", "*.json"))
	if err != nil || len(boards) == 0 {
		t.Fatalf("found %d boards: %v", len(boards), err)
	}
	queries := 0
	for _, path := range boards {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var b board
		if err := json.Unmarshal(text, &b); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		for _, panel := range b.Panels {
			for _, target := range panel.Targets {
				queries++
				checkQuery(t, p, filepath.Base(path)+": "+panel.Title, target.Expr)
			}
		}
		checkVariables(t, p, path, b)
	}
	if queries < 50 {
		t.Errorf("only %d queries were tried", queries)
	}
	checkAlerts(t, p)
}

func checkQuery(t *testing.T, p prometheus, where, expr string) {
	t.Helper()
	filled := strings.NewReplacer("$cluster", ".*", "$node", ".*", "$topic", ".*", "$group", ".*", "$__rate_interval", "1m").Replace(expr)
	n, err := p.query(filled)
	switch {
	case err != nil:
		t.Errorf("%s: %v", where, err)
	case strings.Contains(filled, "$"):
		t.Errorf("%s: %s has a variable that this test does not know", where, expr)
	case n == 0 && !quiet.MatchString(expr):
		t.Errorf("%s: %s finds nothing", where, expr)
	}
}

// checkVariables sees that what fills a board's lists of choices is there.
func checkVariables(t *testing.T, p prometheus, path string, b board) {
	t.Helper()
	values := regexp.MustCompile(`label_values\((\w+)(\{[^}]*\})?, (\w+)\)`)
	for _, v := range b.Templating.List {
		if v.Type != "query" {
			continue
		}
		m := values.FindSubmatch(v.Query)
		if m == nil {
			t.Errorf("%s: variable %s has the query %s", path, v.Name, v.Query)
			continue
		}
		if n, err := p.query(fmt.Sprintf(`count by (%s) (%s)`, m[3], m[1])); err != nil || n == 0 {
			t.Errorf("%s: variable %s finds %d values: %v", path, v.Name, n, err)
		}
	}
}

// checkAlerts sees that every alert was evaluated without an error.
func checkAlerts(t *testing.T, p prometheus) {
	t.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, Health, LastError string }
			}
		}
	}
	if err := json.Unmarshal([]byte(get(t, p.url+"/api/v1/rules")), &answer); err != nil {
		t.Fatal(err)
	}
	rules := 0
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			rules++
			if r.Health != "ok" {
				t.Errorf("alert %s is %s: %s", r.Name, r.Health, r.LastError)
			}
		}
	}
	if rules < 8 {
		t.Errorf("%d alerts were evaluated", rules)
	}
}

func get(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s: %v", url, resp.Status, err)
	}
	return string(text)
}

// eventually waits for try to succeed, for a minute at most.
func eventually(t *testing.T, try func() error) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		err := try()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}
