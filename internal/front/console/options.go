package console

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
)

// An Access decides who may do what. Its errors are for the user to read.
type Access interface {
	// Login says who has that name and password, asked from an address; wrong
	// ones take a while, and mq.ErrBusy is wrapped while too many are tried.
	Login(ctx context.Context, from netip.AddrPort, user, password string) (mq.Caller, error)
	// Is reports at once whether a user who has logged in may still, with that
	// password.
	Is(user, password string) bool
	// Changed is closed when that may be otherwise the next time.
	Changed() <-chan struct{}
	// Allowed is nil if the caller may do action on resource, in the words of
	// RocketMQ's access control: "GET" on "Topic:orders".
	Allowed(ctx context.Context, c mq.Caller, action, resource string) error
}

// A Site is a set of name servers, and the clusters that they know.
type Site struct {
	Name     string
	Namesrvs []string
	TLS      *tls.Config // for connections to them, if set
	// Credentials are whose eyes the console watches the site with; of nobody, if
	// there is authentication, those of a user who is logged in.
	Credentials rpc.Credentials
	// Behalf, where the site is this process's own, proves to its servers at which
	// address a user of the console is.
	Behalf func(user string, from netip.Addr) (text, proof string)
}

// A Setting is what is known of a server's setting beside its value.
type Setting struct {
	Name    string // Goddard's own
	Doc     string
	Default string
	// HasDefault is false where the default depends on other things.
	HasDefault bool
	Live       bool // it can change while the server runs
}

// Options says what the console shows and to whom. The zero value of every
// tagged field is its default.
type Options struct {
	// Enabled says whether the HTTP port serves the web console. Default true.
	Enabled *bool `conf:"console"`

	// Namesrvs are further name servers whose clusters the console shows, as
	// name=host:port, separated by semicolons; entries of one name are name
	// servers of one place, and one without a name is a place by itself. They may
	// be RocketMQ's. Default none: only the name server of this process.
	Namesrvs []string `conf:"console-namesrv"`

	// Hosts are the host names and addresses by which browsers on other machines
	// may reach the console while there is no authentication, separated by
	// semicolons; * means any. Without authentication whoever reaches the console
	// may do everything. Default none: only browsers on this machine.
	Hosts []string `conf:"console-hosts"`

	// MaxTails is how many live tails of topics run at the same time. Default 16.
	MaxTails int `conf:"console-max-tails"`

	// ReadOnly says whether the console refuses whatever changes something.
	// Default false.
	ReadOnly bool `conf:"console-read-only"`

	// Local are the sites that the console shows without being told; the first
	// of all is where it begins.
	Local []Site

	// Access decides who may do what. Nil lets everybody do everything who may
	// reach the console.
	Access Access

	// Broker and Namesrv are what is known of our servers' settings, by the keys
	// under which they are listed.
	Broker, Namesrv map[string]Setting

	// Version is what the console shows as its own.
	Version string

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// WithDefaults fills in what was left open.
func (o Options) WithDefaults() Options {
	if o.Enabled == nil {
		o.Enabled = new(true)
	}
	if o.MaxTails == 0 {
		o.MaxTails = 16
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// maxSites bounds the places that a console watches.
const maxSites = 32

// Validate reports options that cannot be.
func (o Options) Validate() error {
	if o.MaxTails < 0 {
		return errors.New("console-max-tails: want at least 1")
	}
	_, err := o.sites()
	return err
}

// sites are all places, those of this process first.
func (o Options) sites() ([]Site, error) {
	all := slices.Clone(o.Local)
	for _, text := range o.Namesrvs {
		name, addr, named := strings.Cut(text, "=")
		if !named {
			name, addr = text, text
		}
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" || name == "" {
			return nil, fmt.Errorf("console-namesrv: %q: want host:port or name=host:port", text)
		}
		at := slices.IndexFunc(all, func(s Site) bool { return s.Name == name })
		if at < 0 {
			all = append(all, Site{Name: name, Namesrvs: []string{addr}})
			continue
		}
		all[at].Namesrvs = append(slices.Clone(all[at].Namesrvs), addr)
	}
	if len(all) > maxSites {
		return nil, fmt.Errorf("console-namesrv: %d places, at most %d can be watched", len(all), maxSites)
	}
	return all, nil
}
