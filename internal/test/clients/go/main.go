// Command go runs scenarios with the published Go client against the servers
// behind a name server: go NAMESRV PREFIX [SCENARIO...]; see package frame.
package main

import (
	"time"

	"github.com/apache/rocketmq-client-go/v2/consumer"
	"github.com/apache/rocketmq-client-go/v2/rlog"

	"github.com/goddardmq/goddard/internal/test/clients/frame"
)

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
		"delay_own_time":       shared(1, frame.Delay),
		"too_big_message":      tooBigMessage,
		"topic_lifecycle":      topicLifecycle,
		"lookup_by_key":        lookupByKey,

		"ordered":            shared(4, frame.Ordered),
		"push":               shared(0, frame.Push),
		"tag_filter":         shared(4, frame.TagFilter),
		"tag_hash_collision": tagHashCollision,
		"sql_filter":         shared(4, frame.SQLFilter),
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
		"transaction_check":          shared(4, frame.TransactionCheck),
		"transaction_other_producer": transactionOtherProducer,

		"once":                 once,
		"at_most_once":         atMostOnce(0),
		"at_most_once_slow":    atMostOnce(300 * time.Millisecond),
		"at_most_once_orderly": atMostOnce(0, consumer.WithConsumerOrder(true)),
		"rate_push":            ratePush,

		"restart_under_load": restartUnderLoad,
		"stop_under_load":    restartUnderLoad,
		"mixed_cluster":      mixedCluster,
	}
}

// shared is a scenario that both protocols' clients do, with a topic of so many
// queues; without any it is there already.
func shared(queues int, body func(*frame.Scenario, frame.Transport)) func(*scenario) {
	return func(s *scenario) {
		if queues > 0 {
			s.createTopic(s.Topic(), queues)
		}
		body(s.Scenario, &transport{scenario: s})
	}
}

func main() {
	rlog.SetLogLevel("fatal")
	table := map[string]func(*frame.Scenario){}
	for name, body := range scenarios() {
		table[name] = func(s *frame.Scenario) { body(&scenario{s}) }
	}
	frame.Main("go NAMESRV PREFIX", 2, 8, table)
}
