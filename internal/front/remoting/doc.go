// Package remoting answers RocketMQ's own clients: it turns requests of the
// remoting protocol into calls of mq.Broker and mq.Admin and their results into
// answers.
//
// The files are the protocol: one per operation or tight family, each beginning
// with the request codes it answers; codes.go is the table of all of them and
// errors.go the one place where an error becomes a response code.
// docs/REQUESTS.md is printed from the table.
//
// What always holds:
//
//   - Every request is answered exactly once, unless it is oneway (never) or
//     the connection ends first.
//   - Requests of one connection take effect in the order in which they came,
//     but for those that the table runs beside the others.
//   - A message's bytes are not copied here: sends hand over slices of the read
//     buffer, pulls hand the broker's slices to the connection.
//   - A connection holds a bounded amount of anything: sends in flight, pulls,
//     requests running beside, pulled bytes that the client has not read yet.
//
// A connection's state is its session. It is owned by the connection's reading
// goroutine, except for what session says about its lock.
package remoting
