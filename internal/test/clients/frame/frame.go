// Package frame runs scenarios for the Go clients' programs, and holds those
// that both have in common.
//
// With scenarios named a program runs them and exits 1 if one fails. Without, it
// reads commands from standard input (run SCENARIO, signal SCENARIO WORD) until
// its end. Each result is one line of JSON behind an '@', since client libraries
// print lines of their own. Programs in other languages print the same lines,
// and their scenarios have the same names.
package frame

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"
)

// A runner runs scenarios and prints their results.
type runner struct {
	table          map[string]func(*Scenario)
	server, prefix string
	slots          chan struct{}
	wg             sync.WaitGroup

	mu struct {
		sync.Mutex // guards what follows and the output
		running    map[string]*Scenario
		failed     bool
	}
}

// Main is a program with a table of scenarios, of which some run at once. Its
// first argument is the server, the second begins all names; scenarios stand
// behind the first few.
func Main(usage string, arguments, atOnce int, table map[string]func(*Scenario)) {
	if len(os.Args) <= arguments {
		fmt.Fprintln(os.Stderr, "usage:", usage, "[SCENARIO...]")
		os.Exit(2)
	}
	r := &runner{table: table, server: os.Args[1], prefix: os.Args[2], slots: make(chan struct{}, atOnce)}
	r.mu.running = map[string]*Scenario{}
	names := os.Args[arguments+1:]
	for _, name := range names {
		r.start(name)
	}
	if len(names) == 0 {
		r.serve()
	}
	r.wg.Wait()
	if r.mu.failed {
		os.Exit(1)
	}
}

func (r *runner) serve() {
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		words := strings.SplitN(in.Text(), " ", 3)
		switch words[0] {
		case "run":
			r.start(words[1])
		case "signal":
			r.mu.Lock()
			s := r.mu.running[words[1]]
			r.mu.Unlock()
			s.signals <- words[2]
		}
	}
}

func (r *runner) start(name string) {
	s := &Scenario{Server: r.server, runner: r, name: name, signals: make(chan string, 1)}
	r.mu.Lock()
	r.mu.running[name] = s
	r.mu.Unlock()
	r.wg.Go(func() {
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
		from := time.Now()
		failure := s.run(r.table[name])
		r.print(map[string]any{"scenario": name, "done": true, "millis": time.Since(from).Milliseconds(), "error": failure})
		for _, f := range slices.Backward(s.open) { // which may wait for polls that are under way
			f()
		}
		if failure != "" {
			r.mu.Lock()
			r.mu.failed = true
			r.mu.Unlock()
		}
	})
}

func (r *runner) print(fields map[string]any) {
	line, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	fmt.Printf("@%s\n", line)
}

// A Scenario is one run of one behaviour: names of its own, clients that end
// with it.
type Scenario struct {
	Server string

	runner  *runner
	name    string
	signals chan string
	open    []func()
}

// run runs the body and returns why it failed; empty if it passed.
func (s *Scenario) run(body func(*Scenario)) (failure string) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case failed:
			failure = string(p)
		default:
			failure = fmt.Sprintf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	if body == nil {
		s.Fail("no such scenario")
	}
	body(s)
	return ""
}

// AtEnd has something closed when the scenario has ended, the last first.
func (s *Scenario) AtEnd(f func()) { s.open = append(s.open, f) }

// failed is what a failing scenario panics with.
type failed string

func fail(format string, args ...any) {
	_, file, line, _ := runtime.Caller(2)
	panic(failed(fmt.Sprintf("%s:%d: ", file, line) + fmt.Sprintf(format, args...)))
}

func (s *Scenario) Fail(format string, args ...any) { fail(format, args...) }

func (s *Scenario) Must(err error, doing string) {
	if err != nil {
		fail("%s: %v", doing, err)
	}
}

func Same[T comparable](got, want T, what string) {
	if got != want {
		fail("%s: got %v, want %v", what, got, want)
	}
}

// SameAll compares two lists.
func SameAll[T comparable](got, want []T, what string) {
	if !slices.Equal(got, want) {
		fail("%s: got %v, want %v", what, got, want)
	}
}

// Eventually fails unless the condition comes true within some seconds.
func (s *Scenario) Eventually(seconds int, what string, holds func() bool) {
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	fail("not within %d s: %s", seconds, what)
}

// Note adds a figure to the result, for people to read.
func (s *Scenario) Note(format string, args ...any) {
	s.runner.print(map[string]any{"scenario": s.name, "note": fmt.Sprintf(format, args...)})
}

// Ask tells the test that something is to be done and waits until it was.
func (s *Scenario) Ask(what string) {
	s.runner.print(map[string]any{"scenario": s.name, "event": what})
	select {
	case got := <-s.signals:
		Same(got, what, "what the test did")
	case <-time.After(3 * time.Minute):
		fail("the test did not %s", what)
	}
}

func (s *Scenario) Topic() string { return s.runner.prefix + "_" + s.name }
func (s *Scenario) Group() string { return "g_" + s.Topic() }
