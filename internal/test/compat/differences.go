package compat

// A difference is a scenario that is known to fail on one server with one
// client, and why.
type difference struct {
	server   string // "goddard", "rocketmq-5.5.0"
	client   string // "java-5.5.0", "java-4.9.8", "go-2.1.2", "mqadmin", "grpc-java", …
	scenario string
	reason   string
}

// differences are all that is expected to fail. The list may only shrink.
var differences = []difference{
	{"rocketmq-5.5.0", "java-5.5.0", "not_writable_old_route", oldRoute},
	{"rocketmq-5.5.0", "java-4.9.8", "not_writable_old_route", oldRoute},
	{"rocketmq-5.5.0", "java-5.5.0", "members_filter_alone", lastWins},
	{"rocketmq-5.5.0", "java-4.9.8", "members_filter_alone", lastWins},
	{"rocketmq-5.5.0", "grpc-go", "statuses_precise", internalError},
	{"rocketmq-5.5.0", "grpc-go", "receipt_after_restart", "RocketMQ's proxy forgets the settings of its clients with a restart and fails to receive for them until they send them again, minutes later"},
	{"goddard", "grpc-go", "status_of_long_delay", "messages may be up to ten years ahead here (max-delay), over either protocol"},
	{"rocketmq-5.5.0", "java-5.5.0", "pop_push_dead_letters", "RocketMQ's broker delivers a popped message again for ever; only its proxy gives up"},
	{"goddard", "raw", "pop_without_number", "a pop for no message is a mistake, which RocketMQ lets wait for nothing"},
	{"goddard", "raw", "ack_of_other_broker", "RocketMQ says that it acknowledged a message of another broker"},
	{"goddard", "raw", "change_by_old_receipt", "RocketMQ answers with a receipt for a message that is not in hand any more"},
	{"rocketmq-5.5.0", "grpc-java", "fifo_one_group_fails", wholeQueue},
	{"rocketmq-5.5.0", "grpc-go", "fifo_one_group_fails", wholeQueue},
}

const wholeQueue = "a message that fails holds up all message groups of its queue in RocketMQ, which also delivers again what they acknowledged behind it"

const oldRoute = "RocketMQ looks at the broker's permission only when it takes a message, not at the topic's"

const internalError = "RocketMQ's proxy answers receipt handles and expressions that it cannot parse with an internal error, and takes a missing topic for one of another type"

const lastWins = "RocketMQ keeps one subscription for a group, whose members lose what only they asked for"

// expected returns why a scenario must fail; empty if it must pass.
func expected(server, client, scenario string) string {
	for _, d := range differences {
		if d.server == server && d.client == client && d.scenario == scenario {
			return d.reason
		}
	}
	return ""
}
