// Package timer delivers delayed messages when they are due.
//
// A message with delay level n lies in queue n-1 of the schedule topic, with
// the topic and queue it is meant for among its properties. All messages of a
// level rest equally long, so each queue is in the order of delivery: its
// reader sleeps until the first message is due, hands over what is due, and
// stores how far it is once that has been stored.
//
// What it keeps true: a message of the schedule topic is delivered at least
// once and not before it is due; those of one level in their order. After a
// crash at most what was in flight is delivered again.
//
// core.go decides; Timer reads, sends and sleeps. The rows of this package in
// the key store are "timer/level/" and the level, two digits: the queue offset
// of the first message that is not delivered, 8 bytes big-endian.
package timer
