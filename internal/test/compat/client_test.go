//go:build compat

package compat

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// A client is one program with RocketMQ's client library in it, which runs the
// scenarios it is told to, several at a time.
type client struct {
	name      string
	scenarios []string // those that may run beside others
	limit     time.Duration

	cmd    *exec.Cmd
	stdin  io.WriteCloser
	events chan event // not of one scenario's run: answers of mqadmin
	reader sync.WaitGroup

	mu struct {
		sync.Mutex // guards the runs
		runs       map[string]*clientRun
		other      strings.Builder // lines that are no events
	}
}

// An event is one line of a client's output.
type event struct {
	Scenario string
	Event    string // what it asks the test to do
	Note     string // a figure
	Done     bool
	Millis   int64
	Error    string
	Output   string // of an mqadmin command
}

// A clientRun is one scenario's run in a client.
type clientRun struct {
	asked chan string
	done  chan struct{}
	last  event // once done is closed
	notes []string
}

// prefixes make a client's name one that topics may have.
var prefixes = strings.NewReplacer("java-4", "j4", "java-5", "j5", "go-2", "go2", ".", "", "-", "_")

// prefix begins the names of what a client's scenarios use.
func (c *client) prefix() string { return prefixes.Replace(c.name) }

// startClient starts a client program; it ends with the test.
func startClient(tb testing.TB, name string, scenarios []string, command string, args ...string) *client {
	tb.Helper()
	return startProgram(tb, name, scenarios, against.Program{Command: command}, args...)
}

func startProgram(tb testing.TB, name string, scenarios []string, p against.Program, args ...string) *client {
	tb.Helper()
	c := &client{name: name, scenarios: scenarios, limit: 5 * time.Minute, events: make(chan event, 1)}
	c.mu.runs = map[string]*clientRun{}
	home := tb.TempDir()
	c.cmd = exec.Command(p.Command, append(slices.Clone(p.Args), args...)...)
	c.cmd.Dir = home
	c.cmd.Env = append(append(os.Environ(), "HOME="+home), p.Env...)
	var err error
	if c.stdin, err = c.cmd.StdinPipe(); err != nil {
		tb.Fatal(err)
	}
	out, err := c.cmd.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	c.cmd.Stderr = c.cmd.Stdout
	if err := against.StartChild(c.cmd); err != nil {
		tb.Fatal(err)
	}
	c.reader.Go(func() { c.read(out) })
	tb.Cleanup(func() {
		c.cmd.Process.Kill()
		c.reader.Wait()
		c.cmd.Wait()
	})
	return c
}

func (c *client) read(out io.Reader) {
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			c.lost()
			return
		}
		var e event
		if !strings.HasPrefix(line, "@") || json.Unmarshal([]byte(line[1:]), &e) != nil {
			c.mu.Lock()
			if c.mu.other.Len() < 16<<10 {
				c.mu.other.WriteString(line)
			}
			c.mu.Unlock()
			continue
		}
		c.mu.Lock()
		r := c.mu.runs[e.Scenario]
		c.mu.Unlock()
		switch {
		case r == nil:
			c.events <- e
		case e.Event != "":
			r.asked <- e.Event
		case e.Done:
			r.last = e
			close(r.done)
		default:
			r.notes = append(r.notes, e.Note)
		}
	}
}

// lost ends every run that is still waiting: the program is gone.
func (c *client) lost() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, r := range c.mu.runs {
		select {
		case <-r.done:
		default:
			r.last = event{Error: "the client program ended: " + c.mu.other.String()}
			close(r.done)
		}
	}
	close(c.events)
}

// run starts scenarios; they wait for each other inside the program.
func (c *client) run(tb testing.TB, scenarios ...string) {
	tb.Helper()
	for _, s := range scenarios {
		c.mu.Lock()
		c.mu.runs[s] = &clientRun{asked: make(chan string, 1), done: make(chan struct{})}
		c.mu.Unlock()
		c.tell(tb, "run "+s)
	}
}

func (c *client) tell(tb testing.TB, line string) {
	tb.Helper()
	if _, err := fmt.Fprintln(c.stdin, line); err != nil {
		tb.Fatalf("%s does not listen: %v", c.name, err)
	}
}

func (c *client) runOf(scenario string) *clientRun {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.runs[scenario]
}

// asked waits until a scenario asks for something; false if it ended instead.
func (c *client) asked(scenario, what string) bool {
	r := c.runOf(scenario)
	select {
	case got := <-r.asked:
		return got == what
	case <-r.done:
		return false
	case <-time.After(2 * time.Minute):
		return false
	}
}

// answer tells a scenario that it was done.
func (c *client) answer(tb testing.TB, scenario, what string) {
	tb.Helper()
	c.tell(tb, "signal "+scenario+" "+what)
}

// report waits for a scenario's end and makes it a subtest's result.
func (c *client) report(t *testing.T, server, scenario string) {
	c.reportAs(t, server, scenario, scenario)
}

func (c *client) reportAs(t *testing.T, server, scenario, as string) {
	t.Run(as, func(t *testing.T) {
		judge(t, server, c.name, scenario, c.failure(t, scenario))
	})
}

// failure waits for a scenario's end and returns why it failed; empty if it
// passed.
func (c *client) failure(t *testing.T, scenario string) string {
	t.Helper()
	r := c.runOf(scenario)
	select {
	case <-r.done:
	case <-time.After(c.limit):
		failf(t, "no result after %v", c.limit)
	}
	if len(r.notes) > 0 {
		t.Logf("%d ms; %s", r.last.Millis, strings.Join(r.notes, "; "))
	}
	return r.last.Error
}

// judge compares a result (an error text, empty if it passed) with what is
// expected.
func judge(t *testing.T, server, client, scenario, failure string) {
	t.Helper()
	reason := expected(server, client, scenario)
	switch {
	case reason == "" && failure != "":
		failf(t, "%s", failure)
	case reason != "" && failure == "":
		failf(t, "passes although it is listed as a difference (%s); strike it from differences.go", reason)
	case reason != "":
		first, _, _ := strings.Cut(failure, "\n")
		t.Logf("fails as expected: %s\n%s", reason, first)
	}
}

// mqadmin runs one command of the published tool and returns what it prints.
func (c *client) mqadmin(tb testing.TB, args string) string {
	tb.Helper()
	return c.ask(tb, "admin "+args)
}

// ask sends a line about mqadmin and returns what the tool printed.
func (c *client) ask(tb testing.TB, line string) string {
	tb.Helper()
	c.tell(tb, line)
	select {
	case e, ok := <-c.events:
		if !ok {
			tb.Fatalf("%s ended during %s", c.name, line)
		}
		return e.Output
	case <-time.After(time.Minute):
		tb.Fatalf("no answer to %s after a minute", line)
		return ""
	}
}

// javaClient starts the scenarios with one version of the Java client; nil, and
// a skipped subtest, where that cannot be had.
func javaClient(t *testing.T, version, nameServer string) *client {
	t.Helper()
	if why := kit.JavaClientsMissing[version]; why != "" {
		t.Run("java-"+version, func(t *testing.T) { skip(t, why) })
		return nil
	}
	args := append([]string{"-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Duser.home=" + t.TempDir()},
		"--add-opens=java.base/java.nio=ALL-UNNAMED", "--add-opens=java.base/sun.nio.ch=ALL-UNNAMED",
		"-cp", kit.JavaClients[version], "scenarios.Scenarios", nameServer, prefixes.Replace("java-"+version))
	scenarios := javaScenarios
	if version == against.JavaClient4 {
		scenarios = without(scenarios, "compressed_lz4", "compressed_zstd", "delay_recall", "topic_attributes", "topic_forbidden")
		scenarios = slices.DeleteFunc(scenarios, func(s string) bool { return strings.HasPrefix(s, "pop_") })
	}
	return startClient(t, "java-"+version, scenarios, kit.Java, args...)
}

// goClient starts the scenarios with the Go client.
func goClient(t *testing.T, nameServer string) *client {
	t.Helper()
	if kit.GoClientMissing != "" {
		t.Run("go", func(t *testing.T) { skip(t, kit.GoClientMissing) })
		return nil
	}
	return startClient(t, "go-2.1.2", goScenarios, kit.GoClient, nameServer, prefixes.Replace("go-2.1.2"))
}

// clientNamed starts one client of any kind, if it is among those to run; nil,
// and a skipped subtest, where it cannot be had.
func clientNamed(t *testing.T, name, server string, cluster *against.Cluster) *client {
	t.Helper()
	version, java := strings.CutPrefix(name, "java-")
	switch {
	case !strings.Contains(*clients, name):
		return nil
	case java:
		return javaClient(t, version, cluster.NameServer)
	case strings.HasPrefix(name, "grpc-"):
		return grpcClient(t, name, server, cluster)
	}
	return goClient(t, cluster.NameServer)
}
