package grpc

// PrintThreadStackTrace, VerifyMessage: what a client is asked on an operator's
// behalf. GetProxyRuntimeStats: what this listener does.

import (
	"context"
	"errors"
	"net"
	"strconv"
	"time"

	"github.com/goddardmq/goddard/internal/front/grpc/rmq"
	"github.com/goddardmq/goddard/internal/mq"
)

// askTimeout is how long a client has to answer.
const askTimeout = 10 * time.Second

// client finds a client of this protocol by its id.
func (o operating) client(id string) (*client, error) {
	if c := o.clients.find(id); c != nil {
		return c, nil
	}
	return nil, refusef(rmq.Code_NOT_FOUND, "no client %.100q of the gRPC protocol is connected; ListConsumerConnection names those of a group", id)
}

// PrintThreadStackTrace asks what a client's threads do.
func (o operating) PrintThreadStackTrace(ctx context.Context, req *rmq.PrintThreadStackTraceRequest) (*rmq.PrintThreadStackTraceResponse, error) {
	c, err := o.client(req.GetClientId())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	trace, err := c.stackTrace(ctx)
	if err != nil {
		return nil, err
	}
	return &rmq.PrintThreadStackTraceResponse{Status: okay(), ThreadStackTrace: &trace}, nil
}

// VerifyMessage has a client consume a message. The status is the client's.
func (o operating) VerifyMessage(ctx context.Context, req *rmq.VerifyMessageRequest) (*rmq.VerifyMessageResponse, error) {
	c, err := o.client(req.GetClientId())
	if err != nil {
		return nil, err
	}
	stored, err := o.findMessage(ctx, req.GetTopic().GetName(), req.GetMessageId())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	state, _, err := c.verify(ctx, req.GetTopic().GetName(), stored)
	if err != nil {
		return nil, err
	}
	return &rmq.VerifyMessageResponse{Status: state}, nil
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
