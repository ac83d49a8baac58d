package mq

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"iter"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A light queue is queue 0 of a topic whose name starts with LitePrefix. It
// needs no configuration, and neither does a group of such a name. A message
// lies in the light queues that its property PropMultiDispatch lists, beside
// its own queue; PropMultiQueueOffset lists its offsets there, in this order.
const (
	MaxLightName   = 255 // bytes
	MaxLightQueues = 256 // of one message

	// lightDigits is the width of an offset in PropMultiQueueOffset, so that it
	// can be filled in when the record is encoded.
	lightDigits = 19
	lightComma  = ','
)

// IsLight reports whether a topic is that of a light queue, or a group one that
// needs no configuration.
func IsLight(name string) bool { return strings.HasPrefix(name, LitePrefix) }

// CheckLight says why a name cannot be a light queue's; the error wraps
// ErrInvalid.
func CheckLight(name string) error {
	switch {
	case !IsLight(name) || len(name) == len(LitePrefix):
		return fmt.Errorf("%w: the light queue %.60q has no name behind %s", ErrInvalid, name, LitePrefix)
	case len(name) > MaxLightName:
		return fmt.Errorf("%w: the name of a light queue has %d bytes, at most %d are allowed", ErrInvalid, len(name), MaxLightName)
	}
	return checkLightBytes(name)
}

// checkLightBytes says why a name cannot be one of a light queue, or one made of
// that.
func checkLightBytes(name string) error {
	for i := range len(name) {
		if c := name[i]; c <= ' ' || c == 0x7f || c == lightComma || c == '@' {
			return fmt.Errorf("%w: the name %.60q of a light queue holds a blank, a control character, a comma or an @", ErrInvalid, name)
		}
	}
	if !utf8.ValidString(name) {
		return fmt.Errorf("%w: the name %.60q of a light queue is not UTF-8", ErrInvalid, name)
	}
	return nil
}

// CheckLightQueues says why the value of PropMultiDispatch cannot be; the error
// wraps ErrMessageIllegal.
func CheckLightQueues(value []byte) error {
	var seen [][]byte
	for name := range bytes.SplitSeq(value, []byte{lightComma}) {
		if err := CheckLight(string(name)); err != nil {
			return fmt.Errorf("%w: %s: %w", ErrMessageIllegal, PropMultiDispatch, err)
		}
		if containsBytes(seen, name) {
			return fmt.Errorf("%w: %s names the light queue %.60s twice", ErrMessageIllegal, PropMultiDispatch, name)
		}
		if seen = append(seen, name); len(seen) > MaxLightQueues {
			return fmt.Errorf("%w: %s names more than %d light queues", ErrMessageIllegal, PropMultiDispatch, MaxLightQueues)
		}
	}
	return nil
}

// HasLightQueues reports whether the messages of a topic go into the light
// queues that they name: not while they are delayed, or half messages, nor when
// a consumer gets them once more.
func HasLightQueues(topic string) bool {
	switch topic {
	case TopicSchedule, TopicTransHalf, TopicTransOp, TopicTransCheckMax, topicRocksHalf, topicRocksOp:
		return false
	}
	return !strings.HasPrefix(topic, SystemTopicPrefix) && !strings.HasPrefix(topic, RetryPrefix) &&
		!strings.HasPrefix(topic, DLQPrefix) && !IsLight(topic)
}

// AppendLightOffsets adds to dst the entries of props with room for the offsets
// of n light queues, all zero, at the end.
func AppendLightOffsets(dst, props []byte, n int) []byte {
	dst = AppendWithoutProperty(dst, props, PropMultiQueueOffset)
	dst = append(dst, PropMultiQueueOffset...)
	dst = append(dst, propertyEquals)
	for i := range n {
		if i > 0 {
			dst = append(dst, lightComma)
		}
		dst = append(dst, "0000000000000000000"...) // lightDigits
	}
	return append(dst, propertyEnd)
}

// LightOffsetsSize is how many bytes AppendLightOffsets adds at most for a message
// with this value of PropMultiDispatch, which may be nil.
func LightOffsetsSize(queues []byte) int {
	if queues == nil {
		return 0
	}
	n := 1 + bytes.Count(queues, []byte{lightComma})
	return 1 + len(PropMultiQueueOffset) + 1 + n*(lightDigits+1)
}

// PatchLightOffset fills in the offset of light queue i of n in a record whose
// properties AppendLightOffsets made.
func PatchLightOffset(record []byte, i, n int, offset QueueOffset) {
	at := len(record) - (n-i)*(lightDigits+1)
	for d := lightDigits - 1; d >= 0; d-- {
		record[at+d] = '0' + byte(offset%10)
		offset /= 10
	}
}

// LightQueues goes through the light queues that a stored message lies in, with
// its offset in each. It ends where the properties make no sense, and a name
// that came before is passed over. The names alias props.
func LightQueues(props []byte) iter.Seq2[[]byte, QueueOffset] {
	return func(yield func([]byte, QueueOffset) bool) {
		names := NamesOf(props).LightQueues
		if names == nil {
			return
		}
		offsets, _ := Property(props, PropMultiQueueOffset)
		var seen [][]byte
		for len(names) > 0 && len(seen) < MaxLightQueues {
			var name, text []byte
			name, names, _ = bytes.Cut(names, []byte{lightComma})
			text, offsets, _ = bytes.Cut(offsets, []byte{lightComma})
			offset, err := strconv.ParseInt(string(text), 10, 64)
			if err != nil || offset < 0 || CheckLight(string(name)) != nil {
				return
			}
			if containsBytes(seen, name) {
				continue
			}
			if !yield(name, QueueOffset(offset)) {
				return
			}
			seen = append(seen, name)
		}
	}
}

func containsBytes(all [][]byte, one []byte) bool {
	for _, other := range all {
		if bytes.Equal(other, one) {
			return true
		}
	}
	return false
}

// OffsetIn is the offset of a stored record in a topic's queue: its own, or
// that in the light queue of the topic's name.
func OffsetIn(record []byte, topic string) QueueOffset {
	if IsLight(topic) {
		for name, offset := range LightQueues(RecordProperties(record)) {
			if string(name) == topic {
				return offset
			}
		}
	}
	return QueueOffset(binary.BigEndian.Uint64(record[RecordQueueOffsetAt:]))
}

// InLightQueue reports whether a stored message lies at an offset of a light
// queue.
func InLightQueue(props []byte, queue string, offset QueueOffset) bool {
	for name, at := range LightQueues(props) {
		if string(name) == queue {
			return at == offset
		}
	}
	return false
}
