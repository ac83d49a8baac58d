package grpc

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// A handle is what a client acknowledges a message by: the receipt and, behind
// it, the message's position in the log. It needs nothing of ours to be read.
type handle struct {
	mq.Receipt
	pos mq.LogPos
}

// String is the handle as clients get it.
func (h handle) String() string { return string(h.appendTo(make([]byte, 0, 128))) }

// appendTo appends String.
func (h handle) appendTo(b []byte) []byte {
	return strconv.AppendInt(append(h.AppendTo(b), ' '), int64(h.pos), 10)
}

// parseHandle reads what String wrote.
func parseHandle(text string) (handle, error) {
	r, err := mq.ParseReceipt(text)
	if err != nil {
		return handle{}, refusef(rmq.Code_INVALID_RECEIPT_HANDLE, "%v", err)
	}
	h := handle{Receipt: r, pos: -1}
	if strings.Count(text, " ") == 8 {
		last := text[strings.LastIndexByte(text, ' ')+1:]
		pos, err := strconv.ParseInt(last, 10, 64)
		if err != nil || pos < 0 && (pos != -1 || !h.Passing()) {
			return handle{}, refusef(rmq.Code_INVALID_RECEIPT_HANDLE, "receipt %.100q names no position in a log: %.20q", text, last)
		}
		h.pos = mq.LogPos(pos)
	}
	if h.Offset < 0 && !h.Passing() {
		return handle{}, refusef(rmq.Code_INVALID_RECEIPT_HANDLE, "receipt %.100q names no message", text)
	}
	return h, nil
}

// expired reports whether the message is visible to others again, which one that
// is delivered at most once never is.
func (h handle) expired(now time.Time) bool { return !h.Passing() && h.Due() < now.UnixMilli() }

// errExpired is the answer to a handle that came too late.
func errExpired(h handle) error {
	return refusef(rmq.Code_INVALID_RECEIPT_HANDLE,
		"receipt handle is expired: the message became visible to others at %s; ask for a longer invisible duration, or renew it in time",
		time.UnixMilli(h.Due()).UTC().Format(time.RFC3339Nano))
}

// A transactionID names a half message. Clients carry its text and do not look
// into it.
type transactionID struct {
	Offset mq.QueueOffset
	Pos    mq.LogPos
	Key    string // the message's id
	Broker string // empty in those of earlier versions
}

// maxBrokerName bounds the name of a broker in a transaction id, in bytes.
const maxBrokerName = 255

// String is the id as clients get it.
func (t transactionID) String() string {
	text := fmt.Sprintf("%X-%X-%s", int64(t.Offset), int64(t.Pos), t.Key)
	if t.Broker == "" && !strings.Contains(t.Key, "@") {
		return text
	}
	return text + "@" + t.Broker
}

// parseTransactionID reads what String wrote. The status is the one that
// RocketMQ's proxy has for transactions that it does not know.
func parseTransactionID(text string) (transactionID, error) {
	parts := strings.SplitN(text, "-", 3)
	if len(parts) == 3 && len(text) <= maxMessageID+40+maxBrokerName {
		offset, err1 := strconv.ParseInt(parts[0], 16, 64)
		pos, err2 := strconv.ParseInt(parts[1], 16, 64)
		if err1 == nil && err2 == nil && offset >= 0 && pos >= 0 {
			id := transactionID{Offset: mq.QueueOffset(offset), Pos: mq.LogPos(pos), Key: parts[2]}
			if i := strings.LastIndexByte(id.Key, '@'); i >= 0 {
				id.Key, id.Broker = id.Key[:i], id.Key[i+1:]
			}
			return id, nil
		}
	}
	return transactionID{}, refusef(rmq.Code_INTERNAL_SERVER_ERROR, "transaction id %.100q is not one that a send of a transactional message was answered with", text)
}
