// Package rpc keeps connections that speak the remoting protocol: a server's
// loop that accepts and serves them, and a client's one connection per address.
// Both ends of a connection may send requests; a Conn is the same on either.
//
// What it keeps true:
//
//   - One goroutine reads a connection. It hands over all complete frames that
//     have arrived as one burst (Serve, Serve, …, Flush) and then writes all
//     answers that are ready in one write. Serving allocates nothing per request.
//   - Reply never blocks. On the accepting side a slow peer first stops the
//     reading of its own requests; what waits to be written is bounded, and a
//     peer that takes nothing for WriteTimeout is cut. The dialling side never
//     lets a write hold up its reading: if both did, two ends with full sockets
//     would wait for each other.
//   - Every request sent is answered exactly once: by the peer, by its timeout
//     or by the end of the connection.
//   - An idle connection costs one goroutine, a read buffer of 4 KiB and no
//     timer that fires more often than once per idle timeout: 10.9 kB in all,
//     socket and stack included, measured with 9,000 of them (linux/amd64).
//   - Every goroutine ends before Server.Run or Client.Close returns.
//
// The bytes are package wire's and described in docs/PROTOCOL.md. Timers,
// buffers and counters belong to the Conn; nothing is shared between
// connections but the log's rate limit.
package rpc
