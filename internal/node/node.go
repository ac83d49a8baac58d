package node

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/broker"
	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/front/console"
	"github.com/goddardmq/goddard/internal/front/grpc"
	"github.com/goddardmq/goddard/internal/front/remoting"
	"github.com/goddardmq/goddard/internal/front/web"
	"github.com/goddardmq/goddard/internal/meter"
	"github.com/goddardmq/goddard/internal/metrics"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/namesrv"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/store"
	"github.com/goddardmq/goddard/internal/trace"
	"github.com/goddardmq/goddard/internal/wire"
)

// A Node is a server: the parts of its role, open and not yet started.
type Node struct {
	c Config
	// configured is what the settings were at the start, as running servers write them.
	configured map[string]string
	handler    *frontDoor
	door       *door.Door
	peers      *tls.Config      // how name servers and brokers elsewhere are reached; nil: without TLS
	listener   *rpc.Server      // of the broker
	fast       *rpc.Server      // nil if there is none
	grpc       *grpc.Server     // nil if there is none
	http       *web.Server      // nil if there is none
	prom       *web.Server      // of metrics alone; nil if there is none
	metrics    *metrics.Metrics // nil if none are shown
	console    *console.Console // nil if there is none
	broker     *broker.Broker
	access     *auth.Access
	tracer     *trace.Tracer // nil if no spans are written
	namesrv    *namesrv.Server
	local      *namesrv.Local
	registrar  *namesrv.Registrar

	serving atomic.Bool // from the start of all parts until the first stops

	// announcing is held while the name server in this process is told of a topic.
	announcing sync.Mutex
}

// New opens everything the role needs: data, listeners, and the broker's place
// in the name server. Nothing is served before Run. An error says what to do
// about it, and leaves nothing open.
func New(c Config) (*Node, error) {
	c = c.WithDefaults()
	if err := c.Check(); err != nil {
		return nil, err
	}
	n := &Node{c: c, handler: &frontDoor{}, configured: configured(c)}
	if !c.Metrics.Disabled() {
		n.c.RPC.Calls = new(meter.Calls)
	}
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.Close())
	}
	return n, nil
}

// open is the list of parts.
func (n *Node) open() error {
	if err := n.openDoor(); err != nil {
		return err
	}
	if n.c.Role != RoleNamesrv {
		if n.c.ListenPort < 0 { // the port is part of what the store writes
			if err := n.listenAnywhere(); err != nil {
				return err
			}
		}
		if err := n.openBroker(); err != nil {
			return err
		}
		if n.listener == nil {
			if err := n.listen(); err != nil {
				return err
			}
		}
		if err := n.listenGRPC(n.broker.Settings(context.Background())["brokerName"]); err != nil {
			return err
		}
	}
	if n.c.Role != RoleBroker {
		if err := n.openNamesrv(); err != nil {
			return err
		}
	}
	if err := n.listenHTTP(); err != nil {
		return err
	}
	if err := n.openMetrics(); err != nil {
		return err
	}
	if err := n.openConsole(); err != nil {
		return err
	}
	if n.broker == nil {
		return nil
	}
	return n.introduce()
}

// openBroker opens the store, what derives from it, and the protocol in front.
func (n *Node) openBroker() error {
	o := n.c.Broker
	host := n.storeHost()
	o.Version, o.RocketMQVersion, o.Log = n.c.Version, wire.VersionName(wire.VersionCurrent), n.c.Log
	o.LogLevel, o.Level = n.c.LogLevel, n.c.Level
	o.OnTopicChanged, o.TopicRoute = n.topicChanged, n.topicQueues
	o.Store.Dir, o.Store.FS, o.Store.StoreHost = n.c.Data, n.c.FS, host
	if n.c.Trace.Endpoint != "" {
		if err := n.openTracer(); err != nil {
			return err
		}
		o.Tracer = n.tracer
	}
	if n.c.FS == nil {
		o.Store.FS = privateFS{vfs.Default}
		if err := makePrivate(filepath.Join(n.c.Data, store.StateDir)); err != nil {
			return dataError(n.c.Data, err)
		}
	}
	b, err := broker.New(o)
	if err != nil {
		return dataError(n.c.Data, err)
	}
	n.broker = b
	n.warnOfJavaTopics()
	if err := n.openAccess(); err != nil {
		return err
	}
	settings := b.Settings(context.Background())
	front, err := remoting.New(remoting.Options{
		Broker: b, Admin: announcer{b, n}, Name: settings["brokerName"], StoreHost: host, Region: settings["regionId"], TraceOff: settings["traceOn"] == "false",
		Access: n.access, Cluster: settings["brokerClusterName"], Log: n.c.Log,
	})
	if err != nil {
		return err
	}
	n.handler.Handler = front
	return nil
}

// openTracer opens what writes spans of what the broker does.
func (n *Node) openTracer() error {
	o := n.c.Trace
	o.Version, o.Log = n.c.Version, n.c.Log
	o.Cluster, o.Broker = n.c.Broker.Names()
	var err error
	n.tracer, err = trace.New(o)
	return err
}

// openNamesrv opens the name server.
func (n *Node) openNamesrv() error {
	o := n.c.Namesrv
	o.Listen, o.Port, o.RPC, o.TLS, o.Log = n.c.Listen, n.c.NamesrvPort, n.c.RPC, n.peers, n.c.Log
	o.RPC.Calls = nil // they are those of brokers
	if n.access == nil {
		if err := n.openAccess(); err != nil {
			return err
		}
	}
	o.Access = n.access
	o.Cluster, _ = n.c.Broker.Names()
	if o.KVConfigPath == "" && n.c.FS == nil {
		o.KVConfigPath = filepath.Join(n.c.Data, "kvConfig.json")
		if n.c.Role == RoleAll {
			o.KVConfigPath = filepath.Join(n.c.Data, "namesrv", "kvConfig.json")
		}
	}
	if o.SettingsPath == "" && n.c.FS == nil {
		o.SettingsPath = filepath.Join(filepath.Dir(o.KVConfigPath), "namesrvSettings.json")
	}
	if n.c.Role == RoleNamesrv {
		o.LogLevel, o.Level = n.c.LogLevel, n.c.Level
		o.Settings = n.settings
	}
	s, err := namesrv.New(o)
	if err != nil {
		return listenError("name server", n.c.Listen, n.c.NamesrvPort, "namesrv-port", err)
	}
	n.namesrv = s
	return nil
}

// introduce makes the broker known: to the name server in this process by a
// call, to others by registering once the node runs.
func (n *Node) introduce() error {
	settings := n.broker.Settings(context.Background())
	cluster, name, port := settings["brokerClusterName"], settings["brokerName"], n.listener.Addr().Port()
	if n.namesrv != nil {
		local, err := n.namesrv.Local(namesrv.LocalBroker{
			Cluster: cluster, Name: name, Port: port, Advertised: n.c.Advertise, Topics: n.topics,
		})
		if err != nil {
			return err
		}
		n.local = local
	}
	if len(n.c.Namesrvs) == 0 {
		if n.namesrv == nil {
			n.c.Log.Warn("no name server is given, so clients cannot find this broker; give one with -n host:9876")
		}
		return nil
	}
	var err error
	o := n.c.Registrar
	o.NameServers, o.RPC = strings.Join(n.c.Namesrvs, ";"), rpc.ClientOptions{TLS: n.peers}
	o.Cluster, o.Name, o.Port, o.Advertised, o.Topics, o.Log = cluster, name, port, n.c.Advertise, n.topics, n.c.Log
	if o.RPC.Hook, err = n.c.innerHook(); err != nil {
		return err
	}
	r, err := namesrv.NewRegistrar(o)
	if err != nil {
		return err
	}
	n.registrar = r
	return nil
}

// NamesrvAddr is where the name server listens; not valid if there is none.
func (n *Node) NamesrvAddr() netip.AddrPort {
	if n.namesrv == nil {
		return netip.AddrPort{}
	}
	return n.namesrv.Addr()
}

// BrokerAddr is where the broker listens; not valid if there is none.
func (n *Node) BrokerAddr() netip.AddrPort {
	if n.listener == nil {
		return netip.AddrPort{}
	}
	return n.listener.Addr()
}

// FastAddr is the broker's second address; not valid if there is none.
func (n *Node) FastAddr() netip.AddrPort {
	if n.fast == nil {
		return netip.AddrPort{}
	}
	return n.fast.Addr()
}

// Tracing says where spans are written to and of what; empty if none are.
func (n *Node) Tracing() string {
	if n.tracer == nil {
		return ""
	}
	return n.tracer.String()
}

// GRPCAddr is where gRPC clients are answered; not valid if they are not.
func (n *Node) GRPCAddr() netip.AddrPort {
	if n.grpc == nil {
		return netip.AddrPort{}
	}
	return n.grpc.Addr()
}

// HTTPAddr is where HTTP is answered; not valid if it is not.
func (n *Node) HTTPAddr() netip.AddrPort {
	if n.http == nil {
		return netip.AddrPort{}
	}
	return n.http.Addr()
}

// HasConsole says whether the web console is at HTTPAddr.
func (n *Node) HasConsole() bool { return n.console != nil }

// TLSOnly says whether plain connections are refused.
func (n *Node) TLSOnly() bool { return n.c.Door.Only }

// Certificate is the file of the certificate that clients are shown.
func (n *Node) Certificate() string { return n.c.Door.Cert }

// Asks says whether clients must say who they are.
func (n *Node) Asks() bool { return n.c.Auth.Authentication }

// Data is the data directory.
func (n *Node) Data() string { return n.c.Data }

// Close gives up a node that will not Run.
func (n *Node) Close() error {
	var errs []error
	if n.listener != nil {
		errs = append(errs, n.listener.Close())
	}
	if n.fast != nil {
		errs = append(errs, n.fast.Close())
	}
	if n.grpc != nil {
		errs = append(errs, n.grpc.Close())
	}
	if n.http != nil {
		errs = append(errs, n.http.Close())
	}
	if n.prom != nil {
		errs = append(errs, n.prom.Close())
	}
	if n.console != nil {
		errs = append(errs, n.console.Close())
	}
	if n.namesrv != nil {
		ended, end := context.WithCancel(context.Background())
		end()
		errs = append(errs, n.namesrv.Run(ended)) // which closes its listener
	}
	if n.broker != nil {
		errs = append(errs, n.broker.Close())
	}
	if n.tracer != nil {
		errs = append(errs, n.tracer.Close())
	}
	if n.access != nil {
		errs = append(errs, n.access.Close())
	}
	return errors.Join(errs...)
}

// A part is something that runs until its context ends.
type part struct {
	name string
	run  func(context.Context) error
	// first says that the parts before it go on until it has ended.
	first bool
}

// parts lists what runs, in the order of starting.
func (n *Node) parts() []part {
	var all []part
	if n.broker != nil {
		all = append(all, part{name: "broker", run: n.broker.Run})
	}
	if n.namesrv != nil {
		all = append(all, part{name: "name server", run: n.namesrv.Run})
	}
	if n.listener != nil {
		all = append(all, part{name: "broker's listener", run: n.listener.Run})
	}
	if n.fast != nil {
		all = append(all, part{name: "broker's second listener", run: n.fast.Run})
	}
	if n.grpc != nil {
		all = append(all, part{name: "gRPC listener", run: n.grpc.Run, first: true})
		if n.registrar != nil || n.namesrv != nil {
			all = append(all, part{name: "search for other nodes", run: newNeighbours(n).Run})
		}
	}
	if n.http != nil {
		all = append(all, part{name: "HTTP listener", run: n.http.Run})
	}
	if n.prom != nil {
		all = append(all, part{name: "metrics listener", run: n.prom.Run})
	}
	if n.console != nil { // ends live tails before the listener waits for them
		all = append(all, part{name: "console", run: n.console.Run})
	}
	if n.registrar != nil {
		all = append(all, part{name: "registration", run: n.registrar.Run, first: true})
	}
	return all
}

// Run serves until ctx ends or a part fails. Then the broker leaves the name
// servers, the listeners finish what has arrived, everything is stored, and
// Run returns when every goroutine has ended: nil if only ctx ended it.
func (n *Node) Run(ctx context.Context) error {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	parts := n.parts()
	errs := make([]error, len(parts)+2)
	cancels := make([]context.CancelFunc, len(parts))
	ended := make([]chan struct{}, len(parts))
	endTracing := n.startTracing(ctx)
	defer endTracing()
	endMetrics := n.startMetrics(ctx)
	defer endMetrics()
	var wg sync.WaitGroup
	for i, p := range parts {
		var own context.Context
		own, cancels[i] = context.WithCancel(context.WithoutCancel(ctx))
		ended[i] = make(chan struct{})
		wg.Go(func() {
			defer stop() // none goes on alone
			defer close(ended[i])
			if err := p.run(own); err != nil {
				errs[i] = fmt.Errorf("%s: %w", p.name, err)
			}
		})
	}
	n.serving.Store(true)
	<-ctx.Done()
	n.serving.Store(false)
	n.c.Log.Info("stopping")
	if n.local != nil {
		n.local.Leave()
	}
	for i := len(parts) - 1; i >= 0; i-- {
		cancels[i]()
		if parts[i].first {
			<-ended[i]
		}
	}
	wg.Wait()
	if n.broker != nil {
		errs[len(parts)] = n.broker.Close()
	}
	if n.access != nil {
		errs[len(parts)+1] = n.access.Close()
	}
	return errors.Join(errs...)
}

// startTracing lets spans be written until the function that it returns is
// called, which waits for the last of them.
func (n *Node) startTracing(ctx context.Context) (end func()) {
	if n.tracer == nil {
		return func() {}
	}
	return inBackground(ctx, func(ctx context.Context) {
		if err := n.tracer.Run(ctx); err != nil {
			n.c.Log.Warn("the connection to the collector of spans did not end well", "error", err)
		}
	})
}

// inBackground runs f beside everything else until the function that it returns
// is called, which waits for its end.
func inBackground(ctx context.Context, f func(context.Context)) (end func()) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var wg sync.WaitGroup
	wg.Go(func() { f(ctx) })
	return func() {
		cancel()
		wg.Wait()
	}
}

// topics is what name servers are told.
func (n *Node) topics() ([]mq.Topic, mq.DataVersion) { return n.broker.Topics(context.Background()) }

// hostPort is an address to listen on.
func hostPort(host string, port int) string {
	return net.JoinHostPort(strings.Trim(host, "[]"), strconv.Itoa(port))
}
