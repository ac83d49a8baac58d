package node

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/store"
	"github.com/goddardmq/goddard/internal/wire"
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
	return n.first.name, n.first.password, n.first.name != ""
}

func (n *Node) makeFirstUser() (err error) {
	if n.access != nil {
		n.first.name, n.first.password, _, err = n.access.MakeFirst()
	}
	return err
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

// Exposed is the error of a server that others can reach and that asks nobody who
// they are, unless that was said to be meant.
func (c Config) Exposed() error {
	c = c.WithDefaults()
	if !c.Auth.Authentication && c.Door.Proxy && len(c.Door.ProxyFrom) == 0 && !onlyHere(c.Listen) {
		return fmt.Errorf("proxy-protocol on listen = %s lets anybody claim to be on this machine, and nobody is asked who they are; "+
			"name your proxies in proxy-protocol-from, or set authentication = true", c.Listen)
	}
	if c.Auth.Authentication || c.Auth.Insecure {
		return nil
	}
	var where string
	switch {
	case !onlyHere(c.Listen):
		where = "listen = " + c.Listen
	case c.Metrics.PromPort != 0 && !c.Metrics.Disabled() && c.Metrics.PromHost != "" && !onlyHere(c.Metrics.PromHost):
		where = "metrics-prom-exporter-host = " + c.Metrics.PromHost
	default:
		return nil
	}
	return fmt.Errorf("%s lets other machines in, and nobody would be asked who they are; either set authentication = true and authorization = true (see docs/ACCESS.md), "+
		"or, where the network protects the server, say that it is meant: --insecure, insecure = true or %s=true. With the address 127.0.0.1 (--listen 127.0.0.1) only this machine gets in", where, "GODDARD_INSECURE")
}

// onlyHere reports whether an address to listen on is for programs on this
// machine alone.
func onlyHere(host string) bool {
	addr, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil && addr.IsLoopback() || host == "localhost"
}

// Credentials are those of a user that the settings make: the broker itself, or
// the first super user; empty if there is none.
func (c Config) Credentials() rpc.Credentials {
	for _, find := range []func() (auth.User, bool, error){c.Auth.InnerUser, c.Auth.InitialUser} {
		if u, ok, err := find(); ok && err == nil {
			return rpc.Credentials{AccessKey: u.Name, SecretKey: string(u.Secret)}
		}
	}
	return rpc.Credentials{}
}

// innerHook signs what the broker itself asks of others; nil if it is nobody.
func (c Config) innerHook() (func(*wire.Command), error) {
	u, ok, err := c.Auth.InnerUser()
	if !ok || err != nil {
		return nil, err
	}
	return rpc.Credentials{AccessKey: u.Name, SecretKey: string(u.Secret)}.Hook(), nil
}
