package namesrv

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// A LocalBroker is a broker in the name server's own process.
type LocalBroker struct {
	Cluster string
	Name    string
	ID      int64  // 0 is a master
	Port    uint16 // where the broker listens

	// Advertised is the host, or host:port, that clients are to be given. Empty
	// gives each client the address at which it reached the name server, with
	// Port: what it dialled works for it.
	Advertised string

	// Topics are the broker's topics at the moment. It is called by Local.
	Topics func() ([]mq.Topic, mq.DataVersion)
}

// A Local is a LocalBroker's place in the table. It stays until Leave.
type Local struct {
	s *Server
	b LocalBroker
}

// Local enters a broker of this process into the table.
func (s *Server) Local(b LocalBroker) (*Local, error) {
	if b.Port == 0 || b.Topics == nil {
		return nil, errors.New("namesrv: a local broker needs a port and topics")
	}
	check := registration{cluster: b.Cluster, name: b.Name, id: b.ID, addr: b.addr()}
	if check.addr == "" {
		check.addr = "local:" + strconv.Itoa(int(b.Port))
	}
	if err := check.check(); err != nil {
		return nil, fmt.Errorf("namesrv: local broker: %w", err)
	}
	l := &Local{s, b}
	if err := l.enter(); err != nil {
		return nil, fmt.Errorf("namesrv: local broker: %w", err)
	}
	return l, nil
}

// addr is the advertised host:port, empty if there is none.
func (b LocalBroker) addr() string {
	if b.Advertised == "" {
		return ""
	}
	if _, _, err := net.SplitHostPort(b.Advertised); err == nil {
		return b.Advertised
	}
	return net.JoinHostPort(b.Advertised, strconv.Itoa(int(b.Port)))
}

func (l *Local) enter() error {
	topics, version := l.b.Topics()
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	_, err := l.s.mu.table.register(registration{
		cluster: l.b.Cluster, name: l.b.Name, id: l.b.ID, addr: l.b.addr(), port: l.b.Port,
		here: true, version: dataVersion(version), topics: topicConfigs(topics),
	}, time.Now())
	return err
}

func dataVersion(v mq.DataVersion) wire.DataVersion {
	return wire.DataVersion{Counter: v.Counter, StateVersion: v.StateVersion, Timestamp: v.Timestamp}
}

func topicConfig(t mq.Topic) wire.TopicConfig {
	return wire.TopicConfig{
		Attributes: t.Attributes, Order: t.Order, Perm: t.Perm, ReadQueueNums: t.ReadQueues,
		TopicFilterType: cmp.Or(t.FilterType, "SINGLE_TAG"), TopicName: t.Name,
		TopicSysFlag: t.SysFlag, WriteQueueNums: t.WriteQueues,
	}
}

func topicConfigs(topics []mq.Topic) map[string]wire.TopicConfig {
	out := make(map[string]wire.TopicConfig, len(topics))
	for _, t := range topics {
		out[t.Name] = topicConfig(t)
	}
	return out
}

// Withdraw ends the route of a topic that was deleted. Clients see it when
// Withdraw returns.
func (l *Local) Withdraw(topic string) {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.mu.table.dropQueues(topic, l.b.Name)
}

// Publish enters one topic that was created or changed. Clients see it when
// Publish returns.
func (l *Local) Publish(_ context.Context, t mq.Topic) error {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	return l.s.mu.table.putTopic(t.Name, queueData(l.b.Name, topicConfig(t)))
}

// Leave takes the broker out of the table.
func (l *Local) Leave() {
	l.s.mu.Lock()
	defer l.s.mu.Unlock()
	l.s.mu.table.remove(l.b.Name, l.b.ID)
}

// AddressFor is the address of the broker that a client is given who reached
// the name server at local, and why it is that one.
func (b LocalBroker) AddressFor(local netip.Addr) (addr, why string) {
	if addr := b.addr(); addr != "" {
		return addr, "it is the advertised address"
	}
	return member{port: b.Port}.at(local),
		"no address is advertised and broker and name server are one process, so a client is given the address at which it reached the name server, with the broker's port"
}

// Cluster is all brokers, for who reached this name server at local.
func (s *Server) Cluster(local netip.Addr) wire.ClusterInfo {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.table.clusterInfo(local)
}

// A Given is the address of a broker that a client is given, and why.
type Given struct {
	Broker string
	ID     int64
	Addr   string
	Why    string
}

// Resolve says which broker addresses a client is given who reached this name
// server at local.
func (s *Server) Resolve(local netip.Addr) []Given {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Given
	for _, b := range s.mu.table.sortedBrokers() {
		for _, m := range b.members {
			g := Given{Broker: b.name, ID: m.id, Addr: m.at(local)}
			switch {
			case m.addr == "":
				_, g.Why = LocalBroker{Port: m.port}.AddressFor(local)
			case m.here:
				g.Why = "it is the advertised address"
			default:
				g.Why = "it is the address the broker registered with (brokerIP1 and listenPort of that broker)"
			}
			out = append(out, g)
		}
	}
	return out
}
