package namesrv

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

// Queues is how many queues of a topic can be read, by broker, as the first
// name server says that answers; mq.ErrTopicNotFound if it does not know the
// topic.
func (r *Registrar) Queues(ctx context.Context, topic string) (map[string]int32, error) {
	ctx, cancel := context.WithTimeout(ctx, farewell)
	defer cancel()
	var errs []error
	for _, l := range r.links() {
		conn := l.conn.Load()
		if conn == nil || conn.Context().Err() != nil {
			continue
		}
		queues, err := askQueues(ctx, conn, topic)
		if err == nil || errors.Is(err, mq.ErrTopicNotFound) {
			return queues, err
		}
		errs = append(errs, fmt.Errorf("name server %s: %w", l.server, err))
	}
	if errs == nil {
		errs = append(errs, errors.New("the broker is registered with no name server yet"))
	}
	return nil, errors.Join(errs...)
}

func askQueues(ctx context.Context, conn *rpc.Conn, topic string) (map[string]int32, error) {
	resp, err := conn.Call(ctx, wire.NewRequest(wire.GetRouteInfoByTopic, &wire.GetRouteInfoByTopicRequest{
		Topic: topic, AcceptStandardJsonOnly: true,
	}))
	switch {
	case err != nil:
		return nil, err
	case resp.Code == wire.CodeTopicNotExist:
		return nil, fmt.Errorf("%w: %s", mq.ErrTopicNotFound, resp.Remark)
	case resp.Code != wire.CodeSuccess:
		return nil, fmt.Errorf("the route of topic %s was answered with code %d: %s", topic, resp.Code, resp.Remark)
	}
	var route wire.TopicRouteData
	if err := wire.DecodeBody(resp.Body, &route); err != nil {
		return nil, err
	}
	return readable(&route), nil
}

// Queues is the same by the name server in this process.
func (l *Local) Queues(topic string) (map[string]int32, error) {
	l.s.mu.RLock()
	defer l.s.mu.RUnlock()
	route, ok := l.s.mu.table.route(topic, netip.IPv4Unspecified())
	if !ok {
		return nil, fmt.Errorf("%w: the name server knows no topic %s", mq.ErrTopicNotFound, topic)
	}
	return readable(&route), nil
}

// readable are the queues of a route that can be read, of brokers that have a
// master.
func readable(route *wire.TopicRouteData) map[string]int32 {
	masters := map[string]bool{}
	for _, b := range route.Brokers {
		_, masters[b.BrokerName] = b.Addrs[masterID]
	}
	queues := map[string]int32{}
	for _, q := range route.Queues {
		if masters[q.BrokerName] && q.Perm&mq.PermRead != 0 {
			queues[q.BrokerName] = q.ReadQueueNums
		}
	}
	return queues
}
