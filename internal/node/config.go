package node

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/auth"
	"github.com/goddardmq/goddard/internal/broker"
	"github.com/goddardmq/goddard/internal/door"
	"github.com/goddardmq/goddard/internal/front/console"
	"github.com/goddardmq/goddard/internal/front/grpc"
	"github.com/goddardmq/goddard/internal/front/web"
	"github.com/goddardmq/goddard/internal/metrics"
	"github.com/goddardmq/goddard/internal/namesrv"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/trace"
	"github.com/goddardmq/goddard/internal/wire"
)

// A Role is a set of parts that run together.
type Role uint8

// The roles.
const (
	RoleAll     Role = iota // name server and broker in one process
	RoleNamesrv             // name server alone
	RoleBroker              // broker alone
)

// Config puts the options of all parts side by side. Its zero value is
// `goddard` as it starts without arguments.
type Config struct {
	// Role chooses the parts.
	Role Role

	// Data is the directory of everything that is kept. It is created when
	// missing; a directory that holds something else is refused. Default
	// ./goddard-data, and ./goddard-namesrv where the name server runs by
	// itself.
	Data string `conf:"data" rocketmq:"storePathRootDir"`

	// Listen is the address to listen on, without a port. Default 127.0.0.1 for
	// the server as a whole; 0.0.0.0, as with RocketMQ, where a role runs by
	// itself.
	Listen string `conf:"listen" rocketmq:"bindAddress"`

	// ListenPort is the broker's port; -1 takes any free one. In a
	// namesrv.conf, listenPort is namesrv-port. Default 10911.
	ListenPort int `conf:"listen-port" rocketmq:"listenPort"`

	// FastPort is the broker's second port, for clients that use RocketMQ's VIP
	// channel; -1 for none. Default listen-port - 2, which is where those
	// clients look for it.
	FastPort int `conf:"fast-port"`

	// GRPCPort is the broker's port for RocketMQ 5's gRPC clients; -1 for none.
	// Default 8081, or any free one where listen-port takes any.
	GRPCPort int `conf:"grpc-port" rocketmq:"grpcServerPort"`

	// HTTPPort is the port for HTTP: health, metrics, profiles; -1 for none.
	// Default 8082, or any free one where listen-port takes any; none where the
	// name server runs by itself.
	HTTPPort int `conf:"http-port"`

	// NamesrvPort is the name server's port; -1 takes any free one. Default 9876.
	NamesrvPort int `conf:"namesrv-port"`

	// Advertise is the host or address that clients are given for the broker.
	// Default: the address by which the asking client reached this machine;
	// towards a name server elsewhere, the address from which this machine
	// reaches that.
	Advertise string `conf:"advertise" rocketmq:"brokerIP1"`

	// Namesrvs are the name servers that the broker registers with, host:port,
	// separated by semicolons, beside the one in the same process. A
	// broker by itself reads NAMESRV_ADDR in the environment as well. Default
	// none.
	Namesrvs []string `conf:"namesrv" rocketmq:"namesrvAddr"`

	// LogLevel is the least that is logged: debug, info, warn or error. Default
	// info.
	LogLevel slog.Level `conf:"log-level" live:"true"`

	// LogFormat is how lines of the log are written: text, as key=value, or
	// json, an object each. The keys are the same. Default text.
	LogFormat string `conf:"log-format"`

	// Door says how clients may connect, on every port.
	Door door.Options

	// Peers says how this process connects to name servers and brokers elsewhere.
	Peers door.Peers

	// RPC says how connections are treated, on every port.
	RPC rpc.ServerOptions

	// GRPC says how RocketMQ 5's gRPC clients are treated.
	GRPC grpc.Options

	// HTTP says how HTTP is served.
	HTTP web.Options
	// Auth says who must prove what.
	Auth auth.Options

	// Console says what the web console on the HTTP port shows.
	Console console.Options

	// Metrics says which metrics are shown, and to whom.
	Metrics metrics.Options

	// Broker says how the broker behaves, and its store.
	Broker broker.Options

	// Trace says which spans the broker writes, and where to.
	Trace trace.Options

	// Namesrv says how the name server behaves.
	Namesrv namesrv.Options

	// Registrar says how the broker registers with Namesrvs.
	Registrar namesrv.RegistrarOptions

	// Origins says where the settings come from that are not left at their
	// defaults, by name: "broker.conf:12", "environment", "command line".
	Origins map[string]string

	// Version is what operators' tools show.
	Version string

	// FS is the file system of the message store. Nil means the operating
	// system's; with another one the name server keeps everything in memory.
	FS vfs.FS

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger

	// Level is what Log goes by, so that log-level can change while the server
	// runs. Nil if it cannot.
	Level *slog.LevelVar

	lookAround time.Duration // for tests; see neighbours
}

// handedDown are the fields of parts that New fills from a setting that stands
// elsewhere in Config; they are no settings of their own.
var handedDown = []string{
	"Broker.Store.Dir",
	"Broker.LogLevel",
	"Namesrv.Listen",
	"Namesrv.Port",
	"Namesrv.LogLevel",
	"Namesrv.RPC",
	"Registrar.NameServers",
}

// WithDefaults fills in what the operator left open.
func (c Config) WithDefaults() Config {
	if c.Data == "" {
		c.Data = "goddard-data"
		if c.Role == RoleNamesrv {
			c.Data = "goddard-namesrv"
		}
	}
	if c.Listen == "" {
		c.Listen = "0.0.0.0"
		if c.Role == RoleAll {
			c.Listen = "127.0.0.1"
		}
	}
	if c.ListenPort == 0 {
		c.ListenPort = 10911
	}
	if c.NamesrvPort == 0 {
		c.NamesrvPort = 9876
	}
	if c.FastPort == 0 && c.ListenPort > 2 {
		c.FastPort = c.ListenPort - 2
	}
	if c.GRPCPort == 0 && c.ListenPort > 0 {
		c.GRPCPort = 8081
	}
	if c.GRPC.TLSMode == "" && c.Door.Only {
		c.GRPC.TLSMode = grpc.TLSOnly
	}
	if c.HTTPPort == 0 && c.ListenPort > 0 && c.Role != RoleNamesrv {
		c.HTTPPort = 8082
	}
	if c.GRPC.MaxMessage == 0 {
		c.GRPC.MaxMessage = max(c.GRPC.WithDefaults().MaxMessage, c.Broker.MaxMessageSize+frameHeader)
	}
	if c.LogFormat == "" {
		c.LogFormat = LogText
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	return c
}

// Full is c with the defaults of all parts filled in as well.
func (c Config) Full() Config {
	c = c.WithDefaults()
	c.RPC, c.GRPC, c.HTTP, c.Broker, c.Trace = c.RPC.WithDefaults(), c.GRPC.WithDefaults(), c.HTTP.WithDefaults(), c.Broker.WithDefaults(), c.Trace.WithDefaults()
	c.Auth, c.Metrics, c.Console = c.Auth.WithDefaults(), c.Metrics.WithDefaults(), c.Console.WithDefaults()
	c.Broker.Store, c.Namesrv, c.Registrar = c.Broker.Store.WithDefaults(), c.Namesrv.WithDefaults(), c.Registrar.WithDefaults()
	return c
}

// frameHeader is room for what surrounds a message's body in a frame.
const frameHeader = 64 << 10

// frames says whether the largest message and the largest answer to a pull fit
// into a frame: otherwise the one would cut its producer's connection and the
// other could never be sent.
func (c Config) frames() error {
	room := cmp.Or(c.RPC.MaxFrame, wire.MaxFrame) - frameHeader
	for _, limit := range []struct {
		name string
		size int
	}{{"max-message-size", c.Broker.MaxMessageSize}, {"max-read-bytes", c.Broker.Store.MaxReadBytes}} {
		if limit.size > room {
			return fmt.Errorf("%s = %d does not fit into a frame: want at most %d, or a larger max-frame", limit.name, limit.size, room)
		}
	}
	if room := c.GRPC.MaxMessage - frameHeader; c.GRPCPort >= 0 && c.Broker.MaxMessageSize > room {
		return fmt.Errorf("max-message-size = %d does not fit into a gRPC answer: want at most %d, or a larger grpc-max-message", c.Broker.MaxMessageSize, room)
	}
	return nil
}

// Validate reports what cannot be, by the names of docs/CONFIG.md. New does so
// too; a Config that is only printed is worth the same answer.
func (c Config) Validate() error {
	c = c.WithDefaults()
	ports := []struct {
		name string
		port int
	}{{"listen-port", c.ListenPort}, {"fast-port", c.FastPort}, {"grpc-port", c.GRPCPort}, {"http-port", c.HTTPPort}, {"namesrv-port", c.NamesrvPort}}
	for _, p := range ports {
		if p.port < -1 || p.port > 65535 {
			return fmt.Errorf("%s = %d: want a port from 1 to 65535, or -1", p.name, p.port)
		}
	}
	if err := c.clash(); err != nil {
		return err
	}
	if err := checkAdvertise("grpc-advertise", c.GRPC.Advertised); err != nil {
		return err
	}
	if err := checkAdvertise("advertise", c.Advertise); err != nil {
		return err
	}
	if _, err := netip.ParseAddr(strings.Trim(c.Listen, "[]")); err != nil && c.Listen != "localhost" {
		return fmt.Errorf("listen = %q: want an IP address without a port, such as 0.0.0.0", c.Listen)
	}
	for _, addr := range c.Namesrvs {
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			return fmt.Errorf("namesrv = %q: want host:port, such as 10.0.0.5:9876", addr)
		}
	}
	if c.Broker.ID != 0 {
		return fmt.Errorf("broker-id = %d: this release runs masters only, whose id is 0", c.Broker.ID)
	}
	if err := c.frames(); err != nil {
		return err
	}
	if err := errors.Join(c.Door.Validate(), c.Peers.Validate()); err != nil {
		return err
	}
	if err := c.Auth.Validate(); err != nil {
		return err
	}
	if c.LogFormat != LogText && c.LogFormat != LogJSON {
		return fmt.Errorf("log-format = %q: want %s or %s", c.LogFormat, LogText, LogJSON)
	}
	if c.Role == RoleNamesrv {
		return c.Metrics.Validate()
	}
	c.Broker.Store.Dir = c.Data
	return errors.Join(c.Broker.Validate(), c.Broker.Store.Validate(), c.GRPC.Validate(), c.Trace.Validate(), c.Metrics.Validate())
}

// Check reports what keeps a server from starting with c, whatever it finds on
// the machine, and where the settings come from that an error names.
func (c Config) Check() error {
	err := c.Validate()
	if err == nil {
		err = c.Exposed()
	}
	if err == nil {
		return nil
	}
	var places []string
	for _, s := range Settings() {
		where := c.Origins[s.Name]
		if where != "" && namesSetting(err.Error(), s.Name) {
			places = append(places, s.Name+" comes from "+where)
		}
	}
	if len(places) == 0 {
		return err
	}
	return fmt.Errorf("%w (%s)", err, strings.Join(places, ", "))
}

// namesSetting reports whether an error names a setting, as a word of its own.
func namesSetting(text, name string) bool {
	for rest := text; ; {
		before, after, found := strings.Cut(rest, name)
		if !found {
			return false
		}
		if !strings.HasSuffix(before, "-") && !strings.HasPrefix(after, "-") && (before == "" || !isLetter(before[len(before)-1])) && (after == "" || !isLetter(after[0])) {
			return true
		}
		rest = after
	}
}

func isLetter(b byte) bool { return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }

// clash reports two ports of this process that are the same.
func (c Config) clash() error {
	type port struct {
		name string
		port int
	}
	var all []port
	if c.Role != RoleBroker {
		all = append(all, port{"namesrv-port", c.NamesrvPort})
	}
	if c.Role != RoleNamesrv {
		all = append(all, port{"listen-port", c.ListenPort}, port{"fast-port", c.FastPort}, port{"grpc-port", c.GRPCPort})
	}
	all = append(all, port{"http-port", c.HTTPPort}, port{"metrics-prom-exporter-port", c.Metrics.PromPort})
	var errs []error
	for i, p := range all {
		for _, before := range all[:i] {
			if p.port > 0 && p.port == before.port {
				errs = append(errs, fmt.Errorf("%s and %s are both %d; give each a port of its own", p.name, before.name, p.port))
			}
		}
	}
	return errors.Join(errs...)
}

// checkAdvertise wants a host or an IP address, with or without a port.
func checkAdvertise(setting, text string) error {
	wrong := fmt.Errorf("%s = %q: want a host or an IP address, such as 10.0.0.5 or mq.example.com, with :port or without", setting, text)
	if _, err := netip.ParseAddr(text); err == nil || text == "" {
		return nil
	}
	host := text
	if strings.Contains(text, ":") {
		var port string
		var err error
		if host, port, err = net.SplitHostPort(text); err != nil {
			return wrong
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return wrong
		}
		if _, err := netip.ParseAddr(host); err == nil {
			return nil
		}
	}
	strange := func(r rune) bool {
		return r != '.' && r != '-' && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	if host == "" || len(host) > 253 || strings.ContainsFunc(host, strange) {
		return wrong
	}
	return nil
}
