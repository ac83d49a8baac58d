// Package compat runs RocketMQ's own clients against RocketMQ and against
// Goddard and asks the same of both.
//
// Its tests are behind the build tag compat (make compat), since they need
// minutes and, for the Java parts, a JDK and Maven; the gRPC clients in other
// languages need the tools of these (Python, Node.js, Rust) or, in C++, the client
// itself (ROCKETMQ_CPP_CLIENT). A client whose tools are missing is skipped, and
// the last lines of the output count what was.
//
// A scenario is written in the client's language (internal/test/clients) and
// knows no server; what clients of both protocols do alike is written once for
// both, in Java and in Go (Shared.java, frame/shared.go); where a server is meant to differ, differences.go says so with
// the reason, and then the scenario must fail: one that passes must be struck
// from the list.
package compat
