package node

import (
	"cmp"
	"crypto/tls"
	"net/netip"

	"github.com/goddardmq/goddard/internal/broker"
	"github.com/goddardmq/goddard/internal/front/console"
	"github.com/goddardmq/goddard/internal/namesrv"
)

// openConsole hangs the web console into the HTTP port.
func (n *Node) openConsole() error {
	o := n.c.Console.WithDefaults()
	if n.http == nil || !*o.Enabled {
		return nil
	}
	o.Version, o.Log = n.c.Version, n.c.Log
	o.Local = n.consoleSites()
	if n.access != nil && n.access.Authenticates() {
		o.Access = n.access
	}
	o.Broker, o.Namesrv = knownSettings(broker.Defaults()), knownSettings(namesrv.Defaults())
	c, err := console.New(o)
	if err != nil {
		return err
	}
	n.console = c
	n.http.Handle("/", c)
	return nil
}

// consoleSites are the name server of this process, and those that its broker
// registers with.
func (n *Node) consoleSites() []console.Site {
	var all []console.Site
	if n.namesrv != nil {
		at := n.namesrv.Addr()
		if at.Addr().IsUnspecified() {
			at = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), at.Port())
		}
		local := console.Site{Name: "local", Namesrvs: []string{at.String()}}
		local.Credentials.AccessKey, local.Credentials.SecretKey = n.access.Own()
		if n.c.Door.Only {
			// The certificate is made out to the names that clients use, and
			// this is the process that has it.
			local.TLS = &tls.Config{InsecureSkipVerify: true}
		}
		all = append(all, local)
	}
	if len(n.c.Namesrvs) > 0 {
		site := console.Site{Name: "namesrv", Namesrvs: n.c.Namesrvs}
		if u, ok, err := n.c.Auth.InnerUser(); ok && err == nil {
			site.Credentials.AccessKey, site.Credentials.SecretKey = u.Name, string(u.Secret)
		}
		all = append(all, site)
	}
	return all
}

// knownSettings is what is known of a part's settings, by the keys under which it
// lists them: RocketMQ's, where there is one.
func knownSettings(defaults map[string]string, live map[string]bool) map[string]console.Setting {
	all := map[string]console.Setting{}
	for key, text := range defaults {
		all[key] = console.Setting{Default: text, Live: live[key]}
	}
	for _, s := range Settings() {
		key := cmp.Or(s.Java, s.Name)
		if x, known := all[key]; known {
			x.Name, x.Doc = s.Name, s.Doc()
			all[key] = x
		}
	}
	return all
}
