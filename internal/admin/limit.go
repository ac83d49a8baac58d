package admin

import (
	"cmp"
	"context"
	"errors"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// Limit is a limit on one server and what became of it there.
type Limit struct {
	Broker string `json:"broker"` // name, or the address of a name server
	mq.LimitUse
}

// Limits lists the limits on the target's masters, which must be Goddard's.
func (c *Cluster) Limits(ctx context.Context, of Target) ([]Limit, error) {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return nil, err
	}
	return c.limits(ctx, brokers)
}

// PutLimit sets a limit on each of the target's masters, which must be
// Goddard's. Each counts by itself.
func (c *Cluster) PutLimit(ctx context.Context, of Target, r mq.LimitRule) error {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return err
	}
	return c.putLimit(ctx, brokers, r)
}

// DeleteLimit lifts a limit on those of the target's masters that have it; it is
// an error if none has.
func (c *Cluster) DeleteLimit(ctx context.Context, of Target, scope, name string) error {
	brokers, err := c.Masters(ctx, of)
	if err != nil {
		return err
	}
	return c.deleteLimit(ctx, brokers, scope, name)
}

// NamesrvLimits is Limits of all name servers, which must be Goddard's.
func (c *Cluster) NamesrvLimits(ctx context.Context) ([]Limit, error) {
	return c.limits(ctx, c.namesrvs())
}

// PutNamesrvLimit is PutLimit on all name servers.
func (c *Cluster) PutNamesrvLimit(ctx context.Context, r mq.LimitRule) error {
	return c.putLimit(ctx, c.namesrvs(), r)
}

// DeleteNamesrvLimit is DeleteLimit on all name servers.
func (c *Cluster) DeleteNamesrvLimit(ctx context.Context, scope, name string) error {
	return c.deleteLimit(ctx, c.namesrvs(), scope, name)
}

// namesrvs are the name servers as servers without a name.
func (c *Cluster) namesrvs() []Broker {
	var all []Broker
	for _, addr := range c.o.Namesrvs {
		all = append(all, Broker{Addr: addr})
	}
	return all
}

func (c *Cluster) limits(ctx context.Context, servers []Broker) ([]Limit, error) {
	var all []Limit
	for _, s := range servers {
		var list wire.LimitList
		if err := c.ask(ctx, s.Addr, wire.NewRequest(wire.GoddardListLimits, nil), &list); err != nil {
			return nil, err
		}
		for _, l := range list.Limits {
			all = append(all, Limit{cmp.Or(s.Name, s.Addr), mq.LimitUse{
				LimitRule: mq.LimitRule{
					Scope: l.Scope, Name: l.Name, SendMessages: l.SendMessages, SendBytes: l.SendBytes,
					ConsumeMessages: l.ConsumeMessages, ConsumeBytes: l.ConsumeBytes, Requests: l.Requests, Connections: l.Connections,
				},
				Used: mq.LimitAmounts(l.Used), Refused: mq.LimitAmounts(l.Refused), Busiest: l.Busiest, Subjects: l.Subjects,
			}})
		}
	}
	return all, nil
}

func (c *Cluster) putLimit(ctx context.Context, servers []Broker, r mq.LimitRule) error {
	h := &wire.GoddardPutLimitRequest{
		Scope: r.Scope, Name: r.Name, SendMessages: r.SendMessages, SendBytes: r.SendBytes,
		ConsumeMessages: r.ConsumeMessages, ConsumeBytes: r.ConsumeBytes, Requests: r.Requests, Connections: r.Connections,
	}
	for _, s := range servers {
		if _, err := c.call(ctx, s.Addr, wire.NewRequest(wire.GoddardPutLimit, h)); err != nil {
			return err
		}
	}
	return nil
}

func (c *Cluster) deleteLimit(ctx context.Context, servers []Broker, scope, name string) error {
	var missed error
	found := false
	h := &wire.GoddardDeleteLimitRequest{Scope: scope, Name: name}
	for _, s := range servers {
		_, err := c.call(ctx, s.Addr, wire.NewRequest(wire.GoddardDeleteLimit, h))
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
