package against

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
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

func (g goddard) allInOne(dir string, nameServerPort, port, http int) []string {
	return []string{"-c", filepath.Join(dir, "broker.conf"), "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1",
		"--namesrv-port", fmt.Sprint(nameServerPort), "--listen-port", fmt.Sprint(port), "--grpc-port", fmt.Sprint(port - 1),
		"--http-port", fmt.Sprint(http)}
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
	return g.cluster(tb, -1)
}

// Observed implements Maker.
func (g goddard) Observed(tb testing.TB) *Cluster {
	tb.Helper()
	http := freePorts(tb, 1)
	c := g.cluster(tb, http)
	c.Metrics = fmt.Sprintf("http://127.0.0.1:%d/metrics", http)
	return c
}

func (g goddard) cluster(tb testing.TB, http int) *Cluster {
	tb.Helper()
	dir := tb.TempDir()
	ns, port := freePorts(tb, 1), freePorts(tb, 4)+2
	mustWrite(tb, filepath.Join(dir, "broker.conf"), g.conf(BrokerName))
	nameServer := fmt.Sprintf("127.0.0.1:%d", ns)
	s := g.server("goddard", port, g.allInOne(dir, ns, port, http))
	s.ready = func() error { return registered(nameServer, BrokerName, s.Addr) }
	started(tb, s)
	return &Cluster{
		NameServer: nameServer, Broker: s.Addr, GRPC: fmt.Sprintf("127.0.0.1:%d", port-1),
		Authority: filepath.Join(dir, "data/tls/ca.pem"), servers: []*Server{s},
	}
}

// Endpoints implements Maker; every cluster has them.
func (g goddard) Endpoints(tb testing.TB) *Cluster {
	tb.Helper()
	return g.Cluster(tb)
}

// TwoNodes starts two nodes of one cluster, brokers a and b, with the name server
// apart, and returns when each has found the other. If advertised is not empty
// both give it to gRPC clients as their address.
func TwoNodes(tb testing.TB, kit *Kit, advertised string) (nameServer string, nodes [2]*Cluster) {
	tb.Helper()
	g, ok := Goddard(tb, kit).(goddard)
	if !ok {
		tb.Fatal("Goddard makes something else")
	}
	ns := g.NameServer(tb).Addr
	for i, name := range []string{"broker-a", "broker-b"} {
		dir := tb.TempDir()
		port := freePorts(tb, 4) + 2
		mustWrite(tb, filepath.Join(dir, "broker.conf"), g.conf(name))
		args := g.broker(dir, ns, port)
		if advertised != "" {
			args = append(args, "--grpc-advertise", advertised)
		}
		s := g.server("goddard "+name, port, args)
		s.ready = func() error { return registered(ns, name, s.Addr) }
		started(tb, s)
		nodes[i] = &Cluster{NameServer: ns, Broker: s.Addr, GRPC: fmt.Sprintf("127.0.0.1:%d", port-1), servers: []*Server{s}}
	}
	for limit := time.Now().Add(20 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		if found := "another node answers gRPC clients"; strings.Contains(nodes[0].Log(), found) && strings.Contains(nodes[1].Log(), found) {
			return ns, nodes
		}
		if time.Now().After(limit) {
			tb.Fatalf("the nodes do not find each other:\n%s%s", nodes[0].Log(), nodes[1].Log())
		}
	}
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
