package namesrv

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// RegistrarOptions says how a broker registers with name servers. NameServers,
// Cluster, Name, Port and Topics have no default.
type RegistrarOptions struct {
	// NameServers are host:port, separated by semicolons; the port may be left
	// out. A host name stands for all its addresses and is looked up again at
	// every interval; of a host with both kinds only the IPv4 ones are used.
	NameServers string `conf:"name-servers" rocketmq:"namesrvAddr"`

	// Cluster, Name and ID say who the broker is; ID 0 is a master.
	Cluster string
	Name    string
	ID      int64

	// Port is where the broker listens.
	Port uint16

	// Advertised is the host, or host:port, that clients are to be given. Empty
	// means: the address from which this process reaches the name server.
	Advertised string

	// HAPort is the replication port that slaves are told. Default Port+1.
	HAPort uint16

	// Interval is how often the broker says that it is there, between 10s and
	// 60s. Default 30s.
	Interval time.Duration `conf:"register-interval" rocketmq:"registerNameServerPeriod"`

	// Timeout bounds one registration. Default 24s.
	Timeout time.Duration `conf:"register-timeout" rocketmq:"registerBrokerTimeoutMills"`

	// ForceRegister sends all topics every time, even if the name server has
	// them already. Default false; RocketMQ's default is true.
	ForceRegister bool `conf:"force-register" rocketmq:"forceRegister"`

	// ActingMaster lets a slave stand in for a lost master, and makes the
	// broker send heartbeats between registrations. Default false.
	ActingMaster bool `conf:"slave-acting-master" rocketmq:"enableSlaveActingMaster"`

	// HeartbeatInterval is how often, with ActingMaster. Default 1s.
	HeartbeatInterval time.Duration `conf:"heartbeat-interval" rocketmq:"brokerHeartbeatInterval"`

	// SilentAfter is how long the broker may be silent before it is taken for
	// gone, with ActingMaster. Default 10s; without, name servers wait 120s.
	SilentAfter time.Duration `conf:"silent-after" rocketmq:"brokerNotActiveTimeoutMillis"`

	// Topics are the broker's topics at the moment.
	Topics func() ([]mq.Topic, mq.DataVersion)

	// Lookup finds the addresses of a host name. Nil asks the system.
	Lookup func(ctx context.Context, host string) ([]netip.Addr, error)

	// RPC says how connections to name servers are made.
	RPC rpc.ClientOptions

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// WithDefaults fills in what was left open.
func (o RegistrarOptions) WithDefaults() RegistrarOptions {
	set := func(d *time.Duration, def time.Duration) {
		if *d == 0 {
			*d = def
		}
	}
	set(&o.Interval, 30*time.Second)
	set(&o.Timeout, 24*time.Second)
	set(&o.HeartbeatInterval, time.Second)
	set(&o.SilentAfter, 10*time.Second)
	o.Interval = min(max(o.Interval, 10*time.Second), time.Minute)
	if o.HAPort == 0 {
		o.HAPort = o.Port + 1
	}
	if o.Lookup == nil {
		o.Lookup = func(ctx context.Context, host string) ([]netip.Addr, error) {
			return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// Validate reports every bad field at once.
func (o RegistrarOptions) Validate() error {
	var errs []error
	if _, err := parseNameServers(o.NameServers); err != nil {
		errs = append(errs, err)
	}
	if o.Topics == nil || o.Port == 0 {
		errs = append(errs, errors.New("a broker that registers needs a port and topics"))
	}
	r := registration{cluster: o.Cluster, name: o.Name, id: o.ID, addr: "host:0"}
	if err := r.check(); err != nil {
		errs = append(errs, err)
	}
	for name, d := range map[string]time.Duration{
		"register-interval": o.Interval, "register-timeout": o.Timeout,
		"heartbeat-interval": o.HeartbeatInterval, "silent-after": o.SilentAfter,
	} {
		if d < 0 {
			errs = append(errs, fmt.Errorf("%s must be positive", name))
		}
	}
	return errors.Join(errs...)
}

// lookupRetry is the pause after a host name could not be looked up.
const lookupRetry = 5 * time.Second

// A nameServer is one entry of RegistrarOptions.NameServers.
type nameServer struct{ host, port string }

func (n nameServer) String() string { return net.JoinHostPort(n.host, n.port) }

// parseNameServers splits "host:9876;host:9876".
func parseNameServers(list string) ([]nameServer, error) {
	var out []nameServer
	for entry := range strings.SplitSeq(list, ";") {
		entry = strings.TrimSpace(entry)
		if entry == "" {
			continue
		}
		host, port, err := net.SplitHostPort(entry)
		if err != nil && !strings.Contains(entry, ":") {
			host, port, err = entry, "9876", nil
		}
		if err != nil || host == "" || port == "" {
			return nil, fmt.Errorf("name server %q is not host:port", entry)
		}
		out = append(out, nameServer{host, port})
	}
	if len(out) == 0 {
		return nil, errors.New("no name server is given; name them as host:port, separated by semicolons (namesrvAddr)")
	}
	return out, nil
}

// A Registrar keeps a broker registered with every name server.
type Registrar struct {
	options RegistrarOptions
	servers []nameServer
	client  *rpc.Client

	unknown map[nameServer]bool // hosts whose last lookup failed; Run's own

	// mu guards the links and is held for no call.
	mu struct {
		sync.Mutex
		links map[string]*link // by address
	}
}

// NewRegistrar checks the options; it connects to nothing yet.
func NewRegistrar(o RegistrarOptions) (*Registrar, error) {
	if err := o.Validate(); err != nil {
		return nil, fmt.Errorf("namesrv: %w", err)
	}
	servers, err := parseNameServers(o.NameServers)
	if err != nil {
		return nil, fmt.Errorf("namesrv: %w", err)
	}
	r := &Registrar{options: o.WithDefaults(), servers: servers, unknown: map[nameServer]bool{}}
	r.client = rpc.NewClient(r.options.RPC)
	r.mu.links = map[string]*link{}
	return r, nil
}

// Run registers, again and again, until ctx ends; then it unregisters, and
// returns when every goroutine has ended.
func (r *Registrar) Run(ctx context.Context) error {
	defer r.client.Close()
	var wg sync.WaitGroup
	defer wg.Wait()
	stops := map[string]context.CancelFunc{}
	found := map[nameServer][]string{}
	for {
		r.lookup(ctx, found)
		wanted := map[string]nameServer{}
		for server, addrs := range found {
			for _, addr := range addrs {
				wanted[addr] = server
			}
		}
		for addr, stop := range stops {
			if _, ok := wanted[addr]; !ok {
				stop()
				delete(stops, addr)
			}
		}
		for addr, server := range wanted {
			if stops[addr] == nil {
				linkCtx, stop := context.WithCancel(ctx)
				stops[addr] = stop
				l := r.newLink(server, addr)
				wg.Go(func() {
					l.run(linkCtx)
					r.drop(l)
				})
			}
		}
		wait := r.options.Interval
		if len(r.unknown) > 0 {
			wait = min(wait, lookupRetry)
		}
		again := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			again.Stop()
			for _, stop := range stops {
				stop()
			}
			return nil
		case <-again.C:
		}
	}
}

// lookup brings found up to date; a host that cannot be looked up keeps the
// addresses it had.
func (r *Registrar) lookup(ctx context.Context, found map[nameServer][]string) {
	ctx, cancel := context.WithTimeout(ctx, r.options.Timeout)
	defer cancel()
	for _, server := range r.servers {
		var ips []netip.Addr
		if ip, err := netip.ParseAddr(server.host); err == nil {
			ips = []netip.Addr{ip}
		} else if ips, err = r.options.Lookup(ctx, server.host); err != nil {
			if !r.unknown[server] {
				r.options.Log.Warn("name server's host cannot be looked up; trying again", "name_server", server.String(), "reason", err)
			}
			r.unknown[server] = true
			continue
		}
		delete(r.unknown, server)
		found[server] = nil
		for _, ip := range oneFamily(ips) {
			found[server] = append(found[server], net.JoinHostPort(ip.String(), server.port))
		}
	}
}

// oneFamily keeps the IPv4 addresses, or all if there are none: the two kinds
// mostly are two ways to one process.
func oneFamily(ips []netip.Addr) []netip.Addr {
	var v4 []netip.Addr
	for _, ip := range ips {
		if ip.Unmap().Is4() {
			v4 = append(v4, ip.Unmap())
		}
	}
	if len(v4) > 0 {
		return v4
	}
	return ips
}

func (r *Registrar) newLink(server nameServer, addr string) *link {
	l := &link{r: r, server: server, addr: addr, changed: make(chan struct{}, 1)}
	r.mu.Lock()
	r.mu.links[addr] = l
	r.mu.Unlock()
	return l
}

func (r *Registrar) drop(l *link) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.links[l.addr] == l {
		delete(r.mu.links, l.addr)
	}
}

func (r *Registrar) links() []*link {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Collect(maps.Values(r.mu.links))
}

// Changed says that topics changed: name servers are told soon, once for many
// changes in a row. Like RocketMQ's, they keep routes of topics that are no
// longer there until someone deletes those.
func (r *Registrar) Changed() {
	for _, l := range r.links() {
		select {
		case l.changed <- struct{}{}:
		default:
		}
	}
}

// Cluster is what a name server that the broker is registered with knows of all
// brokers.
func (r *Registrar) Cluster(ctx context.Context) (wire.ClusterInfo, error) {
	var info wire.ClusterInfo
	err := errors.New("the broker is not registered with a name server yet")
	for _, l := range r.links() {
		conn := l.conn.Load()
		if conn == nil {
			continue
		}
		var resp *wire.Command
		if resp, err = call(ctx, conn, wire.NewRequest(wire.GetBrokerClusterInfo, nil)); err == nil {
			return info, wire.DecodeBody(resp.Body, &info)
		}
	}
	return info, err
}

// Publish tells every reachable name server of one topic that was created or
// changed, and returns when they have answered. A name server it could not
// tell learns it with the next registration.
func (r *Registrar) Publish(ctx context.Context, t mq.Topic) error {
	links := r.links()
	errs := make([]error, len(links))
	var wg sync.WaitGroup
	for i, l := range links {
		wg.Go(func() { errs[i] = l.publish(ctx, t) })
	}
	wg.Wait()
	return errors.Join(errs...)
}
