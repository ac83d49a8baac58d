// Package grpc answers RocketMQ 5's clients: it turns calls of the gRPC
// protocol into calls of mq.Broker and mq.Admin and their results into answers.
//
// The files are the protocol: one per call or tight family, each beginning with
// the calls it answers; table.go lists all of them and errors.go is the one
// place where an error becomes a status. docs/GRPC.md is printed from the table.
// in.go and out.go turn messages into stored ones and back.
//
// What always holds:
//
//   - A call is answered with a status of the protocol; the transport's own
//     errors are for what the protocol has no status for.
//   - A message that was popped for a stream and not written to it is visible
//     again at once.
//   - What a client must say again after a restart is nothing but its settings,
//     which it does by itself: receipts, transaction ids and recall handles hold
//     all that is needed.
//   - Everything that clients make us remember has a limit: connections, calls,
//     clients, bytes popped for slow readers, receipts that are renewed.
package grpc
