package remoting

// GET_CONSUMER_CONNECTION_LIST (203), GET_PRODUCER_CONNECTION_LIST (204),
// GET_ALL_PRODUCER_INFO (328): who is connected. QUERY_SUBSCRIPTION_BY_CONSUMER
// (345): what a group wants of a topic.

import (
	"errors"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// consumerConnections answers with the members of a consumer group.
func consumerConnections(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetConsumerConnectionListRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	members, group, err := s.h.admin.Consumers(s.ctx, h.ConsumerGroup)
	if err != nil {
		return nil, err
	}
	body := wire.ConsumerConnection{
		Connections: connections(members), ConsumeType: group.Type, MessageModel: group.Model, ConsumeFromWhere: group.FromWhere,
		Subscriptions: make(map[string]wire.SubscriptionData, len(group.Subscriptions)),
	}
	for i := range group.Subscriptions {
		body.Subscriptions[group.Subscriptions[i].Topic] = subscriptionData(&group.Subscriptions[i])
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// producerConnections answers with the members of a producer group.
func producerConnections(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GetProducerConnectionListRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	members, err := s.h.admin.Producers(s.ctx, h.ProducerGroup)
	if errors.Is(err, mq.ErrNotOnline) || err == nil && len(members) == 0 {
		return nil, refusef(wire.CodeSystemError, "the producer group[%s] not exist: no producer of it is connected", h.ProducerGroup)
	}
	if err != nil {
		return nil, err
	}
	body := wire.ProducerConnection{Connections: connections(members)}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// connections is members as the wire has them.
func connections(members []mq.Connection) []wire.Connection {
	set := make([]wire.Connection, 0, len(members))
	for _, m := range members {
		set = append(set, wire.Connection{ClientAddr: m.Addr, ClientID: m.ClientID, Language: m.Language, Version: m.Version})
	}
	return set
}

// allProducers answers with the members of every producer group.
func allProducers(s *session, req *wire.Command) (*wire.Command, error) {
	groups := s.h.admin.AllProducers(s.ctx)
	body := wire.ProducerTableInfo{Data: make(map[string][]wire.ProducerInfo, len(groups))}
	for group, members := range groups {
		list := make([]wire.ProducerInfo, 0, len(members))
		for _, m := range members {
			list = append(list, wire.ProducerInfo{
				ClientID: m.ClientID, RemoteIP: m.Addr, Language: m.Language, Version: m.Version,
				LastUpdateTimestamp: millis(m.LastUpdate),
			})
		}
		body.Data[group] = list
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}

// groupSubscription answers with what a group said about a topic; without a
// subscription the answer lacks it.
func groupSubscription(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.QuerySubscriptionByConsumerRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	body := wire.QuerySubscriptionResult{Group: h.Group, Topic: h.Topic}
	if sub, known := s.h.broker.Subscription(s.ctx, h.Group, h.Topic, nil); known {
		data := subscriptionData(&sub)
		body.Subscription = &data
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}
