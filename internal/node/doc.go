// Package node puts the parts of a server together: it reads the
// configuration, opens what the chosen role needs, starts it and stops it.
//
// It is the only package that knows all parts. New reads from top to bottom as
// the list of them; Run starts them in that order (the store and what derives
// from it, then the roles, then the listeners) and stops them in reverse. It
// keeps no state of its own beyond that list, and no part finds another except
// through what New hands it.
package node
