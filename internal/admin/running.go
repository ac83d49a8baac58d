package admin

import (
	"context"
	"errors"
	"fmt"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// RunningInfo asks a member of a group, through a broker that it is connected
// to, what it is doing; with stacks it says where its threads are too. gRPC
// clients cannot be asked.
func (c *Cluster) RunningInfo(ctx context.Context, of Target, group, client string, stacks bool) (*wire.ConsumerRunningInfo, error) {
	info := new(wire.ConsumerRunningInfo)
	err := c.throughAny(ctx, of, group, client, func(b Broker) error {
		h := &wire.GetConsumerRunningInfoRequest{ConsumerGroup: group, ClientID: client, JstackEnable: stacks}
		return c.ask(ctx, b.Addr, wire.NewRequest(wire.GetConsumerRunningInfo, h), info)
	})
	return info, err
}

// throughAny asks the masters that a client is connected to, until one answers.
func (c *Cluster) throughAny(ctx context.Context, of Target, group, client string, ask func(Broker) error) error {
	brokers, err := c.allMasters(ctx, of)
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

// HoldersOf says which client of a group has which queue, by what the clients
// say themselves; a client that does not answer is left out.
func (c *Cluster) HoldersOf(ctx context.Context, of Target, group string) (map[wire.MessageQueue]string, error) {
	members, err := c.Consumers(ctx, of, group)
	if err != nil {
		return nil, err
	}
	holders := map[wire.MessageQueue]string{}
	for _, client := range members.Clients {
		info, err := c.RunningInfo(ctx, of, group, client.ID, false)
		if err != nil {
			continue
		}
		for q := range info.Queues {
			holders[q] = client.ID
		}
	}
	return holders, nil
}

// ConsumeDirectly has one client consume a message now, whatever its group has
// consumed, and returns what it says about it.
func (c *Cluster) ConsumeDirectly(ctx context.Context, m FoundMessage, group, client string) (*wire.ConsumeDirectlyResult, error) {
	h := &wire.ConsumeMessageDirectlyRequest{
		ConsumerGroup: group, ClientID: client, MsgID: m.Record.OffsetID(), BrokerName: m.Broker, Topic: string(m.Record.Topic),
	}
	result := new(wire.ConsumeDirectlyResult)
	if err := c.ask(ctx, m.Addr, wire.NewRequest(wire.ConsumeMessageDirectly, h), result); err != nil {
		return nil, err
	}
	return result, nil
}

// SendAgain stores a message once more in the queue that it came from, with what
// it was sent with, and returns the offset message id of the new one.
func (c *Cluster) SendAgain(ctx context.Context, m FoundMessage) (string, error) {
	again := m.Record.Message()
	again.Properties = nil
	for key, value := range mq.Properties(m.Record.Properties) {
		if k := string(key); !dropped(k) && k != mq.PropUniqueKey {
			again.Properties = mq.AppendProperty(again.Properties, k, value)
		}
	}
	id, _, err := c.send(ctx, Broker{Addr: m.Addr}, &again)
	return id, err
}
