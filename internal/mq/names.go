package mq

import (
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
)

// Limits of names, in bytes.
const (
	MaxTopicName = 127
	MaxGroupName = 120
	// MaxInnerTopicName is the limit for names made of a group's: retry and
	// dead-letter topics.
	MaxInnerTopicName = 255
)

// Names that RocketMQ's clients and brokers agree on.
const (
	RetryPrefix        = "%RETRY%"
	DLQPrefix          = "%DLQ%"
	LitePrefix         = "%LMQ%"
	SystemTopicPrefix  = "rmq_sys_"
	SystemGroupPrefix  = "CID_RMQ_SYS_"
	TopicDefault       = "TBW102" // template for topics created on first use
	TopicSelfTest      = "SELF_TEST_TOPIC"
	TopicBenchmark     = "BenchmarkTest"
	TopicOffsetMoved   = "OFFSET_MOVED_EVENT"
	TopicSchedule      = "SCHEDULE_TOPIC_XXXX"
	TopicTrace         = "RMQ_SYS_TRACE_TOPIC"
	TopicTransHalf     = "RMQ_SYS_TRANS_HALF_TOPIC"
	TopicTransOp       = "RMQ_SYS_TRANS_OP_HALF_TOPIC"
	TopicTransCheckMax = "TRANS_CHECK_MAX_TIME_TOPIC"
	TopicTimer         = "rmq_sys_wheel_timer"
	TopicReplySuffix   = "REPLY_TOPIC"
	TopicDeadLetters   = "GODDARD_DEAD_LETTERS" // what became of dead letters; only Goddard's tools have it
	GroupDefault       = "DEFAULT_CONSUMER"
	GroupTools         = "TOOLS_CONSUMER"
	GroupInnerProducer = "CLIENT_INNER_PRODUCER"

	// OrderTopicNamespace is where the name server keeps the queues of
	// ordered topics.
	OrderTopicNamespace = "ORDER_TOPIC_CONFIG"
)

// Topics of RocketMQ's own that Goddard never fills but keeps clear of.
const (
	topicRocksHalf  = "RMQ_SYS_ROCKSDB_TRANS_HALF_TOPIC"
	topicRocksOp    = "RMQ_SYS_ROCKSDB_TRANS_OP_HALF_TOPIC"
	topicCheckpoint = "CHECKPOINT_TOPIC"
)

const (
	offsetIDSize4 = 2 * (4 + 4 + 8)
	offsetIDSize6 = 2 * (16 + 4 + 8)
)

// RetryTopic is where messages wait that a member of the group failed on.
func RetryTopic(group string) string { return RetryPrefix + group }

// DLQTopic holds the messages that a group failed on too often.
func DLQTopic(group string) string { return DLQPrefix + group }

// IsRetryTopic reports whether messages that a group failed on wait in a topic.
func IsRetryTopic(topic string) bool { return strings.HasPrefix(topic, RetryPrefix) }

// CheckTopic says why a name cannot be a topic's; the error wraps ErrInvalid.
func CheckTopic(name string) error {
	if IsLight(name) {
		return CheckLight(name)
	}
	limit := MaxTopicName
	if strings.HasPrefix(name, RetryPrefix) || strings.HasPrefix(name, DLQPrefix) {
		limit = MaxInnerTopicName
		// What a light group failed on, or others on a light queue.
		if strings.Contains(name, LitePrefix) && len(name) <= limit {
			return checkLightBytes(name)
		}
	}
	if group, topic, ok := strings.Cut(name, "+"); ok && strings.HasPrefix(group, RetryPrefix) {
		name = group + "_" + topic // the name of RetryTopicPopV2; nothing else may hold a plus sign
	}
	return checkName("topic", name, limit)
}

// CheckGroup says why a name cannot be a group's; the error wraps ErrInvalid.
func CheckGroup(name string) error {
	if IsLight(name) {
		return CheckLight(name)
	}
	return checkName("group", name, MaxGroupName)
}

func checkName(kind, name string, limit int) error {
	switch {
	case name == "":
		return fmt.Errorf("%w: the %s has no name", ErrInvalid, kind)
	case len(name) > limit:
		return fmt.Errorf("%w: the %s name has %d characters, at most %d are allowed", ErrInvalid, kind, len(name), limit)
	}
	for i := range len(name) {
		if !nameByte(name[i]) {
			return fmt.Errorf("%w: the %s name %.60q may consist of letters, digits and %% | _ - only", ErrInvalid, kind, name)
		}
	}
	return nil
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' ||
		c == '%' || c == '|' || c == '_' || c == '-'
}

// IsSystemTopic reports whether a topic belongs to the broker: it may not be
// deleted and is hidden from lists of users' topics. The topics named after a
// cluster and its brokers are system topics too, which only the broker knows.
func IsSystemTopic(name string) bool {
	switch name {
	case TopicDefault, TopicSelfTest, TopicBenchmark, TopicOffsetMoved, TopicSchedule, TopicTrace,
		TopicTransHalf, TopicTransOp, TopicTransCheckMax, topicRocksHalf, topicRocksOp, topicCheckpoint, TopicDeadLetters:
		return true
	}
	return strings.HasPrefix(name, SystemTopicPrefix)
}

// SendForbidden reports whether clients may not send to a topic: the broker's
// own machinery lives in it.
func SendForbidden(topic string) bool {
	switch topic {
	case TopicSchedule, TopicTimer, TopicTransHalf, TopicTransOp, TopicTransCheckMax, TopicSelfTest, TopicOffsetMoved,
		topicRocksHalf, topicRocksOp:
		return true
	}
	return false
}

// IsSystemGroup reports whether a consumer group belongs to broker or tools.
func IsSystemGroup(name string) bool {
	named := []string{
		GroupDefault, "DEFAULT_PRODUCER", GroupTools, "SCHEDULE_CONSUMER", "FILTERSRV_CONSUMER", "__MONITOR_CONSUMER",
		GroupInnerProducer, "SELF_TEST_P_GROUP", "SELF_TEST_C_GROUP", "CID_ONS-HTTP-PROXY",
	}
	return slices.Contains(named, name) || strings.HasPrefix(name, SystemGroupPrefix) ||
		strings.HasPrefix(name, "CID_ONSAPI_")
}

// OffsetID is the message id that says where a message lies: store host and log
// position in hex, 32 digits with an IPv4 host and 56 with IPv6.
func OffsetID(storeHost netip.AddrPort, pos LogPos) string {
	return string(AppendOffsetID(make([]byte, 0, offsetIDSize6), storeHost, pos))
}

// AppendOffsetID adds OffsetID to dst.
func AppendOffsetID(dst []byte, storeHost netip.AddrPort, pos LogPos) []byte {
	var raw [offsetIDSize6 / 2]byte
	be := binary.BigEndian
	b := be.AppendUint64(appendHost(raw[:0], storeHost), uint64(pos))
	for ; len(b) > 0; b = b[4:] { // both sizes are whole words
		dst = be.AppendUint64(dst, hexDigits(be.Uint32(b)))
	}
	return dst
}

// hexDigits are the eight hexadecimal digits of v, the first in the highest byte.
func hexDigits(v uint32) uint64 {
	const each = 0x0101010101010101
	n := uint64(v)
	n = (n | n<<16) & 0x0000FFFF0000FFFF
	n = (n | n<<8) & 0x00FF00FF00FF00FF
	n = (n | n<<4) & 0x0F0F0F0F0F0F0F0F
	letters := (n + 6*each) >> 4 & each // one in each byte from ten on
	return n + '0'*each + letters*('A'-'0'-10)
}

// ParseOffsetID takes an offset id apart; an error wraps ErrInvalid.
func ParseOffsetID(id string) (storeHost netip.AddrPort, pos LogPos, err error) {
	if len(id) != offsetIDSize4 && len(id) != offsetIDSize6 {
		return storeHost, 0, fmt.Errorf("%w: message id %.60q is not an offset id: it has %d digits, not %d or %d",
			ErrInvalid, id, len(id), offsetIDSize4, offsetIDSize6)
	}
	raw, err := hex.DecodeString(id)
	if err != nil {
		return storeHost, 0, fmt.Errorf("%w: message id %q is not hexadecimal", ErrInvalid, id)
	}
	storeHost, rest, ok := takeHost(raw, len(id) == offsetIDSize6)
	at := binary.BigEndian.Uint64(rest)
	if !ok || at > math.MaxInt64 {
		return storeHost, 0, fmt.Errorf("%w: message id %q names no place in a log", ErrInvalid, id)
	}
	return storeHost, LogPos(at), nil
}
