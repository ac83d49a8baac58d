//go:build linux

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

func anOption() *options {
	return &options{rounds: 2, span: 10 * time.Second, topics: 10, queues: 10, cold: 1, long: time.Minute}
}

func TestEveryRowHasAKeyOfItsOwnACostAndAMeasure(t *testing.T) {
	for _, peers := range []bool{false, true} {
		o := anOption()
		o.peers = peers
		seen := map[string]bool{}
		for _, g := range groups(o) {
			if len(g.servers) == 0 || len(g.rows) == 0 {
				t.Errorf("group %s measures nothing", g.key)
			}
			for _, r := range g.rows {
				if seen[r.key] {
					t.Errorf("two rows are %s", r.key)
				}
				seen[r.key] = true
				if r.cost == nil || r.cost(o) <= 0 || r.measure == nil {
					t.Errorf("%s has no cost or no measure", r.key)
				}
			}
		}
	}
}

func TestFloorsAreLinesThatAreMeasured(t *testing.T) {
	o := anOption()
	var floored []sheet.Line
	for _, server := range floors() {
		floored = append(floored, linesOf(o, server)...)
	}
	for _, l := range linesOf(o, "goddard") {
		if l.Floor == [2]string{} {
			continue
		}
		if !slices.ContainsFunc(floored, func(f sheet.Line) bool { return f.Row == l.Floor[0] && f.Value == l.Floor[1] }) {
			t.Errorf("%s %s has the floor %v, which no line shows", l.Row, l.Value, l.Floor)
		}
	}
}

func TestTheQuickFormLeavesOutWhatIsLong(t *testing.T) {
	o := anOption()
	o.quick = true
	for _, key := range []string{"cold", "long", "queues", "cold-beside"} {
		if known(o, key) {
			t.Errorf("the quick form has %s", key)
		}
	}
	o.form(map[string]bool{"rounds": true})
	if o.rounds != 2 || o.span >= 10*time.Second {
		t.Errorf("%d rounds that were asked for, loads of %v", o.rounds, o.span)
	}
	p := &plan{o: o, raw: new(sheet.Raw)}
	o.rounds = 1
	if left, n := p.expected(); left > 10*time.Minute || n == 0 {
		t.Errorf("the quick form is expected to take %v for %d figures", left, n)
	}
}

func TestWhatIsMeasuredIsNotMeasuredAgain(t *testing.T) {
	o := anOption()
	o.only = []string{"send"}
	p := &plan{o: o, raw: new(sheet.Raw)}
	g := sendGroup()
	_, all := p.expected()
	const once = 1 // of the rows
	if want := (len(g.rows)*o.rounds - once*(o.rounds-1)) * 2; all != want {
		t.Errorf("%d figures to measure, want %d", all, want)
	}
	p.raw.Figures = sheet.Figures{
		{Row: "send-1k", Server: "java", Round: 1, Values: map[string]float64{"rate": 1}},
		{Row: "send-128", Server: "java", Round: 1, Missing: "it fell over"},
	}
	if _, left := p.expected(); left != all-2 {
		t.Errorf("%d of %d figures left after two", left, all)
	}
	for _, r := range p.open(&g, "java", 1) {
		if r.key == "send-1k" || r.key == "send-128" {
			t.Errorf("%s is measured again", r.key)
		}
	}
	o.servers = []string{"goddard"}
	if rows := p.open(&g, "java", 2); rows != nil {
		t.Errorf("a server that is not asked for has %d rows", len(rows))
	}
}

// turns are the visits of some groups in order, as "group server round".
func turns(p *plan) (all []string) {
	for _, g := range groups(p.o) {
		for _, v := range p.visits(&g) {
			all = append(all, fmt.Sprintf("%s %s %d", g.key, v.server, v.round))
		}
	}
	return all
}

func TestServersTakeTurnsInAllRoundsOfAGroupBeforeTheNext(t *testing.T) {
	o := anOption()
	o.only = []string{"start", "send-1k", "long"}
	p := &plan{o: o, raw: new(sheet.Raw)}
	want := []string{"start java 1", "start goddard 1", "start java 2", "start goddard 2", "send java 1", "send goddard 1", "send java 2", "send goddard 2", "long java 1", "long goddard 1"}
	if got := turns(p); !slices.Equal(got, want) {
		t.Errorf("%v", got)
	}
	// It goes on where it broke off, and more rounds add to it.
	p.raw.Figures = sheet.Figures{{Row: "start", Server: "java", Round: 1}, {Row: "send-1k", Server: "java", Round: 1}, {Row: "send-1k", Server: "goddard", Round: 1}}
	o.rounds, o.only = 3, []string{"send-1k"}
	if got, want := turns(p), []string{"send java 2", "send goddard 2", "send java 3", "send goddard 3"}; !slices.Equal(got, want) {
		t.Errorf("after it broke off: %v", got)
	}
}

func TestAServerIsStartedAndWarmedUpOnceForAllRounds(t *testing.T) {
	o := anOption()
	o.only, o.servers = []string{"send-1k"}, []string{"java"}
	p := &plan{o: o, raw: new(sheet.Raw)}
	row := turnCost + o.span + time.Second
	for o.rounds = 1; o.rounds <= 5; o.rounds++ {
		want := startCost("java") + slowWarm + time.Duration(o.rounds)*row
		if left, n := p.expected(); n != o.rounds || left != want {
			t.Errorf("%d rounds: %v for %d figures, want %v", o.rounds, left, n, want)
		}
	}
	o.only, o.rounds = []string{"start"}, 3
	if left, _ := p.expected(); left != 3*(turnCost+startCost("java")+idleTime) {
		t.Errorf("%v for three rounds of what begins with the start", left)
	}
}

func TestWhatRunsAndIsWarmIsNotExpectedAgain(t *testing.T) {
	o := anOption()
	o.only, o.servers = []string{"read"}, []string{"java"}
	g := readGroup()
	p := &plan{o: o, raw: new(sheet.Raw), benches: map[string]*bench{"java": {g: &g, warmed: map[string]int{"pull": 1}}}}
	with, _ := p.expected()
	p.benches = nil
	if without, _ := p.expected(); without-with != startCost("java")+slowWarm {
		t.Errorf("%v is left when it runs and pulls are warm, %v otherwise", with, without)
	}
}

func TestThePageSaysWhichServersAreStartedAnew(t *testing.T) {
	o := anOption()
	if got := order(o); !strings.HasSuffix(got, "no other beside it: start, queues, long.") {
		t.Error(got)
	}
	o.only = []string{"send"}
	if got := order(o); strings.Contains(got, "no other") || !strings.Contains(got, "took\nturns") {
		t.Error(got)
	}
}

func TestTheRateOfTheLongRunMayBeGiven(t *testing.T) {
	o := anOption()
	b := &bench{o: o, figures: new(sheet.Raw), round: 1, s: &server{key: "java"}}
	if _, err := longRate(b); !errors.Is(err, errNeeds) {
		t.Errorf("half of nothing: %v", err)
	}
	b.figures.Figures = sheet.Figures{{Row: "send-1k", Server: "java", Round: 1, Values: map[string]float64{"rate": 1000}}}
	before := o.setup()
	for want, given := range map[float64]float64{500: 0, 70: 70} {
		o.longRate = given
		if got, err := longRate(b); got != want || err != nil {
			t.Errorf("%v messages a second when %v was given, %v", got, given, err)
		}
	}
	o.longRate = 70
	if o.setup() == before || !strings.Contains(self(o), "-long-rate 70") {
		t.Errorf("%q, %q", o.setup(), self(o))
	}
}

func TestTheLongRunIsMeasuredInOneRound(t *testing.T) {
	o := anOption()
	o.only = []string{"long"}
	p := &plan{o: o, raw: new(sheet.Raw)}
	if left, n := p.expected(); n != 2 || left < 2*o.long {
		t.Errorf("%d figures, %v", n, left)
	}
}

func TestUnknownNamesAndNumbersAreRefused(t *testing.T) {
	for want, change := range map[string]func(*options){
		"-only list":     func(o *options) { o.only = []string{"nonsense"} },
		"-servers":       func(o *options) { o.servers = []string{"nonsense"} },
		"-rounds":        func(o *options) { o.rounds = 0 },
		"take one":       func(o *options) { o.quick, o.full = true, true },
		"such group or ": func(o *options) { o.quick, o.only = true, []string{"cold"} },
	} {
		o := anOption()
		change(o)
		if err := o.check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
	o := anOption()
	o.only, o.servers = []string{"send", "cold-beside"}, []string{"java"}
	if err := o.check(); err != nil {
		t.Error(err)
	}
}

func TestCommandsAreShownWithoutThisMachinesPaths(t *testing.T) {
	got := shown([]string{"/home/me/.cache/goddard", "bench", "produce", "--json", "-Dlog4j2.configurationFile=/x/y.xml", "-cp", "/a/*:/b", "--dir", "/tmp/data"})
	if got != "goddard bench produce --dir …/data" {
		t.Errorf("%q", got)
	}
}

func TestALoadsTimeIsThatOfItsFlags(t *testing.T) {
	for want, args := range map[time.Duration][]string{
		12 * time.Second: {"bench", "--time", "10s", "--warmup", "2s"},
		3 * time.Second:  {"send", "-time", "3s"},
		0:                {"send", "-connections", "3"},
	} {
		if got := timeOf(args); got != want {
			t.Errorf("%v: %v, want %v", args, got, want)
		}
	}
}

func TestProcessorTimeIsThatOfUserAndKernel(t *testing.T) {
	stat := "42 (a (b) c) S 1 42 42 0 -1 4194560 1 0 0 0 150 25 0 0 20 0"
	if got := cpuOf(stat); got != 1750*time.Millisecond {
		t.Errorf("%v of %q", got, stat)
	}
	if got := cpuOf(""); got != 0 {
		t.Errorf("%v of a process that has ended", got)
	}
}

func TestTheWarmUpHasItsShareOfTheProcessor(t *testing.T) {
	if got := perMillion(3*time.Second, &load.Report{Messages: 1_000_000, WarmupMessages: 500_000}); got != 2 {
		t.Errorf("%v CPU-seconds per million, want 2", got)
	}
}

func TestALongRunThatFellBehindIsNotAFigure(t *testing.T) {
	samples := []float64{10, 50, 60, 55}
	r := &load.Report{Rate: 990, WantedRate: 1000, Latency: &load.Latency{Max: 4000}}
	v, err := longValues(r, samples, nil)
	if err != nil || v["late"] != 55 || v["most"] != 60 || v["early"] != 10 || v["max"] != 4 {
		t.Errorf("%v, %v", v, err)
	}
	r.Rate = 500
	if v, err := longValues(r, samples, nil); err == nil {
		t.Errorf("half of the rate gave %v", v)
	}
}

func TestDelayedMessagesThatDidNotComeAreNotAFigure(t *testing.T) {
	in := &load.Report{Messages: 10}
	if _, err := deliveredOf(map[string]float64{}, in); err == nil {
		t.Error("none came")
	}
	in.Delivered = &load.Report{Messages: 8, Errors: 2, LastError: "2 messages did not come", Latency: &load.Latency{}}
	if _, err := deliveredOf(map[string]float64{}, in); err == nil || !strings.Contains(err.Error(), "8 of 10") {
		t.Errorf("two are missing: %v", err)
	}
	in.Delivered = &load.Report{Messages: 10, Rate: 100, Latency: &load.Latency{P99: 5000}}
	if v, err := deliveredOf(map[string]float64{}, in); err != nil || v["out"] != 100 || v["late"] != 5 {
		t.Errorf("%v, %v", v, err)
	}
}

func TestAServerThatIsHaltedCanBeEnded(t *testing.T) {
	network, err := against.NewNetwork()
	if err != nil {
		t.Skipf("no network namespaces here: %v", err)
	}
	s := &server{dir: t.TempDir(), network: network}
	if err := s.launch(0, exec.Command("sleep", "600")); err != nil {
		t.Fatal(err)
	}
	stat := fmt.Sprintf("/proc/%d/stat", s.running[0].cmd.Process.Pid)
	s.signal(syscall.SIGSTOP)
	if !s.alive() {
		t.Error("a server that is halted has ended")
	}
	began := time.Now()
	s.remove()
	if _, err := os.Stat(stat); err == nil || time.Since(began) > 10*time.Second {
		t.Errorf("it has not ended after %v", time.Since(began))
	}
}

func TestAPlotHasTwoLinesOfEachServer(t *testing.T) {
	var fs sheet.Figures
	for _, server := range both() {
		values := map[string]float64{}
		for _, part := range []string{"10", "25", "50", "75", "90"} {
			values["rate"+part], values["p50at"+part], values["p99at"+part] = 1000, 10, 100
		}
		fs = append(fs, sheet.Figure{Row: "curve", Server: server, Round: 1, Values: values})
	}
	got := curves(fs)
	if len(got) != 4 {
		t.Fatalf("%d lines", len(got))
	}
	for _, c := range got {
		if len(c.Points) != len(parts()) || c.Dashed != strings.HasSuffix(c.Name, "p99") {
			t.Errorf("%+v", c)
		}
	}
}

func TestMemoryIsFilledFromAFileThatTakesNoDisk(t *testing.T) {
	path := filepath.Join(t.TempDir(), holes)
	for n := int64(1); n <= 2; n++ {
		if err := readHoles(path, 3<<20); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(path)
		if err != nil || st.Size() != n*3<<20 {
			t.Fatalf("%v, %v", st, err)
		}
		if blocks := st.Sys().(*syscall.Stat_t).Blocks; blocks > 64 {
			t.Errorf("%d blocks of the disk are taken", blocks)
		}
	}
	if free, err := freeMemory(); free <= 0 || err != nil {
		t.Errorf("%d bytes of memory are free, %v", free, err)
	}
}
