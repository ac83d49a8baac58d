// Command grpc-go runs scenarios with the published Go client of the gRPC
// protocol: grpc-go ENDPOINTS PREFIX NAMESRV [SCENARIO...]; see package frame.
// Topics and groups are there already; the name server is not asked.
package main

import (
	"os"

	rmq "github.com/apache/rocketmq-clients/golang/v5"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

// scenarios is the table of what can be run.
func scenarios() map[string]func(*scenario) {
	return map[string]func(*scenario){
		"send_receive_ack":   sendReceiveAck,
		"change_invisible":   changeInvisible,
		"simple_dead_letter": simpleDeadLetter,
		"long_poll_wakes":    longPollWakes,
		"tag_filter":         shared(frame.TagFilter),
		"sql_filter":         shared(frame.SQLFilter),

		"push":                 shared(frame.Push),
		"fifo":                 shared(frame.Ordered),
		"fifo_dead_letter":     shared(frame.OrderedToDeadLetters),
		"fifo_one_group_fails": fifoOneGroupFails,
		"retry_to_dead_letter": retryToDeadLetter,

		"delay":             shared(frame.Delay),
		"transaction":       shared(frame.Transaction),
		"transaction_check": shared(frame.TransactionCheck),
		"type_refused":      typeRefused,
		"missing_topic":     missingTopic,
		"send_limited":      sendLimited,

		"receipt_after_restart": receiptAfterRestart,

		"statuses":             statuses,
		"statuses_precise":     preciseStatuses,
		"status_of_long_delay": statusOfLongDelay,
	}
}

// shared is a scenario that both protocols' clients do.
func shared(body func(*frame.Scenario, frame.Transport)) func(*scenario) {
	return func(s *scenario) { body(s.Scenario, &transport{scenario: s}) }
}

type scenario struct{ *frame.Scenario }

func main() {
	os.Setenv(rmq.CLIENT_LOG_ROOT, "logs")
	os.Setenv(rmq.CLIENT_LOG_LEVEL, "error")
	rmq.ResetLogger()
	table := map[string]func(*frame.Scenario){}
	for name, body := range scenarios() {
		table[name] = func(s *frame.Scenario) { body(&scenario{s}) }
	}
	frame.Main("grpc-go ENDPOINTS PREFIX NAMESRV", 3, len(table), table) // all at once since they mostly wait
}
