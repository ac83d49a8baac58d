package remoting

import (
	"context"
	"errors"
	"fmt"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// conditions is the only place where an error of the broker becomes a response
// code. The error's own text says what to do; todo says it for one that comes
// without any. An error that is not listed is a fault of ours: it answers
// SYSTEM_ERROR and is logged.
var conditions = []condition{
	{auth.ErrUnauthenticated, wire.CodeNoPermission, "sign the request with the secret key of a user"},
	{auth.ErrForbidden, wire.CodeNoPermission, "ask for a policy that allows it"},
	{mq.ErrTopicNotFound, wire.CodeTopicNotExist, "create the topic, or let the broker create topics on first use"},
	{mq.ErrGroupNotFound, wire.CodeSubscriptionGroupNotExist, "create the consumer group, or let the broker create groups on first use"},
	{mq.ErrQueueOutOfRange, wire.CodeInvalidParameter, "fetch the topic's route again"},
	{mq.ErrDenied, wire.CodeNoPermission, "change the permission of the topic, the group or the broker"},
	{mq.ErrMessageTooLarge, wire.CodeMessageIllegal, "send less at once, or raise maxMessageSize"},
	{mq.ErrMessageIllegal, wire.CodeMessageIllegal, "check its properties and its size"},
	{mq.ErrBusy, wire.CodeSystemBusy, "try again a little later, or send more slowly"},
	{mq.ErrDiskFull, wire.CodeServiceNotAvailable, "free disk space or shorten retention; reading goes on"},
	{mq.ErrUnavailable, wire.CodeServiceNotAvailable, "try again later, or another broker"},
	{mq.ErrClosed, wire.CodeServiceNotAvailable, "try again later, or another broker"},
	{mq.ErrNotFound, wire.CodeQueryNotFound, "there is nothing under this name or number"},
	{mq.ErrInvalid, wire.CodeInvalidParameter, "check the request's fields"},
	{mq.ErrLiteTopic, wire.CodeMessageIllegal, "name it with at most 64 letters, digits, - and _"},
	{mq.ErrLiteQuota, wire.CodeLiteSubscriptionQuotaExceeded, "want fewer lite topics, or raise the group's attribute lite.sub.client.quota, or maxLiteSubscriptionCount"},
	{mq.ErrLightQuota, wire.CodeLMQQuotaExceeded, "raise maxLmqConsumeQueueNum or max-light-offsets, or use fewer light queues"},
	{mq.ErrOffsetOutOfRange, wire.CodeSystemError, "ask for the queue's first and last offset"},
	{mq.ErrReply, wire.CodeSystemError, "the client that asked has gone, or has connected to another broker"},
	{mq.ErrTransaction, wire.CodeSystemError, "name a half message that is not ended, and its producer group"},
	{mq.ErrTransactionLate, wire.CodeIllegalOperation, "answer the broker's check instead"},
	{mq.ErrNotOnline, wire.CodeConsumerNotOnline, "start a client of the group and try again"},
	{mq.ErrSubscription, wire.CodeSubscriptionParseFailed, `use "*", tags joined by " || ", or an SQL92 expression`},
	{mq.ErrNotSupported, wire.CodeRequestCodeNotSupported, "docs/REQUESTS.md lists what this broker answers"},
	{context.DeadlineExceeded, wire.CodeSystemError, "the other side did not answer in time; try again"},
	{context.Canceled, wire.CodeServiceNotAvailable, "the connection or the broker is closing; try again"},
}

// A condition is one row of the translation.
type condition struct {
	err  error
	code wire.Code
	todo string
}

// A refusal is an error that knows its response code already: the request
// itself is at fault, or the protocol has a code of its own for what happened.
type refusal struct {
	code   wire.Code
	remark string
}

// Error is the remark.
func (r *refusal) Error() string { return r.remark }

// refusef makes a refusal.
func refusef(code wire.Code, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// badRequest refuses what the client should have written differently.
func badRequest(format string, args ...any) error {
	return refusef(wire.CodeInvalidParameter, format, args...)
}

// malformed refuses a header or a body that cannot be read, with the code that
// RocketMQ uses for it.
func malformed(req *wire.Command, err error) error {
	return refusef(wire.CodeSystemError, "%v cannot be read: %v; the client and this broker differ in their idea of it", req.Code, err)
}

// missing refuses a header that lacks a field.
func missing(req *wire.Command, field string) error {
	return refusef(wire.CodeSystemError, "%v cannot be read: its header lacks the field %s", req.Code, field)
}

// notNumber refuses a header of which a field should be a number and is not.
func notNumber(req *wire.Command, f *wire.Field) error {
	return refusef(wire.CodeSystemError, "%v cannot be read: its header's field %s is not a number that fits: %.40q", req.Code, f.Key, f.Value)
}

// notSupported refuses a request code that is not in the table.
func notSupported(code wire.Code) error {
	if why, ok := refused[code]; ok {
		return refusef(wire.CodeRequestCodeNotSupported, "%v is refused: %s", code, why)
	}
	return refusef(wire.CodeRequestCodeNotSupported,
		" request type %d not supported: this broker does not answer %v; docs/REQUESTS.md lists what it answers", int32(code), code)
}

// explain is the response code and the remark for err.
func (h *Handler) explain(err error) (wire.Code, string) {
	var r *refusal
	if errors.As(err, &r) {
		return r.code, r.remark
	}
	for _, c := range conditions {
		if !errors.Is(err, c.err) {
			continue
		}
		text := err.Error()
		if text == c.err.Error() {
			text += ": " + c.todo
		}
		return c.code, text
	}
	h.log.Error("request failed for a reason that no client can act on", "error", err)
	return wire.CodeSystemError, fmt.Sprintf("the broker failed: %v; its log may say more", err)
}
