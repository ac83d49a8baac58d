package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// RunningInfo asks a member of a group, through a broker that it is connected
// to, what it is doing; with its stacks if stack is set. gRPC clients cannot be
// asked.
func (c *Cluster) RunningInfo(ctx context.Context, group, client string, stack bool) (*wire.ConsumerRunningInfo, error) {
	info := new(wire.ConsumerRunningInfo)
	err := c.throughAny(ctx, group, client, func(b Broker) error {
		h := &wire.GetConsumerRunningInfoRequest{ConsumerGroup: group, ClientID: client, JstackEnable: stack}
		return c.ask(ctx, b.Addr, wire.NewRequest(wire.GetConsumerRunningInfo, h), info)
	})
	return info, err
}

// ConsumeDirectly has a member of a group consume one message at once, whatever
// the group's offset.
func (c *Cluster) ConsumeDirectly(ctx context.Context, m FoundMessage, group, client string) (*wire.ConsumeDirectlyResult, error) {
	result := new(wire.ConsumeDirectlyResult)
	h := &wire.ConsumeMessageDirectlyRequest{
		ConsumerGroup: group, ClientID: client, MsgID: m.Record.OffsetID(), BrokerName: m.Broker, Topic: string(m.Record.Topic),
	}
	err := c.ask(ctx, m.Addr, wire.NewRequest(wire.ConsumeMessageDirectly, h), result)
	return result, err
}

// throughAny asks the masters that a client is connected to, until one answers.
func (c *Cluster) throughAny(ctx context.Context, group, client string, ask func(Broker) error) error {
	brokers, err := c.allMasters(ctx, Target{})
	if err != nil {
		return err
	}
	var last error
	for _, b := range brokers {
		members, err := c.Consumers(ctx, Target{Addr: b.Addr}, group)
		if errors.Is(err, mq.ErrNotOnline) {
			continue
		}
		if err != nil {
			return err
		}
		for _, m := range members.Clients {
			if m.ID != client {
				continue
			}
			if last = ask(b); last == nil || ctx.Err() != nil {
				return last
			}
		}
	}
	if last == nil {
		last = fmt.Errorf("client %s of group %s: %w", client, group, mq.ErrNotOnline)
	}
	return last
}
