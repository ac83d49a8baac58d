// Package trace writes OpenTelemetry spans of what the broker does with
// messages, for clients that know nothing of it.
//
// All spans of a message are in one trace. Its id, and the ids of the spans
// that others hang on, follow from what the message carries: the traceparent of
// its producer, or else its unique key. So they are found again without being
// kept, after a restart and by another broker.
//
// What is kept true: telling the Tracer something never blocks and copies only
// what it follows; what waits to be written and what was delivered and is not
// yet acknowledged have limits; what is beyond them is dropped and counted.
package trace
