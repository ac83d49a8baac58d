package main

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/goddardmq/goddard/internal/admin"
	gate "github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/remote"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// A door is how a client command reaches a cluster.
type door struct {
	namesrv string
	peers   gate.Peers
	access  credentials
}

// register adds the flags, -n as mqadmin's users type it. short is the letter
// of --namesrv, empty where -n means something else.
func (d *door) register(f *pflag.FlagSet, short string) {
	f.StringVarP(&d.namesrv, "namesrv", short, "", "name servers, 'host:port;host:port' (default $NAMESRV_ADDR or 127.0.0.1:9876)")
	d.registerTLS(f)
	d.access.register(f)
}

// registerTLS adds the flags of encryption.
func (d *door) registerTLS(f *pflag.FlagSet) {
	f.BoolVar(&d.peers.TLS, "tls", false, "connect by TLS")
	f.StringVar(&d.peers.CA, "tls-ca", "", "`FILE` of certificates to trust, in PEM form; implies --tls (default: those of this system)")
	f.BoolVar(&d.peers.SkipVerify, "tls-skip-verify", false, "believe any certificate; implies --tls")
	f.StringVar(&d.peers.Cert, "tls-client-cert", "", "`FILE` with a certificate to show to servers that ask for one; implies --tls")
	f.StringVar(&d.peers.Key, "tls-client-key", "", "`FILE` with the private key of --tls-client-cert")
}

// flagNames are a server's settings as the flags of commands that reach one.
var flagNames = strings.NewReplacer("peer-tls-ca", "--tls-ca", "peer-tls-cert", "--tls-client-cert", "peer-tls-key", "--tls-client-key")

// config is how to encrypt; nil means not to.
func (d *door) config() (*tls.Config, error) {
	p := d.peers
	p.TLS = p != (gate.Peers{})
	if (p.Cert == "") != (p.Key == "") {
		return nil, errors.New("--tls-client-cert and --tls-client-key go together; give both or neither")
	}
	c, err := p.Config()
	if err != nil {
		return nil, errors.New(flagNames.Replace(err.Error()))
	}
	return c, nil
}

// options are those of a client that complains on the command's standard error.
func (d *door) options(c *cobra.Command) (remote.Options, error) {
	secure, err := d.config()
	if err != nil {
		return remote.Options{}, err
	}
	log := slog.New(slog.NewTextHandler(c.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn}))
	who, err := d.access.find()
	if err != nil {
		return remote.Options{}, err
	}
	return remote.Options{NameServers: nameServers(d.namesrv), TLS: secure, Credentials: who, Log: log}, nil
}

// connect prepares a client of the cluster behind the name servers.
func (d *door) connect(c *cobra.Command) (*remote.Cluster, error) {
	o, err := d.options(c)
	if err != nil {
		return nil, err
	}
	return remote.Dial(o)
}

// askedFor says how to name oneself to a server that asks.
const askedFor = "say who you are: --credentials FILE, or " + envAccessKey + " and " + envSecretKey

// noPermission reports whether a server refused an error's request because of who
// asked, or because nobody said who asks.
func noPermission(err error) bool {
	if refused, ok := errors.AsType[*admin.RefusedError](err); ok {
		return refused.Code == wire.CodeNoPermission
	}
	refused, ok := errors.AsType[*remote.ResponseError](err)
	return ok && refused.Code == wire.CodeNoPermission
}

// anonymous reports whether a server refused a request because it does not say
// who asks.
func anonymous(err error) bool {
	return noPermission(err) && strings.Contains(err.Error(), "username cannot be null")
}

// hint says what may be behind an error that does not say so itself.
func hint(err error) string {
	var record tls.RecordHeaderError
	var unknown x509.UnknownAuthorityError
	var name x509.HostnameError
	switch {
	case anonymous(err):
		return "; " + askedFor
	case errors.As(err, &unknown):
		return "; if the certificate is the right one, trust it or its authority with --tls-ca FILE"
	case errors.As(err, &name):
		return "; connect by a name that the certificate has, or believe it with --tls-skip-verify"
	case errors.As(err, &record), strings.Contains(err.Error(), "TLS handshake: EOF"):
		return "; the server does not speak TLS here: leave out --tls"
	case errors.Is(err, rpc.ErrClosed) && (errors.Is(err, io.EOF) || strings.Contains(err.Error(), "EOF")):
		return "; if the server accepts TLS only, add --tls"
	}
	return ""
}

// nameServers are the addresses in a flag, else in the environment, else the
// one on this machine.
func nameServers(flag string) []string {
	if flag == "" {
		flag = os.Getenv("NAMESRV_ADDR")
	}
	var all []string
	for addr := range strings.SplitSeq(flag, ";") {
		if addr = strings.TrimSpace(addr); addr != "" {
			all = append(all, addr)
		}
	}
	if len(all) == 0 {
		return []string{"127.0.0.1:9876"}
	}
	return all
}

// oneTopic checks the arguments of a command on one topic.
func oneTopic(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("TOPIC is missing; see `%s --help`", c.CommandPath())
	}
	if len(args) > 1 {
		return fmt.Errorf("%q is too much; see `%s --help`", args[1], c.CommandPath())
	}
	return nil
}
