package grpc

import (
	"context"
	"errors"
	"fmt"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// conditions is the only place where an error of the broker becomes a status.
// The error's own text says what to do; todo says it for one that comes without
// any. An error that is not listed is a fault of ours: it answers
// INTERNAL_SERVER_ERROR and is logged.
var conditions = []condition{
	{auth.ErrUnauthenticated, rmq.Code_UNAUTHORIZED, "sign the call with the secret key of a user"},
	{auth.ErrForbidden, rmq.Code_FORBIDDEN, "ask for a policy that allows it"},
	{mq.ErrTopicNotFound, rmq.Code_TOPIC_NOT_FOUND, "create the topic, for example with `goddard admin topic create`"},
	{mq.ErrGroupNotFound, rmq.Code_CONSUMER_GROUP_NOT_FOUND, "create the consumer group, or let the broker create groups on first use"},
	{mq.ErrQueueOutOfRange, rmq.Code_BAD_REQUEST, "query the topic's route again"},
	{mq.ErrDenied, rmq.Code_FORBIDDEN, "change the permission of the topic, the group or the broker"},
	{mq.ErrMessageTooLarge, rmq.Code_MESSAGE_BODY_TOO_LARGE, "send less at once, or raise max-message-size"},
	{mq.ErrMessageIllegal, rmq.Code_BAD_REQUEST, "check its properties and its size"},
	{mq.ErrLiteTopic, rmq.Code_ILLEGAL_LITE_TOPIC, "name it with at most 64 letters, digits, - and _"},
	{mq.ErrLiteQuota, rmq.Code_LITE_SUBSCRIPTION_QUOTA_EXCEEDED, "want fewer lite topics, or raise the group's attribute lite.sub.client.quota, or max-lite-subscriptions"},
	{mq.ErrLightQuota, rmq.Code_LITE_TOPIC_QUOTA_EXCEEDED, "raise max-light-queues (maxLmqConsumeQueueNum) or max-light-offsets, or use fewer lite topics"},
	{mq.ErrBusy, rmq.Code_TOO_MANY_REQUESTS, "try again a little later, or send more slowly"},
	{mq.ErrDiskFull, rmq.Code_INTERNAL_SERVER_ERROR, "free disk space or shorten retention; reading goes on"},
	{mq.ErrUnavailable, rmq.Code_INTERNAL_SERVER_ERROR, "try again later, or another broker"},
	{mq.ErrClosed, rmq.Code_INTERNAL_SERVER_ERROR, "try again later, or another broker"},
	{mq.ErrNotFound, rmq.Code_NOT_FOUND, "there is nothing under this name or number"},
	{mq.ErrInvalid, rmq.Code_BAD_REQUEST, "check the request's fields"},
	{mq.ErrOffsetOutOfRange, rmq.Code_ILLEGAL_OFFSET, "query the queue's first and last offset"},
	// RocketMQ's proxy answers so where it does not know a transaction any more.
	{mq.ErrTransaction, rmq.Code_INTERNAL_SERVER_ERROR, "name a transaction that is not ended"},
	{mq.ErrTransactionLate, rmq.Code_INTERNAL_SERVER_ERROR, "answer the server's check instead"},
	{mq.ErrNotOnline, rmq.Code_NOT_FOUND, "start a client of the group and try again"},
	{mq.ErrSubscription, rmq.Code_ILLEGAL_FILTER_EXPRESSION, `use "*", tags joined by " || ", or an SQL92 expression`},
	{mq.ErrNotSupported, rmq.Code_NOT_IMPLEMENTED, "docs/GRPC.md lists what this broker answers"},
	{context.DeadlineExceeded, rmq.Code_PROXY_TIMEOUT, "it was not done in time; try again"},
	{context.Canceled, rmq.Code_INTERNAL_SERVER_ERROR, "the connection or the broker is closing; try again"},
}

// A condition is one row of the translation.
type condition struct {
	err  error
	code rmq.Code
	todo string
}

// A refusal is an error that knows its status already: the request itself is at
// fault, or the protocol has a status of its own for what happened.
type refusal struct {
	code    rmq.Code
	message string
}

// Error is the message.
func (r *refusal) Error() string { return r.message }

// refusef makes a refusal.
func refusef(code rmq.Code, format string, args ...any) error {
	return &refusal{code, fmt.Sprintf(format, args...)}
}

// invalid turns ErrInvalid into a status that says what is invalid, and leaves
// other errors as they are.
func invalid(code rmq.Code, err error) error {
	if errors.Is(err, mq.ErrInvalid) {
		return refusef(code, "%v", err)
	}
	return err
}

// okay is the status of success.
func okay() *rmq.Status { return &rmq.Status{Code: rmq.Code_OK, Message: "OK"} }

// explain is the status for err.
func (s *Server) explain(err error) *rmq.Status {
	var r *refusal
	if errors.As(err, &r) {
		return &rmq.Status{Code: r.code, Message: r.message}
	}
	for _, c := range conditions {
		if !errors.Is(err, c.err) {
			continue
		}
		text := err.Error()
		if text == c.err.Error() {
			text += ": " + c.todo
		}
		return &rmq.Status{Code: c.code, Message: text}
	}
	s.log.Error("a call failed for a reason that no client can act on", "error", err)
	return &rmq.Status{Code: rmq.Code_INTERNAL_SERVER_ERROR, Message: fmt.Sprintf("the broker failed: %v; its log may say more", err)}
}

// merged is the status of an answer with several entries: that of all of them
// if they have one code, otherwise MULTIPLE_RESULTS.
func merged(entries []*rmq.Status) *rmq.Status {
	for _, e := range entries[1:] {
		if e.Code != entries[0].Code {
			return differing()
		}
	}
	return entries[0]
}

// differing is the status of an answer whose entries have several codes.
func differing() *rmq.Status {
	return &rmq.Status{Code: rmq.Code_MULTIPLE_RESULTS, Message: "the entries differ; each has a status of its own"}
}
