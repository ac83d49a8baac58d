package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/node"
	"github.com/spf13/cobra"
)

// newHealth asks a server on this machine whether it is well: what a container
// runs, which has no other program.
func newHealth() *cobra.Command {
	var s settings
	var role roleFlag
	var live bool
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "health",
		Short: "Ask the server on this machine whether it is ready",
		Long: `Ask the server on this machine whether it is ready: all parts serve, the disk has
room, and a name server knows the broker. Give it the flags and the file that the
server has, or the same environment. The exit status is 1 if it is not.

--live asks only whether the process answers. A server without HTTP (http-port is
-1, or a name server by itself) is asked by connecting to its own port.`,
		Example: "  goddard health\n  goddard health --live -c goddard.conf",
		Args:    noArguments,
		RunE: func(c *cobra.Command, _ []string) error {
			conf, err := s.load(role.role, io.Discard)
			if err != nil {
				return err
			}
			ctx, cancel := context.WithTimeout(c.Context(), timeout)
			defer cancel()
			answer, err := health(ctx, conf.WithDefaults(), live)
			if err != nil {
				return err
			}
			_, err = fmt.Fprintln(c.OutOrStdout(), answer)
			return err
		},
	}
	c.Flags().BoolVar(&live, "live", false, "ask only whether the process answers")
	c.Flags().DurationVar(&timeout, "timeout", 5*time.Second, "how long to wait for the answer")
	role.register(c)
	s.register(c)
	return c
}

// health asks the server of a configuration; its error says what is missing.
func health(ctx context.Context, c node.Config, live bool) (string, error) {
	port, path := c.HTTPPort, "/readyz"
	if live {
		path = "/healthz"
	}
	if port <= 0 {
		port = c.ListenPort
		if c.Role == node.RoleNamesrv {
			port = c.NamesrvPort
		}
		addr := localAddress(c.Listen, port)
		if err := probe(ctx, addr); err != nil {
			return "", notThere(addr, err)
		}
		return "ok: it accepts connections", nil
	}
	scheme := "http"
	if c.Door.Only {
		scheme = "https"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, scheme+"://"+localAddress(c.Listen, port)+path, nil)
	if err != nil {
		return "", err
	}
	// It is this machine's own server, whatever names its certificate has.
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	resp, err := client.Do(req)
	if err != nil {
		return "", notThere(req.URL.Host, err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 4096))
	if err != nil {
		return "", err
	}
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
		return "", notThere(req.URL.Host, fmt.Errorf("%s answered %s", req.URL, resp.Status))
	}
	if resp.StatusCode != http.StatusOK {
		return "", errors.New(strings.TrimSpace(string(text)))
	}
	return strings.TrimSpace(string(text)), nil
}

// notThere is the error of an address at which no server of ours answers.
func notThere(addr string, err error) error {
	return fmt.Errorf("no server answers at %s as it should: %w; if it runs, give the file or the flags that it was started with: -c FILE, --http-port, --listen, --tls-only", addr, err)
}

// localAddress is how this machine reaches what listens on an address.
func localAddress(listen string, port int) string {
	if addr, err := netip.ParseAddr(strings.Trim(listen, "[]")); err == nil && addr.IsUnspecified() {
		listen = map[bool]string{true: "127.0.0.1", false: "::1"}[addr.Is4()]
	}
	return net.JoinHostPort(strings.Trim(listen, "[]"), strconv.Itoa(port))
}
