package door

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// ReloadEvery is how often the files are looked at for changes, when there are
// connections.
const ReloadEvery = 5 * time.Second

// Files are a certificate, its key and perhaps the authorities of clients'
// certificates, which are read again when they change. What has become
// unreadable leaves what was read before in use.
type Files struct {
	cert, key, ca string
	auth          tls.ClientAuthType
	log           *slog.Logger

	// mu guards what follows; it is held while the files are looked at.
	mu struct {
		sync.Mutex
		config  *tls.Config
		changed [3]time.Time // of the files, when config was made
		looked  time.Time
	}
}

// Files reads a certificate and its key, with what the options say about
// clients' certificates.
func (o Options) Files(cert, key string, log *slog.Logger) (*Files, error) {
	f := &Files{cert: cert, key: key, log: log}
	switch o.ClientAuth {
	case AuthOptional:
		f.ca, f.auth = o.ClientCA, tls.VerifyClientCertIfGiven
	case AuthRequire:
		f.ca, f.auth = o.ClientCA, tls.RequireAndVerifyClientCert
	}
	f.mu.changed, f.mu.looked = f.stat(), time.Now()
	var err error
	f.mu.config, err = f.read()
	return f, err
}

// Config is a server's TLS configuration with what the files hold at the time
// of each handshake.
func (f *Files) Config() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) { return f.Current(time.Now()), nil },
	}
}

// read makes a configuration of what the files hold.
func (f *Files) read() (*tls.Config, error) {
	pair, err := tls.LoadX509KeyPair(f.cert, f.key)
	if err != nil {
		return nil, err
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{pair}, ClientAuth: f.auth}
	if f.ca != "" {
		// A session must not outlive the authority that its client was let in by.
		c.SessionTicketsDisabled = true
		c.ClientCAs, err = Authorities(f.ca)
	}
	return c, err
}

// Authorities reads a file of certificates in PEM form.
func Authorities(name string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", name)
	}
	return pool, nil
}

// stat is when the files changed last.
func (f *Files) stat() (at [3]time.Time) {
	for i, name := range []string{f.cert, f.key, f.ca} {
		if info, err := os.Stat(name); err == nil {
			at[i] = info.ModTime()
		}
	}
	return at
}

// Current is a configuration with what the files hold.
func (f *Files) Current(now time.Time) *tls.Config {
	f.mu.Lock()
	defer f.mu.Unlock()
	if now.Sub(f.mu.looked) < ReloadEvery {
		return f.mu.config
	}
	f.mu.looked = now
	at := f.stat()
	if at == f.mu.changed {
		return f.mu.config
	}
	config, err := f.read()
	if err != nil {
		f.log.Error("changed files of TLS cannot be read, so what they held before stays in use",
			"certificate", f.cert, "key", f.key, "client_authorities", f.ca, "error", err)
		return f.mu.config
	}
	f.mu.config, f.mu.changed = config, at
	f.log.Info("read the files of TLS again", "certificate", f.cert)
	return f.mu.config
}
