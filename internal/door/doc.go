// Package door is what a connection comes through before its protocol begins,
// the same on every port: a PROXY header is taken off, TLS is told from plain
// bytes and answered, clients' certificates are asked for.
//
// Files: core.go reads PROXY headers and knows no sockets; door.go is a
// connection's way in; files.go reads certificates again when they change;
// options.go are the settings, peers.go those of connections that this process
// begins.
package door
