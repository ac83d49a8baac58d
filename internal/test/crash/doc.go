// Package crash kills a server under load, again and again, and looks at what
// is left.
//
// Its test is behind the build tag crash (make crash). What must hold after
// every kill -9: each acknowledged message is at the queue offset and log
// position that were answered, with its body, and nowhere else; no queue has a
// hole; what a reader has once seen is still there; messages that a producer
// sent to one queue over one connection lie in the order in which it sent them;
// a group's committed offsets have not gone back.
package crash
