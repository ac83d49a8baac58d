// Command go runs scenarios with the published Go client against the servers
// behind a name server: go NAMESRV PREFIX [SCENARIO...].
//
// With scenarios named it runs them and exits 1 if one fails. Without, it reads
// commands from standard input (run SCENARIO, signal SCENARIO WORD) until its
// end. Each result is one line of JSON behind an '@', since the client library
// prints lines of its own. The same lines come from the Java scenarios, whose
// names these share.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/rlog"
)

const atOnce = 8

// scenarios is the table of what can be run.
func scenarios() map[string]func(*scenario) {
	return map[string]func(*scenario){
		"send_sync":            sendSync,
		"send_async":           sendAsync,
		"send_oneway":          sendOneway,
		"send_batch":           sendBatch,
		"send_to_chosen_queue": sendToChosenQueue,
		"properties_arrive":    propertiesArrive,
		"compressed_body":      compressedBody,
		"delay_level":          delayLevel,
		"delay_own_time":       delayOwnTime,
		"too_big_message":      tooBigMessage,
		"topic_lifecycle":      topicLifecycle,
		"lookup_by_key":        lookupByKey,

		"ordered":            ordered,
		"push":               push,
		"tag_filter":         tagFilter,
		"tag_hash_collision": tagHashCollision,
		"sql_filter":         sqlFilter,
		"sql_filter_wakes":   sqlFilterWakes,
		"broadcasting":       broadcasting,
		"long_poll_wakes":    longPollWakes,
		"resume_where_left":  resumeWhereLeft,
		"rebalance":          rebalance,
		"retry_then_success": retryThenSuccess,
		"retry_to_dlq":       retryToDeadLetters,
		"pull_consumer":      pullConsumer,

		"consume_from_first":     consumeFromFirst,
		"consume_from_last":      consumeFromLast,
		"consume_from_timestamp": consumeFromTimestamp,
		"offset_reset":           offsetReset,

		"transaction_commit":         transactionCommit,
		"transaction_check":          transactionCheck,
		"transaction_other_producer": transactionOtherProducer,

		"once":                 once,
		"at_most_once":         atMostOnce(0),
		"at_most_once_slow":    atMostOnce(300 * time.Millisecond),
		"at_most_once_orderly": atMostOnce(0, consumer.WithConsumerOrder(true)),
		"rate_push":            ratePush,

		"restart_under_load": restartUnderLoad,
		"mixed_cluster":      mixedCluster,
	}
}

// A runner runs scenarios and prints their results.
type runner struct {
	nameServer, prefix string
	slots              chan struct{}
	wg                 sync.WaitGroup

	mu struct {
		sync.Mutex // guards what follows and the output
		running    map[string]*scenario
		failed     bool
	}
}

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: go NAMESRV PREFIX [SCENARIO...]")
		os.Exit(2)
	}
	rlog.SetLogLevel("fatal")
	r := &runner{nameServer: os.Args[1], prefix: os.Args[2], slots: make(chan struct{}, atOnce)}
	r.mu.running = map[string]*scenario{}
	if len(os.Args) > 3 {
		for _, name := range os.Args[3:] {
			r.start(name)
		}
	} else {
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
	s := &scenario{runner: r, name: name, nameServer: r.nameServer, signals: make(chan string, 1)}
	r.mu.Lock()
	r.mu.running[name] = s
	r.mu.Unlock()
	r.wg.Go(func() {
		r.slots <- struct{}{}
		defer func() { <-r.slots }()
		from := time.Now()
		failure := s.run(scenarios()[name])
		r.print(map[string]any{"scenario": name, "done": true, "millis": time.Since(from).Milliseconds(), "error": failure})
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

// run runs the body and returns why it failed; empty if it passed.
func (s *scenario) run(body func(*scenario)) (failure string) {
	defer s.close()
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
