// Package pop keeps what consumer groups popped and have not acknowledged, and
// gives it back when its time is up.
//
// What a pop took of a queue is a row in the key store, sorted by the time at
// which it becomes visible again; see docs/decisions/0003. A message whose time
// was changed has a row of its own. Rows and the group's offset behind them are
// written in one batch, so that an offset never covers a message that has neither
// a row nor an acknowledgement. One goroutine sleeps until the first row is due,
// has the messages stored again, and takes them out of the row after that: a crash
// between the two delivers them once more. A power loss that takes a copy brings
// the message back.
//
// What a group pops in order has one row for each queue instead, which Order
// decides about, or Lanes if it is by message group; see docs/decisions/0005.
// Messages of a key that an operator parked are a row each.
//
// Memory holds how many messages each group has in hand of each queue, and nothing
// of a row, but for some Lanes.
package pop
