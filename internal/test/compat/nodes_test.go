//go:build compat

package compat

import (
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/goddardmq/goddard/internal/test/against"
)

// nodeScenarios are what gRPC clients do with a cluster of two nodes. Each call
// of a simple consumer asks one broker, that of the next queue in turn, so that
// long_poll_wakes is not among them: a call waits at one while the message comes
// to the other.
var nodeScenarios = map[string][]string{
	"grpc-java": strings.Fields(`send_receive_ack change_invisible simple_dead_letter tag_filter sql_filter resume_where_left fifo_one_group_fails push lite lite_exclusive lite_wildcard fifo fifo_dead_letter delay delay_recall transaction transaction_check retry_to_dead_letter`),
	"grpc-go": strings.Fields(`send_receive_ack change_invisible simple_dead_letter tag_filter sql_filter fifo_one_group_fails
		push fifo delay transaction transaction_check retry_to_dead_letter`),
}

// Clients dial one node of two and find the queues of both: each at its own
// address, or all behind one that leads to either.
func TestEndpointsOfTwoNodes(t *testing.T) {
	if !strings.Contains(*servers, "goddard") {
		t.Skip("RocketMQ has proxies for this, which are none of its brokers")
	}
	t.Run("direct", func(t *testing.T) {
		nameServer, nodes := against.TwoNodes(t, kit, "")
		runOnNodes(t, nameServer, nodes, nodes[0].GRPC)
	})
	t.Run("balanced", func(t *testing.T) {
		b := newBalancer(t, "")
		nameServer, nodes := against.TwoNodes(t, kit, b.addr)
		b.serve(nodes[0].GRPC, nodes[1].GRPC)
		runOnNodes(t, nameServer, nodes, b.addr)
	})
}

func runOnNodes(t *testing.T, nameServer string, nodes [2]*against.Cluster, dial string) {
	t.Helper()
	cluster := &against.Cluster{NameServer: nameServer, Broker: nodes[0].Broker, GRPC: dial}
	var all []*client
	for _, name := range against.GRPCClients() {
		if nodeScenarios[name] == nil || !strings.Contains(*clients, name) {
			continue
		}
		if c := grpcClient(t, name, "goddard", cluster); c != nil {
			c.scenarios = nodeScenarios[name]
			all = append(all, c)
		}
	}
	for _, c := range all {
		for _, s := range wanted(c.scenarios) {
			for _, n := range nodes {
				prepare(t, n, c.prefix(), s)
			}
			c.run(t, s) // while the next is prepared
		}
	}
	var looking sync.WaitGroup
	for _, c := range all {
		for _, s := range wanted(c.scenarios) {
			if preparations[s].dead > 0 {
				looking.Go(func() { look(c, s, nodes[:]...) })
			}
		}
	}
	for _, c := range all {
		t.Run(c.name, func(t *testing.T) {
			for _, s := range wanted(c.scenarios) {
				c.report(t, "goddard", s)
			}
		})
	}
	looking.Wait()
	if t.Failed() {
		for _, n := range nodes {
			t.Log(n.Log())
		}
	}
}

// A balancer is one address for several, taken in turn.
type balancer struct {
	first    string // what a client must begin with; others are sent away
	t        *testing.T
	addr     string
	listener net.Listener
	work     sync.WaitGroup
	turn     atomic.Int64
}

// tlsHandshake is how a client that speaks TLS begins.
const tlsHandshake = "\x16\x03"

func newBalancer(t *testing.T, first string) *balancer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	b := &balancer{t: t, first: first, addr: l.Addr().String(), listener: l}
	t.Cleanup(func() {
		l.Close()
		b.work.Wait()
	})
	return b
}

// serve leads connections to one address after the other until the test ends.
func (b *balancer) serve(to ...string) {
	b.work.Go(func() {
		for {
			in, err := b.listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial("tcp", to[b.turn.Add(1)%int64(len(to))])
			if err != nil {
				in.Close()
				continue
			}
			pipe := func(dst, src net.Conn, first string) {
				defer dst.Close()
				defer src.Close()
				got := make([]byte, len(first))
				if _, err := io.ReadFull(src, got); err != nil || string(got) != first {
					return
				}
				dst.Write(got)
				io.Copy(dst, src)
			}
			b.work.Go(func() { pipe(out, in, b.first) })
			b.work.Go(func() { pipe(in, out, "") })
		}
	})
}
