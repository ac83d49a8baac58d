package namesrv

import (
	"context"
	"crypto/tls"
	"log/slog"
	"time"

	"github.com/goddardmq/goddard/internal/rpc"
	"github.com/goddardmq/goddard/internal/wire"
)

const (
	// maxNotices bounds the notices that wait to be delivered.
	maxNotices = 1024
	// noticeTimeout bounds the delivery to one broker.
	noticeTimeout = time.Second
)

// notices are on their way to brokers. NOTIFY_MIN_BROKER_ID_CHANGE(905) goes to
// the address a broker listens on: RocketMQ's do not answer requests on the
// connection they registered over. One that is not delivered is not sent again;
// brokers also find out when they ask for their member group.
type notices struct {
	queue chan notice
	tls   *tls.Config // how brokers are reached; nil: without TLS
	log   *slog.Logger
}

func newNotices(o Options) *notices {
	return &notices{queue: make(chan notice, maxNotices), tls: o.TLS, log: o.Log}
}

// add queues notices for delivery; it does not block.
func (n *notices) add(ns []notice) {
	for _, one := range ns {
		select {
		case n.queue <- one:
		default:
			n.log.Warn("too many broker id changes to tell brokers of all", "broker", one.broker)
		}
	}
}

// run delivers until ctx ends.
func (n *notices) run(ctx context.Context) {
	client := rpc.NewClient(rpc.ClientOptions{DialTimeout: noticeTimeout, TLS: n.tls})
	defer client.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case one := <-n.queue:
			for _, addr := range one.to {
				if err := one.deliver(ctx, client, addr); err != nil && ctx.Err() == nil {
					n.log.Warn("broker could not be told that the lowest broker id changed", "broker", one.broker, "addr", addr, "reason", err)
				}
			}
		}
	}
}

func (n notice) deliver(ctx context.Context, client *rpc.Client, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, noticeTimeout)
	defer cancel()
	conn, err := client.Conn(ctx, addr)
	if err != nil {
		return err
	}
	lowest := n.addr
	if lowest == "" {
		lowest = member{port: n.port}.at(hostOf(conn))
	}
	req := wire.NewRequest(wire.NotifyMinBrokerIDChange, &wire.NotifyMinBrokerIDChangeRequest{
		MinBrokerID: n.id, MinBrokerAddr: lowest,
		OfflineBrokerAddr: n.offline, HaBrokerAddr: n.ha,
	})
	return conn.Oneway(req)
}
