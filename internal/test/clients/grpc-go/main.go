// Command grpc-go runs scenarios with the published Go client of the gRPC
// protocol: grpc-go ENDPOINTS PREFIX NAMESRV [SCENARIO...].
//
// With scenarios named it runs them and exits 1 if one fails. Without, it reads
// commands from standard input (run SCENARIO, signal SCENARIO WORD) until its
// end. Each result is one line of JSON behind an '@'. The other clients of the
// protocol print the same lines, and their scenarios have the same names.
// Topics and groups are there already; the name server is not asked.
package main

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

	rmq "github.com/apache/rocketmq-clients/golang/v5"
)

// scenarios is the table of what can be run.
func scenarios() map[string]func(*scenario) {
	return map[string]func(*scenario){
		"send_receive_ack":   sendReceiveAck,
		"change_invisible":   changeInvisible,
		"simple_dead_letter": simpleDeadLetter,
		"long_poll_wakes":    longPollWakes,
		"tag_filter":         tagFilter,
		"sql_filter":         sqlFilter,

		"push":                 push,
		"fifo":                 fifo,
		"fifo_dead_letter":     fifoDeadLetter,
		"fifo_one_group_fails": fifoOneGroupFails,
		"retry_to_dead_letter": retryToDeadLetter,

		"delay":             delay,
		"transaction":       transaction,
		"transaction_check": transactionCheck,
		"type_refused":      typeRefused,
		"missing_topic":     missingTopic,
		"send_limited":      sendLimited,

		"receipt_after_restart": receiptAfterRestart,

		"statuses":             statuses,
		"statuses_precise":     preciseStatuses,
		"status_of_long_delay": statusOfLongDelay,
	}
}

// A runner runs scenarios, all at once since they mostly wait, and prints their
// results.
type runner struct {
	endpoints, prefix string
	wg                sync.WaitGroup

	mu struct {
		sync.Mutex // guards what follows and the output
		running    map[string]*scenario
		failed     bool
	}
}

func main() {
	if len(os.Args) < 4 {
		fmt.Fprintln(os.Stderr, "usage: grpc-go ENDPOINTS PREFIX NAMESRV [SCENARIO...]")
		os.Exit(2)
	}
	os.Setenv(rmq.CLIENT_LOG_ROOT, "logs")
	os.Setenv(rmq.CLIENT_LOG_LEVEL, "error")
	rmq.ResetLogger()
	r := &runner{endpoints: os.Args[1], prefix: os.Args[2]}
	r.mu.running = map[string]*scenario{}
	for _, name := range os.Args[4:] {
		r.start(name)
	}
	if len(os.Args) == 4 {
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
	s := &scenario{runner: r, name: name, signals: make(chan string, 1)}
	r.mu.Lock()
	r.mu.running[name] = s
	r.mu.Unlock()
	r.wg.Go(func() {
		from := time.Now()
		failure := s.run(scenarios()[name])
		r.print(map[string]any{"scenario": name, "done": true, "millis": time.Since(from).Milliseconds(), "error": failure})
		s.close() // which waits for polls that are under way
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

// A scenario is one run of one behaviour: names of its own, clients that end
// with it.
type scenario struct {
	runner  *runner
	name    string
	signals chan string
	open    []func()
}

// run runs the body and returns why it failed; empty if it passed.
func (s *scenario) run(body func(*scenario)) (failure string) {
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
		s.fail("no such scenario")
	}
	body(s)
	return ""
}

func (s *scenario) close() {
	for _, f := range slices.Backward(s.open) {
		f()
	}
}

// failed is what a failing scenario panics with.
type failed string

func (s *scenario) fail(format string, args ...any) {
	_, file, line, _ := runtime.Caller(1)
	panic(failed(fmt.Sprintf("%s:%d: ", file, line) + fmt.Sprintf(format, args...)))
}

func (s *scenario) must(err error, doing string) {
	if err != nil {
		_, file, line, _ := runtime.Caller(1)
		panic(failed(fmt.Sprintf("%s:%d: %s: %v", file, line, doing, err)))
	}
}

func same[T comparable](got, want T, what string) {
	if got != want {
		_, file, line, _ := runtime.Caller(1)
		panic(failed(fmt.Sprintf("%s:%d: %s: got %v, want %v", file, line, what, got, want)))
	}
}

// sameAll compares two lists.
func sameAll[T comparable](got, want []T, what string) {
	if !slices.Equal(got, want) {
		_, file, line, _ := runtime.Caller(1)
		panic(failed(fmt.Sprintf("%s:%d: %s: got %v, want %v", file, line, what, got, want)))
	}
}

// eventually fails unless the condition comes true within some seconds.
func (s *scenario) eventually(seconds int, what string, holds func() bool) {
	for end := time.Now().Add(time.Duration(seconds) * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	s.fail("not within %d s: %s", seconds, what)
}

func (s *scenario) note(format string, args ...any) {
	s.runner.print(map[string]any{"scenario": s.name, "note": fmt.Sprintf(format, args...)})
}

// ask tells the test that something is to be done and waits until it was.
func (s *scenario) ask(what string) {
	s.runner.print(map[string]any{"scenario": s.name, "event": what})
	select {
	case got := <-s.signals:
		same(got, what, "what the test did")
	case <-time.After(time.Minute):
		s.fail("the test did not %s", what)
	}
}

func (s *scenario) topic() string { return s.runner.prefix + "_" + s.name }
func (s *scenario) group() string { return "g_" + s.runner.prefix + "_" + s.name }
