package node

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/door"
)

// Where a certificate of our own making lies, within the data directory.
const (
	tlsDir        = "tls"
	caFile        = "ca.pem"
	caKeyFile     = "ca-key.pem"
	serverFile    = "server.pem"
	serverKeyFile = "server-key.pem"
)

const (
	caLife     = 20 * 365 * 24 * time.Hour
	serverLife = 397 * 24 * time.Hour // what clients accept at most
	renewLife  = 60 * 24 * time.Hour  // before its end it is made anew, at a start
)

// ownCertificate is the certificate in a directory that stands for names, which
// are hosts and addresses. What is missing is made: a certificate authority,
// for clients to trust, and a certificate by it.
func ownCertificate(dir string, names []string, o door.Options, log *slog.Logger) (*door.Files, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	ca, caKey, err := readPair(filepath.Join(dir, caFile), filepath.Join(dir, caKeyFile))
	fresh := err != nil && !errors.Is(err, fs.ErrPermission) && !errors.Is(err, errForeign)
	if fresh && !errors.Is(err, fs.ErrNotExist) {
		if err := moveAside(dir, err, log); err != nil {
			return nil, err
		}
	}
	if fresh {
		if ca, caKey, err = makeAuthority(dir); err == nil {
			log.Info("made a certificate authority, which clients that check certificates have to trust", "certificate", filepath.Join(dir, caFile))
		}
	}
	if err != nil {
		return nil, err
	}
	cert, key := filepath.Join(dir, serverFile), filepath.Join(dir, serverKeyFile)
	old, _, err := readPair(cert, key)
	if fresh || err != nil || !standsFor(old, ca, names) {
		if err := makeCertificate(dir, names, ca, caKey); err != nil {
			return nil, err
		}
		log.Info("made a certificate", "certificate", cert, "names", names)
	}
	return o.Files(cert, key, log)
}

// moveAside gives the files of a certificate authority that cannot be read other
// names, so that it can be made anew and nothing is lost.
func moveAside(dir string, damage error, log *slog.Logger) error {
	for _, name := range []string{caFile, caKeyFile} {
		name = filepath.Join(dir, name)
		if err := os.Rename(name, name+".damaged"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("%s cannot be read (%w) nor moved aside (%w); remove it to have a new one made", name, damage, err)
		}
	}
	log.Warn("the certificate authority's files cannot be read, so they are moved aside and it is made anew; clients that check certificates have to trust the new one",
		"directory", dir, "moved_to", caFile+".damaged and "+caKeyFile+".damaged", "reason", damage)
	return nil
}

// memoryCertificate is one that lies nowhere.
func memoryCertificate(names []string) (*tls.Config, error) {
	ca, caKey, _, err := authority()
	if err != nil {
		return nil, err
	}
	_, pair, err := signed(names, ca, caKey)
	if err != nil {
		return nil, err
	}
	return &tls.Config{MinVersion: tls.VersionTLS12, Certificates: []tls.Certificate{*pair}}, nil
}

// standsFor reports whether a certificate by ca is good for names for a while.
func standsFor(cert, ca *x509.Certificate, names []string) bool {
	if cert.CheckSignatureFrom(ca) != nil || time.Now().Add(renewLife).After(cert.NotAfter) {
		return false
	}
	for _, name := range names {
		if cert.VerifyHostname(name) != nil {
			return false
		}
	}
	return true
}

// errForeign says that a key is none of ours.
var errForeign = errors.New("the key is not for ECDSA")

// readPair reads a certificate and its key.
func readPair(cert, key string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		return nil, nil, err
	}
	own, ok := pair.PrivateKey.(*ecdsa.PrivateKey)
	if !ok {
		return nil, nil, fmt.Errorf("%s: %w; remove the directory to have everything made anew, or give tls-cert and tls-key", key, errForeign)
	}
	return pair.Leaf, own, nil
}

// makeAuthority makes a certificate authority in a directory.
func makeAuthority(dir string) (*x509.Certificate, *ecdsa.PrivateKey, error) {
	ca, key, der, err := authority()
	if err != nil {
		return nil, nil, err
	}
	return ca, key, writePair(filepath.Join(dir, caFile), filepath.Join(dir, caKeyFile), der, key)
}

// authority makes a certificate authority.
func authority() (*x509.Certificate, *ecdsa.PrivateKey, []byte, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, nil, err
	}
	template, err := certificateFor("Goddard certificate authority", caLife)
	if err != nil {
		return nil, nil, nil, err
	}
	template.IsCA, template.BasicConstraintsValid, template.MaxPathLenZero = true, true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, nil, nil, err
	}
	ca, err := x509.ParseCertificate(der)
	return ca, key, der, err
}

// makeCertificate makes a certificate in a directory.
func makeCertificate(dir string, names []string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) error {
	key, pair, err := signed(names, ca, caKey)
	if err != nil {
		return err
	}
	return writePair(filepath.Join(dir, serverFile), filepath.Join(dir, serverKeyFile), pair.Certificate[0], key)
}

// signed makes a certificate by an authority.
func signed(names []string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*ecdsa.PrivateKey, *tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	template, err := certificateFor("Goddard", serverLife)
	if err != nil {
		return nil, nil, err
	}
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	return key, &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// certificateFor is the beginning of a certificate.
func certificateFor(name string, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(life),
	}, nil
}

// writePair writes a certificate and its key, each whole or not at all.
func writePair(cert, key string, der []byte, private *ecdsa.PrivateKey) error {
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return err
	}
	if err := writeWhole(key, 0o600, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})); err != nil {
		return err
	}
	return writeWhole(cert, 0o644, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}

// writeWhole writes a file under another name and gives it its own then.
func writeWhole(name string, mode fs.FileMode, data []byte) error {
	f, err := os.OpenFile(name+".new", os.O_WRONLY|os.O_CREATE|os.O_TRUNC, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	// A power cut must not leave the name without what it names.
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

// certificateNames are what clients may call this machine in a URL: itself, what
// it listens on and what it advertises.
func (c Config) certificateNames() []string {
	names := []string{"localhost", "127.0.0.1", "::1"}
	add := func(name string) {
		name = strings.Trim(name, "[]")
		if ip := net.ParseIP(name); name == "" || ip != nil && ip.IsUnspecified() {
			return
		}
		for _, known := range names {
			if known == name {
				return
			}
		}
		names = append(names, name)
	}
	add(c.Listen)
	host := c.Advertise
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	add(host)
	if c.Listen == "0.0.0.0" || c.Listen == "::" {
		addrs, err := net.InterfaceAddrs()
		for _, a := range addrs {
			if prefix, ok := a.(*net.IPNet); ok && err == nil && prefix.IP.IsGlobalUnicast() {
				add(prefix.IP.String())
			}
		}
		if name, err := os.Hostname(); err == nil {
			add(name)
		}
	}
	return names
}
