package mq

import "net/netip"

// A Caller is who asks: what a front end knows of its client, for access
// control, limits and the audit log.
type Caller struct {
	// User is the name that the client proved to have; empty where none is asked.
	User string
	// Addr is the client's address; that which a trusted proxy names, if there is one.
	Addr netip.AddrPort
}
