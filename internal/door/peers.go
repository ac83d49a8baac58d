package door

import (
	"crypto/tls"
	"errors"
	"fmt"
	"sync/atomic"
)

// Peers says how this process connects to other servers: a broker to name
// servers and to other brokers that answer gRPC clients, a name server to brokers,
// commands to both.
type Peers struct {
	// TLS connects to name servers and brokers elsewhere by TLS; without it the
	// other peer-tls settings have no effect. Brokers hand gRPC calls to each other
	// by TLS in any case, and with it check each other's certificates. Default false.
	TLS bool `conf:"peer-tls" rocketmq:"tls.enable"`

	// CA is a file of the authorities, in PEM form, that are trusted to know
	// those servers. Default those of this system.
	CA string `conf:"peer-tls-ca" rocketmq:"tls.client.trustCertPath"`

	// SkipVerify believes any certificate of those servers, as RocketMQ does by
	// default (tls.client.authServer = false). Default false.
	SkipVerify bool `conf:"peer-tls-skip-verify" rocketmq:"!tls.client.authServer"`

	// Cert is a file with the certificate chain, in PEM form, that is shown to
	// servers that ask for one; it is read again when it changes. Default none.
	Cert string `conf:"peer-tls-cert" rocketmq:"tls.client.certPath"`

	// Key is the private key of peer-tls-cert, not encrypted. Default none.
	Key string `conf:"peer-tls-key" rocketmq:"tls.client.keyPath"`
}

// Validate reports what does not go together.
func (p Peers) Validate() error {
	if (p.Cert == "") != (p.Key == "") {
		return errors.New("peer-tls-cert and peer-tls-key go together; give both or neither")
	}
	return nil
}

// Config is how to encrypt; nil means not to.
func (p Peers) Config() (*tls.Config, error) {
	if !p.TLS {
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: p.SkipVerify}
	var err error
	if p.CA != "" {
		if c.RootCAs, err = Authorities(p.CA); err != nil {
			return nil, fmt.Errorf("peer-tls-ca: %w", err)
		}
	}
	if p.Cert == "" {
		return c, nil
	}
	own, err := tls.LoadX509KeyPair(p.Cert, p.Key)
	if err != nil {
		return nil, fmt.Errorf("peer-tls-cert and peer-tls-key: %w", err)
	}
	var last atomic.Pointer[tls.Certificate]
	last.Store(&own)
	c.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
		// One that is being replaced may be unreadable for a moment.
		if again, err := tls.LoadX509KeyPair(p.Cert, p.Key); err == nil {
			last.Store(&again)
		}
		return last.Load(), nil
	}
	return c, nil
}
