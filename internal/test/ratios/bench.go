//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/goddardmq/goddard/internal/load"
	"github.com/goddardmq/goddard/internal/test/against"
	"github.com/goddardmq/goddard/internal/test/ratios/sheet"
)

// loadSlack is what a load may take beyond its time before it is ended.
const loadSlack = 3 * time.Minute

// calmRuntime makes the monitor thread of a load's Go runtime print its state once
// in 23 days, for which it gives up its deepest sleep. Otherwise it is woken each
// time that a thread gets something to do after none had, some thousand times a
// second: a quarter of the CPU of a load that waits for each answer.
const calmRuntime = "GODEBUG=schedtrace=2000000000"

// A bench puts loads on a server, for the rows of a group.
type bench struct {
	ctx     context.Context
	s       *server
	g       *group
	kit     *against.Kit
	o       *options
	figures *sheet.Raw
	// profiles takes those of the loads that are measured; nil does not.
	profiles *profiles

	round    int
	row      string
	commands []string // loads of the row so far
	notes    []string // on the row's values
	idle     float64  // how much of the processors nobody used during the last load, in percent
	began    time.Time
	first    time.Duration   // from the start to the first message
	filled   map[string]bool // topics
	warmed   map[string]int  // paths, with the last round in which they were used
	unready  error           // why the server cannot be used
}

// measure measures a row, with its warm-up.
func (b *bench) measure(r *row) (map[string]float64, error) {
	b.row, b.commands, b.notes = r.key, nil, nil
	if b.unready != nil {
		return nil, fmt.Errorf("the server does not start: %w", b.unready)
	}
	if err := b.warmUp(r.warm); err != nil {
		return nil, err
	}
	values, err := r.measure(b)
	if _, ok := values["cpu"]; ok {
		values["idle"] = b.idle
	}
	return values, err
}

// begin is what comes before a server's turn in a round. It goes on if it was
// halted, or is to start anew if it does not; what is left of others is written out
// and memory is in use, so that nothing of that is charged to it.
func (b *bench) begin(round int) error {
	b.round = round
	if len(b.s.running) > 0 {
		b.s.signal(syscall.SIGCONT)
		if b.unready == nil {
			b.unready = b.firstSend()
		}
	}
	if b.unready != nil {
		b.s.stop()
	}
	syscall.Sync()
	return fillCache(b.o.dir)
}

// end halts the server, so that it takes nothing from others: Java compiles and
// collects garbage for seconds after a load, and never sleeps for long.
func (b *bench) end() { b.s.signal(syscall.SIGSTOP) }

// ready starts the server anew and waits until it can be used.
func (b *bench) ready() error {
	b.s.stop()
	b.filled, b.warmed = map[string]bool{}, map[string]int{}
	if err := b.s.prepare(); err != nil {
		return err
	}
	b.began = time.Now()
	if err := b.s.start(); err != nil || b.s.key == "floor" {
		return err
	}
	if err := b.firstSend(); err != nil {
		return err
	}
	b.first = time.Since(b.began)
	if b.g.proxy {
		return b.readyGRPC()
	}
	return nil
}

// firstSend tries until a message is accepted. The client's own start is
// charged too: an upper bound.
func (b *bench) firstSend() error {
	if b.s.key == "nats" || b.s.key == "kafka" {
		return b.firstPeer()
	}
	var out []byte
	var err error
	for limit := time.Now().Add(2 * time.Minute); time.Now().Before(limit) && b.ctx.Err() == nil; time.Sleep(time.Millisecond) {
		cmd := exec.CommandContext(b.ctx, b.kit.Goddard, "pub", "first", "x", "-n", nameServer)
		if err = b.s.network.Do(func() (err error) { out, err = cmd.CombinedOutput(); return err }); err == nil {
			return nil
		}
		if !b.s.alive() {
			return fmt.Errorf("it has ended: %s", b.s.log())
		}
	}
	return fmt.Errorf("no message accepted within two minutes: %s", out)
}

// again starts the broker that was ended on what it has, and returns how long
// it took to the first message.
func (b *bench) again() (time.Duration, error) {
	b.warmed = map[string]int{}
	began := time.Now()
	if err := b.s.startLast(); err != nil {
		return 0, err
	}
	err := b.firstSend()
	return time.Since(began), err
}

// load runs a load and returns its report and the CPU that the server used
// meanwhile. --time and --warmup are added where args lack them.
func (b *bench) load(kind string, args ...string) (*load.Report, time.Duration, error) {
	return b.run(b.command(kind, args...))
}

// measured is the load that a row is about.
func (b *bench) measured(kind string, args ...string) (*load.Report, time.Duration, error) {
	return b.profiled(b.command(kind, args...))
}

func (b *bench) command(kind string, args ...string) *exec.Cmd {
	cmd := b.s.load(kind)
	if !slices.Contains(args, "--time") {
		args = append(args, "--time", b.o.span.String())
	}
	if b.s.key != "floor" && !slices.Contains(args, "--warmup") {
		args = append(args, "--warmup", "0s")
	}
	cmd.Args = append(cmd.Args, args...)
	return cmd
}

// run runs the command of a load.
func (b *bench) run(cmd *exec.Cmd) (*load.Report, time.Duration, error) {
	b.commands = append(b.commands, shown(cmd.Args))
	ctx, cancel := context.WithTimeout(b.ctx, timeOf(cmd.Args)+loadSlack)
	defer cancel()
	in := exec.CommandContext(ctx, cmd.Path, cmd.Args[1:]...)
	in.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in.WaitDelay = 5 * time.Second
	var problems strings.Builder
	in.Stderr = &problems
	in.Env = append(in.Environ(), calmRuntime)
	before, began := b.s.cpu(), processors()
	var out []byte
	err := b.s.network.Do(func() (err error) { out, err = in.Output(); return err })
	cpu := b.s.cpu() - before
	b.idle = idleBetween(began, processors())
	if ctx.Err() != nil && b.ctx.Err() == nil {
		return nil, 0, fmt.Errorf("%s: still running %v after its time", b.commands[len(b.commands)-1], loadSlack)
	}
	if err != nil {
		return nil, 0, fmt.Errorf("%s: %w: %s", b.commands[len(b.commands)-1], err, tail(problems.String()))
	}
	r := new(load.Report)
	if err := json.Unmarshal(out, r); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", b.commands[len(b.commands)-1], err)
	}
	if r.Messages == 0 || r.Latency == nil {
		return nil, 0, fmt.Errorf("%s: %w: %s", b.commands[len(b.commands)-1], errNothing, r.LastError)
	}
	fmt.Fprintf(os.Stderr, "   %s: %v\n", b.s.name, r)
	// What is counted was sent again until it was taken.
	if r.Errors > r.Messages && !slices.Contains(cmd.Args, "--count") {
		return nil, 0, fmt.Errorf("%d failed beside %d that did not: %s", r.Errors, r.Messages, r.LastError)
	}
	if r.Errors > 0 {
		b.notes = append(b.notes, fmt.Sprintf("of %d messages %d failed: %s", r.Messages+r.Errors, r.Errors, r.LastError))
	}
	if r.Rate < 0.95*r.WantedRate {
		b.notes = append(b.notes, fmt.Sprintf("of %.0f messages a second it took %.0f", r.WantedRate, r.Rate))
	}
	return r, cpu, nil
}

// timeOf is how long a load was told to take, with its warm-up.
func timeOf(args []string) (sum time.Duration) {
	for i, a := range args[:len(args)-1] {
		if a := strings.TrimLeft(a, "-"); a == "time" || a == "warmup" {
			d, _ := time.ParseDuration(args[i+1])
			sum += d
		}
	}
	return sum
}

// shown is a command as others can run it: programs by their names, without
// class paths of this machine.
func shown(args []string) string {
	all := []string{filepath.Base(args[0])}
	for i := 1; i < len(args); i++ {
		a := args[i]
		switch {
		case a == "-cp" && i+1 < len(args):
			i++
			continue
		case strings.HasPrefix(a, "-Dlog4j2"), a == "--json":
			continue
		case filepath.IsAbs(a):
			a = "…/" + filepath.Base(a)
		}
		all = append(all, a)
	}
	return strings.Join(all, " ")
}

func tail(s string) string {
	s = strings.TrimSpace(s)
	return s[max(0, len(s)-400):]
}

// value is what a row gave for a server in this round.
func (b *bench) value(row, server, name string) (float64, bool) {
	f, ok := b.figures.Of(row, server, b.round)
	if !ok {
		return 0, false
	}
	v, ok := f.Values[name]
	return v, ok
}

// first of what is there of some servers' values.
func (b *bench) firstValue(row, name string, servers ...string) (float64, error) {
	for _, s := range servers {
		if v, ok := b.value(row, s, name); ok {
			return v, nil
		}
	}
	return 0, fmt.Errorf("%w: %s, which -only has to name as well", errNeeds, row)
}

// fill sends so many messages into a topic, once as long as the server lives.
func (b *bench) fill(topic string, size int, count int64) error {
	if b.filled[topic] {
		return nil
	}
	r, _, err := b.load("produce", "--topic", topic, "--size", fmt.Sprint(size), "--connections", "2", "--in-flight", "8", "--batch", "32",
		"--count", fmt.Sprint(count), "--time", "30m")
	if err == nil && r.Messages < count {
		err = fmt.Errorf("%d of %d messages were stored", r.Messages, count)
	}
	b.filled[topic] = err == nil
	return err
}

// perMillion is in CPU-seconds; the warm-up took its share.
func perMillion(cpu time.Duration, r *load.Report) float64 {
	return cpu.Seconds() / float64(r.Messages+r.WarmupMessages) * 1e6
}

// latencies adds percentiles in µs.
func latencies(to map[string]float64, l *load.Latency) map[string]float64 {
	to["p50"], to["p99"], to["p999"], to["max"] = float64(l.P50), float64(l.P99), float64(l.P999), float64(l.Max)
	return to
}

// throughput is what a row of a load flat out has.
func throughput(r *load.Report, cpu time.Duration, err error) (map[string]float64, error) {
	if err != nil {
		return nil, err
	}
	return latencies(map[string]float64{"rate": r.Rate, "mib": r.MiBRate, "cpu": perMillion(cpu, r)}, r.Latency), nil
}

var (
	errEnded   = errors.New("the server has ended")
	errNothing = errors.New("nothing came through")
)
