package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/node"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/spf13/cobra"
)

// dialTime bounds each attempt of the doctor to reach something.
const dialTime = 2 * time.Second

// A verdict says how bad a finding is.
type verdict string

// The verdicts.
const (
	good verdict = "ok"
	poor verdict = "warning"
	bad  verdict = "problem"
)

// A finding is something the doctor looked at.
type finding struct {
	Verdict verdict `json:"verdict"`
	What    string  `json:"what"`
	Do      string  `json:"do,omitempty"`
}

// A doctor looks at a configuration, this machine and a running server.
type doctor struct {
	settings settings
	door     door // for its TLS and its credentials
	who      rpc.Credentials
	out      output
	c        node.Config
	findings []finding
}

func newDoctor() *cobra.Command {
	var d doctor
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check what clients will be given and what may go wrong",
		Long: `Check which broker addresses clients are given and whether they can be reached,
ports, disk and limits. Give it the flags and the file you start the server
with; -n asks name servers elsewhere.`,
		Example: `  goddard doctor
  goddard doctor --listen 0.0.0.0 -c goddard.conf
  goddard doctor -n 10.0.0.5:9876`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c) },
	}
	d.settings.register(c, shownSettings...)
	d.door.registerTLS(c.Flags())
	d.door.access.register(c.Flags())
	d.out.register(c.Flags(), "o")
	return c
}

func (d *doctor) run(c *cobra.Command) error {
	var err error
	if d.c, err = d.settings.load(node.RoleAll, c.ErrOrStderr()); err != nil {
		return err
	}
	d.c = d.c.WithDefaults()
	if d.who, err = d.door.access.find(); err != nil {
		return err
	}
	d.disk()
	d.limits()
	d.addresses(c.Context())
	if err := d.print(c.OutOrStdout()); err != nil {
		return err
	}
	problems := 0
	for _, f := range d.findings {
		if f.Verdict == bad {
			problems++
		}
	}
	if problems > 0 {
		return fmt.Errorf("%d problems found", problems)
	}
	return nil
}

func (d *doctor) print(w io.Writer) error {
	if d.out == asJSON {
		return d.out.print(w, d.findings, nil)
	}
	for _, f := range d.findings {
		fmt.Fprintf(w, "%-8s %s\n", f.Verdict, f.What)
		if f.Do != "" {
			fmt.Fprintf(w, "%-8s   -> %s\n", "", f.Do)
		}
	}
	return nil
}

func (d *doctor) find(v verdict, what, do string) {
	d.findings = append(d.findings, finding{v, what, do})
}

// lowSpace is the free disk space below which the doctor frowns, in bytes.
const lowSpace = 5 << 30

// disk looks at the data directory, or where it will be.
func (d *doctor) disk() {
	dir := d.c.Data
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		dir = "." // nearest place that is sure to be there, for a relative path
		if parent := existingParent(d.c.Data); parent != "" {
			dir = parent
		}
	case err != nil:
		d.find(bad, fmt.Sprintf("the data directory cannot be looked at: %v", err), "choose another with --data")
		return
	case !info.IsDir():
		d.find(bad, d.c.Data+" is a file and no directory", "choose another place with --data")
		return
	}
	if !d.writable(dir) {
		return
	}
	usage, err := vfs.Default.GetDiskUsage(dir)
	if err != nil {
		d.find(poor, fmt.Sprintf("free disk space is unknown: %v", err), "")
		return
	}
	what := fmt.Sprintf("%.1f GiB are free for %s", float64(usage.AvailBytes)/(1<<30), d.c.Data)
	if usage.AvailBytes < lowSpace {
		d.find(poor, what, "make room, choose another disk with --data, or keep messages for less long with --retention")
		return
	}
	d.find(good, what, "")
}

// writable tries to write to dir and, if it is the data directory, to take its
// lock. It leaves nothing behind.
func (d *doctor) writable(dir string) bool {
	lock := filepath.Join(dir, "lock")
	if _, err := os.Stat(lock); err == nil && dir == d.c.Data {
		held, err := vfs.Default.Lock(lock)
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) && d.canCreate(dir) == nil {
			d.find(good, "the data directory "+dir+" is in use by a server that runs", "")
			return true
		}
		if err == nil {
			err = held.Close()
		}
		if err != nil {
			d.find(bad, fmt.Sprintf("the lock of %s cannot be taken: %v", dir, err), "change its owner or mount it writable, or choose another directory with --data")
			return false
		}
	}
	if err := d.canCreate(dir); err != nil {
		d.find(bad, fmt.Sprintf("this user cannot write to %s: %v", dir, err), "change its owner or mount it writable, or choose another directory with --data")
		return false
	}
	return true
}

// canCreate makes a file in dir and removes it.
func (*doctor) canCreate(dir string) error {
	f, err := os.CreateTemp(dir, ".doctor-*")
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), os.Remove(f.Name()))
}

// existingParent is the nearest directory above path that is there.
func existingParent(path string) string {
	for {
		cut := strings.LastIndexByte(strings.TrimRight(path, "/"), '/')
		if cut <= 0 {
			return ""
		}
		path = path[:cut]
		if _, err := os.Stat(path); err == nil {
			return path
		}
	}
}

// fewFiles is a limit of open files that some thousand clients reach.
const fewFiles = 16384

// limits looks at what the system allows this user.
func (d *doctor) limits() {
	files, ok := openFiles()
	if !ok {
		return
	}
	what := fmt.Sprintf("this user may have %d files and connections open", files)
	if files < fewFiles {
		d.find(poor, what, "each client takes one or two; raise the limit with `ulimit -n 65536` or LimitNOFILE= of systemd")
		return
	}
	d.find(good, what, "")
}

// addresses asks the name servers, as clients from every side would.
func (d *doctor) addresses(ctx context.Context) {
	asked := d.c.Namesrvs
	running, mute := false, false
	if len(asked) == 0 {
		for _, host := range d.clientSides() {
			asked = append(asked, net.JoinHostPort(host, strconv.Itoa(d.c.NamesrvPort)))
		}
	}
	for _, addr := range asked {
		answers, listens := d.ask(ctx, addr, !mute || len(d.c.Namesrvs) > 0)
		running, mute = running || answers, mute || listens && !answers
	}
	// A server that is there and not understood has the ports.
	if len(d.c.Namesrvs) > 0 || mute && !running {
		return
	}
	if running {
		d.grpc(ctx)
	} else {
		d.ports()
		d.find(poor, "no name server answers at "+strings.Join(asked, ", "), "start `goddard` and run the doctor again; it then tries the addresses that clients are given")
	}
	if err := d.c.Exposed(); err != nil {
		d.find(bad, "the server would not start: "+err.Error(), "")
	}
	if addr, err := netip.ParseAddr(d.c.Listen); err == nil && addr.IsLoopback() {
		d.find(good, "the server listens on "+d.c.Listen+", for programs on this machine only", "--listen 0.0.0.0 lets others in, with authentication = true or --insecure")
	}
}

// clientSides are the addresses of this machine that clients may dial.
func (d *doctor) clientSides() []string {
	if addr, err := netip.ParseAddr(d.c.Listen); err != nil || !addr.IsUnspecified() {
		return []string{d.c.Listen}
	}
	found, err := net.InterfaceAddrs()
	if err != nil {
		d.find(poor, fmt.Sprintf("the addresses of this machine are unknown: %v", err), "")
		return []string{"127.0.0.1"}
	}
	var sides []string
	for _, a := range found {
		if p, err := netip.ParsePrefix(a.String()); err == nil && !p.Addr().IsLinkLocalUnicast() && p.Addr().Zone() == "" {
			if addr := p.Addr(); addr.Is4() || d.c.Listen == "::" {
				sides = append(sides, addr.String())
			}
		}
	}
	return sides
}

// ask asks one name server for brokers and dials each. It reports whether the
// name server answered, or something else listens there, which it finds fault
// with if told to.
func (d *doctor) ask(ctx context.Context, namesrv string, blame bool) (answers, listens bool) {
	secure, err := d.door.config()
	if err != nil {
		d.find(bad, err.Error(), "")
		return false, false
	}
	cluster, err := admin.Dial(admin.Options{Namesrvs: []string{namesrv}, Timeout: dialTime, TLS: secure, Credentials: d.who})
	if err != nil {
		d.find(bad, err.Error(), "")
		return false, false
	}
	defer cluster.Close()
	brokers, err := cluster.Brokers(ctx)
	if err != nil {
		may := hint(err)
		if may != "" && blame {
			d.find(bad, fmt.Sprintf("something listens at %s and does not answer: %v%s", namesrv, err, may), "")
		} else if may == "" && len(d.c.Namesrvs) > 0 {
			d.find(bad, fmt.Sprintf("the name server %s does not answer: %v", namesrv, err), "start it, correct -n, or open the port in firewalls")
		}
		return false, may != ""
	}
	if len(brokers) == 0 {
		d.find(poor, "the name server "+namesrv+" knows no broker", "start one with `goddard broker -n "+namesrv+"`")
	}
	for _, b := range brokers {
		what := fmt.Sprintf("a client that asks %s is given %s for broker %s", namesrv, b.Addr, b.Name)
		if err := probe(ctx, b.Addr); err != nil {
			d.find(bad, fmt.Sprintf("%s, which cannot be reached from here: %v", what, err),
				"start that broker, open the port, or give it an address that clients can reach with --advertise (brokerIP1)")
			continue
		}
		d.find(good, what+", which can be reached from here", "")
	}
	return true, true
}

// grpc dials the port of the running server that gRPC clients use.
func (d *doctor) grpc(ctx context.Context) {
	if d.c.GRPCPort <= 0 {
		return
	}
	for _, host := range d.clientSides() {
		addr := net.JoinHostPort(host, strconv.Itoa(d.c.GRPCPort))
		if err := probe(ctx, addr); err != nil {
			d.find(bad, fmt.Sprintf("gRPC clients cannot reach %s: %v", addr, err), "give the doctor the flags and the file that the server runs with, or open the port in firewalls")
			continue
		}
		d.find(good, "gRPC clients can reach "+addr, "")
	}
}

func probe(ctx context.Context, addr string) error {
	dialer := net.Dialer{Timeout: dialTime}
	conn, err := dialer.DialContext(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	return conn.Close()
}

// ports tries the ports that a server would listen on.
func (d *doctor) ports() {
	for _, p := range []struct {
		name string
		port int
	}{{"namesrv-port", d.c.NamesrvPort}, {"listen-port", d.c.ListenPort}, {"fast-port", d.c.FastPort}, {"grpc-port", d.c.GRPCPort}, {"http-port", d.c.HTTPPort}} {
		if p.port <= 0 {
			continue
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(d.c.Listen, strconv.Itoa(p.port)))
		if err != nil {
			d.find(bad, fmt.Sprintf("port %d (%s) cannot be had: %v", p.port, p.name, err), "stop the program that has it, or choose another with --"+p.name)
			continue
		}
		ln.Close()
		d.find(good, fmt.Sprintf("port %d (%s) is free on %s", p.port, p.name, d.c.Listen), "")
	}
}
