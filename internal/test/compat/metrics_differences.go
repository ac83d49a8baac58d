package compat

// A metricDifference is a family of metrics, or one of its labels, that only one
// of RocketMQ and us has, and why.
type metricDifference struct {
	family string
	label  string // empty: the family as a whole
	ours   bool   // only we have it; otherwise only RocketMQ has
	reason string
}

// metricDifferences are all that is expected to differ. docs/METRICS.md says the
// same to users.
var metricDifferences = []metricDifference{
	{"rocketmq_processor_watermark", "", false, "there are no thread pools"},
	{"rocketmq_storage_dispatch_behind_bytes", "", false, "there is no dispatcher that could be behind"},
	{"rocketmq_pop_buffer_scan_time_consume_milliseconds", "", false, noBuffer},
	{"rocketmq_pop_checkpoint_buffer_size", "", false, noBuffer},
	{"rocketmq_pop_offset_buffer_size", "", false, noBuffer},
	{"rocketmq_pop_revive_in_message_total", "", false, noRevive},
	{"rocketmq_pop_revive_lag_milliseconds", "", false, noRevive},
	{"rocketmq_pop_revive_latency_milliseconds", "", false, noRevive},
	{"rocketmq_pop_revive_out_message_total", "", false, noRevive},
	{"rocketmq_pop_revive_retry_messages_total", "", false, noRevive},
	{"rocketmq_timer_dequeue_lag", "", false, notCounted},
	{"rocketmq_timer_message_snapshot", "", false, notCounted},
	{"rocketmq_timing_messages", "", false, notCounted},
	{"rocketmq_lmq_number", "", true, "RocketMQ has it since the release after 5.5.0"},
	{"target_info", "service_name", true, nameless},
	{"target_info", "service_version", true, nameless},
}

const (
	noBuffer   = "there is no buffer of checkpoints"
	noRevive   = "there is no revive topic"
	notCounted = "messages that wait for a time of their own are not counted while they wait"
	nameless   = "RocketMQ does not say what it is"
)
