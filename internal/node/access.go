package node

import (
	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/store"
)

// openAccess opens users and policies: those in the broker's key store, or, where
// the name server runs by itself, those of the settings alone.
func (n *Node) openAccess() error {
	o := n.c.Auth
	o.Log = n.c.Log
	var rows auth.Rows
	if n.broker != nil {
		rows = keyRows{n.broker.Keys()}
	}
	var err error
	n.access, err = auth.Open(rows, o)
	return err
}

// FirstUser is the super user that was made because there was none, with the
// password, which is told here and nowhere else; ok is false if none was made.
func (n *Node) FirstUser() (name, password string, ok bool) {
	if n.access == nil {
		return "", "", false
	}
	return n.access.FirstUser()
}

// keyRows are the rows of users and policies in the key store.
type keyRows struct{ keys *store.Keys }

// Scan implements auth.Rows.
func (r keyRows) Scan(prefix string, f func(rest string, value []byte) error) error {
	return r.keys.Scan([]byte(prefix), func(key, value []byte) error { return f(string(key[len(prefix):]), value) })
}

// Apply implements auth.Rows.
func (r keyRows) Apply(changes map[string][]byte) error {
	b := r.keys.Batch()
	for key, value := range changes {
		if value == nil {
			b.Delete([]byte(key))
		} else {
			b.Set([]byte(key), value)
		}
	}
	return r.keys.Apply(b, true)
}
