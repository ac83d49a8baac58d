package metrics

import "strings"

// A Kind is what a family's values do.
type Kind uint8

// The kinds of families.
const (
	Gauge Kind = iota
	Counter
	Histogram
)

// String is the kind as Prometheus names it.
func (k Kind) String() string { return [...]string{"gauge", "counter", "histogram"}[k] }

// An origin is whose name a family has.
type origin uint8

const (
	ofBroker   origin = iota // RocketMQ's broker
	ofProxy                  // RocketMQ's proxy
	ofGoddard                // our own
	ofExporter               // rocketmq-exporter
)

// A definition is a family of metrics.
type definition struct {
	name   string // as OpenTelemetry has it
	unit   string // as OpenTelemetry has it; empty for a number of things
	kind   Kind
	labels []string // beside the common ones
	help   string
	origin origin
	// scale makes of what is counted the unit; 0 is 1.
	scale float64
}

// prom is the family's name in the format of Prometheus, where RocketMQ's
// library adds the unit.
func (d *definition) prom() string {
	suffix := map[string]string{"ms": "_milliseconds", "milliseconds": "_milliseconds", "seconds": "_seconds", "bytes": "_bytes"}[d.unit]
	if strings.HasSuffix(d.name, suffix) {
		return d.name
	}
	return d.name + suffix
}

func (d *definition) scaled(n int64) float64 {
	if d.scale == 0 {
		return float64(n)
	}
	return float64(n) * d.scale
}

// Labels that several families have.
var (
	byTopic   = []string{"topic"}
	byMessage = []string{"topic", "message_type", "is_system"}
	byOut     = []string{"topic", "consumer_group", "is_system", "is_retry"}
	byBacklog = []string{"consumer_group", "topic", "is_retry", "is_system"}
	byStorage = []string{"storage_type", "storage_medium"}
	byTimer   = []string{"topic", "storage_type", "storage_medium"}
)

// Families of RocketMQ's broker.
var (
	permission  = define("rocketmq_broker_permission", "", Gauge, nil, "What the broker lets clients do: 4 read, 2 write, 6 both.")
	topicNumber = define("rocketmq_topic_number", "", Gauge, nil, "Topics, those of the broker's own included.")
	groupNumber = define("rocketmq_consumer_group_number", "", Gauge, nil, "Consumer groups.")
	lmqNumber   = define("rocketmq_lmq_number", "", Gauge, nil, "Light queues (%LMQ%…).")

	messagesIn    = define("rocketmq_messages_in_total", "", Counter, byMessage, "Messages stored.")
	throughputIn  = define("rocketmq_throughput_in_total", "", Counter, byMessage, "Bytes of messages stored, as they lie in the log.")
	messageSize   = define("rocketmq_message_size", "", Histogram, []string{"topic", "message_type", "is_system"}, "Sizes of the messages stored, in bytes, as they lie in the log.")
	messagesOut   = define("rocketmq_messages_out_total", "", Counter, byOut, "Messages handed to consumers.")
	throughputOut = define("rocketmq_throughput_out_total", "", Counter, byOut, "Bytes of messages handed to consumers.")
	topicCreate   = define("rocketmq_topic_create_execution_time", "milliseconds", Histogram, []string{"invocation_status"}, "How long operators' changes of topics took.")
	groupCreate   = define("rocketmq_consumer_group_create_execution_time", "milliseconds", Histogram, []string{"invocation_status"}, "How long operators' changes of groups took.")

	producerConns = define("rocketmq_producer_connections", "", Gauge, []string{"language", "version", "protocol_type"}, "Connections of producers.")
	consumerConns = define("rocketmq_consumer_connections", "", Gauge, []string{"consumer_group", "language", "version", "consume_mode", "protocol_type", "is_system"}, "Connections of consumers.")

	lagMessages     = define("rocketmq_consumer_lag_messages", "", Gauge, byBacklog, "Messages that a group has not consumed, those in hand included.")
	lagLatency      = define("rocketmq_consumer_lag_latency", "milliseconds", Gauge, byBacklog, "Age of the oldest message that a group has not consumed; 0 if there is none.")
	inflight        = define("rocketmq_consumer_inflight_messages", "", Gauge, byBacklog, "Messages that consumers of a group have and have not finished.")
	queueingLatency = define("rocketmq_consumer_queueing_latency", "milliseconds", Gauge, byBacklog, "Age of the oldest message that no consumer of a group has; 0 if there is none.")
	ready           = define("rocketmq_consumer_ready_messages", "", Gauge, byBacklog, "Messages that no consumer of a group has.")
	dead            = define("rocketmq_send_to_dlq_messages_total", "", Counter, []string{"consumer_group", "topic", "is_system"}, "Messages that a group gave up.")

	commits   = define("rocketmq_commit_messages_total", "", Counter, byTopic, "Transactions committed.")
	rollbacks = define("rocketmq_rollback_messages_total", "", Counter, byTopic, "Transactions rolled back.")
	finish    = define("rocketmq_finish_message_latency", "ms", Histogram, byTopic, "Age of transactions when they were committed. As with RocketMQ the values are seconds, whatever the name says.")
	halves    = define("rocketmq_half_messages", "", Gauge, byTopic, "Transactions that are neither committed nor rolled back. They are counted together, under the topic _other.")

	storageSize  = define("rocketmq_storage_size", "bytes", Gauge, byStorage, "Bytes in use on the disk below the data directory.")
	flushBehind  = define("rocketmq_storage_flush_behind_bytes", "bytes", Gauge, byStorage, "Bytes of the log that are not synced.")
	reserveTime  = define("rocketmq_storage_message_reserve_time", "milliseconds", Gauge, byStorage, "Age of the oldest message.")
	timerLag     = define("rocketmq_timer_enqueue_lag", "", Gauge, byStorage, "Messages with a time of their own that are not indexed yet.")
	timerLate    = define("rocketmq_timer_enqueue_latency", "milliseconds", Gauge, byStorage, "Age of the first of them; 0 if there is none.")
	timerOverdue = define("rocketmq_timer_dequeue_latency", "milliseconds", Gauge, byStorage, "For how long a message has been due that is not delivered; 0 if there is none.")
	timerIn      = define("rocketmq_timer_enqueue_total", "", Counter, byTimer, "Messages that began to wait for a time of their own.")
	timerOut     = define("rocketmq_timer_dequeue_total", "", Counter, byTimer, "Messages delivered at a time of their own.")
	delays       = define("rocketmq_delay_message_latency", "seconds", Histogram, byTimer, "How long messages asked to wait.")

	rpcLatency = define("rocketmq_rpc_latency", "milliseconds", Histogram, []string{"protocol_type", "request_code", "response_code", "is_long_polling", "result"}, "Time from a request's arrival until its answer was handed to the connection, of remoting clients.")
)

// proxyUp is RocketMQ's proxy's.
var proxyUp = &definition{name: "rocketmq_proxy_up", kind: Gauge, labels: []string{"proxy_mode"}, origin: ofProxy, help: "1 while gRPC clients are answered."}

// Families of our own.
var (
	own = func(name, unit string, kind Kind, labels []string, help string) *definition {
		return &definition{name: name, unit: unit, kind: kind, labels: labels, help: help, origin: ofGoddard}
	}
	buildInfo      = own("goddard_build_info", "", Gauge, []string{"version", "rocketmq_version"}, "1, with the version.")
	rejected       = own("goddard_rejected_messages_total", "", Counter, []string{"reason"}, "Messages that producers sent and that were not stored.")
	waiting        = own("goddard_waiting_requests", "", Gauge, []string{"kind"}, "Pulls and pops that wait for messages, or for their share of a limited rate.")
	inHand         = own("goddard_messages_in_hand", "", Gauge, nil, "Messages popped and not acknowledged, of all groups.")
	expired        = own("goddard_expired_messages_total", "", Counter, nil, "Popped messages that were not acknowledged in time and were stored again.")
	connections    = own("goddard_connections", "", Gauge, []string{"listener"}, "Open connections.")
	grpcCalls      = own("goddard_grpc_calls_total", "", Counter, []string{"call"}, "gRPC calls that began.")
	grpcRefused    = own("goddard_grpc_calls_refused_total", "", Counter, []string{"call"}, "gRPC calls that were refused, before any answer.")
	grpcLatency    = own("goddard_grpc_call_latency", "milliseconds", Histogram, []string{"call"}, "How long gRPC calls took that have one answer; those that wait for messages stream.")
	fsync          = &definition{name: "goddard_fsync_latency", unit: "seconds", kind: Histogram, origin: ofGoddard, scale: 1e-6, help: "How long syncing the log took."}
	diskFree       = own("goddard_disk_free_bytes", "bytes", Gauge, nil, "Bytes free on the disk below the data directory.")
	diskSize       = own("goddard_disk_size_bytes", "bytes", Gauge, nil, "Size of the disk below the data directory.")
	logEnd         = own("goddard_log_end_bytes", "bytes", Gauge, nil, "Position behind the last message of the log; its growth is what is written.")
	logSize        = own("goddard_log_size_bytes", "bytes", Gauge, nil, "Bytes of the log that are kept.")
	checkpointLag  = own("goddard_checkpoint_behind_bytes", "bytes", Gauge, nil, "Bytes of the log that a start after a crash has to read again.")
	dedupKeys      = own("goddard_dedup_keys", "", Gauge, nil, "Unique keys that are remembered for topics with a deduplication window.")
	dedupHits      = own("goddard_dedup_duplicates_total", "", Counter, nil, "Messages answered as the ones before them with the same key.")
	spansDropped   = own("goddard_trace_spans_dropped_total", "", Counter, nil, "OpenTelemetry spans that were dropped.")
	backlogAge     = own("goddard_backlog_age_seconds", "seconds", Gauge, nil, "How old the figures about backlogs (rocketmq_consumer_*) are.")
	backlogTime    = own("goddard_backlog_duration_seconds", "seconds", Gauge, nil, "How long it took to find them.")
	summedTogether = own("goddard_metrics_other", "", Gauge, []string{"family"}, "Topics, or groups in topics, that are summed as _other because there are more than metrics-max-series.")
)

func define(name, unit string, kind Kind, labels []string, help string) *definition {
	return &definition{name: name, unit: unit, kind: kind, labels: labels, help: help}
}

// definitions are the families of /metrics, in the order of docs/METRICS.md.
var definitions = []*definition{
	permission, topicNumber, groupNumber, lmqNumber,
	messagesIn, throughputIn, messageSize, messagesOut, throughputOut, topicCreate, groupCreate,
	producerConns, consumerConns,
	lagMessages, lagLatency, inflight, queueingLatency, ready, dead,
	commits, rollbacks, finish, halves,
	storageSize, flushBehind, reserveTime, timerLag, timerLate, timerOverdue, timerIn, timerOut, delays,
	rpcLatency, proxyUp,
	buildInfo, rejected, waiting, inHand, expired, connections, grpcCalls, grpcRefused, grpcLatency, fsync,
	diskFree, diskSize, logEnd, logSize, checkpointLag, dedupKeys, dedupHits, spansDropped,
	backlogAge, backlogTime, summedTogether,
}

// An absence is a family of RocketMQ's that is not here.
type absence struct{ names, reason string }

// absences are the families of RocketMQ 5.5.0 that have no meaning here.
var absences = []absence{
	{"rocketmq_processor_watermark", "there are no thread pools and no queues in front of them"},
	{"rocketmq_storage_dispatch_behind_bytes", "a message is in its queue's index when it can be read; there is no dispatcher that could be behind"},
	{"rocketmq_timer_dequeue_lag rocketmq_timing_messages rocketmq_timer_message_snapshot", "messages that wait for a time of their own lie in rows by time and are not counted by topic; the latency and the totals of going in and coming out are there"},
	{"rocketmq_pop_buffer_scan_time_consume rocketmq_pop_offset_buffer_size rocketmq_pop_checkpoint_buffer_size", "there is no buffer of checkpoints: what is in hand are rows (goddard_messages_in_hand)"},
	{"rocketmq_pop_revive_in_message_total rocketmq_pop_revive_out_message_total rocketmq_pop_revive_retry_messages_total rocketmq_pop_revive_lag rocketmq_pop_revive_latency", "there is no revive topic: what was not acknowledged is stored again when its time is up (goddard_expired_messages_total)"},
	{"rocketmq_rocksdb_*", "there is no RocksDB"},
	{"rocketmq_tiered_store_*", "there is no tiered store"},
}
