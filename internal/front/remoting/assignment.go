package remoting

// QUERY_ASSIGNMENT (400): which queues a client shall consume and how, for
// clients that leave it to the broker. Popping consumers have to.

import (
	"errors"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// queryAssignment answers with queues. Without a list the client keeps those
// that it has: the topic, or who is in the group, is not known here.
func queryAssignment(s *session, req *wire.Command) (*wire.Command, error) {
	var body wire.QueryAssignmentBody
	if err := wire.DecodeBody(req.Body, &body); err != nil {
		return nil, malformed(req, err)
	}
	if body.Topic == "" || body.ConsumerGroup == "" {
		return nil, badRequest("%v needs a topic and a consumerGroup", req.Code)
	}
	queues, err := s.h.broker.Assign(s.ctx, mq.AssignmentRequest{
		Group: body.ConsumerGroup, Topic: body.Topic, ClientID: body.ClientID, Strategy: body.StrategyName,
		Broadcasting: body.MessageModel == "BROADCASTING",
	})
	if errors.Is(err, mq.ErrTopicNotFound) || errors.Is(err, mq.ErrNotOnline) {
		return ok(req, nil, []byte("{}")), nil
	}
	if err != nil {
		return nil, err
	}
	result := wire.QueryAssignmentResult{Assignments: make([]wire.Assignment, 0, len(queues))}
	for _, a := range queues {
		result.Assignments = append(result.Assignments, wire.Assignment{
			Queue: wire.MessageQueue{BrokerName: a.Broker, QueueID: a.Queue.ID, Topic: a.Queue.Topic}, Mode: a.Mode,
		})
	}
	return ok(req, nil, wire.EncodeBody(result)), nil
}
