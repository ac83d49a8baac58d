package grpc

// EndTransaction: a producer commits or rolls back a half message, after it has
// sent it or because RecoverOrphanedTransaction asked. The transaction id says
// where the half message lies, so nothing is remembered between the calls.
// RecallMessage: it calls a delayed message back.

import (
	"context"
	"errors"
	"fmt"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// EndTransaction tells the broker what became of a half message. The producer's
// group is its topic.
func (m messaging) EndTransaction(ctx context.Context, req *rmq.EndTransactionRequest) (*rmq.EndTransactionResponse, error) {
	if err := checkTopic(req.GetTopic()); err != nil {
		return nil, err
	}
	if blank(req.GetTransactionId()) {
		return nil, refusef(rmq.Code_INVALID_TRANSACTION_ID, "transaction id cannot be empty")
	}
	id, err := parseTransactionID(req.GetTransactionId())
	if err != nil {
		return nil, err
	}
	if n := m.nodeOf(ctx, id.Broker); n != nil {
		return hand(ctx, m.Server, n, rmq.MessagingServiceClient.EndTransaction, req)
	}
	named := req.GetTopic().GetName()
	end := mq.TransactionEnd{
		Group: named, Offset: id.Offset, Pos: id.Pos,
		Checked: req.GetSource() == rmq.TransactionSource_SOURCE_SERVER_CHECK,
		// Of another topic than the one that the call names, and that its sender may
		// send to, it is refused: groups of the remoting protocol can be named as
		// topics are.
		May: func(topic string) error {
			if topic != named {
				return fmt.Errorf("%w: the topic wrong: the message at log position %d is not for %s", mq.ErrTransaction, id.Pos, named)
			}
			return nil
		},
	}
	switch req.GetResolution() {
	case rmq.TransactionResolution_COMMIT:
		end.Outcome = mq.OutcomeCommit
	case rmq.TransactionResolution_ROLLBACK:
		end.Outcome = mq.OutcomeRollback
	}
	if err := m.endOne(ctx, end); err != nil {
		return nil, err
	}
	return &rmq.EndTransactionResponse{Status: okay()}, nil
}

// endOne ends one transaction and waits for that.
func (s *Server) endOne(ctx context.Context, e mq.TransactionEnd) error {
	ended := make(chan error, 1)
	s.broker.EndTransactions(&mq.EndBatch{
		Ends: []mq.TransactionEnd{e}, Done: func(b *mq.EndBatch) { ended <- b.Ends[0].Err },
	})
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// RecallMessage answers with the message's id.
func (m messaging) RecallMessage(ctx context.Context, req *rmq.RecallMessageRequest) (*rmq.RecallMessageResponse, error) {
	if err := checkTopic(req.GetTopic()); err != nil {
		return nil, err
	}
	if h, err := mq.ParseRecallHandle(req.GetRecallHandle()); err == nil {
		if n := m.nodeOf(ctx, h.Broker); n != nil {
			return hand(ctx, m.Server, n, rmq.MessagingServiceClient.RecallMessage, req)
		}
	}
	id, err := m.broker.Recall(ctx, req.GetTopic().GetName(), req.GetRecallHandle())
	switch {
	case errors.Is(err, mq.ErrInvalid), errors.Is(err, mq.ErrNotFound), errors.Is(err, mq.ErrDenied):
		return nil, refusef(rmq.Code_INTERNAL_SERVER_ERROR, "%v", err) // as RocketMQ's proxy
	case err != nil:
		return nil, err
	}
	return &rmq.RecallMessageResponse{Status: okay(), MessageId: id}, nil
}
