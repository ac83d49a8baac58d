//go:build linux

package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// writeResults prints the page, and writes it with its plot if it has a place.
func writeResults(p *plan) error {
	if len(p.raw.Figures) == 0 {
		return nil
	}
	name := time.Now().UTC().Format(time.DateOnly)
	for _, s := range []struct {
		suffix string
		set    bool
	}{{"-peers", p.o.peers}, {"-quick", p.o.quick && !p.o.peers}, {"-memory", inMemory(p.o.dir)}, {"-awake", p.o.awake}} {
		if s.set {
			name += s.suffix
		}
	}
	var page, plot bytes.Buffer
	lines := curves(p.raw.Figures)
	if len(lines) > 0 {
		if err := sheet.Plot(&plot, "Latency of sends over throughput, 1 KiB", lines); err != nil {
			return err
		}
	}
	if err := writePage(&page, p, name, plot.Len() > 0 && p.o.results != ""); err != nil {
		return err
	}
	if _, err := os.Stdout.Write(page.Bytes()); err != nil || p.o.results == "" {
		return err
	}
	if err := os.MkdirAll(p.o.results, 0o755); err != nil {
		return err
	}
	if plot.Len() > 0 {
		if err := os.WriteFile(filepath.Join(p.o.results, name+".svg"), plot.Bytes(), 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(p.o.results, name+".md"), page.Bytes(), 0o644)
}

func writePage(w io.Writer, p *plan, name string, plotted bool) error {
	other := "RocketMQ " + against.OriginalVersion
	if p.o.peers {
		other = "NATS JetStream and Kafka " + against.KafkaVersion
	}
	fmt.Fprintf(w, "# Goddard beside %s\n\n%s\n\n", other, about(p.o))
	if p.o.quick {
		fmt.Fprint(w, notWarm)
	}
	if inMemory(p.o.dir) {
		fmt.Fprint(w, "The servers kept their data in memory (tmpfs), so no disk had a part in it: a machine with a faster disk than this one comes near to that.\n\n")
	}
	if p.o.awake {
		fmt.Fprint(w, "The processors were kept from halting, as a machine that is tuned for latency keeps them (-awake, docs/performance.md).\n\n")
	}
	if err := tableOf(p.o).Write(w, p.raw.Figures); err != nil {
		return err
	}
	if !p.o.peers {
		if err := writeMachine(w, p); err != nil {
			return err
		}
	}
	if plotted {
		fmt.Fprintf(w, "\n![Latency of sends over throughput](%s.svg)\n", name)
	}
	fmt.Fprintf(w, "\nMedians of the rounds; in brackets the smallest and the largest ratio within one round. A floor is what the machine,\n"+
		"or a server that stores nothing, reached in the same run. docs/performance.md says what each row is.\n\n%s\n\n## The commands\n\n    %s\n\nwhich ran, in its first round and with %s:\n\n", order(p.o), self(p.o), calmRuntime)
	for _, g := range groups(p.o) {
		for _, r := range g.rows {
			for _, c := range p.raw.Commands(r.key) {
				fmt.Fprintf(w, "    %s: %s\n", r.key, c)
			}
		}
	}
	return nil
}

// notWarm is what those have to know who read figures of the quick form.
var notWarm = fmt.Sprintf("This is the quick form: servers are warmed up for %v at most, and Java servers are not warm by then. They reach much more after a minute,\n"+
	"so ratios in which Java has a part flatter us. They show whether a change helps, and are no figures to give to others.\n\n", quickWarmLimit)

// order says when servers were started and in which order they were measured.
func order(o *options) string {
	text := "One group of rows was measured after the other. Its servers were started and warmed up once, each in a network of its own, and then took\n" +
		"turns in all rounds, the one halted while the other was measured; if the disk had no room for more they began anew."
	var anew []string
	for _, g := range groups(o) {
		if g.anew && slices.ContainsFunc(g.rows, func(r row) bool { return o.wants(&g, &r) }) {
			anew = append(anew, g.key)
		}
	}
	if len(anew) > 0 {
		text += "\nStarted in each round, with no other beside it: " + strings.Join(anew, ", ") + "."
	}
	return text
}

func writeMachine(w io.Writer, p *plan) error {
	fmt.Fprint(w, "\n## The machine\n")
	for _, server := range floors() {
		t := machineTable(p.o, server)
		if len(t.Lines) == 0 {
			continue
		}
		fmt.Fprintln(w)
		if err := t.Write(w, p.raw.Figures); err != nil {
			return err
		}
	}
	return nil
}

// about is the machine and what was built, for those who compare.
func about(o *options) string {
	var st unix.Utsname
	kernel := "an unknown kernel"
	if unix.Uname(&st) == nil {
		kernel = unix.ByteSliceToString(st.Sysname[:]) + " " + unix.ByteSliceToString(st.Release[:])
	}
	return fmt.Sprintf("%s, %d CPUs (%s), %.0f GiB of memory, %s, commit %s, %s; rounds: %d, a load: %v.",
		time.Now().UTC().Format(time.DateOnly), runtime.NumCPU(), cpuModel(), memoryGiB(), kernel, commit(), runtime.Version(), o.rounds, o.span)
}

func commit() string {
	out, err := exec.Command("git", "rev-parse", "--short=12", "HEAD").Output()
	if err != nil {
		return "unknown"
	}
	text := strings.TrimSpace(string(out))
	if out, err := exec.Command("git", "status", "--porcelain", "--untracked-files=no").Output(); err == nil && len(out) > 0 {
		text += " with changes"
	}
	return text
}

func memoryGiB() float64 {
	var info unix.Sysinfo_t
	if unix.Sysinfo(&info) != nil {
		return 0
	}
	return float64(info.Totalram) * float64(info.Unit) / (1 << 30)
}

func cpuModel() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if rest, ok := strings.CutPrefix(line, "model name"); ok {
			return strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(rest), ":"))
		}
	}
	return runtime.GOARCH
}

// self is the command that measures the same again.
func self(o *options) string {
	args := []string{"go run ./internal/test/ratios", fmt.Sprintf("-rounds %d -time %v", o.rounds, o.span)}
	if o.peers {
		args = append(args, "-peers")
	} else {
		args = append(args, fmt.Sprintf("-topics %d -queues %d -cold %v -long %v", o.topics, o.queues, o.cold, o.long))
	}
	if o.longRate > 0 {
		args = append(args, fmt.Sprintf("-long-rate %v", o.longRate))
	}
	if o.quick {
		args = append(args, "-quick")
	}
	if o.awake {
		args = append(args, "-awake")
	}
	if inMemory(o.dir) {
		args = append(args, "-dir /dev/shm/bench")
	}
	if len(o.servers) > 0 {
		args = append(args, "-servers "+strings.Join(o.servers, ","))
	}
	if len(o.only) > 0 {
		args = append(args, "-only "+strings.Join(o.only, ","))
	}
	return strings.Join(args, " ")
}

// floors are the servers that bound the others.
func floors() []string { return []string{"floor", "bare"} }

// tableOf has a line for each value that is shown of ours.
func tableOf(o *options) *sheet.Table {
	t := &sheet.Table{Ours: "goddard", Others: []string{"java"}, Floors: floors(), Names: names(), Lines: linesOf(o, "goddard")}
	if o.peers {
		t.Others, t.Floors = []string{"nats", "kafka"}, nil
	}
	return t
}

// machineTable is one floor with its own figures.
func machineTable(o *options, server string) *sheet.Table {
	return &sheet.Table{Ours: server, Names: names(), Lines: linesOf(o, server)}
}

// linesOf are the lines of the rows that are measured of a server.
func linesOf(o *options, server string) (lines []sheet.Line) {
	for _, g := range groups(o) {
		for _, r := range g.rows {
			if !slices.Contains(g.servers, server) || !o.wants(&g, &r) {
				continue
			}
			for _, l := range r.lines {
				l.Row = r.key
				lines = append(lines, l)
				if l.Value == "cpu" {
					lines = append(lines, sheet.Line{Row: r.key, Value: "idle", Title: "… of the processors nobody used, %"})
				}
			}
		}
	}
	return lines
}
