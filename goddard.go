// Package goddard runs a RocketMQ name server and broker inside a Go program or
// test: what the command goddard runs, without a process of its own.
//
//	s, err := goddard.New(goddard.Config{})
//	…
//	go s.Run(ctx)
//
// and with RocketMQ's client for Go (github.com/apache/rocketmq-client-go/v2):
//
//	p, err := rocketmq.NewProducer(producer.WithNameServer([]string{s.NameServerAddr()}))
//	…
//	err = p.Start()
//	…
//	_, err = p.SendSync(ctx, primitive.NewMessage("greetings", []byte("hello")))
//
// The zero Config is meant for tests: it keeps everything in memory and listens
// on free ports of the loopback interface, so that any number of servers can
// run at once. RocketMQ's clients use s.NameServerAddr() as they use any name
// server.
//
// This is the only public package of the module.
package goddard

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/goddardmq/goddard/internal/node"
)

// Config says how a Server runs.
type Config struct {
	// Dir is the data directory. Empty keeps everything in memory, for as long
	// as the Server is there.
	Dir string

	// Listen is the address to listen on, without a port. Default 127.0.0.1.
	Listen string

	// NameServerPort and BrokerPort are the ports to listen on. 0 takes any
	// free one.
	NameServerPort, BrokerPort int

	// Advertise is the host or address that clients are given for the broker.
	// Default: the address by which they reached the name server.
	Advertise string

	// Settings are further settings by their names in docs/CONFIG.md, ours or
	// RocketMQ's. Unknown ones are errors, and those that the fields above set.
	Settings map[string]string

	// Log receives what an operator should read. Nil discards it.
	Log *slog.Logger
}

// A Server is a name server and a broker.
type Server struct{ node *node.Node }

// New opens a Server's data and its ports. Clients may connect from then on and
// are answered once Run runs. An error says what to do about it and leaves
// nothing open.
func New(c Config) (*Server, error) {
	if err := ownedByFields(c.Settings); err != nil {
		return nil, err
	}
	conf, warnings, err := node.Load(node.Source{Settings: c.Settings})
	if err != nil {
		return nil, fmt.Errorf("goddard: %w", err)
	}
	if len(warnings) > 0 {
		return nil, fmt.Errorf("goddard: %v", warnings[0])
	}
	conf.Data, conf.Listen, conf.Advertise, conf.Log = c.Dir, c.Listen, c.Advertise, c.Log
	conf.NamesrvPort, conf.ListenPort = anyPort(c.NameServerPort), anyPort(c.BrokerPort)
	if c.Dir == "" {
		conf.Data, conf.FS = "memory", vfs.NewMem()
	}
	n, err := node.New(conf)
	if err != nil {
		return nil, fmt.Errorf("goddard: %w", err)
	}
	return &Server{n}, nil
}

// ownedByFields refuses settings that fields of Config are for.
func ownedByFields(settings map[string]string) error {
	fields := map[string]string{
		"data": "Dir", "listen": "Listen", "listen-port": "BrokerPort", "namesrv-port": "NameServerPort",
		"advertise": "Advertise", "log-level": "Log",
	}
	for _, s := range node.Settings() {
		for _, key := range []string{s.Name, s.Java} {
			if _, said := settings[key]; said && key != "" && fields[s.Name] != "" {
				return fmt.Errorf("goddard: Settings: %s is set by the field Config.%s; use that", key, fields[s.Name])
			}
		}
	}
	return nil
}

// anyPort makes 0 mean what it means here.
func anyPort(port int) int {
	if port == 0 {
		return -1
	}
	return port
}

// NameServerAddr is what clients are to be given as their name server,
// host:port.
func (s *Server) NameServerAddr() string { return s.node.NamesrvAddr().String() }

// BrokerAddr is where the broker listens, host:port. Clients learn it from the
// name server.
func (s *Server) BrokerAddr() string { return s.node.BrokerAddr().String() }

// GRPCAddr is what RocketMQ 5's gRPC clients are to be given as their endpoint,
// host:port; empty if there is none (grpc-port = -1).
func (s *Server) GRPCAddr() string {
	if addr := s.node.GRPCAddr(); addr.IsValid() {
		return addr.String()
	}
	return ""
}

// Run serves until ctx ends. It then finishes what has arrived, stores it, and
// returns when every goroutine of the Server has ended. It is called once.
func (s *Server) Run(ctx context.Context) error { return s.node.Run(ctx) }

// Close gives up a Server that will not Run.
func (s *Server) Close() error { return s.node.Close() }
