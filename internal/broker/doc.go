// Package broker is mq.Broker and mq.Admin on this machine: it knows the topics
// and consumer groups, decides where a message goes, keeps offsets, locks and
// the list of who is connected, and parks pulls until there is something to
// answer.
//
// What it keeps true:
//
//   - A message that cannot be treated as its properties ask is refused, never
//     stored as if they were not there.
//   - A committed offset is in the key store before SetOffset returns.
//   - A parked pull is answered when a message arrives that its filter lets
//     pass, when its time is up, or when the broker stops, whichever is first.
//     Nothing is read from the store on an appender's goroutine.
//   - Of a limited rate nobody gets more than its share over time, and requests
//     that wait for theirs get it in the order in which they came.
//   - What is to be delivered at most once is in the hands of pulls and pops that wait or
//     nowhere; it takes no memory beyond their answers.
//   - Sending takes no lock and allocates nothing but for the first message of
//     a topic.
//
// Messages are the store's. The rows of this package in the key store are
// topics, groups and offsets, laid out in rows.go; the rest is in memory and
// comes back with the clients' next heartbeat.
package broker
