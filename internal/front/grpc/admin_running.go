package grpc

// GetConsumerRunningInfo: what a consumer is doing, asked of it.

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// GetConsumerRunningInfo asks a consumer of either protocol what it is doing. One
// of this protocol says what its threads do, if it can; the rest is from its
// settings.
func (o operating) GetConsumerRunningInfo(ctx context.Context, req *rmq.GetConsumerRunningInfoRequest) (*rmq.GetConsumerRunningInfoResponse, error) {
	if err := checkGroup(req.GetGroup()); err != nil {
		return nil, err
	}
	group, id := req.GetGroup().GetName(), req.GetClientId()
	members, _, err := o.admin.Consumers(ctx, group)
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(members, func(m mq.Connection) bool { return m.ClientID == id })
	if i < 0 {
		return nil, refusef(rmq.Code_NOT_FOUND, "group %s has no client %.100q; ListConsumerConnection names those it has", group, id)
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var info *rmq.ConsumerRunningInfo
	if c, ours := members[i].Peer.(*client); ours {
		info = c.runningInfo(ctx)
	} else if info, err = remoteRunningInfo(ctx, members[i], group); err != nil {
		return nil, err
	}
	return &rmq.GetConsumerRunningInfoResponse{Status: okay(), ConsumerRunningInfo: info}, nil
}

// Properties of a client of this protocol, under names of our own: its protocol
// has none. Of the last two there is one, why the client does not say the other.
const (
	propertyClientType = "clientType"
	propertyVersion    = "clientVersion"
	propertyHost       = "hostname"
	propertyStack      = "threadStackTrace"
	propertyNoStack    = "threadStackTraceError"
)

// runningInfo is what is known of a client of this protocol.
func (c *client) runningInfo(ctx context.Context) *rmq.ConsumerRunningInfo {
	settings := c.settings()
	info := &rmq.ConsumerRunningInfo{
		Properties: map[string]string{
			propertyClientType: settings.GetClientType().String(),
			propertyVersion:    settings.GetUserAgent().GetVersion(), propertyHost: settings.GetUserAgent().GetHostname(),
		},
		Subscriptions: map[string]*rmq.FilterExpression{},
	}
	for _, e := range settings.GetSubscription().GetSubscriptions() {
		info.Subscriptions[e.GetTopic().GetName()] = e.GetExpression()
	}
	if trace, err := c.stackTrace(ctx); err == nil {
		info.Properties[propertyStack] = trace
	} else {
		info.Properties[propertyNoStack] = err.Error()
	}
	return info
}

// remoteRunningInfo asks a client of the remoting protocol.
func remoteRunningInfo(ctx context.Context, m mq.Connection, group string) (*rmq.ConsumerRunningInfo, error) {
	body, err := m.Peer.Ask(ctx, askRunningInfo, map[string]string{
		"consumerGroup": group, "clientId": m.ClientID, "jstackEnable": strconv.FormatBool(false),
	}, nil)
	if err != nil {
		return nil, err
	}
	var said wire.ConsumerRunningInfo
	if err := wire.DecodeBody(body, &said); err != nil {
		return nil, fmt.Errorf("%w: client %.100q answers what cannot be read: %w", mq.ErrUnavailable, m.ClientID, err)
	}
	return runningInfo(&said), nil
}

// runningInfo is the answer of a remoting client in words of this protocol. What
// a client pops has no place in it but for how many messages it has in hand.
func runningInfo(said *wire.ConsumerRunningInfo) *rmq.ConsumerRunningInfo {
	info := &rmq.ConsumerRunningInfo{
		Properties: said.Properties, Subscriptions: map[string]*rmq.FilterExpression{}, ConsumeStatusTable: map[string]*rmq.ConsumeStatus{},
	}
	for _, s := range said.Subscriptions {
		info.Subscriptions[s.Topic] = expression(s.ExpressionType, s.SubString)
	}
	for q, p := range said.Queues {
		info.MessageQueueTable = append(info.MessageQueueTable, &rmq.MessageQueueItem{MessageQueue: clientQueue(q), ProcessQueueInfo: &rmq.ProcessQueueInfo{
			CommitOffset: p.CommitOffset, CachedMsgMinOffset: p.CachedMinOffset, CachedMsgMaxOffset: p.CachedMaxOffset,
			CachedMsgCount: p.CachedMessageCount, CachedMsgSizeInMib: p.CachedMiB,
			TransactionMsgMinOffset: p.TransactionMinOffset, TransactionMsgMaxOffset: p.TransactionMaxOffset, TransactionMsgCount: p.TransactionCount,
			Locked: p.Locked, TryUnlockTimes: p.TryUnlockTimes, LastLockTimestamp: p.LastLockTimestamp,
			Dropped: p.Dropped, LastPullTimestamp: p.LastPullTimestamp, LastConsumeTimestamp: p.LastConsumeTimestamp,
		}})
	}
	for q, p := range said.PopQueues {
		info.MessageQueueTable = append(info.MessageQueueTable, &rmq.MessageQueueItem{MessageQueue: clientQueue(q), ProcessQueueInfo: &rmq.ProcessQueueInfo{
			CachedMsgCount: p.WaitAckCount, Dropped: p.Dropped, LastPullTimestamp: p.LastPopTimestamp,
		}})
	}
	slices.SortFunc(info.MessageQueueTable, func(a, b *rmq.MessageQueueItem) int {
		x, y := a.MessageQueue, b.MessageQueue
		return cmp.Or(strings.Compare(x.Topic.Name, y.Topic.Name), strings.Compare(x.Broker.Name, y.Broker.Name), cmp.Compare(x.Id, y.Id))
	})
	for topic, s := range said.Status {
		info.ConsumeStatusTable[topic] = &rmq.ConsumeStatus{
			ReceiveRt: s.PullRT, ReceiveTps: s.PullTPS, ConsumeRt: s.ConsumeRT,
			ConsumeOkTps: s.ConsumeOKTPS, ConsumeFailedTps: s.ConsumeFailedTPS, ConsumeFailedMsgs: s.ConsumeFailedMessages,
		}
	}
	return info
}

// clientQueue is a queue in words of this protocol.
func clientQueue(q wire.MessageQueue) *rmq.MessageQueue {
	return &rmq.MessageQueue{Topic: &rmq.Resource{Name: q.Topic}, Id: q.QueueID, Broker: &rmq.Broker{Name: q.BrokerName}}
}
