// Package limit says who may send, consume, ask and connect how much: rules of operators,
// and what is left of each. A rate is a token bucket that holds a second's worth;
// what is taken beyond it, as by one large batch, is owed.
//
// Without rules a request costs a load of one pointer. With rules it costs a
// short lock for each that is on its client, no allocation but for the share of
// a pull or pop that is limited, and no lock that all share unless the rule is on all.
//
// Memory: of each open connection some 200 bytes. Addresses and users that a
// rule is on by itself ("*") are remembered while they are connected and, at
// most 65536 of each, for as long as there are no newer ones; who is forgotten
// has a full bucket when he comes back.
//
// Files: core.go decides; table.go holds rules and connections; visit.go is one
// connection; consume.go is the share of its pulls and pops; errors.go is what
// clients are told.
package limit
