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
	peer, err := o.peer(ctx, req.GetGroup(), id)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	resp := &rmq.GetConsumerRunningInfoResponse{Status: okay()}
	if c, ours := peer.(*client); ours {
		resp.ConsumerRunningInfo = c.runningInfo(ctx)
		return resp, nil
	}
	said, err := askRemote(ctx, peer, group, id, false)
	if err != nil {
		return nil, err
	}
	resp.ConsumerRunningInfo = runningInfo(&said)
	return resp, nil
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

// askRemote asks a client of the remoting protocol what it is doing, and what its
// threads do if stacks are wanted.
func askRemote(ctx context.Context, peer mq.Peer, group, id string, stacks bool) (said wire.ConsumerRunningInfo, err error) {
	body, err := peer.Ask(ctx, askRunningInfo, map[string]string{
		"consumerGroup": group, "clientId": id, "jstackEnable": strconv.FormatBool(stacks),
	}, nil)
	if err != nil {
		return said, err
	}
	if err := wire.DecodeBody(body, &said); err != nil {
		return said, fmt.Errorf("%w: client %.100q answers what cannot be read: %w", mq.ErrUnavailable, id, err)
	}
	return said, nil
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
