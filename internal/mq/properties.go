package mq

import (
	"bytes"
	"iter"
	"strings"
	"unicode/utf8"
)

// Properties are stored as key \x01 value \x02, repeated; the last \x02 may be
// missing, entries without key or value do not count, and of two entries with
// the same key the later one does.
const (
	propertyEquals = 1
	propertyEnd    = 2
)

// PropertyEnd ends a stored property.
const PropertyEnd byte = propertyEnd

// Keys of properties that mean something to broker or clients.
const (
	PropTags              = "TAGS"
	PropKeys              = "KEYS"
	PropUniqueKey         = "UNIQ_KEY"
	PropWait              = "WAIT"
	PropDelay             = "DELAY"
	PropTimerDelaySec     = "TIMER_DELAY_SEC"
	PropTimerDelayMs      = "TIMER_DELAY_MS"
	PropTimerDeliverMs    = "TIMER_DELIVER_MS"
	PropTimerOutMs        = "TIMER_OUT_MS"
	PropTimerDeleteUniq   = "TIMER_DEL_UNIQKEY"
	PropTimerEnqueueMs    = "TIMER_ENQUEUE_MS"
	PropTimerDequeueMs    = "TIMER_DEQUEUE_MS"
	PropTimerRollTimes    = "TIMER_ROLL_TIMES"
	PropTimerMovedFrom    = "TIMER_MOVED_FROM" // ours: log position of the record that this one stands for
	PropRealTopic         = "REAL_TOPIC"
	PropRealQueueID       = "REAL_QID"
	PropRetryTopic        = "RETRY_TOPIC"
	PropOriginMessageID   = "ORIGIN_MESSAGE_ID"
	PropOriginGroup       = "ORIGIN_GROUP"
	PropReconsumeTime     = "RECONSUME_TIME"
	PropMaxReconsumeTimes = "MAX_RECONSUME_TIMES"
	PropConsumeStartTime  = "CONSUME_START_TIME"
	PropTransaction       = "TRAN_MSG"
	PropProducerGroup     = "PGROUP"
	PropTransactionID     = "__transactionId__"
	PropCheckTimes        = "TRANSACTION_CHECK_TIMES"
	PropCheckImmunity     = "CHECK_IMMUNITY_TIME_IN_SECONDS"
	PropPreparedOffset    = "TRAN_PREPARED_QUEUE_OFFSET"
	PropInstanceID        = "INSTANCE_ID"
	PropCorrelationID     = "CORRELATION_ID"
	PropReplyToClient     = "REPLY_TO_CLIENT"
	PropTTL               = "TTL"
	PropArriveTime        = "ARRIVE_TIME"
	PropPushReplyTime     = "PUSH_REPLY_TIME"
	PropCluster           = "CLUSTER"
	PropMessageType       = "MSG_TYPE"
	PropRegion            = "MSG_REGION"
	PropTraceOn           = "TRACE_ON"
	PropTraceContext      = "TRACE_CONTEXT"
	PropShardingKey       = "__SHARDINGKEY"
	PropLiteTopic         = "__LITE_TOPIC"
	PropPopReceipt        = "POP_CK"
	PropFirstPopTime      = "1ST_POP_TIME"
	PropInnerNum          = "INNER_NUM"
	PropInnerBase         = "INNER_BASE"
	PropDupInfo           = "DUP_INFO"
	PropMultiDispatch     = "INNER_MULTI_DISPATCH"
	PropMultiQueueOffset  = "INNER_MULTI_QUEUE_OFFSET"
	PropPriority          = "_SYS_MSG_PRIORITY_"
	PropBornHost          = "__BORNHOST"
	PropBornTimestamp     = "BORN_TIMESTAMP"
	PropDLQOriginTopic    = "DLQ_ORIGIN_TOPIC"
	PropDLQOriginID       = "DLQ_ORIGIN_MESSAGE_ID"
	PropQoS               = "QOS"                    // 0: at most once, 1 or none: at least once
	PropRedrivenFrom      = "GODDARD_REDRIVEN_FROM"  // ours: id of the dead letter that was sent again
	PropRedrivenTimes     = "GODDARD_REDRIVEN_TIMES" // ours: how often it has been
	PropMinOffset         = "MIN_OFFSET"
	PropMaxOffset         = "MAX_OFFSET"
	PropTransientPrefix   = "__RMQ.TRANSIENT."
)

// Property finds a property. It does not allocate; the value aliases props.
func Property(props []byte, key string) (value []byte, ok bool) {
	for len(props) > 0 {
		var entry []byte
		entry, props = cutProperty(props)
		if n := len(key); len(entry) > n+1 && entry[n] == propertyEquals && string(entry[:n]) == key && n > 0 {
			value, ok = entry[n+1:], true
		}
	}
	return value, ok
}

// Names are the values of the properties that indexes are made of; nil where a
// message lacks one. They alias its properties.
type Names struct{ UniqueKey, Keys, Tag, LightQueues []byte }

// NamesOf finds the names of a message among its properties, in one pass.
func NamesOf(props []byte) (n Names) {
	for len(props) > 0 {
		var entry []byte
		entry, props = cutProperty(props)
		if len(entry) < len(PropTags)+2 {
			continue
		}
		switch entry[0] {
		case PropUniqueKey[0]:
			setNamed(&n.UniqueKey, entry, PropUniqueKey)
		case PropKeys[0]:
			setNamed(&n.Keys, entry, PropKeys)
		case PropTags[0]:
			setNamed(&n.Tag, entry, PropTags)
		case PropMultiDispatch[0]:
			setNamed(&n.LightQueues, entry, PropMultiDispatch)
		}
	}
	return n
}

// setNamed sets v to the value of an entry if that is key's.
func setNamed(v *[]byte, entry []byte, key string) {
	if n := len(key); len(entry) > n+1 && entry[n] == propertyEquals && string(entry[:n]) == key {
		*v = entry[n+1:]
	}
}

// Properties goes through the entries that count, in order; a key may come
// more than once. Key and value alias props.
func Properties(props []byte) iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		for len(props) > 0 {
			var entry []byte
			entry, props = cutProperty(props)
			if k, v, ok := splitProperty(entry); ok && !yield(k, v) {
				return
			}
		}
	}
}

// PropertyMap is the entries of props as a map.
func PropertyMap(props []byte) map[string]string {
	m := map[string]string{}
	for k, v := range Properties(props) {
		m[string(k)] = string(v)
	}
	return m
}

// AppendProperty adds an entry to dst, which holds nothing but properties. An
// empty value adds nothing. Key and value must satisfy ValidProperty.
func AppendProperty[V ~string | ~[]byte](dst []byte, key string, value V) []byte {
	if len(value) == 0 {
		return dst
	}
	if len(dst) > 0 && dst[len(dst)-1] != propertyEnd {
		dst = append(dst, propertyEnd)
	}
	dst = append(dst, key...)
	dst = append(dst, propertyEquals)
	dst = append(dst, value...)
	return append(dst, propertyEnd)
}

// AppendWithoutProperty adds to dst, which holds nothing but properties, the
// entries of props other than key's.
func AppendWithoutProperty(dst, props []byte, key string) []byte {
	for k, v := range Properties(props) {
		if string(k) == key {
			continue
		}
		dst = append(dst, k...)
		dst = append(dst, propertyEquals)
		dst = append(dst, v...)
		dst = append(dst, propertyEnd)
	}
	return dst
}

// AppendSettingProperty adds to dst the entries of props with key set to
// value, or removed if value is empty.
func AppendSettingProperty[V ~string | ~[]byte](dst, props []byte, key string, value V) []byte {
	return AppendProperty(AppendWithoutProperty(dst, props, key), key, value)
}

// ValidProperty reports whether key and value can be stored: neither empty nor
// holding one of the separators.
func ValidProperty(key, value string) bool {
	return key != "" && value != "" && !strings.ContainsAny(key, "\x01\x02") && !strings.Contains(value, "\x02")
}

func cutProperty(props []byte) (entry, rest []byte) {
	if i := bytes.IndexByte(props, propertyEnd); i >= 0 {
		return props[:i], props[i+1:]
	}
	return props, nil
}

func splitProperty(entry []byte) (key, value []byte, ok bool) {
	i := bytes.IndexByte(entry, propertyEquals)
	if i <= 0 || i == len(entry)-1 {
		return nil, nil, false
	}
	return entry[:i], entry[i+1:], true
}

// TagCode is what queue indexes and tag filters compare: the Java hash of the
// tag. Without a tag it is 0.
func TagCode[T ~string | ~[]byte](tag T) int64 { return int64(JavaHash(tag)) }

// JavaHash is Java's String.hashCode of UTF-8 text.
func JavaHash[T ~string | ~[]byte](s T) int32 {
	var h int32
	for i := 0; i < len(s); i++ {
		if s[i] >= utf8.RuneSelf {
			return javaHashWide(h, string(s[i:]))
		}
		h = 31*h + int32(s[i])
	}
	return h
}

// javaHashWide goes on with h over text that is not ASCII, in units of UTF-16.
func javaHashWide(h int32, s string) int32 {
	for _, r := range s {
		if r >= 0x10000 {
			r -= 0x10000
			h = 31*h + (0xD800 + r>>10)
			r = 0xDC00 + r&0x3FF
		}
		h = 31*h + r
	}
	return h
}
