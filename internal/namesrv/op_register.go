package namesrv

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// REGISTER_BROKER(103), UNREGISTER_BROKER(104), QUERY_DATA_VERSION(322),
// BROKER_HEARTBEAT(904).
//
// Differences from RocketMQ: a refused registration leaves no trace (there the
// broker's name stays behind without addresses), and says why, also to a
// master older than the one that is there; two clusters cannot share a broker
// name; a process that changes its broker name leaves its old one.

const (
	maxName    = 255 // bytes of a cluster, broker or topic name, or an address
	maxTimeout = time.Hour
	// maxRegistered is how many broker processes may be registered over
	// connections from one address.
	maxRegistered = 1000
	zoneField     = "__ZONE_NAME"
)

// orderNamespace holds how many queues of which broker an ordered topic has.
const orderNamespace = "ORDER_TOPIC_CONFIG"

func (s *Server) registerBroker(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	r, err := decodeRegistration(cmd)
	if err != nil {
		return cmd.ReplyError(wire.CodeSystemError, err.Error())
	}
	s.mu.Lock()
	own := sessionOf(c)
	over := own.id != 0
	r.conn = s.connIDLocked(c)
	var out registered
	err = s.crowdedLocked(own, &r)
	if err == nil {
		out, err = s.mu.table.register(r, time.Now())
	}
	if err != nil && !over {
		delete(s.mu.conns, r.conn)
		own.id = 0
	}
	s.mu.Unlock()
	if err != nil {
		s.log.Warn("broker registration was refused", "broker", r.name, "id", r.id, "addr", r.addr, "reason", err)
		return cmd.ReplyError(wire.CodeSystemError, fmt.Sprintf("register broker failed: %v", err))
	}
	if out.firstFor {
		s.log.Info("broker registered", "broker", r.name, "id", r.id, "cluster", r.cluster, "addr", r.addr, "topics", len(r.topics))
	}
	s.notices.add(out.notices)

	h := &wire.RegisterBrokerResponse{HaServerAddr: out.ha}
	if out.master != nil {
		h.MasterAddr = out.master.at(c.LocalAddr().Addr())
	}
	if s.options.Load().HideOrderTopics {
		return cmd.Reply(wire.CodeSuccess, h)
	}
	order, ok := s.kv.list(orderNamespace)
	if !ok {
		return cmd.Reply(wire.CodeSuccess, h)
	}
	return withBody(cmd, h, wire.EncodeBody(wire.KVTable{Table: order}))
}

// crowdedLocked refuses one more process from an address with the most.
func (s *Server) crowdedLocked(own *session, r *registration) error {
	if s.mu.table.registered(r.cluster, r.addr) != nil {
		return nil
	}
	count := 0
	for _, l := range s.mu.table.live {
		if c := s.mu.conns[l.conn]; c != nil && sessionOf(c).from.Addr.Addr() == own.from.Addr.Addr() {
			count++
		}
	}
	if count < maxRegistered {
		return nil
	}
	return fmt.Errorf("%d broker processes are registered from %v, which is the most", count, own.from.Addr.Addr())
}

// decodeRegistration reads a REGISTER_BROKER request.
func decodeRegistration(cmd *wire.Command) (registration, error) {
	var h wire.RegisterBrokerRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return registration{}, err
	}
	if h.BodyCrc32 != 0 && h.BodyCrc32 != wire.BodyCRC(cmd.Body) {
		return registration{}, errors.New("crc32 not match")
	}
	r := registration{
		cluster: h.ClusterName, name: h.BrokerName, addr: h.BrokerAddr, ha: h.HaServerAddr, id: h.BrokerID,
		timeout: time.Duration(min(max(0, h.HeartbeatTimeoutMillis), maxTimeout.Milliseconds()) * int64(time.Millisecond)),
		acting:  h.EnableActingMaster.Value,
	}
	if err := r.check(); err != nil {
		return registration{}, err
	}
	r.old = !h.EnableActingMaster.Set
	if zone, _ := cmd.Fields.Get(zoneField); strings.TrimSpace(zone) != "" {
		r.zone = zone[:min(len(zone), maxName)]
	}
	if len(cmd.Body) == 0 {
		return r, nil
	}
	body, err := wire.DecodeRegisterBroker(cmd.Body, h.Compressed)
	if err != nil {
		return registration{}, err
	}
	r.version, r.topics, r.static = body.Topics.DataVersion, body.Topics.Topics, body.Topics.Mappings
	// A mapping goes when its topic goes, so it may not come without.
	for topic, m := range r.static {
		if _, ok := r.topics[topic]; !ok {
			delete(r.static, topic)
			continue
		}
		m.BrokerName = r.name
		r.static[topic] = m
	}
	for name := range r.topics {
		if len(name) == 0 || len(name) > maxName {
			return registration{}, fmt.Errorf("a topic name has %d bytes; 1 to %d are allowed", len(name), maxName)
		}
	}
	return r, nil
}

// check refuses what would make a table that clients cannot use.
func (r *registration) check() error {
	for _, n := range []struct{ what, value string }{
		{"clusterName", r.cluster}, {"brokerName", r.name}, {"brokerAddr", r.addr},
	} {
		if n.value == "" || len(n.value) > maxName {
			return fmt.Errorf("%s has %d bytes; 1 to %d are allowed", n.what, len(n.value), maxName)
		}
	}
	if r.id < 0 {
		return fmt.Errorf("brokerId is %d; it starts at 0", r.id)
	}
	if host, port, err := net.SplitHostPort(r.addr); err != nil || host == "" || port == "" {
		return fmt.Errorf("brokerAddr %q is not host:port; set brokerIP1 and listenPort of the broker", r.addr)
	}
	return nil
}

func (s *Server) unregisterBroker(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.UnregisterBrokerRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	s.mu.Lock()
	notices := s.mu.table.unregister(h.ClusterName, h.BrokerName, h.BrokerAddr)
	s.mu.Unlock()
	s.log.Info("broker unregistered", "broker", h.BrokerName, "id", h.BrokerID, "cluster", h.ClusterName, "addr", h.BrokerAddr)
	s.notices.add(notices)
	return cmd.Reply(wire.CodeSuccess, nil)
}

func (s *Server) queryDataVersion(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.QueryDataVersionRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	var asked wire.DataVersion
	if len(cmd.Body) > 0 {
		if err := wire.DecodeBody(cmd.Body, &asked); err != nil {
			return invalid(cmd, err)
		}
	}
	s.mu.Lock()
	known, ok := s.mu.table.version(h.ClusterName, h.BrokerAddr)
	s.mu.table.heartbeat(h.ClusterName, h.BrokerAddr, time.Now())
	s.mu.Unlock()
	resp := cmd.Reply(wire.CodeSuccess, &wire.QueryDataVersionResponse{Changed: !ok || asked != known})
	if ok {
		resp.Body = wire.EncodeBody(known)
	}
	return resp
}

func (s *Server) brokerHeartbeat(c *rpc.Conn, cmd *wire.Command) *wire.Command {
	var h wire.BrokerHeartbeatRequest
	if err := h.DecodeFields(cmd.Fields); err != nil {
		return invalid(cmd, err)
	}
	s.mu.Lock()
	s.mu.table.heartbeat(h.ClusterName, h.BrokerAddr, time.Now())
	s.mu.Unlock()
	return cmd.Reply(wire.CodeSuccess, nil)
}

// hostOf is the address a client dialled to reach this process.
func hostOf(c *rpc.Conn) netip.Addr {
	return cmp.Or(c.LocalAddr().Addr(), netip.AddrFrom4([4]byte{127, 0, 0, 1}))
}
