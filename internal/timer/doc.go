// Package timer delivers delayed messages when they are due.
//
// A message with delay level n lies in queue n-1 of the schedule topic, with
// the topic and queue it is meant for among its properties. All messages of a
// level rest equally long, so each queue is in the order of delivery: Timer's
// reader sleeps until the first message is due, hands over what is due, and
// stores how far it is once that has been stored.
//
// A message with a time of its own lies in queue 0 of the timer topic. Agenda
// enters the messages of that queue, in their order, into rows of the key store
// that sort by due time and log position; a row goes when its message has been
// delivered. To call a message back is a message in that queue too. The rows
// hold no bodies and are read as they come due, so the messages that wait may
// be far more than fit in memory. What is due soon waits in a bounded piece of
// memory instead: a row that is written and deleted within seconds costs the key
// store more than all else. After a restart the queue is read again from the
// first message that was not done with, except for those noted as delivered or
// called back. Those that are about to leave the log with
// its oldest segment are copied to its end first.
//
// What it keeps true: a delayed message is delivered at least once and not
// before it is due; those of one level in their order, those with a time of
// their own in the order of due times. After a crash at most what was in flight
// is delivered again. No row outlives the log that it points into.
//
// core.go decides for the levels; Timer reads, sends and sleeps. The rows of
// this package in the key store are in docs/FORMAT.md.
package timer
