package admin

import (
	"cmp"
	"context"
	"errors"
	"net"
	"slices"
	"strconv"

	"github.com/goddardmq/goddard/internal/explain"
	"github.com/goddardmq/goddard/internal/mq"
	"github.com/goddardmq/goddard/internal/wire"
)

// ExplainSend says whether a message of a type (NORMAL, FIFO, DELAY,
// TRANSACTION, PRIORITY, LITE; empty for any) and a size in bytes (0 for any)
// could be sent to a topic now. It dials the addresses that clients are given,
// and sends nothing.
func (c *Cluster) ExplainSend(ctx context.Context, topic, kind string, size int) (explain.SendAccount, error) {
	s := explain.Send{Topic: topic, Type: kind, Size: size, Brokers: []explain.SendBroker{}}
	if err := mq.CheckTopic(topic); err != nil {
		s.Name = err.Error()
		return explain.TellSend(s), nil //nolint:nilerr // the name is what is told about
	}
	route, err := c.Route(ctx, topic)
	if err != nil && !errors.Is(err, mq.ErrTopicNotFound) {
		return explain.SendAccount{}, err
	}
	s.Routed = err == nil
	brokers, err := c.Brokers(ctx)
	if err != nil {
		return explain.SendAccount{}, err
	}
	for _, b := range brokers {
		if b.ID != 0 {
			continue
		}
		at := explain.SendBroker{Name: b.Name, Addr: b.Addr, Allowed: mq.PermRead | mq.PermWrite}
		routed(&at, route)
		if s.Routed && !at.Routed {
			continue // producers do not go there
		}
		if err := c.sendTo(ctx, &s, &at); err != nil {
			return explain.SendAccount{}, err
		}
		s.Brokers = append(s.Brokers, at)
	}
	return explain.TellSend(s), nil
}

// routed fills in what the name server says of the topic on a broker.
func routed(b *explain.SendBroker, route *wire.TopicRouteData) {
	if route == nil {
		return
	}
	i := slices.IndexFunc(route.Queues, func(q wire.QueueData) bool { return q.BrokerName == b.Name })
	if i < 0 {
		return
	}
	q := route.Queues[i]
	b.Routed, b.RouteOK, b.Queues, b.Perm = true, q.Perm&mq.PermWrite != 0, q.WriteQueueNums, q.Perm
	for _, at := range route.Brokers {
		if at.BrokerName == b.Name && at.Addrs[0] != "" {
			b.Addr = at.Addrs[0]
		}
	}
}

// sendTo asks a broker what it would do with the message.
func (c *Cluster) sendTo(ctx context.Context, s *explain.Send, b *explain.SendBroker) error {
	dialer := net.Dialer{Timeout: c.o.Timeout}
	conn, err := dialer.DialContext(ctx, "tcp", b.Addr)
	if err != nil {
		b.Dial = err.Error()
		return ctx.Err()
	}
	conn.Close()
	config, err := c.BrokerConfig(ctx, b.Addr)
	if err != nil {
		s.Unknown = append(s.Unknown, b.Name+" does not tell its settings: "+err.Error())
	} else {
		inForce(b, config)
	}
	t, err := c.Topic(ctx, b.Addr, s.Topic)
	switch {
	case err == nil:
		b.Has, b.Perm, b.Queues, b.Kind = true, t.Perm, t.WriteQueues, t.Attributes["message.type"]
	case refusedWith(err, wire.CodeRequestCodeNotSupported) && b.Routed: // brokers before 4.9
		b.Has = true
	case !refusedWith(err, wire.CodeTopicNotExist):
		return err
	}
	return c.disk(ctx, s, b, config)
}

// inForce fills in what the broker's settings say of sends.
func inForce(b *explain.SendBroker, config map[string]string) {
	b.Asked = true
	if n, err := strconv.ParseInt(config["brokerPermission"], 10, 32); err == nil {
		b.Allowed = int32(n)
	}
	b.Creates, b.NoTxn = config["autoCreateTopicEnable"] == "true", config["rejectTransactionMessage"] == "true"
	b.Checks = config["message-type-check"] == "true"
	b.MaxSize, _ = strconv.Atoi(config["maxMessageSize"])
}

// disk asks how full the broker's disk is.
func (c *Cluster) disk(ctx context.Context, s *explain.Send, b *explain.SendBroker, config map[string]string) error {
	status, err := c.BrokerStatus(ctx, b.Addr)
	if err != nil {
		s.Unknown = append(s.Unknown, "how full the disk of "+b.Name+" is: "+err.Error())
		return ctx.Err()
	}
	b.DiskUsed = cmp.Or(status["commitLogDiskRatio"], "?")
	used, err := strconv.ParseFloat(status["commitLogDiskRatio"], 64)
	limit, err2 := strconv.ParseFloat(config["diskSpaceWarningLevelRatio"], 64)
	if limit <= 1 {
		limit *= 100
	}
	b.Full = err == nil && err2 == nil && limit > 0 && used*100 >= limit
	if free, err := strconv.ParseInt(status["goddardDiskFree"], 10, 64); err == nil {
		reserve, err := strconv.ParseInt(config["disk-reserve"], 10, 64)
		b.Full = b.Full || err == nil && free <= reserve
	}
	return nil
}
