package grpc

// Heartbeat: a client says every ten seconds or so that it is alive.
// NotifyClientTermination: it leaves.

import (
	"context"
	"strings"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// Heartbeat keeps the client in its groups.
func (m messaging) Heartbeat(ctx context.Context, req *rmq.HeartbeatRequest) (*rmq.HeartbeatResponse, error) {
	by := callerOf(ctx)
	c := m.clients.find(by.clientID)
	if c == nil || c.settings() == nil {
		return nil, refusef(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, "cannot find client settings for this client: send them on the telemetry stream first")
	}
	if err := m.owned(c, by, messagingService+"Heartbeat"); err != nil {
		return nil, err
	}
	c.update(nil, by)
	group := ""
	switch kind := c.settings().GetClientType(); kind {
	case rmq.ClientType_PRODUCER:
	case rmq.ClientType_PUSH_CONSUMER, rmq.ClientType_SIMPLE_CONSUMER, rmq.ClientType_PULL_CONSUMER,
		rmq.ClientType_LITE_PUSH_CONSUMER, rmq.ClientType_LITE_SIMPLE_CONSUMER:
		if err := checkGroup(req.GetGroup()); err != nil {
			return nil, err
		}
		group = req.GetGroup().GetName()
	default:
		return nil, refusef(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, "the settings are of a client of type %v; want a producer, a push consumer or a simple consumer", kind)
	}
	if err := m.join(ctx, c, group, false); err != nil {
		return nil, err
	}
	m.tellNodes(c, nil)
	return &rmq.HeartbeatResponse{Status: okay()}, nil
}

// NotifyClientTermination takes the client out of its groups and gives what is
// renewed for it back.
func (m messaging) NotifyClientTermination(ctx context.Context, req *rmq.NotifyClientTerminationRequest) (*rmq.NotifyClientTerminationResponse, error) {
	by := callerOf(ctx)
	c := m.clients.find(by.clientID)
	if c == nil {
		return nil, refusef(rmq.Code_UNRECOGNIZED_CLIENT_TYPE, "cannot find client settings for this client: it has left already, or has never sent them")
	}
	if err := m.owned(c, by, messagingService+"NotifyClientTermination"); err != nil {
		return nil, err
	}
	if req.GetGroup().GetName() != "" {
		if err := checkGroup(req.GetGroup()); err != nil {
			return nil, err
		}
	}
	m.forget(c)
	m.leave(c)
	m.leaveLite(ctx, c)
	m.giveUpRenewals(c.id)
	return &rmq.NotifyClientTerminationResponse{Status: okay()}, nil
}

// checkTopic says why a topic cannot be a client's.
func checkTopic(r *rmq.Resource) error {
	name := r.GetName()
	if err := mq.CheckTopic(name); err != nil {
		return invalid(rmq.Code_ILLEGAL_TOPIC, err)
	}
	if mq.IsSystemTopic(name) {
		return refusef(rmq.Code_ILLEGAL_TOPIC, "cannot access system topic %s", name)
	}
	return nil
}

// checkGroup says why a group cannot be a client's.
func checkGroup(r *rmq.Resource) error {
	name := r.GetName()
	if strings.TrimSpace(name) == "" {
		return refusef(rmq.Code_ILLEGAL_CONSUMER_GROUP, "the consumer group has no name")
	}
	if err := mq.CheckGroup(name); err != nil {
		return invalid(rmq.Code_ILLEGAL_CONSUMER_GROUP, err)
	}
	if mq.IsSystemGroup(name) {
		return refusef(rmq.Code_ILLEGAL_CONSUMER_GROUP, "cannot use system consumer group %s", name)
	}
	return nil
}
