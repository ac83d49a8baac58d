package remoting

// What operators do with transactions: RESUME_CHECK_HALF_MESSAGE (323), as in
// RocketMQ for one that was given up and here for every pending one, and two
// requests of our own, GODDARD_LIST_TRANSACTIONS (20001) and
// GODDARD_SETTLE_TRANSACTION (20002).

import (
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// checkTransaction has a producer asked about a half message.
func checkTransaction(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.ResumeCheckHalfMessageRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	_, at, err := mq.ParseOffsetID(h.MsgID)
	if err == nil {
		err = s.h.admin.CheckTransaction(s.ctx, at)
	}
	if err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// settleTransaction commits or rolls back a half message by hand.
func settleTransaction(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GoddardSettleTransactionRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	outcome, err := outcomeOf(h.CommitOrRollback)
	if err != nil {
		return nil, err
	}
	_, at, err := mq.ParseOffsetID(h.MsgID)
	if err == nil {
		err = s.h.admin.SettleTransaction(s.ctx, at, outcome)
	}
	if err != nil {
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// listTransactions answers with half messages that are not ended.
func listTransactions(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.GoddardListTransactionsRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	all, err := s.h.admin.Transactions(s.ctx, mq.QueueOffset(h.After.Or(-1)), int(h.Max))
	if err != nil {
		return nil, err
	}
	body := wire.TransactionList{Transactions: make([]wire.Transaction, 0, len(all))}
	for _, t := range all {
		body.Transactions = append(body.Transactions, wire.Transaction{
			Offset: int64(t.Offset), MsgID: t.OffsetID, UniqueKey: t.UniqueKey, Topic: t.Topic, QueueID: t.QueueID, Group: t.Group,
			BornTimestamp: millis(t.Born), StoreTimestamp: millis(t.Stored), Size: t.Size, Checks: t.Checks, GivenUp: t.GivenUp,
		})
	}
	return ok(req, nil, wire.EncodeBody(body)), nil
}
