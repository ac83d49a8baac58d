package mq

import "errors"

// Conditions a broker reports. Each protocol maps them to its own codes in one
// table; text that says what to do is wrapped around them where it is known.
var (
	ErrTopicNotFound    = errors.New("topic does not exist")
	ErrGroupNotFound    = errors.New("consumer group does not exist")
	ErrQueueOutOfRange  = errors.New("queue id is out of range")
	ErrDenied           = errors.New("no permission")
	ErrMessageIllegal   = errors.New("message is not acceptable")
	ErrMessageTooLarge  = errors.New("message is too large")
	ErrBusy             = errors.New("broker is busy")
	ErrUnavailable      = errors.New("service is not available")
	ErrDiskFull         = errors.New("disk is full")
	ErrNotFound         = errors.New("not found")
	ErrInvalid          = errors.New("invalid argument")
	ErrNotOnline        = errors.New("consumer is not online")
	ErrSubscription     = errors.New("subscription expression is not valid")
	ErrClosed           = errors.New("broker is shutting down")
	ErrNotSupported     = errors.New("not supported")
	ErrReply            = errors.New("reply was not delivered")
	ErrTransaction      = errors.New("transaction cannot be ended")
	ErrTransactionLate  = errors.New("transaction waits for its check")
	ErrLightQuota       = errors.New("too many light queues")
	ErrLiteTopic        = errors.New("name of a lite topic is not valid")
	ErrLiteQuota        = errors.New("too many lite subscriptions")
	ErrOffsetOutOfRange = errors.New("offset is outside the queue")
	// ErrNeedsDisk is of a request that must not wait for the disk, and would.
	ErrNeedsDisk = errors.New("the disk is needed")
)
