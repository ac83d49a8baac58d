// Package mq holds the words every other package speaks: messages, topics,
// queues and groups, the stored layout of a message, and Broker, the interface
// that stands between protocols and engine.
//
// It keeps no state and does no I/O. The stored layout is RocketMQ's and is
// described in docs/FORMAT.md.
package mq
