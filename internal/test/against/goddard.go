package against

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

type goddard struct {
	kit  *Kit
	more string // lines of broker.conf
}

// Goddard is this repository's program, built by Prepare or named by the
// environment variable AGAINST_GODDARD.
func Goddard(tb testing.TB, kit *Kit) Maker {
	tb.Helper()
	if kit.GoddardMissing != "" {
		tb.Fatal("goddard: " + kit.GoddardMissing)
	}
	return goddard{kit: kit}
}

// Name implements Maker.
func (goddard) Name() string { return "goddard" }

// With implements Maker.
func (g goddard) With(conf string) Maker { return goddard{g.kit, g.more + conf} }

// The arguments of the program, all in one place. The second port is two below
// the first, that for gRPC clients lies between.

func (g goddard) allInOne(dir string, nameServerPort, port int) []string {
	return []string{"-c", filepath.Join(dir, "broker.conf"), "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1",
		"--namesrv-port", fmt.Sprint(nameServerPort), "--listen-port", fmt.Sprint(port), "--grpc-port", fmt.Sprint(port - 1), "--http-port", "-1"}
}

func (g goddard) nameServer(port int) []string {
	return []string{"namesrv", "--listen", "127.0.0.1", "--namesrv-port", fmt.Sprint(port)}
}

func (g goddard) broker(dir, nameServer string, port int) []string {
	return []string{"broker", "-n", nameServer, "-c", filepath.Join(dir, "broker.conf"), "--data", filepath.Join(dir, "data"),
		"--listen", "127.0.0.1", "--listen-port", fmt.Sprint(port), "--grpc-port", fmt.Sprint(port - 1), "--http-port", "-1"}
}

func (g goddard) conf(brokerName string) string {
	return fmt.Sprintf("brokerClusterName=%s\nbrokerName=%s\nautoCreateTopicEnable=true\nmessageDelayLevel=%s\n"+transactionConf,
		ClusterName, brokerName, delayLevels) + g.more
}

// Cluster implements Maker.
func (g goddard) Cluster(tb testing.TB) *Cluster {
	tb.Helper()
	dir := tb.TempDir()
	ns, port := freePorts(tb, 1), freePorts(tb, 4)+2
	mustWrite(tb, filepath.Join(dir, "broker.conf"), g.conf(BrokerName))
	nameServer := fmt.Sprintf("127.0.0.1:%d", ns)
	s := g.server("goddard", port, g.allInOne(dir, ns, port))
	s.ready = func() error { return registered(nameServer, BrokerName, s.Addr) }
	started(tb, s)
	return &Cluster{NameServer: nameServer, Broker: s.Addr, GRPC: fmt.Sprintf("127.0.0.1:%d", port-1), servers: []*Server{s}}
}

// Endpoints implements Maker; every cluster has them.
func (g goddard) Endpoints(tb testing.TB) *Cluster {
	tb.Helper()
	return g.Cluster(tb)
}

// NameServer implements Maker.
func (g goddard) NameServer(tb testing.TB) *Server {
	tb.Helper()
	port := freePorts(tb, 1)
	s := g.server("goddard namesrv", port, g.nameServer(port))
	s.ready = func() error { return serving(s.Addr) }
	return started(tb, s)
}

// Broker implements Maker.
func (g goddard) Broker(tb testing.TB, nameServer, brokerName string) *Server {
	tb.Helper()
	dir := tb.TempDir()
	port := freePorts(tb, 4) + 2
	mustWrite(tb, filepath.Join(dir, "broker.conf"), g.conf(brokerName))
	s := g.server("goddard broker", port, g.broker(dir, nameServer, port))
	s.ready = func() error { return registered(nameServer, brokerName, s.Addr) }
	return started(tb, s)
}

func (g goddard) server(name string, port int, args []string) *Server {
	return &Server{
		Addr:    fmt.Sprintf("127.0.0.1:%d", port),
		name:    name,
		limit:   20 * time.Second,
		command: func() *process { return &process{cmd: exec.Command(g.kit.Goddard, args...)} },
	}
}
