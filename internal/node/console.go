package node

import (
	"bytes"
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
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
	if access := n.httpAccess(); access != nil {
		o.Access = access
	}
	o.Local = n.consoleSites()
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
		local := console.Site{Name: "local", Namesrvs: []string{at.String()}, TLS: n.consoleTLS()}
		local.Credentials.AccessKey, local.Credentials.SecretKey = n.access.Own()
		local.Behalf = n.access.Behalf
		all = append(all, local)
	}
	if len(n.c.Namesrvs) > 0 {
		site := console.Site{Name: "namesrv", Namesrvs: n.c.Namesrvs, TLS: n.peers}
		if u, ok, err := n.c.Auth.InnerUser(); ok && err == nil {
			site.Credentials.AccessKey, site.Credentials.SecretKey = u.Name, string(u.Secret)
		}
		all = append(all, site)
	}
	return all
}

// consoleTLS is how the console reaches this process: without TLS if that is
// allowed. If not, a certificate is good that is this process's own, which is
// made out to the names that clients use, or one that is good for others.
func (n *Node) consoleTLS() *tls.Config {
	if !n.door.Only {
		return nil
	}
	c := &tls.Config{}
	if n.peers != nil {
		c = n.peers.Clone()
	}
	c.InsecureSkipVerify = true // VerifyConnection looks
	c.VerifyConnection = func(state tls.ConnectionState) error {
		theirs := state.PeerCertificates
		own, err := n.door.TLS.GetConfigForClient(&tls.ClientHelloInfo{})
		if err == nil && own != nil {
			for _, cert := range own.Certificates {
				if len(theirs) > 0 && len(cert.Certificate) > 0 && bytes.Equal(cert.Certificate[0], theirs[0].Raw) {
					return nil
				}
			}
		}
		o := x509.VerifyOptions{Roots: c.RootCAs, DNSName: state.ServerName, Intermediates: x509.NewCertPool()}
		if len(theirs) == 0 {
			return errors.New("the server shows no certificate")
		}
		for _, cert := range theirs[1:] {
			o.Intermediates.AddCert(cert)
		}
		_, err = theirs[0].Verify(o)
		return err
	}
	return c
}

// knownSettings is what is known of a part's settings, by the keys under which it
// lists them: RocketMQ's, where there is one.
func knownSettings(defaults map[string]string, live map[string]bool) map[string]console.Setting {
	all := map[string]console.Setting{}
	for key, text := range defaults {
		all[key] = console.Setting{Default: text, HasDefault: true, Live: live[key]}
	}
	for _, s := range Settings() {
		key := cmp.Or(s.Java, s.Name)
		x := all[key]
		x.Name, x.Doc = s.Name, s.Doc()
		all[key] = x
	}
	return all
}
