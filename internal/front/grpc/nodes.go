package grpc

import (
	"context"
	"crypto/tls"
	"hash/fnv"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/encoding"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

const (
	// maxNodes bounds the other nodes of a cluster that are remembered.
	maxNodes = 1024
	// routeAge is how long what other nodes have of a topic is remembered,
	// maxRoutes of how many topics, and routeTime how long one is asked for.
	routeAge  = 2 * time.Second
	maxRoutes = 4096
	routeTime = 2 * time.Second
)

// A Node is another server for gRPC clients in the same cluster.
type Node struct {
	Name string // of its broker
	Addr string // host:port
}

// A node is one that calls are handed to. Its connection is made when it is
// first needed.
type node struct {
	Node
	gone   bool // name servers do not know it any more; under the mu of nodes
	conn   *grpc.ClientConn
	client rmq.MessagingServiceClient
}

// nodes are all others, by the names of their brokers.
type nodes struct {
	// mu guards both maps. Nothing is called while it is held.
	mu struct {
		sync.Mutex
		byName map[string]*node
		routes map[string]places // of topics, for users
	}
}

// places are where else a topic is.
type places struct {
	all   []place
	until time.Time
}

// A place is what a node has of a topic.
type place struct {
	node   *node
	queues []*rmq.MessageQueue
}

func newNodes() *nodes {
	n := &nodes{}
	n.mu.byName, n.mu.routes = map[string]*node{}, map[string]places{}
	return n
}

// SetNodes says which other nodes there are. One that is not named any more is
// in no route; calls for it are still tried.
func (s *Server) SetNodes(all []Node) {
	t := s.nodes
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, old := range t.mu.byName {
		old.gone = !slices.Contains(all, old.Node)
	}
	for _, n := range all {
		old := t.mu.byName[n.Name]
		if n.Name == s.o.Name || old != nil && old.Node == n {
			continue
		}
		if old == nil && len(t.mu.byName) >= maxNodes {
			s.log.Warn("a node is left out: there are too many", "broker", n.Name, "limit", maxNodes)
			continue
		}
		conn, err := grpc.NewClient("passthrough:///"+n.Addr, append(s.vouching(n.Name), grpc.WithTransportCredentials(s.nodeCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(sealing{encoding.GetCodecV2("proto")}),
				grpc.MaxCallRecvMsgSize(s.o.MaxMessage), grpc.MaxCallSendMsgSize(s.o.MaxMessage)))...)
		if err != nil {
			s.log.Warn("a node is left out: its address cannot be used", "broker", n.Name, "address", n.Addr, "error", err)
			continue
		}
		if old != nil {
			_ = old.conn.Close()
		}
		t.mu.byName[n.Name] = &node{Node: n, conn: conn, client: rmq.NewMessagingServiceClient(conn)}
		s.log.Info("another node answers gRPC clients", "broker", n.Name, "address", n.Addr)
	}
}

// nodeCredentials are how nodes talk to each other: by TLS, unless grpc-tls is
// off. Without Peers they take each other's certificates as they are, as each
// has one of its own making.
func (s *Server) nodeCredentials() credentials.TransportCredentials {
	switch {
	case s.o.TLSMode == TLSOff:
		return insecure.NewCredentials()
	case s.o.Peers != nil:
		return credentials.NewTLS(s.o.Peers)
	}
	return credentials.NewTLS(&tls.Config{InsecureSkipVerify: true, MinVersion: tls.VersionTLS12}) //nolint:gosec // see above
}

// closeNodes ends the connections to other nodes.
func (s *Server) closeNodes() {
	t := s.nodes
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.mu.byName {
		_ = n.conn.Close()
	}
	clear(t.mu.byName)
}

// find is the node of a broker, or nil.
func (t *nodes) find(broker string) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.byName[broker]
}

// present are the nodes that name servers know.
func (t *nodes) present() (all []*node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, n := range t.mu.byName {
		if !n.gone {
			all = append(all, n)
		}
	}
	return all
}

// endpoints is where a node is.
func (n *node) endpoints() *rmq.Endpoints {
	host, port, _ := net.SplitHostPort(n.Addr)
	p, _ := strconv.ParseUint(port, 10, 16)
	return &rmq.Endpoints{Scheme: schemeOf(host), Addresses: []*rmq.Address{{Host: host, Port: int32(p)}}}
}

// elsewhere are the places of a topic on other nodes, sorted by their brokers. A
// node that does not have the topic is none; one that does not answer is what it
// was when it last did, until name servers forget it, so that an order does not
// move because of a lost answer. A call that was handed on is answered for this
// node alone.
func (s *Server) elsewhere(ctx context.Context, topic *rmq.Resource) []place {
	all := s.nodes.present()
	if len(all) == 0 || handedOn(ctx) {
		return nil
	}
	t, key := s.nodes, topic.GetResourceNamespace()+"\x00"+topic.GetName()+"\x00"+callerOf(ctx).user
	t.mu.Lock()
	known := t.mu.routes[key]
	t.mu.Unlock()
	if time.Now().Before(known.until) {
		return known.all
	}
	// The answer is for others too, so it does not hang on how long this caller waits.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), routeTime)
	defer cancel()
	found := make([]place, len(all))
	var asking sync.WaitGroup
	for i, n := range all {
		asking.Go(func() {
			resp, err := n.client.QueryRoute(s.onwards(ctx), &rmq.QueryRouteRequest{Topic: topic, Endpoints: n.endpoints()})
			if err != nil {
				s.log.Debug("a node does not answer for its routes", "broker", n.Name, "address", n.Addr, "error", err)
				if was := slices.IndexFunc(known.all, func(p place) bool { return p.node == n }); was >= 0 {
					found[i] = known.all[was]
				}
				return
			}
			found[i] = place{n, resp.GetMessageQueues()}
		})
	}
	asking.Wait()
	found = slices.DeleteFunc(found, func(p place) bool { return len(p.queues) == 0 })
	slices.SortFunc(found, func(a, b place) int { return strings.Compare(a.node.Name, b.node.Name) })
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.mu.routes) >= maxRoutes {
		clear(t.mu.routes)
	}
	t.mu.routes[key] = places{found, time.Now().Add(routeAge)}
	return found
}

// writable reports whether messages may be sent to a place.
func (p place) writable() bool {
	return slices.ContainsFunc(p.queues, func(q *rmq.MessageQueue) bool {
		return q.Permission == rmq.Permission_WRITE || q.Permission == rmq.Permission_READ_WRITE
	})
}

// home is the node that messages of one topic belong to; nil if that is this one.
// What has an order belongs to one node, whoever sends it where.
func (s *Server) home(ctx context.Context, messages []*rmq.Message) *node {
	if len(messages) == 0 || len(s.nodes.present()) == 0 || handedOn(ctx) {
		return nil
	}
	topic, p := messages[0].GetTopic(), messages[0].GetSystemProperties()
	if checkTopic(topic) != nil {
		return nil
	}
	t, err := s.admin.Topic(ctx, topic.GetName())
	here := err == nil && t.Perm&mq.PermWrite != 0 && t.WriteQueues > 0
	order := p.GetMessageGroup() + p.GetLiteTopic()
	if here && order == "" {
		return nil
	}
	all := slices.DeleteFunc(slices.Clone(s.elsewhere(ctx, topic)), func(p place) bool { return !p.writable() })
	var best *node
	most := uint64(0)
	if order == "" {
		order = p.GetMessageId() // any, and another for the next
	}
	if here {
		most = weight(s.o.Name, order)
	}
	for _, p := range all {
		if w := weight(p.node.Name, order); w > most {
			best, most = p.node, w
		}
	}
	return best
}

// weight is how much a broker is worth to messages of an order: they belong to
// the one of the greatest.
func weight(broker, order string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(order))
	h.Write([]byte{0})
	h.Write([]byte(broker))
	x := h.Sum64()
	x ^= x >> 33 // FNV's high bits hardly know the last bytes
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	return x
}
