//go:build compat

package compat

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/goddardmq/goddard/internal/test/against"
)

// kit is set once, before the tests start.
var kit *against.Kit

// skipped counts what could not run here, so that a green run says what it
// proved.
var skipped struct {
	sync.Mutex
	lines []string
}

var (
	servers = flag.String("servers", "rocketmq,goddard", "which servers to run against")
	only    = flag.String("scenarios", "", "comma separated scenarios to run; empty for all")
	clients = flag.String("clients", "java-5.5.0,java-4.9.8,go-2.1.2,"+strings.Join(against.GRPCClients(), ","), "which clients to run")
)

func TestMain(m *testing.M) {
	against.Main(m, func(k *against.Kit) { kit = k }, func() {
		for _, line := range skipped.lines {
			fmt.Fprintln(os.Stderr, "compat: not run:", line)
		}
		fmt.Fprintf(os.Stderr, "compat: %d parts were skipped\n", len(skipped.lines))
		for _, line := range failed.lines {
			fmt.Fprintln(os.Stderr, "compat: failed:", line)
		}
	})
}

// failed is which scenarios failed and why, for the end of a long output.
var failed struct {
	sync.Mutex
	lines []string
}

// failf fails a scenario and has that said again at the end.
func failf(t *testing.T, format string, args ...any) {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	failed.Lock()
	failed.lines = append(failed.lines, t.Name()+": "+text)
	failed.Unlock()
	t.Fatal(text)
}

func skip(t *testing.T, why string) {
	t.Helper()
	skipped.Lock()
	skipped.lines = append(skipped.lines, t.Name()+": "+why)
	skipped.Unlock()
	t.Skip(why)
}

// javaScenarios are those that run beside each other; see Scenarios.java.
var javaScenarios = strings.Fields(`
	rebalance rebalance_under_load consume_from_first consume_from_last consume_from_timestamp young_topic_from_last
	offset_reset retry_to_dlq retry_then_success ordered orderly_retry_keeps_order orderly_to_dlq
	tag_filter tag_hash_collision broadcasting long_poll_wakes resume_where_left
	sql_filter sql_filter_wakes sql_filter_refused sql_filter_large sql_lite_pull members_filter_alone
	send_sync send_async send_oneway send_batch send_to_chosen_queue properties_arrive view_message
	compressed_body compressed_lz4 compressed_zstd delay_level
	delay_own_time delay_over_or_by_level delay_beyond_limit delay_recall
	too_big_message properties_too_big missing_topic not_writable not_writable_old_route not_readable queue_out_of_range
	topic_attributes light_queues light_queue_wakes priority_queues
	pull_consumer pull_offset_illegal lite_pull_subscribe lite_pull_assign
	topic_lifecycle group_lifecycle consumer_status
	group_suspended topic_forbidden consume_in_batches client_traces other_topics_read consume_time_span rejected_at_once
	lookup_by_key message_track request_reply reply_to_nobody
	transaction_commit transaction_check transaction_other_producer transaction_given_up transaction_resumed transaction_rest
	pop_ack pop_batch_ack pop_redelivery pop_longer_invisible pop_shorter_invisible pop_in_order pop_in_order_again pop_wakes
	pop_init_mode pop_filter pop_peek_and_notification pop_members_share pop_shared_queues
	pop_push pop_push_retry pop_push_orderly pop_push_dead_letters`)

// goScenarios are those of the Go client; see clients/go.
var goScenarios = strings.Fields(`
	rebalance consume_from_first consume_from_last consume_from_timestamp offset_reset
	retry_to_dlq retry_then_success ordered tag_filter tag_hash_collision sql_filter sql_filter_wakes broadcasting long_poll_wakes resume_where_left
	send_sync send_async send_oneway send_batch send_to_chosen_queue properties_arrive compressed_body delay_level delay_own_time
	too_big_message pull_consumer topic_lifecycle lookup_by_key
	transaction_commit transaction_check transaction_other_producer`)

// restartScenarios run while the broker is killed and comes back.
var restartScenarios = []string{"restart_under_load", "restart_with_transactions", "restart_with_pops"}

// stopScenarios run while the broker is stopped and comes back.
var stopScenarios = []string{"stop_under_load"}

// makers are the servers of this run, up beside each other: most tests wait
// longer than they work. One that is not available is skipped.
func makers(t *testing.T, run func(t *testing.T, m against.Maker)) { eachMaker(t, true, run) }

// makersInTurn are likewise, one after the other: for tests that compare what
// both do, or change the environment.
func makersInTurn(t *testing.T, run func(t *testing.T, m against.Maker)) { eachMaker(t, false, run) }

func eachMaker(t *testing.T, together bool, run func(t *testing.T, m against.Maker)) {
	each := func(name string, run func(t *testing.T)) {
		t.Run(name, func(t *testing.T) {
			if together {
				t.Parallel()
			}
			run(t)
		})
	}
	if strings.Contains(*servers, "rocketmq") {
		each("rocketmq-"+against.OriginalVersion, func(t *testing.T) {
			if kit.OriginalMissing != "" {
				skip(t, kit.OriginalMissing)
			}
			run(t, against.Java(t, kit))
		})
	}
	if strings.Contains(*servers, "goddard") {
		each("goddard", func(t *testing.T) { run(t, against.Goddard(t, kit)) })
	}
}

// Every client does what it does with RocketMQ, first undisturbed, then while
// the broker is killed and comes back under load, then while it is stopped.
func TestScenarios(t *testing.T) {
	makers(t, func(t *testing.T, m against.Maker) {
		cluster := m.Cluster(t)
		all := allClients(t, cluster.NameServer)
		for _, c := range all {
			c.run(t, wanted(c.scenarios)...)
		}
		for _, c := range all {
			t.Run(c.name, func(t *testing.T) {
				for _, s := range wanted(c.scenarios) {
					c.report(t, m.Name(), s)
				}
			})
		}
		restartUnderLoad(t, m, cluster, all, restartScenarios, cluster.Kill)
		restartUnderLoad(t, m, cluster, all, stopScenarios, func() { t.Logf("%s stopped in %v", m.Name(), cluster.Stop(t)) })
	})
}

func restartUnderLoad(t *testing.T, m against.Maker, cluster *against.Cluster, all []*client, scenarios []string, end func()) {
	type run struct {
		*client
		scenario string
		ready    bool
	}
	var runs []*run
	for _, scenario := range wanted(scenarios) {
		for _, c := range all {
			if c.restarts(scenario) {
				c.run(t, scenario)
				runs = append(runs, &run{client: c, scenario: scenario})
			}
		}
	}
	if len(runs) == 0 {
		return
	}
	for _, r := range runs {
		r.ready = r.asked(r.scenario, "restart")
	}
	end()
	from := time.Now()
	cluster.Start(t)
	t.Logf("%s was back %v after its end", m.Name(), time.Since(from).Round(time.Millisecond))
	for _, r := range runs {
		if r.ready {
			r.answer(t, r.scenario, "restart")
		}
	}
	for _, r := range runs {
		t.Run(r.scenario, func(t *testing.T) { r.reportAs(t, m.Name(), r.scenario, r.name) })
	}
}

// restarts reports whether the client has a scenario among restartScenarios.
func (c *client) restarts(scenario string) bool {
	switch scenario {
	case "restart_with_pops":
		return c.name == "java-"+against.JavaClient5
	case "restart_with_transactions":
		return strings.HasPrefix(c.name, "java")
	}
	return true
}

func allClients(t *testing.T, nameServer string) []*client {
	t.Helper()
	var all []*client
	for _, version := range []string{against.JavaClient5, against.JavaClient4} {
		if strings.Contains(*clients, "java-"+version) {
			if c := javaClient(t, version, nameServer); c != nil {
				all = append(all, c)
			}
		}
	}
	if strings.Contains(*clients, "go-2.1.2") {
		if c := goClient(t, nameServer); c != nil {
			all = append(all, c)
		}
	}
	return all
}

func wanted(scenarios []string) []string {
	if *only == "" {
		return scenarios
	}
	return slices.DeleteFunc(slices.Clone(scenarios), func(s string) bool { return !slices.Contains(strings.Split(*only, ","), s) })
}

func without(scenarios []string, names ...string) []string {
	return slices.DeleteFunc(slices.Clone(scenarios), func(s string) bool { return slices.Contains(names, s) })
}
