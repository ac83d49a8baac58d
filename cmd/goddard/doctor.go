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
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/goddardmq/goddard/internal/admin"
	"github.com/goddardmq/goddard/internal/doctor"
	gate "github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/node"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/spf13/cobra"
)

// How long the doctor takes for something: dialTime bounds each attempt to reach
// something, lookupTime all look-ups of names.
const (
	dialTime   = 2 * time.Second
	lookupTime = 5 * time.Second
	watchTime  = 200 * time.Millisecond // in which the clock must not jump
)

// Short names of package doctor's verdicts.
const (
	good = doctor.Good
	poor = doctor.Poor
	bad  = doctor.Bad
)

// A visit is a look at a configuration, this machine and a running server.
type visit struct {
	settings settings
	role     roleFlag
	inUse    bool // a server has the data directory
	asked    bool // it was found that a server wants to know who asks
	door     door // for its TLS and its credentials
	who      rpc.Credentials
	out      output
	c        node.Config
	findings []doctor.Finding
	clock    doctor.Clock
}

func newDoctor() *cobra.Command {
	var d visit
	c := &cobra.Command{
		Use:   "doctor",
		Short: "Check what clients will be given and what may go wrong",
		Long: `Check which broker addresses clients are given and whether they can be reached,
the settings, ports, data directory and disk, clock, memory and other limits, TLS
certificate and the DNS of name servers. Give it the flags and the file you start
the server with; -n asks name servers elsewhere. A server that asks who you are
needs --credentials too, unless its settings name a user (init-user).

Each finding is ok, a warning or a problem, and says what to do. The exit status
is 1 if there is a problem.`,
		Example: `  goddard doctor
  goddard doctor --listen 0.0.0.0 -c goddard.conf
  goddard doctor -n 10.0.0.5:9876`,
		Args: noArguments,
		RunE: func(c *cobra.Command, _ []string) error { return d.run(c) },
	}
	d.role.register(c)
	d.settings.register(c, shownSettings...)
	d.door.registerTLS(c.Flags())
	d.door.access.register(c.Flags())
	d.out.register(c.Flags(), "o")
	return c
}

func (d *visit) run(c *cobra.Command) error {
	var err error
	if d.c, err = d.settings.load(d.role.role, c.ErrOrStderr()); err != nil {
		return err
	}
	d.c = d.c.WithDefaults()
	d.encrypt()
	if d.who, err = d.door.access.find(); err != nil {
		return err
	}
	if (d.who == rpc.Credentials{}) && len(d.c.Namesrvs) == 0 {
		d.who = d.c.Credentials()
	}
	d.clock = doctor.Watch(c.Context(), watchTime)
	d.config()
	d.disk()
	d.machine()
	d.names(c.Context())
	d.addresses(c.Context())
	d.add(d.clock.Judge()...)
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
		return fmt.Errorf("%s found", counted(problems, "problem"))
	}
	return nil
}

// encrypt takes from the settings how to connect, unless flags say it. This
// machine's own server is believed, whatever names its certificate has.
func (d *visit) encrypt() {
	switch {
	case d.door.peers != gate.Peers{}:
	case d.c.Peers.TLS:
		d.door.peers = d.c.Peers
	case d.c.Door.Only && len(d.c.Namesrvs) == 0:
		d.door.peers = gate.Peers{TLS: true, SkipVerify: true}
	}
}

func (d *visit) print(w io.Writer) error {
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

func (d *visit) find(check string, v doctor.Verdict, what, do string) {
	d.add(doctor.Finding{Check: check, Verdict: v, What: what, Do: do})
}

func (d *visit) add(found ...doctor.Finding) { d.findings = append(d.findings, found...) }

// config looks at the settings themselves, and at who they let in.
func (d *visit) config() {
	for _, name := range d.c.ReadableByOthers(d.settings.file) {
		d.find("config", poor, readable(name), "chmod 600 "+name)
	}
	for _, w := range d.settings.warned {
		d.find("config", poor, w.String(), "remove or correct it; `goddard config check` looks for more")
	}
	if err := d.c.Validate(); err != nil {
		d.find("config", bad, err.Error(), "correct it; docs/CONFIG.md lists what is allowed")
	}
	if err := d.c.Exposed(); err != nil {
		d.find("config", bad, "the server would not start: "+err.Error(), "")
	}
	if len(d.c.Namesrvs) == 0 {
		d.add(doctor.Exposure{Listens: d.c.Listen, Asks: d.c.Auth.Authentication, Insecure: d.c.Auth.Insecure, TLSOnly: d.c.Door.Only}.Judge()...)
	}
}

// machine looks at limits, memory and the certificate.
func (d *visit) machine() {
	d.add(doctor.ReadLimits(node.GroupMemory(), os.Getenv("GOMEMLIMIT")).Judge()...)
	host := ""
	if d.c.Advertise != "" {
		host = doctor.ReadAddress(context.Background(), d.c.Advertise, d.c.Listen).Host
	}
	d.add(doctor.ReadCertificate(d.c.Door.Cert, d.c.Door.Key, host).Judge(time.Now())...)
}

// names looks up the hosts that the settings name.
func (d *visit) names(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookupTime)
	defer cancel()
	d.add(doctor.ReadAddress(ctx, d.c.Advertise, d.c.Listen).Judge()...)
	var names []doctor.Name
	for _, addr := range d.c.Namesrvs {
		host, _, err := net.SplitHostPort(addr)
		if _, isAddr := netip.ParseAddr(host); err != nil || isAddr == nil {
			continue
		}
		names = append(names, doctor.ReadName(ctx, host))
	}
	d.add(doctor.JudgeNames(names)...)
}

// disk looks at the data directory, or where it will be.
func (d *visit) disk() {
	dir := d.c.Data
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		dir = "." // nearest place that is sure to be there, for a relative path
		if parent := existingParent(d.c.Data); parent != "" {
			dir = parent
		}
	case err != nil:
		d.find("data", bad, fmt.Sprintf("the data directory cannot be looked at: %v", err), "choose another with --data")
		return
	case !info.IsDir():
		d.find("data", bad, d.c.Data+" is a file and no directory", "choose another place with --data")
		return
	}
	if !d.writable(dir) {
		return
	}
	disk, err := doctor.ReadDisk(d.c.Data, dir)
	if err != nil {
		d.find("data", poor, fmt.Sprintf("the disk of %s cannot be looked at: %v", d.c.Data, err), "look at it by hand with df and mount")
		return
	}
	d.add(disk.Judge()...)
}

// writable tries to write to dir and, if it is the data directory, to take its
// lock. It leaves nothing behind.
func (d *visit) writable(dir string) bool {
	lock := filepath.Join(dir, "lock")
	if _, err := os.Stat(lock); err == nil && dir == d.c.Data {
		held, err := vfs.Default.Lock(lock)
		if errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) && d.canCreate(dir) == nil {
			d.inUse = true
			d.find("data", good, "the data directory "+dir+" is in use by a server that runs", "")
			return true
		}
		if err == nil {
			err = held.Close()
		}
		if err != nil {
			d.find("data", bad, fmt.Sprintf("the lock of %s cannot be taken: %v", dir, err), "change its owner or mount it writable, or choose another directory with --data")
			return false
		}
	}
	if err := d.canCreate(dir); err != nil {
		d.find("data", bad, fmt.Sprintf("this user cannot write to %s: %v", dir, err), "change its owner or mount it writable, or choose another directory with --data")
		return false
	}
	return true
}

// canCreate makes a file in dir and removes it.
func (*visit) canCreate(dir string) error {
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

// addresses asks the name servers, as clients from every side would.
func (d *visit) addresses(ctx context.Context) {
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
	if running && d.c.Role != node.RoleNamesrv {
		d.grpc(ctx)
	} else if !running {
		d.ports()
		d.find("server", poor, "no name server answers at "+strings.Join(asked, ", "), "start `goddard` and run the doctor again; it then tries the addresses that clients are given")
	}
}

// clientSides are the addresses of this machine that clients may dial.
func (d *visit) clientSides() []string {
	if addr, err := netip.ParseAddr(d.c.Listen); err != nil || !addr.IsUnspecified() {
		return []string{d.c.Listen}
	}
	found, err := net.InterfaceAddrs()
	if err != nil {
		d.find("server", poor, fmt.Sprintf("the addresses of this machine are unknown: %v", err), "")
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
func (d *visit) ask(ctx context.Context, namesrv string, blame bool) (answers, listens bool) {
	secure, err := d.door.config()
	if err != nil {
		d.find("server", bad, err.Error(), "")
		return false, false
	}
	cluster, err := admin.Dial(admin.Options{Namesrvs: []string{namesrv}, Timeout: dialTime, TLS: secure, Credentials: d.who})
	if err != nil {
		d.find("server", bad, err.Error(), "")
		return false, false
	}
	defer cluster.Close()
	brokers, err := cluster.Brokers(ctx)
	if noPermission(err) && d.asked && len(d.c.Namesrvs) == 0 {
		return true, true // the same server from another side
	}
	if noPermission(err) {
		d.asked = true
		d.find("server", poor, fmt.Sprintf("a server answers at %s and does not say more to who asks: %v", namesrv, err), askedFor)
		return true, true
	}
	if err != nil {
		may := hint(err)
		if may != "" && blame {
			d.find("server", bad, fmt.Sprintf("something listens at %s and does not answer: %v%s", namesrv, err, may), "")
		} else if may == "" && len(d.c.Namesrvs) > 0 {
			d.find("server", bad, fmt.Sprintf("the name server %s does not answer: %v", namesrv, err), "start it, correct -n, or open the port in firewalls")
		}
		return false, may != ""
	}
	if len(brokers) == 0 {
		d.find("server", poor, "the name server "+namesrv+" knows no broker", "start one with `goddard broker -n "+namesrv+"`")
	}
	for _, b := range brokers {
		what := fmt.Sprintf("a client that asks %s is given %s for broker %s", namesrv, b.Addr, b.Name)
		if err := probe(ctx, b.Addr); err != nil {
			d.find("server", bad, fmt.Sprintf("%s, which cannot be reached from here: %v", what, err),
				"start that broker, open the port, or give it an address that clients can reach with --advertise (brokerIP1)")
			continue
		}
		d.find("server", good, what+", which can be reached from here", "")
		d.time(ctx, cluster, b)
	}
	return true, true
}

// time compares a broker's clock with this machine's, to the second.
func (d *visit) time(ctx context.Context, cluster *admin.Cluster, b admin.Broker) {
	if slices.ContainsFunc(d.clock.Peers, func(p doctor.Peer) bool { return p.Name == b.Name }) {
		return
	}
	asked := time.Now()
	status, err := cluster.BrokerStatus(ctx, b.Addr)
	if err != nil {
		return // it is found fault with elsewhere, or refuses to say
	}
	if shows, ok := doctor.ClockOf(status); ok {
		took := time.Since(asked)
		d.clock.Peers = append(d.clock.Peers, doctor.Peer{Name: b.Name, Ahead: shows.Sub(asked.Add(took / 2)), Exact: time.Second + took})
	}
}

// grpc dials the port of the running server that gRPC clients use.
func (d *visit) grpc(ctx context.Context) {
	if d.c.GRPCPort <= 0 {
		return
	}
	for _, host := range d.clientSides() {
		addr := net.JoinHostPort(host, strconv.Itoa(d.c.GRPCPort))
		if err := probe(ctx, addr); err != nil {
			d.find("server", bad, fmt.Sprintf("gRPC clients cannot reach %s: %v", addr, err), "give the doctor the flags and the file that the server runs with, or open the port in firewalls")
			continue
		}
		d.find("server", good, "gRPC clients can reach "+addr, "")
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
func (d *visit) ports() {
	for _, p := range []struct {
		name string
		port int
	}{{"namesrv-port", d.c.NamesrvPort}, {"listen-port", d.c.ListenPort}, {"fast-port", d.c.FastPort}, {"grpc-port", d.c.GRPCPort}, {"http-port", d.c.HTTPPort}} {
		ofNamesrv, ofBoth := p.name == "namesrv-port", p.name == "http-port"
		if p.port <= 0 || !ofBoth && d.c.Role == map[bool]node.Role{true: node.RoleBroker, false: node.RoleNamesrv}[ofNamesrv] {
			continue
		}
		ln, err := net.Listen("tcp", net.JoinHostPort(d.c.Listen, strconv.Itoa(p.port)))
		if err != nil && d.inUse && doctor.Owns(filepath.Join(d.c.Data, "lock"), p.port) {
			d.find("ports", good, fmt.Sprintf("port %d (%s) belongs to the server that has the data directory", p.port, p.name), "")
			continue
		}
		if err != nil {
			d.find("ports", bad, fmt.Sprintf("port %d (%s) cannot be had: %v%s", p.port, p.name, err, by(p.port)), "stop the program that has it, or choose another with --"+p.name)
			continue
		}
		ln.Close()
		d.find("ports", good, fmt.Sprintf("port %d (%s) is free on %s", p.port, p.name, d.c.Listen), "")
	}
}

// by names the program that has a port, as far as that is known.
func by(port int) string {
	if who := doctor.WhoListens(port); who != "" {
		return "; " + who + ", has it"
	}
	return ""
}
