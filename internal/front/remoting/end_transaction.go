package remoting

// END_TRANSACTION (37): a producer commits or rolls back a half message, after
// it has sent it or because CHECK_TRANSACTION_STATE (39) asked. Clients send it
// oneway. Unknown (0) changes nothing; RocketMQ does not answer it at all.

import (
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// endTransaction tells the broker what became of a half message.
func endTransaction(s *session, req *wire.Command) (*wire.Command, error) {
	var h wire.EndTransactionRequest
	if err := h.DecodeFields(req.Fields); err != nil {
		return nil, malformed(req, err)
	}
	outcome, err := outcomeOf(h.CommitOrRollback)
	if err != nil {
		return nil, err
	}
	if err := s.mayEnd(req, mq.LogPos(h.CommitLogOffset)); err != nil {
		return nil, err
	}
	err = s.h.broker.EndTransaction(s.ctx, mq.TransactionEnd{
		Group: h.ProducerGroup, Offset: mq.QueueOffset(h.TranStateTableOffset), Pos: mq.LogPos(h.CommitLogOffset),
		Outcome: outcome, Checked: h.FromTransactionCheck,
	})
	if err != nil {
		// Nobody sees the answer to a oneway request.
		s.h.log.Info("a transaction was not ended", "group", h.ProducerGroup, "message", h.MsgID, "remote_address", s.remote, "error", err)
		return nil, err
	}
	return ok(req, nil, nil), nil
}

// outcomeOf is an outcome by its bits in a message's system flag.
func outcomeOf(flag int32) (mq.Outcome, error) {
	switch mq.SysFlag(flag) {
	case 0:
		return mq.OutcomeUnknown, nil
	case mq.FlagCommitted:
		return mq.OutcomeCommit, nil
	case mq.FlagRollback:
		return mq.OutcomeRollback, nil
	}
	return 0, badRequest("commitOrRollback is %d; want 8 to commit, 12 to roll back or 0 if it is not known", flag)
}
