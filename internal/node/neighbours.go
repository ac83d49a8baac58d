package node

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/front/grpc"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// grpcPortKey is the setting by which a broker says that it answers gRPC clients,
// and at which port.
const grpcPortKey = "grpcServerPort"

const (
	// lookAround is how often name servers are asked who is there, and lookTime
	// how long answers may take.
	lookAround = 3 * time.Second
	lookTime   = 2 * time.Second
	// askAgain is how long what a broker said about its port is believed.
	askAgain = 30 * time.Second
	// maxNeighbours bounds the brokers that are asked.
	maxNeighbours = 1024
)

// neighbours finds the other nodes of the cluster for the gRPC front.
type neighbours struct {
	n       *Node
	client  *rpc.Client
	cluster string
	name    string
	known   map[string]neighbour // by broker name
	failed  bool                 // the last look around, as the log says already
}

// A neighbour is another broker of the cluster.
type neighbour struct {
	addr  string // as registered
	grpc  string // host:port; empty if it has none
	asked time.Time
}

func newNeighbours(n *Node) *neighbours {
	settings := n.broker.Settings(context.Background())
	sign, err := n.c.innerHook()
	if err != nil { // which Validate refuses
		n.c.Log.Error("other nodes are asked without a signature", "error", err)
	}
	return &neighbours{
		n: n, client: rpc.NewClient(rpc.ClientOptions{TLS: n.peers, Hook: sign, Log: n.c.Log}), cluster: settings["brokerClusterName"], name: settings["brokerName"],
		known: map[string]neighbour{},
	}
}

// Run looks around until ctx ends.
func (a *neighbours) Run(ctx context.Context) error {
	defer a.client.Close()
	tick := time.NewTicker(cmp.Or(a.n.c.lookAround, lookAround))
	defer tick.Stop()
	for {
		a.look(ctx)
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look asks who is there and tells the gRPC front. If no name server answers, all
// stay who were there.
func (a *neighbours) look(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	addrs, err := a.brokers(ctx)
	if failed := err != nil; failed != a.failed {
		a.failed = failed
		if failed && len(a.known) > 0 {
			a.n.c.Log.Warn("name servers do not say which other nodes there are; those known stay", "reason", err)
		}
	}
	if err != nil {
		return
	}
	maps.DeleteFunc(a.known, func(name string, _ neighbour) bool { _, ok := addrs[name]; return !ok })
	var all []grpc.Node
	for _, name := range slices.Sorted(maps.Keys(addrs)) {
		one := a.known[name]
		if one.addr != addrs[name] || time.Since(one.asked) > askAgain {
			one = a.ask(ctx, one, addrs[name])
			a.known[name] = one
		}
		if one.grpc != "" {
			all = append(all, grpc.Node{Name: name, Addr: one.grpc})
		}
	}
	a.n.grpc.SetNodes(all)
}

// brokers are the masters of this broker's cluster but itself, by name.
func (a *neighbours) brokers(ctx context.Context) (map[string]string, error) {
	var infos []wire.ClusterInfo
	if a.n.namesrv != nil {
		infos = append(infos, a.n.namesrv.Cluster(netip.AddrFrom4([4]byte{127, 0, 0, 1})))
	}
	if a.n.registrar != nil {
		info, err := a.n.registrar.Cluster(ctx)
		if err != nil {
			return nil, err
		}
		infos = append(infos, info)
	}
	all := map[string]string{}
	for _, info := range infos {
		for name, b := range info.Brokers {
			if addr := b.Addrs[0]; addr != "" && name != a.name && b.Cluster == a.cluster && len(all) < maxNeighbours {
				all[name] = addr
			}
		}
	}
	return all, nil
}

// ask asks a broker whether it answers gRPC clients. One that does not answer is
// what it was.
func (a *neighbours) ask(ctx context.Context, was neighbour, addr string) neighbour {
	found, err := a.portOf(ctx, addr)
	if err != nil {
		a.n.c.Log.Debug("a broker does not say whether it answers gRPC clients", "address", addr, "reason", err)
		if was.addr == addr {
			return was
		}
		return neighbour{}
	}
	return neighbour{addr: addr, grpc: found, asked: time.Now()}
}

func (a *neighbours) portOf(ctx context.Context, addr string) (string, error) {
	resp, err := a.client.Call(ctx, addr, wire.NewRequest(wire.GetBrokerConfig, nil))
	if err != nil {
		return "", err
	}
	if resp.Code != wire.CodeSuccess {
		return "", fmt.Errorf("code %d: %s", resp.Code, resp.Remark)
	}
	all, err := wire.DecodeProperties(resp.Body)
	if err != nil {
		return "", err
	}
	port := wire.PropertyMap(all)[grpcPortKey]
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
		return "", nil //nolint:nilerr // a Java broker, or one without
	}
	host, _, err := net.SplitHostPort(addr)
	return net.JoinHostPort(strings.Trim(host, "[]"), port), err
}
