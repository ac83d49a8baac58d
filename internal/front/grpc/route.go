package grpc

// QueryRoute: the queues of a topic, where they are and what may be sent to
// them. QueryAssignment: those that a push consumer shall receive from.

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// maxAddresses bounds the addresses that a client names itself by.
const maxAddresses = 64

// attributeType is the attribute that holds a topic's message type.
const attributeType = "message.type"

// typeMixed is the type of topics that take all ordinary ones.
const typeMixed = "MIXED"

// typeLite is the type of topics that have lite topics below them.
const typeLite = "LITE"

// QueryRoute answers with the topic's queues.
func (m messaging) QueryRoute(ctx context.Context, req *rmq.QueryRouteRequest) (*rmq.QueryRouteResponse, error) {
	if err := checkTopic(req.GetTopic()); err != nil {
		return nil, err
	}
	where, err := m.endpoints(req.GetEndpoints())
	if err != nil {
		return nil, err
	}
	t, err := m.admin.Topic(ctx, req.GetTopic().GetName())
	if err != nil && !errors.Is(err, mq.ErrTopicNotFound) {
		return nil, err
	}
	resp := &rmq.QueryRouteResponse{Status: okay()}
	if err == nil {
		resp.MessageQueues = m.queuesOf(req.Topic, &t, where)
	}
	for _, p := range m.elsewhere(ctx, req.GetTopic()) {
		resp.MessageQueues = append(resp.MessageQueues, p.queues...)
	}
	if len(resp.MessageQueues) == 0 {
		return nil, err
	}
	// Every node says the same: clients choose among the queues by their order.
	slices.SortStableFunc(resp.MessageQueues, func(a, b *rmq.MessageQueue) int {
		return strings.Compare(a.GetBroker().GetName(), b.GetBroker().GetName())
	})
	return resp, nil
}

// queuesOf are a topic's queues here.
func (s *Server) queuesOf(name *rmq.Resource, t *mq.Topic, where *rmq.Endpoints) (all []*rmq.MessageQueue) {
	broker, types := &rmq.Broker{Name: s.o.Name, Endpoints: where}, acceptedTypes(t)
	id := int32(0)
	for _, part := range permissions(t) {
		for range part.count {
			all = append(all, &rmq.MessageQueue{Topic: name, Id: id, Permission: part.permission, Broker: broker, AcceptMessageTypes: types})
			id++
		}
	}
	return all
}

// queues are some that have a permission in common.
type queues struct {
	count      int32
	permission rmq.Permission
}

// permissions says how many of a topic's queues may be read, written and both,
// in the order of their ids in a route.
func permissions(t *mq.Topic) []queues {
	read, write := t.Perm&mq.PermRead != 0, t.Perm&mq.PermWrite != 0
	switch {
	case read && write:
		both := min(t.ReadQueues, t.WriteQueues)
		return []queues{
			{t.ReadQueues - both, rmq.Permission_READ}, {t.WriteQueues - both, rmq.Permission_WRITE}, {both, rmq.Permission_READ_WRITE},
		}
	case write:
		return []queues{{t.WriteQueues, rmq.Permission_WRITE}}
	case read:
		return []queues{{t.ReadQueues, rmq.Permission_READ}}
	}
	return []queues{{max(1, t.ReadQueues, t.WriteQueues), rmq.Permission_NONE}}
}

// acceptedTypes is what may be sent to a topic. One that nobody gave a type
// takes ordinary messages.
func acceptedTypes(t *mq.Topic) []rmq.MessageType {
	switch name := t.Attributes[attributeType]; name {
	case "", "NORMAL":
		return []rmq.MessageType{rmq.MessageType_NORMAL}
	case typeMixed:
		return []rmq.MessageType{rmq.MessageType_NORMAL, rmq.MessageType_FIFO, rmq.MessageType_DELAY, rmq.MessageType_TRANSACTION}
	default:
		return []rmq.MessageType{rmq.MessageType(rmq.MessageType_value[name])}
	}
}

// endpoints is where the client finds this server: where it says that it
// dialled, unless the configuration says otherwise.
func (s *Server) endpoints(dialled *rmq.Endpoints) (*rmq.Endpoints, error) {
	if s.o.Advertised != "" {
		return s.advertised(), nil
	}
	if n := len(dialled.GetAddresses()); n == 0 || n > maxAddresses {
		return nil, refusef(rmq.Code_ILLEGAL_ACCESS_POINT, "the request names %d addresses of this server, want 1 to %d: those that the client dials", n, maxAddresses)
	}
	return dialled, nil
}

// advertised is what the configuration says.
func (s *Server) advertised() *rmq.Endpoints {
	host, port := s.o.Advertised, int32(s.Addr().Port())
	if h, p, err := net.SplitHostPort(host); err == nil {
		host = h
		if n, err := strconv.ParseUint(p, 10, 16); err == nil {
			port = int32(n)
		}
	}
	return &rmq.Endpoints{Scheme: schemeOf(host), Addresses: []*rmq.Address{{Host: host, Port: port}}}
}

// schemeOf says what kind of address a host is.
func schemeOf(host string) rmq.AddressScheme {
	addr, err := netip.ParseAddr(host)
	switch {
	case err != nil:
		return rmq.AddressScheme_DOMAIN_NAME
	case addr.Is6():
		return rmq.AddressScheme_IPv6
	}
	return rmq.AddressScheme_IPv4
}

// QueryAssignment answers with one entry for all queues, or, for a group that
// consumes in order, one for each. Lite topics have an order of their own.
func (m messaging) QueryAssignment(ctx context.Context, req *rmq.QueryAssignmentRequest) (*rmq.QueryAssignmentResponse, error) {
	if err := checkTopic(req.GetTopic()); err != nil {
		return nil, err
	}
	if err := checkGroup(req.GetGroup()); err != nil {
		return nil, err
	}
	where, err := m.endpoints(req.GetEndpoints())
	if err != nil {
		return nil, err
	}
	resp := &rmq.QueryAssignmentResponse{Status: okay()}
	resp.Assignments, err = m.assignments(ctx, req, where)
	for _, p := range m.elsewhere(ctx, req.GetTopic()) {
		theirs, failed := hand(ctx, m.Server, p.node, rmq.MessagingServiceClient.QueryAssignment, &rmq.QueryAssignmentRequest{
			Topic: req.Topic, Group: req.Group, Endpoints: p.node.endpoints(),
		})
		if failed != nil {
			m.log.Debug("a node is in no assignment: it does not answer", "broker", p.node.Name, "error", failed)
			continue
		}
		resp.Assignments = append(resp.Assignments, theirs.GetAssignments()...)
	}
	if len(resp.Assignments) == 0 {
		return nil, err
	}
	return resp, nil
}

// assignments are those of this node.
func (m messaging) assignments(ctx context.Context, req *rmq.QueryAssignmentRequest, where *rmq.Endpoints) (all []*rmq.Assignment, err error) {
	t, err := m.admin.Topic(ctx, req.GetTopic().GetName())
	if err != nil {
		return nil, err
	}
	if t.Perm&mq.PermRead == 0 || t.ReadQueues <= 0 {
		return nil, refusef(rmq.Code_FORBIDDEN, "no readable queue: topic %s has %d queues to read and permission %d", t.Name, t.ReadQueues, t.Perm)
	}
	broker, permission := &rmq.Broker{Name: m.o.Name, Endpoints: where}, rmq.Permission_READ
	if t.Perm&mq.PermWrite != 0 {
		permission = rmq.Permission_READ_WRITE
	}
	add := func(id int32) {
		all = append(all, &rmq.Assignment{MessageQueue: &rmq.MessageQueue{Topic: req.Topic, Id: id, Permission: permission, Broker: broker}})
	}
	if !m.group(ctx, req.GetGroup().GetName()).ConsumeOrderly || t.Attributes[attributeType] == typeLite {
		add(-1)
		return all, nil
	}
	for id := range t.ReadQueues {
		add(id)
	}
	return all, nil
}
