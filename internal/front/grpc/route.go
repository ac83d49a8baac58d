package grpc

// QueryRoute: the queues of a topic, where they are and what may be sent to
// them. QueryAssignment: those that a push consumer shall receive from.

import (
	"context"
	"net"
	"net/netip"
	"strconv"

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
	if err != nil {
		return nil, err
	}
	broker := &rmq.Broker{Name: m.o.Name, Endpoints: where}
	types := acceptedTypes(&t)
	resp := &rmq.QueryRouteResponse{Status: okay()}
	id := int32(0)
	for _, part := range permissions(&t) {
		for range part.count {
			resp.MessageQueues = append(resp.MessageQueues, &rmq.MessageQueue{
				Topic: req.Topic, Id: id, Permission: part.permission, Broker: broker, AcceptMessageTypes: types,
			})
			id++
		}
	}
	return resp, nil
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
	scheme := rmq.AddressScheme_DOMAIN_NAME
	if addr, err := netip.ParseAddr(host); err == nil {
		scheme = rmq.AddressScheme_IPv4
		if addr.Is6() {
			scheme = rmq.AddressScheme_IPv6
		}
	}
	return &rmq.Endpoints{Scheme: scheme, Addresses: []*rmq.Address{{Host: host, Port: port}}}
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
	resp := &rmq.QueryAssignmentResponse{Status: okay()}
	add := func(id int32) {
		resp.Assignments = append(resp.Assignments, &rmq.Assignment{MessageQueue: &rmq.MessageQueue{
			Topic: req.Topic, Id: id, Permission: permission, Broker: broker,
		}})
	}
	if !m.group(ctx, req.GetGroup().GetName()).ConsumeOrderly || t.Attributes[attributeType] == typeLite {
		add(-1)
		return resp, nil
	}
	for id := range t.ReadQueues {
		add(id)
	}
	return resp, nil
}
