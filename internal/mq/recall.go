package mq

import (
	"encoding/base64"
	"fmt"
	"strconv"
	"strings"
)

// A RecallHandle names a delayed message that may still be called back.
// Clients carry its text, which is RocketMQ's, and do not look into it.
type RecallHandle struct {
	Topic  string // the message is meant for
	Broker string // name of the broker that keeps it
	Due    int64  // Unix milliseconds
	Key    string // the message's unique key
}

// maxRecallHandle bounds the text of a handle: two names, a number and a key.
const maxRecallHandle = 4096

// String is the handle as clients get it.
func (h RecallHandle) String() string {
	return string(AppendRecallHandle(nil, h.Topic, h.Broker, h.Due, []byte(h.Key)))
}

// AppendRecallHandle appends the text of a handle to dst.
func AppendRecallHandle(dst []byte, topic, broker string, due int64, key []byte) []byte {
	var room [256]byte
	text := append(append(room[:0], "v1 "...), topic...)
	text = append(append(text, ' '), broker...)
	text = strconv.AppendInt(append(text, ' '), due, 10)
	text = append(append(text, ' '), key...)
	return base64.URLEncoding.AppendEncode(dst, text)
}

// ParseRecallHandle reads what String wrote, also without the padding; an
// error wraps ErrInvalid.
func ParseRecallHandle(text string) (RecallHandle, error) {
	bad := fmt.Errorf("%w: recall handle is invalid: it is not one that a send of a delayed message was answered with", ErrInvalid)
	if len(text) > maxRecallHandle {
		return RecallHandle{}, bad
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimRight(text, "="))
	if err != nil {
		return RecallHandle{}, bad
	}
	parts := strings.Split(string(raw), " ")
	if len(parts) != 5 || parts[0] != "v1" || parts[1] == "" || parts[4] == "" {
		return RecallHandle{}, bad
	}
	due, err := strconv.ParseInt(parts[3], 10, 64)
	if err != nil || due < 0 || !ValidProperty(PropUniqueKey, parts[4]) {
		return RecallHandle{}, bad
	}
	return RecallHandle{Topic: parts[1], Broker: parts[2], Due: due, Key: parts[4]}, nil
}

// A DelayedMessage is one that waits for a time of its own.
type DelayedMessage struct {
	Topic   string // it is meant for
	QueueID int32
	Due     int64  // Unix milliseconds
	Stored  int64  // Unix milliseconds
	Key     string // unique key
	Keys    string // the application's own
	Tags    string
	Size    int32 // of the stored record, in bytes
	Pos     LogPos
	Handle  string // calls it back
}

// A DelayedQuery chooses among the messages that wait for a time of their own.
type DelayedQuery struct {
	Topic string // empty for all
	// From and Until bound the due time, in Unix milliseconds: at or after
	// From and, if Until is not zero, before Until.
	From, Until int64
	Limit       int // default 100, at most 1000
}
