package door

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// piped is a guest of a door: what Enter returned for a connection whose client
// is client.
func piped(d *Door, client func(net.Conn)) (net.Conn, error) {
	here, there := net.Pipe()
	go func() { defer there.Close(); client(there) }()
	c, err := d.Enter(context.Background(), from{here}, time.Minute)
	if err != nil {
		here.Close()
	}
	return c, err
}

// A from is a connection from 10.0.0.9.
type from struct{ net.Conn }

func (from) RemoteAddr() net.Addr { return &net.TCPAddr{IP: net.IPv4(10, 0, 0, 9), Port: 5000} }

func says(text string) func(net.Conn) { return func(c net.Conn) { io.WriteString(c, text) } }

func TestTheAddressBehindAProxyIsTheClients(t *testing.T) {
	for _, c := range headers {
		nc, err := piped(&Door{Proxy: true}, says(c.head+"rest"))
		if c.source == "" {
			var refused *RefusalError
			if !errors.As(err, &refused) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		want := c.source
		if want == "-" {
			want = "10.0.0.9:5000"
		}
		if err != nil || nc.RemoteAddr().String() != want {
			t.Errorf("%s: %v, from %v", c.name, err, nc)
			continue
		}
		if rest, err := io.ReadAll(nc); err != nil || string(rest) != "rest" {
			t.Errorf("%s: the protocol reads %q, %v", c.name, rest, err)
		}
	}
}

func TestOnlyProxiesThatAreNamedAreBelieved(t *testing.T) {
	head := headers[0].head
	for network, want := range map[string]string{"10.0.0.0/8": "", "10.0.0.9": "", "192.0.2.0/24": "proxy-protocol-from"} {
		p, err := ParsePrefix(network)
		if err != nil {
			t.Fatal(err)
		}
		d := &Door{Proxy: true, From: []netip.Prefix{p}}
		if _, err := piped(d, says(head+"rest")); (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("from %s: %v", network, err)
		}
		if _, err := piped(d, says("no header")); err != nil {
			t.Errorf("without a header from %s: %v", network, err)
		}
	}
	if _, err := piped(&Door{}, says(head+"rest")); err == nil || !strings.Contains(err.Error(), "proxy-protocol is off") {
		t.Errorf("a header that nobody wants: %v", err)
	}
}

func TestAClientHasTimeForItsFirstByteAndAHeaderHasLess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(steps ...any) func(net.Conn) {
			return func(c net.Conn) {
				for _, s := range steps {
					switch s := s.(type) {
					case string:
						io.WriteString(c, s)
					case time.Duration:
						time.Sleep(s)
					}
				}
			}
		}
		d := &Door{Proxy: true}
		if _, err := piped(d, slow(50*time.Second, headers[0].head, 50*time.Second, "rest")); err != nil {
			t.Errorf("a patient client: %v", err)
		}
		begun := time.Now()
		_, err := piped(d, slow("PROXY TCP4 ", time.Hour))
		if took := time.Since(begun); err == nil || !strings.Contains(err.Error(), "not complete") || took != patience {
			t.Errorf("half a header: %v after %v", err, took)
		}
		begun = time.Now()
		_, err = piped(d, slow(headers[0].head, time.Hour))
		if took := time.Since(begun); !errors.Is(err, os.ErrDeadlineExceeded) || took != time.Minute {
			t.Errorf("a header and nothing: %v after %v", err, took)
		}
		time.Sleep(2 * time.Hour) // until the clients have ended
	})
}

// A family is an authority and what it signs, in files.
type family struct {
	t    *testing.T
	dir  string
	key  *ecdsa.PrivateKey
	ca   *x509.Certificate
	last int64
}

func newFamily(t *testing.T) *family {
	t.Helper()
	f := &family{t: t, dir: t.TempDir()}
	f.ca, f.key = f.sign("ca", nil, nil)
	return f
}

func (f *family) path(name string) string { return filepath.Join(f.dir, name) }

// sign makes name.pem and name-key.pem, by an authority or itself one.
func (f *family) sign(name string, ca *x509.Certificate, caKey *ecdsa.PrivateKey) (*x509.Certificate, *ecdsa.PrivateKey) {
	f.t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		f.t.Fatal(err)
	}
	f.last++
	template := &x509.Certificate{
		SerialNumber: big.NewInt(f.last), Subject: pkix.Name{CommonName: name}, NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: ca == nil, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	if ca == nil {
		ca, caKey = template, key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, ca, key.Public(), caKey)
	if err != nil {
		f.t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		f.t.Fatal(err)
	}
	for file, block := range map[string]*pem.Block{name + ".pem": {Type: "CERTIFICATE", Bytes: der}, name + "-key.pem": {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(f.path(file), pem.EncodeToMemory(block), 0o600); err != nil {
			f.t.Fatal(err)
		}
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		f.t.Fatal(err)
	}
	return leaf, key
}

// options are of a door with the server's certificate.
func (f *family) options(auth string) Options {
	f.sign("server", f.ca, f.key)
	o := Options{Cert: f.path("server.pem"), Key: f.path("server-key.pem"), ClientAuth: auth}
	if auth != "" {
		o.ClientCA = f.path("ca.pem")
	}
	return o
}

// speak sends a line through a door by TLS and says what the server read. It
// needs sockets, where both sides may write at once.
func speak(t *testing.T, d *Door, config *tls.Config) (string, error) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	config.ServerName = "localhost"
	go func() {
		if c, err := tls.Dial("tcp", ln.Addr().String(), config); err == nil {
			io.WriteString(c, "hello\n")
			io.Copy(io.Discard, c)
			c.Close()
		}
	}()
	raw, err := ln.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	nc, err := d.Enter(t.Context(), raw, time.Minute)
	if err != nil {
		return "", err
	}
	line := make([]byte, 6)
	_, err = io.ReadFull(nc, line)
	return string(line), err
}

func TestTLSAndPlainShareADoorUnlessOnlyTLSIsLetIn(t *testing.T) {
	f := newFamily(t)
	d, err := f.options("").Open(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	roots, err := Authorities(f.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if line, err := speak(t, d, &tls.Config{RootCAs: roots}); line != "hello\n" {
		t.Errorf("by TLS: %q, %v", line, err)
	}
	if _, err := piped(d, says("plain")); err != nil {
		t.Errorf("plain: %v", err)
	}
	only := *d
	only.Only = true
	if _, err := piped(&only, says("plain")); err == nil || !strings.Contains(err.Error(), "tls-only") {
		t.Errorf("plain where TLS is wanted: %v", err)
	}
	if _, err := piped(&Door{}, says("\x16\x03\x01")); err == nil || !strings.Contains(err.Error(), "tls-cert") {
		t.Errorf("TLS where there is none: %v", err)
	}
	if nc, err := piped(&Door{Proxy: true, TLS: d.TLS}, func(c net.Conn) {
		io.WriteString(c, headers[0].head)
		io.WriteString(tls.Client(c, &tls.Config{RootCAs: roots, ServerName: "localhost"}), "x")
	}); err != nil || nc.RemoteAddr().String() != headers[0].source {
		t.Errorf("by TLS behind a proxy: %v, %v", nc, err)
	}
}

func TestClientsShowCertificatesAsTheSettingSays(t *testing.T) {
	f := newFamily(t)
	f.sign("client", f.ca, f.key)
	other := newFamily(t)
	other.sign("client", other.ca, other.key)
	roots, err := Authorities(f.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	shown := func(f *family) *tls.Config {
		pair, err := tls.LoadX509KeyPair(f.path("client.pem"), f.path("client-key.pem"))
		if err != nil {
			t.Fatal(err)
		}
		// Shown whatever the server says it would accept.
		return &tls.Config{RootCAs: roots, GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &pair, nil }}
	}
	for _, c := range []struct {
		auth string
		mine *tls.Config
		want bool
	}{
		{"", &tls.Config{RootCAs: roots}, true},
		{AuthOptional, &tls.Config{RootCAs: roots}, true},
		{AuthOptional, shown(f), true},
		{AuthOptional, shown(other), false},
		{AuthRequire, &tls.Config{RootCAs: roots}, false},
		{AuthRequire, shown(f), true},
		{AuthRequire, shown(other), false},
	} {
		d, err := f.options(c.auth).Open(slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		if line, err := speak(t, d, c.mine); (line == "hello\n") != c.want {
			t.Errorf("tls-client-auth = %s, a certificate is shown %v: %q, %v", c.auth, c.mine.GetClientCertificate != nil, line, err)
		}
	}
	peers := Peers{TLS: true, CA: f.path("ca.pem"), Cert: f.path("client.pem"), Key: f.path("client-key.pem")}
	mine, err := peers.Config()
	if err != nil {
		t.Fatal(err)
	}
	d, err := f.options(AuthRequire).Open(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if line, err := speak(t, d, mine); line != "hello\n" {
		t.Errorf("a peer of ours: %q, %v", line, err)
	}
}

func TestChangedFilesAreUsedForTheNextHandshake(t *testing.T) {
	f := newFamily(t)
	f.sign("client", f.ca, f.key)
	var text bytes.Buffer
	files, err := f.options(AuthRequire).Files(f.path("server.pem"), f.path("server-key.pem"), slog.New(slog.NewTextHandler(&text, nil)))
	if err == nil && files.ca == "" {
		err = errors.New("no authority")
	}
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	first := files.Current(now)
	later := func(names ...string) {
		t.Helper()
		at := now.Add(time.Duration(f.last) * time.Hour)
		for _, name := range names {
			if err := os.Chtimes(f.path(name), at, at); err != nil {
				t.Fatal(err)
			}
		}
	}
	f.sign("server", f.ca, f.key)
	later("server.pem", "server-key.pem")
	if files.Current(now) != first {
		t.Error("the files are looked at more often than is said")
	}
	second := files.Current(now.Add(2 * ReloadEvery))
	if bytes.Equal(second.Certificates[0].Certificate[0], first.Certificates[0].Certificate[0]) {
		t.Error("a changed certificate is not used")
	}
	f.sign("ca", nil, nil)
	later("ca.pem")
	third := files.Current(now.Add(4 * ReloadEvery))
	if third.ClientCAs.Equal(second.ClientCAs) || !third.SessionTicketsDisabled {
		t.Error("changed authorities of clients are not used")
	}
	if err := os.WriteFile(f.path("ca.pem"), []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	f.last++
	later("ca.pem")
	if files.Current(now.Add(6*ReloadEvery)) != third || !strings.Contains(text.String(), "cannot be read") {
		t.Errorf("a damaged file took the good one away, or nobody was told: %s", text.String())
	}
}

// Clients go on connecting while the certificate is replaced again and again,
// file by file; the last one is what they see in the end.
func TestACertificateIsReplacedUnderLoad(t *testing.T) {
	f := newFamily(t)
	o := f.options("")
	files, err := o.Files(o.Cert, o.Key, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	var looks atomic.Int64 // each finds the files due for a look
	now := time.Now()
	d := &Door{TLS: &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
		return files.Current(now.Add(time.Duration(looks.Add(1)) * 2 * ReloadEvery)), nil
	}}}
	roots, err := Authorities(f.path("ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	var clients sync.WaitGroup
	for range 4 {
		clients.Go(func() {
			for range 20 {
				if line, err := speak(t, d, &tls.Config{RootCAs: roots}); line != "hello\n" {
					t.Errorf("%q, %v", line, err)
				}
			}
		})
	}
	var last *x509.Certificate
	for range 20 {
		last, _ = f.sign("server", f.ca, f.key)
	}
	clients.Wait()
	seen := ""
	speak(t, d, &tls.Config{RootCAs: roots, VerifyConnection: func(s tls.ConnectionState) error {
		seen = s.PeerCertificates[0].SerialNumber.String()
		return nil
	}})
	if seen != last.SerialNumber.String() {
		t.Errorf("clients see certificate %s, the last one is %v", seen, last.SerialNumber)
	}
}

func TestBadSettingsAreRefusedByName(t *testing.T) {
	for want, o := range map[string]Options{
		"tls-cert and tls-key":  {Cert: "x"},
		"tls-only needs":        {Only: true},
		"tls-client-auth = \"x": {ClientAuth: "x"},
		"give tls-client-ca":    {ClientAuth: AuthRequire},
		"set that as well":      {ProxyFrom: []string{"10.0.0.1"}},
		"proxy-protocol-from =": {Proxy: true, ProxyFrom: []string{"10.0.0.0/99"}},
		"cannot be used":        {Cert: "/none", Key: "/none"},
	} {
		if _, err := o.Open(slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want an error with %q, got %v", want, err)
		}
	}
	if err := (Peers{Cert: "x"}).Validate(); err == nil {
		t.Error("a certificate without a key is accepted")
	}
}
