// Package against starts servers for the compatibility and crash tests:
// RocketMQ itself and Goddard, behind one interface, so that one scenario says
// what both must do.
//
// Nothing it needs from elsewhere is kept in the repository. Prepare resolves
// RocketMQ's published artifacts with Maven and builds the clients, once, into
// a cache directory of the user; what cannot be had is reported in one sentence
// and the tests that need it are skipped. Everything started is killed when its
// test ends, and on Linux when the test process dies. On Linux the tests run in
// a network namespace of their own (see Main), since some of RocketMQ's ports
// listen on every address.
//
// The probe by which servers are found ready is written from the protocol's
// description and shares no code with Goddard, so a fault there cannot hide.
package against

import (
	"fmt"
	"testing"
	"time"
)

// Names that every broker started here carries unless a test says otherwise.
const (
	ClusterName = "DefaultCluster"
	BrokerName  = "broker-a"
)

// delayLevels replaces RocketMQ's levels (1s to 2h), so that a message that was
// sent back sixteen times is a dead letter within half a minute.
const delayLevels = "1s 1s 1s 1s 1s 1s 2s 2s 2s 2s 2s 2s 2s 2s 2s 2s 2s 2s"

// A Maker starts the servers of one implementation. Each call ends the test if
// the server does not come up.
type Maker interface {
	// Name is what results are listed under: "rocketmq-5.5.0", "goddard".
	Name() string
	// Cluster starts a name server and a broker the way a newcomer would.
	Cluster(tb testing.TB) *Cluster
	// Endpoints starts what Cluster starts and whatever it takes for clients of
	// the gRPC protocol to be served at its GRPC address.
	Endpoints(tb testing.TB) *Cluster
	// Observed starts what Endpoints starts, with metrics at its Metrics address.
	Observed(tb testing.TB) *Cluster
	// NameServer starts a name server alone.
	NameServer(tb testing.TB) *Server
	// Broker starts a broker alone, registered at nameServer as brokerName.
	Broker(tb testing.TB, nameServer, brokerName string) *Server
	// With is a Maker whose brokers have further lines in their broker.conf.
	With(conf string) Maker
}

// A Cluster is one name server and one broker.
type Cluster struct {
	// NameServer and Broker are host:port. They stay the same over restarts.
	NameServer string
	Broker     string
	// GRPC is where Endpoints has clients of the gRPC protocol dial. It takes connections with and without TLS.
	GRPC string
	// Authority is the file with the authority that the server's certificate there is by, for clients that check it.
	Authority string
	// Metrics is where Observed answers Prometheus, as a URL.
	Metrics string

	servers []*Server // in starting order; one if one process does it all
}

// Kill ends the broker as kill -9 does. If the broker's process is the name
// server's too, both are gone.
func (c *Cluster) Kill() { c.servers[len(c.servers)-1].Kill() }

// Stop ends the broker as an operator does, with SIGTERM, and returns how long
// it took.
func (c *Cluster) Stop(tb testing.TB) time.Duration {
	tb.Helper()
	return c.servers[len(c.servers)-1].Stop(tb)
}

// Start brings the broker back on the same data and addresses and returns when
// it can be used.
func (c *Cluster) Start(tb testing.TB) {
	tb.Helper()
	c.servers[len(c.servers)-1].Start(tb)
}

// Log returns the end of what the servers wrote.
func (c *Cluster) Log() string {
	var all string
	for _, s := range c.servers {
		all += s.Log()
	}
	return all
}

// A Server is one process that can be ended and started again.
type Server struct {
	// Addr is where clients reach it, host:port.
	Addr string
	// Pid is the process's, 0 while it is down.
	Pid int

	name    string
	command func() *process
	ready   func() error
	limit   time.Duration
	proc    *process
}

// Start runs the process and waits until it is ready.
func (s *Server) Start(tb testing.TB) {
	tb.Helper()
	s.proc = s.command()
	if err := s.proc.start(); err != nil {
		tb.Fatalf("start %s: %v", s.name, err)
	}
	s.Pid = s.proc.cmd.Process.Pid
	deadline := time.Now().Add(s.limit)
	for {
		err := s.ready()
		if err == nil {
			return
		}
		select {
		case <-s.proc.ended:
			tb.Fatalf("%s ended instead of serving: %v\n%s", s.name, s.proc.err, s.Log())
		case <-time.After(20 * time.Millisecond):
		}
		if time.Now().After(deadline) {
			log := s.Log()
			s.Kill()
			tb.Fatalf("%s is not ready after %v: %v\n%s", s.name, s.limit, err, log)
		}
	}
}

// Kill ends the process at once and waits for its end.
func (s *Server) Kill() {
	if s.proc != nil {
		s.proc.kill()
	}
	s.Pid = 0
}

// Stop sends SIGTERM and waits for the end, which must come within a minute.
func (s *Server) Stop(tb testing.TB) time.Duration {
	tb.Helper()
	took, err := s.proc.terminate(time.Minute)
	if err != nil {
		tb.Errorf("stop %s: %v\n%s", s.name, err, s.Log())
	}
	s.Pid = 0
	return took
}

// Log returns the end of what the process wrote.
func (s *Server) Log() string {
	if s.proc == nil {
		return ""
	}
	return fmt.Sprintf("--- %s (pid %d)\n%s", s.name, s.Pid, s.proc.tail())
}

// Pid is the broker's process.
func (c *Cluster) Pid() int { return c.servers[len(c.servers)-1].Pid }
