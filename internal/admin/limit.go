package admin

import (
	"cmp"
	"context"
	"errors"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Limit is a limit on one broker and what became of it there.
type Limit struct {
	Broker string `json:"broker"`
	mq.LimitUse
}

// Limits lists the limits on the target's masters, which must be Goddard's.
func (c *Cluster) Limits(ctx context.Context, of Target) ([]Limit, error) {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return nil, err
	}
	var all []Limit
	for _, b := range brokers {
		var list wire.LimitList
		if err := c.ask(ctx, b.Addr, wire.NewRequest(wire.GoddardListLimits, nil), &list); err != nil {
			return nil, err
		}
		for _, l := range list.Limits {
			all = append(all, Limit{cmp.Or(b.Name, b.Addr), mq.LimitUse{
				LimitRule: mq.LimitRule{
					Scope: l.Scope, Name: l.Name, SendMessages: l.SendMessages, SendBytes: l.SendBytes, Requests: l.Requests, Connections: l.Connections,
				},
				Used: mq.LimitAmounts(l.Used), Refused: mq.LimitAmounts(l.Refused), Busiest: l.Busiest, Subjects: l.Subjects,
			}})
		}
	}
	return all, nil
}

// PutLimit sets a limit on each of the target's masters, which must be
// Goddard's. Each counts by itself.
func (c *Cluster) PutLimit(ctx context.Context, of Target, r mq.LimitRule) error {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return err
	}
	h := &wire.GoddardPutLimitRequest{
		Scope: r.Scope, Name: r.Name, SendMessages: r.SendMessages, SendBytes: r.SendBytes, Requests: r.Requests, Connections: r.Connections,
	}
	for _, b := range brokers {
		if _, err := c.call(ctx, b.Addr, wire.NewRequest(wire.GoddardPutLimit, h)); err != nil {
			return err
		}
	}
	return nil
}

// DeleteLimit lifts a limit on those of the target's masters that have it; it is
// an error if none has.
func (c *Cluster) DeleteLimit(ctx context.Context, of Target, scope, name string) error {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return err
	}
	var missed error
	found := false
	h := &wire.GoddardDeleteLimitRequest{Scope: scope, Name: name}
	for _, b := range brokers {
		_, err := c.call(ctx, b.Addr, wire.NewRequest(wire.GoddardDeleteLimit, h))
		if refused, ok := errors.AsType[*RefusedError](err); ok && refused.Code == wire.CodeQueryNotFound {
			missed = err
			continue
		}
		if err != nil {
			return err
		}
		found = true
	}
	if !found {
		return missed
	}
	return nil
}
