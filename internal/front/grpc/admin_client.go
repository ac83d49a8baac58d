package grpc

// PrintThreadStackTrace, VerifyMessage: what a client is asked on an operator's
// behalf. GetProxyRuntimeStats: what this listener does.

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// askTimeout is how long a client has to answer.
const askTimeout = 10 * time.Second

// peer finds a client by its id: of the group that is named, which is what the
// caller had to be allowed, or, if none is, of this protocol.
func (o operating) peer(ctx context.Context, group *rmq.Resource, id string) (mq.Peer, error) {
	if !named(group) {
		if c := o.clients.find(id); c != nil {
			return c, nil
		}
		return nil, refusef(rmq.Code_NOT_FOUND, "no client %.100q of the gRPC protocol is connected; ListConsumerConnection names those of a group", id)
	}
	members, _, err := o.admin.Consumers(ctx, group.GetName())
	if err != nil && !errors.Is(err, mq.ErrNotOnline) {
		return nil, err
	}
	for _, m := range members {
		if m.ClientID == id && m.Peer != nil {
			return m.Peer, nil
		}
	}
	return nil, refusef(rmq.Code_NOT_FOUND, "group %.100q has no client %.100q; ListConsumerConnection names those it has", group.GetName(), id)
}

// PrintThreadStackTrace asks what a client's threads do.
func (o operating) PrintThreadStackTrace(ctx context.Context, req *rmq.PrintThreadStackTraceRequest) (*rmq.PrintThreadStackTraceResponse, error) {
	peer, err := o.peer(ctx, req.GetGroup(), req.GetClientId())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var trace string
	if c, ours := peer.(*client); ours {
		trace, err = c.stackTrace(ctx)
	} else {
		said, asked := askRemote(ctx, peer, req.GetGroup().GetName(), req.GetClientId(), true)
		trace, err = said.Stack, asked
	}
	if err != nil {
		return nil, err
	}
	return &rmq.PrintThreadStackTraceResponse{Status: okay(), ThreadStackTrace: &trace}, nil
}

// VerifyMessage has a client consume a message. The status is the client's.
func (o operating) VerifyMessage(ctx context.Context, req *rmq.VerifyMessageRequest) (*rmq.VerifyMessageResponse, error) {
	peer, err := o.peer(ctx, req.GetGroup(), req.GetClientId())
	if err != nil {
		return nil, err
	}
	stored, err := o.findMessage(ctx, req.GetTopic().GetName(), req.GetMessageId())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	var state *rmq.Status
	if c, ours := peer.(*client); ours {
		state, _, err = c.verify(ctx, req.GetTopic().GetName(), stored)
	} else {
		state, err = o.verifyRemote(ctx, peer, req, stored)
	}
	if err != nil {
		return nil, err
	}
	return &rmq.VerifyMessageResponse{Status: state}, nil
}

// verifyRemote has a client of the remoting protocol consume a message.
func (o operating) verifyRemote(ctx context.Context, peer mq.Peer, req *rmq.VerifyMessageRequest, stored []byte) (*rmq.Status, error) {
	body, err := peer.Ask(ctx, askConsumeDirectly, map[string]string{
		"consumerGroup": req.GetGroup().GetName(), "clientId": req.GetClientId(), "msgId": req.GetMessageId(),
		"brokerName": o.o.Name, "topic": req.GetTopic().GetName(),
	}, stored)
	if err != nil {
		return nil, err
	}
	var said wire.ConsumeDirectlyResult
	if err := wire.DecodeBody(body, &said); err != nil {
		return nil, fmt.Errorf("%w: client %.100q answers what cannot be read: %w", mq.ErrUnavailable, req.GetClientId(), err)
	}
	if consumeResult(rmq.Code_OK) == said.ConsumeResult {
		return okay(), nil
	}
	return &rmq.Status{Code: rmq.Code_FAILED_TO_CONSUME_MESSAGE, Message: strings.TrimSpace(said.ConsumeResult + " " + said.Remark)}, nil
}

// GetProxyRuntimeStats answers with rates of the last minute and how many
// clients there are.
func (o operating) GetProxyRuntimeStats(ctx context.Context, _ *rmq.GetProxyRuntimeStatsRequest) (*rmq.GetProxyRuntimeStatsResponse, error) {
	resp := &rmq.GetProxyRuntimeStatsResponse{Status: okay(), ProxyName: o.o.Name, Version: o.o.Version, Connections: o.conns.Load()}
	o.clients.each(func(c *client) {
		if c.settings().GetPublishing() != nil {
			resp.Producers++
		} else if c.settings().GetSubscription() != nil {
			resp.Consumers++
		}
	})
	for counter, rate := range map[string]*float64{"BROKER_PUT_NUMS": &resp.InTps, "BROKER_GET_NUMS": &resp.OutTps} {
		r, err := o.admin.Stats(ctx, counter, o.cluster(ctx))
		if err != nil && !errors.Is(err, mq.ErrNotFound) {
			return nil, err
		}
		*rate = r[0].Rate
	}
	return resp, nil
}

// cluster is the name of the broker's cluster, which its counters go by.
func (o operating) cluster(ctx context.Context) string {
	return o.admin.Settings(ctx)["brokerClusterName"]
}

// hostPort is an address as text.
func hostPort(a *rmq.Address) string {
	return net.JoinHostPort(a.GetHost(), strconv.Itoa(int(a.GetPort())))
}
