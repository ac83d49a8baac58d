package remoting

// LOCK_BATCH_MQ (41), UNLOCK_BATCH_MQ (42): a consumer that consumes in order
// takes queues for itself, and renews that before a minute is over.

import (
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// maxLocks is how many queues one request may name.
const maxLocks = 65536

// lockQueues answers with the queues that the client holds.
func lockQueues(s *session, req *wire.Command) (*wire.Command, error) {
	body, queues, err := decodeLock(req)
	if err != nil {
		return nil, err
	}
	held, err := s.h.broker.Lock(s.ctx, body.ConsumerGroup, body.ClientID, queues)
	if err != nil {
		return nil, err
	}
	// The client compares queues as it wrote them, the broker's name included.
	written := make(map[mq.Queue]wire.MessageQueue, len(queues))
	for i, q := range queues {
		written[q] = body.Queues[i]
	}
	result := wire.LockResult{Queues: make([]wire.MessageQueue, 0, len(held))}
	for _, q := range held {
		result.Queues = append(result.Queues, written[q])
	}
	return ok(req, nil, wire.EncodeBody(result)), nil
}

// unlockQueues gives queues back.
func unlockQueues(s *session, req *wire.Command) (*wire.Command, error) {
	body, queues, err := decodeLock(req)
	if err != nil {
		return nil, err
	}
	if err := s.h.broker.Unlock(s.ctx, body.ConsumerGroup, body.ClientID, queues); err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// decodeLock reads the body of both; the two lists run in parallel.
func decodeLock(req *wire.Command) (*wire.LockBody, []mq.Queue, error) {
	var body wire.LockBody
	if err := wire.DecodeBody(req.Body, &body); err != nil {
		return nil, nil, malformed(req, err)
	}
	switch {
	case body.ConsumerGroup == "" || body.ClientID == "":
		return nil, nil, badRequest("%v needs a consumerGroup and a clientId", req.Code)
	case len(body.Queues) > maxLocks:
		return nil, nil, badRequest("%v names %d queues, at most %d are accepted", req.Code, len(body.Queues), maxLocks)
	}
	queues := make([]mq.Queue, len(body.Queues))
	for i, q := range body.Queues {
		queues[i] = mq.Queue{Topic: q.Topic, ID: q.QueueID}
	}
	return &body, queues, nil
}
