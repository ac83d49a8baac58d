package door

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
)

// Options says how clients may connect, on every port.
type Options struct {
	// Cert is a file with the certificate chain in PEM form, which is read again
	// when it changes. With it and tls-key clients may use TLS on every port;
	// tls-only makes them. Default none: then gRPC clients get a certificate that
	// the server makes itself, in the folder tls of the data directory.
	Cert string `conf:"tls-cert" rocketmq:"tls.server.certPath"`

	// Key is the private key of tls-cert, not encrypted. Default none.
	Key string `conf:"tls-key" rocketmq:"tls.server.keyPath"`

	// Only refuses plain connections, on every port. Default false.
	Only bool `conf:"tls-only"`

	// ClientAuth says whether clients that use TLS show a certificate of their
	// own: none asks for none, optional checks one that is shown, require refuses
	// clients without. Plain connections show none: set tls-only beside it.
	// Default none.
	ClientAuth string `conf:"tls-client-auth" rocketmq:"tls.server.need.client.auth"`

	// ClientCA is a file of the authorities, in PEM form, whose certificates
	// clients may show; it is read again when it changes. Default none.
	ClientCA string `conf:"tls-client-ca" rocketmq:"tls.server.trustCertPath"`

	// Proxy accepts a PROXY header of version 1 or 2 in front of a connection, on
	// every port, and believes the address in it: name your proxies in
	// proxy-protocol-from, or set it only where clients cannot connect but
	// through one. Default false.
	Proxy bool `conf:"proxy-protocol"`

	// ProxyFrom lists the addresses, or networks as in 10.1.0.0/16, from which a
	// PROXY header is believed; from elsewhere it is refused. Without one, all are
	// believed.
	ProxyFrom []string `conf:"proxy-protocol-from"`
}

// Values of Options.ClientAuth.
const (
	AuthNone     = "none"
	AuthOptional = "optional"
	AuthRequire  = "require"
)

// Validate reports every bad field by its name.
func (o Options) Validate() error {
	var errs []error
	if (o.Cert == "") != (o.Key == "") {
		errs = append(errs, errors.New("tls-cert and tls-key go together; give both or neither"))
	}
	if o.Only && o.Cert == "" {
		errs = append(errs, errors.New("tls-only needs a certificate; give tls-cert and tls-key"))
	}
	switch o.ClientAuth {
	case "", AuthNone:
	case AuthOptional, AuthRequire:
		if o.ClientCA == "" {
			errs = append(errs, fmt.Errorf("tls-client-auth = %s needs the authorities of clients' certificates; give tls-client-ca", o.ClientAuth))
		}
	default:
		errs = append(errs, fmt.Errorf("tls-client-auth = %q: want none, optional or require", o.ClientAuth))
	}
	if len(o.ProxyFrom) > 0 && !o.Proxy {
		errs = append(errs, errors.New("proxy-protocol-from has a meaning with proxy-protocol only; set that as well"))
	}
	_, err := prefixes(o.ProxyFrom)
	return errors.Join(append(errs, err)...)
}

// prefixes reads a list of addresses and networks.
func prefixes(list []string) ([]netip.Prefix, error) {
	var all []netip.Prefix
	for _, text := range list {
		p, err := ParsePrefix(text)
		if err != nil {
			return nil, fmt.Errorf("proxy-protocol-from = %q: %w", text, err)
		}
		all = append(all, p)
	}
	return all, nil
}

// ParsePrefix reads an address, which stands for itself, or a network.
func ParsePrefix(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		a, err := netip.ParseAddr(text)
		if err != nil || a.Zone() != "" {
			return netip.Prefix{}, errors.New("want an address, or a network such as 10.1.0.0/16")
		}
		a = a.Unmap()
		return netip.PrefixFrom(a, a.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4In6() {
		return netip.Prefix{}, errors.New("want an address, or a network such as 10.1.0.0/16")
	}
	return p.Masked(), nil
}

// Open makes the door that the options describe; it reads their files.
func (o Options) Open(log *slog.Logger) (*Door, error) {
	if err := o.Validate(); err != nil {
		return nil, err
	}
	from, err := prefixes(o.ProxyFrom)
	if err != nil {
		return nil, err
	}
	d := &Door{Only: o.Only, Proxy: o.Proxy, From: from}
	if o.Cert == "" {
		return d, nil
	}
	files, err := o.Files(o.Cert, o.Key, log)
	if err != nil {
		return nil, fmt.Errorf("tls-cert, tls-key and tls-client-ca cannot be used: %w", err)
	}
	d.TLS = files.Config()
	return d, nil
}
