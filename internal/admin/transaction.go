package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// transactionPage is how many transactions are asked for at a time.
const transactionPage = 1000

// Transaction is a half message that is neither committed nor rolled back.
type Transaction struct {
	ID        string    `json:"id"` // offset message id, by which it is ended
	UniqueKey string    `json:"uniqueKey"`
	Broker    string    `json:"broker"`
	Topic     string    `json:"topic"` // that it is meant for
	Queue     int32     `json:"queue"`
	Group     string    `json:"group"` // of its producer
	Born      time.Time `json:"born"`
	Size      int32     `json:"size"` // as stored, in bytes
	Checks    int32     `json:"checks"`
	GivenUp   bool      `json:"givenUp"`
}

// errEnough ends a walk through the transactions.
var errEnough = errors.New("enough")

// Transactions lists pending transactions of the target's masters, which must
// be Goddard's; those of one topic or producer group only, where given, and at
// most limit of them.
func (c *Cluster) Transactions(ctx context.Context, of Target, topic, group string, limit int) ([]Transaction, error) {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return nil, err
	}
	var all []Transaction
	for _, b := range brokers {
		err := c.transactionsOf(ctx, b.Addr, func(t wire.Transaction) error {
			if topic != "" && t.Topic != topic || group != "" && t.Group != group {
				return nil
			}
			if len(all) == limit {
				return errEnough
			}
			all = append(all, Transaction{
				ID: t.MsgID, UniqueKey: t.UniqueKey, Broker: cmp.Or(b.Name, b.Addr), Topic: t.Topic, Queue: t.QueueID, Group: t.Group,
				Born: moment(t.BornTimestamp), Size: t.Size, Checks: t.Checks, GivenUp: t.GivenUp,
			})
			return nil
		})
		if errors.Is(err, errEnough) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	return all, nil
}

// transactionsOf goes through the pending transactions of one broker.
func (c *Cluster) transactionsOf(ctx context.Context, addr string, each func(wire.Transaction) error) error {
	h := &wire.GoddardListTransactionsRequest{Max: transactionPage}
	for {
		var list wire.TransactionList
		if err := c.ask(ctx, addr, wire.NewRequest(wire.GoddardListTransactions, h), &list); err != nil {
			return err
		}
		for _, t := range list.Transactions {
			if err := each(t); err != nil {
				return err
			}
			h.After = wire.Some(t.Offset)
		}
		if len(list.Transactions) == 0 {
			return nil
		}
	}
}

// SettleTransaction commits or rolls back a half message, on the broker that
// its id names or, if addr is not empty, on that at addr.
func (c *Cluster) SettleTransaction(ctx context.Context, addr, id string, commit bool) error {
	h := &wire.GoddardSettleTransactionRequest{MsgID: id, CommitOrRollback: int32(mq.FlagRollback)}
	if commit {
		h.CommitOrRollback = int32(mq.FlagCommitted)
	}
	return c.onBrokerOf(ctx, addr, id, wire.NewRequest(wire.GoddardSettleTransaction, h))
}

// CheckTransaction has a producer asked about a half message, on the broker
// that its id names or, if addr is not empty, on that at addr.
func (c *Cluster) CheckTransaction(ctx context.Context, addr, id string) error {
	return c.onBrokerOf(ctx, addr, id, wire.NewRequest(wire.ResumeCheckHalfMessage, &wire.ResumeCheckHalfMessageRequest{MsgID: id}))
}

func (c *Cluster) onBrokerOf(ctx context.Context, addr, id string, req *wire.Command) error {
	host, _, err := mq.ParseOffsetID(id)
	if err != nil {
		return fmt.Errorf("%w; `goddard admin transaction list` shows ids", err)
	}
	_, err = c.call(ctx, cmp.Or(addr, host.String()), req)
	return err
}
